"""The core's tests fit into a board's heap, as `pxebench board test` runs them there: module by
module, and what lacks memory once more alone. A test that does not fit must become smaller: see
`fakenet.Long` and `Check`. A Pico W has about 190 KiB; the heap here has a board's words."""

import subprocess

import pytest
from pxebench.board import suite
from pxebench.endpoints.stream import Sequence

from host_tests.footprint import measure

_HEAP = "184k"  # less than there is: where the pieces lie differs from run to run
_MPY = 6


@pytest.fixture(scope="module")
def staged(tmp_path_factory):
    folder = tmp_path_factory.mktemp("staged")

    class Board:
        who = {"mpy": _MPY}

    suite.stage(folder, Board)
    return folder


def _outcomes(folder, name, tests):
    process = subprocess.run(
        [measure.interpreter("32"), "-X", f"heapsize={_HEAP}", "-c"]
        + [suite.program(name, tests, str(folder))],
        capture_output=True,
        timeout=300,
        check=False,
        env={},
    )
    events = Sequence().feed(process.stdout)
    assert events and events[-1] == {"event": "module", "outcome": "ok"}, process.stderr
    return [event for event in events if event["event"] == "test"]


@pytest.mark.parametrize("name", suite.modules())
def test_module_fits(staged, name):
    tests = suite.modules()[name]
    outcomes = _outcomes(staged, name, tests)
    assert [event["name"] for event in outcomes] == tests
    for event in outcomes:
        if event["outcome"] == "no memory":
            [event] = _outcomes(staged, name, [event["name"]])
        assert event["outcome"] == "ok", event["name"] + ": " + event["text"]
