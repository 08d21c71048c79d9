"""A real server at the end of a bad line, and a file with more blocks than a block number has.

The client is `standard`: its ports are random and high, so nothing else on this PC's loopback is
in its way. Other hazards, one at a time, are the core's tests' matter.
"""

import random
import subprocess
import sys
from pathlib import Path

import pytest

from host_tests.lab import relay, servers

pytestmark = pytest.mark.slow

ENDPOINTS = ("local", "micropython")
LONG_BLKSIZE = 8
LONG = random.Random(69).randbytes((0x10000 + 100) * LONG_BLKSIZE)
ROUGH = random.Random(70).randbytes(40 * 512)


@pytest.fixture(scope="module")
def folder():
    with servers.folder({"long": LONG, "rough": ROUGH}) as path:
        yield path


def _fetch(url, endpoint, out, *options):
    command = [Path(sys.executable).with_name("pxebench"), "fetch", url, "--out", out]
    command += ["--endpoint", endpoint, "--rom", "standard", "--max-time", "60", *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=90, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr.count("Traceback") == 0


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_transfer_goes_on_after_block_65535(folder, endpoint, tmp_path):
    with servers.in_tftpd(folder) as server:
        _fetch(server.url("long"), endpoint, tmp_path / "out", "--blksize", str(LONG_BLKSIZE))
    assert (tmp_path / "out").read_bytes() == LONG


@pytest.mark.parametrize("seed", (1, 2, 3))
@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_lost_doubled_and_overtaken_packets_leave_no_mark(folder, endpoint, seed, tmp_path):
    with (
        servers.in_tftpd(folder, words=["--retransmit", "100000"]) as server,
        relay.line(server.host, server.port, seed, loss=0.1, duplicate=0.1, reorder=0.1) as line,
    ):
        url = f"tftp://{line.host}:{line.port}/rough"
        options = ("--blksize", "512", "--timeout", "0.2", "--retries", "20")
        _fetch(url, endpoint, tmp_path / "out", *options)
        done = line.counts()
    assert done["lost"] and done["doubled"] and done["overtaken"], done
    assert (tmp_path / "out").read_bytes() == ROUGH
