"""Single experiments of `diagnose`, with the answers given by hand."""

import collections

from pxebench.diagnose import experiments, observe
from pxebench.job import load_rom
from pxerom import rom_check


class _Target:
    # Answers each job with the next of `script`: [(answer, server's port)].
    port = 69

    def __init__(self, script):
        self.script = list(script)
        self.jobs = []

    def ask(self, ports, options, wait_ms, **more):
        self.jobs.append(ports)
        answer, tid = self.script.pop(0)
        asked = collections.namedtuple("Asked", "asks everything events ended")
        ask = {"port": ports[0], "answer": answer, "server_port": tid, "ms": 1, "id": None,
               "options": [], "error": None, "icmp": [], "from": None,
               "granted": None}  # fmt: skip
        return asked([ask], [], [], None)


def _examined(script, ports):
    target = _Target(script)
    made = experiments.Examination(target, {"id": "x"}, {})
    for port in ports:
        made._ask("turns", [port], [], 500)
    return target, [experiment["asks"][0]["answer"] for experiment in made.done]


def test_port_that_hears_the_tid_of_before_is_asked_again():
    """Else a limit of requests would look like a path that lets one transfer through at a time."""
    target, heard = _examined([("oack", 40001), ("oack", 40001), ("silent", None)], [50001] * 2)
    assert (heard, len(target.jobs)) == (["oack", "silent"], 3)


def test_server_with_one_tid_for_all_is_believed_the_second_time():
    _, heard = _examined([("oack", 40001)] * 3, [50001] * 2)
    assert heard == ["oack", "oack"]


def test_single_port_server_is_not_asked_again():
    target, heard = _examined([("oack", 69)] * 2, [50001] * 2)
    assert (heard, len(target.jobs)) == (["oack"] * 2, 2)


def test_closed_port_is_asked_once_more_where_it_is_silent():
    """Hosts limit their ICMP errors: one that is late or lost is no sign of a filter."""
    rom = load_rom("intel-undi")
    flat = rom_check.checked(rom)
    for answers, left, alive in (
        (["unreachable", "unreachable"], 1, True),
        (["silent", "unreachable"], 0, True),
        (["silent", "silent"], 0, False),
    ):
        target = _Target([(answer, None) for answer in answers])
        made = experiments.Examination(target, rom, flat)
        made._closed_port()
        assert len(target.script) == left
        assert observe.observe(made.done, flat, rom)["alive"] is alive
