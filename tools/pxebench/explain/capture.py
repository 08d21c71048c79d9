"""Packets of network boots out of a capture of any size, in one pass.

`captures.packets` reads a whole file into memory; here most of a file is other traffic. A record
is examined in the buffer, and only what belongs to a boot is copied: DHCP, requests to TFTP
servers on whatever port, the packets of the client's port that asked, and the ICMP errors about
them.

1. Ports are read first: of other traffic two header fields are all that is read.
2. Memory is bounded: DATA is cut to its head, the middle of a long transfer is left out, and so
   are packets beyond `MOST` (all of this is in `notes`).
3. A file that ends within a record, or is damaged further on, is read up to there.
4. IP fragments belong to their first one, which has the ports; one whose rest never came is
   counted in `halves`.
"""

import collections
import struct

from pxebench.captures import packets as files
from pxebench.captures.messages import is_request

MOST = 200_000  # packets that are kept of one file
_CHUNK = 1 << 20
_MAX_RECORD = 1 << 20
_PORTS = frozenset((67, 68, 69, 4011))
_REQUESTS = (b"\0\1", b"\0\2")
_HEAD = 64  # bytes that are kept of a DATA packet
_FLOW = 4000  # packets of one transfer, and then its last `_TAIL`
_TAIL = 200
_EACH = 4001  # one in so many of its middle, so that its blocks can be counted
_COPY_NS = 20_000_000
_PENDING = 1024  # datagrams whose fragments are waited for
_MAGIC = {
    b"\xd4\xc3\xb2\xa1": ("<", 1000),
    b"\xa1\xb2\xc3\xd4": (">", 1000),
    b"\x4d\x3c\xb2\xa1": ("<", 1),
    b"\xa1\xb2\x3c\x4d": (">", 1),
}
PCAPNG = b"\x0a\x0d\x0d\x0a"
# Files of other programs; Wireshark's editcap makes pcapng of them.
_FOREIGN = {
    b"snoop\0\0\0": "a snoop file",
    b"RTSS": "a Network Monitor 1 file",
    b"GMBU": "a Network Monitor 2 file",
    b"\xa1\xb2\xcd\x34": "a pcap file of an old kind",
    b"\x34\xcd\xb2\xa1": "a pcap file of an old kind",
    b"ElfFile\0": "a Windows event log",
    b"\x13\x00\x00\x00": "an event trace of Windows (.etl)",
}


def is_capture(head):
    """True when a file that begins with these bytes is a capture that can be read here."""
    return head[:4] == PCAPNG or head[:4] in _MAGIC


def foreign(head):
    """What a file is that begins with these bytes and is a capture of another kind, or None."""
    return next((name for magic, name in _FOREIGN.items() if head.startswith(magic)), None)


class Scan(files.File):
    """What `read` returns: a `packets.File`, with `sent_here` (addresses whose packets left the
    capturing machine itself, where the file says so), `halves` (fragmented datagrams whose rest is
    not in the file), `copies` (packets that are in it twice, since the capturing machine
    took them in and sent them on), `sent_on` (numbers of those) and `left_out` (packets of boots
    that were not kept).
    """

    def __init__(self, name):
        super().__init__(name)
        self.sent_here = set()
        self.halves = 0
        self.copies = 0
        self.sent_on = set()
        self.left_out = 0
        self.thinned = False


def read(stream, name, progress=None):
    """The `Scan` of a binary stream that begins as a capture does.  `progress(bytes)`: called now
    and then with how much was read.  Never raises because of the file's content."""
    reader = _Reader(stream, name, progress or (lambda count: None))
    reader.run()
    return reader.finish()


class _Reader:
    # One pass over a file.

    def __init__(self, stream, name, progress):
        self.stream = stream
        self.progress = progress
        self.file = Scan(name)
        self.counts = {}
        self.linktypes = {}
        self.flows = {}  # client's address and port, as bytes: how many packets
        self.peers = set()  # servers' addresses and ports that answered, as bytes
        self.tails = {}  # the same: the last packets of a long transfer
        self.pending = collections.OrderedDict()  # fragments by (addresses, id): _Pieces
        self.lately = collections.OrderedDict()  # the last packets, for copies of them
        self.first_ns = self.last_ns = None
        self.why = None  # why it ends before its end

    def count(self, what):
        self.counts[what] = self.counts.get(what, 0) + 1

    def run(self):
        magic = self.stream.read(4)
        if magic == PCAPNG:
            self._pcapng()
        else:
            self._pcap(*_MAGIC[magic])

    # --- records

    def _fill(self, rest):
        # The rest of the buffer with more bytes appended; None at the end.
        more = self.stream.read(_CHUNK)
        self.progress(len(more))
        return rest + more if more else None

    def _pcap(self, order, unit):
        head = self.stream.read(20)
        if len(head) < 20:
            self.why = "ends within its header"
            return
        linktype = struct.unpack(order + "I", head[16:])[0] & 0xFFFF
        unpack = struct.Struct(order + "IIII").unpack_from
        known = linktype in files.LINKTYPES
        ethernet = linktype == files.ETHERNET
        buffer, at = b"", 0
        frames = 0
        second = fraction = 0
        while True:
            more = self._fill(buffer[at:])
            if more is None:
                if at < len(buffer):
                    self.count("torn")
                break
            buffer, at, end = more, 0, len(more)
            while at + 16 <= end:
                second, fraction, kept, size = unpack(buffer, at)
                start = at + 16
                stop = start + kept
                if kept > _MAX_RECORD:
                    self.why = f"is damaged at its record {frames + 1}"
                    break
                if stop > end:
                    break
                at = stop
                frames += 1
                if frames == 1:
                    self.first_ns = self.last_ns = second * 10**9 + fraction * unit
                if ethernet and buffer[start + 12 : start + 14] == b"\x08\x00" and kept > 33:
                    if buffer[start + 23] not in (17, 1):
                        continue
                    ip = start + 14
                elif known:
                    ip = self._ip(linktype, buffer, start, stop)
                    if ip is None:
                        continue
                else:
                    self.linktypes[linktype] = self.linktypes.get(linktype, 0) + 1
                    continue
                if self._wanted(buffer, ip, stop):
                    self.file.frames = frames
                    epoch_ns = second * 10**9 + fraction * unit
                    self._take(linktype, buffer[start:stop], ip - start, size, epoch_ns)
            self._until(second * 10**9 + fraction * unit)
            if self.why:
                break
        self.file.frames = frames

    def _pcapng(self):
        order, interfaces, frames = "<", [], 0
        buffer, at, first, now_ns = PCAPNG, 0, True, 0
        while not self.why:
            more = self._fill(buffer[at:])
            if more is None:
                if at < len(buffer) and not first:
                    self.count("torn")
                if first:
                    self.why = "ends within its header"
                break
            buffer, at, end = more, 0, len(more)
            while at + 12 <= end:
                kind, length = struct.unpack_from(order + "II", buffer, at)
                if kind == 0x0A0D0D0A:  # a new section may have another byte order
                    mark = buffer[at + 8 : at + 12]
                    order = {b"\x4d\x3c\x2b\x1a": "<", b"\x1a\x2b\x3c\x4d": ">"}.get(mark)
                    if order is None:
                        self.why = "is damaged: a section without its byte order"
                        break
                    length = struct.unpack_from(order + "I", buffer, at + 4)[0]
                    interfaces = []
                if length < 12 or length % 4 or length > _MAX_RECORD:
                    self.why = f"is damaged behind its packet {frames}"
                    break
                if at + length > end:
                    break
                body, stop = at + 8, at + length - 4
                at += length
                first = False
                if kind == 1:
                    try:
                        interfaces.append(files.interface(order, buffer[body:stop]))
                    except files.Broken as broken:
                        self.why = str(broken)
                        break
                    continue
                if kind not in (6, 3, 2):
                    continue
                frames += 1
                self.file.frames = frames
                record = self._block(order, kind, buffer, body, stop, interfaces, now_ns)
                if record is None:
                    self.count("broken")
                    continue
                linktype, now_ns, size, start, stop = record
                if self.first_ns is None:
                    self.first_ns = self.last_ns = now_ns
                if linktype not in files.LINKTYPES:
                    self.linktypes[linktype] = self.linktypes.get(linktype, 0) + 1
                    continue
                ip = self._ip(linktype, buffer, start, stop)
                if ip is not None and self._wanted(buffer, ip, stop):
                    self._take(linktype, buffer[start:stop], ip - start, size, now_ns)
            self._until(now_ns)
        self.file.frames = frames

    def _block(self, order, kind, buffer, body, stop, interfaces, now_ns):
        # (link type, time, size, start, stop) of a packet block, or None.
        if kind == 3:
            if not interfaces or stop - body < 4:
                return None
            size = struct.unpack_from(order + "I", buffer, body)[0]
            self.count("timeless")
            start = body + 4
            return interfaces[0][0], now_ns, size, start, min(stop, start + size)
        if stop - body < 20:
            return None
        layout = "IIIII" if kind == 6 else "HHIIII"
        number, *rest = struct.unpack_from(order + layout, buffer, body)
        high, low, kept, size = rest[-4:]
        if number >= len(interfaces) or kept > stop - body - 20:
            return None
        linktype, _, units, offset = interfaces[number]
        epoch_ns = (high << 32 | low) * 10**9 // units + offset * 10**9
        return linktype, epoch_ns, size, body + 20, body + 20 + kept

    def _until(self, epoch_ns):
        if self.last_ns is not None:
            self.last_ns = max(self.last_ns, epoch_ns)

    # --- is it of a boot?

    def _ip(self, linktype, buffer, start, stop):
        # Where the IPv4 header begins, or None.
        if linktype == files.ETHERNET:
            at = start + 12
        elif linktype == files.SLL:
            at = start + 14
        elif linktype == files.SLL2:
            at = start
        elif linktype in files.RAW:
            return start if start + 20 <= stop and buffer[start] >> 4 == 4 else None
        else:  # BSD loopback: an address family of four bytes
            inet = start + 24 <= stop and 2 in (buffer[start], buffer[start + 3])
            return start + 4 if inet else None
        kind = buffer[at : at + 2]
        at += 20 if linktype == files.SLL2 else 2
        while kind in files.VLAN_BYTES:
            kind, at = buffer[at + 2 : at + 4], at + 4
        if kind == b"\x86\xdd":
            self.count("ipv6")
        return at if kind == b"\x08\x00" and at + 20 <= stop else None

    def _wanted(self, buffer, ip, stop):
        # True when the datagram at `ip` may be of a boot.
        protocol = buffer[ip + 9]
        if protocol == 17:
            if (buffer[ip + 6] & 0x1F) or buffer[ip + 7]:
                return self._fragment(buffer, ip, stop)
            udp = ip + ((buffer[ip] & 15) << 2)
            if udp + 8 > stop:
                return False
            sport = buffer[udp] << 8 | buffer[udp + 1]
            dport = buffer[udp + 2] << 8 | buffer[udp + 3]
            if sport in _PORTS or dport in _PORTS:
                return True
            if buffer[ip + 12 : ip + 16] + buffer[udp : udp + 2] in self.flows:
                return True
            there = buffer[ip + 16 : ip + 20] + buffer[udp + 2 : udp + 4]
            if there in self.flows:
                self.peers.add(buffer[ip + 12 : ip + 16] + buffer[udp : udp + 2])
                return True
            if there in self.peers:  # from a port that sent no request: a NAT's
                return True
            return buffer[udp + 8 : udp + 10] in _REQUESTS and is_request(
                buffer[udp + 8 : stop], dport
            )
        if protocol == 1:
            return self._icmp_wanted(buffer, ip, stop)
        return False

    def _icmp_wanted(self, buffer, ip, stop):
        icmp = ip + ((buffer[ip] & 15) << 2)
        quoted = icmp + 8
        if quoted + 28 > stop or buffer[icmp] not in (3, 4, 5, 11, 12):
            return False
        if buffer[quoted + 9] != 17:
            return False
        udp = quoted + ((buffer[quoted] & 15) << 2)
        ports = buffer[udp : udp + 2], buffer[udp + 2 : udp + 4]
        if b"\0\x45" in ports:
            return True
        return (
            buffer[quoted + 12 : quoted + 16] + ports[0] in self.flows
            or buffer[quoted + 16 : quoted + 20] + ports[1] in self.flows
        )

    def _fragment(self, buffer, ip, stop):
        # A later fragment: it is added to its first one, not kept as a packet.
        key = buffer[ip + 12 : ip + 20] + buffer[ip + 4 : ip + 6]
        first = self.pending.get(key)
        self.count("fragments")
        if first is None:
            return False
        word = buffer[ip + 6] << 8 | buffer[ip + 7]
        head = (buffer[ip] & 15) << 2
        length = (buffer[ip + 2] << 8 | buffer[ip + 3]) - head
        if first.add(
            (word & 0x1FFF) << 3, length, buffer[ip + head : min(stop, ip + head + length)]
        ):
            del self.pending[key]
        return False

    # --- what is kept

    def _take(self, linktype, frame, ip, size, epoch_ns):
        packet = files.packet_of(linktype, frame, self.count)
        if packet is None:
            return
        if len(frame) < size:
            self.count("cut")
        packet.number = self.file.frames
        packet.epoch_ns = epoch_ns
        if self._is_copy(packet):
            return
        if (
            linktype == files.SLL
            and frame[:2] == b"\0\4"
            or linktype == files.SLL2
            and frame[10:11] == b"\4"
        ):
            self.file.sent_here.add(packet.src)
        if packet.fragment:
            key = frame[ip + 12 : ip + 20] + frame[ip + 4 : ip + 6]
            self.pending[key] = _Pieces(packet)
            if len(self.pending) > _PENDING:
                self.pending.popitem(last=False)
                self.file.halves += 1
        if packet.icmp:
            packet.payload = packet.payload[:_HEAD]
            self._keep(packet)
            return
        data = packet.payload[:2] == b"\0\3"
        if data:
            packet.payload = packet.payload[:_HEAD]
        source = frame[ip + 12 : ip + 16]
        udp = ip + ((frame[ip] & 15) << 2)
        if is_request(packet.payload, packet.dport):
            key = source + frame[udp : udp + 2]
            self._flush(key)
            self.flows[key] = 0
            self._keep(packet)
            return
        if not (data or packet.payload[:2] == b"\0\4") or packet.sport in (67, 68):
            self._keep(packet)
            return
        for key in (
            source + frame[udp : udp + 2],
            frame[ip + 16 : ip + 20] + frame[udp + 2 : udp + 4],
        ):
            if key in self.flows:
                self.flows[key] += 1
                if self.flows[key] > _FLOW:
                    tail = self.tails.setdefault(key, collections.deque(maxlen=_TAIL))
                    self.file.thinned = self.file.thinned or len(tail) == _TAIL
                    if self.flows[key] % _EACH:
                        tail.append(packet)
                        return
                break
        self._keep(packet)

    def _is_copy(self, packet):
        # A capture of all interfaces of a router has each packet twice: received and sent.
        key = (packet.src, packet.dst, packet.sport, packet.dport, packet.ip_id, packet.size)
        key += (packet.payload[:4],)
        first = self.lately.pop(key, None)
        self.lately[key] = packet
        if len(self.lately) > _PENDING:
            self.lately.popitem(last=False)
        if first is None or packet.epoch_ns - first.epoch_ns > _COPY_NS:
            return False
        if not packet.ip_id and packet.ttl == first.ttl:
            return False  # without an IP identification it may be a retransmission
        self.file.sent_on.add(first.number)
        self.file.copies += 1
        self.lately[key] = first
        return True

    def _keep(self, packet):
        if len(self.file.packets) < MOST:
            self.file.packets.append(packet)
        else:
            self.file.left_out += 1

    def _flush(self, key):
        for packet in self.tails.pop(key, ()):
            self._keep(packet)

    def finish(self):
        file = self.file
        for key in list(self.tails):
            self._flush(key)
        file.halves += len(self.pending)
        file.packets.sort(key=lambda packet: packet.epoch_ns)
        file.epoch_ns = self.first_ns
        if file.packets and self.first_ns is not None:
            file.epoch_ns = min(self.first_ns, file.packets[0].epoch_ns)
        file.until = ((self.last_ns or 0) - (file.epoch_ns or 0)) / 1e9
        for packet in file.packets:
            packet.time = (packet.epoch_ns - file.epoch_ns) / 1e9
        file.notes = list(files.notes(self.counts, self.linktypes))
        if self.why:
            file.notes.append(f"The file {self.why}; what stands before that was read.")
        if file.left_out:
            file.notes.append(
                f"{file.left_out} packets of boots beyond the first {MOST} were left out."
            )
        if file.thinned:
            file.notes.append("Of long transfers the middle was left out.")
        return file


class _Pieces:
    # The fragments of one datagram, as they come.
    def __init__(self, packet):
        self.packet = packet
        self.wanted = packet.size + 8
        self.have = len(packet.payload) + 8

    def add(self, offset, length, content):
        # True when the datagram is whole.
        packet = self.packet
        if offset - 8 == len(packet.payload) and len(packet.payload) < 2048:
            packet.payload = (packet.payload + content)[: packet.size]
        self.have += max(0, length)
        if self.have < self.wanted:
            return False
        if packet.payload[:2] == b"\0\3":
            packet.payload = packet.payload[:_HEAD]
        return True
