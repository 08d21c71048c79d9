"""Every result has the head that docs/json.md promises, and the shape of docs/result.schema.json.

Each kind is made by the command itself, in this process, or by the code that builds its document.
"""

import gzip
import json
import re

import jsonschema
import pytest
from pxebench import cli, job, record
from pxebench.board import suite
from pxebench.boot import boot_job
from pxebench.endpoints import completed, ended_by
from pxebench.storm.limit import limit
from pxebench.storm.summary import document
from pxebench.watch import memory

from host_tests import results
from host_tests.bench_cli.conftest import ADDRESS
from host_tests.core import bootrun
from host_tests.core.check import rom
from host_tests.core.fakenet import HOST, FileServer, Run, pattern, silence
from host_tests.lab import programs

PAGE = (programs.ROOT / "docs/json.md").read_text()
KINDS = results.SCHEMA["properties"]["kind"]["enum"]


def holds(result):
    """Check one result, as it is written."""
    return results.holds(json.loads(record.as_text(result)))


def test_schema_is_one_and_the_page_names_every_kind():
    jsonschema.Draft202012Validator.check_schema(results.SCHEMA)
    assert re.findall(r"^\| `([a-z-]+)` \| `", PAGE, re.M) == KINDS


@pytest.mark.parametrize("name", ["schema", "kind", "pxebench", "started", "server"])
def test_result_without_its_head_is_none(name):
    made = record.headed("doctor", {"outcome": "ok", "checks": []})
    holds(made)
    with pytest.raises(AssertionError):
        holds({other: part for other, part in made.items() if other != name})


@pytest.mark.parametrize("when", ["2026-11-30 21:50:11", "2026-11-30T21:50:11+01:00", 1764539411])
def test_date_of_another_format_is_none(when):
    with pytest.raises(AssertionError):
        holds({**record.headed("doctor", {"outcome": "ok", "checks": []}), "started": when})


def _fetched(server, **more):
    run = Run(rom("intel-undi"), server, "pxelinux.0", **more)
    result = completed({**run.result, "faults": None}, "local", {"runtime": "CPython"})
    return {**record.headed("fetch", result, HOST), "command": ["pxebench"], "events": run.events}


@pytest.mark.parametrize("server", [FileServer(pattern(3000)), silence], ids=["ok", "silent"])
def test_fetch(server):
    assert holds(_fetched(server))["server"] == HOST


def test_fetch_that_was_killed():
    known = job.Witness()
    for event in Run(rom("intel-undi"), FileServer(pattern(3000)), "pxelinux.0").events:
        known.event(event)
    result = ended_by("user", known, {"rom": "intel-undi"}, "micropython")
    holds({**record.headed("fetch", result, HOST), "command": [], "events": []})


@pytest.mark.parametrize("server", [bootrun.dhcp_for_file(), lambda sent: []], ids=["ok", "none"])
def test_boot(server):
    run = bootrun.Job("intel-undi", server)
    result = completed({**run.result, "faults": None}, "local", {"runtime": "x", "job": "boot"})
    result = boot_job.whole(result)
    holds({**record.headed("boot", result), "command": [], "events": []})


def _command(tmp_path, *words):
    # The result that a command writes.
    path = tmp_path / "result.json"
    cli.pxebench.main([*map(str, words), "--json", str(path)], "pxebench", standalone_mode=False)
    return json.loads(path.read_text())


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("sweep", ("--ports", "51001-51003")),
        ("diagnose", ("--quick", "--rom", "os-client")),
        ("compat", ("--rom", "ipxe", "--rom", "os-client")),
        ("watch", ("--count", 1, "--rom", "os-client", "--history", "HISTORY")),
    ],
)
def test_commands_that_ask_a_server(tmp_path, served, kind, words):
    words = [tmp_path / "history" if word == "HISTORY" else word for word in words]
    result = _command(tmp_path, kind, served.url("small.bin"), "--bind", ADDRESS, "-q", *words)
    assert holds(result)["kind"] == kind


def test_watch_of_what_could_not_be_run():
    what = {"server": "h", "address": "10.0.0.1", "port": 69, "file": "f", "rom": "ipxe"}
    holds(memory.entry({**what, "endpoint": "local"}, record.stamp(0), refused="No board."))


def test_storm():
    row = {
        "id": 0, "rom": "ipxe", "address": "10.0.0.9", "mac": None, "outcome": "ok",
        "code": None, "text": None, "at_ms": 0, "first_ms": 1, "ms": 9, "requests": 1,
        "retransmits": 0, "bytes": 9, "sha256": "00", "error": None, "served_ms": 8,
        "asks": [[0, 1]],
    }  # fmt: skip
    pc = {"cpu": 0.1, "lag_ms": 1, "memory_mb": 9, "wall_s": 1, "drops": 0, "curve": [9]}
    pc["curve_ms"] = 100
    told = {"server": HOST, "server_port": 69, "file": "f", "interface": "eth0", "ramp": None}
    holds(document([row], pc, limit([row], pc), **told, ended=None))


def _capture(tmp_path):
    path = tmp_path / "boot.pcap"
    path.write_bytes(gzip.decompress((programs.ROOT / _CAPTURE).read_bytes()))
    return path


_CAPTURE = "host_tests/captures/ipxe-boot1.pcap.gz"


def test_commands_that_read_captures(tmp_path):
    boot = _capture(tmp_path)
    told = _command(tmp_path, "explain", boot, "-q")
    assert holds(told)["server"] == "10.77.0.1"
    assert holds(_command(tmp_path, "compare", boot, boot))["kind"] == "compare"
    learned = _command(tmp_path, "learn", boot, "-o", tmp_path / "mine.json")
    assert holds(learned)["kind"] == "learn"


def test_commands_that_need_nothing(tmp_path, capsys):
    assert holds(_command(tmp_path, "explain", "PXE-E32", "-q"))["server"] is None
    assert holds(_command(tmp_path, "doctor", "python"))["kind"] == "doctor"
    capsys.readouterr()
    for words in (["roms"], ["board", "list", "--no-ask"]):
        cli.pxebench.main([*words, "--json"], "pxebench", standalone_mode=False)
        assert holds(json.loads(capsys.readouterr().out))["kind"] == "-".join(
            w for w in words if w[0] != "-"
        )


def test_board_test():
    tests = [dict.fromkeys(suite.FIELDS)]
    counts = dict.fromkeys(suite.OUTCOMES, 0)
    holds(record.headed("board-test", {"board": "x", "counts": counts, "tests": tests}))
