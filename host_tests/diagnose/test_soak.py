"""Over and over: no healthy network is ever given a cause, no lossy one a wrong one."""

import collections
import concurrent.futures
import itertools

import pytest
from pxebench.roms.known import ids

from host_tests.diagnose import healthy, play
from host_tests.diagnose.conditions import CONDITIONS

pytestmark = pytest.mark.soak
_RUNS = 50


def _causes(conditions):
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        verdicts = [pool.submit(play.play, one) for one in conditions]
        return collections.Counter(v.result()[0]["verdict"]["cause"] for v in verdicts)


def test_no_false_alarm_in_50_runs_of_healthy_networks():
    healthy = [condition for condition in CONDITIONS if condition.cause == "healthy"]
    chosen = [healthy[number % len(healthy)] for number in range(_RUNS)]
    assert _causes(chosen) == {"healthy": _RUNS}


def test_no_false_alarm_for_any_rom_at_any_server_near_or_far():
    """Twice each ROM, at another server and another distance."""
    roms = itertools.islice(itertools.cycle(ids()), 2 * len(ids()))
    ways = itertools.cycle(itertools.product(healthy.DELAYS_MS, healthy.SERVERS))
    cases = [(rom, server, delay_ms) for rom, (delay_ms, server) in zip(roms, ways, strict=False)]
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        verdicts = list(pool.map(lambda case: healthy.verdict(*case), cases))
    found = [
        (case, verdict.get("cause"), said)
        for case, (verdict, said) in zip(cases, verdicts, strict=True)
        if verdict.get("cause") != "healthy"
    ]
    assert found == []


def test_lossy_path_is_given_no_other_name_in_12_runs():
    (lossy,) = [condition for condition in CONDITIONS if condition.cause == "loss"]
    assert _causes([lossy] * 12) == {"loss": 12}
