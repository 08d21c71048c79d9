"""pxebench's commands against an emulated board: they work, they are right about it, and mpremote
works after each of them."""

import json
import subprocess
import sys
import threading

import pytest
from pxebench.board import connection
from pxebench.job import Refused

from host_tests.emulated import rig
from host_tests.lab import capture

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def board(lan, tftpd, tmp_path_factory):
    """A board with pxerom and a link, that boots nothing by itself."""
    files = {path: data for path, data in rig.deployed_files().items() if path != "/main.py"}
    with lan.board(tmp_path_factory.mktemp("board"), rig.config(), files) as made:
        made.power_on()
        yield made


@pytest.fixture(autouse=True)
def mpremote_works_afterwards(request):
    yield
    if "board" in request.fixturenames:
        board = request.getfixturevalue("board")
        assert board.mpremote("exec", "print(6 * 7)", timeout_s=20).strip() == "42"


def _fetch(board, tmp_path, *words, code=0):
    report = tmp_path / "result.json"
    done = board.pxebench(
        *("fetch", f"tftp://{rig.SERVER}/image", "--endpoint", f"serial:{board.port}"),
        *("--json", report, *words),
        code=code,
    )
    return json.loads(report.read_text()), done.stderr


def test_hardware_suite_unchanged(board):
    board.unplug()
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-q", "-m", "hardware", "-p", "no:cacheprovider"),
            *("host_tests/hil", "--pxerom-port", board.port),
            *("--pxerom-server", rig.SERVER, "--pxerom-file", "image"),
        ],
        cwd=rig.ROOT,
        capture_output=True,
        text=True,
        timeout=400,
    )
    assert done.returncode == 0 and "9 passed" in done.stdout, done.stdout


def test_image_comes_home_and_the_board_is_not_deaf(board, tmp_path, image_hash):
    result, _ = _fetch(board, tmp_path, "--out", tmp_path / "image")
    assert result["image"]["sha256"] == image_hash
    assert (tmp_path / "image").stat().st_size == 300000


def test_window_stays_within_the_sockets_queue(board, tmp_path):
    result, said = _fetch(board, tmp_path, "--rom", "standard", "--windowsize", 16)
    asked = dict(result["transfers"][-1]["requests"][0]["options"])
    assert asked["windowsize"] == "4"  # in.tftpd itself has no windows
    assert any("keeps 4 datagrams" in warning for warning in result["warnings"])
    assert "keeps 4 datagrams" in said


def test_closed_port_looks_like_a_firewall_and_the_board_says_so(board, tmp_path):
    # in.tftpd listens on 69 alone; the ROM gives up by itself, for the advice of a silent boot.
    done = board.pxebench(
        *("fetch", f"tftp://{rig.SERVER}:7/image", "--endpoint", f"serial:{board.port}"),
        *("--rom", "os-client"),
        code=1,
    )
    assert "A board's network stack keeps ICMP to itself" in done.stderr
    assert f"host {rig.STATIC['ip']} and" in done.stderr  # of tcpdump: the board, not this PC


def test_server_side_capture_shares_the_boards_clock(lan, board, tmp_path):
    with capture.capture(lan.server, "eth0") as wire:
        result, _ = _fetch(board, tmp_path, "--server-pcap", wire.path)
    hop = result["path"]["hops"][0]
    assert hop["of_this_run"] and abs(hop["offset_ms"]) < 2000


def test_diagnosis_does_not_blame_the_path_for_the_boards_limit(board, tmp_path):
    words = ("--server", rig.SERVER, "--file", "image", "--quick", "--json", "-")
    done = board.pxebench("diagnose", *words, "--endpoint", f"serial:{board.port}")
    assert json.loads(done.stdout)["verdict"]["cause"] == "healthy"
    assert "8192 bytes do not get through" not in done.stdout


def test_sweep_from_the_boards_place(board, tmp_path):
    words = ("--server", rig.SERVER, "--file", "image", "--ports", "2070-2077")
    done = board.pxebench("sweep", *words, "--endpoint", f"serial:{board.port}", "--json", "-")
    asks = json.dumps(json.loads(done.stdout))
    assert "2077" in asks


def test_folder_whose_mpremote_was_killed_is_taken_away(board, tmp_path):
    # The board asks for it all the time, and then for json, which may be a file there.
    (tmp_path / "asks.py").write_text("while True: open('/remote/asks.py').read()\n")
    board.unplug()
    words = (sys.executable, "-m", "mpremote", "connect", board.port, "mount", tmp_path)
    asking = subprocess.Popen(
        [*words, "exec", "print('it asks'); import asks"], stdout=subprocess.PIPE
    )
    gave_up = threading.Timer(30, asking.kill)
    gave_up.start()
    said = asking.stdout.readline() + asking.stdout.readline()
    gave_up.cancel()
    asking.kill()
    assert b"it asks" in said + asking.communicate()[0]
    assert "MicroPython 1.26" in board.pxebench("board", "list", board.port, timeout_s=30).stdout


def test_board_that_was_reset_and_prints_on_is_given_up(lan, tmp_path):
    # Its main.py prints for ever, and no end of what was asked will come.
    program = b"import time\nwhile True:\n    print('21.5 C')\n    time.sleep(0.05)\n"
    with lan.board(tmp_path, files={"/main.py": program}) as made:
        made.power_on()
        made.unplug()
        with connection.Board(made.port) as target, pytest.raises(Refused) as refused:
            target.ask("import machine\nmachine.reset()", 3)
        assert "nothing but text for 3 s" in refused.value.message
        assert made.mpremote("exec", "print(6 * 7)").strip() == "42"
