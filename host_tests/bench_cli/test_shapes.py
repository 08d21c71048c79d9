"""The shape of a result and of a transfer: the firmware's and the bench's are the same.

The firmware builds them (`pxerom.fetch`, `pxerom.boot`); the bench states them (`job.RESULT`,
`job.TRANSFER`, `boot_job.RESULT`), for a job that was ended by force and for an older firmware.
"""

import pytest
from pxebench import job
from pxebench.boot import boot_job

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
    # What was asked of the ROM by --fault is added where the faults are made: `pxerom.agent`.
    assert {*made, "faults"} == {*job.RESULT}
    assert made["transfers"]
    for transfer in made["transfers"]:
        assert {*transfer} == {*job.TRANSFER}


def test_boot_of_the_firmware_has_the_shape_that_the_bench_states():
    boot = bootrun.Job("intel-undi", bootrun.dhcp_for_file())
    assert boot.result["outcome"] == "ok", boot.result["status"]
    assert {*boot.result, "faults"} == {*job.RESULT, *boot_job.RESULT, "event"}
    for transfer in boot.result["transfers"]:
        assert {*transfer} == {*job.TRANSFER}
    down = bootrun.Job("intel-undi", lambda sent: [])
    assert {*down.result, "faults"} == {*job.RESULT, *boot_job.RESULT, "event"}


def test_result_of_a_killed_run_has_the_shape_too():
    known = job.Witness()
    run = Run(rom("intel-undi"), FileServer(pattern(3000)), "pxelinux.0")
    for event in run.events:
        known.event(event)
    made = known.result({"by": "user", "after_ms": 5, "next": None})
    assert {*made} == {*job.RESULT, "lease"}
    assert [{*transfer} for transfer in made["transfers"]] == [{*job.TRANSFER}] * 2
    assert made["transfers"][0]["server"] == HOST
