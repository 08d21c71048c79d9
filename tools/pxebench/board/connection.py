"""A board on a port: what it is, programs run on it, files written to it, a folder shown to it.

`Board` is the one class that knows the line: deploying, testing and jobs (`endpoints.serial`) go
through it.  Every failure is one sentence (`Refused`, exit code 3) that says what to do.

1. Everything between the records (RFC 7464) that our programs print is skipped.
2. A board that still answers is left at its own REPL, whatever happened.
3. A file gets its name when it is complete.
"""

import contextlib
import errno
import struct
import time

from mpremote.transport import TransportError, TransportExecError
from serial import SerialException

from pxebench.board import kinds
from pxebench.board.line import Line
from pxebench.endpoints.stream import Sequence
from pxebench.job import EXIT_BENCH, Refused, one_sentence, show
from pxebench.lab import coordinator

_TRIES = 3
_RESTART_S = 1.0  # until a restarting board has left the line, or reports it
_LOST = (OSError, SerialException, EOFError)
_GARBLED = (TransportError, struct.error, LookupError, ValueError, SyntaxError)

# A folder that is still mounted from an earlier session would be searched at each import, of json
# too, and nothing answers: it is unmounted first, with the `os` of mpremote's half, which is there
# with the folder. A board that waits for such an answer ignores Ctrl-C.
_WHO = """\
try:
    os.umount('/remote')
except (NameError, OSError):
    pass
import gc, json, micropython, os, sys
micropython.kbd_intr(3)
os.chdir('/')
gc.collect()
i = sys.implementation
try:
    import machine
    n = ''.join('%02x' % b for b in machine.unique_id())
except Exception:
    n = None
for m in list(sys.modules):
    if m.startswith('pxerom'):
        del sys.modules[m]
try:
    import pxerom
    p = getattr(pxerom, '__version__', None)
except ImportError:
    p = None
try:
    r = [n[:-5] for n in os.listdir(pxerom.__file__.rsplit('/', 1)[0] + '/roms')]
except Exception:
    r = []
s = os.statvfs('/')
print('\\x1e' + json.dumps({'event': 'who', 'machine': getattr(i, '_machine', sys.platform),
    'version': '.'.join(str(v) for v in i.version[:3]), 'mpy': getattr(i, '_mpy', 0),
    'platform': sys.platform, 'id': n, 'pxerom': p, 'flash_bytes': s[1] * s[2],
    'free_bytes': s[1] * s[4], 'roms': r,
     'heap_bytes': gc.mem_free()}))
"""


class Board:
    """A board on a port, at its raw REPL from `open` to `close`. Raises only `Refused`.

    `who`: what it says of itself: {"machine", "version", "mpy", "platform", "id", "pxerom",
    "flash_bytes", "free_bytes", "heap_bytes"}.
    """

    def __init__(self, port="auto", name=None):
        """`port`: as on the command line; `name`: what sentences call it, where that is not the
        port (a place in a rack)."""
        if port.startswith(coordinator.PREFIX):
            place = port.removeprefix(coordinator.PREFIX)
            self.port, name = coordinator.url(place), name or place
        else:
            self.port = kinds.find(port)
        self.name = show(name or self.port)
        self.line = None
        self.who = {}
        self.kind = None
        self.mounted = None

    def __enter__(self):
        self.open()
        return self

    def __exit__(self, *_):
        self.close()

    def open(self, soft_reset=False):
        """Take the port, interrupt what runs, and ask the board what it is."""
        try:
            self.line = Line(self.port)
        except (TransportError, *_LOST) as error:
            raise self._no_port(error) from None
        try:
            self.enter(soft_reset)
            self.identify()
        except BaseException:
            self.close()
            raise

    def enter(self, soft_reset=False):
        """Go to the raw REPL; with `soft_reset` to a fresh one, with all memory free."""
        with self._guard():
            self.line.enter_raw_repl(soft_reset)
        self.mounted = None

    def identify(self):
        """Ask the board what it is, into `who` and `kind`."""
        answers = self.ask(_WHO)
        if not answers or "machine" not in answers[-1]:
            raise self._strange("answers, but not as a MicroPython that pxebench knows")
        self.who = answers[-1]
        self.kind = kinds.kind_of(self.who["machine"])

    def ask(self, program, timeout_s=10, must=True):
        """Run a short program; the records (with an "event") that it prints, in order."""
        sequence = Sequence()
        found = []
        trouble = self.run(program, lambda data: found.extend(sequence.feed(data)), timeout_s)
        if trouble and must:
            raise Refused(
                one_sentence(f"A program on {self.name} failed: {last_line(trouble)}"), EXIT_BENCH
            )
        return found

    def run(self, program, take, timeout_s=None, watch=None):
        """Run a program to its end; its traceback ("" for none).

        `take` gets all that it prints as it comes. `timeout_s`: the longest time without a record
        or the end: other text does not count, since a board that was reset may print for ever.
        `watch` is called all the time, and returns True to abandon the program.
        """
        with self._guard():
            self._give(program)
            heard = time.monotonic()
            how = "has been silent"
            trouble = None
            while True:
                data = self.line.receive(0.05)
                now = time.monotonic()
                if data:
                    if b"\x1e" in data or b"\x04" in data:
                        heard = now
                    else:
                        how = "has printed nothing but text"
                    if trouble is None:
                        text, mark, data = data.partition(b"\x04")
                        take(text)
                        if mark:
                            trouble = b""
                    if trouble is not None:
                        trouble += data
                        text, mark, after = trouble.partition(b"\x04")
                        if mark:
                            self.line.unread(after)  # the prompt
                            return text.decode("utf-8", "replace")
                if timeout_s is not None and now - heard > timeout_s:
                    raise Refused(
                        f"The board on {self.name} {how} for {timeout_s:.0f} s: it hangs, lost "
                        f"its power or was reset, by a watchdog perhaps; press its reset button.",
                        EXIT_BENCH,
                    )
                if watch and watch():
                    return None

    def _give(self, program):
        # Before its end mark was sent nothing of a program has run: it can be sent again.
        for left in reversed(range(_TRIES)):
            try:
                self.line.exec_raw_no_follow(program)
                return
            except _GARBLED:
                if not left:
                    raise
                self.line.use_raw_paste = False
                self.line.enter_raw_repl(False)

    def restart(self, program):
        """Run a program that restarts the board, and release the port at once: the Ctrl-C of
        `close` might stop it before it has done so."""
        with self._guard():
            self._give(program)
        line, self.line = self.line, None
        with contextlib.suppress(*_LOST, *_GARBLED):
            line.receive(_RESTART_S)
        with contextlib.suppress(*_LOST):
            line.close()

    def interrupt(self):
        """Ctrl-C to the running program; no error when the line is dead."""
        with contextlib.suppress(*_LOST):
            self.line.raw_serial.write(b"\x03")

    def type(self, text):
        """Bytes to the running program's standard input; no error when the line is dead."""
        with contextlib.suppress(*_LOST):
            self.line.raw_serial.write(text)

    def mount(self, folder):
        """Mount a folder of the PC on the board, as /remote and as its current folder."""
        with self._guard():
            self.line.mount_local(str(folder))
        self.mounted = folder

    def write(self, path, data):
        """Write a file on the board as NAME.new, then rename it: the old file stays until then."""
        with self._guard():
            self.line.fs_writefile(path + ".new", data, chunk_size=1024)
        if self.hashes([path + ".new"]) != {path + ".new": _sha256(data)}:
            raise Refused(f"{show(path)} came out garbled on {self.name}: try again.", EXIT_BENCH)
        self.ask(f"import os\nos.rename({path + '.new'!r}, {path!r})")

    def hashes(self, paths):
        """{path: SHA-256 in hex} of those of the files that are on the board."""
        program = (
            "import binascii, hashlib, json\n"
            "b = bytearray(512)\n"
            f"for p in {list(paths)!r}:\n"
            "    try:\n"
            "        with open(p, 'rb') as f:\n"
            "            h = hashlib.sha256()\n"
            "            while True:\n"
            "                n = f.readinto(b)\n"
            "                if not n:\n"
            "                    break\n"
            "                h.update(memoryview(b)[:n])\n"
            "        print('\\x1e' + json.dumps({'event': p, 'is': "
            "str(binascii.hexlify(h.digest()), 'ascii')}))\n"
            "    except OSError:\n"
            "        pass\n"
        )
        return {answer["event"]: answer["is"] for answer in self.ask(program, 30)}

    def close(self):
        """Leave the board at its REPL and release the port."""
        line, self.line = self.line, None
        if line is None:
            return
        with contextlib.suppress(*_LOST, *_GARBLED):
            line.leave()
        with contextlib.suppress(*_LOST):
            line.close()

    # ---- failures as sentences

    @contextlib.contextmanager
    def _guard(self):
        try:
            yield
        except TransportExecError as error:
            words = last_line(error.error_output)
            raise Refused(
                one_sentence(f"The board on {self.name} cannot do it: {words}"), EXIT_BENCH
            ) from None
        except _GARBLED as error:
            raise self._strange(_heard(error)) from None
        except _LOST as error:
            if getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT):
                raise Refused("There is no room left on this PC.", EXIT_BENCH) from None
            raise Refused(
                f"The board on {self.name} is gone: it was unplugged, or it restarted.", EXIT_BENCH
            ) from None

    def _strange(self, how):
        return Refused(
            one_sentence(
                f"What is on {self.name} {how}; press its reset button, or put MicroPython on it "
                f"with `pxebench board flash`"
            ),
            EXIT_BENCH,
        )

    def _no_port(self, error):
        reason = str(error)
        number = getattr(error, "errno", None)
        if isinstance(error, TransportError):  # without pyserial's reason: open it again
            number, reason = _why_closed(self.port)
        if "://" in self.port:
            words = f"Cannot reach {self.name}: {reason}"
        elif number == errno.ENOENT:
            words = f"There is no port {self.name}; `pxebench board list` shows what there is"
        elif number in (errno.EACCES, errno.EPERM):
            words = (
                f"No permission to open {self.name}: join the group that owns it (often dialout) "
                f"and log in again"
            )
        elif number in (errno.EAGAIN, errno.EBUSY):  # pyserial: the errno of flock, or of open
            words = f"{self.name} is in use by another program: close it first"
        else:
            words = f"Cannot open {self.name}: {reason}"
        return Refused(one_sentence(words), EXIT_BENCH)


def _why_closed(port):
    import serial

    try:
        serial.serial_for_url(port, exclusive=True).close()
    except _LOST as error:
        return getattr(error, "errno", None), str(error)
    except ValueError as error:
        return None, str(error)
    return None, "it could not be opened"


def _heard(error):
    said = error.args[0] if error.args else b""
    if not isinstance(said, bytes):
        return (
            "does not keep to MicroPython's protocol (it prints in between, is garbled, or was "
            "restarted, as a watchdog does)"
        )
    text = show(said.decode("utf-8", "replace").strip())[-60:]
    return f"does not answer as MicroPython; it says {text!r}" if text else "does not answer"


def last_line(traceback):
    """The last line of a traceback."""
    lines = [line.strip() for line in traceback.strip().splitlines()]
    return lines[-1] if lines else "it says nothing"


def _sha256(data):
    import hashlib

    return hashlib.sha256(data).hexdigest()
