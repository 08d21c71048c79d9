"""A ROM that `learn` made from some captures of a client, against a capture that it has not seen.

One capture of a client is left out, a ROM is learned from the others, and the server of the one
left out plays against it. They must be equal, unless that capture is the only one that shows what
the client does there: then a learned ROM can only assume it, and `ONLY_HERE` says what it is.
"""

import functools

import pytest
from pxebench.learn import learner
from pxerom import rom_check

from host_tests.fidelity import table

_CLOCK = "each guest's clock ran at its own speed"
ONLY_HERE = {
    "ipxe-dropall": "data that never comes",
    "ovmf-dropall": "data that never comes",
    "ovmf-noopt": "DATA where an OACK is needed",
    "ovmf-win4drop1": "a time-out within a window",
    "ubootarm64-py-dup": "two copies of the last block",
    "pxelinux-dropall": "data that never comes",
    "pxelinux-firewall": "the other retry table is of a guest that was held up",
    "pxelinux-py-wrongtid": "an unknown TID",
    "grubpc-blackhole": _CLOCK,
    "grubpc-firewall": _CLOCK,
    "grubpc-dropall": "giving up",
    "grubpc-noopt": "DATA where an OACK is needed",
    "tftphpa-blackhole": "silence",
    "tftphpa-nofile": "an ERROR",
    "tftphpa-py-wrongtid": "an unknown TID",
    "atftp-blackhole": "silence",
    "curl-blackhole": "silence",
    "curl-dropall": "data that never comes",
    "curl-py-wrongtid": "an unknown TID",
    "busybox-blackhole": "silence",
    "busybox-dropall": "data that never comes",
    "busybox-py-dup": "a duplicate",
}
# What even a ROM learned from all captures does not know; what it learns after all fails here.
NEVER_LEARNED = {
    "grubpc-blackhole": _CLOCK,
    "grubpc-firewall": _CLOCK,
    "grubpc-noopt": _CLOCK,
    "ubootarm64-py-dup": "that a copy of the last block that is there already is answered",
}


def _captures(client):
    # Those of one configuration: a user who changes blksize has another client.
    return [
        name
        for name in table.names()
        if name.split("-")[0] == client and table.programs(name) and name not in table.SETTINGS
    ]


# Of the second set of captures about half of the cases are here, most of them once: what such a
# client does in the case that is left out is in no other capture.
_SECOND = ("ipxe200", "ovmf26", "edk2", "grub214efi", "slof", "s390", "ub25arm64", "ublwip")
_SECOND += ("ubnlwip", "tftphpa73", "tftphpa73N", "atftp081", "atftp081opt", "curl823")
_SECOND += ("busybox138", "busybox138blk")
_CLIENTS = [each for each in table.PROGRAMS if each != "ipxe_script" and each not in _SECOND]
_ALL = [name for client in _CLIENTS for name in _captures(client)]


@functools.cache
def _sample(name):
    stage = len(table.PROGRAMS[name.split("-")[0]])
    return learner.sample(table.CAPTURES / f"{name}.pcap.gz", None, stage)


def _learned(names):
    return rom_check.flatten(learner.learn([_sample(name) for name in names], "mine").rom)


def _verdicts(name, flat):
    rom_id = table.PROGRAMS[name.split("-")[0]][-1]
    rows = [
        table.judge(name, rom_id, talks, flat)
        for each, talks in table.programs(name)
        if each == rom_id
    ]
    assert rows
    return {row.verdict for row in rows}, [text for row in rows for text in row.differences]


@pytest.mark.parametrize("name", _ALL)
def test_learned_rom_plays_a_capture_that_it_was_not_made_from(name):
    others = [each for each in _captures(name.split("-")[0]) if each != name]
    verdicts, differences = _verdicts(name, _learned(others))
    assert ("differs" in verdicts) == (name in ONLY_HERE), differences


@pytest.mark.parametrize("client", _CLIENTS)
def test_rom_learned_from_all_captures_of_a_client_plays_them_all(client):
    flat = _learned(_captures(client))
    for name in _captures(client):
        verdicts, differences = _verdicts(name, flat)
        assert ("differs" in verdicts) == (name in NEVER_LEARNED), (name, differences)
