"""`pxebench board deploy` and what it leaves behind, on the emulated board."""

import json

from host_tests.rp2040 import rig


def test_deploy_to_an_empty_board_copies_everything(deployed_flash):
    assert " files copied, 0 removed, 0 unchanged" in deployed_flash[1]


def test_second_deploy_finds_everything_there_after_a_power_cut(board_here, tmp_path):
    config = tmp_path / "config.json"
    config.write_text(json.dumps(rig.config()))
    words = ("board", "deploy", "--port", board_here.port, "--config", config)
    assert "Nothing to do" in board_here.pxebench(*words)


def test_board_is_listed_and_mpremote_is_served_after_it(board_here):
    assert "W5500-EVB-Pico with RP2040" in board_here.pxebench("board", "list", board_here.port)
    assert board_here.mpremote("eval", "6*7").strip() == "42"
