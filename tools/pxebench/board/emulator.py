"""An emulated board: QEMU with the firmware of `boards/emulated`, from power-up to power-off.

    with Emulator(folder) as board:
        board.power_on()        # board.port is its serial port from now on
        ...
        board.power_off()       # its flash stays in `folder`

1. The flash is a file; its last page has the settings and the flash's figures
   (boards/emulated/board.h). QEMU maps the same file: both sides see a change at once.
2. A QEMU that was started is always ended, whatever the caller's code does.
"""

import contextlib
import ctypes
import json
import mmap
import os
import re
import secrets
import signal
import socket
import struct
import subprocess
import sys
import time
from pathlib import Path

from pxebench import places
from pxebench.job import EXIT_BENCH, Refused

FLASH_BYTES = 16 << 20
BLOCK = 4096
HEAP_BYTES = 194560  # as much as a W5500-EVB-Pico has
BLOCKS = 352  # 1408 KiB, as W5500_EVB_PICO
BLOCKS_PICO_W = 212  # 848 KiB, as RPI_PICO_W

_SETTINGS_AT = FLASH_BYTES - 4096
IDLE_US = 0x21000000 + _SETTINGS_AT + 152  # where the board has written how long it waited
_JOURNAL_AT = 4 << 20
_MAGIC = 0x31455850
_WORDS = (
    *("magic", "heap_bytes", "blocks", "erase_us", "program_us", "fail_at", "writes"),
    *("power_lost", "journal", "journal_bytes", "seed", "boots"),
)
_TEXTS = {"wifi_ssid": (48, 36), "wifi_key": (84, 68)}
_ERASE, _PROGRAM = 1, 2
_START_S = 20

_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None
_CHECKOUT = Path(__file__).resolve().parents[3]


def firmwares():
    """The firmwares that `make board` has built: {"1.26": path}, oldest first."""
    paths = (_CHECKOUT / ".tools" / "board").glob("micropython-*.elf")
    found = {path.stem.partition("-")[2]: path for path in paths}
    return dict(sorted(found.items(), key=lambda item: [int(n) for n in item[0].split(".")]))


class Emulator:
    """A board that QEMU emulates. `port`: its serial port while it is on; `mac`: its address.

    folder: where its flash is, made when it is not there. nic: words of QEMU's -nic without the
    model ("user", "tap,ifname=tap0,script=no"), or None for no network. enter: an argv that QEMU
    is started behind (`nsenter ...`). icount: QEMU's -icount, for times that repeat.
    """

    def __init__(self, folder, nic="user", version=None, enter=(), icount=None, mac=None):
        built = firmwares()
        qemu = _CHECKOUT / ".tools" / "bin" / "qemu-system-arm"
        if not built or not qemu.is_file():
            raise Refused(places.to_build("The emulated board", "board"), EXIT_BENCH)
        if version and version not in built:
            raise Refused(f"The emulated board has MicroPython {', '.join(built)}, no {version}.")
        self.folder = Path(folder)
        self.firmware = built[version] if version else list(built.values())[-1]
        self.mac = mac or "52:54:00:" + ":".join(f"{n:02x}" for n in secrets.token_bytes(3))
        self.port = None
        self._argv = [*enter, str(qemu)]
        self._nic = nic
        self._icount = icount
        self._process = None
        self.folder.mkdir(parents=True, exist_ok=True)
        self._file = open(self._flash, "a+b")  # noqa: SIM115 - closed by close()
        new = self._file.tell() != FLASH_BYTES
        self._file.truncate(FLASH_BYTES)
        self._map = mmap.mmap(self._file.fileno(), FLASH_BYTES)
        if new:
            self._write("magic", _MAGIC)
            self.set(heap_bytes=HEAP_BYTES, blocks=BLOCKS, wifi_ssid="bench")
            self.set(wifi_key="correct horse", seed=secrets.randbits(32))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    @property
    def _flash(self):
        return self.folder / "flash.img"

    # ---- the settings

    def get(self, name):
        """A setting or a figure: one of the words of boards/emulated/board.h."""
        at = _SETTINGS_AT + 4 * _WORDS.index(name)
        return struct.unpack_from("<I", self._map, at)[0]

    def _write(self, name, value):
        if name in _TEXTS:
            at, size = _TEXTS[name]
            data = value.encode()[: size - 1]
            self._map[_SETTINGS_AT + at : _SETTINGS_AT + at + size] = data.ljust(size, b"\0")
        else:
            struct.pack_into("<I", self._map, _SETTINGS_AT + 4 * _WORDS.index(name), value)

    def set(self, **settings):
        """Change settings: heap_bytes and blocks from the next reset on, the others at once."""
        for name, value in settings.items():
            self._write(name, value)

    def fail_at(self, write):
        """Cut the power in the middle of the n-th write from now (1: the next one)."""
        self.set(power_lost=0, writes=0, fail_at=write)

    # ---- the flash

    def flash(self):
        """The flash as it is: of the whole file, only the file system's blocks."""
        return self._map[: self.get("blocks") * BLOCK]

    def load_flash(self, content):
        """Replace the content of the flash of a board that is off."""
        self._map[: len(content)] = content

    def start_journal(self):
        """Record every write to the flash from now on."""
        self.set(journal_bytes=0, journal=1)

    def journal(self):
        """The writes since `start_journal`: (offset, data), data None for an erased block."""
        at, end = _JOURNAL_AT, _JOURNAL_AT + self.get("journal_bytes")
        while at < end:
            kind, offset, size = struct.unpack_from("<III", self._map, at)
            yield offset, None if kind == _ERASE else self._map[at + 12 : at + 12 + size]
            at += 12 + size

    # ---- power

    def power_on(self, at_port=None):
        """Switch the board on; its serial port is `port`. `at_port`: called when the port is
        there, before the board runs: QEMU drops output while the port is not open. Raises
        Refused."""
        self.set(power_lost=0)
        memory = f"memory-backend-file,id=psram,size=16M,mem-path={self._flash},share=on"
        argv = [*self._argv, "-machine", "mps2-an385,memory-backend=psram", "-object", memory]
        argv += ["-kernel", str(self.firmware), "-display", "none", "-serial", "pty", "-S"]
        argv += ["-qmp", f"unix:{self._qmp_path},server=on,wait=off"]
        nic = f"{self._nic},model=lan9118,mac={self.mac},id=net0" if self._nic else "none"
        argv += ["-nic", nic]
        if self._icount:
            argv += ["-icount", self._icount]
        self._process = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,  # Ctrl-C is for us, and we end it
            preexec_fn=_end_with_parent,
        )
        said = ""
        for line in self._process.stdout:
            said += line
            found = re.search(r"redirected to (\S+) ", line)
            if found:
                self.port = found[1]
                if at_port:
                    at_port()
                try:
                    self._ask_qemu({"execute": "cont"})
                    return
                except (OSError, ValueError):  # it has ended, or is silent
                    break
        self.power_off()
        raise Refused(f"The emulated board does not start: {said.strip()}", EXIT_BENCH)

    @property
    def _qmp_path(self):
        return self.folder / "qmp"

    def running(self):
        return self._process is not None and self._process.poll() is None

    def wait(self):
        """Wait until QEMU has ended."""
        self._process.wait()

    def power_off(self):
        """Cut the power: nothing is written any more, nothing is said."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process.stdout.close()
            self._process = None
            self.port = None

    def wait_power_lost(self, timeout_s):
        """Wait until the power has failed (`fail_at`), and switch it off; False: it did not."""
        end = time.monotonic() + timeout_s
        while not self.get("power_lost"):
            if time.monotonic() > end:
                return False
            time.sleep(0.01)
        self.power_off()
        return True

    def close(self):
        self.power_off()
        self._map.close()
        self._file.close()

    # ---- the network cable

    def set_carrier(self, there):
        """Pull the network cable, or plug it in."""
        self._ask_qemu({"execute": "set_link", "arguments": {"name": "net0", "up": there}})

    def _ask_qemu(self, asked):
        path = os.path.relpath(self._qmp_path)
        deadline = time.monotonic() + _START_S
        with contextlib.closing(socket.socket(socket.AF_UNIX)) as qmp:
            qmp.settimeout(_START_S)
            while qmp.connect_ex(path) and time.monotonic() < deadline and self.running():
                time.sleep(0.005)  # its serial port is there a moment earlier
            file = qmp.makefile("rw")
            for command in ({"execute": "qmp_capabilities"}, asked):
                file.write(json.dumps(command) + "\n")
                file.flush()
                while "return" not in (answer := json.loads(file.readline())):
                    if "error" in answer:
                        raise Refused(f"QEMU refuses: {answer['error']['desc']}", EXIT_BENCH)


def _end_with_parent():
    # Linux ends it also when we are killed (prctl(2), PR_SET_PDEATHSIG).
    if _LIBC:
        _LIBC.prctl(1, signal.SIGKILL)


def power_cuts(before, journal, blocks):
    """The flash after a power cut in the middle of each write of a journal, in turn.

    before: the flash when the journal began. Of the write that is cut, half is done: the first
    half of a block is erased, or of a page's bits cleared.
    """
    flash = bytearray(before)
    for offset, data in journal:
        cut = bytearray(flash)
        _apply(cut, offset, data, half=True)
        yield bytes(cut[: blocks * BLOCK])
        _apply(flash, offset, data)


def _apply(flash, offset, data, half=False):
    size = BLOCK if data is None else len(data)
    if half:
        size //= 2
    if data is None:
        flash[offset : offset + size] = b"\xff" * size
    else:
        old = int.from_bytes(flash[offset : offset + size], "big")
        flash[offset : offset + size] = (old & int.from_bytes(data[:size], "big")).to_bytes(
            size, "big"
        )
