"""A board for mpremote that is none: a pseudo-terminal with a real MicroPython behind it.

    with ptyboard.plugged_in() as board:
        ... board.port is what goes where `/dev/ttyACM0` would ...

`Board` is the firmware's outer half: it speaks the REPL's protocol (friendly, raw, raw paste with
its flow control, Ctrl-A to Ctrl-D) as `shared/runtime/pyexec.c` does, and hands whole pieces of
code to `on_board.py`, which runs in the real unix port with a littlefs2 of the board's size. The
network is the PC's loopback, or a namespace. By hand: `python -m host_tests.ptyboard`.

1. Bytes that came while code ran and that it did not read are the REPL's, as on a board.
2. A Ctrl-C becomes a SIGINT, unless the code has taken Ctrl-C for itself (`kbd_intr(-1)`).
3. What `print` writes gets CR LF; what goes through `sys.stdout.buffer` while Ctrl-C is off (a
   mounted folder's traffic) does not.
4. Nothing here waits for the PC: what it does not read is kept, what it never reads is lost.
"""

import contextlib
import ctypes
import dataclasses
import json
import os
import pty
import select
import signal
import subprocess
import threading
import time
import tty
from pathlib import Path

from host_tests.lab import programs

_HERE = Path(__file__).resolve().parent
_BLOCK = 4096
_WINDOW = 128  # raw paste: how much the PC may send before it hears again
_RAW = b"raw REPL; CTRL-B to exit\r\n>"
_HELP = 'Type "help()" for more information.\r\n'
_LIBC = ctypes.CDLL(None)
_PR_SET_PDEATHSIG = 1
# The unix port dies at a second SIGINT that comes before it has acted on the first.
_BETWEEN_INTERRUPTS_S = 0.1


@dataclasses.dataclass
class Settings:
    """What kind of board it is. `flash`: bytes of its file system; `heap`: bytes of the unix
    port's heap, where a pointer has twice the size of a board's."""

    machine: str = "Raspberry Pi Pico W with RP2040"
    platform: str = "rp2"
    id: str = "e6614c311b7e6f35"
    address: str = "127.0.0.1"
    networks: dict = dataclasses.field(default_factory=lambda: {"bench": "secret word"})
    flash: int = 868352
    heap: int = 512 << 10
    version: str = ""  # of MicroPython: "1.25", "32" (with words of 32 bits), or the newest
    bootloader: str = ""  # "HIDDEN SHOWN": files that `machine.bootloader()` renames


class Board:
    """A board that is plugged in. `port`: its device; everything else is for tests."""

    def __init__(self, image, settings, namespace=None):
        self.settings = settings
        self._argv = namespace.argv if namespace else _here
        self._image = image
        self._master, self._slave = pty.openpty()
        tty.setraw(self._slave)
        os.set_blocking(self._master, False)
        self.port = os.ttyname(self._slave)
        self._to_pc = bytearray()
        self._typed = bytearray()  # from the PC, for the REPL
        self._raw = False
        self._paste = None  # raw paste: what came so far
        self._line = bytearray()
        self._window = 0
        self._running = None  # what to do when the code ends
        self._kbd = True
        self._interrupted = 0.0
        self._noise = b""
        self._noise_every_s = 0.0
        self._noise_due = 0.0
        self._deaf = False
        self._wake = os.pipe()
        self._reserved = None  # the port, once it is unplugged
        self._asked = []
        self._child = None
        self._ended = threading.Event()
        self.resets = 0
        self._start()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._hard_banner()
        self._thread.start()

    # ---- what a test does to it

    def unplug(self):
        """Pull the cable: the PC's end of the line is dead at once. Until `close` no other board
        gets the number of its port: a ser2net that still asks for it would take its bytes."""
        if self._reserved is None and not self._ended.is_set():
            self._reserved = os.open(self.port, os.O_RDWR | os.O_NOCTTY)
        self._ask("unplug")
        self._ended.wait(5)

    def make_noise(self, text, every_s):
        """Print `text` again and again, whatever else happens on the line."""
        self._noise, self._noise_every_s = text, every_s
        self._ask("noise")

    def make_deaf(self):
        """Take nothing in any more, and say nothing: a board that hangs."""
        self._ask("deaf")

    def reset(self, soft=False):
        """Press the button (or, soft, end the program as Ctrl-D would)."""
        self._ask("soft" if soft else "hard")

    def close(self):
        self.unplug()
        self._thread.join(5)
        if self._reserved is not None:
            os.close(self._reserved)
            self._reserved = None
        for fd in self._wake:
            os.close(fd)
        self._wake = (-1, -1)

    def _ask(self, what):
        self._asked.append(what)
        with contextlib.suppress(OSError):
            os.write(self._wake[1], b"x")

    # ---- the interpreter behind it

    def _start(self):
        settings = self.settings
        take, self._give = os.pipe()
        self._take, give = os.pipe()
        self._stdin_read, self._stdin = os.pipe()
        os.set_blocking(self._stdin_read, False)
        flash = os.open(self._image, os.O_RDWR)
        name = {"": "micropython", "32": "micropython32"}.get(settings.version)
        name = name or f"micropython-{settings.version}"
        told = {name: getattr(settings, name) for name in _TOLD}
        self._child = subprocess.Popen(
            self._argv(
                *(name, "-X", f"heapsize={settings.heap}", _HERE / "on_board.py"),
                *(take, give, flash, settings.flash // _BLOCK, json.dumps(told)),
            ),
            stdin=self._stdin_read,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            pass_fds=(take, give, flash),
            env={"MICROPYPATH": str(_HERE)},
            start_new_session=True,
            preexec_fn=_die_with_us,
        )
        for fd in (take, give, flash):
            os.close(fd)
        self._stdout = self._child.stdout.fileno()
        os.set_blocking(self._stdout, False)
        os.set_blocking(self._take, False)
        self._told = b""
        self._running = None
        self._number = 0
        self._kbd = True
        self._await_ready()

    def _await_ready(self):
        while not self._told.endswith(b"\n"):
            if not select.select([self._take], [], [], 10)[0]:
                break
            data = os.read(self._take, 4096)
            if not data:
                break
            self._told += data
        if b"ready" not in self._told:
            said = os.read(self._stdout, 65536).decode("utf-8", "replace")
            raise programs.LabError(f"The pseudo-terminal board does not start: {said}")
        self._told = b""

    def _stop(self):
        if self._child.poll() is None:
            self._child.kill()
        self._child.wait()
        self._child.stdout.close()
        for fd in (self._give, self._take, self._stdin, self._stdin_read):
            os.close(fd)

    def _run(self, kind, code, then):
        """Give a piece of code to the interpreter; `then(traceback)` when it has ended."""
        self._running = then
        self._number += 1
        os.set_blocking(self._give, True)
        os.write(self._give, f"{kind} {len(code)} {self._number}\n".encode() + code)

    # ---- the loop

    def _serve(self):
        try:
            while "unplug" not in self._asked:
                self._turn()
        except Exception as error:  # a thread's end must be seen by someone
            print(f"ptyboard: {type(error).__name__}: {error}", flush=True)
            raise
        finally:
            os.close(self._master)
            os.close(self._slave)
            self._stop()
            self._ended.set()

    def _turn(self):
        for what in list(self._asked):
            self._asked.remove(what)
            if what == "unplug":
                self._asked.append(what)
                return
            if what == "deaf":
                self._deaf = True
            elif what in ("soft", "hard"):
                self._deaf = False
                self._reset(what)
        reading = [self._wake[0], self._stdout, self._take]
        if not self._deaf:
            reading.append(self._master)
        wait_s = None
        if self._noise:
            wait_s = max(0.0, self._noise_due - time.monotonic())
        writing = [self._master] if self._to_pc and not self._deaf else []
        ready, writable, _ = select.select(reading, writing, [], wait_s)
        if self._noise and time.monotonic() >= self._noise_due:
            self._noise_due = time.monotonic() + self._noise_every_s
            if len(self._to_pc) < 65536:
                self._to_pc += self._noise
        if self._wake[0] in ready:
            os.read(self._wake[0], 100)
        if writable:
            self._flush()
        if self._master in ready:
            self._typed += _read(self._master)
        if self._take in ready or self._stdout in ready:
            self._hear()
        self._think()
        self._flush()

    def _flush(self):
        if self._to_pc and not self._deaf:
            try:
                del self._to_pc[: os.write(self._master, self._to_pc[:1024])]
            except BlockingIOError:
                pass

    def _hear(self):
        told = _read(self._take)
        if told is None or (not told and self._child.poll() is not None):
            # The interpreter died: as a board does, start again.
            self._hear_stdout()
            self._reset("hard")
            return
        self._told += told
        while b"\n" in self._told:
            line, _, self._told = self._told.partition(b"\n")
            self._hear_stdout()  # all that it printed before it told us
            message = json.loads(line)
            if "kbd" in message:
                self._kbd = message["kbd"] == 3
                os.write(self._give, b"\n")
            elif self._running and message["number"] == self._number:
                self._done(message)
        self._hear_stdout()

    def _hear_stdout(self):
        data = _read(self._stdout) or b""
        if self._kbd:
            data = data.replace(b"\n", b"\r\n")
        self._to_pc += data

    def _done(self, message):
        then, self._running = self._running, None
        # What it left unread is the REPL's.
        self._typed[:0] = _read(self._stdin_read) or b""
        self._kbd = True
        then(message["done"])
        if message["exit"] == "bootloader":
            hidden, shown = self.settings.bootloader.split()
            os.rename(hidden, shown)
        if message["exit"]:
            self._reset("soft" if message["exit"] == "soft" else "hard")

    # ---- the REPL

    def _think(self):
        while self._typed:
            if self._running:
                self._pass_on()
                return
            byte = self._typed.pop(0)
            if self._paste is not None:
                self._take_paste(byte)
            elif self._raw:
                self._take_raw(byte)
            else:
                self._take_friendly(byte)

    def _pass_on(self):
        if self._kbd and 3 in self._typed:
            after = self._typed.index(3)
            rest = bytes(self._typed[after + 1 :])
            del self._typed[after:]
            self._interrupt()
        else:
            rest = b""
        os.write(self._stdin, self._typed)
        self._typed[:] = rest
        if rest:
            self._pass_on()

    def _interrupt(self):
        now = time.monotonic()
        if now - self._interrupted >= _BETWEEN_INTERRUPTS_S:
            self._interrupted = now
            os.killpg(self._child.pid, signal.SIGINT)

    def _take_friendly(self, byte):
        if byte == 1:
            self._raw = True
            self._line.clear()
            self._to_pc += _RAW
        elif byte == 2:
            self._line.clear()
            self._friendly_banner()
        elif byte == 3:
            self._line.clear()
            self._to_pc += b"\r\n>>> "
        elif byte == 4:
            if not self._line:
                self._reset("soft")
        elif byte in (10, 13):
            code = bytes(self._line)
            self._line.clear()
            self._to_pc += b"\r\n"
            if code.strip():
                self._run("single", code, self._friendly_done)
            else:
                self._to_pc += b">>> "
        elif byte in (8, 127):
            if self._line:
                del self._line[-1]
                self._to_pc += b"\b \b"
        else:
            self._line.append(byte)
            self._to_pc.append(byte)

    def _friendly_done(self, trouble):
        self._print(trouble)
        self._to_pc += b">>> "

    def _take_raw(self, byte):
        if byte == 1:
            if bytes(self._line) == b"\x05A":
                self._line.clear()
                self._paste = bytearray()
                self._window = _WINDOW
                self._to_pc += b"R\x01" + _WINDOW.to_bytes(2, "little") + b"\x01"
                return
            self._line.clear()
            self._to_pc += _RAW
        elif byte == 2:
            self._raw = False
            self._line.clear()
            self._friendly_banner(b"\r\n")
        elif byte == 3:
            self._line.clear()
        elif byte == 4:
            code = bytes(self._line)
            self._line.clear()
            if not code:
                self._reset("soft")
                return
            self._to_pc += b"OK"
            self._run("exec", code, self._raw_done)
        else:
            self._line.append(byte)

    def _take_paste(self, byte):
        if byte == 4:
            code, self._paste = bytes(self._paste), None
            self._to_pc += b"\x04"
            self._run("exec", code, self._raw_done)
        elif byte == 3:
            self._paste = None
            self._to_pc += b"\x04\r\n>"
        else:
            self._paste.append(byte)
            self._window -= 1
            if not self._window:
                self._window = _WINDOW
                self._to_pc += b"\x01"

    def _raw_done(self, trouble):
        self._to_pc += b"\x04"
        self._print(trouble)
        self._to_pc += b"\x04>"

    def _print(self, text):
        self._to_pc += (text or "").replace("\n", "\r\n").encode()

    def _hard_banner(self):
        self._raw = False
        self._paste = None
        self._run("file", b"boot.py", self._boot_done)

    def _boot_done(self, trouble):
        self._print(trouble)
        if self._raw:
            self._to_pc += _RAW
        else:
            self._run("file", b"main.py", self._main_done)

    def _main_done(self, trouble):
        self._print(trouble)
        self._friendly_banner()

    def _friendly_banner(self, before=b""):
        version = self.settings.version or "1.26"
        banner = f"MicroPython v{version} on a pseudo-terminal; {self.settings.machine}\r\n"
        self._to_pc += before + (banner + _HELP + ">>> ").encode()

    def _reset(self, how):
        self.resets += 1
        self._line.clear()
        self._paste = None
        if how == "soft":
            self._to_pc += b"MPY: soft reboot\r\n"
            self._flush()  # a board says so at once; our interpreter takes its time to start
        self._stop()
        self._start()
        if how == "hard":
            self._typed.clear()
            self._hard_banner()
        else:
            self._run("file", b"boot.py", self._boot_done)


_TOLD = ("machine", "platform", "id", "address", "networks")


def _here(program, *words):
    return [programs.find(program), *map(str, words)]


def _die_with_us():
    # What runs on the board may never look at a pipe: the kernel ends it when we are gone.
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _read(fd):
    """All that is there at this moment; None at the end."""
    data = b""
    while True:
        try:
            part = os.read(fd, 65536)
        except BlockingIOError:
            return data
        except OSError:
            return data or None
        if not part:
            return data or None
        data += part


@contextlib.contextmanager
def plugged_in(namespace=None, **settings):
    """A board with an empty flash, plugged in until the block ends; words as in `Settings`.

    `namespace`: the network (of `lab.namespaces`) that it is in, else the PC's own.
    """
    import tempfile

    chosen = Settings(**settings)
    with tempfile.TemporaryDirectory(prefix="ptyboard-") as folder:
        image = os.path.join(folder, "flash")
        with open(image, "wb") as file:
            file.truncate(chosen.flash // _BLOCK * _BLOCK)
        board = Board(image, chosen, namespace)
        try:
            yield board
        finally:
            board.close()
