"""The UDP and ICMP packets of a capture file: pcap or pcapng, gzipped or not.

Left to others: payloads (`messages`) and conversations (`conversations`). dpkt reads the headers;
records are read here, since its readers give neither a frame's true length nor a pcapng file's
several interfaces. Link types as in https://www.tcpdump.org/linktypes.html: Ethernet (with any
stack of VLAN tags), raw IP, Linux cooked v1 and v2, BSD loopback.

1. A file that is no capture, or broken beyond its first record, is one sentence (`Refused`).
2. What cannot be used (a cut last record, a fragment, IPv6, another link type) is skipped,
   counted, and named in `notes`.
3. A frame may be cut: `size` is what went over the wire, `payload` what the file kept of it.
"""

import gzip
import socket
import struct
import zlib

import dpkt

from pxebench.job import Refused, show

_MAX_RECORD = 1 << 20  # bytes; a longer one is a broken file
_MAX_RECORDS = 5_000_000
_PCAPNG = b"\x0a\x0d\x0d\x0a"
_SECTION, _INTERFACE, _SIMPLE, _PACKET, _ENHANCED = 0x0A0D0D0A, 1, 3, 2, 6
_VLAN = (0x8100, 0x88A8, 0x9100, 0x9200)
VLAN_BYTES = tuple(kind.to_bytes(2, "big") for kind in _VLAN)
_IPV4, _IPV6 = 0x0800, 0x86DD
# Link type: length of its header, or a function that reads it.
ETHERNET, _NULL, _LOOP, SLL, SLL2 = 1, 0, 108, 113, 276
RAW = (101, 12, 14, 228)
LINKTYPES = (ETHERNET, _NULL, _LOOP, SLL, SLL2, *RAW)


class Packet:
    """One UDP datagram or ICMP error. `number`: as Wireshark counts frames, from 1; `time`:
    seconds from the file's first packet; `epoch_ns`; `src`, `dst`: IPv4 as text; `sport`, `dport`;
    `src_mac`, `dst_mac`: as aa:bb:.. or None; `vlans`: tags, outermost first; `ttl`, `ip_id`;
    `size`: bytes of UDP payload on the wire; `payload`: those that the file kept; `fragment`: True
    when it is the first fragment of a datagram; `icmp`: None, or (type, code, quoted), `quoted`
    being the Packet that it quotes, without times and MACs.

    `out` is set by `conversations`: True when the client sent it."""

    __slots__ = (
        *("number", "time", "epoch_ns", "src", "dst", "sport", "dport", "src_mac", "dst_mac"),
        *("vlans", "ttl", "ip_id", "size", "payload", "fragment", "icmp", "out", "_message"),
    )

    def __init__(self, **fields):
        for name in self.__slots__:
            setattr(self, name, fields.get(name))

    @property
    def cut(self):
        """True when the file kept less than went over the wire."""
        return len(self.payload) < self.size


class Note(str):
    """A sentence on a file; `what`: the id of the fact."""

    def __new__(cls, what, text):
        note = super().__new__(cls, text)
        note.what = what
        return note


class File:
    """What `read` returns.  `packets`: in the order of their times; `epoch_ns`: time of the
    first frame; `until`: seconds from there to the last frame of any kind; `frames`: how many
    the file has; `notes`: what was skipped, as Notes."""

    def __init__(self, path):
        self.path = str(path)
        self.packets = []
        self.epoch_ns = None
        self.until = 0.0
        self.frames = 0
        self.notes = []


def read(path):
    """The `File` at `path`; raises `Refused` when it is none that can be read."""
    try:
        with open(path, "rb") as stream:
            if stream.read(2) == b"\x1f\x8b":
                stream.seek(0)
                with gzip.open(stream) as unpacked:
                    return _read(path, unpacked)
            stream.seek(0)
            return _read(path, stream)
    except OSError as error:  # gzip's own are OSErrors too
        reason = error.strerror or "it is not a whole gzip file"
        raise Refused(f"Cannot read {show(str(path))}: {reason}.") from None
    except (EOFError, zlib.error):
        raise Refused(f"Cannot read {show(str(path))}: it is not a whole gzip file.") from None


def _read(path, stream):
    file = File(path)
    counts = {}
    linktypes = {}
    last_ns = 0

    def count(what):
        counts[what] = counts.get(what, 0) + 1

    try:
        for linktype, epoch_ns, size, frame in _records(stream, count):
            file.frames += 1
            if file.epoch_ns is None:
                file.epoch_ns = epoch_ns
            last_ns = max(last_ns, epoch_ns)
            if linktype not in LINKTYPES:
                linktypes[linktype] = linktypes.get(linktype, 0) + 1
                continue
            if len(frame) < size:
                count("cut")
            packet = packet_of(linktype, frame, count)
            if packet:
                packet.number = file.frames
                packet.epoch_ns = epoch_ns
                file.packets.append(packet)
    except Broken as broken:
        raise Refused(f"{show(str(path))} {broken}.") from None
    if linktypes and sum(linktypes.values()) == file.frames:
        raise Refused(
            f"{show(str(path))} has frames of link type {min(linktypes)}, which cannot be read "
            f"here; Ethernet, raw IP, Linux cooked and loopback can."
        )
    # The file's first frame need not be its earliest where it has several interfaces.
    file.packets.sort(key=lambda packet: packet.epoch_ns)
    if file.packets:
        file.epoch_ns = min(file.epoch_ns, file.packets[0].epoch_ns)
    file.until = (last_ns - (file.epoch_ns or 0)) / 1e9
    for packet in file.packets:
        packet.time = (packet.epoch_ns - file.epoch_ns) / 1e9
    file.notes = list(notes(counts, linktypes))
    return file


def notes(counts, linktypes):
    if "torn" in counts:
        yield Note("torn", "The file ends in the middle of a record.")
    for what, one, several in (
        ("fragments", "later IP fragment was passed over", "later IP fragments were passed over"),
        ("fragmented", "packet came as IP fragments", "packets came as IP fragments"),
        ("cut", "frame is cut short in the file", "frames are cut short in the file"),
        ("ipv6", "IPv6 packet was passed over", "IPv6 packets were passed over"),
        (
            "broken",
            "frame is no whole packet and was passed over",
            "frames are no whole packets and were passed over",
        ),
        ("timeless", "packet has no time of its own", "packets have no time of their own"),
    ):
        if what in counts:
            yield Note(what, f"{counts[what]} {one if counts[what] == 1 else several}.")
    for linktype, number in sorted(linktypes.items()):
        frames = "frame" if number == 1 else "frames"
        were = "was" if number == 1 else "were"
        yield Note("linktype", f"{number} {frames} of link type {linktype} {were} passed over.")


# --- the file: records ---------------------------------------------------------------------------


class Broken(Exception):
    # What is wrong with the file, as the end of a sentence.
    pass


def _records(stream, count):
    # (link type, time in ns, size on the wire, frame) of each record.
    magic = stream.read(4)
    if magic == _PCAPNG:
        return _pcapng(stream, count)
    for order, header, record in (
        ("<", dpkt.pcap.LEFileHdr, dpkt.pcap.LEPktHdr),
        (">", dpkt.pcap.FileHdr, dpkt.pcap.PktHdr),
    ):
        number = struct.unpack(order + "I", magic.ljust(4, b"\0"))[0]
        if number in (dpkt.pcap.TCPDUMP_MAGIC, dpkt.pcap.TCPDUMP_MAGIC_NANO):
            nanoseconds = number == dpkt.pcap.TCPDUMP_MAGIC_NANO
            return _pcap(magic, stream, header, record, nanoseconds, count)
    raise Broken("is neither a pcap nor a pcapng file")


def _pcap(magic, stream, header_type, record_type, nanoseconds, count):
    head = magic + stream.read(20)
    if len(head) < 24:
        raise Broken("ends within its header")
    linktype = header_type(head).linktype & 0xFFFF  # above that: the length of a checksum
    for number in range(1, _MAX_RECORDS + 1):
        raw = stream.read(16)
        if len(raw) < 16:
            if raw:
                count("torn")
            return
        record = record_type(raw)
        if record.caplen > _MAX_RECORD:
            raise Broken(f"is damaged: its record {number} would be {record.caplen} bytes long")
        frame = stream.read(record.caplen)
        if len(frame) < record.caplen:
            count("torn")
            return
        fraction = record.tv_usec if nanoseconds else record.tv_usec * 1000
        yield linktype, record.tv_sec * 10**9 + fraction, record.len, frame
    raise Broken(f"has more than {_MAX_RECORDS} packets; cut it to the boot that matters")


def _pcapng(stream, count):
    # https://www.ietf.org/archive/id/draft-ietf-opsawg-pcapng-02.html
    order, interfaces, packets = "<", [], 0
    last_ns = 0
    first = True
    while packets < _MAX_RECORDS:
        head = _PCAPNG + stream.read(4) if first else stream.read(8)
        if len(head) < 8:
            if first:
                raise Broken("ends within its header")
            if head:
                count("torn")
            return
        kind, length = struct.unpack(order + "II", head)
        body = b""
        if kind == _SECTION:  # a new section may have another byte order
            body = stream.read(4)
            order = {b"\x4d\x3c\x2b\x1a": "<", b"\x1a\x2b\x3c\x4d": ">"}.get(body)
            if order is None:
                raise Broken("is damaged: a pcapng section without its byte order")
            length = struct.unpack(order + "I", head[4:])[0]
            interfaces = []
        if length < 12 + len(body) or length % 4 or length > _MAX_RECORD:
            raise Broken(f"is damaged: a pcapng block of {length} bytes")
        first = False
        wanted = length - 8 - len(body)
        body += stream.read(wanted)
        if len(body) < length - 8:
            count("torn")
            return
        body = body[:-4]  # the length again
        if kind == _INTERFACE:
            interfaces.append(interface(order, body))
        elif kind in (_ENHANCED, _PACKET, _SIMPLE):
            packets += 1
            record = _block(order, kind, body, interfaces, last_ns)
            if record is None:
                count("broken")
                continue
            if kind == _SIMPLE:
                count("timeless")
            last_ns = record[1]
            yield record
    raise Broken(f"has more than {_MAX_RECORDS} packets; cut it to the boot that matters")


def interface(order, body):
    # (link type, snap length, units per second, offset in seconds)
    if len(body) < 8:
        raise Broken("is damaged: a pcapng interface without a link type")
    linktype, _, snaplen = struct.unpack(order + "HHI", body[:8])
    units, offset = 10**6, 0
    at = 8
    while at + 4 <= len(body):
        code, size = struct.unpack(order + "HH", body[at : at + 4])
        content = body[at + 4 : at + 4 + size]
        if code == dpkt.pcapng.PCAPNG_OPT_IF_TSRESOL and content:
            # A power of 2 or of 10; more than 64 bits of it is no resolution at all.
            power = min(content[0] & 0x7F, 63)
            units = 2**power if content[0] & 0x80 else 10 ** min(power, 19)
        elif code == dpkt.pcapng.PCAPNG_OPT_IF_TSOFFSET and len(content) == 8:
            offset = struct.unpack(order + "q", content)[0]
        elif code == 0:
            break
        at += 4 + size + -size % 4
    return linktype, snaplen, units, offset


def _block(order, kind, body, interfaces, last_ns):
    if kind == _SIMPLE:
        if not interfaces or len(body) < 4:
            return None
        linktype, snaplen, _, _ = interfaces[0]
        size = struct.unpack(order + "I", body[:4])[0]
        return linktype, last_ns, size, body[4 : 4 + min(size, snaplen or size)]
    if len(body) < 20:
        return None
    layout = "IIIII" if kind == _ENHANCED else "HHIIII"
    number, *rest = struct.unpack(order + layout, body[:20])
    high, low, caplen, size = rest[-4:]
    if number >= len(interfaces) or caplen > len(body) - 20:
        return None
    linktype, _, units, offset = interfaces[number]
    epoch_ns = (high << 32 | low) * 10**9 // units + offset * 10**9
    return linktype, epoch_ns, size, body[20 : 20 + caplen]


# --- the frame: from the link to the datagram ----------------------------------------------------


def packet_of(linktype, frame, count):
    # The Packet in a frame, or None.
    source = target = None
    vlans = []
    if linktype == ETHERNET:
        kind, at = int.from_bytes(frame[12:14], "big"), 14
        target, source = _mac(frame[:6]), _mac(frame[6:12])
    elif linktype in (SLL, SLL2):
        cooked, at = (dpkt.sll.SLL, 16) if linktype == SLL else (dpkt.sll2.SLL2, 20)
        if len(frame) < at:
            count("broken")
            return None
        # Only the header is given to dpkt: the rest need not be parsed.
        header = cooked(frame[:at])
        kind = header.ethtype
        if header.hlen == 6:
            source = _mac(header.hdr[:6])
    elif linktype in RAW:
        kind, at = 0, 0
    else:  # BSD loopback: an address family, in the byte order of the machine or of the net
        kind, at = _IPV4 if 2 in (frame[:1] + frame[3:4]) else 0, 4
    while kind in _VLAN:
        vlans.append(int.from_bytes(frame[at : at + 2], "big") & 0xFFF)
        kind, at = int.from_bytes(frame[at + 2 : at + 4], "big"), at + 4
    if linktype in RAW:
        kind = {4: _IPV4, 6: _IPV6}.get(frame[0] >> 4 if frame else 0, 0)
    if kind == _IPV6:
        count("ipv6")
    if kind != _IPV4:
        return None
    packet = _datagram(frame[at:], count)
    if packet:
        packet.src_mac, packet.dst_mac, packet.vlans = source, target, vlans
    return packet


def _datagram(raw, count):
    # The Packet of an IPv4 datagram with UDP or ICMP in it, or None.
    if len(raw) < 20 or raw[0] >> 4 != 4 or (raw[0] & 15) < 5:
        count("broken")
        return None
    if raw[9] not in (dpkt.ip.IP_PROTO_UDP, dpkt.ip.IP_PROTO_ICMP):
        return None
    head = (raw[0] & 15) * 4
    ip = dpkt.ip.IP(raw[:20].replace(raw[:1], b"\x45", 1))  # the fixed header alone
    if ip.offset:
        count("fragments")
        return None
    if ip.mf:
        count("fragmented")
    body = raw[head : ip.len] if ip.len else raw[head:]
    if len(body) < 8:
        count("broken")
        return None
    packet = Packet(
        src=socket.inet_ntoa(ip.src),
        dst=socket.inet_ntoa(ip.dst),
        ttl=ip.ttl,
        ip_id=ip.id,
        vlans=[],
        fragment=bool(ip.mf),
        out=False,
    )
    if raw[9] == dpkt.ip.IP_PROTO_ICMP:
        if body[0] not in (3, 4, 5, 11, 12):  # only ICMP errors quote a packet
            return None
        quoted = _datagram(body[8:], lambda what: None)
        if quoted is None or quoted.icmp:
            return None
        packet.icmp = (body[0], body[1], quoted)
        packet.size, packet.payload = max(0, (ip.len or len(body) + head) - head - 8), body[8:]
        return packet
    udp = dpkt.udp.UDP(body)
    packet.sport, packet.dport = udp.sport, udp.dport
    packet.payload = body[8 : udp.ulen] if udp.ulen >= 8 else body[8:]
    packet.size = udp.ulen - 8 if udp.ulen >= 8 else len(packet.payload)
    return packet


def _mac(raw):
    return ":".join(f"{byte:02x}" for byte in raw) if len(raw) == 6 else None
