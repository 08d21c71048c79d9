"""What can go wrong on the way to a board: one clear sentence each, and a usable board."""

import os
import pty
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from host_tests.board_cli.conftest import complains, config, mpremote, repl_works

pytestmark = pytest.mark.slow


def _in_mid_transfer(bench, desk, board, *words):
    """A fetch on the board that is under way."""
    process = bench.start(
        *("fetch", desk.slow, "--endpoint", f"serial:{board.port}", "--rom", "os-client"),
        *("--json", "result.json", *words),
    )
    deadline = time.monotonic() + 10
    inside = Path(f"/proc/{desk.namespace.pid}/net/udp")
    # A ROM's socket on the board's own address: the transfer has begun.
    while f"{int.from_bytes(bytes([10, 99, 0, 2]), 'little'):08X}:" not in inside.read_text():
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.02)
    time.sleep(0.3)
    return process


def test_unplugging_in_mid_transfer_is_one_sentence(bench, desk, tmp_path):
    with desk.board() as board:
        bench("board", "deploy", "--port", board.port, "--config", config(tmp_path))
        process = _in_mid_transfer(bench, desk, board)
        board.unplug()
        complains(bench.finish(process, 10), 3, "is gone", "unplugged")


def test_soft_reset_in_mid_run_is_one_sentence(bench, desk, filled):
    process = _in_mid_transfer(bench, desk, filled)
    filled.reset(soft=True)
    complains(bench.finish(process, 10), 3, "restarted in mid-run")
    assert repl_works(filled.port)


def test_reset_button_in_mid_run_is_one_sentence(bench, desk, filled):
    filled_main = mpremote(filled.port, "exec", "import os; os.rename('main.py', 'x.py')")
    assert filled_main.returncode == 0
    try:
        process = _in_mid_transfer(bench, desk, filled)
        filled.reset()
        complains(bench.finish(process, 10), 3, "restarted in mid-run")
        assert repl_works(filled.port)
    finally:
        mpremote(filled.port, "exec", "import os; os.rename('x.py', 'main.py')")


def test_ctrl_c_ends_the_boot_on_the_board_too(bench, desk, filled):
    process = _in_mid_transfer(bench, desk, filled)
    began = time.monotonic()
    process.send_signal(signal.SIGINT)
    done = bench.finish(process, 10)
    assert done.returncode == 130
    assert time.monotonic() - began < 3
    assert "Ctrl-C ended the boot" in done.stderr
    result = (bench.folder / "result.json").read_text()
    assert '"by": "user"' in result and "It would have waited" in result
    assert repl_works(filled.port)


def test_max_time_ends_the_boot_on_the_board(bench, desk, filled):
    done = bench(
        *("board", "run", desk.slow, "--port", filled.port, "--rom", "os-client"),
        *("--max-time", "1", "--json", "-"),
    )
    assert done.returncode == 1
    assert '"by": "bench"' in done.stdout and "--max-time" in done.stderr
    assert repl_works(filled.port)


def test_second_ctrl_c_does_not_wait_for_the_board(bench, desk, filled):
    process = _in_mid_transfer(bench, desk, filled)
    filled.make_deaf()
    process.send_signal(signal.SIGINT)
    time.sleep(0.5)
    began = time.monotonic()
    process.send_signal(signal.SIGINT)
    done = bench.finish(process, 10)
    assert done.returncode == 130 and time.monotonic() - began < 2
    filled.reset()
    assert repl_works(filled.port)


def test_noise_is_passed_over(bench, desk, filled):
    filled.make_noise(b"I (1234) wifi: noise \xff\x1e\x1b[0m\r\n", 0.02)
    try:
        done = bench("board", "run", desk.url("image.bin"), "--port", filled.port)
        assert done.returncode == 0, done.stderr
        assert "noise" not in done.stdout + done.stderr
    finally:
        filled.make_noise(b"", 0)


@pytest.fixture
def impatient(monkeypatch):
    """The waits for an answer, shortened: what is asked here never answers."""
    from pxebench.board import line

    monkeypatch.setattr(line, "_ANSWER_S", 0.5)


def _refusal(port):
    from pxebench.board.connection import Board
    from pxebench.job import Refused

    with pytest.raises(Refused) as refused:
        Board(port).open()
    assert refused.value.exit_code == 3
    return refused.value.message


def test_noise_without_end_is_no_micropython(impatient):
    master, slave = pty.openpty()
    child = subprocess.Popen(["yes", "boot loop"], stdout=master, stderr=subprocess.DEVNULL)
    try:
        said = _refusal(os.ttyname(slave))
        assert "does not answer as MicroPython; it says" in said and "boot loop" in said
    finally:
        child.kill()
        child.wait()
        os.close(master)
        os.close(slave)


def test_silent_device_is_no_micropython(impatient):
    master, slave = pty.openpty()
    try:
        assert "does not answer; press its reset button" in _refusal(os.ttyname(slave))
    finally:
        os.close(master)
        os.close(slave)


def test_board_that_falls_silent_is_not_waited_for(desk, filled, monkeypatch):
    from pxebench import job
    from pxebench.endpoints import serial

    monkeypatch.setattr(serial, "_SILENCE_S", 2.5)
    seen = []

    def event(one):
        if one["event"] == "progress" and not seen:
            seen.append(one)
            filled.make_deaf()

    host, port, file = job.parse_url(desk.slow)
    wanted = job.fetch_job("os-client", host, port, file)
    with pytest.raises(job.Refused, match="has gone silent"):
        serial.run(wanted, event, filled.port)
    filled.reset()
    assert repl_works(filled.port)


def test_board_without_pxerom_is_told_what_to_do(bench, desk, board):
    done = bench("board", "run", desk.url("small.bin"), "--port", board.port)
    complains(done, 3, "no pxerom", "pxebench board deploy", "--mount")
    assert repl_works(board.port)


def test_board_with_another_version_is_told_what_to_do(bench, desk, board):
    code = "import os\nos.mkdir('lib')\nos.mkdir('lib/pxerom')\n"
    code += (
        "f = open('lib/pxerom/__init__.py', 'w')\nf.write('__version__ = \"0.0.9\"')\nf.close()"
    )
    assert mpremote(board.port, "exec", code).returncode == 0
    done = bench("board", "run", desk.url("small.bin"), "--port", board.port)
    complains(done, 3, "0.0.9", "0.2.0", "pxebench board deploy")
    assert bench("board", "deploy", "--port", board.port).returncode == 0
    assert "0.0.9" not in bench("board", "list", board.port).stdout


def test_broken_pxerom_is_told_by_its_error(bench, desk, board):
    assert bench("board", "deploy", "--port", board.port).returncode == 0
    mpremote(
        board.port, "exec", "f = open('lib/pxerom/udp.mpy', 'wb')\nf.write(b'nonsense')\nf.close()"
    )
    done = bench(
        *("board", "run", desk.url("small.bin"), "--port", board.port),
        *("--config", config(bench.folder)),
    )
    complains(done, 3, "pxerom on", "stopped with", "Error")
    assert repl_works(board.port)


def test_port_that_is_not_there(bench):
    complains(bench("board", "deploy", "--port", "/dev/ttyNOSUCH"), 3, "There is no port")
    complains(bench("board", "deploy", "--port", "id:NOSUCH"), 3, "serial number NOSUCH")
    complains(bench("board", "deploy", "--port", "rfc2217://127.0.0.1:9"), 3, "Cannot reach")
    complains(bench("board", "deploy", "--port", "nosuch://x"), 3)


def test_port_in_use_by_another_program(bench, board):
    hold = (
        "import serial, sys, time\n"
        f"port = serial.serial_for_url({board.port!r}, exclusive=True)\n"
        "print('held', flush=True)\n"
        "time.sleep(30)\n"
    )
    child = subprocess.Popen([sys.executable, "-c", hold], stdout=subprocess.PIPE)
    try:
        assert child.stdout.readline() == b"held\n"
        complains(bench("board", "deploy", "--port", board.port), 3, "in use by another program")
    finally:
        child.kill()
        child.wait()
        child.stdout.close()


def test_interrupted_deployment_is_taken_up_again(bench, board):
    process = bench.start("board", "deploy", "--port", board.port)
    assert process.stdout.readline().startswith("copy")
    process.send_signal(signal.SIGINT)
    assert bench.finish(process).returncode == 130
    assert repl_works(board.port)
    done = bench("board", "deploy", "--port", board.port)
    assert done.returncode == 0, done.stderr
    assert ".new" not in mpremote(board.port, "fs", "ls", ":/lib/pxerom").stdout


def test_mounted_folder_is_gone_afterwards(bench, desk, board):
    words = ("board", "run", desk.url("small.bin"), "--port", board.port, "--mount")
    assert bench(*words, "--config", config(bench.folder)).returncode == 0
    code = "import os; print(os.getcwd(), os.listdir('/'))"
    assert mpremote(board.port, "resume", "exec", code).stdout.strip() == "/ []"


@pytest.mark.soak  # mpremote's half on the board waits for its own time-outs
def test_folder_that_a_killed_bench_left_mounted_holds_nobody_up(bench, desk, board):
    process = bench.start(
        *("board", "run", desk.slow, "--port", board.port, "--mount", "--rom", "os-client"),
        *("--config", config(bench.folder)),
    )
    time.sleep(1.5)
    process.kill()
    process.communicate()
    began = time.monotonic()
    done = bench("board", "list", board.port)
    assert "no pxerom" in done.stdout and time.monotonic() - began < 40
