"""Ports, addresses and times as other programs print them.

tcpdump and netstat print the name of a port where their machine has one for it: `ah-esp-encap` is
2070. Machines differ in the names they have, so all of IANA's for UDP are in `port_names.txt`;
      other names are looked up in this machine's /etc/services.
"""

import functools
import re
import socket
from pathlib import Path

# 10.0.0.5, not within a longer number.
IPV4 = r"(?<![\d.])(?:\d{1,3}\.){3}\d{1,3}"
_LONGEST_NAME = 40
# Ports with a common name that is not IANA's.
_OTHER_NAMES = {"bootps": 67, "bootpc": 68, "tftp": 69, "pxe": 4011, "dhcps": 67, "dhcpc": 68}


@functools.cache
def _numbers():
    text = Path(__file__).with_name("port_names.txt").read_text("utf-8")
    rows = (line.split() for line in text.splitlines() if not line.startswith("#"))
    return {name: int(port) for port, name in rows}


def port(text):
    """The UDP port that `text` stands for, a number or a name, or None."""
    if text.isascii() and text.isdigit():
        number = int(text[:6])
        return number if number < 65536 else None
    name = text.lower()
    if name in _OTHER_NAMES:
        return _OTHER_NAMES[name]
    found = _numbers().get(name)
    if found is None and re.fullmatch(rf"[a-z0-9._+-]{{1,{_LONGEST_NAME}}}", name):
        try:
            found = socket.getservbyname(name, "udp")
        except (OSError, UnicodeError):
            return None
    return found


def is_ipv4(text):
    """True when `text` is an IPv4 address, each number below 256."""
    parts = text.split(".")
    return len(parts) == 4 and all(
        part.isascii() and part.isdigit() and len(part) < 4 and int(part) < 256 for part in parts
    )


def clock(text):
    """Seconds of `12:34:56.789`, with a date before it or not; None when it is no
    time. Month and date only make times of one source comparable."""
    found = re.search(r"(\d{1,2}):(\d{2}):(\d{2})(?:[.,](\d{1,9}))?", text)
    if not found:
        return None
    hours, minutes, seconds = (int(found[number]) for number in (1, 2, 3))
    if hours > 23 or minutes > 59 or seconds > 60:
        return None
    fraction = int(found[4].ljust(9, "0")) / 1e9 if found[4] else 0.0
    return _day(text[: found.start()]) * 86400 + hours * 3600 + minutes * 60 + seconds + fraction


_MONTHS = {
    name: number
    for number, name in enumerate(
        ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"), 1
    )
}


def _day(text):
    # Days since 1970 of the date before a time; 0 where there is none.
    import datetime

    found = re.search(r"(\d{4})[-/](\d{1,2})[-/](\d{1,2})", text)
    if found:
        parts = [int(found[number]) for number in (1, 2, 3)]
    else:
        # Syslog has no year: any leap year will do.
        found = re.search(r"\b([A-Za-z]{3})\w*\.? +(\d{1,2})\b", text)
        if not found or found[1].lower() not in _MONTHS:
            return 0
        parts = [2000, _MONTHS[found[1].lower()], int(found[2])]
    try:
        return (datetime.date(*parts) - datetime.date(1970, 1, 1)).days
    except ValueError:
        return 0


def mac(text):
    """A MAC as aa:bb:cc:dd:ee:ff, from any of its usual spellings; None when it is none."""
    digits = re.sub(r"[^0-9a-fA-F]", "", text)
    if len(digits) != 12:
        return None
    return ":".join(digits[at : at + 2] for at in range(0, 12, 2)).lower()
