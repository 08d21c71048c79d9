"""Servers that do odd things: each ends in the right file or in one clear code, never in between.

One oddity at a time, from the lab's scripted server, against the command line on each interpreter.
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

Odd = collections.namedtuple("Odd", "script expected server options", defaults=[{}, ()])
Odd.__doc__ = """script, server: what scripted.serve gets; expected: "ok" or the PXE code; options:
further words for `pxebench fetch`."""

IMPATIENT = ("--rom", "standard", "--timeout", "0.2", "--retries", "2")

ODDITIES = {
    "data-doubled": Odd({"data 3": [NORMAL, NORMAL]}, "ok"),
    "last-data-doubled": Odd({"data last": [NORMAL, NORMAL]}, "ok"),
    "data-from-the-future": Odd({"data 3": [data(5, EVIL), NORMAL]}, "ok"),
    "data-from-the-past": Odd({"data 3": [data(1, EVIL), NORMAL]}, "ok"),
    "data-zero": Odd({"data 3": [data(0, EVIL), NORMAL]}, "ok"),
    "short-data-from-the-past": Odd({"data 3": [data(2, b"end"), NORMAL]}, "ok"),
    "data-from-an-unknown-tid": Odd({"data 3": [unknown_tid(data(3, EVIL)), NORMAL]}, "ok"),
    "error-from-an-unknown-tid": Odd({"data 3": [unknown_tid(error(0, "gone")), NORMAL]}, "ok"),
    "unknown-tid-floods": Odd(
        {"data 2": [flood(data(2, EVIL), 1000), NORMAL]}, "ok", {"drip_s": 0.2}
    ),
    "late-oack": Odd({"data 3": [oack(blksize=8), NORMAL]}, "ok"),
    "truncated-packets": Odd({"data 3": [b"", b"\0", b"\0\3", b"\0\3\0", NORMAL]}, "ok"),
    "no-options-known": Odd({}, "ok", {"known": ()}),
    "first-answer-lost": Odd({"oack 1": []}, "ok"),
    "data-lost": Odd({"data 3": []}, "ok", {"retry_s": 0.1}),
    "dripping": Odd({}, "ok", {"drip_s": 0.1}),
    "oack-grants-more": Odd({"oack 2": [oack(blksize=4096)]}, "PXE-E3F"),
    "oack-grants-nothing-asked": Odd({"oack 2": [oack(blksize=1456, windowsize=4)]}, "PXE-E38"),
    "oack-is-garbage": Odd({"oack 2": [b"\0\6blksize\0" + b"9" * 400 + b"\0"]}, "PXE-E38"),
    "oack-has-no-end": Odd({"oack 2": [b"\0\6blksize\x001456"]}, "PXE-E38"),
    "data-too-long": Odd({"data 2": [data(2, bytes(1464))]}, "PXE-E3F"),
    "error-mid-way": Odd({"data 3": [error(0, "\x1b[2J\r\n\x07oops\x9b")]}, "PXE-E36"),
    "error-without-end": Odd({"data 3": [error(0, b"\xff" * 500, end=b"")]}, "PXE-E36"),
    "error-without-text": Odd({"data 3": [b"\0\5\0\2"]}, "PXE-E3C"),
    "size-is-too-small": Odd({}, "PXE-E39", {"tsize": 1}, ("--rom", "standard")),
    "size-is-too-great": Odd({}, "PXE-E39", {"tsize": 10**6}, ("--rom", "standard")),
    "size-is-absurd": Odd({}, "PXE-E38", {"tsize": 10**30}, ("--rom", "standard")),
    "size-is-beyond-the-limit": Odd({}, "PXE-E3A", {"tsize": 10**6}, ("--max-bytes", "64K")),
    "silent-from-the-start": Odd({"rrq 1": [DIE]}, "PXE-E32", {}, IMPATIENT),
    "silent-after-the-oack": Odd({"data 1": [DIE]}, "PXE-E35", {}, IMPATIENT),
    "silent-mid-way": Odd({"data 3": [DIE]}, "PXE-E35", {}, IMPATIENT),
    "gone-mid-way": Odd({"data 3": [CLOSE]}, "PXE-E35", {}, IMPATIENT),
}

# On loopback every ROM finds its ports free when it has an address to itself.
_ADDRESSES = (f"127.{os.getpid() % 200 + 20}.20.{host}" for host in itertools.count(1))


@pytest.mark.parametrize("endpoint", ("local", "micropython"))
@pytest.mark.parametrize("oddity", ODDITIES)
def test_odd_server_ends_in_the_file_or_in_one_clear_code(oddity, endpoint, tmp_path):
    script, expected, server_options, options = ODDITIES[oddity]
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
