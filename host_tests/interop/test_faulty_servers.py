"""Servers that do odd things: each ends in the right file or in one clear code, never in between.

One fault at a time, from the lab's scripted server, against the command line on each interpreter.
Which reaction is right for which ROM is the core's tests' matter; here it is what a user gets.
"""

import collections
import itertools
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from host_tests.core.packets import data, error, oack
from host_tests.lab import scripted
from host_tests.lab.scripted import CLOSE, DIE, NORMAL, flood, unknown_tid

pytestmark = pytest.mark.slow

CONTENT = random.Random(2073).randbytes(5 * 1456 + 7)
EVIL = b"\0" * 1456

Case = collections.namedtuple("Case", "script expected server options", defaults=[{}, ()])
Case.__doc__ = """script, server: for scripted.serve; expected: "ok" or the PXE code; options: for
`pxebench fetch`."""

SHORT_WAITS = ("--rom", "standard", "--timeout", "0.2", "--retries", "2")

FAULTS = {
    "data-doubled": Case({"data 3": [NORMAL, NORMAL]}, "ok"),
    "last-data-doubled": Case({"data last": [NORMAL, NORMAL]}, "ok"),
    "data-from-the-future": Case({"data 3": [data(5, EVIL), NORMAL]}, "ok"),
    "data-from-the-past": Case({"data 3": [data(1, EVIL), NORMAL]}, "ok"),
    "data-zero": Case({"data 3": [data(0, EVIL), NORMAL]}, "ok"),
    "short-data-from-the-past": Case({"data 3": [data(2, b"end"), NORMAL]}, "ok"),
    "data-from-an-unknown-tid": Case({"data 3": [unknown_tid(data(3, EVIL)), NORMAL]}, "ok"),
    "error-from-an-unknown-tid": Case({"data 3": [unknown_tid(error(0, "gone")), NORMAL]}, "ok"),
    "unknown-tid-floods": Case(
        {"data 2": [flood(data(2, EVIL), 1000), NORMAL]}, "ok", {"drip_s": 0.2}
    ),
    "late-oack": Case({"data 3": [oack(blksize=8), NORMAL]}, "ok"),
    "truncated-packets": Case({"data 3": [b"", b"\0", b"\0\3", b"\0\3\0", NORMAL]}, "ok"),
    "no-options-known": Case({}, "ok", {"known": ()}),
    "first-answer-lost": Case({"oack 1": []}, "ok"),
    "data-lost": Case({"data 3": []}, "ok", {"retry_s": 0.1}),
    "dripping": Case({}, "ok", {"drip_s": 0.1}),
    "oack-grants-more": Case({"oack 2": [oack(blksize=4096)]}, "PXE-E3F"),
    "oack-grants-nothing-asked": Case({"oack 2": [oack(blksize=1456, windowsize=4)]}, "PXE-E38"),
    "oack-is-garbage": Case({"oack 2": [b"\0\6blksize\0" + b"9" * 400 + b"\0"]}, "PXE-E38"),
    "oack-has-no-end": Case({"oack 2": [b"\0\6blksize\x001456"]}, "PXE-E38"),
    "data-too-long": Case({"data 2": [data(2, bytes(1464))]}, "PXE-E3F"),
    "error-mid-way": Case({"data 3": [error(0, "\x1b[2J\r\n\x07oops\x9b")]}, "PXE-E36"),
    "error-without-end": Case({"data 3": [error(0, b"\xff" * 500, end=b"")]}, "PXE-E36"),
    "error-without-text": Case({"data 3": [b"\0\5\0\2"]}, "PXE-E3C"),
    "size-is-too-small": Case({}, "PXE-E39", {"tsize": 1}, ("--rom", "standard")),
    "size-is-too-great": Case({}, "PXE-E39", {"tsize": 10**6}, ("--rom", "standard")),
    "size-is-absurd": Case({}, "PXE-E38", {"tsize": 10**30}, ("--rom", "standard")),
    "size-is-beyond-the-limit": Case({}, "PXE-E3A", {"tsize": 10**6}, ("--max-bytes", "64K")),
    "silent-from-the-start": Case({"rrq 1": [DIE]}, "PXE-E32", {}, SHORT_WAITS),
    "silent-after-the-oack": Case({"data 1": [DIE]}, "PXE-E35", {}, SHORT_WAITS),
    "silent-mid-way": Case({"data 3": [DIE]}, "PXE-E35", {}, SHORT_WAITS),
    "gone-mid-way": Case({"data 3": [CLOSE]}, "PXE-E35", {}, SHORT_WAITS),
}

# On loopback every ROM finds its ports free when it has an address to itself.
_ADDRESSES = (f"127.{os.getpid() % 200 + 20}.20.{host}" for host in itertools.count(1))


@pytest.mark.parametrize("endpoint", ("local", "micropython"))
@pytest.mark.parametrize("fault", FAULTS)
def test_faulty_server_ends_in_the_file_or_in_one_clear_code(fault, endpoint, tmp_path):
    script, expected, server_options, options = FAULTS[fault]
    out = tmp_path / "out"
    with scripted.serve({"file": CONTENT}, script, **server_options) as server:
        command = [Path(sys.executable).with_name("pxebench"), "fetch", server.url("file")]
        command += ["--out", out, "--endpoint", endpoint, "--bind", next(_ADDRESSES)]
        command += ["--max-time", "20", *options]
        done = subprocess.run(command, capture_output=True, timeout=30, check=False)
    said = done.stdout + done.stderr
    assert b"Traceback" not in said and b"bug in pxebench" not in said, said
    assert not {byte for byte in said if byte < 32} - set(b"\n"), said
    assert b"\x9b" not in said, said
    if expected == "ok":
        assert done.returncode == 0, said
        assert out.read_bytes() == CONTENT
        assert os.listdir(tmp_path) == ["out"]
    else:
        assert done.returncode == 1, said
        assert expected.encode() + b": " in done.stdout + done.stderr, said
        assert os.listdir(tmp_path) == []
