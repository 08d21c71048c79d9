"""An emulated W5500-EVB-Pico on a desk: its USB port, its network cable, and a server at the end.

    with rig.desk() as desk:                      # a namespace with the cable's other end, eth0
        with desk.plugged_in(flash) as board:     # power on; board.port is its serial port
            board.mpremote("exec", "print(1)")

A command that comes to no end fails, with what the emulator says of itself; nothing is tried
again.
"""

import contextlib
import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import serial

from host_tests.lab import namespaces, processes, servers
from host_tests.lab.screen import Screen

ROOT = Path(__file__).resolve().parents[2]
SERVER = "10.77.0.1"
STATIC = {"ip": "10.77.0.2", "mask": "255.255.255.0", "gateway": SERVER}
FILE = "undionly.kpxe"
IMAGE = ROOT / ".tools/ipxe" / FILE


def config(**changes):
    """A config.json that boots FILE from SERVER with an address of its own."""
    return {
        "board": "w5500_evb_pico",
        "link": {"address": STATIC},
        "rom": "intel-undi",
        "server": SERVER,
        "file": FILE,
        **changes,
    }


class Board:
    """A board that is switched on."""

    def __init__(self, process, port):
        self._process = process
        self.port = port

    def run(self, *argv, timeout_s=240):
        """Run a program of ours; its CompletedProcess, whatever it came to."""
        argv = [str(word) for word in argv]
        try:
            return subprocess.run(argv, capture_output=True, text=True, timeout=timeout_s)
        except subprocess.TimeoutExpired as slow:
            os.kill(self._process.pid, signal.SIGUSR2)
            time.sleep(1)
            raise AssertionError(
                f"`{' '.join(argv)}` came to no end within {timeout_s} s: "
                f"{slow.stdout!r} {slow.stderr!r} {self._process.output()}"
            )

    def pxebench(self, *words, code=0):
        """What a pxebench command prints on both its outputs; its exit code must be `code`."""
        done = self.run(sys.executable, "-m", "pxebench", *words)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    def mpremote(self, *words):
        """What mpremote prints; it must succeed."""
        done = self.run(sys.executable, "-m", "mpremote", "connect", self.port, *words)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def exec(self, code):
        return self.mpremote("exec", code)

    def state(self):
        """What the emulator says of itself: a dict (boards/emulated/rp2040/run.js)."""
        before = len(self._process.output())

        def said():
            return self._process.output()[before:].rpartition("}\n")[0]

        def told():
            os.kill(self._process.pid, signal.SIGUSR2)  # again: one that only starts is deaf to it
            time.sleep(0.1)
            return said()

        processes.wait_until(told, "its state", process=self._process)
        return json.loads(said().rpartition("}\n")[2] + "}")

    def reset(self):
        """`mpremote reset`, to its end. It only starts a wait of 100 ms on the board, before the
        reset: the next command's Ctrl-C would end that wait, and there would be no reset."""
        before = self.state()["resets"]
        self.mpremote("reset")
        processes.wait_until(lambda: self.state()["resets"] > before, "a reset")

    def restart(self, until, by="machine.reset()", timeout_s=60):
        """Let the board reset itself; what it prints afterwards, up to `until`."""
        with serial.Serial(self.port, timeout=0.1) as line:
            line.write(f"\r\x03\x03\r\nimport machine; {by}\r\n".encode())
            line.read_until(by.encode())
            end, screen = time.monotonic() + timeout_s, Screen()
            while not screen.find(until):
                assert time.monotonic() < end, f"no {until!r} in {screen.text!r}"
                screen.add(line.read(max(1, line.in_waiting)))
        return screen.text


class Desk:
    def __init__(self, namespace):
        self.namespace = namespace
        # It stays when the board is switched off, as a PC's own network card does.
        namespace.run("ip", "tuntap", "add", "dev", "eth0", "mode", "tap")
        namespace.address("eth0", f"{SERVER}/24")
        namespace.run("ip", "link", "set", "eth0", "up")

    @contextlib.contextmanager
    def plugged_in(self, flash, *more):
        """Yield a Board that runs from the file `flash`, which is made if there is none. `more`:
        arguments of `pxebench.board.rp2040js`."""
        words = ["-m", "pxebench.board.rp2040js", "--flash", flash, "--tap", "eth0", *more]
        with self.namespace.start(sys.executable, *words) as process:
            processes.wait_until(lambda: "\n" in process.output(), "a port", process=process)
            yield Board(process, process.output().partition("\n")[0])

    @contextlib.contextmanager
    def tftpd(self):
        files = {FILE: IMAGE.read_bytes()}
        with (
            servers.folder(files) as folder,
            servers.in_tftpd(folder, SERVER, 69, self.namespace) as server,
        ):
            yield server


def sha256():
    """That of the image that is served."""
    return hashlib.sha256(IMAGE.read_bytes()).hexdigest()


def fetch(board, *words):
    """What `pxebench fetch` of that image by the board prints, JSON on its stdout."""
    url = f"tftp://{SERVER}/{FILE}"
    endpoint = f"serial:{board.port}"
    return board.pxebench("fetch", "--endpoint", endpoint, url, "--json", "-", *words)


@contextlib.contextmanager
def desk():
    with namespaces.lab() as lab:
        yield Desk(lab.namespace("desk"))
