"""An emulated board beside a server, on a cable of ours: what the tests of this folder stand on.

    with rig.lan() as lan:                       # a server's namespace, a board's, and a wire
        with lan.board(tmp_path, config) as board:
            board.power_on()
            board.read_to("booted")              # what it prints on its serial port

A board's flash is written by littlefs itself before the power comes (`flash_files.py`), with the
files that `pxebench board deploy` puts on one.
"""

import contextlib
import functools
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import serial
from pxebench.board import deploy, emulator, kinds

from host_tests.lab import dhcp_servers, namespaces, servers
from host_tests.lab.screen import Screen

ROOT = Path(__file__).resolve().parent.parent.parent
SERVER = "10.88.0.1"
ROMS = ("intel-undi", "os-client", "standard", "intel-undi-plain")
STATIC = {"ip": "10.88.0.50", "mask": "255.255.255.0", "gateway": SERVER}
PROMPT = "\n>>> "
_MPY = 6  # the .mpy version of MicroPython 1.19 and later
_PROGRAM = Path(__file__).with_name("flash_files.py")
_MICROPYTHON = ROOT / ".tools" / "bin" / "micropython"


def config(**changes):
    """A config.json of a wired board with an address of its own; None takes a field away."""
    settings = {
        "link": {"address": STATIC, "timeout_s": 10},
        "rom": "intel-undi",
        "server": SERVER,
        "file": "image",
        "image": "nbp",
        "board": "w5500_evb_pico",
        **changes,
    }
    return {name: value for name, value in settings.items() if value is not None}


@functools.cache
def deployed_files(kind="w5500_evb_pico", roms=ROMS):
    """What `pxebench board deploy` puts on a board of a kind: {path: bytes}."""
    return dict(deploy.plan(_MPY, kinds.kind(kind), roms).files)


def flash_image(files, blocks):
    """A flash of so many blocks with `files`, {path: bytes}, in it."""
    with tempfile.TemporaryDirectory(prefix="flash-") as folder:
        root = Path(folder, "root")
        root.mkdir()
        for path, data in files.items():
            target = root / path.lstrip("/")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)
        image = Path(folder, "image")
        argv = [_MICROPYTHON, "-X", "heapsize=32m", _PROGRAM, "make", image, str(blocks), root]
        subprocess.run(argv, check=True)
        return image.read_bytes()


def files_in(images, blocks):
    """What littlefs finds in flash images: a list of {path: sha256}, None for a broken one."""
    with tempfile.NamedTemporaryFile(prefix="flash-") as file:
        for image in images:
            file.write(image)
        file.flush()
        argv = [_MICROPYTHON, "-X", "heapsize=64m", _PROGRAM, "list", file.name, str(blocks)]
        done = subprocess.run(argv, check=True, capture_output=True, text=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


class Board(emulator.Emulator):
    """An emulated board on the lan."""

    def __init__(self, folder, **more):
        super().__init__(folder, **more)
        self._screen = Screen()
        self._line = None

    @property
    def screen(self):
        """What it has printed since it was switched on, as far as it was read."""
        return self._screen.text

    def power_on(self):
        self._screen = Screen()
        super().power_on(self._plug_in)

    def _plug_in(self):
        self._line = serial.Serial(self.port, timeout=0.1)

    def power_off(self):
        self.unplug()
        super().power_off()

    def unplug(self):
        """Let go of the serial port, for another program."""
        if self._line:
            self._line.close()
            self._line = None

    def read_to(self, words, timeout_s=60):
        """Read the serial port until `words` have come, after those of the last time; all that
        was printed."""
        if self._line is None:
            self._plug_in()
        end = time.monotonic() + timeout_s
        while not self._screen.find(words):
            assert time.monotonic() < end, f"no {words!r} within {timeout_s} s of: {self.screen}"
            self._screen.add(self._line.read(max(1, self._line.in_waiting)))
        return self.screen

    def write(self, data):
        self._line.write(data)

    def files(self):
        """{path: sha256} of a board that is off."""
        return files_in([self.flash()], self.get("blocks"))[0]

    def mpremote(self, *words, timeout_s=60):
        """What mpremote prints; it must succeed."""
        self.unplug()
        argv = [sys.executable, "-m", "mpremote", "connect", self.port, *words]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=timeout_s)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def pxebench(self, *words, timeout_s=120, code=0):
        """The CompletedProcess of a pxebench command; `code`: its exit code must be this."""
        self.unplug()
        argv = [sys.executable, "-m", "pxebench", *map(str, words)]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=timeout_s)
        assert done.returncode == code, done.stdout + done.stderr
        return done

    def result(self):
        """The result.json that the board keeps."""
        return json.loads(self.mpremote("resume", "cat", ":result.json"))


class Wire:
    """The cable between an emulated board and `eth0` of its place; `nic`: QEMU's words for it."""

    def __init__(self, place):
        ports = (5001, 5002)
        self.nic = f"socket,udp=127.0.0.1:{ports[0]},localaddr=127.0.0.1:{ports[1]}"
        self._process = subprocess.Popen(
            place.argv(sys.executable, "-m", "host_tests.emulated.wire", "eth0", *ports),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        assert self._process.stdout.readline() == "ready\n"

    def behave(self, **how):
        """What it does to frames from now on: loss, duplicate, reorder, delay_s, seed."""
        self._process.stdin.write(json.dumps(how) + "\n")
        self._process.stdin.flush()
        assert self._process.stdout.readline() == "behaves\n"

    def close(self):
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()


class Lan:
    """A server's namespace and a board's, with the wire between them. Made by `lan`."""

    def __init__(self, lab):
        self.lan = dhcp_servers.Lan(lab)
        self.server = self.lan.machine("server", f"{SERVER}/24")
        self.place = self.lan.machine("board")
        self._wire = Wire(self.place)
        self.behave, self.close = self._wire.behave, self._wire.close

    @contextlib.contextmanager
    def board(self, folder, settings=None, files=None, blocks=emulator.BLOCKS, **more):
        """Yield a Board that is off, with pxerom and `settings` (config.json) in its flash."""
        with Board(folder, nic=self._wire.nic, enter=self.place.argv("env"), **more) as board:
            everything = deployed_files() if files is None else dict(files)
            if settings is not None:
                everything = {**everything, "/config.json": json.dumps(settings).encode()}
            board.set(blocks=blocks)
            board.load_flash(flash_image(everything, blocks))
            yield board

    def tftpd(self, files, port=69):
        """in.tftpd on the server with these files, {name: bytes}."""
        return _serving(self.server, files, port)


@contextlib.contextmanager
def _serving(machine, files, port):
    with (
        servers.folder(files) as folder,
        servers.in_tftpd(folder, SERVER, port, machine) as server,
    ):
        yield server


def boots_with(lan, folder, kib, settings):
    """The SHA-256 of the image `nbp` that a power-up with such a heap has stored, or None."""
    with lan.board(folder, settings) as board:
        board.set(heap_bytes=int(kib * 1024))
        board.power_on()
        board.read_to(PROMPT)
        board.power_off()
        return board.files().get("/nbp")


@contextlib.contextmanager
def lan():
    with namespaces.lab() as lab:
        made = Lan(lab)
        try:
            yield made
        finally:
            made.close()
