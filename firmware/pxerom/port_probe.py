"""One RRQ from each of many ports, and what came back: the bench's question to a path.

No ROM does this; `pxebench sweep` and `diagnose` do. A conversation goes no further than the first
answer. Loaded for a job of the kind "ask" and for no other: a board that boots carries none of it.

1. What was answered is ended with an ERROR, so that no server goes on resending; with `hold`
   only when every port has asked, so that the conversations stand open side by side.
2. A port that cannot be used here is an answer of its own, not the end of the job.
3. An answer of another host ends nothing, nor does an ICMP error, which anybody can forge: the
   server's own answer may still come.
"""

from pxerom import tftp_packet
from pxerom.failure import Ended, Failure, Refused, printable
from pxerom.icmp import tally
from pxerom.job import local_address, result, start, unicast
from pxerom.runtime import (
    address,
    sleep_ms,
    split,
    ticks_add,
    ticks_diff,
    ticks_ms,
)
from pxerom.udp import Udp

_KINDS = {3: "data", 5: "error", 6: "oack"}


def run(job, emit, on_wait=None):
    """Ask from each port of job["ports"] ([[first, count], ...]); an `answer` event for each.

    Further fields: server, port, file, options, wait_ms, gap_ms (least time between two RRQs),
    hold, bind, trace, max_time_ms. Returns the result; raises Refused for what cannot be asked."""
    unicast(job.get("server"))
    try:
        request = tftp_packet.rrq(job.get("file") or "", "octet", job.get("options") or [])
    except ValueError as error:
        raise Refused("Cannot ask for %s: %s." % (job.get("file"), error))
    trace = None
    if job.get("trace"):
        from pxerom.trace import Trace

        trace = Trace(emit)
    emit(start(job, "ask"))
    asker = _Run(job, request, emit, trace, on_wait)
    by = None
    try:
        for first, count in job["ports"]:
            for port in range(first, first + count):
                asker.ask(port)
    except (KeyboardInterrupt, Ended) as end:
        by = getattr(end, "by", "user")
    finally:
        asker.close()
    if by is None:
        return result("ask", outcome="ok")
    from pxerom.fetch_end import record

    return result("ask", ended=record(by, asker.at_ms()))


class _Run:
    def __init__(self, job, request, emit, trace, on_wait):
        self.job = job
        self.request = request
        self.emit = emit
        self.trace = trace
        self.on_wait = on_wait
        self.bind = local_address(job)
        self.server = address(job["server"], job.get("port") or 69)
        self.held = []  # (net, peer) of conversations that stand open
        self.first = None
        self.due = None  # when the next RRQ may leave
        self.end = None
        if job.get("max_time_ms"):
            self.end = ticks_add(ticks_ms(), job["max_time_ms"])

    def at_ms(self):
        return 0 if self.first is None else ticks_diff(ticks_ms(), self.first)

    def ask(self, port):
        self._pause()
        spec = {"policy": "fixed", "first": port, "last": port, "step": 1, "per": "boot"}
        net = Udp(spec, self.bind, self.trace)
        event = {"event": "answer", "source_port": port, "at_ms": self.at_ms(), "kind": "busy"}
        event["icmp"] = []
        peer = None
        try:
            net.open(True)
            net.send(self.request, self.server)
            now = ticks_ms()
            if self.first is None:
                self.first = now
            event["at_ms"] = ticks_diff(now, self.first)
            self.due = ticks_add(now, self.job.get("gap_ms") or 0)
            event["kind"] = "silent"
            peer = self._listen(net, event, now)
        except Refused as refusal:
            event["reason"] = refusal.message
            event["id"] = refusal.reason
        except Failure as failure:
            event["reason"] = str(failure)
            event["id"] = failure.reason
        finally:
            if self.job.get("hold") and event["kind"] != "busy":
                self.held.append((net, peer))
            else:
                _leave(net, peer)
        if self.trace:
            self.trace.flush()
        self.emit(event)

    def _listen(self, net, event, asked):
        # Wait for the first answer that counts; it goes into `event`. Returns who is to be told.
        deadline = ticks_add(asked, self.job["wait_ms"])
        while True:
            left_ms = ticks_diff(deadline, ticks_ms())
            if left_ms <= 0:
                return None
            self._tick()
            data = net.receive(1536, min(left_ms, 200))
            if net.errors and tally(net.errors, (self.server,), event["icmp"]):
                if event["kind"] == "silent":
                    event["kind"] = "unreachable"
                    event["ms"] = ticks_diff(ticks_ms(), asked)
            if data is None:
                continue
            host, port = split(net.sender)
            own = host == self.job["server"]
            if own or event["kind"] in ("silent", "unreachable"):
                event["ms"] = ticks_diff(ticks_ms(), asked)
                event["server_port"] = port
                event["kind"] = "foreign"
                event["host"] = host
            if own:
                return self._answered(data, event, net.sender)

    def _answered(self, data, event, peer):
        kind = _KINDS.get(data[1], "other") if len(data) > 3 and data[0] == 0 else "other"
        event["kind"] = kind
        if kind == "error":
            message = printable(bytes(data[4:]).split(b"\x00", 1)[0])
            event["error"] = {"code": data[2] << 8 | data[3], "message": message}
            return None  # an ERROR is never answered (R-TFTP-10)
        if kind == "oack":
            event["options"] = tftp_packet.oack_options(data)
        return peer

    def _pause(self):
        while True:
            self._tick()
            left_ms = 0 if self.due is None else ticks_diff(self.due, ticks_ms())
            if left_ms <= 0:
                return
            sleep_ms(min(left_ms, 200))

    def _tick(self):
        if self.end is not None and ticks_diff(self.end, ticks_ms()) <= 0:
            raise Ended()
        if self.on_wait:
            self.on_wait()

    def close(self):
        while self.held:
            _leave(*self.held.pop(0))
        if self.trace:
            self.trace.flush()


def _leave(net, peer):
    if peer is not None:
        try:
            net.send(tftp_packet.error(0, "TFTP Aborted"), peer)
        except Failure:
            pass
    net.close()
