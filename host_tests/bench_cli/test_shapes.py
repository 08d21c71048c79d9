"""The shape of a result and of a transfer: the firmware's and the bench's are the same.

The firmware states a result in `pxerom.job` and a transfer in `pxerom.fetch`; the bench states
both (`job.RESULT`, `job.TRANSFER`, and `boot_job.RESULT` for what a boot adds), for a job that was
killed and for an older firmware.
"""

import pytest
from pxebench import job
from pxebench.boot import boot_job
from pxerom import job as firmware_job
from pxerom import port_probe

from host_tests.core import bootrun
from host_tests.core.check import rom
from host_tests.core.fakenet import HOST, FileServer, Run, Tape, pattern, silence
from host_tests.core.packets import error


def _run(server, **more):
    return Run(rom("intel-undi"), server, "pxelinux.0", **more).result


RESULTS = {
    "whole": lambda: _run(FileServer(pattern(3000))),
    "silent server": lambda: _run(silence),
    "refused by the server": lambda: _run(
        lambda packet, local, port: [(1, 45140, error(1, "no"))]
    ),
    "disk full": lambda: _run(
        FileServer(pattern(3000)), sink=Tape(full_at=("write", MemoryError()))
    ),
}


@pytest.mark.parametrize("result", RESULTS.values(), ids=RESULTS)
def test_fetch_of_the_firmware_has_the_shape_that_the_bench_states(result):
    made = result()
    assert {*made} == {*job.RESULT}
    assert made["transfers"]
    for transfer in made["transfers"]:
        assert {*transfer} == {*job.TRANSFER}


def test_result_of_which_nothing_is_known_is_equal_in_firmware_and_bench():
    assert firmware_job.result(None) == job.RESULT
    assert firmware_job.result("a", outcome="ok") == {**job.RESULT, "rom": "a", "outcome": "ok"}


def test_probe_of_ports_gives_a_result_of_the_same_shape():
    ask = {"job": "ask", "server": "127.0.0.1", "file": "a", "ports": []}
    made = port_probe.run(ask, lambda event: None)
    assert made == {**job.RESULT, "rom": "ask", "outcome": "ok"}


def test_boot_of_the_firmware_has_the_shape_that_the_bench_states():
    boot = bootrun.Job("intel-undi", bootrun.dhcp_for_file())
    assert boot.result["outcome"] == "ok", boot.result["status"]
    assert {*boot.result} == {*job.RESULT, *boot_job.RESULT, "event"}
    for transfer in boot.result["transfers"]:
        assert {*transfer} == {*job.TRANSFER}
    down = bootrun.Job("intel-undi", lambda sent: [])
    assert {*down.result} == {*job.RESULT, *boot_job.RESULT, "event"}


def test_result_of_a_killed_run_has_the_shape_too():
    known = job.Witness()
    run = Run(rom("intel-undi"), FileServer(pattern(3000)), "pxelinux.0")
    for event in run.events:
        known.event(event)
    made = known.result({"by": "user", "after_ms": 5, "next": None})
    assert {*made} == {*job.RESULT, "lease"}
    assert [{*transfer} for transfer in made["transfers"]] == [{*job.TRANSFER}] * 2
    assert made["transfers"][0]["server"] == HOST
