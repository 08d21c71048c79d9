"""`pxebench fetch`: what comes out on which stream, with which exit code."""

import hashlib
import json
import re
import signal
import socket
import sys
import time

import pytest

from host_tests.bench_cli.conftest import ADDRESS, FILES
from host_tests.lab import servers, terminal

ENDPOINTS = ("local", "micropython")


@pytest.mark.parametrize("endpoint", ENDPOINTS)
@pytest.mark.parametrize("name", sorted(FILES))
def test_file_is_stored_byte_for_byte(bench, served, endpoint, name):
    url = served.url(name.replace(" ", "%20"))
    run = bench.fetch(url, "--endpoint", endpoint, "--out", "image", "--json", "result.json")
    assert run.returncode == 0, run.stderr
    assert (bench.folder / "image").read_bytes() == FILES[name]
    result = json.loads((bench.folder / "result.json").read_text())
    assert result["image"]["sha256"] == hashlib.sha256(FILES[name]).hexdigest()
    assert result["image"]["bytes"] == len(FILES[name])
    assert result["endpoint"]["kind"] == endpoint
    assert sorted(p.name for p in bench.folder.iterdir()) == ["image", "result.json"]


def test_screen_is_all_of_stdout_and_summary_all_of_stderr(bench, served):
    run = bench.fetch(served.url("small.bin"))
    assert run.stdout.splitlines()[0].startswith("Intel")
    assert "TFTP." in run.stdout
    lines = run.stderr.splitlines()
    assert lines[0] == f"Fetched small.bin from {served.host}."
    assert [line.split()[0] for line in lines[1:]] == ["size", "SHA-256", "image", "ports", "time"]
    assert "UDP 2070, 2071" in run.stderr
    assert hashlib.sha256(FILES["small.bin"]).hexdigest() in run.stderr


def test_image_is_named_in_words(bench, served):
    run = bench.fetch(served.url("script.ipxe"))
    assert "  image    iPXE script (ipxe-script)" in run.stderr.splitlines()


def test_failure_shows_the_screen_and_says_whose_side_and_what_next(bench, served):
    run = bench.fetch(served.url("missing"))
    assert run.returncode == 1
    assert run.stdout.splitlines()[-3:] == [
        "PXE-T01: File not found",
        "PXE-E3B: TFTP error - File not found",
        "PXE-M0F: Exiting Intel PXE ROM.",
    ]
    lines = run.stderr.splitlines()
    assert lines[0] == "The boot failed with PXE-E3B: TFTP error - File not found."
    assert [line.split()[0] for line in lines[1:]] == ["what", "side", "ports", "do"]
    assert "the server" in lines[2]


def test_json_dash_leaves_nothing_else_on_stdout(bench, served):
    run = bench.fetch(served.url("small.bin"), "--json", "-")
    assert run.stderr == ""
    result = json.loads(run.stdout)
    assert result["outcome"] == "ok"
    assert [r["source_port"] for t in result["transfers"] for r in t["requests"]] == [2070, 2071]
    failed = bench.fetch(served.url("missing"), "--json", "-")
    assert failed.returncode == 1
    assert json.loads(failed.stdout)["status"]["code"] == "PXE-E3B"
    assert "PXE-E3B" in failed.stderr


def test_quiet_says_nothing_of_a_success_and_explains_a_failure(bench, served):
    run = bench.fetch(served.url("small.bin"), "--quiet")
    assert (run.returncode, run.stdout, run.stderr) == (0, "", "")
    run = bench.fetch(served.url("missing"), "--quiet")
    assert (run.returncode, run.stdout) == (1, "")
    assert "PXE-E3B" in run.stderr


def test_failed_transfer_leaves_the_old_file_and_no_part(bench, served):
    (bench.folder / "image").write_bytes(b"old")
    run = bench.fetch(served.url("exact.bin"), "--out", "image", "--max-bytes", "10K")
    assert run.returncode == 1
    assert (bench.folder / "image").read_bytes() == b"old"
    assert [p.name for p in bench.folder.iterdir()] == ["image"]


def _without_times(result):
    text = json.dumps(result)
    result = json.loads(text)
    result.pop("endpoint")
    result.pop("started", None)
    for transfer in result["transfers"]:
        for name in ("server_tid", "elapsed_ms"):
            transfer.pop(name)
        for request in transfer["requests"]:
            request.pop("at_ms")
    return result


@pytest.mark.parametrize(
    "words",
    [
        ("small.bin",),
        ("exact.bin",),
        ("empty.bin",),
        ("missing",),
        ("exact.bin", "--max-bytes", "10K"),
        ("small.bin", "--rom", "intel-undi-plain"),
        ("missing", "--rom", "intel-undi-plain"),
    ],
)
def test_endpoints_give_equal_results(bench, served, words):
    runs = [
        bench.fetch(served.url(words[0]), *words[1:], "--endpoint", endpoint, "--json", "-")
        for endpoint in ENDPOINTS
    ]
    assert runs[0].returncode == runs[1].returncode
    local, other = (json.loads(run.stdout) for run in runs)
    commands = [result.pop("command") for result in (local, other)]
    assert [word for word in commands[1] if word not in commands[0]] == ["micropython"]
    events = [result.pop("events") for result in (local, other)]
    # How often progress is told is a matter of time.
    kinds = [[e["event"] for e in told if e["event"] != "progress"] for told in events]
    assert kinds[0] == kinds[1]
    assert _without_times(local) == _without_times(other)
    # The order of the names too: a diff of two results shows what differs and nothing else.
    assert json.dumps(_without_times(local)) == json.dumps(_without_times(other))
    assert other["endpoint"]["runtime"].startswith("MicroPython")


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_ctrl_c_ends_at_once_with_what_is_known(bench, script, endpoint):
    silent = script()
    words = (silent.url, "--endpoint", endpoint, "--json", "result.json", "--out", "image")
    run, took_s = bench.interrupted(*words, after_s=2.4, server=silent)
    assert run.returncode == 130
    assert took_s < 1.5
    result = json.loads((bench.folder / "result.json").read_text())
    assert result["ended"]["by"] == "user"
    assert "2072" in result["ended"]["next"]
    assert [r["source_port"] for r in result["transfers"][0]["requests"]] == [2070, 2071]
    assert run.stderr.startswith("Ctrl-C ended the boot after ")
    assert "2 requests from UDP 2070, 2071" in run.stderr
    assert [p.name for p in bench.folder.iterdir()] == ["result.json"]


@pytest.mark.parametrize("endpoint", ENDPOINTS)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_other_signals_end_a_boot_in_good_order_too(bench, script, endpoint, number):
    silent = script()
    words = (silent.url, "--endpoint", endpoint, "--json", "-", "--out", "image")
    run, took_s = bench.interrupted(*words, after_s=0.4, number=number, server=silent)
    assert run.returncode == 130
    assert took_s < 1.5
    assert "2071" in json.loads(run.stdout)["ended"]["next"]
    assert list(bench.folder.iterdir()) == []


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_max_time_ends_the_boot_and_says_what_the_rom_would_do(bench, script, endpoint):
    silent = script()
    run = bench.fetch(silent.url, "--endpoint", endpoint, "--max-time", "0.5", "--json", "-")
    assert run.returncode == 1
    result = json.loads(run.stdout)
    assert result["ended"]["by"] == "bench"
    assert 400 <= result["ended"]["after_ms"] < 1500
    assert result["endpoint"]["kind"] == endpoint
    assert run.stderr.startswith("The bench (--max-time) ended the boot after ")
    assert "2071" in run.stderr


def test_icmp_unreachable_is_mentioned(bench):
    run = bench.fetch("tftp://127.0.0.1:9/x", "--max-time", "0.5")
    assert run.returncode == 1
    # The very host that was asked: here, and so it is the server that is missing.
    assert "ICMP port unreachable (type 3, code 3) from the server 127.0.0.1. " in run.stderr
    assert "127.0.0.1 itself says that nothing listens on that port" in run.stderr
    assert "Start the TFTP server on 127.0.0.1" in run.stderr


def _slow_server(script):
    """A server of 100 blocks of 512 bytes, 4 ms for each."""

    def answer(datagram):
        if datagram[1] == 1 and b"tsize" in datagram:
            return [b"\0\6tsize\x0051200\0"]
        if datagram[1] == 5:
            return []
        block = int.from_bytes(datagram[2:4], "big") + 1 if datagram[1] == 4 else 1
        time.sleep(0.004)
        return [b"\0\3" + block.to_bytes(2, "big") + bytes(512 if block <= 100 else 0)]

    return script(answer)


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_progress_goes_to_a_terminal_and_nowhere_else(bench, script, endpoint):
    server = _slow_server(script)
    command = [sys.executable, "-m", "pxebench", "fetch", server.url, "--bind", ADDRESS]
    code, shown, out = terminal.run([*command, "--endpoint", endpoint], "stderr")
    assert code == 0
    assert b"of 50.0 KiB" in shown
    assert b"Fetched file from 127.0.0.1." in re.sub(rb"\x1b\[[0-9;]*m", b"", shown)
    assert b"\x1b" not in out
    assert out.startswith(b"Intel")
    piped = bench.fetch(server.url)
    assert "\x1b" not in piped.stderr + piped.stdout
    assert "KiB of" not in piped.stderr


def test_settings_go_out_in_the_request_and_leave_the_fallback_alone(bench, script):
    server = script(lambda datagram: [b"\0\5\0\10refused\0"] if datagram[1] == 1 else ())
    words = [
        "--rom",
        "standard",
        "--blksize",
        "1000",
        "--windowsize",
        "4",
        "--timeout",
        "3",
        "--no-tsize",
    ]
    bench.fetch(server.url, *words)
    requests = [datagram for datagram, _ in server.seen if datagram[1] == 1]
    assert requests == [
        b"\0\1file\0octet\0blksize\x001000\0windowsize\x004\0timeout\x003\0",
        b"\0\1file\0octet\0",
    ]


def test_retries_and_timeout_set_the_time_to_failure(bench, script):
    silent = script()
    words = ["--rom", "standard", "--timeout", "0.2", "--retries", "1", "--json", "-"]
    run = bench.fetch(silent.url, *words)
    result = json.loads(run.stdout)
    assert result["status"]["code"] == "PXE-E32"
    requests = result["transfers"][0]["requests"]
    assert len(requests) == 2
    assert 190 <= requests[1]["at_ms"] <= 400
    # 0.2 s cannot be said in RFC 2349's whole seconds, so the option is left out.
    assert all(name != "timeout" for name, _ in requests[0]["options"])


def test_name_goes_out_decoded_and_without_a_slash_of_its_own(bench, script):
    server = script(lambda datagram: [b"\0\5\0\1no\0"] if datagram[1] == 1 else ())
    base = server.url.removesuffix("file")
    for path in ("a/b%20c", "/a", "%C3%A9", "x;mode=octet"):
        bench.fetch(base + path, "--rom", "os-client")
    names = [datagram[2:].partition(b"\0")[0] for datagram, _ in server.seen]
    assert names == [b"a/b c", b"/a", "é".encode(), b"x"]


def test_bind_is_where_the_packets_come_from(bench, script):
    server = script(lambda datagram: [b"\0\5\0\1no\0"] if datagram[1] == 1 else ())
    bench.fetch(server.url, "--rom", "os-client")
    assert {peer[0] for _, peer in server.seen} == {ADDRESS}


def test_text_of_the_server_cannot_steer_the_terminal(bench, script):
    evil = b"\0\5\0\1\x1b]0;owned\x07\x1b[2J\r\nPXE-OK\xe2\x80\xae\0"
    server = script(lambda datagram: [evil] if datagram[1] == 1 else ())
    run = bench.fetch(server.url)
    assert run.returncode == 1
    text = run.stdout + run.stderr
    assert all(character.isprintable() or character == "\n" for character in text)
    assert "\nPXE-OK" not in text


# --- what to do next -----------------------------------------------------------------------------


def _do(run):
    (line,) = [line for line in run.stderr.splitlines() if line.startswith("  do  ")]
    return line.removeprefix("  do").strip()


@pytest.mark.parametrize(("code", "said", "name", "advice"), [
    (2, "Only absolute filenames allowed", "x", "in.tftpd runs without --secure"),
    (2, "Forbidden directory", "x", "in.tftpd was not started with this folder"),
    (2, "File must have global read permissions", "x", "chmod a+r"),
    (2, "cannot access /srv/tftp/x: Permission denied", "x", "SELinux or AppArmor"),
    (2, "Access violation", "x", "Make the file readable for the server's user"),
    (8, "Option negotiation failed", "x", "switch its options off"),
    (0, "Unsupported option(s) requested", "x", "The server refuses an option"),
    (1, "File not found", "%2Fboot%2Fx", "See that the server has /boot/x below its root folder"),
    (1, "file /srv/tftp/x not found", "x", "and no name of the root folder in front."),
    (1, "File not found", "boot%5Cx64%5Cwdsnbp.com", "The name has backslashes"),
    (1, "File not found", "tftp:%2F%2Fh%2Fa%2Fx", "let DHCP name a/x alone, and its server in"),
    (1, "File not found", "a%25FF", "The ROM asked for a%FF letter by letter"),
])  # fmt: skip
def test_advice_fits_the_text_of_the_servers_error(bench, script, code, said, name, advice):
    server = script(lambda datagram: [b"\0\5" + code.to_bytes(2, "big") + said.encode() + b"\0"])
    run = bench.fetch(server.url.rpartition("/")[0] + "/" + name)
    assert run.returncode == 1
    assert advice in _do(run)


@pytest.mark.parametrize("rom", ["os-client", "intel-undi"])
def test_advice_after_silence_never_names_what_was_just_done(bench, script, rom):
    silent = script()
    host, port = silent.url.removeprefix("tftp://").partition("/")[0].split(":")
    run = bench.fetch(silent.url, "--rom", rom, "--max-time", "0.5", "--json", "result.json")
    assert run.returncode == 1
    told = _do(run)
    assert told.startswith(
        f"`pxebench diagnose --server {host}:{port} --file file --rom {rom} --bind {ADDRESS}` "
    )
    assert f"port {port} was asked; a TFTP server listens on 69 unless told otherwise" in told
    assert ("`--rom os-client`" in told) == (rom != "os-client")
    assert "port 69 " not in told
    result = json.loads((bench.folder / "result.json").read_text())
    assert result["status"]["advice"] == told


def test_capture_that_is_elsewhere_still_can_be_read_later(bench, script):
    """The command for it is named, and it works once the file is there."""
    server = script(lambda datagram: [b"\0\3\0\1new"])
    words = ("--rom", "os-client", "--json", "r.json", "--server-pcap", "server.pcap")
    run = bench.fetch(server.url, *words)
    assert run.returncode == 2
    later = "pxebench report r.json --server-pcap server.pcap -o report.html"
    assert run.stderr.endswith(f"Once it is here: `{later}`.\n")
    bench.fetch(server.url, "--rom", "os-client", "--pcap", "server.pcap")
    page = bench(*later.split()[1:])
    assert page.returncode == 0, page.stderr
    assert (bench.folder / "report.html").stat().st_size > 1000


@pytest.mark.parametrize(("rom", "reply", "advice"), [
    # pypxe/PyPXE#125, gagle/node-tftp#13: an OACK with more than was asked for.
    ("intel-undi-plain", b"\0\6blksize\x001456\0windowsize\x004\0", "only what was asked for"),
    ("intel-undi-plain", b"\0\6blksize\x004096\0", "grant the blksize that was asked for"),
    ("intel-undi-plain", b"\0\6blksize\0", "breaks RFC 2347"),
])  # fmt: skip
def test_advice_names_what_the_server_does_that_no_rom_takes(bench, script, rom, reply, advice):
    run = bench.fetch(script(lambda datagram: [reply]).url, "--rom", rom)
    assert run.returncode == 1
    assert advice in _do(run)


def test_advice_for_answers_from_another_address_blames_no_firewall(bench):
    """A server with two addresses, or a container's: what comes is not from whom was asked."""
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other,
    ):
        asked.bind(("127.0.0.1", 0))
        other.bind(("127.0.0.2", 0))
        port = asked.getsockname()[1]
        process = bench.start(
            *("fetch", f"tftp://127.0.0.1:{port}/f", "--rom", "os-client", "--max-time", "2"),
            *("--bind", ADDRESS),
        )
        asked.settimeout(10)
        client = asked.recvfrom(600)[1]
        other.sendto(b"\0\3\0\1abc", client)
        run = bench.finish(process)
    told = _do(run)
    assert told.startswith("One packet came from an address that was not asked, ")
    assert "let the server answer from 127.0.0.1" in told
    assert "firewall" not in told


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_byte_that_is_no_text_is_asked_for_as_it_stands(bench, endpoint):
    """R-TFTP-3: what an old ROM asks for whose option 67 has no NUL."""
    with servers.folder({}) as folder, servers.pxebench(folder) as server:
        run = bench.fetch(
            server.url("a%FF"),
            "--json",
            "result.json",
            "--endpoint",
            endpoint,
            "--pcap",
            "boot.pcap",
        )
    assert run.returncode == 1, run.stderr
    result = json.loads((bench.folder / "result.json").read_text())
    assert {each["file"] for each in result["transfers"]} == {"a\\xff"}
    assert b"\0\1a\xff\0octet" in (bench.folder / "boot.pcap").read_bytes()
    assert "option 67 came without a NUL" in run.stderr
