"""Ports in words: IANA names, lists as a user types them, rows of neighbours.

tcpdump prints the names (`ah-esp-encap` for 2070), and people search for them. The names are in a
small table, `iana_ports.txt`, which names its source; /etc/services is not used, since it differs
between machines.
"""

import functools
from pathlib import Path

from pxebench.job import Refused, show

DEFAULT = "1024-1100,2070-2078,32768,49152-49160"
# Ports where ROMs begin to count: of many ports, these are shown first.
OF_ROMS = frozenset((1024, 2001, *range(2070, 2079), 7700, 25300, 49152, 57089))


@functools.cache
def _names():
    text = Path(__file__).with_name("iana_ports.txt").read_text("utf-8")
    rows = (line.split() for line in text.splitlines() if not line.startswith("#"))
    return {int(port): name for port, name in rows}


def name(port):
    """The IANA name of a UDP port, or None where it has none (or none that matters here)."""
    return _names().get(port)


def named(port):
    """`2070 (ah-esp-encap)`, or the bare number."""
    known = name(port)
    return f"{port} ({known})" if known else str(port)


def worth_naming(ports, most):
    """(those of `ports` that have a name and are shown, how many more have one): of many, those
    that ROMs ask from come first."""
    known = [port for port in ports if name(port)]
    if len(known) <= most:
        return known, 0
    shown = sorted(sorted(known, key=lambda port: port not in OF_ROMS)[:most])
    return shown, len(known) - len(shown)


def parse(text, most=None):
    """The ports of `1024-1100,2070,...`, ascending, each once; `Refused` when it is no such list.

    `most`: how many ports it may come to.
    """
    found = set()
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        bounds = [_port(first, text), _port(last, text) if dash else _port(first, text)]
        if bounds[1] < bounds[0]:
            raise Refused(f"In --ports, {show(part)} counts down; write the lower port first.")
        found.update(range(bounds[0], bounds[1] + 1))
    if most is not None and len(found) > most:
        raise Refused(
            f"--ports comes to {len(found)} ports and --most allows {most}: each is an RRQ that "
            f"the server has to answer. Ask for fewer, use --bisect, or raise --most."
        )
    return sorted(found)


def _port(digits, text):
    if not (digits.isascii() and digits.isdigit() and 0 < int(digits[:6]) < 65536):
        raise Refused(
            f"{show(text)} is no list of ports (1 to 65535); write it as 1024-1100,2070,49152."
        )
    return int(digits)


def rows(ports):
    """[[first, count], ...] of ports in their order: ports that count up are one row."""
    found = []
    for port in ports:
        if found and port == found[-1][0] + found[-1][1]:
            found[-1][1] += 1
        else:
            found.append([port, 1])
    return found


def words(ports):
    """Ports as `2070-2078, 49152`."""
    return ", ".join(
        str(first) if count == 1 else f"{first}-{first + count - 1}"
        for first, count in rows(sorted(ports))
    )
