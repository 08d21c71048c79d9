"""The UDP service: which port a request leaves from, sending, receiving until a deadline.

The only file that opens a socket, and the only one that reads the clock for the engines. What a
datagram means is `tftp`'s business.

1. The source port is decided by the ROM's policy, never by the system (R-TFTP-6 and its ROM
   note): 2070, 2071, ... is the whole point.
2. A port in use is an error, not a reason to take another one: a ROM has its stack for itself.
   Only a random port is drawn again.
3. A port that the ROM has left stays open, unread, until the boot ends: a closed one would make
   the host answer late packets with ICMP, which no ROM does.
4. An ICMP error ends nothing (R-SEC-18); it is counted.
"""

import socket

from pxerom.failure import Failure, Refused
from pxerom.runtime import (
    ESP32,
    IN_USE,
    KEPT_SOCKETS,
    NO_ROOM,
    STEP_MS,
    TIMED_OUT,
    UNREACHABLE,
    address,
    drain_icmp,
    random_below,
    set_timeout,
    sleep_ms,
    ticks_ms,
    watch_icmp,
    why,
)

# A receive never sleeps longer than this, so that a watchdog can be fed (rp2: 8.3 s at most).
_SLICE_MS = 1000
_DRAWS = 16
# Each request takes a port of its own; `until_data`: and so does an ACK 0 that is repeated.
_EACH = ("request", "until_data")
_SENDS = 3


class SourcePorts:
    """The source-port policy of one boot. `spec`: the ROM file's `udp.source_port`."""

    def __init__(self, spec):
        self.spec = spec
        self.next = spec["first"]
        if "first_max" in spec:  # a counter that begins somewhere else at each boot
            self.next += random_below(spec["first_max"] - self.next + 1)
        self.until_data = spec["per"] == "until_data"
        self.taken = None
        self.random = spec["policy"] == "random"

    def take(self, new_transfer):
        """The port for the RRQ that is about to be sent. `new_transfer`: False for a retry."""
        spec = self.spec
        per = spec["per"]
        if self.taken is None or per in _EACH or (per == "transfer" and new_transfer):
            self.taken = self._draw()
        return self.taken

    def redraw(self):
        """Another random port, when the one taken is in use."""
        self.taken = self._draw()
        return self.taken

    def _draw(self):
        spec = self.spec
        policy = spec["policy"]
        span = spec["last"] - spec["first"] + 1
        if policy == "fixed":
            return spec["first"]
        if policy == "random":
            return spec["first"] + random_below(span)
        if policy == "clock":  # one port each `step` milliseconds of the clock
            return spec["first"] + ticks_ms() // spec["step"] % span
        port = self.next
        self.next += spec["step"]
        if self.next > spec["last"]:
            self.next = spec["wrap"] or spec["first"]
        return port


class Udp:
    """UDP of one boot. `spec`: `udp.source_port` of the ROM; `bind`: local address; `trace`: a
    `trace.Trace`, or None; `prepare`: called with each socket before it is bound, or None."""

    def __init__(self, spec, bind="0.0.0.0", trace=None, prepare=None):
        self.ports = SourcePorts(spec)
        self.bind = bind
        self.trace = trace
        self.prepare = prepare
        self.port = None
        self.sender = None
        self.unreachable = 0
        self._socket = None
        self._left = []
        self._timeout_ms = None

    now = staticmethod(ticks_ms)

    def open(self, new_transfer):
        """Make the next RRQ's port the one to send from and to listen on; returns it."""
        port = self.ports.take(new_transfer)
        if port == self.port:
            return port
        if self._socket:
            self._left.append(self._socket)
            self._socket = None
            if len(self._left) > KEPT_SOCKETS:
                self._left.pop(0).close()
        for _ in range(_DRAWS):
            try:
                self._socket = self._bound(port)
                self.port = port
                return port
            except OSError as error:
                if error.errno in NO_ROOM and self._left:
                    self._left.pop(0).close()
                    continue
                if error.errno not in IN_USE:
                    raise Refused(
                        "Cannot use UDP port %d on %s: %s." % (port, self.bind, why(error)), 3
                    )
            if not self.ports.random:
                break
            port = self.ports.redraw()
        raise Refused(
            "UDP port %d is in use by another program, and this ROM sends from that port: "
            "end the program or wait for it (`ss -uanp` shows which)." % port,
            3,
        )

    def _bound(self, port):
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            if self.prepare:
                self.prepare(sock)
            # Never '': on rp2 that is an IPv6 socket and hears no IPv4.
            sock.bind(address(self.bind, port))
        except OSError:
            sock.close()
            raise
        watch_icmp(sock)
        self._timeout_ms = None
        return sock

    def send(self, packet, to):
        """Send one datagram to `to`, an opaque address. Raises Failure when the stack refuses."""
        for _ in range(_SENDS):
            try:
                self._socket.sendto(packet, to)
                break
            except OSError as error:
                if error.errno in NO_ROOM:
                    sleep_ms(10)  # the stack's memory is all in use: soon it is not
                elif error.errno in UNREACHABLE:
                    # The echo of an earlier packet's ICMP; this one has not gone out yet.
                    self._unreachable()
                else:
                    raise Failure("PXE-E38", "Sending failed: %s" % why(error), "ours")
        # What has not gone out by now is lost, as packets are: the timer sends it again.
        if self.trace:
            self.trace.packet("out", packet, to, self.port)

    def receive(self, size, wait_ms):
        """A datagram of at most `size` bytes, its sender in `self.sender`; None when `wait_ms`
        (or a shorter slice of it) passed without one."""
        if wait_ms > _SLICE_MS:
            wait_ms = _SLICE_MS
        if wait_ms != self._timeout_ms or wait_ms < STEP_MS:
            self._timeout_ms = wait_ms
            set_timeout(self._socket, wait_ms)
        try:
            data, self.sender = self._socket.recvfrom(size)
            if ESP32 and not data:
                # An empty datagram ends the life of a socket there: every receive would return
                # at once. What else was queued is lost, and comes again.
                self._socket.close()
                self._socket = self._bound(self.port)
        except OSError as error:
            if error.errno in TIMED_OUT:
                return None
            if error.errno not in UNREACHABLE:
                raise Failure("PXE-E39", "Receiving failed: %s" % why(error), "ours")
            self._unreachable()
            return None
        if self.trace:
            self.trace.packet("in", data, self.sender, self.port)
        return data

    def _unreachable(self):
        self.unreachable += 1
        drain_icmp(self._socket)
        self._timeout_ms = None

    def close(self):
        """Close every socket of this boot; may be called twice."""
        if self._socket:
            self._left.append(self._socket)
        self._socket = None
        self.port = None
        while self._left:
            self._left.pop().close()
