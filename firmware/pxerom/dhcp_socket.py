"""The sockets of DHCP: ports 68 and 4011, without an address and with one.

`udp.Udp` opens, sends and receives; this is what DHCP needs beyond it. Where the link can send
whole packets (`nic.raw`, Linux), they are sent from 0.0.0.0 before there is an address, and
answers to the offered address are received. Elsewhere the stack's own sockets are used, with
whatever address the interface has.

1. The sockets are bound to the interface of the link, where the stack can do that.
2. What a stack cannot do is left out without an error. Only Linux is asked for a TTL:
   modlwip looks at an option's number alone, and prints a warning for one that it does not know.
"""

import socket

from pxerom.runtime import LINUX, address, const, sleep_ms, split, ticks_ms
from pxerom.udp import Udp

_IPPROTO_IP = const(0)
_IP_TTL = const(2)
_IP_MULTICAST_TTL = const(33)
_SO_BROADCAST = getattr(socket, "SO_BROADCAST", 0x20)
_SO_BINDTODEVICE = getattr(socket, "SO_BINDTODEVICE", 25)
_SIZE = const(1500)


class DhcpSocket:
    """The sockets of one boot's DHCP. After a receive, `host` and `peer_port` are the sender's;
    `port` is ours. `nic`: the link; `ttl`: the ROM's; `trace`: a `trace.Trace`, or None."""

    now = staticmethod(ticks_ms)
    sleep = staticmethod(sleep_ms)

    def __init__(self, nic, ttl, trace=None):
        self.port = None
        self.host = None
        self.peer_port = None
        self._nic = nic
        self._ttl = ttl
        self._trace = trace
        self._raw = None
        self._udp = None

    def open(self, port, ip=None):
        """Listen at `port` (0: any), of the address `ip` or without one. Raises Refused."""
        self.close()
        spec = {"policy": "fixed", "first": port, "last": port, "per": "boot"}
        if ip is None:
            self._raw = self._nic.raw(self._ttl, self._trace)
        # A socket beside whole packets only keeps the port.
        trace = None if self._raw else self._trace
        self._udp = Udp(spec, ip or "0.0.0.0", trace, self.prepare)
        self._udp.open(True)
        self.port = port

    def prepare(self, sock):
        """Make a socket keep to the interface, broadcast, and send with the ROM's TTL."""
        device = self._nic.device
        options = [(socket.SOL_SOCKET, _SO_BROADCAST, 1)]
        if LINUX:
            options += [(_IPPROTO_IP, each, self._ttl) for each in (_IP_TTL, _IP_MULTICAST_TTL)]
        if device:
            options.append((socket.SOL_SOCKET, _SO_BINDTODEVICE, device.encode() + b"\x00"))
        for option in options:
            try:
                sock.setsockopt(*option)
            except (OSError, TypeError, ValueError):
                pass

    def send(self, packet, host, port):
        """Send one packet. Raises Failure when the stack refuses."""
        to = address(host, port)
        if self._raw:
            self._raw.send(packet, to)
        elif not self._udp.send(packet, to) and self._nic.needs_address():
            self._udp.send(packet, to)

    def receive(self, wait_ms):
        """A packet, or None when `wait_ms` or a slice of it passed without one."""
        net = self._raw or self._udp
        data = net.receive(_SIZE, wait_ms)
        if data is not None:
            self.host, self.peer_port = split(net.sender)
        return data

    def flush(self):
        if self._trace:
            self._trace.flush()

    def close(self):
        """Close what is open; may be called twice."""
        for each in (self._raw, self._udp):
            if each:
                each.close()
        self._raw = self._udp = self.port = None
