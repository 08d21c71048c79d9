"""Do not copy this to a board: it makes CPython look like a board, for the rest of the process.

`become("rp2")` puts the port's `socket` and the board's own modules in place, lets `sys` and
`time` say what they say on that port, and starts the tick counter shortly before it wraps. It must
come before the first import of `pxerom`, in a process that does nothing else.
"""

import gc
import os
import sys
import time
import types
from pathlib import Path

from host_tests.shim import sockets

_HERE = Path(__file__).resolve().parent
_TICKS = 1 << 30  # the counter of rp2 and esp32 wraps there
_BEFORE_WRAP_MS = 1500
# What CPython has and no MicroPython does: code that uses it would pass here and fail there.
_MISSING_IN_OS = ("replace", "fsync")


def become(port):
    """Be a board with this port of MicroPython."""
    platform = sockets.PORTS[port]["platform"]
    sys.modules["socket"] = sockets.module(port)
    sys.modules["micropython"] = types.ModuleType("micropython")
    sys.modules["micropython"].const = lambda value: value
    for name in ("network", "machine", "esp32", "rp2"):
        sys.modules.pop(name, None)
    if platform != "linux":
        sys.path.insert(0, str(_HERE / "modules"))
    _clock()
    _collector()
    for name in _MISSING_IN_OS:
        vars(os).pop(name, None)
    # ESP32's sockets are those of 1.25, as a real interpreter has them; 1.26 gave them flags.
    version = (1, 25, 0, "") if port in ("rp2-1.25", "esp32") else (1, 26, 1, "")
    cache_tag = sys.implementation.cache_tag  # importlib asks for it
    sys.implementation = types.SimpleNamespace(
        name="micropython",
        version=version,
        cache_tag=cache_tag,
        _machine="a PC that plays " + port,
    )
    sys.platform = platform


class _Skipped:
    ms = 0


def skip(wait_ms):
    """In the place of `sleep_ms`: the tick counter goes on, and nobody waits."""
    _Skipped.ms += wait_ms


def _clock():
    began = time.monotonic_ns()

    def ticks_us():
        passed_us = (time.monotonic_ns() - began) // 1000 + _Skipped.ms * 1000
        return (passed_us - _BEFORE_WRAP_MS * 1000) % _TICKS

    def ticks_ms():
        passed_ms = (time.monotonic_ns() - began) // 1000000 + _Skipped.ms
        return (passed_ms - _BEFORE_WRAP_MS) % _TICKS

    def ticks_add(ticks, delta):
        return (ticks + delta) % _TICKS

    def ticks_diff(later, earlier):
        return (later - earlier + _TICKS // 2) % _TICKS - _TICKS // 2

    time.ticks_us = ticks_us
    time.ticks_ms = ticks_ms
    time.ticks_add = ticks_add
    time.ticks_diff = ticks_diff
    time.sleep_ms = lambda wait_ms: time.sleep(wait_ms / 1000)


def _collector():
    collect = gc.collect

    def collected(*generation):
        unreachable = collect(*generation)
        sockets.stack.collect()
        return unreachable

    gc.collect = collected
    gc.mem_free = lambda: 100000
    gc.mem_alloc = lambda: 60000
    gc.threshold = lambda *count: -1
