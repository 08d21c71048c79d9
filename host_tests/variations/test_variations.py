"""Every ROM in every situation: outcome, code, side and words fit what the network did.

All in virtual time. The rules are those of `situations`; the bench's own last steps (`images`,
`advice`) are applied as `pxebench fetch` and `pxebench boot` do.
"""

import itertools

import pytest
from pxebench import advice, images, job, view
from pxebench.roms.known import ids

from host_tests.core.bootrun import Job
from host_tests.core.check import rom as flat
from host_tests.core.fakenet import HOST, FileServer, Run
from host_tests.variations import situations
from host_tests.variations.situations import DHCP, HIGH, TFTP

_ROMS = {name: job.bare(job.load_rom(name)) for name in ids()}
_BOOTING = [name for name, rom in _ROMS.items() if rom.get("dhcp")]


def _finished(result, name, todo):
    starts = images.Starts(job.load_rom(name), boots=todo["job"] == "boot")
    kind = (result["image"] or {}).get("kind")
    # The file here is a BIOS program: that another ROM does not start it is no fault of the
    # network's. What starts what has tests of its own.
    if result["outcome"] == "ok" and not starts.wrong(kind):
        assert starts.judged(result)["outcome"] == "ok"
    return advice.fitted(result, todo, ["--rom", name])


def fetched(name, server, net=None):
    """The result of a fetch, as a user has it."""
    run = Run(flat(name), server, situations.FILE.decode(), net=net)
    todo = {"job": "fetch", "server": HOST, "port": 69, "file": situations.FILE.decode()}
    return _finished(run.result, name, todo)


def booted(name, network, server=None):
    """The result of a boot, as a user has it."""
    made = Job(name, network, tftp=server, max_time_ms=600000)
    assert "outcome" in made.result, made.result
    return _finished(made.result, name, {"job": "boot", "rom": name})


def faults(name, result, right):
    """What does not fit, as sentences."""
    status = result["status"] or {}
    read = " ".join(text for _, text in view.closing(result))
    ok = result["outcome"] == "ok"
    wanted = right.ok
    if wanted is None and result["transfers"]:  # the port of the last RRQ decides
        wanted = result["transfers"][-1]["requests"][-1]["source_port"] >= HIGH
    if wanted is not None and ok != wanted:
        yield f"{name}: {result['outcome']} ({status})"
        return
    if not ok:
        if status["code"] not in right.codes:
            yield f"{name}: {status['code']} is none of {sorted(right.codes)}"
        if right.side and status["side"] != right.side:
            yield f"{name}: the side is {status['side']}, not {right.side} ({status['detail']})"
        if not status["detail"] or not status["advice"]:
            yield f"{name}: nothing is said"
        if f"fetch it with `--rom {name}`" in read:
            yield f"{name}: it is told to do what it has just done: {read}"
    if wanted is None or (ok and right.ok is None):
        return
    for group in right.said:
        if group and not any(words in read for words in group):
            yield f"{name}: none of {group} in: {read}"
    for words in right.never:
        if words in read:
            yield f"{name}: {words!r} in: {read}"


@pytest.mark.parametrize("situation", TFTP)
def test_fetch_of_every_rom_says_what_the_server_did(situation):
    serve, rule = TFTP[situation]
    found = [
        fault
        for name, rom in _ROMS.items()
        for fault in faults(name, fetched(name, serve()), rule(rom))
    ]
    assert found == []


@pytest.mark.parametrize("situation", DHCP)
def test_boot_of_every_rom_says_what_dhcp_did(situation):
    network, rule = DHCP[situation]
    found = [
        fault
        for name in _BOOTING
        for fault in faults(name, booted(name, network()), rule(_ROMS[name]))
    ]
    assert found == []


@pytest.mark.soak
@pytest.mark.parametrize("name", _BOOTING)
def test_a_fault_of_tftp_after_any_good_dhcp_is_read_as_in_a_fetch(name):
    rom = _ROMS[name]
    found = []
    for (where, (network, by_dhcp)), (what, (serve, by_tftp)) in itertools.product(
        DHCP.items(), TFTP.items()
    ):
        first = by_dhcp(rom)
        right = by_tftp(rom)._replace(said=()) if first.ok else first
        result = booted(name, network(), serve())
        found += [f"{where}, {what}: {text}" for text in faults(name, result, right)]
    assert found == []


def test_the_file_of_these_situations_is_served_whole():
    """The rules above would hold of a server that sends nothing."""
    result = fetched("standard", FileServer(b"x" * 3000))
    assert (result["outcome"], result["image"]["bytes"]) == ("ok", 3000)
