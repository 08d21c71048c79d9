"""A DHCP message from the lines that tcpdump -v prints for it.

    0.0.0.0.68 > 255.255.255.255.67: BOOTP/DHCP, Request from 52:54:00:12:34:56, length 347
          Client-Ethernet-Address 52:54:00:12:34:56
            DHCP-Message (53), length 1: Discover

1. The bytes of an option are built where its text has them; else they are zeros of the right
   length.
"""

import re
import struct

from pxerom.dhcp_packet import COOKIE

from pxebench.explain.names import is_ipv4, mac

_OPTION = re.compile(
    r"^\s+[\w./-]+ (?:\((\d{1,3})\)|Option (\d{1,3})), length (\d{1,3})(?:, occurs \d+)?:? ?(.*)"
)
_TYPES = {
    "discover": 1,
    "offer": 2,
    "request": 3,
    "decline": 4,
    "ack": 5,
    "nack": 6,
    "nak": 6,
    "release": 7,
    "inform": 8,
}
_TEXT = (12, 15, 17, 60, 66, 67, 77)
_ADDRESS = (1, 3, 6, 28, 50, 54)
_MOST_LINES = 200
_ZERO = b"\0\0\0\0"


class DhcpLines:
    """Collects the lines of one message; `payload()` gives its bytes."""

    def __init__(self, first):
        self.request = "Reply" not in first and "reply" not in first
        self.fields = {}
        self.options = []
        self.list_of = None  # the option whose list continues on the next lines
        self.lines = 0
        self.size = _number(re.search(r"length (\d+)", first))
        self._words(first)

    def line(self, text):
        """Add one line."""
        self.lines += 1
        if self.lines > _MOST_LINES:
            return
        option = _OPTION.match(text)
        if option:
            code, length = int(option[1] or option[2]), int(option[3])
            self.options.append([code, length, option[4].strip()])
            self.list_of = self.options[-1] if code == 55 else None
        elif self.list_of is not None:
            self.list_of[2] += " " + text.strip()
        else:
            self._words(text)

    def _words(self, text):
        for name, pattern in (
            (
                "mac",
                (
                    r"(?:Request from|Client-Ethernet-Address)"
                    r" ((?:[0-9a-fA-F]{1,2}:){5}[0-9a-fA-F]{1,2})"
                ),
            ),
            ("xid", r"xid 0x([0-9a-f]{1,8})"),
            ("secs", r"secs (\d+)"),
            ("flags", r"Flags \[(\w+)\]"),
            ("ciaddr", r"Client-IP (\S+)"),
            ("yiaddr", r"Your-IP (\S+)"),
            ("siaddr", r"Server-IP (\S+)"),
            ("giaddr", r"Gateway-IP (\S+)"),
            ("file", r'file "(.*?)"'),
            ("sname", r'sname "(.*?)"'),
        ):
            found = re.search(pattern, text)
            if found:
                self.fields[name] = found[1]

    def payload(self):
        """The message as bytes (RFC 2131)."""
        fields = self.fields
        hardware = bytes.fromhex((mac(fields.get("mac", "")) or "").replace(":", ""))
        fixed = struct.pack(
            ">BBBBIHH4s4s4s4s16s64s128s",
            1 if self.request else 2,
            1,
            6,
            0,
            int(fields.get("xid", "0"), 16),
            min(0xFFFF, int(fields.get("secs", "0")[:6])),
            0x8000 if fields.get("flags") == "Broadcast" else 0,
            *(_address(fields.get(name, "")) for name in ("ciaddr", "yiaddr", "siaddr", "giaddr")),
            hardware,
            fields.get("sname", "").encode("utf-8", "replace")[:64],
            fields.get("file", "").encode("utf-8", "replace")[:128],
        )
        raw = COOKIE if self.options else b""
        for code, length, text in self.options:
            content = _content(code, length, text)
            raw += bytes((code & 0xFF, len(content))) + content
        return fixed + (raw + b"\xff" if raw else b"")


def _content(code, length, text):
    content = b""
    if code == 53:
        content = bytes((_TYPES.get("".join(text.split()[:1]).lower(), 0),))
    elif code == 55:
        content = bytes(
            int(number) & 0xFF for number in re.findall(r"(?:\(|Option )(\d{1,3})\)?", text)
        )
    elif code in _TEXT:
        found = re.search(r'"(.*)"', text)
        content = found[1].replace("^@", "\0").encode("utf-8", "replace") if found else b""
    elif code in _ADDRESS:
        content = b"".join(_address(word) for word in text.split(",") if is_ipv4(word.strip()))
    elif code in (57, 93) and text.isascii() and text.isdigit():
        content = (int(text[:6]) & 0xFFFF).to_bytes(2, "big")
    elif re.fullmatch(r"\d{1,3}(\.\d{1,3})*", text):
        content = bytes(int(part) & 0xFF for part in text.split("."))
    return content[:255] if len(content) == length else bytes(min(length, 255))


def _address(text):
    text = text.strip()
    return bytes(map(int, text.split("."))) if is_ipv4(text) else _ZERO


def _number(found):
    return int(found[1][:6]) if found else 0
