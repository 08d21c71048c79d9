"""Link of a PC: a network interface of Linux, for DHCP without an address and for the fetch.

Runs on CPython and on MicroPython's unix port, with CAP_NET_ADMIN and CAP_NET_RAW there (root, or
an own namespace). Before the lease, packets go over a packet socket; address, route and neighbour
of the lease are set with `ip`, and removed afterwards.

1. Only this interface: its name is checked before a command sees it, no default route is ever
   set, and the lease's network has a metric that keeps other programs' traffic where it was.
2. Addresses and routes that were there before are never changed.
3. A ROM has its own stack: port 68 is bound here, so that the kernel sends no ICMP error for it.
"""

import json
import os
import socket
import struct

from nic import COMMON_FIELDS, MISSING, Nic, check, no_media
from pxerom.failure import Refused
from pxerom.runtime import (
    MICROPYTHON,
    TIMED_OUT,
    address,
    random_below,
    set_timeout,
    split,
    ticks_add,
    ticks_diff,
    ticks_ms,
    why,
)

_AF_PACKET = 17
_SOCK_DGRAM = 2  # the kernel makes the Ethernet header
_ETH_IP = 0x0800
_ETH_ARP = 0x0806
_EVERYONE = b"\xff" * 6
_METRIC = 4242
_PROMPT_MS = 200
_ZERO = b"\x00" * 4


def _name(value):
    good = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.:@-"
    return (
        isinstance(value, str)
        and 0 < len(value) < 16
        and value not in (".", "..")
        and value[0] != "-"
        and all(letter in good for letter in value)
    )


FIELDS = (
    ("interface", MISSING, "the name of a network interface, as `ip link` shows it", _name),
) + COMMON_FIELDS


def connect(settings, on_wait=None, dhcp=False):
    """The `nic.Nic` of an interface. Raises nic.SettingError, nic.LinkDown and Refused."""
    name = check(settings, FIELDS, "link")["interface"]
    # Not from /sys/class/net: in a network namespace, that may be another namespace's.
    links = _shown("link show dev %s" % name)
    if not links:
        raise Refused("There is no network interface %s here; `ip link` shows them." % name)
    link = links[0]
    if link["link_type"] != "ether":
        raise Refused("The interface %s is no Ethernet, and PXE knows nothing else." % name)
    if "UP" not in link["flags"]:
        raise Refused(
            "The interface %s is switched off; `ip link set %s up` helps." % (name, name), 3
        )
    if "LOWER_UP" not in link["flags"]:
        raise no_media("The interface %s has no carrier." % name)
    return Interface(name, link["address"], link["ifindex"])


class Interface(Nic):
    """An interface of this machine."""

    def __init__(self, name, mac, index):
        super().__init__(mac, None, None, None, name)
        self.device = name
        self.index = index
        self.life_s = 60  # an address's lifetime: at least as long as a boot may last
        self._undo = []

    def find_address(self):
        """Look up the address that the interface has, for a boot without DHCP."""
        for one in _addresses("dev %s" % self.name)[:1]:
            self.ip = one["local"]
            mask = (1 << 32) - (1 << 32 - one["prefixlen"])
            self.mask = ".".join([str(mask >> shift & 255) for shift in (24, 16, 8, 0)])
        for route in _shown("-4 route show default dev %s" % self.name)[:1]:
            self.gateway = route.get("gateway")

    def limits(self):
        return []

    def raw(self, ttl, trace):  # pyright: ignore[reportIncompatibleMethodOverride]
        return Wire(self, ttl, trace)

    def take(self, ip, mask, gateway):
        """Put an address on the interface, until `restore`; after `life_s` the kernel removes it,
        even if this process was killed."""
        self.ip, self.mask, self.gateway = ip, mask, gateway
        bits = sum(bin(int(part)).count("1") for part in mask.split("."))
        where = "%s/%d dev %s" % (_checked(ip), bits, self.name)
        if _addresses("dev %s to %s" % (self.name, _checked(ip))):
            return  # it has this address already, and keeps it
        add = "-4 addr add %s valid_lft %d preferred_lft %d" % (where, self.life_s, self.life_s)
        if not _ip("%s metric %d" % (add, _METRIC)) and not _ip(add):
            raise Refused(
                "Cannot put the address %s on %s: that needs root (CAP_NET_ADMIN) and the "
                "program ip." % (ip, self.name),
                3,
            )
        self._undo.append("-4 addr del %s" % where)

    def route(self, host, gateway):
        if gateway:
            route = "%s/32 via %s dev %s" % (_checked(host), _checked(gateway), self.name)
            if _ip("-4 route add %s onlink" % route):
                self._undo.append("-4 route del %s" % route)

    def released(self):
        """`restore` comes next."""

    def restore(self):
        while self._undo:
            _ip(self._undo.pop())

    def announce(self, ip):
        """A gratuitous ARP request, as some ROMs send one."""
        with_arp = Arp(self)
        try:
            with_arp.ask(_bytes(ip), _bytes(ip))
        finally:
            with_arp.close()

    def arp(self, ip, own_ip, tries_ms, on_wait=None):  # pyright: ignore
        """True when a machine answers for `ip`, False when none does in so many tries. `own_ip`:
        our address; None asks without one (RFC 5227), as before a lease is taken."""
        arp = Arp(self)
        try:
            for wait_ms in tries_ms:
                arp.ask(_bytes(own_ip) if own_ip else _ZERO, _bytes(ip))
                mac = arp.answer(_bytes(ip), wait_ms, on_wait)
                if mac:
                    if own_ip:  # the kernel need not ask again
                        where = "%s dev %s" % (_checked(ip), self.name)
                        lladdr = ":".join("%02x" % byte for byte in mac)
                        if _ip("neigh replace %s lladdr %s nud reachable" % (where, lladdr)):
                            self._undo.append("neigh del %s" % where)
                    return True
            return False
        finally:
            arp.close()


class _Packets:
    # A packet socket for one protocol on one interface.

    def __init__(self, interface, protocol):
        self.interface = interface
        self.protocol = protocol
        try:
            # No protocol until it is bound: it receives nothing from other interfaces.
            self.sock = socket.socket(_AF_PACKET, _SOCK_DGRAM, 0)
            self.sock.bind(self._place(b""))  # pyright: ignore[reportArgumentType]
        except OSError as error:
            raise Refused(
                "Cannot send DHCP on %s before it has an address: %s; that needs root "
                "(CAP_NET_RAW)." % (interface.name, why(error)),
                3,
            )

    def _place(self, mac):
        # sockaddr_ll: family, protocol (network order), index, hardware, kind, length, address
        if not MICROPYTHON:
            return (self.interface.name, self.protocol, 0, 0, mac)
        order = self.protocol >> 8 | (self.protocol & 255) << 8
        place = struct.pack("HHiHBB", _AF_PACKET, order, self.interface.index, 1, 0, len(mac))
        return place + mac + bytes(8 - len(mac))

    def send_to_all(self, packet):
        for _ in range(2):
            try:
                self.sock.sendto(packet, self._place(_EVERYONE))  # pyright: ignore[reportArgumentType]
                return
            except OSError:
                pass  # a full queue, or a link that went down: the packet is lost

    def receive_one(self, wait_ms):
        set_timeout(self.sock, max(1, wait_ms))
        try:
            return self.sock.recv(1600)
        except OSError as error:
            if error.errno in TIMED_OUT:
                return None
            raise Refused("Cannot hear %s: %s." % (self.interface.name, why(error)), 3)

    def close(self):
        self.sock.close()


class Wire(_Packets):
    """Whole IP packets from 0.0.0.0:68, sent and received as `udp.Udp` does."""

    def __init__(self, interface, ttl, trace):
        super().__init__(interface, _ETH_IP)
        self.ttl = ttl
        self.trace = trace
        self.number = 0
        self.sender = None
        self.target = None

    def send(self, payload, to):
        """Send one datagram as a broadcast frame, whatever its IP address."""
        host, port = split(to)
        size = len(payload) + 8
        source, target = _ZERO, _bytes(host)
        pseudo = source + target + struct.pack(">BBH", 0, 17, size)
        udp = struct.pack(">HHHH", 68, port, size, 0) + payload
        total = checksum(pseudo + udp) or 0xFFFF
        udp = struct.pack(">HHHH", 68, port, size, total) + payload
        head = struct.pack(">BBHHHBBH", 0x45, 0, size + 20, self.number, 0, self.ttl, 17, 0)
        head += source + target
        head = head[:10] + struct.pack(">H", checksum(head)) + head[12:]
        self.number = self.number + 1 & 0xFFFF
        self.send_to_all(head + udp)
        self.note("out", payload, to, "0.0.0.0")

    def note(self, direction, payload, peer, local):
        if self.trace:
            self.trace.local = local
            self.trace.packet(direction, payload, peer, 68)
            self.trace.local = None

    def receive(self, size, wait_ms):
        """The payload of a datagram for port 68, or None when none came within `wait_ms`."""
        end = ticks_add(ticks_ms(), wait_ms)
        while True:
            left_ms = ticks_diff(end, ticks_ms())
            data = self.receive_one(left_ms) if left_ms > 0 else None
            if data is None:
                return None
            payload = self.payload(data)
            if payload is not None:
                self.note("in", payload, self.sender, self.target)
                return payload

    def payload(self, data):
        """The payload of a datagram for port 68; None for every other packet. The UDP checksum is
        not checked: a packet of this machine may lack it."""
        if len(data) < 28 or data[0] >> 4 != 4 or data[9] != 17:
            return None
        head = (data[0] & 15) * 4
        whole = data[2] << 8 | data[3]
        if head < 20 or whole > len(data) or head + 8 > whole or data[6] & 0x3F or data[7]:
            return None  # wrong lengths (R-SEC-11), or a fragment (R-SEC-12)
        size = data[head + 4] << 8 | data[head + 5]
        if data[head + 2] << 8 | data[head + 3] != 68 or not 8 <= size <= whole - head:
            return None
        host = "%d.%d.%d.%d" % tuple(data[12:16])
        self.sender = address(host, data[head] << 8 | data[head + 1])
        self.target = "%d.%d.%d.%d" % tuple(data[16:20])
        return data[head + 8 : head + size]


class Arp(_Packets):
    """ARP requests and replies (RFC 826)."""

    def __init__(self, interface):
        super().__init__(interface, _ETH_ARP)
        self.mac = bytes([int(part, 16) for part in interface.mac.split(":")])

    def ask(self, own, wanted):
        head = b"\x00\x01\x08\x00\x06\x04\x00\x01"
        self.send_to_all(head + self.mac + own + bytes(6) + wanted)

    def answer(self, wanted, wait_ms, on_wait=None):
        """The hardware address that answers for `wanted`, or None."""
        end = ticks_add(ticks_ms(), wait_ms)
        while True:
            left_ms = ticks_diff(end, ticks_ms())
            if left_ms <= 0:
                return None
            if on_wait:
                on_wait()
            data = self.receive_one(min(left_ms, _PROMPT_MS))
            if data and len(data) >= 28 and data[14:18] == wanted and data[8:14] != self.mac:
                return bytes(data[8:14])


def checksum(data):
    """The Internet checksum (RFC 1071)."""
    if len(data) % 2:
        data += b"\x00"
    total = 0
    for at in range(0, len(data), 2):
        total += data[at] << 8 | data[at + 1]
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def _bytes(ip):
    return bytes([int(part) for part in ip.split(".")])


def _checked(ip):
    # An address for a command line: rebuilt from its four numbers.
    return "%d.%d.%d.%d" % tuple(_bytes(ip))


def _ip(command, into="/dev/null"):
    # True when the command succeeded.
    path = "PATH=$PATH:/usr/sbin:/sbin"
    status = os.system("%s ip %s > '%s' 2> /dev/null" % (path, command, into))
    if status >> 8 == 127:  # the shell's exit code for a missing program
        raise Refused("The program ip is not here: install iproute2.", 3)
    return status == 0


def _addresses(which):
    # The IPv4 addresses as `ip` describes them; an empty object where a filter left nothing.
    links = _shown("-4 addr show " + which)
    return [one for link in links for one in link.get("addr_info", ())]


def _shown(command):
    # The objects that a command printed, [] when it failed; MicroPython reads no pipe.
    path = "%s/pxerom-%x" % (os.getenv("TMPDIR") or "/tmp", random_below(1 << 30))
    try:
        if not _ip("-json " + command, path):
            return []
        with open(path) as file:
            return json.loads(file.read() or "[]")
    finally:
        try:
            os.remove(path)
        except OSError:
            pass
