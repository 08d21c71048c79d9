"""What a code or a screen's text means: PXE-Exx of both lists, PXE-Txx, PXE-Mxx, iPXE's error
numbers, and the texts of U-Boot, GRUB, PXELINUX, SLOF, the Raspberry Pi and host tools.

The table is `codes.json`.  An entry: {"code", "maker", "text", "when", "side": "client|server|
path", "first": what to look at first, "command": the command that tells more, or null, "roms",
"own_words": true where the text is whatever the server sends}.

1. Legacy ROMs and UEFI use the same numbers for different things: both are shown, each with its
   maker, unless the screen says which one it was.
2. An iPXE number is read, not looked up (`ipxe_errors`).
"""

import functools
import json
import re
from pathlib import Path

from pxebench.explain import ipxe_errors
from pxebench.explain.observation import CODE, Observation

_CODE = re.compile(r"\bPXE[- ]?([ETM])[- ]?([0-9A-Fa-f]{2})\b", re.IGNORECASE)
_IPXE = re.compile(
    r"\bipxe\.org/(?:err/)?([0-9a-f]{6}(?:[0-9a-f]{2})?)\b"
    r"|\b(?:error|Error) (?:code )?(?:0x)([0-9a-f]{8})\b"
    # "Connection timed out (4c126035)": its words, and their number.
    r"|[a-z] \((?=[0-9]*[a-f])([0-7][0-9a-f]{7})\)",
)
_UEFI_SIGNS = re.compile(r"over IPv4|NBP file|\bUEFI\b|\bEFI\b|Station IP address", re.IGNORECASE)
_ROM_SIGNS = re.compile(
    r"CLIENT MAC ADDR|CLIENT IP:|PXE-M0F|PXE-2\.\d|Boot Agent|\bUNDI\b", re.IGNORECASE
)
_MOST_LINES = 5000  # a screen has fewer; of a log only codes count
_SHORTEST = 12  # least characters of a text that is recognised alone


@functools.cache
def _table():
    return json.loads(Path(__file__).with_name("codes.json").read_text("utf-8"))


@functools.cache
def _screens():
    return [(re.compile(entry["match"], re.IGNORECASE), entry) for entry in _table()["screens"]]


@functools.cache
def _texts():
    # The texts of codes, the longest first.
    rows = []
    for entry in _table()["codes"]:
        text = _plain(entry["text"].split("AH ==")[0].split("API:")[0].split("Status:")[0])
        if len(text) >= _SHORTEST and not entry.get("own_words"):
            rows.append((text, entry))
    return sorted(rows, key=lambda row: -len(row[0]))


def _plain(text):
    return " ".join(re.sub(r"[^a-z0-9]+", " ", text.lower()).split())


def entries(wanted):
    """The entries for a code such as "PXE-E32" (legacy and UEFI), or for an id of a screen."""
    table = _table()
    return [entry for entry in (*table["codes"], *table["screens"]) if entry["code"] == wanted]


def ipxe(number):
    """The entry for an iPXE error number: 8 hex digits, or the first 6 of them."""
    parts = ipxe_errors.parts(number)
    words, name = parts["text"], parts["name"]
    page = f"https://ipxe.org/{number}" if len(number) == 8 else f"https://ipxe.org/err/{number}"
    when = f"iPXE says: {words}" + (f", in {parts['where']}" if parts["where"] else "")
    when += f"; as a PXE status: {parts['status']}." if parts["status"] else "."
    if parts["assumed"]:
        when += f" (That this number is {name} is assumed, from its place in iPXE's list.)"
    side, first, command = _ipxe_advice(name, parts["where"], page)
    return {
        "code": f"iPXE {number}",
        "maker": "iPXE",
        "text": words,
        "when": when,
        "side": side,
        "first": first,
        "command": command,
        "page": page,
        "roms": ["ipxe"],
    }


def _ipxe_advice(name, where, page):
    # (side, what to look at first, command).
    tftp = where == ipxe_errors.FILES[ipxe_errors.TFTP]
    if name == "ETIMEDOUT":
        return (
            "path",
            "Whether requests arrive at UDP 69 and answers reach the client's port, any from"
            " 1024 on."
            if tftp
            else f"Whether the server that it asks answers at all, and its port is open. {page}.",
            "diagnose",
        )
    if name == "ENOENT":
        return (
            "server",
            "The name of the file, and next-server: iPXE reads siaddr alone.",
            "fetch",
        )
    if name in ("EACCES", "EPERM") and not tftp:
        return (
            "server",
            "An https address whose certificate or ciphers this iPXE does not take, or a"
            f" redirection to one. {page}.",
            None,
        )
    if name == "ENOTSUP":
        return (
            "client",
            "The address that it was given: this iPXE was built without that protocol, or the"
            f" address has a word that it does not know. {page}.",
            None,
        )
    return ("server" if tftp else "client"), f"The page {page}.", None


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
            number = (groups[0] or groups[1] or groups[2]).lower()
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
