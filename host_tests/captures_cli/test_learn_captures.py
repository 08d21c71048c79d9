"""A ROM is learned from one real capture and plays in it: in virtual time, against its server.

The replay is `host_tests.fidelity`'s. Nothing here knows the ROM files that come with pxerom.
"""

import pytest
from pxebench.compare import differences
from pxebench.job import flat
from pxebench.learn import learner

from host_tests.fidelity import replay, table

_STAGE = {"pxelinux": 2, "grubpc": 2}
_OTHER_HOST = "it acknowledges what another host sends; a ROM here never does"
# What one capture does not show: a guest's clock that ran unevenly, or what has no word in a ROM
# file (`learn` then says so, or leaves it assumed).
_EXPLAINED = {
    "curl823-drop1": "its time-out and the server's second DATA came in the same instant",
    "curl823-py-oackmid": "after its ACK 0 it is deaf to DATA, but its timer goes on from the RRQ",
    "curl823-py-wrongtid": "the file ends too soon for its silence to be seen",
    "ipxe200-py-biggerblk": "granted more than it asked for, it goes on until tsize is full",
    "slof-d-43c8": _OTHER_HOST,
    "slof-d-66only": _OTHER_HOST,
    "slof-py-garbage": "after a stray ACK its last block does not end it, which is not imitated",
    "ub25arm64-py-oackmid": "the file ends with the DATA on which it ends",
    "ublwip-py-biggerblk": "it sends ACK 0 behind its ERROR",
    "ubnlwip-py-biggerblk": "it sends ACK 0 behind its ERROR",
    "ubnlwip-py-garbage": "it acknowledges DATA behind its ERROR",
    "ubootarm64-acklost": "the server's copy and the guest's time-out came within 2 ms",
    "pxelinux-blackhole": "two tables of one guest, up to 8 % apart; the ROM has their median",
    "grubpc-noopt": "its RRQ timer ran on while it swallowed the file",
}


def _clients():
    return sorted({name.partition("-")[0] for name in table.names()})


@pytest.mark.parametrize("client", _clients())
def test_rom_learned_from_a_capture_is_equal_to_it(client):
    stage = _STAGE.get(client, 1)
    tolerance = differences.Tolerance(ms=table.LATE_MS.get(client, 60))
    different = {}
    for name in table.names():
        if name.partition("-")[0] != client or name in table.without_tftp():
            continue
        sample = learner.sample(table.CAPTURES / f"{name}.pcap.gz", None, stage)
        mine = flat(learner.learn([sample], "mine").rom)
        last_s = table.read(name).file.packets[-1].time
        for talks in sample.boots:
            played = replay.play(talks, mine, last_s)
            found = differences.compare(played.theirs, played.ours, tolerance, mine)
            if not found.equal:
                different[name] = found.differences
    assert set(different) == {name for name in _EXPLAINED if name.startswith(client + "-")}, (
        different
    )
