"""The pytest plugin in suites of its users, and our hardware suite on a pseudo-terminal board."""

import os
import subprocess
import sys

import pytest

from host_tests.board_cli.conftest import SERVER, config
from host_tests.lab import programs

_SUITE = """
import pytest

def test_no_board():
    pass

def test_boots(board):
    boot = board.boot("{url}")
    assert boot.ok, boot.why
    assert boot.source_ports == [2070, 2071]
    assert boot.image["bytes"] == 307200
    assert [e["event"] for e in boot.events][0] == "start"

def test_fails(board):
    boot = board.boot("{url}.not")
    assert (boot.ok, boot.code) == (False, "PXE-E3B") and "File not found" in boot.why

@pytest.mark.hardware
def test_marked():
    pass
"""


@pytest.fixture
def suite(bench, desk):
    """`suite(words)`: pytest in a folder of its own, as a user runs it."""
    (bench.folder / "test_lab.py").write_text(_SUITE.format(url=desk.url("image.bin")))

    def run(*words):
        return subprocess.run(
            [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-ra", *map(str, words)],
            cwd=bench.folder,
            capture_output=True,
            text=True,
            timeout=60,
        )

    return run


def test_without_a_port_hardware_tests_are_deselected(suite):
    done = suite("--strict-markers")
    assert done.returncode == 0, done.stdout
    assert "1 passed, 3 deselected" in done.stdout and "skipped" not in done.stdout


def test_users_suite_boots_a_board(suite, filled):
    done = suite("--pxerom-port", filled.port)
    assert done.returncode == 0, done.stdout
    assert "4 passed" in done.stdout


def test_users_suite_boots_a_board_with_nothing_on_it(suite, bench, board):
    done = suite(
        "--pxerom-port", board.port, "--pxerom-mount", "--pxerom-config", config(bench.folder)
    )
    assert done.returncode == 0, done.stdout


def test_board_that_is_not_there_is_one_sentence(suite):
    done = suite("--pxerom-port", "/dev/ttyNOSUCH")
    assert done.returncode == 1
    assert "There is no port /dev/ttyNOSUCH" in done.stdout
    assert "2 passed, 2 errors" in done.stdout
    assert "Traceback" not in done.stdout


def test_fixture_of_the_same_name_is_left_alone(suite, bench):
    (bench.folder / "test_lab.py").write_text(
        "import pytest\n@pytest.fixture\ndef board():\n    return 5\n"
        "def test_mine(board):\n    assert board == 5\n"
    )
    done = suite()
    assert "1 passed" in done.stdout and "deselected" not in done.stdout


def test_make_hil_runs_our_suite_and_prints_what_passed(filled):
    ours = ("MAKEFLAGS", "MFLAGS", "MAKEOVERRIDES", "PYTEST_ARGS")  # of the `make test` around it
    done = subprocess.run(
        ["make", "-s", "hil", f"PORT={filled.port}", f"SERVER={SERVER}", "FILE=image.bin"],
        cwd=programs.ROOT,
        env={name: value for name, value in os.environ.items() if name not in ours},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "test_intel_rom_boots_from_its_own_ports PASSED" in done.stdout
    assert "9 passed" in done.stdout


def test_make_hil_without_a_port_says_what_it_takes():
    done = subprocess.run(["make", "-s", "hil"], cwd=programs.ROOT, capture_output=True, text=True)
    assert done.returncode != 0
    assert "make hil PORT=" in done.stdout + done.stderr
