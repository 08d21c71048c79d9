"""`pxebench watch` as a user meets it: against in.tftpd, and servers that change."""

import json
import os
import re
import signal
import time
from datetime import datetime

import pytest

from host_tests.bench_cli.conftest import ADDRESS, FILES
from host_tests.lab import scripted, servers


def _words(server, file, *words):
    place = f"{server.host}:{server.port}"
    return ("watch", "--server", place, "--file", file, "--bind", ADDRESS, *words)


def _entries(bench, name="h.jsonl"):
    return [json.loads(line) for line in (bench.folder / name).read_text().splitlines()]


def test_boots_are_repeated_on_time_told_and_kept(bench, served):
    run = bench(
        *_words(served, "small.bin", "--every", "1s", "--count", 3, "--history", "h.jsonl")
    )
    assert run.returncode == 0, run.stderr
    lines = run.stdout.splitlines()
    assert len(lines) == 3
    pattern = r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ  ok +\d+ ms  10240 bytes"
    assert all(re.fullmatch(pattern, line) for line in lines), lines
    assert "every 1s" in run.stderr and "3 boots, 3 of them well." in run.stderr
    entries = _entries(bench)
    assert [one["outcome"] for one in entries] == ["ok"] * 3
    first, _, last = [datetime.fromisoformat(one["started"].rstrip("Z")) for one in entries]
    assert 2 <= (last - first).total_seconds() <= 3
    assert entries[0]["ports"] == [2070, 2071] and entries[0]["bytes"] == len(FILES["small.bin"])
    assert [one["changes"] for one in entries] == [[], [], []]


def test_history_lies_in_the_folder_for_state_when_nobody_says(bench, served):
    run = bench(
        *_words(served, "small.bin", "--count", 1), env={"XDG_STATE_HOME": str(bench.folder)}
    )
    assert run.returncode == 0, run.stderr
    (path,) = (bench.folder / "pxebench" / "watch").iterdir()
    assert path.suffix == ".jsonl" and "small.bin" in path.name
    assert str(path) in run.stderr


def test_failure_and_recovery_and_another_file_are_told(bench):
    with servers.folder({"f": b"x" * 3000}) as folder, servers.in_tftpd(folder) as server:
        path = os.path.join(folder, "f")
        words = _words(server, "f", "--count", 1, "--history", "h.jsonl", "-q")
        assert bench(*words).stdout == ""
        os.rename(path, path + ".gone")
        run = bench(*words)
        assert run.returncode == 1
        assert "failed" in run.stdout and "! It fails: PXE-" in run.stdout
        assert "File not found" in run.stdout or "T01" in run.stdout or "E3B" in run.stdout
        os.rename(path + ".gone", path)
        run = bench(*words)
        assert run.returncode == 0 and "! It boots again, after one boot failed" in run.stdout
        with open(path, "wb") as file:
            file.write(b"y" * 3000)
        assert "another one of the same size" in bench(*words).stdout
        with open(path, "ab") as file:
            file.write(b"z")
        assert "3001 bytes, it had 3000" in bench(*words).stdout
    entries = _entries(bench)
    assert [one["outcome"] for one in entries] == ["ok", "failed", "ok", "ok", "ok"]
    report = bench("report", "h.jsonl")
    assert report.returncode == 0, report.stderr
    page = (bench.folder / "report.html").read_text()
    assert "It boots: 4 of 5 boots went well." in page and "3001 bytes, it had 3000" in page


def test_server_that_grows_slow_is_told_slower_than_usual(bench):
    script = {"oack 1": [scripted.NORMAL]}
    with scripted.serve({"f": b"x" * 600}, script) as server:
        words = _words(server, "f", "--rom", "os-client", "--history", "h.jsonl", "-q")
        for _ in range(9):
            assert bench(*words, "--count", 1).stdout == ""
    slow = {"data 1 always": [scripted.wait(0.5), scripted.NORMAL]}
    with scripted.serve({"f": b"x" * 600}, slow) as server:
        text = (bench.folder / "h.jsonl").read_text()
        place = f"{server.host}:{server.port}"
        text = re.sub(r'"server": "[^"]*"', f'"server": "{place}"', text)
        text = re.sub(r'"port": \d+', f'"port": {server.port}', text)
        (bench.folder / "h.jsonl").write_text(text)
        words = _words(server, "f", "--rom", "os-client", "--history", "h.jsonl")
        run = bench(*words, "--count", 1)
        assert run.returncode == 0 and "! Slower than usual: " in run.stdout
        run = bench(*words, "--check")
        assert run.returncode == 1 and run.stdout.startswith("PXE WARNING: f from 127.0.0.1")


def test_another_servers_options_are_told(bench):
    with servers.folder({"f": b"x"}) as folder:
        with servers.in_tftpd(folder) as server:
            port = server.port
            words = _words(server, "f", "--count", 1, "--history", "h.jsonl", "-q")
            bench(*words)
        with servers.in_tftpd(folder, port=port, refuse=("blksize",)) as server:
            run = bench(*words)
    assert "another server, or other settings" in run.stdout


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("while_", ["waiting", "booting"])
def test_ctrl_c_ends_it_in_good_order(bench, served, script, number, while_):
    if while_ == "waiting":
        words = _words(served, "small.bin", "--every", "1h", "--history", "h.jsonl")
    else:
        silent = script()
        place = silent.url.removeprefix("tftp://").partition("/")[0]
        words = ("watch", "--server", place, "--file", "f", "--bind", ADDRESS)
        words += ("--history", "h.jsonl")
    process = bench.start(*words)
    deadline = time.monotonic() + 10
    path = bench.folder / "h.jsonl"
    while not (path.exists() and (while_ == "booting" or path.read_text())):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    time.sleep(0.5)
    began = time.monotonic()
    process.send_signal(number)
    run = bench.finish(process)
    assert run.returncode == 130 and time.monotonic() - began < 1.5
    booted = 1 if while_ == "waiting" else 0
    plural = "" if booted == 1 else "s"
    assert run.stderr.endswith(f"{booted} boot{plural}, {booted} of them well.\n")
    # A boot that was called off says nothing of the server.
    assert len(_entries(bench)) == booted


def test_json_alone_is_on_stdout_and_each_line_is_an_entry(bench, served):
    words = ("--count", 2, "--every", "1", "--history", "h.jsonl", "--json", "-")
    run = bench(*_words(served, "small.bin", *words))
    assert [json.loads(line) for line in run.stdout.splitlines()] == _entries(bench)


def test_check_speaks_as_a_plugin_does(bench, served, script):
    words = _words(served, "small.bin", "--check", "--history", "h.jsonl")
    run = bench(*words)
    assert run.returncode == 0 and run.stderr == ""
    figures = r"\| time=0\.\d{3}s;;;0 size=10240B requests=2 resent=0"
    words_of_it = r"PXE OK: small\.bin from 127\.0\.0\.1 as intel-undi in 0\.\d{3} s "
    assert re.fullmatch(words_of_it + figures + "\n", run.stdout), run.stdout
    missing = bench(*_words(served, "missing", "--check", "--history", "h.jsonl"))
    assert missing.returncode == 2 and missing.stdout.startswith("PXE CRITICAL: missing from ")
    late = bench(*words, "--critical", "0.001")
    assert late.returncode == 2
    # What a monitoring system reads: digits and a point, and no 1e-06.
    assert re.search(r"\| time=0\.\d{3}s;;0\.001;0 size=", late.stdout), late.stdout
    assert bench(*words, "--warning", "1ms").returncode == 1
    assert bench(*words, "--warning", "30", "--critical", "60").returncode == 0


@pytest.mark.parametrize(
    "words",
    [
        ("--rom", "none-such"),
        ("--endpoint", "nowhere"),
        ("--every", "soon"),
        ("--history", "/dev/null/h"),
        ("--history", "/dev/full"),
        ("--history", "."),
        ("--no-such-option",),
        ("--endpoint", "micropython", "--interpreter", "/none"),
        ("--warning", "-1"),
    ],
)
def test_check_is_never_critical_for_what_is_wrong_at_this_end(bench, served, words):
    run = bench(*_words(served, "small.bin", "--check", "--history", "h.jsonl", *words))
    assert run.returncode == 3
    assert run.stdout.startswith("PXE UNKNOWN: ") and run.stdout.count("\n") == 1
    assert "|" not in run.stdout


def test_bench_out_of_order_later_on_is_kept_and_the_watch_goes_on(bench, served, program):
    real = servers.programs.find("micropython")
    flaky = program(
        "import os, sys\n"
        f"count = os.path.join({str(bench.folder)!r}, 'count')\n"
        "with open(count, 'a') as file:\n    file.write('x')\n"
        "if os.path.getsize(count) == 2:\n    sys.exit(7)\n"
        f"os.execv({real!r}, [{real!r}] + sys.argv[1:])\n"
    )
    words = ("--endpoint", "micropython", "--interpreter", flaky, "--every", "1s", "--count", 3)
    run = bench(*_words(served, "small.bin", *words, "--history", "h.jsonl"))
    assert run.returncode == 1
    entries = _entries(bench)
    assert [one["outcome"] for one in entries] == ["ok", "bench", "ok"]
    assert entries[2]["changes"] == []
    assert "  bench  " in run.stdout and "3 boots, 2 of them well." in run.stderr


def test_missing_server_is_one_sentence(bench):
    """A monitoring system gets it on stdout, as everything else."""
    run = bench("watch", "--file", "x", "--count", 1)
    assert (run.returncode, run.stdout) == (2, "") and "Missing option --server" in run.stderr
    run = bench("watch", "--file", "x", "--check")
    assert run.returncode == 3 and run.stdout.startswith("PXE UNKNOWN: Missing option --server")


def test_closed_port_is_told_with_its_icmp(bench):
    words = ("watch", "--server", "127.0.0.1:9", "--file", "x", "--max-time", 1, "--count", 1)
    run = bench(*words, "--bind", ADDRESS, "--history", "h.jsonl")
    assert run.returncode == 1, run.stderr
    (entry,) = _entries(bench)
    sent = {"errno": 111, "type": 3, "code": 3, "from": "127.0.0.1"}
    assert [{**row, "count": 0} for row in entry["icmp"]] == [{**sent, "count": 0}]
    assert "127.0.0.1 itself says that nothing listens on that port" in run.stdout
