"""`pxebench board test` on a board of a Pico's size: a selection in `make test`, the whole in
`make soak`, with a Pico W's heap and with a large one."""

import json

import pytest
from pxebench.board import suite

from host_tests.emulated import rig

pytestmark = pytest.mark.slow

_PICO_W = 190 * 1024
_LARGE = 440000
# What asks the port itself (sockets, files, clock), and what takes the most memory.
_SELECTION = ("test_udp", "test_port_probe", "test_sink", "test_agent", "test_boot_job")


@pytest.fixture
def board(tmp_path):
    with rig.Board(tmp_path, nic=None) as made:
        yield made


def _tested(board, heap_bytes, modules=(), timeout_s=900):
    # What `board test` says of each test, on a board with such a heap.
    board.set(heap_bytes=heap_bytes)
    board.power_on()
    board.read_to(rig.PROMPT)
    words = ("board", "test", "--json", "--port", board.port, *modules)
    told = json.loads(board.pxebench(*words, timeout_s=timeout_s).stdout)
    # Nothing of it stays on the board, whose line is free.
    assert board.mpremote("exec", "import os; print(os.listdir('/'))").strip() == "[]"
    return told


def _all_but_loopback_passed(told, modules):
    # lwIP on rp2 has no 127.0.0.1: what needs it is counted, and is no failure.
    counts = told["counts"]
    assert counts["failed"] == counts["no memory"] == 0, told
    assert counts["ok"] + counts["no loopback"] == sum(len(suite.modules()[m]) for m in modules)
    lacking = {t["name"].split(".")[0] for t in told["tests"] if t["outcome"] == "no loopback"}
    assert lacking <= {"test_udp", "test_port_probe"}


def test_selection_passes_in_the_heap_of_a_pico_w(board):
    told = _tested(board, _PICO_W, _SELECTION)
    _all_but_loopback_passed(told, _SELECTION)
    assert told["counts"]["no loopback"]


def test_lack_of_memory_is_counted_and_the_line_stays_usable(board):
    told = _tested(board, 72 * 1024, ("test_boot_job", "test_tftp_packet"))
    assert told["counts"]["failed"] == 0
    assert told["counts"]["no memory"] > 0 and told["counts"]["ok"] >= 9


def test_tests_are_mounted_where_the_flash_has_no_room(board):
    board.set(blocks=60)
    told = _tested(board, _PICO_W, ("test_tftp_packet",))
    assert told["counts"]["ok"] == len(suite.modules()["test_tftp_packet"])


@pytest.mark.soak
@pytest.mark.parametrize("heap_bytes", [_PICO_W, _LARGE])
def test_whole_suite_passes(board, heap_bytes):
    told = _tested(board, heap_bytes, timeout_s=1800)
    _all_but_loopback_passed(told, suite.modules())
