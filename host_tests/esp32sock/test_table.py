"""The rows of the socket table, asked of ESP32's own socket file: each row is an item."""

import functools

import pytest

from host_tests.esp32sock import wire
from host_tests.lab.programs import ROOT
from host_tests.outcomes import Outcomes, names_in

_TABLE = ROOT / "host_tests/boards/on_board/test_sockets.py"
_RUNNER = ROOT / "host_tests/core/run.py"


@functools.cache
def _outcomes():
    with wire.plugged_in() as bench:
        said = bench.run(_RUNNER, "host_tests.boards.on_board.test_sockets")
    return Outcomes(*said)


@pytest.mark.parametrize("name", names_in(_TABLE))
def test_row(name):
    _outcomes().check(name)
