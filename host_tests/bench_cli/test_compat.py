"""`pxebench compat`: which ROMs a server boots, and the reason beside each that it does not.

Real servers for the table, made-up results for what no server here does.
"""

import contextlib
import json
import re
import signal
import socket
import time

import pytest
from pxebench import job
from pxebench.compat import matrix

from host_tests.bench_cli.conftest import ADDRESS
from host_tests.core import packets
from host_tests.lab import scripted, servers

_ROMS = ("edk2", "intel-undi", "ipxe", "os-client", "standard", "u-boot")


def _compat(bench, server, *words, roms=_ROMS, **options):
    named = [word for rom in roms for word in ("--rom", rom)]
    target = ("--server", f"{server.host}:{server.port}", "--bind", ADDRESS)
    return bench.when_free(lambda: bench("compat", *target, *named, *words, **options))


def _rows(run):
    return {(row["rom"], row["form"]): row for row in json.loads(run.stdout)["rows"]}


def test_good_server_boots_every_rom_in_its_worst_form(bench, served):
    run = _compat(bench, served, "--file", "exact.bin", "--json", "-")
    assert run.returncode == 0, run.stderr
    found = json.loads(run.stdout)
    assert found["boots"] == list(_ROMS) and not found["fails"]
    rows = _rows(run)
    assert {row["bytes"] for row in rows.values()} == {91 * 1024}
    assert rows["ipxe", "hard"]["form_text"] == "a port of 1025-32767"
    assert max(rows["ipxe", "hard"]["ports"]) <= 32767
    assert ["windowsize", "16"] in rows["standard", "hard"]["asked"][0]
    assert rows["edk2", "hard"]["why"] == "the server leaves out windowsize."
    assert rows["intel-undi", "hard"]["blksize"] == 1456
    assert found["server_facts"] == [
        "It answers from a new port each time: a stateful firewall needs a TFTP helper.",
        "It grants blksize, timeout, tsize.",
        "It never grants windowsize.",
    ]


def test_server_without_options_fails_the_rom_that_needs_an_oack(bench):
    files = {"f": bytes(1024)}
    with (
        servers.folder(files) as folder,
        servers.in_tftpd(folder, refuse=servers.IN_TFTPD_OPTIONS) as server,
    ):
        run = _compat(bench, server, "--file", "f", "--html", "page.html")
    assert run.returncode == 1, run.stderr
    # Into a pipe: a row is a line, for grep and awk.
    lines = {line.split("  ")[0]: line for line in run.stdout.splitlines()}
    assert re.search(r"^edk2  +no  .*  PXE-E99  The server sends DATA without", lines["edk2"])
    assert re.search(r"^ipxe  +yes  .*  +512  ", lines["ipxe"])
    assert "It sends no OACK: every ROM gets blocks of 512, or nothing." in run.stdout
    page = (bench.folder / "page.html").read_text()
    assert (
        "5 of 6 ROMs boot." in page
        and "The server sends DATA without an OACK".lower() in page.lower()
    )
    assert not re.search(r"src=|<script|@import|url\(", page)


def test_silent_server_costs_each_rom_its_time_and_no_more(bench):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        server = servers.Server("silent", *silent.getsockname(), None)
        began = time.monotonic()
        words = ("--file", "f", "--max-time", "0.6", "--json", "-")
        run = _compat(bench, server, *words, roms=("ipxe", "edk2", "standard"))
    assert run.returncode == 1
    assert time.monotonic() - began < 6
    rows = _rows(run)
    assert list(rows) == [("ipxe", "hard"), ("edk2", "hard"), ("standard", "hard")]
    why = rows["edk2", "hard"]["why"]
    assert re.match(
        r"no answer reaches UDP port \d+ \(1 request\); stopped after 1 s\. It wou", why
    )
    assert "send request 2" in why.replace("sent", "send")
    assert json.loads(run.stdout)["server_facts"] == ["It answered nobody."]


def test_hostile_text_stays_text_on_the_page_and_on_the_terminal(bench):
    text = "<script>alert(1)</script>\x1b[2J[red]"
    name = "<b>&x"
    with scripted.serve({name: b"x"}, {"rrq 1": [packets.error(8, text)]}) as server:
        words = ("--file", name, "--html", "page.html", "--json", "r.json")
        run = _compat(bench, server, *words, roms=("edk2",))
    assert run.returncode == 1, run.stderr
    assert "\x1b" not in run.stdout and "[red]" in run.stdout
    page = (bench.folder / "page.html").read_text()
    assert "<script>" not in page and "&lt;script&gt;" in page
    assert "<b>" not in page and "&lt;b&gt;&amp;x" in page
    why = json.loads((bench.folder / "r.json").read_text())["rows"][0]["why"]
    assert why.startswith(
        "the server answers ERROR 8, <script>alert(1)</script>.[2J[red], to tsize 0"
    )


def test_server_that_answers_from_its_own_port_is_told_apart():
    made = matrix._row({"id": "x", "name": "x"}, "hard", "")
    made.update(server_ports=[69], granted=["blksize"], asked=[[["blksize", "8"]]])
    assert "It answers from one port, 69" in matrix.server_facts([made], 69)[0]


def test_missing_file_is_the_servers_word_for_every_rom(bench, served):
    run = _compat(bench, served, "--file", "no-such", "--json", "-", roms=("edk2", "os-client"))
    assert run.returncode == 1
    rows = _rows(run)
    assert {row["why"] for row in rows.values()} == {"the server answers ERROR 1, File not found."}
    assert {row["code"] for row in rows.values()} == {"PXE-E3B", "PXE-E23"}


def test_failure_that_rests_on_an_assumption_says_so(bench):
    oack = packets.oack(tsize=1, blksize=512)
    with scripted.serve({"f": b"x"}, {"oack 1": [oack]}) as server:
        run = _compat(bench, server, "--file", "f", "--json", "-", roms=("intel-undi",))
    row = _rows(run)["intel-undi", "hard"]
    assert (row["verdict"], row["assumed"]) == ("fails", "unrequested_option")
    assert row["why"].endswith(
        "asked was nothing. That this ROM fails for it is assumed, not known."
    )
    assert row["granted"] == ["blksize", "tsize"]


# ---- with results that are made up


def _result(outcome="ok", sha256="a" * 64, server="127.0.0.1", **changes):
    transfer = {
        "requests": [{"source_port": 1, "at_ms": 0, "options": [["blksize", "1432"]]}],
        "server": server,
        "outcome": "ok" if outcome == "ok" else "timeout",
        "oack": {"blksize": "1432"},
        **dict.fromkeys(("blocks", "bytes", "retransmits", "unreachable", "elapsed_ms"), 1),
        "blksize": 1432,
        "windowsize": 1,
        "error": None,
    }
    image = {"kind": "unknown", "bytes": 9, "sha256": sha256} if outcome == "ok" else None
    status = None if image else {"code": "PXE-E32", "detail": "nothing"}
    made = {"outcome": outcome, "image": image, "status": status, "ended": None}
    return {**made, "transfers": [transfer], **changes}


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch):
    monkeypatch.setattr(matrix, "_PAUSE_S", 0)


def _run(roms, answer):
    """compat.run with `answer(job) -> result` in the place of an endpoint."""

    def run_job(wanted, on_event):
        if answer.__name__ != "_silent":
            packet = {"event": "packet", "dir": "in", "data": "0006", "port": 69}
            on_event({**packet, "host": "127.0.0.1"})
        return answer(wanted)

    loaded = [job.load_rom(rom) for rom in roms]
    return matrix.run(loaded, run_job, "127.0.0.1", 69, "f", {}, lambda *_: None)


def test_rom_that_boots_from_its_high_ports_alone_has_not_booted():
    def answer(wanted):
        low = wanted["rom"]["udp"]["source_port"]["first"] < 32768
        return _result("failed" if low else "ok")

    rows, _ = _run(["ipxe", "os-client", "edk2"], answer)
    made = [(row["rom"], row["form"], row["verdict"]) for row in rows]
    assert made == [
        ("ipxe", "hard", "fails"),
        ("ipxe", "mild", "boots"),
        ("os-client", "hard", "boots"),
        ("edk2", "hard", "fails"),
        ("edk2", "mild", "fails"),
    ]
    found = matrix.document(rows, "127.0.0.1", 69, "f", "local")
    assert (found["boots"], found["fails"]) == (["os-client"], ["ipxe", "edk2"])
    assert found["server_facts"][-1] == (
        "ipxe boots with a port of 32768-65535, and not with a port of 1025-32767."
    )
    assert matrix.exit_code(rows) == 1


def test_server_that_chokes_on_windowsize_is_known_by_edk2_without_it():
    def answer(wanted):
        options = [pair[0] for pair in wanted["rom"]["tftp"]["requests"][-1]["options"]]
        return _result("failed" if "windowsize" in options else "ok")

    rows, _ = _run(["edk2", "os-client"], answer)
    assert [(row["rom"], row["form"], row["verdict"]) for row in rows] == [
        ("edk2", "hard", "fails"),
        ("edk2", "mild", "boots"),
        ("os-client", "hard", "boots"),
    ]
    assert matrix.server_facts(rows, 69)[-1] == (
        "edk2 boots with no windowsize, and not with windowsize."
    )


def test_rom_that_gets_other_bytes_than_the_rest_has_not_booted():
    def answer(wanted):
        return _result(sha256="b" * 64 if wanted["rom"]["id"] == "ipxe" else "a" * 64)

    rows, _ = _run(["ipxe", "os-client", "edk2"], answer)
    assert [row["verdict"] for row in rows] == ["fails", "boots", "boots"]
    assert rows[0]["why"].startswith("It ends without an error, but its 9 bytes are not those")


def test_rom_that_meets_the_leftovers_of_another_is_run_once_more(monkeypatch):
    pauses = []
    monkeypatch.setattr(matrix, "_PAUSE_S", 7)
    monkeypatch.setattr(matrix.time, "sleep", pauses.append)
    asked = []

    def answer(wanted):
        asked.append(wanted["rom"]["id"])
        return _result("ok" if asked.count("intel-undi-plain") == 2 else "failed")

    rows, _ = _run(["intel-undi", "intel-undi-plain"], answer)
    assert asked == ["intel-undi", "intel-undi-plain", "intel-undi-plain"]
    assert [row["verdict"] for row in rows] == ["fails", "boots"]
    assert pauses == [7]


def test_answers_from_another_address_are_named():
    rows, _ = _run(["os-client"], lambda wanted: _result("failed", server="192.0.2.1"))
    assert rows[0]["why"] == "answers come from 127.0.0.1, which was not asked."


def test_rom_that_cannot_be_run_is_neither_good_nor_bad():
    def answer(wanted):
        raise job.Refused("UDP port 2070 is in use.", 3)

    rows, _ = _run(["intel-undi"], answer)
    assert (rows[0]["verdict"], rows[0]["why"]) == ("not run", "UDP port 2070 is in use.")
    assert matrix.exit_code(rows) == 3


def test_interrupted_table_keeps_what_is_known():
    done = []

    def answer(wanted):
        done.append(wanted)
        ended = {"by": "user", "after_ms": 5, "next": None}
        return _result() if len(done) == 1 else _result("failed", ended=ended)

    rows, interrupted = _run(["os-client", "edk2", "ipxe"], answer)
    assert (len(rows), len(done), interrupted) == (1, 2, True)


def test_ctrl_c_shows_the_table_so_far(bench):
    with contextlib.ExitStack() as stack:
        silent = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        silent.bind(("127.0.0.1", 0))
        port = silent.getsockname()[1]
        words = ("compat", "--server", f"127.0.0.1:{port}", "--file", "f", "--bind", ADDRESS)
        process = bench.start(*words, "--rom", "u-boot", "--json", "r.json")
        silent.settimeout(10)
        silent.recv(600)
        process.send_signal(signal.SIGINT)
        run = bench.finish(process)
    assert run.returncode == 130
    assert json.loads((bench.folder / "r.json").read_text())["rows"] == []


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (["--file", "f"], 2, "Missing option --server"),
        (["--server", "127.0.0.1"], 2, "Missing option --file"),
        (["--server", "127.0.0.1", "--file", ""], 2, "--file names no file."),
        (["--server", "127.0.0.1:x", "--file", "f"], 2, "is not a port"),
        (["--server", "127.0.0.1", "--file", "f", "--rom", "amiga"], 2, "no ROM called amiga"),
        (["--server", "127.0.0.1", "--file", "f", "--max-time", "0"], 2, "--max-time"),
        (["--server", "127.0.0.1", "--file", "f", "--html", "/no/x"], 3, "there is no folder"),
    ],
)
def test_wrong_usage_is_one_sentence(bench, words, code, sentence):
    run = bench("compat", *words)
    assert run.returncode == code
    assert sentence in run.stderr and run.stderr.count("\n") == 1, run.stderr
