"""Every capture again as others would have made it: cut, filtered, lossy, routers away, in a VLAN.

What is lost may make a client "none of the known" or one of a tie; never another one.  `make test`
takes some of the captures, `make soak` all of them.
"""

import gzip
import random
import struct

import pytest

from host_tests.explain import clients, told

_SHARE = 14
_IP, _UDP = b"\x08\x00", 17
_DHCP, _BOOT = {67, 68, 4011}, {67, 68, 69, 4011}


def _ports(frame):
    if len(frame) < 42 or frame[12:14] != _IP or frame[23] != _UDP:
        return None
    return struct.unpack_from(">HH", frame, 14 + (frame[14] & 15) * 4)


def _cut(size):
    return lambda rows: [(head, frame[:size]) for head, frame in rows]


def _one_way(rows):
    """What the clients sent, alone."""
    asking = {f[26:30] for _, f in rows if (_ports(f) or (0, 0))[1] == 69}
    return [
        (head, f)
        for head, f in rows
        if _ports(f) and (_ports(f)[0] in (67, 68) or f[26:30] in asking)
    ]


def _only(wanted):
    return lambda rows: [(head, f) for head, f in rows if _ports(f) and set(_ports(f)) & wanted]


def _without_dhcp(rows):
    return [(head, f) for head, f in rows if not (_ports(f) and set(_ports(f)) & _DHCP)]


def _routers_away(rows):
    return [
        (head, f[:22] + bytes([max(1, f[22] - 3)]) + f[23:] if f[12:14] == _IP else f)
        for head, f in rows
    ]


def _tagged(rows):
    return [(head, f[:12] + b"\x81\0\0\x07" + f[12:]) for head, f in rows]


def _lossy(rows):
    rng = random.Random(1)
    return [row for row in rows if rng.random() > 0.1]


VARIATIONS = {
    "tcpdump -s 96": _cut(96),
    "one way": _one_way,
    "port 69 alone": _only(_BOOT),
    "no DHCP": _without_dhcp,
    "three routers away": _routers_away,
    "in a VLAN": _tagged,
    "one packet in ten lost": _lossy,
}


def _varied(raw, vary):
    order = "<" if raw[:4] in (b"\xd4\xc3\xb2\xa1", b"\x4d\x3c\xb2\xa1") else ">"
    rows, at = [], 24
    while at + 16 <= len(raw):
        second, fraction, kept, size = struct.unpack_from(order + "IIII", raw, at)
        rows.append(((second, fraction, size), raw[at + 16 : at + 16 + kept]))
        at += 16 + kept
    made = [raw[:24]]
    for (second, fraction, size), frame in vary(rows):
        size = max(size, len(frame))
        made += [struct.pack(order + "IIII", second, fraction, len(frame), size), frame]
    return b"".join(made)


def _misnamed(names, vary):
    found, named = {}, 0
    for name in names:
        family, _ = clients.FAMILIES[clients.tag(name)]
        content = _varied(gzip.decompress(told.capture(name).read_bytes()), vary)
        rows = told.of_bytes(content)["clients"]
        own = rows[1:] if clients.tag(name).startswith(("grub", "pxelinux")) else rows[:1]
        for client in own:
            if client["known"]:
                ids = told.best(client)
                named += any(one.startswith(family) for one in ids)
                if not any(one.startswith(family) for one in ids):
                    found[name] = ids
    return found, named


@pytest.mark.parametrize("how", VARIATIONS)
def test_no_client_becomes_another_one_in_a_capture_made_otherwise(how):
    names = clients.captures()[::_SHARE]
    misnamed, named = _misnamed(names, VARIATIONS[how])
    assert not misnamed
    assert named > len(names) / 2


@pytest.mark.soak
@pytest.mark.parametrize("how", VARIATIONS)
def test_nor_does_any_in_any_capture(how):
    misnamed, _ = _misnamed(clients.captures(), VARIATIONS[how])
    assert not misnamed
