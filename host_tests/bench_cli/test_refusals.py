"""Wrong usage and a bench that is not in order: one sentence, exit code 2 or 3, no traceback."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from pxebench import cli, job

from host_tests.bench_cli.conftest import ADDRESS
from host_tests.lab import namespaces


def _refused(run, code, *words):
    assert run.returncode == code, (run.returncode, run.stderr)
    lines = run.stderr.splitlines()
    assert len(lines) == 1, run.stderr
    assert lines[0].startswith("pxebench: ")
    assert lines[0].endswith(".")
    for word in words:
        assert word in lines[0], lines[0]


@pytest.mark.parametrize(
    ("url", "word"),
    [
        ("http://h/x", "no", ),
        ("127.0.0.1", "tftp://HOST/FILE"),
        ("tftp:/h/x", "tftp://HOST/FILE"),
        ("tftp://", "no host"),
        ("tftp:///x", "no host"),
        ("tftp://h", "no file"),
        ("tftp://h/", "no file"),
        ("tftp://h:0/x", "port"),
        ("tftp://h:65536/x", "port"),
        ("tftp://h:six/x", "port"),
        ("tftp://h:/x", "port"),
        ("tftp://[::1]/x", "IPv6"),
        ("tftp://me@h/x", "user"),
        ("tftp://h/a%00b", "NUL"),
        ("tftp://h/" + "x" * 128, "127"),
        ("tftp://h/x;mode=netascii", "octet"),
        ("tftp://h h/x", "no host"),
        ("tftp://h\x1b[2J/x", "no host"),
    ],
)  # fmt: skip
def test_bad_url_is_refused_with_a_sentence(bench, url, word):
    """R-TFTP-3: among them a name too long, one that is empty, and one with a NUL."""
    _refused(bench("fetch", url), 2, "" if word == "no" else word)


def test_longest_name_is_taken():
    """R-TFTP-3."""
    assert job.parse_url("tftp://h/" + "x" * 127) == ("h", 69, "x" * 127)
    assert job.parse_url("TFTP://h:6900//a#b?c") == ("h", 6900, "/a#b?c")


@pytest.mark.parametrize(
    ("words", "word"),
    [
        (["--rom", "nosuch"], "nosuch"),
        (["--rom", "/nosuch/rom.json"], "/nosuch/rom.json"),
        (["--rom", "/dev/zero"], "/dev/zero"),
        (["--rom", "/"], "no ROM file"),
        (["--endpoint", "serialport:/dev/ttyX"], "endpoint"),
        (["--endpoint", "local:1"], "endpoint"),
        (["--interpreter", "/bin/true"], "--endpoint micropython"),
        (["--blksize", "1000"], "--rom standard"),
        (["--no-tsize"], "--no-tsize"),
        (["--rom", "standard", "--blksize", "7"], "8<=x<=65464"),
        (["--rom", "standard", "--blksize", "65465"], "8<=x<=65464"),
        (["--rom", "standard", "--windowsize", "0"], "1<=x<=65535"),
        (["--rom", "standard", "--retries", "-1"], "0<=x<=1000"),
        (["--fault", "double-ack", "--seed", "-1"], "0<=x<=4294967295"),
        (["--fault", "double-ack", "--seed", "4294967296"], "0<=x<=4294967295"),
        (["--bind", "10.0.0"], "10.0.0 is no IPv4 address"),
        (["--rom", "standard", "--timeout", "0"], "--timeout"),
        (["--rom", "standard", "--timeout", "nan"], "--timeout"),
        (["--max-time", "0"], "--max-time"),
        (["--max-time", "nan"], "--max-time"),
        (["--max-bytes", "10Q"], "10Q"),
        (["--max-bytes", "-1"], "--max-bytes"),
        (["--bind", "localhost"], "--bind"),
        (["--json", "x", "--pcap", "./x"], "both"),
        (["--out", "x", "--pcap", "x"], "both"),
        (["--out", ""], "--out names no file"),
        (["--json", ""], "--json names no file"),
        (["--nosuch"], "--nosuch"),
    ],
)
def test_bad_option_is_refused_with_a_sentence(bench, words, word):
    _refused(bench("fetch", "tftp://127.0.0.1:9/x", *words), 2, word)
    assert list(bench.folder.iterdir()) == []


@pytest.mark.parametrize(
    ("field", "content", "path"),
    [
        ("udp", {"source_port": {"policy": "guess", "first": 1}}, "udp.source_port.policy"),
        ("tftp", {"requests": [], "retry": {}}, "tftp."),
        ("nosuch", 1, "nosuch"),
        ("id", None, "id"),
    ],
)
def test_broken_rom_file_is_refused_with_the_path_of_the_field(bench, field, content, path):
    rom = job.load_rom("intel-undi")
    rom[field] = content
    (bench.folder / "rom.json").write_text(json.dumps(rom))
    _refused(bench("fetch", "tftp://127.0.0.1:9/x", "--rom", "rom.json"), 2, path, "rom.json")


def test_broken_wait_is_named_down_to_its_index(bench):
    rom = job.bare(job.load_rom("intel-undi"))
    rom["tftp"]["retry"]["open"]["waits_ms"][2] = "soon"
    (bench.folder / "rom.json").write_text(json.dumps(rom))
    run = bench("fetch", "tftp://127.0.0.1:9/x", "--rom", "rom.json")
    _refused(run, 2, "tftp.retry.open.waits_ms[2]", "soon")


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "\xff", "[" * 100000, '{"id": 1e999}'])
def test_file_that_is_no_rom_is_refused(bench, text):
    (bench.folder / "rom.json").write_bytes(text.encode("latin-1"))
    _refused(bench("fetch", "tftp://127.0.0.1:9/x", "--rom", "rom.json"), 2, "rom.json")


@pytest.mark.parametrize("endpoint", ["local", "micropython"])
@pytest.mark.parametrize("option", ["--out", "--json", "--pcap"])
def test_unwritable_target_is_refused_before_the_first_packet(bench, script, option, endpoint):
    server = script()
    for target in ("/nosuch/folder/x", str(bench.folder)):
        run = bench.fetch(server.url, option, target, "--endpoint", endpoint)
        _refused(run, 3, target)
    assert server.seen == []


def test_result_that_cannot_be_written_is_said_after_the_boot_is_told(bench, served):
    for option in ("--json", "--pcap"):
        run = bench.fetch(served.url("small.bin"), option, "/dev/full")
        assert run.returncode == 3
        assert "Fetched small.bin" in run.stderr
        assert run.stderr.splitlines()[-1].startswith("pxebench: Cannot write /dev/full")


@pytest.mark.parametrize("endpoint", ["local", "micropython"])
def test_port_in_use_is_one_sentence(bench, served, endpoint):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind((ADDRESS, 2070))
        bench.holds_port = True
        _refused(bench.fetch(served.url("small.bin"), "--endpoint", endpoint), 3, "2070")


@pytest.mark.parametrize("endpoint", ["local", "micropython"])
def test_address_of_another_machine_cannot_be_bound(bench, served, endpoint):
    words = ("--bind", "192.0.2.1", "--endpoint", endpoint)
    _refused(bench("fetch", served.url("small.bin"), *words), 3, "192.0.2.1")


def test_unknown_host_is_the_bench_not_in_order(bench):
    _refused(bench("fetch", "tftp://nosuch.invalid/x"), 3, "nosuch.invalid")
    _refused(bench("fetch", f"tftp://{'x' * 70}.example/x"), 3)


def test_resolver_that_hangs_ends_with_max_time_and_with_ctrl_c(monkeypatch, capsys):
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_: time.sleep(30) or [])
    began = time.monotonic()
    assert cli._guarded(["fetch", "tftp://slow.example/x", "--max-time", "0.2"]) == 3
    assert "did not answer in time" in capsys.readouterr().err
    alarm = threading.Timer(0.3, lambda: os.kill(os.getpid(), signal.SIGINT))
    alarm.start()
    assert cli._guarded(["fetch", "tftp://slow.example/x"]) == 130
    assert capsys.readouterr().err.strip() == "pxebench: Interrupted."
    assert time.monotonic() - began < 5


def test_number_needs_no_resolver(monkeypatch):
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_: pytest.fail("it was asked"))
    assert job.resolve("127.0.0.1", 1) == "127.0.0.1"


def test_server_without_a_route_is_not_met_with_silence():
    with namespaces.lab() as lab:
        machine = lab.namespace("alone")

        def fetch(*words):
            return machine.run(sys.executable, "-m", "pxebench", "fetch", *words, check=False)

        _refused(fetch("tftp://192.0.2.9/x"), 3, "no route from this machine to 192.0.2.9")
        other = lab.namespace("other")
        lab.cable(machine, "here", "192.0.2.1/24", other, "there", "192.0.2.2/24")
        _refused(fetch("tftp://192.0.2.9/x", "--bind", "127.0.0.1"), 3, "from 127.0.0.1")


def test_leading_zero_is_refused_with_the_address_that_would_have_been_asked(bench):
    for host, octal in (
        ("010.9.0.1", "8.9.0.1"),
        ("10.9.0.010", "10.9.0.8"),
        ("0x7f.1", "127.0.0.1"),
    ):
        _refused(bench("fetch", f"tftp://{host}/x"), 2, host, f"{octal}: write the address")
    _refused(bench("fetch", "tftp://127.0.0.1:9/x", "--bind", "127.0.0.01"), 2, "127.0.0.01")


def test_group_address_is_no_server(bench):
    for host in ("224.0.0.1", "255.255.255.255", "0.0.0.0"):
        _refused(bench("fetch", f"tftp://{host}/x"), 2, host)


def test_missing_interpreter_is_one_sentence(bench):
    words = ("fetch", "tftp://127.0.0.1:9/x", "--endpoint", "micropython")
    _refused(bench(*words, "--interpreter", "/nosuch"), 3, "/nosuch")
    _refused(bench(*words, env={"PXEROM_MICROPYTHON": "/nosuch"}), 3, "/nosuch")


def test_command_without_arguments_shows_its_help(bench):
    run = bench()
    assert run.returncode == 2
    assert "fetch" in run.stderr
    for words in (["-h"], ["--help"], ["fetch", "-h"], ["roms", "-h"], ["roms", "show", "-h"]):
        run = bench(*words)
        assert run.returncode == 0
        assert run.stdout.startswith("Usage: pxebench")


def test_closed_and_full_stdout_do_not_break_a_boot(bench, served):
    url = served.url("small.bin")
    for redirect in (">&-", ">/dev/full", "2>&-", ">&- 2>&- <&-"):
        shell = f'"$0" -m pxebench fetch {url} --bind {ADDRESS} {redirect}'
        run = bench.finish(_shell(bench, shell))
        assert run.returncode == 0, (redirect, run.stderr)
    for redirect in (">&-", ">/dev/full"):
        shell = f'"$0" -m pxebench fetch {url} --bind {ADDRESS} --json - {redirect}'
        _refused(bench.finish(_shell(bench, shell)), 3, "standard output")


def test_reader_that_goes_away_is_no_error(bench):
    run = bench.finish(_shell(bench, '"$0" -m pxebench roms show intel-undi | head -1'))
    assert run.stderr == ""
    text = '{ "$0" -m pxebench roms; echo $? >&2; } | { exec <&-; sleep 3; }'
    assert bench.finish(_shell(bench, text)).stderr == "141\n"


def test_ctrl_c_while_the_commands_load_is_an_end_without_a_traceback(bench):
    (bench.folder / "click.py").write_text("raise KeyboardInterrupt\n")
    environment = {**os.environ, "PYTHONPATH": str(bench.folder)}
    for command in (
        [sys.executable, "-m", "pxebench"],
        [Path(sys.executable).parent / "pxebench"],
    ):
        run = subprocess.run([*command, "roms"], env=environment, capture_output=True, timeout=20)
        assert (run.returncode, run.stdout, run.stderr) == (130, b"", b"")


def _shell(bench, text):
    return subprocess.Popen(
        ["sh", "-c", text, sys.executable],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=bench.folder,
    )


def test_bug_is_told_as_one_and_shown_on_request(monkeypatch, capsys):
    def broken(url):
        raise ZeroDivisionError("by \x1b zero")

    monkeypatch.setattr(job, "parse_url", broken)
    assert cli._guarded(["fetch", "tftp://h/x"]) == 3
    said = capsys.readouterr().err
    assert said.startswith("pxebench: This is a bug in pxebench: ZeroDivisionError: by \\x1b zero")
    assert "PXEBENCH_DEBUG=1" in said
    monkeypatch.setenv("PXEBENCH_DEBUG", "1")
    with pytest.raises(ZeroDivisionError):
        cli._guarded(["fetch", "tftp://h/x"])


def test_fetch_loads_only_what_it_needs(bench, served):
    """What makes a start slow is left out; how fast it is, `make bench` tells."""
    environment = {"PYTHONPROFILEIMPORTTIME": "1", **os.environ}
    run = bench.fetch(served.url("small.bin"), env=environment)
    loaded = {line.rpartition("|")[2].strip() for line in run.stderr.splitlines()}
    assert "pxerom.agent" in loaded
    assert not loaded & {"rich", "dpkt", "tftpy", "subprocess", "asyncio", "serial"}
