"""Sends one RRQ from each of many source ports and reports the first answer to each.

`pxebench sweep` and `diagnose` use it to find filtered ports; no ROM does this. Loaded only for
jobs of the kind "ask".

1. Each answered transfer is ended with an ERROR, so that the server stops retransmitting. With
   `hold` this happens after the last port, so that all transfers are open at the same time.
2. A port that cannot be opened here is reported as "busy"; the job goes on.
3. A datagram from another host, or an ICMP error, does not end the wait: both can be forged, and
   the server's answer may still come.
4. Up to `most` RRQs wait for their answers at the same time, on a board no more than it has
   sockets for.
"""

from pxerom import tftp_packet
from pxerom.failure import Ended, Failure, Refused, printable
from pxerom.icmp import tally
from pxerom.job import local_address, result, start, unicast
from pxerom.runtime import (
    KEPT_SOCKETS,
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
    most (RRQs that wait at the same time, 1 if left), hold, bind, trace, max_time_ms. Returns the
    result; raises Refused if there is no such RRQ."""
    unicast(job.get("server"))
    name = job.get("file") or ""
    if not isinstance(name, str):  # a name that is not text: its bytes
        name = bytes(name)
    try:
        request = tftp_packet.rrq(name, "octet", job.get("options") or [])
    except ValueError as error:
        raise Refused("Cannot ask for %s: %s." % (name, error))
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
        while asker.under_way:
            asker.listen(200)
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
        self.most = min(job.get("most") or 1, KEPT_SOCKETS + 1)
        self.under_way = []  # (net, its answer event, ticks of its RRQ)
        self.held = []  # (net, peer) of conversations that stand open
        self.first = None
        self.due = ticks_ms()  # when the next RRQ may leave
        self.end = None
        if job.get("max_time_ms"):
            self.end = ticks_add(ticks_ms(), job["max_time_ms"])

    def at_ms(self):
        return 0 if self.first is None else ticks_diff(ticks_ms(), self.first)

    def ask(self, port):
        # As soon as the rate allows it and there is room.
        while True:
            left_ms = ticks_diff(self.due, ticks_ms())
            if len(self.under_way) >= self.most:
                left_ms = 200
            if left_ms <= 0:
                break
            self.listen(left_ms)
        spec = {"policy": "fixed", "first": port, "last": port, "step": 1, "per": "boot"}
        net = Udp(spec, self.bind, self.trace)
        event = {"event": "answer", "source_port": port, "kind": "silent", "icmp": []}
        try:
            net.open(True)
            net.send(self.request, self.server)
        except (Refused, Failure) as error:
            self._over(net, event, error)
            return
        now = ticks_ms()
        if self.first is None:
            self.first = now
        event["at_ms"] = ticks_diff(now, self.first)
        self.due = ticks_add(now, self.job.get("gap_ms") or 0)
        self.under_way.append((net, event, now))

    def listen(self, wait_ms):
        """Hear each question that is under way, for `wait_ms` or less in all."""
        if self.end is not None and ticks_diff(self.end, ticks_ms()) <= 0:
            raise Ended()
        if self.on_wait:
            self.on_wait()
        wait_ms = min(wait_ms, 200)
        if not self.under_way:
            sleep_ms(wait_ms)
        for one in self.under_way[:]:
            net, event, asked = one
            left_ms = self.job["wait_ms"] - ticks_diff(ticks_ms(), asked)
            if len(self.under_way) > 1:  # by turns: all of their answers may be here
                wait_ms = 1
            error = peer = None
            try:
                # When its time is over, what came while others were heard is still read.
                data = net.receive(1536, max(1, min(left_ms, wait_ms)))
                peer = self._heard(net, event, asked, data)
                if peer is None and left_ms > 0:
                    continue
            except Failure as failure:
                error = failure
            self.under_way.remove(one)
            self._over(net, event, error, peer)

    def _over(self, net, event, error, peer=None):
        # An answer is known: `peer` is to be told, if anybody.
        event.setdefault("at_ms", self.at_ms())
        if error:
            event["kind"] = "busy"
            event["reason"] = str(error)
            event["id"] = error.reason
        if self.job.get("hold") and not error:
            self.held.append((net, peer))
        else:
            _leave(net, peer)
        if self.trace:
            self.trace.flush()
        self.emit(event)

    def _heard(self, net, event, asked, data):
        # What came, into `event`: who is to be told when that was the answer (False: nobody).
        if net.errors and tally(net.errors, (self.server,), event["icmp"]):
            if event["kind"] == "silent":
                event["kind"] = "unreachable"
                event["ms"] = ticks_diff(ticks_ms(), asked)
        if data is None:
            return None
        host, port = split(net.sender)
        own = host == self.job["server"]
        if own or event["kind"] in ("silent", "unreachable"):
            event["ms"] = ticks_diff(ticks_ms(), asked)
            event["server_port"] = port
            event["kind"] = "foreign"
            event["host"] = host
        if not own:
            return None
        kind = _KINDS.get(data[1], "other") if len(data) > 3 and data[0] == 0 else "other"
        event["kind"] = kind
        if kind == "error":
            message = printable(bytes(data[4:]).split(b"\x00", 1)[0])
            event["error"] = {"code": data[2] << 8 | data[3], "message": message}
            return False  # an ERROR is never answered (R-TFTP-10)
        if kind == "oack":
            event["options"] = tftp_packet.oack_options(data)
        return net.sender

    def close(self):
        for net, _, _ in self.under_way:
            net.close()
        while self.held:
            _leave(*self.held.pop(0))
        if self.trace:
            self.trace.flush()


def _leave(net, peer):
    if peer:
        try:
            net.send(tftp_packet.error(0, "TFTP Aborted"), peer)
        except Failure:
            pass
    net.close()
