"""Sends one RRQ from each of many source ports and reports the first answer to each.

`pxebench sweep` and `diagnose` use it to find filtered ports; no ROM does this. Loaded only for
jobs of the kind "ask".

1. Each answered transfer is ended with an ERROR, so that the server stops retransmitting. With
   `hold` this happens after the last port, so that all transfers are open at the same time.
2. A port that cannot be opened here is reported as "busy"; the job goes on.
3. A datagram from another host, or an ICMP error, does not end the wait: both can be forged, and
   the server's answer may still come.
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
    """Send an RRQ from each of job["ports"] ([[first, count], ...]); an `answer` event for each.

    Further fields: server, port, file, options, wait_ms, gap_ms (least time between two RRQs),
    hold, bind, trace, max_time_ms. Returns the result; raises Refused if there is no such RRQ."""
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
        self.held = []  # (net, peer) of transfers that are open
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
        # Wait for the server's first answer and put it into `event`. Returns the peer to which
        # an ERROR is owed, or None.
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
