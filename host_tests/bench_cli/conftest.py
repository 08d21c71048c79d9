"""The CLI as a user meets it: a process with its exit code, its stdout and its stderr.

What is missing here is an error, never a skip: `make setup` brings all of it.
"""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

import pytest

from host_tests.lab import programs, servers

# ROMs have fixed source ports: an address of its own keeps a test run out of another's way.
ADDRESS = f"127.{64 + os.getpid() % 128}.{os.getpid() // 128 % 250 + 1}.1"
_BUSY_S = 20
_KIBIBYTE = bytes(range(256)) * 4
FILES = {
    "small.bin": _KIBIBYTE * 10,
    "exact.bin": _KIBIBYTE * 91,  # 64 blocks of 1456 bytes
    "empty.bin": b"",
    "a b.bin": b"a space",
    "script.ipxe": b"#!ipxe\nshell\n",
}


class Bench:
    """Runs `pxebench`; every run fails the test that shows a traceback."""

    def __init__(self, folder):
        self.folder = folder
        self.holds_port = False  # set by a test that takes a ROM's port away

    def start(self, *words, **options):
        environment = {**os.environ, "PYTHONFAULTHANDLER": "1", **options.pop("env", {})}
        return subprocess.Popen(
            [sys.executable, "-m", "pxebench", *map(str, words)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=self.folder,
            env=environment,
            start_new_session=True,
            **options,
        )

    def finish(self, process, timeout_s=20):
        try:
            out, err = process.communicate(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGABRT)  # faulthandler says where it hangs
            out, err = process.communicate()
            pytest.fail(f"pxebench did not end within {timeout_s} s:\n{out}\n{err}")
        assert "Traceback" not in out + err, err
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def __call__(self, *words, timeout_s=20, **options):
        return self.finish(self.start(*words, **options), timeout_s)

    def fetch(self, *words, **options):
        """`pxebench fetch` from this run's own address."""
        return self.when_free(lambda: self("fetch", *words, "--bind", ADDRESS, **options))

    def interrupted(self, *words, after_s, number=signal.SIGINT, server=None):
        """A fetch that gets a signal after a while, counted from its first request to `server`, a
        Script, where there is one; (its result, how long it took to end)."""
        sent = 0

        def run():
            nonlocal sent
            before = len(server.seen) if server else 0
            process = self.start("fetch", *words, "--bind", ADDRESS)
            while server and len(server.seen) == before and process.poll() is None:
                time.sleep(0.01)
            time.sleep(after_s)
            sent = time.monotonic()
            process.send_signal(number)
            return self.finish(process)

        return self.when_free(run), time.monotonic() - sent

    def when_free(self, run):
        """`run()`, and again for a while when a ROM's port was taken; its last result."""
        # Somebody else's ROM may hold a port of every address, ours too, for a moment.
        deadline = time.monotonic() + _BUSY_S
        while True:
            done = run()
            ours = self.holds_port or done.returncode != 3 or "is in use by" not in done.stderr
            if ours or time.monotonic() > deadline:
                return done
            time.sleep(0.2)


@pytest.fixture
def bench(tmp_path):
    return Bench(tmp_path)


@pytest.fixture(scope="session")
def served():
    """in.tftpd with FILES: `served.url(name)`."""
    # Not under pytest's own folders: the server's user may not enter those.
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        for name, content in FILES.items():
            path = os.path.join(folder, name)
            with open(path, "wb") as file:
                file.write(content)
            os.chmod(path, 0o644)
        with servers.in_tftpd(folder) as server:
            yield server


@pytest.fixture(scope="session")
def micropython():
    """Path of the provisioned MicroPython."""
    return programs.find("micropython")


@pytest.fixture(scope="session")
def tshark():
    return programs.find("tshark")


class Script:
    """A UDP server on loopback that does what a test's function says with each datagram."""

    def __init__(self, answer):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.url = f"tftp://127.0.0.1:{self.socket.getsockname()[1]}/file"
        self.seen = []
        self._answer = answer
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self):
        while True:
            try:
                datagram, peer = self.socket.recvfrom(65536)
            except OSError:
                return
            if not datagram:
                return
            self.seen.append((datagram, peer))
            for reply in self._answer(datagram) or ():
                self.socket.sendto(reply, peer)

    def close(self):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as waker:
            waker.sendto(b"", self.socket.getsockname())
        self._thread.join(5)
        self.socket.close()


@pytest.fixture
def script():
    """`script(answer)`: a server that replies with `answer(datagram)`, a list of datagrams."""
    made = []

    def make(answer=lambda datagram: ()):
        made.append(Script(answer))
        return made[-1]

    yield make
    for server in made:
        server.close()


@pytest.fixture
def program(tmp_path):
    """`program(text)`: a Python program that can stand in for an interpreter."""

    def make(text):
        path = tmp_path / "interpreter"
        # Not as `#!` itself: the folder of the clone may have a space in its name.
        path.write_text(f'#!/bin/sh\n"exec" "{sys.executable}" "$0" "$@"\n{text}')
        path.chmod(0o755)
        return path

    return make
