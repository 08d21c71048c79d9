"""`pxebench board emulate --board w5500_evb_pico`, as a user starts and ends it."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from host_tests.lab import processes
from host_tests.rp2040 import rig

_WORDS = (sys.executable, "-m", "pxebench", "board", "emulate", "--board", "w5500_evb_pico")


def _started(desk, folder):
    return desk.namespace.start(*_WORDS, "--flash", folder)


def _port(process):
    processes.wait_until(lambda: "It is on." in process.output(), "a port", process=process)
    return process.output().partition("\n")[0]


def test_board_keeps_its_files_from_one_start_to_the_next(desk, tmp_path):
    with _started(desk, tmp_path / "kept") as process:
        board = rig.Board(process, _port(process))
        board.exec("with open('left', 'w') as f: f.write('here')")
        process.interrupt()
        assert process.wait(10) == 0
        assert process.output().endswith("It is off.\n")
    with _started(desk, tmp_path / "kept") as process:
        board = rig.Board(process, _port(process))
        assert board.exec("print(open('left').read())").strip() == "here"


def test_emulator_ends_with_a_program_that_was_killed(desk, tmp_path):
    with _started(desk, tmp_path) as process:
        _port(process)
        children = f"/proc/{process.pid}/task/{process.pid}/children"
        node = int(Path(children).read_text().split()[0])
        os.kill(process.pid, signal.SIGKILL)
        # A zombie, where nobody reaps it, has an empty one.
        line = Path(f"/proc/{node}/cmdline")
        processes.wait_until(lambda: not line.exists() or not line.read_bytes(), "its end")


def test_settings_of_the_other_board_are_refused_in_one_sentence():
    done = subprocess.run([*_WORDS, "--heap", "100000"], capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1 and "do not go with --board" in done.stderr
