"""The interpreter as a child: whatever it does or fails to do, one clear end and no child left."""

import json
import os
import signal
import subprocess
import threading
import time

import pytest
from pxebench import places
from pxebench.endpoints import Listener
from pxebench.endpoints.micropython import _Child
from pxebench.endpoints.stream import Sequence

from host_tests.bench_cli.conftest import ADDRESS

_START = '{"event": "start", "schema": 1, "rom": "intel-undi", "runtime": "MicroPython 0.0"}'
_RESULT = (
    '{"event": "result", "schema": 1, "outcome": "ok", "status": null, "ended": null, '
    '"rom": "intel-undi", "transfers": [{"purpose": "data", "file": "x", "server": "127.0.0.1", '
    '"requests": [], "bytes": 3, "elapsed_ms": 1}], '
    '"image": {"kind": "unknown", "bytes": 3, "sha256": "00"}}'
)
_REQUEST = (
    '{"event": "request", "transfer": 0, "purpose": "size", "attempt": 1, "source_port": 2070, '
    '"at_ms": 0, "server": "127.0.0.1", "server_port": 9, "file": "x", "options": []}'
)


def _fetch(bench, interpreter, *words, **options):
    endpoint = ("--endpoint", "micropython", "--interpreter", interpreter)
    return bench.fetch("tftp://127.0.0.1:9/x", *endpoint, *words, **options)


def _record(text):
    return f"sys.stdout.write('\\x1e' + {text!r} + '\\n'); sys.stdout.flush()\n"


def _gone(pid_file):
    """True when the process whose id it wrote is no more."""
    pid = int(pid_file.read_text())
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def test_text_and_garbage_between_events_are_passed_over(bench, program):
    noise = 'sys.stdout.buffer.write(b\'v0\\xff\\x00\\r\\n\\x1e{"event": "cut\\x1e\')\n'
    interpreter = program(
        "import sys\n"
        + noise
        + "sys.stdout.write('\\x1e{not json}\\n\\x1e[1]\\n\\x1e\\n\\x1e{\"event\": 7}\\n')\n"
        + _record(_START)
        + "sys.stdout.write('some words of its own\\n')\n"
        + _record(_RESULT)
        + "sys.stdout.write('goodbye\\x1e{}')\n"
    )
    run = _fetch(bench, interpreter, "--json", "-")
    assert run.returncode == 0, run.stderr
    assert json.loads(run.stdout)["endpoint"]["runtime"] == "MicroPython 0.0"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", ["status 0"]),
        ("import sys; sys.exit(7)", ["status 7"]),
        ("import sys; sys.exit('MemoryError: no room\\n')", ["status 1", "MemoryError: no room"]),
        ("import os; os.abort()", ["SIGABRT"]),
        ("import os; os.close(1); os.close(0)\nimport time; time.sleep(60)", ["SIGKILL"]),
        ("import sys; sys.stderr.write('x' * 300000); sys.exit(3)", ["status 3"]),
        ("import sys; sys.stdin.close(); print('only words', flush=True)", ["only words"]),
        ("import sys\n" + _record(_START) + "sys.exit(1)", ["status 1"]),
    ],
)
def test_child_that_gives_no_result_is_one_sentence(bench, program, text, words):
    run = _fetch(bench, program(text))
    assert run.returncode == 3
    lines = run.stderr.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("pxebench: ")
    assert "gave no result" in lines[0]
    for word in words:
        assert word in lines[0]


def test_child_whose_streams_all_end_at_once_is_not_waited_for(program):
    child = _Child(Listener(lambda event: None), {})
    child.start(str(program("")))
    time.sleep(0.5)  # by now the ends of all three pipes are there in one turn
    listening = threading.Thread(target=child.listen, daemon=True)
    listening.start()
    listening.join(5)
    assert not listening.is_alive()
    child.close()
    assert child.process.returncode == 0


def test_file_that_is_no_program_is_one_sentence(bench):
    path = bench.folder / "interpreter"
    path.write_bytes(b"\x7fELF nonsense")
    path.chmod(0o755)
    run = _fetch(bench, path)
    assert run.returncode == 3
    assert len(run.stderr.splitlines()) == 1


def test_refusal_of_the_firmware_keeps_its_exit_code(bench, program):
    refusal = '{"event": "refused", "exit": 2, "message": "No \\u001b such thing"}'
    run = _fetch(bench, program("import sys\n" + _record(refusal)))
    assert run.returncode == 2
    assert run.stderr == "pxebench: No \\x1b such thing.\n"


@pytest.mark.parametrize(
    "record",
    [
        '{"event": "request"}',
        '{"event": "progress", "transfer": 0}',
        '{"event": "result", "schema": 2, "outcome": "ok", "transfers": []}',
        '{"event": "result", "schema": 1}',
        '{"event": "packet"}',
        '{"event": "failed", "status": null}',
    ],
)
def test_events_of_another_version_are_one_sentence(bench, program, record):
    interpreter = program("import sys\n" + _record(record) + "import time; time.sleep(30)\n")
    run = _fetch(bench, interpreter, "--pcap", "x.pcap")
    assert run.returncode == 3
    assert len(run.stderr.splitlines()) == 1
    assert "another version of pxerom" in run.stderr


def test_failure_without_a_status_is_still_told(bench, program):
    record = '{"event": "result", "schema": 1, "outcome": "failed", "status": null}'
    run = _fetch(bench, program("import sys\n" + _record(_START) + _record(record)))
    assert run.returncode == 1
    assert "does not say why" in run.stderr


_STUCK = (
    "import os, signal, sys, time\n"
    "signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
    "open('pid', 'w').write(str(os.getpid()))\n"
    + _record(_START)
    + _record(_REQUEST)
    + "while True: time.sleep(1)\n"
)


def test_child_that_outlives_max_time_is_ended_with_a_result(bench, program):
    began = time.monotonic()
    run = _fetch(bench, program(_STUCK), "--max-time", "0.5", "--json", "-")
    assert time.monotonic() - began < 6
    assert run.returncode == 1
    result = json.loads(run.stdout)
    assert result["ended"]["by"] == "bench"
    assert result["rom"] == "intel-undi"
    assert result["transfers"][0]["requests"][0]["source_port"] == 2070
    assert "--max-time" in run.stderr
    assert _gone(bench.folder / "pid")


def test_child_deaf_to_ctrl_c_is_killed_with_a_result(bench, program):
    interpreter = program(_STUCK)
    run, took_s = bench.interrupted(
        "tftp://127.0.0.1:9/x", "--endpoint", "micropython", "--interpreter", interpreter,
        "--json", "result.json", after_s=1,
    )  # fmt: skip
    assert run.returncode == 130
    assert took_s < 5
    result = json.loads((bench.folder / "result.json").read_text())
    assert result["ended"]["by"] == "user"
    assert result["transfers"][0]["requests"][0]["source_port"] == 2070
    assert _gone(bench.folder / "pid")


def test_second_ctrl_c_does_not_wait(bench, program):
    interpreter = program(_STUCK)
    process = bench.start(
        "fetch", "tftp://127.0.0.1:9/x", "--bind", ADDRESS, "--endpoint", "micropython",
        "--interpreter", interpreter,
    )  # fmt: skip
    time.sleep(1)
    sent = time.monotonic()
    process.send_signal(signal.SIGINT)
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    assert bench.finish(process).returncode == 130
    assert time.monotonic() - sent < 1.5
    assert _gone(bench.folder / "pid")


def test_child_that_stays_after_its_result_is_ended(bench, program):
    interpreter = program(
        "import os, sys, time\nopen('pid', 'w').write(str(os.getpid()))\n"
        + _record(_START)
        + _record(_RESULT)
        + "time.sleep(60)\n"
    )
    run = _fetch(bench, interpreter)
    assert run.returncode == 0
    assert _gone(bench.folder / "pid")


def test_wrapper_that_stays_between_passes_the_interrupt_on(bench, script, micropython):
    """The binary may be a shell script of the user's, and not one that says exec."""
    silent = script()
    wrapper = bench.folder / "wrapper"
    wrapper.write_text(f'#!/bin/sh\n"{micropython}" "$@"\nexit $?\n')
    wrapper.chmod(0o755)
    run, took_s = bench.interrupted(
        silent.url, "--endpoint", "micropython", "--interpreter", wrapper, "--json", "-",
        after_s=0.5, server=silent,
    )  # fmt: skip
    assert run.returncode == 130, run.stderr
    assert took_s < 1.5
    assert "2071" in json.loads(run.stdout)["ended"]["next"], run.stderr


@pytest.mark.parametrize("version", ["1.25", "1.26"])
def test_versions_that_are_provisioned_boot(bench, served, micropython, version):
    run = bench.fetch(
        served.url("exact.bin"), "--endpoint", "micropython", "--interpreter",
        f"{micropython}-{version}", "--json", "-",
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    assert json.loads(run.stdout)["endpoint"]["runtime"].startswith(f"MicroPython {version}")


# ---- the stream on its own

_STREAM = (
    b'boot\r\n\x1e{"event": "a"}\ntext\x1e{"event": "b", "n": [1, 2]}\n\x1e{"event": "c"}\n> '
)


def test_stream_may_be_cut_anywhere():
    for cut in range(len(_STREAM)):
        sequence = Sequence()
        events = sequence.feed(_STREAM[:cut]) + sequence.feed(_STREAM[cut:])
        assert [event["event"] for event in events] == ["a", "b", "c"]
        assert sequence.text == b"boot\r\ntext> "
    sequence = Sequence()
    events = [event for byte in _STREAM for event in sequence.feed(bytes([byte]))]
    assert len(events) == 3


def test_cut_record_is_never_joined_with_the_next():
    sequence = Sequence()
    assert sequence.feed(b'\x1e{"event": "a", "x": "\x1e{"event": "b"}\n') == [{"event": "b"}]
    assert sequence.garbled == 1


def test_endless_record_and_endless_text_do_not_grow():
    sequence = Sequence()
    for _ in range(40):
        assert sequence.feed(b"\x1e" + b"x" * 65536) == []
    assert sequence.feed(b"y" * (3 << 20)) == []
    assert sequence.record is None
    sequence.feed(b"z" * (3 << 20))
    assert len(sequence.text) <= 2000
    assert sequence.feed(b'\x1e{"event": "a"}\n') == [{"event": "a"}]


def test_deep_and_odd_json_is_garbage():
    sequence = Sequence()
    for record in (b"[" * 100000, b'"event"', b'{"event": null}', b"\xff\xfe", b"NaN", b""):
        assert sequence.feed(b"\x1e" + record + b"\n") == []
    assert sequence.garbled == 6


def test_disk_of_a_pc_keeps_no_reserve_for_littlefs(bench, micropython):
    """`statvfs` says what is free on a disk; only a board's flash needs blocks beside it."""
    program = (
        "import os; from pxerom import runtime; free = runtime.free_bytes('./x'); "
        "s = os.statvfs('.'); print(s[1] * s[4] == free)"
    )
    environment = dict(os.environ, MICROPYPATH=str(places.pxerom().parent))
    for _ in range(5):  # another test may write between the two looks
        done = subprocess.run(
            [micropython, "-c", program], cwd=bench.folder, env=environment, capture_output=True,
            text=True, check=True,
        )  # fmt: skip
        if done.stdout == "True\n":
            return
    raise AssertionError(done.stdout)
