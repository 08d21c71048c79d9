"""The core's own suite once more, on each real MicroPython: each test is an item of its own.

`core/run.py` is the runner; which tests there are is read from the sources, so that a test that
the runner lost, or never reached because the interpreter died, is a failure and not a gap.
"""

import ast
import functools
import os
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

_HERE = Path(__file__).resolve().parent
_BIN = _HERE.parent / ".tools" / "bin"
_VERSIONS = ("1.25", "1.26")
_INTERPRETERS = {path.name.partition("-")[2]: path for path in _BIN.glob("micropython-*")}


def _tests():
    names = []
    for path in sorted((_HERE / "core").glob("test_*.py")):
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                names.append(f"{path.stem}.{node.name}")
    return names


@functools.cache
def _runs():
    # One run of the suite on each interpreter, side by side: {version: (exit code, output)}.
    def run(version):
        process = subprocess.run(
            [_INTERPRETERS[version], "-X", "heapsize=16m", _HERE / "core" / "run.py"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=240,
            check=False,
        )
        return process.returncode, process.stdout.decode("utf-8", "replace")

    with ThreadPoolExecutor() as pool:
        return dict(zip(_INTERPRETERS, pool.map(run, _INTERPRETERS), strict=True))


@functools.cache
def _outcome(version):
    # {test: (passed, what it printed)}, whether the runner came to its end, and its last words.
    code, output = _runs()[version]
    tests = {}
    name = None
    ended = False
    for line in output.splitlines():
        word, _, rest = line.partition(" ")
        if word in ("ok", "FAILED"):
            name = rest.split(" ")[0]
            tests[name] = [word == "ok", ""]
        elif word == "end":
            ended = True
        elif name:
            tests[name][1] += line + "\n"
    return tests, ended, f"exit code {code}, the last that was heard:\n{output[-2000:]}"


@pytest.mark.parametrize("version", _VERSIONS)
def test_interpreter_is_there(version):
    if version in _INTERPRETERS:
        return
    message = f"no MicroPython {version} in .tools/bin: run `make setup`"
    if os.environ.get("CI") == "true":
        pytest.fail(message)
    pytest.skip(message)


@pytest.mark.parametrize("version", sorted(_INTERPRETERS))
def test_run_ends(version):
    tests, ended, last = _outcome(version)
    assert ended, f"the runner did not come to its end: {last}"
    assert sorted(tests) == sorted(_tests())


@pytest.mark.parametrize("name", _tests())
@pytest.mark.parametrize("version", sorted(_INTERPRETERS))
def test_core(version, name):
    tests, _, last = _outcome(version)
    assert name in tests, f"the runner never came to it: {last}"
    passed, text = tests[name]
    assert passed, text
