"""What a code, or what a screen says, means: PXE-Exx of both lists, PXE-Txx, PXE-Mxx, iPXE's error
numbers, and the words of U-Boot, GRUB, PXELINUX, SLOF, the Raspberry Pi and host tools.

The table is `codes.json`.  An entry: {"code", "maker", "text", "when", "side": "client|server|
path", "first": what to look at first, "command": the command that tells more, or null, "roms"}.

1. Legacy ROMs and UEFI use the same numbers for different things: both are shown, each with its
   maker, unless the screen says which one it was.
2. An iPXE number is read, not looked up: its parts are the error, the file and PXE's own status
   (iPXE, include/errno.h).
"""

import functools
import json
import re
from pathlib import Path

from pxebench.explain.observation import CODE, Observation

_CODE = re.compile(r"\bPXE[- ]?([ETM])[- ]?([0-9A-Fa-f]{2})\b", re.IGNORECASE)
_IPXE = re.compile(
    r"\bipxe\.org/(?:err/)?([0-9a-f]{6,8})\b|\b(?:error|Error) (?:code )?(?:0x)([0-9a-f]{8})\b"
)
_UEFI_SIGNS = re.compile(r"over IPv4|NBP file|\bUEFI\b|\bEFI\b|Station IP address", re.IGNORECASE)
_ROM_SIGNS = re.compile(
    r"CLIENT MAC ADDR|CLIENT IP:|PXE-M0F|PXE-2\.\d|Boot Agent|\bUNDI\b", re.IGNORECASE
)
_MOST_LINES = 5000  # a screen has fewer; of a log only codes count
_SHORTEST = 12  # characters of a text that is known by itself

# iPXE's numbers for errors: bits 24 to 30.
_ERRNO = {
    0x01: "argument list too long",
    0x02: "permission denied",
    0x03: "address in use",
    0x04: "address not available",
    0x05: "address family not supported",
    0x0B: "operation canceled",
    0x0D: "connection aborted",
    0x0E: "connection refused",
    0x0F: "connection reset",
    0x16: "file too large",
    0x17: "host unreachable",
    0x1C: "invalid argument",
    0x1D: "input/output error",
    0x1F: "is a directory",
    0x23: "message too long",
    0x26: "network is down",
    0x28: "network unreachable",
    0x2A: "no buffer space",
    0x2C: "no such device",
    0x2D: "no such file or directory",
    0x2E: "exec format error",
    0x31: "not enough memory",
    0x34: "no space left",
    0x38: "not connected: no link",
    0x3C: "operation not supported",
    0x3E: "no such device or address",
    0x41: "operation not permitted",
    0x43: "protocol error",
    0x46: "result too large",
    0x4C: "connection timed out",
}
_STATUS = {
    0x11: "ARP timeout",
    0x32: "TFTP open timeout",
    0x35: "TFTP read timeout",
    0x36: "TFTP error",
    0x3B: "TFTP file not found",
    0x3C: "TFTP access violation",
    0x51: "DHCP timeout",
    0x53: "no boot file name",
    0x61: "no link",
}
_TFTP_FILE = 0x93  # bits 13 to 23: iPXE's tftp.c


@functools.cache
def _table():
    return json.loads(Path(__file__).with_name("codes.json").read_text("utf-8"))


@functools.cache
def _screens():
    return [(re.compile(entry["match"], re.IGNORECASE), entry) for entry in _table()["screens"]]


@functools.cache
def _texts():
    # The texts of codes, without what stands around them, the longest first.
    rows = []
    for entry in _table()["codes"]:
        text = _plain(entry["text"].split("AH ==")[0].split("API:")[0].split("Status:")[0])
        if len(text) >= _SHORTEST and not text.startswith("the server s own"):
            rows.append((text, entry))
    return sorted(rows, key=lambda row: -len(row[0]))


def _plain(text):
    return " ".join(re.sub(r"[^a-z0-9]+", " ", text.lower()).split())


def entries(wanted):
    """The entries for a code such as "PXE-E32" (legacy and UEFI), or for an id of a screen."""
    table = _table()
    return [entry for entry in (*table["codes"], *table["screens"]) if entry["code"] == wanted]


def ipxe(number):
    """The entry for an iPXE error number (8 hex digits)."""
    value = int(number, 16)
    words = _ERRNO.get(value >> 24 & 0x7F, "an error that is not listed here")
    status = _STATUS.get(value & 0xFF)
    in_tftp = value >> 13 & 0x7FF == _TFTP_FILE
    when = f"iPXE says: {words}" + (", in its TFTP" if in_tftp else "")
    when += f"; as a PXE status: {status}." if status else "."
    timed_out = value >> 24 & 0x7F == 0x4C
    missing = value >> 24 & 0x7F == 0x2D
    return {
        "code": f"iPXE {number}",
        "maker": "iPXE",
        "text": words,
        "when": when,
        "side": "path" if timed_out else "server" if missing or in_tftp else "client",
        "first": (
            "Whether requests arrive at UDP 69 and answers reach the client's port, any from"
            " 1024 on."
            if timed_out
            else (
                "The name of the file, and next-server: iPXE reads siaddr alone."
                if missing
                else f"The page https://ipxe.org/{number}."
            )
        ),
        "command": "diagnose" if timed_out else "fetch" if missing else None,
        "page": f"https://ipxe.org/{number}",
        "roms": ["ipxe"],
    }


class Screens:
    """A reader: lines that a boot client put on a screen."""

    kind = "screen"

    def __init__(self):
        self.uefi = self.legacy = False
        self.lines = 0
        self._found = []

    def takes(self, text):
        """True when a line is this reader's."""
        self._found = self._find(text)
        return bool(self._found)

    def line(self, text):
        return self._found

    def _find(self, text):
        self.uefi = self.uefi or bool(_UEFI_SIGNS.search(text))
        self.legacy = self.legacy or bool(_ROM_SIGNS.search(text))
        found = []
        for letter, number in _CODE.findall(text):
            found.append(f"PXE-{letter.upper()}{number.upper()}")
        known = [Observation(CODE, code=code) for code in dict.fromkeys(found)]
        for groups in _IPXE.findall(text):
            number = (groups[0] or groups[1]).zfill(8)
            known.append(Observation(CODE, code=f"iPXE {number}"))
        known += [
            Observation(CODE, code=entry["code"])
            for pattern, entry in _screens()
            if pattern.search(text)
        ]
        self.lines += 1
        if not known and len(text) < 200 and self.lines < _MOST_LINES:
            plain = f" {_plain(text)} "
            for words, entry in _texts():
                if f" {words} " in plain:
                    known.append(Observation(CODE, code=entry["code"]))
                    break
        return known

    def end(self):
        return []


def meaning(code, uefi=None):
    """The entries that a code stands for, best first; empty for a code that no list has.  `uefi`:
    True or False where it is known whose screen it was."""
    if code.startswith("iPXE "):
        return [ipxe(code[5:])]
    found = entries(code)
    if uefi is not None:
        rows = [entry for entry in found if (entry["kind"] == "uefi") == uefi]
        found = rows or found
    return found
