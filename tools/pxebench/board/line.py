"""The serial line to a board: mpremote's transport, with an end to every wait.

mpremote brings the protocol: raw REPL, raw paste, files, the mounted folder. What it does on its
own (it waits for ever, drains a noisy line for ever, prints what it does not know) is put right
here; what a failure means is told by `connection.Board`.

1. Nothing here waits longer than it was told to, and a board that is silent costs next to nothing.
2. Nothing is printed; what was heard last goes with the TransportError.
3. Many lines may be open at once, each in a thread of its own: nothing here is the process's.
"""

import contextlib
import io
import os
import select
import threading
import time

from mpremote.transport import TransportError
from mpremote.transport_serial import SerialTransport
from serial import SerialException

_ANSWER_S = 2.0  # to a Ctrl-C and a Ctrl-A
_BOOT_S = 15.0  # a soft reset, with the board's boot.py
_LEAVE_S = 0.7  # at the end nobody wants to wait
_READ_S = 30.0  # a whole answer
_TRIES = 3
_QUESTIONS_S = 3.0  # for a mounted folder, one after the other: an import looks in many places
_QUESTION_S = 0.3  # the longest silence between two
_RAW = b"raw REPL; CTRL-B to exit\r\n"
# Where a port has no descriptor to wait on, it is looked at so often: from the first silent look
# to the last, in seconds.
_LOOK_S = (0.001, 0.03)
_READER = "pySerial RFC 2217 reader thread"


class Line(SerialTransport):
    """mpremote's transport, with an end to every wait and no word on our standard output."""

    def __init__(self, port):
        _quiet_readers()
        super().__init__(_url(port), timeout=_ANSWER_S)
        self._look_s = _LOOK_S[0]
        self.serial = self.raw_serial = _Impatient(self.serial)
        self.heard = b""  # the last of it, for a sentence

    def receive(self, wait_s):
        """What has come; waits a while when there is nothing."""
        serial = self.serial
        waiting = serial.inWaiting()
        if not waiting:
            self._wait(wait_s)
            waiting = serial.inWaiting()
        if waiting:
            self._look_s = _LOOK_S[0]
        return serial.read(waiting) if waiting else b""

    def unread(self, data):
        """Let `data` be what comes next."""
        if self.mounted:
            self.serial.buf = data + self.serial.buf
        else:
            self.raw_serial.buf = data + self.raw_serial.buf

    def _wait(self, wait_s):
        try:
            number = self.raw_serial.fileno()
        except (OSError, AttributeError, io.UnsupportedOperation):  # a URL, or Windows
            time.sleep(min(wait_s, self._look_s))
            self._look_s = min(self._look_s * 1.5, _LOOK_S[1])
            return
        if not hasattr(select, "poll"):  # Windows
            select.select([number], [], [], wait_s)
            return
        ready(number, select.POLLIN, wait_s)

    def read_until(
        self, min_num_bytes, ending, timeout=10, data_consumer=None, timeout_overall=None
    ):
        data = bytearray()
        if timeout_overall is None:
            timeout_overall = _READ_S
        begun = heard = time.monotonic()
        while not data.endswith(ending):
            if self.serial.inWaiting():
                byte = self.serial.read(1)
                self._look_s = _LOOK_S[0]
                self.heard = (self.heard + byte)[-200:]
                heard = time.monotonic()
                if data_consumer:
                    data_consumer(byte)
                    data.clear()
                data += byte
            else:
                self._wait(0.05)
            now = time.monotonic()
            if (timeout is not None and now > heard + timeout) or now > begun + timeout_overall:
                break
        return bytes(data)

    def enter_raw_repl(self, soft_reset=True, timeout_overall=10):
        # mpremote's own would drain a noisy line for ever, and prints what it does not know.
        if self.mounted:
            self.serial, self.mounted = self.raw_serial, False
        for left in reversed(range(_TRIES)):
            if left < _TRIES - 1:
                self._deny_folder()
            self.heard = b""
            self.raw_serial.write(b"\r\x03")
            time.sleep(0.05)
            self.raw_serial.write(b"\x03\r\x01")
            if self._read_to(_RAW + b">", _ANSWER_S):
                break
            if not left:
                raise TransportError(self.heard)
        # A board that was in the raw REPL already says it again at Ctrl-A.
        self._drain()
        if soft_reset:
            self.raw_serial.write(b"\x04")
            if not self._read_to(b"soft reboot\r\n", _ANSWER_S):
                raise TransportError(self.heard)
            # boot.py may print, and take its time; a Ctrl-A must not come too early.
            if not self._read_to(_RAW + b">", _BOOT_S):
                raise TransportError(self.heard)
            self._drain()
        self.raw_serial.write(b"\x01")
        if not self._read_to(_RAW, _ANSWER_S):
            raise TransportError(self.heard)
        self.in_raw_repl = True

    def _deny_folder(self):
        """Answer a board that still asks for a mounted folder whose PC is gone: there is no such
        file. While it waits for that answer, mpremote's half on the board is deaf to Ctrl-C."""
        until = time.monotonic() + _QUESTIONS_S
        data = b"\x18"
        while data and time.monotonic() < until:
            if b"\x18" in data:  # else it is the rest of a request, or noise
                self.raw_serial.write(b"\x18" + b"\xff" * 8)
            data = self.receive(_QUESTION_S)

    def leave(self):
        """End what runs, take the mounted folder away, go to the friendly REPL."""
        write = self.raw_serial.write
        write(b"\r\x03")
        if self.mounted:
            self.serial, self.mounted = self.raw_serial, False
            write(b"\r\x01")
            if self._read_to(_RAW + b">", _LEAVE_S):
                # No import: it would look in the folder first, and nobody answers any more.
                # mpremote's half has `os` already.
                write(b"os.umount('/remote')\x04")
                self._read_to(b"\x04>", _LEAVE_S)
        write(b"\r\x02")
        self.in_raw_repl = False

    def _read_to(self, ending, timeout_s):
        return self.read_until(1, ending, None, None, timeout_s).endswith(ending)

    def _drain(self):
        for _ in range(20):
            self._wait(0.02)
            waiting = self.raw_serial.inWaiting()
            if not waiting:
                return
            self.raw_serial.read(waiting)


def _url(port):
    # ser2net on a pseudo-terminal answers no control request; pyserial would wait in vain.
    if not port.startswith("rfc2217://") or "ign_set_control" in port:
        return port
    return port + ("&" if "?" in port else "?") + "ign_set_control"


def _quiet_readers():
    # A line that breaks ends pyserial's own thread with a traceback on stderr; whoever reads the
    # line hears of it, and says so in a sentence.
    before = threading.excepthook
    if getattr(before, "of_pxebench", False):
        return

    def hook(arguments):
        if arguments.thread is None or not arguments.thread.name.startswith(_READER):
            before(arguments)

    hook.of_pxebench = True
    threading.excepthook = hook


class _Impatient:
    """A serial port that says so when less comes than was asked for; mpremote asks for ever.

    A port with a descriptor is read and written here: pyserial waits with select.
    """

    def __init__(self, serial):
        self._serial = serial
        self.buf = b""
        try:
            self._number = serial.fileno() if hasattr(select, "poll") else None
        except (OSError, AttributeError, io.UnsupportedOperation):  # a URL
            self._number = None

    def __getattr__(self, name):
        return getattr(self._serial, name)

    def inWaiting(self):  # the name is pyserial's
        return len(self.buf) + self._serial.inWaiting()

    def read(self, count):
        """`count` bytes."""
        data, self.buf = self.buf[:count], self.buf[count:]
        if self._number is None and len(data) < count:
            data += self._serial.read(count - len(data))
        while self._number is not None and len(data) < count:
            if not ready(self._number, select.POLLIN, _ANSWER_S):
                break
            came = os.read(self._number, count - len(data))
            if not came:
                raise SerialException("the device is gone")
            data += came
        if len(data) < count:
            raise TransportError(data)
        return data

    def write(self, data):
        """All of `data`; how much that is."""
        if self._number is None:
            return self._serial.write(data)
        left = memoryview(bytes(data))
        while left:
            if not ready(self._number, select.POLLOUT, _READ_S):
                raise SerialException("the device takes nothing")
            with contextlib.suppress(BlockingIOError):
                left = left[os.write(self._number, left) :]
        return len(data)


def ready(number, what, wait_s):
    """True when a descriptor is ready within `wait_s`; select knows none beyond 1023."""
    poll = select.poll()
    poll.register(number, what)
    return bool(poll.poll(wait_s * 1000))
