"""A ROM is learned from one real capture and plays in it: in virtual time, against its server.

The replay is `host_tests.fidelity`'s. Nothing here knows the ROM files that come with pxerom.
"""

import pytest
from pxebench.compare import differences
from pxebench.job import flat
from pxebench.learn import learner

from host_tests.fidelity import replay, table

_STAGE = {"pxelinux": 2, "grubpc": 2}
# What one capture cannot teach, because the guest's clock did not run evenly in it.
_EXPLAINED = {
    "ubootarm64-acklost": "the server's copy and the guest's time-out came within 2 ms",
    "pxelinux-blackhole": "two ladders of one guest, up to 8 % apart; the ROM has their median",
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
