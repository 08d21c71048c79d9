"""The serial line to a board: mpremote's transport, with a limit for every wait.

mpremote brings the protocol: raw REPL, raw paste, files, the mounted folder. Where it would wait
or read without an end, or print, this module replaces it. `connection.Board` says what a failure
means.

1. Nothing here waits longer than it was told to, and waiting for a silent board takes little CPU.
2. Nothing is printed; the last bytes that came are in the TransportError.
3. Many lines may be open at once, each in a thread of its own: there is no global state.
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
_LEAVE_S = 0.7  # at the end
_READ_S = 30.0  # a whole answer
_TRIES = 3
_QUESTIONS_S = 3.0  # for all requests of a mounted folder: an import tries many paths
_QUESTION_S = 0.3  # the longest pause between two of them
_RAW = b"raw REPL; CTRL-B to exit\r\n"
# A port without a descriptor is polled: the first and the longest interval, in seconds.
_LOOK_S = (0.001, 0.03)
_READER = "pySerial RFC 2217 reader thread"


class Line(SerialTransport):
    """mpremote's transport, with a limit for every wait and nothing on standard output."""

    def __init__(self, port):
        _quiet_readers()
        super().__init__(_url(port), timeout=_ANSWER_S)
        self._look_s = _LOOK_S[0]
        self.serial = self.raw_serial = _Impatient(self.serial)
        self.heard = b""  # the last bytes that came, for a message

    def receive(self, wait_s):
        """The bytes that have come; waits a moment when there are none."""
        serial = self.serial
        waiting = serial.inWaiting()
        if not waiting:
            self._wait(wait_s)
            waiting = serial.inWaiting()
        if waiting:
            self._look_s = _LOOK_S[0]
        return serial.read(waiting) if waiting else b""

    def unread(self, data):
        """Put `data` in front of what comes next."""
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
        # mpremote's own reads a noisy line for ever, and prints unknown text.
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
        # A board in the raw REPL repeats its banner at Ctrl-A.
        self._drain()
        if soft_reset:
            self.raw_serial.write(b"\x04")
            if not self._read_to(b"soft reboot\r\n", _ANSWER_S):
                raise TransportError(self.heard)
            # boot.py may print and take a while; a Ctrl-A must not come before its end.
            if not self._read_to(_RAW + b">", _BOOT_S):
                raise TransportError(self.heard)
            self._drain()
        self.raw_serial.write(b"\x01")
        if not self._read_to(_RAW, _ANSWER_S):
            raise TransportError(self.heard)
        self.in_raw_repl = True

    def _deny_folder(self):
        """Answer "no such file" to a board that still asks for a folder of an earlier session:
        while it waits for an answer, mpremote's half on the board ignores Ctrl-C."""
        until = time.monotonic() + _QUESTIONS_S
        data = b"\x18"
        while data and time.monotonic() < until:
            if b"\x18" in data:  # else it is the rest of a request, or noise
                self.raw_serial.write(b"\x18" + b"\xff" * 8)
            data = self.receive(_QUESTION_S)

    def leave(self):
        """End the running program, unmount the folder, go to the friendly REPL."""
        write = self.raw_serial.write
        write(b"\r\x03")
        if self.mounted:
            self.serial, self.mounted = self.raw_serial, False
            write(b"\r\x01")
            if self._read_to(_RAW + b">", _LEAVE_S):
                # No import: it would search the folder, and nothing answers. mpremote's half has
                # `os`.
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
    # ser2net on a pseudo-terminal answers no control requests; pyserial would wait for them.
    if not port.startswith("rfc2217://") or "ign_set_control" in port:
        return port
    return port + ("&" if "?" in port else "?") + "ign_set_control"


def _quiet_readers():
    # A broken line ends pyserial's thread with a traceback on stderr; the reader of the line gets
    # the error anyway, and reports it.
    before = threading.excepthook
    if getattr(before, "of_pxebench", False):
        return

    def hook(arguments):
        if arguments.thread is None or not arguments.thread.name.startswith(_READER):
            before(arguments)

    hook.of_pxebench = True
    threading.excepthook = hook


class _Impatient:
    """A serial port that raises when less comes than was asked for; mpremote would ask for ever.

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
