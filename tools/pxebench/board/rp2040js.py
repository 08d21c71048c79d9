"""A W5500-EVB-Pico without the board: MicroPython's own firmware for it on npm's rp2040js.

    python -m pxebench.board.rp2040js --flash board.img --tap tap0

What of it is real: `boards/emulated/rp2040/README.md`. Here a pty is the board's USB serial port,
and a TAP interface, made in the current network namespace, the other end of the network cable.
Prints the port and runs until it is ended.

1. Output is thrown away while the port is not open: a PC's kernel does not read it then.
2. A missing flash file is made with the firmware in it; an existing one is kept.
"""

import argparse
import errno
import fcntl
import os
import re
import select
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tty
from pathlib import Path

from pxebench import places
from pxebench.job import EXIT_BENCH, Refused

ROOT = Path(__file__).resolve().parents[3]
EMULATOR = ROOT / "boards/emulated/rp2040/run.js"
PROVIDED = ROOT / ".tools/rp2040"
FLASH_BYTES = 2 * 1024 * 1024

_TUNSETIFF = 0x400454CA
_IFF_TAP_NO_PI = 0x0002 | 0x1000
# As much as a pty and a USB host buffer: with more the board has to wait.
_HELD_BYTES = 65536


def make_flash(path):
    """Make `path` a flash with MicroPython in it and an empty filesystem, unless it exists."""
    path = Path(path)
    if path.exists():
        return
    try:
        firmware = (PROVIDED / "firmware.bin").read_bytes()
    except FileNotFoundError:
        raise Refused(places.to_build("The emulated RP2040", "rp2040"), EXIT_BENCH)
    new = path.with_name(path.name + ".new")
    new.write_bytes(firmware.ljust(FLASH_BYTES, b"\xff"))
    new.rename(path)


def open_tap(name):
    """Make or take the TAP interface `name`; its file descriptor, of one frame a read."""
    try:
        tap = os.open("/dev/net/tun", os.O_RDWR | os.O_CLOEXEC)
        fcntl.ioctl(tap, _TUNSETIFF, struct.pack("16sH22x", name.encode(), _IFF_TAP_NO_PI))
    except OSError as error:
        raise Refused(f"There is no TAP interface {name} to be had: {error.strerror}.", EXIT_BENCH)
    return tap


def node():
    """The JavaScript runtime that was provisioned."""
    link = PROVIDED / "node"
    found = str(link) if link.exists() else shutil.which("node")
    if not found:
        raise Refused(places.to_build("The emulated RP2040 with its node", "rp2040"), EXIT_BENCH)
    return found


class EmulatedBoard:
    """The running board: `port` is its serial port. `frames`: a file descriptor of one Ethernet
    frame a read and a write, or None for a cable that ends nowhere; `intn`: False for a W5500
    whose interrupt line is cut."""

    def __init__(self, flash, frames=None, intn=True):
        make_flash(flash)
        self._line, far_line = socket.socketpair()
        spare = None
        if frames is None:
            spare, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
            frames = far.detach()
        self._master, slave = os.openpty()
        tty.setraw(slave)
        self.port = os.ttyname(slave)
        os.close(slave)
        os.set_blocking(self._master, False)
        line = far_line.fileno()
        argv = [node(), EMULATOR, PROVIDED / "bootrom.bin", flash, line, frames]
        argv += [] if intn else ["no-intn"]
        self._node = subprocess.Popen(
            list(map(str, argv)),
            stdin=subprocess.DEVNULL,
            pass_fds=(line, frames),
            env=dict(os.environ, NODE_PATH=str(PROVIDED / "node_modules")),
        )
        far_line.close()
        self._spare = spare
        os.close(frames)

    def relay(self):
        """Carry the bytes between port and board until the board ends; its exit status."""
        held = b""
        while True:
            readable, writable, opened = self._wait(held)
            if not opened:
                held = b""
            if self._line in readable:
                said = self._line.recv(4096)
                if not said:
                    return self._node.wait()
                if opened:
                    held += said
            if self._master in writable and held:
                held = held[self._write(held) :]
            if self._master in readable:
                typed = self._read()
                if typed:
                    self._line.sendall(typed)

    def _wait(self, held):
        """The descriptors that are ready, and whether the port is open at the other end."""
        asked = select.poll()
        if len(held) < _HELD_BYTES:
            asked.register(self._line, select.POLLIN)
        asked.register(self._master, select.POLLIN | (select.POLLOUT if held else 0))
        events = dict(asked.poll())
        master = events.get(self._master, 0)
        if master & select.POLLHUP and not master & select.POLLIN:
            # Not open at the other end: poll() would return at once, again and again.
            asked.unregister(self._master)
            events = dict(asked.poll(20))
            return ([self._line] if self._line.fileno() in events else [], [], False)
        readable = [self._line] if events.get(self._line.fileno()) else []
        readable += [self._master] if master & select.POLLIN else []
        return readable, [self._master] if master & select.POLLOUT else [], True

    def _write(self, data):
        try:
            return os.write(self._master, data)
        except BlockingIOError:
            return 0

    def _read(self):
        try:
            return os.read(self._master, 4096)
        except OSError as error:
            if error.errno in (errno.EIO, errno.EAGAIN):  # closed just now
                return b""
            raise

    def tell_state(self):
        """Let the emulator print the state of its processor, for a board that has hung. One that
        is just starting does not catch the signal yet, and would end."""
        status = Path(f"/proc/{self._node.pid}/status").read_text()
        caught = int(re.search(r"^SigCgt:\s*(\w+)", status, re.M)[1], 16)
        if caught >> signal.SIGUSR2 - 1 & 1:
            self._node.send_signal(signal.SIGUSR2)

    def close(self):
        """End the board, as a power cut does."""
        self._node.kill()
        self._node.wait()
        self._line.close()
        os.close(self._master)
        if self._spare:
            self._spare.close()


def run(flash, tap, on_port, intn=True):
    """Run a board until it or this program is ended; its exit status. `flash`: a file. `tap`: an
    interface, or None. on_port(path): what its serial port is. Raises Refused."""
    board = EmulatedBoard(flash, open_tap(tap) if tap else None, intn)
    signal.signal(signal.SIGUSR2, lambda *_: board.tell_state())
    try:
        on_port(board.port)
        return board.relay()
    finally:
        board.close()


def main():
    parser = argparse.ArgumentParser(description="Run a W5500-EVB-Pico that is not there.")
    parser.add_argument("--flash", required=True, help="the file that is its flash")
    parser.add_argument("--tap", help="the TAP interface that its cable leads to")
    parser.add_argument("--no-intn", action="store_true", help="cut the W5500's interrupt line")
    wanted = parser.parse_args()
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(0))

    def tell(port):
        sys.stdout.write(f"{port}\n")
        sys.stdout.flush()

    try:
        return run(wanted.flash, wanted.tap, tell, not wanted.no_intn)
    except Refused as refusal:
        sys.stderr.write(f"{refusal.message}\n")
        return refusal.exit_code
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
