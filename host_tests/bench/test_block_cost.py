"""What a full block costs on CPython beside time: every call that pxerom makes, and memory.

`core/test_block_calls.py` counts the calls that are wanted, on every interpreter; here nothing
else may be called for a block, neither Python's functions nor C's.
"""

import sys
from collections import Counter

import pytest

from host_tests.bench import distance
from host_tests.core import test_block_calls as calls

_MORE = 160


def _called_by_pxerom(blocks, sink):
    # {name of a function: how often pxerom called it} in a fetch of so many full blocks
    made = Counter()

    def profile(frame, event, argument):
        if event == "call":
            caller, name = frame.f_back, frame.f_code.co_name
        elif event == "c_call":
            caller, name = frame, argument.__name__
        else:
            return
        if caller and "/pxerom/" in caller.f_code.co_filename:
            made[name] += 1

    sys.setprofile(profile)
    try:
        calls.fetched(calls.Calls(), sink, blocks, 1, True)
    finally:
        sys.setprofile(None)
    return made


@pytest.mark.parametrize("kind", ["null", "memory", "file"])
def test_full_block_calls_nothing_but_socket_digest_sink_and_each_eighth_the_clock(kind, tmp_path):
    from pxerom import sink

    made = []
    for blocks in (100, 100 + _MORE, 100, 100 + _MORE):  # the first two load what is loaded late
        target = sink.make({"kind": kind, "path": str(tmp_path / "out")})
        made.append(_called_by_pxerom(blocks, target))
    less, most = made[2:]
    more = {name: most[name] - less[name] for name in most if most[name] != less[name]}
    write = {"null": {}, "memory": {"extend": _MORE}, "file": {"write": _MORE}}[kind]
    each = dict.fromkeys(("recvfrom_into", "sendto", "update"), _MORE)
    assert more == {**each, **write, "clock": _MORE // 8, "ticks_diff": _MORE // 8}


def test_memory_of_a_fetch_does_not_grow_with_the_file():
    """`make bench` does the same with 1 GiB."""
    small, large = distance.memory((1, 64)).values()
    assert abs(large - small) < 1024, (small, large)
