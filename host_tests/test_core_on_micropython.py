"""The core's own suite once more, on each real MicroPython: each test is an item of its own.

`core/run.py` is the runner, `outcomes.py` reads what it prints.
"""

import functools
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from host_tests.outcomes import Outcomes, names_in

_HERE = Path(__file__).resolve().parent
_BIN = _HERE.parent / ".tools" / "bin"
# micropython32 has words of 32 bits, as a board has; micropython-esp32 has an ESP32's sockets.
_NAMES = ("micropython-1.25", "micropython-1.26", "micropython32", "micropython-esp32")
_INTERPRETERS = {name: _BIN / name for name in _NAMES if (_BIN / name).exists()}
_TESTS = [name for path in sorted((_HERE / "core").glob("test_*.py")) for name in names_in(path)]


@functools.cache
def _runs():
    # One run of the suite on each interpreter, side by side: {name: Outcomes}.
    def run(name):
        process = subprocess.run(
            [_INTERPRETERS[name], "-X", "heapsize=16m", _HERE / "core" / "run.py"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=240,
            check=False,
        )
        return Outcomes(process.returncode, process.stdout.decode("utf-8", "replace"))

    with ThreadPoolExecutor() as pool:
        return dict(zip(_INTERPRETERS, pool.map(run, _INTERPRETERS), strict=True))


@pytest.mark.parametrize("interpreter", _NAMES)
def test_interpreter_is_there(interpreter):
    assert interpreter in _INTERPRETERS, f"no {interpreter} in .tools/bin: run `make setup`"


@pytest.mark.parametrize("interpreter", sorted(_INTERPRETERS))
def test_run_ends(interpreter):
    run = _runs()[interpreter]
    assert run.ended, f"the runner did not come to its end: {run.last}"
    assert sorted(run.tests) == sorted(_TESTS)


@pytest.mark.parametrize("name", _TESTS)
@pytest.mark.parametrize("interpreter", sorted(_INTERPRETERS))
def test_core(interpreter, name):
    _runs()[interpreter].check(name)
