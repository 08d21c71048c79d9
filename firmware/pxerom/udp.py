"""The UDP service: which port a request leaves from, sending, receiving until a deadline.

The only file that opens a socket, and the only one that reads the clock for the engines. What a
datagram means is decided in `tftp`.

1. The source port is chosen by the ROM's policy, never by the system (R-TFTP-6 and its ROM note):
   an Intel ROM counts 2070, 2071, ...
2. A port in use is an error: a ROM has a stack of its own, so no other port is right. Only a
   random port is drawn again.
3. A port that the ROM no longer uses stays open, unread, until the boot ends. If it were closed,
   the host would answer late packets with ICMP, which no ROM does.
4. An ICMP error ends nothing (R-SEC-18). It is kept in `errors` until it is taken: only `fetch`
   knows whether it is for a packet of the transfer (`icmp.tally`).
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
    const,
    random_below,
    recvfrom_into,
    set_timeout,
    sleep_ms,
    ticks_ms,
    watch_icmp,
    why,
)

# A receive never sleeps longer than this, so that a watchdog can be fed (rp2: 8.3 s at most).
_SLICE_MS = const(1000)
_INTO_WAIT_MS = const(10)
_DRAWS = const(16)
_SENDS = const(3)
_MOST_ERRORS = const(8)  # that are kept; in a flood of ICMP the rest is the same


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

    def take(self, new_transfer, in_use=False):
        """The port for the RRQ that is about to be sent. `new_transfer`: False for a retry;
        `in_use`: the one that was taken is in use: another one."""
        spec = self.spec
        per = spec["per"]
        if self.taken is not None and not in_use:
            if per == "boot" or (per == "transfer" and not new_transfer):
                return self.taken
        policy = spec["policy"]
        span = spec["last"] - spec["first"] + 1
        port = spec["first"]  # fixed
        if policy == "random":
            port += random_below(span)
        elif policy == "clock":  # one port each `step` milliseconds of the clock
            port += ticks_ms() // spec["step"] % span
        elif policy == "counter":
            port = self.next
            self.next += spec["step"]
            if self.next > spec["last"]:
                self.next = spec["wrap"] or spec["first"]
        self.taken = port
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
        self.errors = []  # of `icmp.errors`, not yet taken
        self._socket = None
        self._into = None  # its receive into a buffer, where it has one
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
        number = None
        for _ in range(_DRAWS):
            try:
                self._socket = self._bound(port)
                self.port = port
                return port
            except OSError as error:
                number = error.errno
                if number in NO_ROOM and self._left:
                    self._left.pop(0).close()
                    continue
                if number not in IN_USE or not self.ports.random:
                    break
            port = self.ports.take(new_transfer, True)
        from pxerom.pxe_codes import of_port

        message, reason = of_port(port, self.bind, number, number in IN_USE)
        raise Refused(message, 3, reason)

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
        self._into = recvfrom_into(sock)
        return sock

    def send(self, packet, to):
        """Send one datagram to `to`, an opaque address; whether it went out. Raises Failure when
        the stack refuses."""
        sent = False
        for _ in range(_SENDS):
            try:
                self._socket.sendto(packet, to)
                sent = True
                break
            except OSError as error:
                if error.errno in NO_ROOM:
                    sleep_ms(10)  # the stack's memory is all in use: soon it is not
                elif error.errno in UNREACHABLE:
                    # The echo of an earlier packet's ICMP; this one has not gone out yet.
                    self.failed(error)
                else:
                    raise Failure("PXE-E38", "Sending failed: %s" % why(error), "ours", "no_send")
        # What has not gone out by now is lost, as packets are: the timer sends it again.
        if self.trace:
            self.trace.packet("out", packet, to, self.port)
        return sent

    def receive(self, size, wait_ms):
        """A datagram of at most `size` bytes, its sender in `self.sender`; None when `wait_ms`
        (or a shorter slice of it) passed without one."""
        self._wait(min(wait_ms, _SLICE_MS))
        try:
            data, sender = self._socket.recvfrom(size)
        except OSError as error:
            return self.failed(error)
        self.came(data, sender)
        return data

    def functions(self, wait_ms):
        """(receive, into, sendto) of the socket itself, for a loop that hands in what they gave
        and raised: `came`, `failed`. `into`: receive takes a buffer, as recvfrom_into does, and
        waits for so many ms; None: it takes a size. None while packets are traced: those need
        more."""
        if self.trace:
            return None
        into = self._into
        if into:
            # That nothing came tells the time of the last ACK: the clock is seldom asked for it.
            wait_ms = min(wait_ms, _INTO_WAIT_MS)
        self._wait(wait_ms)
        sock = self._socket
        return into or sock.recvfrom, into and wait_ms, sock.sendto

    def came(self, data, sender):
        """A datagram came from `sender`."""
        self.sender = sender
        if ESP32 and not data:
            # An empty datagram counts as a stream's end there, and every later receive would
            # return at once; `bind` takes that back, and what is queued stays.
            self._socket.bind(address(self.bind, self.port))
        if self.trace:
            self.trace.packet("in", data, sender, self.port)

    def failed(self, error):
        """An OSError of the socket: nothing came in time, or an ICMP error did, which is counted.
        Raises Failure for any other."""
        if error.errno in TIMED_OUT:
            return
        if error.errno not in UNREACHABLE:
            raise Failure("PXE-E39", "Receiving failed: %s" % why(error), "ours", "no_receive")
        from pxerom.icmp import errors

        found = errors(self._socket, error.errno)
        self.errors += found[: _MOST_ERRORS - len(self.errors)]
        self._timeout_ms = None

    def _wait(self, wait_ms):
        if wait_ms != self._timeout_ms or wait_ms < STEP_MS:
            self._timeout_ms = wait_ms
            set_timeout(self._socket, wait_ms)

    def close(self):
        """Close every socket of this boot; may be called twice."""
        if self._socket:
            self._left.append(self._socket)
        self._socket = None
        self.port = None
        while self._left:
            self._left.pop().close()
