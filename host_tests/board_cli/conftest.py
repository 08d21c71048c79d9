"""A desk with a board on it: the pseudo-terminal board, TFTP servers, and `pxebench` as a user
types it. The board and the servers have a network of their own, so that no ROM's port is taken.
"""

import contextlib
import json
import subprocess
import sys

import pytest

from host_tests import ptyboard
from host_tests.bench_cli.conftest import Bench
from host_tests.lab import namespaces, servers

SERVER = "10.99.0.1"
BOARD = "10.99.0.2"
SLOW = f"tftp://{SERVER}:1069/slow.bin"
IMAGE = bytes(range(256)) * 1200
PASSWORD = "secret word"
CONFIG = {
    "link": {"ssid": "bench", "password": PASSWORD},
    "server": SERVER,
    "file": "image.bin",
}


class Desk:
    """`url(name)` of a file that the server has; `slow` an address that answers slowly."""

    def __init__(self, namespace):
        self.namespace = namespace
        self.slow = SLOW

    def url(self, name):
        return f"tftp://{SERVER}/{name}"

    @contextlib.contextmanager
    def board(self, **settings):
        with ptyboard.plugged_in(self.namespace, address=BOARD, **settings) as board:
            yield board


@pytest.fixture(scope="session")
def desk():
    with contextlib.ExitStack() as stack:
        namespace = stack.enter_context(namespaces.lab()).namespace("desk")
        for address in (SERVER, BOARD):
            namespace.address("lo", f"{address}/24")
        files = {"image.bin": IMAGE, "small.bin": b"small", "slow.bin": bytes(999 * 512)}
        folder = stack.enter_context(servers.folder(files))
        stack.enter_context(servers.in_tftpd(folder, SERVER, 69, namespace))
        stack.enter_context(servers.faulty("drip", folder, SERVER, 1069, namespace))
        yield Desk(namespace)


@pytest.fixture
def board(desk):
    """A Pico W with nothing but MicroPython on it."""
    with desk.board() as plugged:
        yield plugged


@pytest.fixture(scope="module")
def filled(desk, tmp_path_factory):
    """A Pico W with pxerom and a config on it, for all tests of a module."""
    with desk.board() as plugged:
        bench = Bench(tmp_path_factory.mktemp("filled"))
        done = bench("board", "deploy", "--port", plugged.port, "--config", config(bench.folder))
        assert done.returncode == 0, done.stderr
        yield plugged


@pytest.fixture
def bench(tmp_path):
    return Bench(tmp_path)


def config(folder, **changes):
    """A config file: the desk's, with changes."""
    path = folder / "config.json"
    path.write_text(json.dumps({**CONFIG, **changes}))
    return path


def repl_works(port):
    """True when the board on `port` is at its REPL, and mpremote can use it."""
    done = mpremote(port, "resume", "exec", "print('at' + 'home')")
    return done.stdout.strip() == "athome"


def mpremote(port, *words, timeout_s=20):
    return subprocess.run(
        [sys.executable, "-m", "mpremote", "connect", port, *map(str, words)],
        capture_output=True,
        text=True,
        timeout=timeout_s,
        stdin=subprocess.DEVNULL,
    )


def complains(done, code, *words):
    """That a run of pxebench ended with this exit code and one sentence that has these words."""
    assert done.returncode == code, done.stdout + done.stderr
    lines = [line for line in done.stderr.splitlines() if line.startswith("pxebench: ")]
    assert len(lines) == 1, done.stderr
    assert lines[0].endswith(".")
    for word in words:
        assert word in lines[0], lines[0]
