"""Packets and captures put together by hand: a boot in a few lines, in any wrapping.

boot = Boot()
boot.rrq(2070, 0.0, tsize="0"); boot.oack(2070, 0.001, tsize="74213")
pcap(boot.frames)
"""

import struct

CLIENT, SERVER = "10.55.32.175", "10.254.52.26"
TID = 50000


def _ip(text):
    return bytes(map(int, text.split(".")))


def datagram(src, sport, dst, dport, payload, ttl=64, ip_id=0, offset=0, more=False, proto=17):
    """An IPv4 datagram with UDP, or a fragment of one (`payload` is then what follows the IP
    header)."""
    body = payload
    if proto == 17 and not offset:
        body = struct.pack(">HHHH", sport, dport, 8 + len(payload), 0) + payload
    flags = (0x2000 if more else 0) | offset // 8
    head = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(body), ip_id, flags, ttl, proto, 0)
    return head + _ip(src) + _ip(dst) + body


def unreachable(sender, client, quoted, code=3):
    """An ICMP error about a datagram."""
    body = struct.pack(">BBHI", 3, code, 0, 0) + quoted[:28]
    head = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(body), 1, 0, 64, 1, 0)
    return head + _ip(sender) + _ip(client) + body


def request(file, options, opcode=1):
    """A read request's payload."""
    words = [file, "octet", *(word for pair in options for word in pair)]
    return bytes((0, opcode)) + b"".join(word.encode() + b"\0" for word in words)


class Boot:
    """Frames of one client: (seconds, IPv4 datagram)."""

    def __init__(self, client=CLIENT, server=SERVER, ttl=20, server_ttl=64):
        self.client, self.server = client, server
        self.ttl, self.server_ttl = ttl, server_ttl
        self.frames = []
        self._ids = 0

    def out(self, sport, dport, at, payload):
        """A datagram of the client."""
        self._ids = (self._ids + 1) % 30000
        packet = datagram(self.client, sport, self.server, dport, payload, self.ttl, self._ids)
        self.frames.append((at, packet))
        return packet

    def back(self, sport, dport, at, payload, src=None):
        """A datagram of the server, or of somebody else."""
        self._ids = (self._ids + 1) % 30000
        packet = datagram(
            src or self.server,
            sport,
            self.client,
            dport,
            payload,
            self.server_ttl,
            30000 + self._ids,
        )
        self.frames.append((at, packet))
        return packet

    def rrq(self, port, at, file="undionly.kpxe", **options):
        return self.out(port, 69, at, request(file, options.items()))

    def oack(self, port, at, tid=TID, **options):
        words = b"".join(w.encode() + b"\0" for pair in options.items() for w in pair)
        return self.back(tid, port, at, b"\0\6" + words)

    def data(self, port, at, block, size=512, tid=TID):
        return self.back(tid, port, at, struct.pack(">HH", 3, block) + bytes(size))

    def ack(self, port, at, block, tid=TID):
        return self.out(port, tid, at, struct.pack(">HH", 4, block))

    def error(self, port, at, code, text, tid=TID, by_client=False):
        payload = struct.pack(">HH", 5, code) + text.encode() + b"\0"
        return self.out(port, tid, at, payload) if by_client else self.back(tid, port, at, payload)

    def icmp(self, at, quoted, code=3, sender=None):
        self.frames.append((at, unreachable(sender or self.server, self.client, quoted, code)))

    def whole(self, port, at, blocks=3, tid=TID, **options):
        """A transfer that goes well."""
        self.rrq(port, at, **options)
        self.data(port, at + 0.001, 1, tid=tid)
        for block in range(1, blocks + 1):
            self.ack(port, at + 0.001 + block * 0.002, block, tid=tid)
            if block < blocks:
                size = 512 if block + 1 < blocks else 100
                self.data(port, at + 0.002 + block * 0.002, block + 1, size, tid=tid)


def intel(boot, answered=False, at=0.0):
    """The requests of an Intel ROM, from 2070 to 2075; `answered`: the server's OACKs too."""
    times = (0, 2.032, 6.042, 12.029, 19.993, 29.935)
    for number, wait in enumerate(times):
        options = {"tsize": "0"} if number < 5 else {"blksize": "1456"}
        boot.rrq(2070 + number, at + wait, **options)
        if answered:
            granted = {"tsize": "74213"} if number < 5 else {"blksize": "1456"}
            boot.oack(2070 + number, at + wait + 0.001, tid=TID + number, **granted)
            boot.oack(2070 + number, at + wait + 1.001, tid=TID + number, **granted)
    return boot


# ---- files


def ethernet(packet, tags=(), client_mac=b"\x52\x54\0\x12\x34\x56"):
    """The datagram in an Ethernet frame, with VLAN tags, the outermost first."""
    head = b"\x02" * 6 + client_mac
    for kind, vlan in tags:
        head += struct.pack(">HH", kind, vlan)
    return head + b"\x08\x00" + packet


def cooked(packet, outgoing=False):
    """The datagram in a frame of Linux's `any` (SLL)."""
    return (
        struct.pack(">HHH8s", 4 if outgoing else 0, 1, 6, b"\x52\x54\0\x12\x34\x56")
        + b"\x08\0"
        + packet
    )


def cooked2(packet, outgoing=False):
    """The same in its second version (SLL2)."""
    kind = 4 if outgoing else 0
    return struct.pack(">HHIHBB8s", 0x0800, 0, 1, 1, kind, 6, b"\x52\x54\0\x12\x34\x56") + packet


def pcap(frames, wrap=ethernet, linktype=1, snap=65535, order="<"):
    """A pcap file of (seconds, datagram)s."""
    raw = bytearray()
    raw += struct.pack(order + "IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, snap, linktype)
    for at, packet in sorted(frames, key=lambda frame: frame[0]):
        frame = wrap(packet)
        second, micro = divmod(round((1_000_000_000 + at) * 10**6), 10**6)
        kept = frame[:snap]
        raw += struct.pack(order + "IIII", second, micro, len(kept), len(frame)) + kept
    return bytes(raw)


def pcapng(frames, wrap=ethernet, linktype=1):
    """A pcapng file of them."""
    raw = bytearray()
    raw += struct.pack("<IIIHHqI", 0x0A0D0D0A, 28, 0x1A2B3C4D, 1, 0, -1, 28)
    raw += struct.pack("<IIHHII", 1, 20, linktype, 0, 0, 20)
    for at, packet in sorted(frames, key=lambda frame: frame[0]):
        frame = wrap(packet)
        micro = round((1_000_000_000 + at) * 10**6)
        pad = -len(frame) % 4
        size = 32 + len(frame) + pad
        raw += struct.pack("<IIIII", 6, size, 0, micro >> 32, micro & 0xFFFFFFFF)
        raw += struct.pack("<II", len(frame), len(frame)) + frame + bytes(pad)
        raw += struct.pack("<I", size)
    return bytes(raw)
