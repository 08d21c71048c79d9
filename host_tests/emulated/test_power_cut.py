"""The power fails in the middle of each write to the flash: the board boots afterwards, and what
it keeps is the old or the new, never a mixture.

Every write that a board makes is noted once (`Emulator.journal`); from that the flash after each
power cut is made (`power_cuts`). All of them are read by littlefs itself; the board is switched on
with those where its files change, with the ones before, and with each 30th (`make soak`: with
each). A few cuts happen for real, in the board's own write.
"""

import hashlib
import json
import random

import pytest
from pxebench.board import emulator

from host_tests.emulated import rig

pytestmark = pytest.mark.slow

_BLOCKS = 120
_OLD, _NEW = (random.Random(seed).randbytes(30000) for seed in (1, 2))
_FIRST = 300  # of a deploy, which has more
_EACH = 30


def _hash(data):
    return hashlib.sha256(data).hexdigest()


class _Writes:
    """What a board wrote: the flash before, the journal, the files before and afterwards."""

    def __init__(self, board, before):
        self.before = before
        self.journal = list(board.journal())
        self.cuts = list(emulator.power_cuts(before, self.journal, _BLOCKS))[:_FIRST]
        images = [before, board.flash(), *self.cuts]
        # After each cut, what littlefs finds: {path: hash}.
        self.old, self.new, *self.found = rig.files_in(images, _BLOCKS)

    def share(self):
        """[(number, flash)] of the cuts with which the board is switched on in `make test`."""
        chosen = set(range(0, len(self.cuts), _EACH))
        for number in range(1, len(self.found)):
            if self.found[number] != self.found[number - 1]:
                chosen |= {number - 1, number}
        return [(number, self.cuts[number]) for number in sorted(chosen)]


@pytest.fixture(scope="module")
def replacing(lan, tmp_path_factory):
    """A boot whose image replaces an older one, and its result.json after it."""
    folder = tmp_path_factory.mktemp("replacing")
    with lan.board(folder, rig.config(), blocks=_BLOCKS) as board:
        with lan.tftpd({"image": _OLD}):
            board.power_on()
            board.read_to(rig.PROMPT)
            board.power_off()
        before = board.flash()
        with lan.tftpd({"image": _NEW}):
            board.start_journal()
            board.power_on()
            board.read_to(rig.PROMPT)
            board.power_off()
        return _Writes(board, before)


@pytest.fixture(scope="module")
def deploying(lan, tmp_path_factory):
    """`pxebench board deploy` on a board that has nothing."""
    folder = tmp_path_factory.mktemp("deploying")
    config = folder / "config.json"
    config.write_text(json.dumps(rig.config()))
    with lan.board(folder, files={}, blocks=_BLOCKS) as board:
        board.power_on()
        before = board.flash()
        board.start_journal()
        words = ("--board", "w5500_evb_pico", "--config", config, "--rom", "intel-undi")
        board.pxebench("board", "deploy", "--port", board.port, *words, timeout_s=300)
        board.power_off()
        return _Writes(board, before)


def test_image_is_the_old_or_the_new_after_any_cut(replacing):
    assert replacing.old["/nbp"] == _hash(_OLD) and replacing.new["/nbp"] == _hash(_NEW)
    assert len(replacing.cuts) > 100
    assert None not in replacing.found
    images = [files.get("/nbp") for files in replacing.found]
    assert set(images) == {_hash(_OLD), _hash(_NEW)}
    # First the one, then the other: nobody sees the old one again.
    assert images == sorted(images, key=[_hash(_OLD), _hash(_NEW)].index)


def test_result_is_the_last_or_the_new_after_any_cut(replacing):
    kept = {files.get("/result.json") for files in replacing.found}
    assert kept == {replacing.old["/result.json"], replacing.new["/result.json"]}


def test_other_files_stay_as_they_are_after_any_cut(replacing):
    ours = {"/nbp", "/nbp.part", "/result.json", "/result.json.part", "/result.json.new"}
    kept = {path: digest for path, digest in replacing.old.items() if path not in ours}
    for files in replacing.found:
        assert {path: digest for path, digest in files.items() if path not in ours} == kept


def test_deployed_file_is_there_as_a_whole_or_not_at_all(deploying):
    assert len(deploying.cuts) == _FIRST
    for number, files in enumerate(deploying.found):
        assert files is not None, number
        for path, digest in files.items():
            if not path.endswith(".new"):
                assert deploying.new[path] == digest, (number, path)


def _boots(lan, folder, flash):
    """A board with this flash is switched on, and boots the new image."""
    with lan.board(folder, files={}, blocks=_BLOCKS) as board:
        board.load_flash(flash)
        board.power_on()
        board.read_to(rig.PROMPT)
        board.power_off()
        assert board.files()["/nbp"] == _hash(_NEW), board.screen


def _switched_on_after(lan, folder, cuts):
    with lan.tftpd({"image": _NEW}):
        for number, flash in cuts:
            _boots(lan, folder / str(number), flash)


def test_board_boots_after_a_cut_of_its_image(lan, tmp_path, replacing):
    share = replacing.share()
    assert len(share) >= 12
    _switched_on_after(lan, tmp_path, share)


@pytest.mark.soak
def test_board_boots_after_every_cut_of_its_image(lan, tmp_path, replacing):
    _switched_on_after(lan, tmp_path, enumerate(replacing.cuts))


def _comes_to_its_prompt(lan, folder, cuts):
    for number, flash in cuts:
        with lan.board(folder / str(number), files={}, blocks=_BLOCKS) as board:
            board.load_flash(flash)
            board.power_on()
            assert "Traceback" not in board.read_to(rig.PROMPT), number


def test_board_comes_to_its_prompt_after_a_cut_of_its_deployment(lan, tmp_path, deploying):
    _comes_to_its_prompt(lan, tmp_path, list(enumerate(deploying.cuts))[::_EACH])


@pytest.mark.soak
def test_board_comes_to_its_prompt_after_every_cut_of_its_deployment(lan, tmp_path, deploying):
    _comes_to_its_prompt(lan, tmp_path, enumerate(deploying.cuts))


def test_cut_deploy_is_put_right_by_the_next_one(lan, tmp_path, deploying):
    config = tmp_path / "config.json"
    config.write_text(json.dumps(rig.config()))
    words = ("--board", "w5500_evb_pico", "--config", config, "--rom", "intel-undi")
    with lan.board(tmp_path / "board", files={}, blocks=_BLOCKS) as board:
        board.load_flash(deploying.cuts[_FIRST // 2])
        board.power_on()
        board.pxebench("board", "deploy", "--port", board.port, *words, timeout_s=300)
        board.power_off()
        assert board.files() == deploying.new


@pytest.mark.parametrize("write", [3, 70, 130])
def test_power_that_fails_for_real(lan, tmp_path, write):
    with lan.board(tmp_path, rig.config(), blocks=_BLOCKS) as board:
        with lan.tftpd({"image": _OLD}):
            board.power_on()
            board.read_to(rig.PROMPT)
            board.power_off()
        with lan.tftpd({"image": _NEW}):
            board.fail_at(write)
            board.power_on()
            board.unplug()
            assert board.wait_power_lost(60) and board.get("writes") == write
            assert board.files()["/nbp"] in (_hash(_OLD), _hash(_NEW))
            board.set(fail_at=0)
            board.power_on()
            board.read_to(rig.PROMPT)
            board.power_off()
        assert board.files()["/nbp"] == _hash(_NEW)


def test_flash_of_a_cut_is_what_the_board_itself_leaves(lan, tmp_path, replacing):
    # The journal's cuts stand for the board's own: in the middle of its image, both are the same.
    write = 40
    with lan.board(tmp_path, files={}, blocks=_BLOCKS) as board:
        board.load_flash(replacing.before)
        board.fail_at(write)
        with lan.tftpd({"image": _NEW}):
            board.power_on()
            board.unplug()
            assert board.wait_power_lost(60)
        same = board.flash() == replacing.cuts[write - 1]
    assert same
