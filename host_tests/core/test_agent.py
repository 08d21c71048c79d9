"""The agent: a job in, events out, one last event whatever happens."""

import socket

from pxerom import agent, runtime
from pxerom.job import load_rom

from host_tests.core.check import Folder, same

_HOST = "127.0.0.1"


def _job(**changes):
    job = {
        "job": "fetch",
        "rom": "os-client",
        "server": _HOST,
        "port": 9,
        "file": "x",
        "bind": _HOST,
        "sink": {"kind": "null"},
        "max_time_ms": 50,
    }
    job.update(changes)
    return job


def _run(**changes):
    events = []
    last = agent.run(_job(**changes), events.append)
    assert events[-1] is last
    return last, events


def test_job_that_cannot_be_run_ends_in_one_refusal():
    """R-TFTP-78, R-TFTP-2: no traceback, a sentence that names what is wrong."""
    for changes, code, words in (
        ({"job": "dance"}, 2, "not dance"),
        ({"server": "boot.example"}, 2, "numeric IPv4 address, not boot.example"),
        ({"server": None}, 2, "numeric IPv4 address"),
        ({"server": "10.0.0"}, 2, "numeric"),
        ({"server": "010.9.0.1"}, 2, "numeric IPv4 address, not 010.9.0.1"),
        ({"server": "10.9.0.01"}, 2, "numeric"),
        ({"server": "10.9.00.1"}, 2, "numeric"),
        ({"bind": "127.0.0.01"}, 2, "numeric IPv4 one, not 127.0.0.01"),
        ({"server": "10.0.0.256"}, 2, "numeric"),
        ({"server": "10.0.0.-1"}, 2, "numeric"),
        ({"server": "::1"}, 2, "numeric"),
        ({"server": "0.0.0.0"}, 2, "no unicast address"),
        ({"server": "255.255.255.255"}, 2, "no unicast address"),
        ({"server": "224.0.0.1"}, 2, "no unicast address"),
        ({"rom": "amiga"}, 2, "there is no ROM called amiga"),
        ({"rom": None}, 2, "there is no ROM called None"),
        ({"rom": {"id": 3}}, 2, "The ROM file is not right: id: expected text, got 3."),
        ({"sink": None}, 2, "sink"),
        ({"file": ""}, 2, "Cannot ask for"),
        ({"file": "n" * 600}, 2, "512"),
        ({"bind": "192.0.2.1"}, 3, "192.0.2.1"),
        ({"sink": {"kind": "file", "path": "/no/such/folder/x"}}, 3, "/no/such/folder/x"),
    ):
        if code == 3 and "bind" in changes and not runtime.LINUX:
            continue  # lwIP takes such an address, and refuses the sends
        last, events = _run(**changes)
        same((last["event"], last["exit"]), ("refused", code), changes)
        assert words in last["message"], last
        same([each["event"] for each in events if each["event"] == "refused"], ["refused"])


def test_job_that_ran_ends_in_its_result():
    """R-TFTP-74: with the time that the bench gave it."""
    last, events = _run()
    same((last["event"], last["outcome"], last["rom"]), ("result", "failed", "os-client"))
    same((last["ended"]["by"], last["status"]["code"]), ("bench", "PXE-E32"))
    start = events[0]
    same((start["event"], start["schema"], start["runtime"]), ("start", 1, runtime.version()))
    assert start["epoch_us"] is None or start["epoch_us"] > 1600000000000000
    same(events[1]["event"], "request")


def test_traced_job_reports_its_packets():
    _, events = _run(trace=True)
    packet = [each for each in events if each["event"] == "packet"][0]
    same((packet["dir"], packet["port"], packet["data"]), ("out", 9, "000178006f6374657400"))
    assert packet["local_port"] >= 32768


def test_target_is_untouched_and_the_port_free_after_a_failure():
    with Folder() as folder:
        path = folder.put("image", b"old")
        last, events = _run(sink={"kind": "file", "path": path})
        same((folder.names(), folder.read("image")), (["image"], b"old"))
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(runtime.address(_HOST, events[1]["source_port"]))
    sock.close()


def test_watchdog_of_the_caller_is_fed():
    fed = []
    agent.run(_job(max_time_ms=250), lambda event: None, lambda: fed.append(1))
    assert fed


def test_loaded_rom_leaves_no_checker_behind():
    """A board gets the memory of the checker back once the ROM is loaded."""
    import sys

    load_rom("intel-undi")
    if runtime.MICROPYTHON:
        assert "pxerom.rom_check" not in sys.modules
    same(load_rom("intel-undi")[0]["id"], "intel-undi")
