"""The plan of `diagnose` where the answers are given by hand, without a network."""

import types

from pxebench.diagnose import experiments, observe
from pxebench.job import load_rom
from pxerom import rom_check


class _Target:
    """A host that answers no RRQ to port 69, and RRQs to closed ports as `knocks` says."""

    server, client, endpoint = "10.0.0.1", "10.0.0.2", None
    port, file, bind = 69, "x", None
    run = types.SimpleNamespace(elsewhere=True)

    def __init__(self, knocks):
        self.knocks = list(knocks)

    def ask(self, ports, options, wait_ms, port=69, **more):
        answer = "silent" if port == 69 else self.knocks.pop(0)
        asks = [_ask(each, options, answer) for each in ports]
        return _asked(asks=asks)

    def fetch(self, rom, max_time_ms, max_bytes=None):
        result = {"image": None, "transfers": [], "status": {"code": "PXE-E32"}, "ended": None}
        return _asked(result=result)


def _ask(port, options, answer):
    names = ("ms", "server_port", "from", "error", "granted", "reason", "id")
    nothing = dict.fromkeys((*names, "name"))
    return {**nothing, "port": port, "options": options, "answer": answer, "at_ms": 0, "icmp": []}


def _asked(asks=(), result=None):
    names = {"everything": [], "events": [], "packets": [], "ended": None}
    return types.SimpleNamespace(asks=list(asks), result=result, **names)


def _knocked(*knocks):
    """(how many knocks were not needed, the observation "alive")"""
    rom = load_rom("intel-undi")
    target = _Target(knocks)
    flat = rom_check.checked(rom)
    plan = experiments.Examination(target, rom, flat, quick=True)
    plan.run()
    return len(target.knocks), observe.observe(plan.done, flat, rom)["alive"]


def test_closed_port_is_asked_once_more_where_it_is_silent():
    """Hosts limit their ICMP errors: one that is late or lost is no sign of a filter."""
    assert _knocked("unreachable", "unreachable") == (1, True)
    assert _knocked("silent", "unreachable") == (0, True)
    assert _knocked("silent", "silent") == (0, False)
