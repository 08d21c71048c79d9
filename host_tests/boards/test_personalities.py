"""The core's suite and the boards' own, as on a board: each test under each port is an item.

`shim/run.py` plays a port in a process of its own and runs the tests one by one; `outcomes.py`
reads what it prints. The rows of the socket table also run on the real unix port, which no one has
to play.
"""

import functools
import subprocess
import sys
from pathlib import Path

import pytest

from host_tests.outcomes import Outcomes, names_in

_TESTS = Path(__file__).resolve().parent.parent
_MICROPYTHON = _TESTS.parent / ".tools" / "bin" / "micropython"
_CORE = sorted((_TESTS / "core").glob("test_*.py"))
_ON_BOARD = sorted((_TESTS / "boards" / "on_board").glob("test_*.py"))
_WITHOUT_A_BOARD = [path for path in _ON_BOARD if path.stem in ("test_firmware", "test_sockets")]
_SOCKETS = [path for path in _ON_BOARD if path.stem == "test_sockets"]
_TIMEOUT_S = 180
# What runs under which port: there is no board with the unix port, hence no link to bring up.
_SUITES = {
    "rp2": _CORE + _ON_BOARD,
    "esp32": _CORE + _ON_BOARD,
    "unix": _CORE + _WITHOUT_A_BOARD,
    "rp2-1.25": _WITHOUT_A_BOARD,
    "micropython": _SOCKETS,
}


_ITEMS = [
    (port, name) for port, suite in _SUITES.items() for path in suite for name in names_in(path)
]


def _command(port):
    suite = _SUITES[port]
    if port == "micropython":
        modules = ["host_tests.boards.on_board." + path.stem for path in suite]
        return [_MICROPYTHON, _TESTS / "core" / "run.py", *modules]
    return [sys.executable, _TESTS / "shim" / "run.py", port, *suite]


class _Run:
    """The run of a port's suite, which goes on while others start."""

    def __init__(self, port, path):
        self._path = path
        self._log = path.open("wb")
        self._process = subprocess.Popen(
            _command(port), stdin=subprocess.DEVNULL, stdout=self._log, stderr=subprocess.STDOUT
        )

    @functools.cached_property
    def outcomes(self):
        self.end(_TIMEOUT_S)
        return Outcomes(self._process.returncode, self._path.read_text("utf-8", "replace"))

    def end(self, timeout_s=0):
        try:
            self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._log.close()


@pytest.fixture(scope="module")
def runs(request, tmp_path_factory):
    """A run for each port that was asked for, all at the same time: they mostly wait."""
    folder = tmp_path_factory.mktemp("runs")
    items = [item for item in request.session.items if item.module is request.module]
    ports = {item.callspec.params["port"] for item in items}
    if not _MICROPYTHON.exists():
        ports.discard("micropython")
    started = {port: _Run(port, folder / port) for port in ports}
    yield started
    for run in started.values():
        run.end()


@pytest.mark.parametrize(("port", "name"), _ITEMS)
def test_on_a_board(runs, port, name):
    assert port in runs, "no MicroPython in .tools/bin: run `make setup`"
    runs[port].outcomes.check(name)
