"""Who boots in a storm, from which address, and when.

    plan(["intel-undi"], 40, addresses, "together")  ->  [Machine, ...]

A machine is one ROM with an address of its own: ROMs count their ports from the same number, so
two of them on one address would use the same port. Nothing is sent from here.

1. Bounded: at most MOST machines, started at most RATE a second.
2. The order of the command line is kept: `--rom intel-undi:20 --rom edk2:20` gives the first
   twenty addresses to the first.
"""

import ipaddress
from collections import namedtuple

from pxebench.job import Refused, show

MOST = 2000
RATE = 1000  # starts a second, `--together` too

# `at_ms`: when it is switched on, since the storm began; `address`: text, or None with DHCP.
Machine = namedtuple("Machine", "number rom address at_ms")


def scaled(asked, count):
    """The same mixture of ROMs for `count` machines, at least one of each."""
    given = sum(asked.values())
    if count < len(asked):
        raise Refused(f"{len(asked)} ROMs need a step of at least {len(asked)} machines.")
    found = {name: max(1, share * count // given) for name, share in asked.items()}
    while sum(found.values()) != count:
        more = 1 if sum(found.values()) < count else -1
        able = [name for name in found if more > 0 or found[name] > 1]
        name = max(able, key=lambda one: more * (asked[one] * count / given - found[one]))
        found[name] += more
    return found


def shares(roms, count):
    """{rom: how many of it}: `roms` as typed, ID or ID:N; the rest of `count` goes to those
    without a number."""
    asked, open_ones = {}, []
    for text in roms:
        name, colon, number = text.rpartition(":")
        if colon and number.isascii() and number.isdigit():
            if not 0 < int(number[:6]) <= MOST:
                raise Refused(f"--rom {show(text)}: a storm has 1 to {MOST} machines.")
            asked[name] = asked.get(name, 0) + int(number)
        else:
            open_ones.append(text)
    given = sum(asked.values())
    if count is None:
        count = given if asked and not open_ones else given + 10 * len(open_ones)
    left = count - given
    if left < len(open_ones) or (left and not open_ones):
        raise Refused(f"--count is {count}, and the ROMs asked for are {given + len(open_ones)}.")
    if not 0 < count <= MOST:
        raise Refused(f"--count takes 1 to {MOST}, not {count}.")
    for number, name in enumerate(open_ones):
        more = left // len(open_ones) + (number < left % len(open_ones))
        asked[name] = asked.get(name, 0) + more
    return asked


def addresses(text, count):
    """`count` addresses of a range `A-B` or a network `A/BITS`, as text."""
    first, dash, last = text.partition("-")
    try:
        if dash:
            low, high = ipaddress.IPv4Address(first.strip()), ipaddress.IPv4Address(last.strip())
        else:
            hosts = ipaddress.IPv4Network(text, strict=False)
            low, high = hosts.network_address + 1, hosts.broadcast_address - 1
    except ValueError:
        raise Refused(
            f"--from takes a range such as 10.0.0.100-10.0.0.199, not {show(text)}."
        ) from None
    there = int(high) - int(low) + 1
    if there < count:
        raise Refused(
            f"--from {show(text)} has {max(there, 0)} addresses, and {count} machines need one "
            f"each."
        )
    if not (int(low) >> 24 and int(high) >> 24 < 224):
        raise Refused(f"--from {show(text)}: these are not addresses of machines.")
    return [str(low + number) for number in range(count)]


def machines(asked, where, spread_s=0):
    """The Machines of one storm. `asked`: of `shares`; `where`: addresses, or None; `spread_s`:
    they start evenly over so many seconds."""
    roms = [name for name, count in asked.items() for _ in range(count)]
    step_ms = max(spread_s * 1000 / len(roms), 1000 / RATE)
    return [
        Machine(number, rom, where[number] if where else None, round(number * step_ms))
        for number, rom in enumerate(roms)
    ]


def steps(text):
    """The numbers of `--ramp 10,20,50`: rising, 1 to MOST."""
    try:
        found = [int(part) for part in text.split(",")]
    except ValueError:
        found = []
    if not found or found[0] < 1 or found[-1] > MOST or found != sorted(set(found)):
        raise Refused(f"--ramp takes rising numbers such as 10,20,50,100, not {show(text)}.")
    return found
