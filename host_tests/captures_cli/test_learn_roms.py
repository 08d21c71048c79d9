"""Every ROM that there is, learned back from what it does: in virtual time, its waits too."""

import pytest
from pxebench.compare.differences import compare
from pxebench.job import flat, load_rom
from pxebench.learn import learner
from pxebench.roms.known import ids

from host_tests.captures_cli import rounds


@pytest.mark.parametrize("rom_id", ids())
def test_rom_learned_from_a_roms_captures_does_the_same_in_every_case(rom_id):
    rom = flat(load_rom(rom_id))
    seen = {case: rounds.play(rom, case) for case in rounds.CASES}
    learned = learner.learn(list(seen.values()), "mine")
    assert learned.contradictions == []
    assert learned.beyond == []
    mine = flat(learned.rom)
    for case, sample in seen.items():
        again = rounds.play(mine, case, sample.boots[0][0].file)
        assert len(again.boots) == len(sample.boots)
        found = compare(sample.boots[0], again.boots[0], rom=rom)
        assert found.equal, (case, found.differences)


@pytest.mark.parametrize("case, field", [
    ("future", "tftp.on.future_data"), ("zero", "tftp.on.block_zero"),
    ("unknown TID", "tftp.on.unknown_tid"), ("opcode 9", "tftp.on.stray_opcode"),
    ("oversize", "tftp.on.oversize_data"), ("no file", "tftp.on.error"),
    ("blackhole", "tftp.retry.open.then"), ("server dies", "tftp.on.give_up"),
])  # fmt: skip
def test_without_the_case_its_reaction_is_assumed_and_not_invented(case, field):
    rom = flat(load_rom("busybox"))
    seen = {name: rounds.play(rom, name) for name in rounds.CASES if name != "icmp"}
    assert field not in dict(learner.learn(list(seen.values()), "mine").assumed)
    del seen[case]
    assert field in dict(learner.learn(list(seen.values()), "mine").assumed)
