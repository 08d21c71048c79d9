"""TFTP and DHCP messages from captured payloads, read leniently.

Nothing is refused and nothing is corrected, because a client's oddities are what is looked for.
The strict parsers of the engines are in `pxerom`. TFTP: RFC 1350, 2347. DHCP: RFC 2131, 2132;
BOOTP: RFC 951.
"""

import struct

from pxerom.dhcp_packet import COOKIE, NAMES

KINDS = {1: "RRQ", 2: "WRQ", 3: "DATA", 4: "ACK", 5: "ERROR", 6: "OACK"}
_MODES = (b"octet", b"netascii", b"mail")

DHCP_TYPES = dict(enumerate(NAMES[1:], 1))


class Tftp:
    """One TFTP packet.  `kind`: "RRQ" ... "OACK", "opcode 9", or "short" below two bytes;
    `block` (DATA, ACK); `length`: bytes of file in a DATA; `code`, `text` (ERROR; `text` is None
    when there is none, `text_ends`: whether its NUL is there); `file`, `mode` (requests);
    `options`: [[name, value], ...] in wire order (requests, OACK); `tail`: what follows the last
    whole string, NULs for padding.  Fields that do not apply are None."""

    __slots__ = (
        *("kind", "block", "length", "code", "text", "text_ends", "file", "mode"),
        *("options", "tail"),
    )

    def __init__(self, payload, size):
        for name in self.__slots__:
            setattr(self, name, None)
        if len(payload) < 2:
            self.kind = "short"
            return
        opcode = payload[0] << 8 | payload[1]
        self.kind = KINDS.get(opcode, f"opcode {opcode}")
        if self.kind in ("RRQ", "WRQ"):
            self._strings(payload[2:], 2)
        elif self.kind == "OACK":
            self._strings(payload[2:], 0)
        elif len(payload) >= 4 and self.kind in ("DATA", "ACK"):
            self.block = payload[2] << 8 | payload[3]
            if self.kind == "DATA":
                self.length = max(0, size - 4)
        elif len(payload) >= 4 and self.kind == "ERROR":
            self.code = payload[2] << 8 | payload[3]
            text, nul, self.tail = payload[4:].partition(b"\0")
            self.text = words(text) if len(payload) > 4 else None
            self.text_ends = bool(nul)

    def _strings(self, raw, names):
        # `names` strings, then pairs; after an empty name there is only padding.
        strings = []
        at = 0
        while True:
            end = raw.find(b"\0", at)
            if end < 0 or (
                end == at and len(strings) >= names and (len(strings) - names) % 2 == 0
            ):
                break
            strings.append(raw[at:end])
            at = end + 1
        if len(strings) >= names and (len(strings) - names) % 2:
            at -= len(strings.pop()) + 1
        if names:
            self.file = words(strings[0]) if strings else None
            self.mode = words(strings[1]) if len(strings) > 1 else None
        pairs = [words(text) for text in strings[names:]]
        self.options = [list(pair) for pair in zip(pairs[::2], pairs[1::2], strict=True)]
        self.tail = raw[at:]

    @property
    def padded(self):
        """True when a request is filled up with NULs and nothing else."""
        return bool(self.tail) and not self.tail.strip(b"\0")


def tftp(packet):
    """The `Tftp` of a UDP `packets.Packet`, read once."""
    if packet._message is None:
        packet._message = Tftp(packet.payload, packet.size)
    return packet._message


def is_request(payload, port):
    """True for a read or write request to UDP `port`: on port 69 by its opcode, elsewhere only if
    it has a name and a valid mode."""
    if payload[:2] not in (b"\0\1", b"\0\2"):
        return False
    if port == 69:
        return True
    name, nul, rest = payload[2:].partition(b"\0")
    mode, nul_too, _ = rest.partition(b"\0")
    return bool(name and nul and nul_too) and mode.lower() in _MODES


class Dhcp:
    """One DHCP or BOOTP message.  `kind`: "DISCOVER" ..., or "BOOTP"; `reply`: True from a
    server; `xid`, `secs`, `flags`; `ciaddr`, `yiaddr`, `siaddr`, `giaddr` as text; `mac`; `sname`,
    `file` as text; `options`: [(code, bytes), ...] in wire order; `ended`: whether 255 is there;
    `padding`: bytes after it; `size`: of the whole message."""

    __slots__ = (
        *("kind", "reply", "xid", "secs", "flags", "ciaddr", "yiaddr", "siaddr"),
        *("giaddr", "mac", "sname", "file", "options", "ended", "padding", "size"),
    )

    def __init__(self, payload, size):
        fixed = struct.unpack(">BBBBIHH4s4s4s4s16s64s128s", payload[:236])
        op, _, length, _, self.xid, self.secs, self.flags = fixed[:7]
        self.ciaddr, self.yiaddr, self.siaddr, self.giaddr = (
            ".".join(str(byte) for byte in address) for address in fixed[7:11]
        )
        self.mac = ":".join(f"{byte:02x}" for byte in fixed[11][: length if length <= 16 else 6])
        self.sname = words(fixed[12].partition(b"\0")[0])
        self.file = words(fixed[13].partition(b"\0")[0])
        self.reply = op == 2
        self.size = size
        self.options = []
        self.ended = False
        raw = payload[240:] if payload[236:240] == COOKIE else b""
        at = 0
        while at < len(raw) and not self.ended:
            code = raw[at]
            if code == 255:
                self.ended = True
            elif code:
                if at + 1 >= len(raw) or at + 2 + raw[at + 1] > len(raw):
                    break
                self.options.append((code, raw[at + 2 : at + 2 + raw[at + 1]]))
                at += raw[at + 1] + 1
            at += 1
        self.padding = len(raw) - at
        kind = self.option(53)
        self.kind = DHCP_TYPES.get(kind[0], f"type {kind[0]}") if kind else "BOOTP"

    def option(self, code):
        """The bytes of an option, or None; the first one when there are several."""
        return next((content for number, content in self.options if number == code), None)


def dhcp(packet):
    """The `Dhcp` of a UDP `packets.Packet`, or None when it is none."""
    if packet._message is None:
        ports = (packet.sport, packet.dport)
        known = {67, 68, 4011}.intersection(ports)
        if not known or len(packet.payload) < 236 or packet.payload[0] not in (1, 2):
            return None
        packet._message = Dhcp(packet.payload, packet.size)
    return packet._message if isinstance(packet._message, Dhcp) else None


def words(raw):
    """Bytes from a packet as text: UTF-8 where they are that, else with escapes."""
    return raw.decode("utf-8", "backslashreplace")
