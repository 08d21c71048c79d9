"""`--out` when something else is at work there: another run, a link, a child that was killed."""

import hashlib
import json
import os
import signal
import time

import pytest

from host_tests.bench_cli.conftest import ADDRESS

_BLOCKS = 60
# Takes its job, begins its file, and hears nothing any more.
_STUCK = """\
import json, signal, sys, time
signal.signal(signal.SIGINT, signal.SIG_IGN)
path = json.loads(sys.stdin.readline())["sink"]["path"]
open(path + ".part", "wb").write(b"begun")
time.sleep(60)
"""


@pytest.fixture
def slow(script):
    """A server of 60 blocks and a bit, 30 ms for each."""

    def answer(datagram):
        if datagram[1] == 5:
            return []
        block = int.from_bytes(datagram[2:4], "big") + 1 if datagram[1] == 4 else 1
        if block > _BLOCKS + 1:
            return []
        time.sleep(0.03)
        return [b"\0\3" + block.to_bytes(2, "big") + b"A" * (512 if block <= _BLOCKS else 5)]

    return script(answer)


def _until(what, timeout_s=10):
    end = time.monotonic() + timeout_s
    while not what():
        assert time.monotonic() < end
        time.sleep(0.02)


def _size(path):
    return path.stat().st_size if path.exists() else -1


@pytest.mark.parametrize("endpoint", ["local", "micropython"])
def test_two_runs_never_write_one_file(bench, slow, script, endpoint):
    """The second would mix its bytes into the file that the first calls whole."""
    words = ("--rom", "os-client", "--bind", ADDRESS, "--out", "image")
    first = bench.start("fetch", slow.url, *words, "--endpoint", endpoint, "--json", "-")
    _until(lambda: len(slow.seen) > 3)
    other = script(lambda datagram: [b"\0\3\0\1" + b"B" * 5])
    second = bench("fetch", other.url, *words)
    assert second.returncode == 3
    assert second.stderr == (
        "pxebench: Cannot write image: another run is writing it; wait for that one, or name "
        "another file.\n"
    )
    assert other.seen == []
    done = bench.finish(first)
    assert done.returncode == 0
    stored = (bench.folder / "image").read_bytes()
    assert stored == b"A" * (512 * _BLOCKS + 5)
    assert json.loads(done.stdout)["image"]["sha256"] == hashlib.sha256(stored).hexdigest()
    assert os.listdir(bench.folder) == ["image"]
    assert bench("fetch", other.url, *words).returncode == 0  # now it may
    assert (bench.folder / "image").read_bytes() == b"B" * 5


@pytest.mark.parametrize(("first", "second"), [("image", "image.part"), ("image.part", "image")])
def test_file_that_is_the_part_of_another_run_is_not_written(bench, slow, script, first, second):
    """The one that ends first would give its bytes the name that the other then takes away."""
    words = ("--rom", "os-client", "--bind", ADDRESS)
    running = bench.start("fetch", slow.url, *words, "--out", first)
    _until(lambda: len(slow.seen) > 3)
    other = script(lambda datagram: [b"\0\3\0\1" + b"B" * 5])
    run = bench("fetch", other.url, *words, "--out", second)
    assert run.returncode == 3
    assert run.stderr == (
        f"pxebench: Cannot write {second}: another run is writing it; wait for that one, or name "
        f"another file.\n"
    )
    assert other.seen == []
    assert bench.finish(running).returncode == 0
    assert os.listdir(bench.folder) == [first]
    assert (bench.folder / first).read_bytes() == b"A" * (512 * _BLOCKS + 5)


@pytest.mark.parametrize("endpoint", ["local", "micropython"])
def test_dash_is_standard_output(bench, script, endpoint):
    server = script(lambda datagram: [b"\0\3\0\1new"])
    words = ("--rom", "os-client", "--endpoint", endpoint)
    run = bench.fetch(server.url, *words, "--out", "-", "--json", "result.json")
    assert run.returncode == 0
    assert run.stdout == "new"
    assert os.listdir(bench.folder) == ["result.json"]
    both = bench.fetch(server.url, *words, "--out", "-", "--json", "-")
    assert (both.returncode, both.stdout) == (2, "")
    assert both.stderr == "pxebench: --out and --json both name -.\n"
    assert bench.fetch(server.url, *words, "--pcap", "-").returncode == 2
    silent = script(lambda datagram: [b"\0\5\0\1gone\0"])
    failed = bench.fetch(silent.url, *words, "-o", "-")
    assert (failed.returncode, failed.stdout) == (1, "")
    assert os.listdir(bench.folder) == ["result.json"]


@pytest.mark.parametrize("endpoint", ["local", "micropython"])
def test_link_in_the_place_of_the_part_is_not_written_through(bench, script, endpoint):
    server = script(lambda datagram: [b"\0\3\0\1new"])
    (bench.folder / "victim").write_text("mine")
    (bench.folder / "image.part").symlink_to("victim")
    words = ("--rom", "os-client", "--endpoint", endpoint, "--out", "image")
    assert bench.fetch(server.url, *words).returncode == 0
    assert (bench.folder / "victim").read_text() == "mine"
    assert (bench.folder / "image").read_bytes() == b"new"
    assert not (bench.folder / "image").is_symlink()


def test_what_a_killed_run_left_behind_is_no_hindrance(bench, script):
    server = script(lambda datagram: [b"\0\3\0\1new"])
    (bench.folder / "image.part").write_bytes(b"of an earlier run, and longer")
    assert bench.fetch(server.url, "--rom", "os-client", "--out", "image").returncode == 0
    assert (bench.folder / "image").read_bytes() == b"new"
    assert os.listdir(bench.folder) == ["image"]


def test_folder_in_the_place_of_the_part_is_named(bench, script):
    (bench.folder / "image.part").mkdir()
    run = bench.fetch(script().url, "--out", "image")
    assert run.returncode == 3
    assert run.stderr == "pxebench: Cannot write image: image.part is a folder.\n"


def test_child_that_had_to_be_killed_leaves_no_part(bench, program):
    (bench.folder / "image").write_bytes(b"old")
    process = bench.start(
        *("fetch", "tftp://127.0.0.1:9/x", "--bind", ADDRESS, "--out", "image"),
        *("--endpoint", "micropython", "--interpreter", program(_STUCK)),
    )
    _until(lambda: _size(bench.folder / "image.part") == 5)
    for _ in range(2):
        process.send_signal(signal.SIGINT)
        time.sleep(0.3)
    assert bench.finish(process).returncode == 130
    assert (bench.folder / "image").read_bytes() == b"old"
    assert not (bench.folder / "image.part").exists()
