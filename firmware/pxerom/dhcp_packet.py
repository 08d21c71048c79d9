"""DHCP packets as a PXE ROM sends and reads them. No socket, no clock.

`dhcp_offer` chooses among offers, `dhcp_client` decides when to send. Follows RFC 951, 2131, 2132,
3396 (options that come twice) and 4578 (93, 94, 97).

1. What a packet looks like stands in the ROM file's `dhcp`: options, order, lengths, flags, xid,
   secs, padding. An option whose value is not known at that point is left out.
2. Reading is bounded by the packet: each length is checked against what is left before it is used,
   and each step makes progress (R-SEC-14, 15).
3. What has a fixed length has that length or is not there (R-SEC-16, 21).
4. What came is never written to.
"""

from binascii import unhexlify

from pxerom.runtime import const

DISCOVER = const(1)
OFFER = const(2)
REQUEST = const(3)
DECLINE = const(4)
ACK = const(5)
NAK = const(6)
RELEASE = const(7)
INFORM = const(8)
NAMES = ("BOOTP", "DISCOVER", "OFFER", "REQUEST", "DECLINE", "ACK", "NAK", "RELEASE", "INFORM")

_HEAD = const(236)
_OPTIONS = const(240)
_FILE = const(108)
_SNAME = const(44)
COOKIE = b"\x63\x82\x53\x63"
_PAD = const(0)
_END = const(255)

# Options of one length: code and bytes.
_LENGTHS = {1: 4, 13: 2, 28: 4, 50: 4, 51: 4, 52: 1, 53: 1, 54: 4, 97: 17}


class Dropped(Exception):
    """A packet that is not for us, or not to be trusted; its text says why."""


def ip_text(data, at=0):
    """Four bytes as text, or None for 0.0.0.0."""
    text = "%d.%d.%d.%d" % (data[at], data[at + 1], data[at + 2], data[at + 3])
    return None if text == "0.0.0.0" else text


def ip_bytes(text):
    """A numeric IPv4 address as four bytes."""
    return bytes([int(part) for part in text.split(".")])


def uuid_bytes(text):
    """A UUID as option 97 carries it: its first three fields are little-endian (R-PXE-7)."""
    raw = unhexlify(text.replace("-", ""))
    if len(raw) != 16:
        raise ValueError("a UUID has 32 hexadecimal digits")
    order = (3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15)
    return bytes([raw[at] for at in order])


# --- what we send --------------------------------------------------------------------------------


class Packets:
    """The packets of one boot's client. `spec`: the ROM file's `dhcp`; `mac`, `uuid`: bytes;
    `seed`: a random number of 32 bits, for the ROMs whose xid is one (R-SEC-20)."""

    def __init__(self, spec, mac, uuid, seed):
        self.spec = spec
        self.mac = mac
        self.uuid = uuid
        self.xid = seed
        self.secs = 0
        self.asked = {}  # xid of each DISCOVER: its secs
        self._sends = 0
        self._bits = 0  # of secs: what has been offered
        self._purpose = None
        self._number = 0  # of the packet, among those of its purpose
        self._began_ms = 0

    def offered(self, pxe):
        """Note that an OFFER has come; `pxe`: one that is meant for PXE clients."""
        rule = self.spec["secs"]
        self._bits |= rule["offer"] | (rule["pxe_offer"] if pxe else 0)

    def start_again(self):
        """After a NAK: what comes next is another DISCOVER."""
        if self.spec["nak"]["xid"] == "new":
            self._new_xid()
            self.asked = {}

    def discover(self, elapsed_ms):
        """The next DISCOVER. `elapsed_ms`: since the first one."""
        rule = self.spec["xid"]["rule"]
        mac = self.mac
        if rule == "mac":  # 20:6a:8a:0f:74:75 counts 8b0f7475, 8c0f7475, ...
            first = mac[2] + len(self.asked) + 1 & 255
            self.xid = first << 24 | mac[3] << 16 | mac[4] << 8 | mac[5]
        elif rule == "mac_ms":
            low = mac[2] << 24 | mac[3] << 16 | mac[4] << 8 | mac[5]
            self.xid = low + elapsed_ms & 0xFFFFFFFF
        elif rule == "fixed":
            self.xid = int(self.spec["xid"]["fixed"], 16)
        self._stamp("discover", elapsed_ms)
        self.asked[self.xid] = self.secs
        return self._packet(DISCOVER, self.spec["discover"]["options"])

    def request(self, reply, elapsed_ms, waited=True):
        """A REQUEST for what `reply`, an OFFER, offers; under the xid of its DISCOVER. `waited`:
        the DISCOVER's wait was over when the ROM decided."""
        self.xid = reply.xid
        if self.spec["secs"]["request"] == "same":
            self.secs = self.asked.get(reply.xid, self.secs)
        else:
            self._stamp("request", elapsed_ms, waited)
        values = {"server": reply.server_id(), "address": reply.yiaddr}
        return self._packet(REQUEST, self.spec["request"]["options"], None, values)

    def ask(self, purpose, address, server, elapsed_ms, item=None):
        """What goes out once there is an address: "proxy" (to port 4011), "discovery" (with the
        boot `item`, a type) or "inform". `server`: for option 54, or None."""
        spec = self.spec[purpose]
        if purpose != self._purpose:
            if spec["xid"] == "new":
                self._new_xid()
            elif spec["xid"] == "zero":
                self.xid = 0
        self._stamp(purpose, elapsed_ms)
        values = {"server": server, "item": item}
        message = INFORM if purpose == "inform" else REQUEST
        return self._packet(message, spec["options"], address, values, spec["flags"])

    def give_up(self, message, address, server):
        """A RELEASE, or a DECLINE, of `address`: what RFC 2131 (§4.4.4, 4.4.6) asks for, or the
        ROM's own DECLINE."""
        values = {"server": server, "address": address}
        own = self.spec["decline"] if message == DECLINE else None
        if own and own["options"]:
            flags = self.spec["flags"]
            ciaddr = address if own["ciaddr"] == "yes" else None
            return self._packet(message, own["options"], ciaddr, values, flags)
        options = [[53, "<type>"], [54, "<server>"]]
        if message == DECLINE:
            options.append([50, "<address>"])
            address = None
        options += [each for each in self.spec["options"] if each[0] == 61]
        return self._packet(message, options, address, values)

    def _new_xid(self):
        # One more number of the same seed (Numerical Recipes' constants).
        self.xid = self.xid * 1664525 + 1013904223 & 0xFFFFFFFF

    def _stamp(self, purpose, elapsed_ms, waited=True):
        # `secs` of the next packet, as this ROM counts it.
        rule = self.spec["secs"]
        if purpose != self._purpose:
            if purpose == "request" and waited:
                self._sends += rule["skip"]
            if rule["request"] == "restart":
                self._began_ms = elapsed_ms
            self._purpose = purpose
            self._number = 0
        table = self.spec[purpose]["secs"]
        if table:
            self.secs = table[min(self._number, len(table) - 1)]
        elif rule["rule"] == "count":
            self.secs = rule["first"] + rule["step"] * self._sends | self._bits
        else:
            self.secs = (elapsed_ms - self._began_ms) // 1000
        self.secs = min(self.secs, 0xFFFF)
        self._sends += 1
        self._number += 1

    def _packet(self, message, options, ciaddr=None, values=None, flags=0):
        # op htype hlen hops | xid | secs flags | ciaddr yiaddr siaddr giaddr | chaddr sname file
        spec = self.spec
        packet = bytearray(_HEAD)
        packet[0:3] = b"\x01\x01\x06"
        packet[4:8] = self.xid.to_bytes(4, "big")
        packet[8:10] = self.secs.to_bytes(2, "big")
        if ciaddr:
            packet[12:16] = ip_bytes(ciaddr)
        else:  # with an address, a reply can come to it (R-PXE-26)
            flags = spec["flags"]
        packet[10:12] = flags.to_bytes(2, "big")
        packet[28:34] = self.mac
        packet += COOKIE
        for code, value in spec["options"] if options is None else options:
            data = self._value(value, message, values or {})
            if data is not None:
                packet += bytes((code, len(data))) + data
        packet.append(_END)
        packet += bytes(max(0, spec["pad"] - len(packet)))
        return bytes(packet)

    def _value(self, value, message, values):
        # The bytes of an option; None where there is nothing to say yet.
        if isinstance(value, int):
            return value.to_bytes(2, "big")
        if not isinstance(value, str):
            return bytes(value)
        if value == "<type>":
            return bytes((message,))
        if value == "<uuid>":
            return b"\x00" + self.uuid
        if value == "<mac>":
            return b"\x01" + self.mac
        if value == "<arch>":
            return self.spec["arch"].to_bytes(2, "big")
        if value == "<server>" or value == "<address>":
            known = values.get(value[1:-1])
            return ip_bytes(known) if known else None
        if value == "<item>":  # 43.71: type, layer 0 (R-PXE-46)
            known = values.get("item")
            return (
                None if known is None else b"\x47\x04%c%c\x00\x00\xff" % (known >> 8, known & 255)
            )
        return value.replace("{arch}", "%05d" % self.spec["arch"]).encode()


# --- what we read --------------------------------------------------------------------------------


class Reply:
    """A packet that came for us. `type`: 0 for BOOTP; `yiaddr`, `siaddr`, `giaddr`: text or None;
    `options`: {code: bytes}; `file`: the field's bytes up to its NUL, or None when it holds
    options; `sname`: that field's, as text, or None; `last`: the code of the last option; `flaws`:
    what was passed over, in words."""

    def __init__(self, data):
        self.xid = int.from_bytes(data[4:8], "big")
        self.yiaddr = ip_text(data, 16)
        self.siaddr = ip_text(data, 20)
        self.giaddr = ip_text(data, 24)
        self.flaws = []
        self.options = {}
        self.last = _walk(data, _OPTIONS, len(data), self.options)
        overload = self.options.get(52, b"\x00")
        overload = overload[0] if len(overload) == 1 else 0
        self.file = None
        if overload & 1:
            _walk(data, _FILE, _HEAD, self.options)
        else:
            self.file = _to_nul(data[_FILE:_HEAD])
        self.sname = None
        if overload & 2:
            _walk(data, _SNAME, _FILE, self.options)
        else:
            self.sname = _to_nul(data[_SNAME:_FILE])
        for code, length in _LENGTHS.items():
            if code in self.options and len(self.options[code]) != length:
                self.flaws.append(
                    "option %d is %d bytes long, not %d" % (code, len(self.options[code]), length)
                )
                del self.options[code]
        self.type = self.options.get(53, b"\x00")[0]

    def server_id(self):
        """Option 54 as text, or None."""
        return ip_text(self.options[54]) if 54 in self.options else None

    def addresses(self, code):
        """The addresses of an option such as 3 or 6; none when its length is no multiple of 4."""
        data = self.options.get(code, b"")
        if len(data) % 4:
            return []
        return [ip_text(data, at) or "0.0.0.0" for at in range(0, len(data), 4)]

    def number(self, code):
        """The value of a numeric option, or None."""
        data = self.options.get(code)
        return None if data is None else int.from_bytes(data, "big")

    def pxe(self):
        """True when the server says that it is meant for PXE clients (R-PXE-4)."""
        return self.options.get(60, b"")[:9] == b"PXEClient"


def parse(data, xids, mac):
    """The Reply in a datagram. `xids`: those that we wait for; `mac`: bytes. Raises Dropped
    (R-PXE-20)."""
    if len(data) < _OPTIONS or bytes(data[_HEAD:_OPTIONS]) != COOKIE:
        raise Dropped("it is no DHCP packet")
    if data[0] != 2:
        raise Dropped("it is no reply")
    if int.from_bytes(data[4:8], "big") not in xids:
        raise Dropped("another transaction (xid)")
    if data[1] != 1 or data[2] != 6 or bytes(data[28:34]) != mac:
        raise Dropped("another client's hardware address")
    reply = Reply(data)
    if reply.type not in (0, OFFER, ACK, NAK):
        raise Dropped("no server sends message type %d" % reply.type)
    return reply


def _to_nul(data):
    return bytes(data).split(b"\x00", 1)[0]


def _walk(data, at, end, options):
    # Options from `at` to `end` into `options`; what stands there from an earlier field wins
    # (R-PXE-30). The code of the last one.
    found = {}
    bad, last = _read(data, at, end, found)
    if bad:
        raise Dropped("option %d runs past the end" % last)
    for code, value in found.items():
        if code not in options:
            options[code] = value
    return last


def _read(data, at, end, found):
    # Code, length, bytes, again and again: 0 pads, 255 ends; what comes twice is joined
    # (R-PXE-35). (Whether one runs past the end (R-SEC-15), the last code that was read).
    code = None
    while at < end and data[at] != _END:
        if data[at] == _PAD:
            at += 1
            continue
        code = data[at]
        at += 1
        if at >= end or at + 1 + data[at] > end:
            return True, code
        stop = at + 1 + data[at]
        found[code] = found.get(code, b"") + bytes(data[at + 1 : stop])
        at = stop
    return False, code


def tags(data):
    """{tag: bytes} of an option 43, or None when its lengths do not add up (R-SEC-15)."""
    found = {}
    return None if _read(data, 0, len(data), found)[0] else found
