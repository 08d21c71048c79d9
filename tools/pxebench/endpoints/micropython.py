"""The endpoint in a MicroPython interpreter (unix port) of its own, running `pxerom.agent_stdio`.

The job goes in as one line on the child's standard input; events come out as RFC 7464 sequences.
The child has a session of its own, so that a Ctrl-C on the terminal reaches it once, from here.

1. The firmware keeps `max_time_ms` itself; a child that runs on for longer than
   `_MAX_TIME_GRACE_S` is ended here.
2. Ctrl-C is passed on as SIGINT; the child has some time for its last event, then it is killed.
3. Whatever a child does, `run` ends and leaves no process behind.
4. Its standard input stays open after the job only where keys may follow.
"""

import os
import selectors
import shutil
import signal
import subprocess
import time
from json import dumps
from pathlib import Path

from pxebench import places
from pxebench.endpoints import Listener, Menu, completed, ended_by
from pxebench.endpoints.signals import Signals
from pxebench.endpoints.stream import Sequence
from pxebench.job import EXIT_BENCH, Refused, Witness, one_sentence, show

_MAX_TIME_GRACE_S = 3.0  # the interpreter's start, and its orderly end
_LAST_EVENT_S = 2.0  # from a Ctrl-C to the last event, and from the last event to the exit
_EXIT_S = 0.5  # for a child that closed its stdout without a last event
_TICK_S = 0.1  # a signal handler cannot shorten a select that runs (PEP 475)
_STDERR_TAIL = 4000
# Not `-m pxerom.agent_stdio`: with -m the unix port lets SIGINT kill it, with -c it raises
# KeyboardInterrupt, as the REPL of a board does.
_PROGRAM = "from pxerom import agent_stdio; agent_stdio.main()"


class NoneHere(Refused):
    """No interpreter was named and none was found. `what`: the sentence without the advice."""

    what = "There is no MicroPython here"

    def __init__(self):
        needs = "it needs a `micropython` on PATH, or --interpreter."
        super().__init__(f"{self.what}: {needs}", EXIT_BENCH)


def find(wanted=None):
    """Path of the MicroPython binary: `--interpreter`, PXEROM_MICROPYTHON, .tools/bin, PATH."""
    wanted = wanted or os.environ.get("PXEROM_MICROPYTHON")
    if wanted:
        found = shutil.which(wanted)
        if not found:
            raise Refused(f"{show(wanted)} is no program that can be run.", EXIT_BENCH)
        return found
    provisioned = Path(__file__).resolve().parents[3] / ".tools" / "bin" / "micropython"
    found = shutil.which(str(provisioned)) or shutil.which("micropython")
    if not found:
        raise NoneHere()
    return found


def run(job, on_event, binary, keys=None, on_wait=None):
    """Run `job` in the interpreter `binary`; see `endpoints` for the contract."""
    witness = Witness()

    def watched(event):
        witness.event(event)
        child.menu.event(event)
        on_event(event)

    child = _Child(Listener(watched), job, keys, on_wait)
    with Signals(child.interrupt):
        try:
            child.start(binary)
            child.listen()
        finally:
            child.close()
    listener = child.listener
    if listener.refused:
        raise listener.refused
    result = listener.result
    if result is None:
        if not child.ended_by:
            raise Refused(child.death(binary), EXIT_BENCH)
        return ended_by(child.ended_by, witness, job, "micropython")
    return completed(result, "micropython", listener.start)


class _Child:
    """The interpreter's process, from its start to its end."""

    def __init__(self, listener, job, keys=None, on_wait=None):
        self.listener = listener
        self.menu = Menu(keys, self._type)
        self.on_wait = on_wait or (lambda: None)
        self.boots = job.get("job") == "boot"
        self.sequence = Sequence()
        self.process = None
        self.stderr = b""
        self.unsent = dumps(job).encode() + b"\n"
        self.max_time_ms = job.get("max_time_ms")
        self.kill_at = None
        self.ended_by = None  # "user" or "bench" once it was told to end
        self.interrupts = 0
        self.passed_on = False

    def interrupt(self):
        """A Ctrl-C came.  Called by a signal's handler: the loop in `listen` does the rest."""
        self.interrupts += 1

    def start(self, binary):
        import pxerom

        folders = [Path(pxerom.__file__).parents[1], *(places.host_link() if self.boots else [])]
        environment = dict(os.environ, MICROPYPATH=":".join(map(str, folders)))
        if self.max_time_ms is not None:
            self.kill_at = time.monotonic() + self.max_time_ms / 1000 + _MAX_TIME_GRACE_S
        try:
            self.process = subprocess.Popen(
                [binary, "-c", _PROGRAM],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=environment,
                start_new_session=True,
            )
        except OSError as error:
            reason = error.strerror or "it is no program"
            raise Refused(f"Cannot run {show(binary)}: {reason}.", EXIT_BENCH) from None

    def listen(self):
        """Give the job and take events until the last one, the end of stdout or a deadline."""
        process = self.process
        with selectors.DefaultSelector() as selector:
            for pipe in (process.stdin, process.stdout, process.stderr):
                os.set_blocking(pipe.fileno(), False)
                writes = pipe is process.stdin
                selector.register(pipe, selectors.EVENT_WRITE if writes else selectors.EVENT_READ)
            # A grandchild may keep stderr open: stdout decides.
            waiting = selector.get_map()
            while process.stdout in waiting and not self.listener.done and not self._overdue():
                for key, _ in selector.select(_TICK_S):
                    if key.fileobj is process.stdin:
                        if not self._give_job():
                            selector.unregister(process.stdin)
                            if not self.menu.keys:
                                process.stdin.close()
                    elif not self._take(key.fileobj):
                        selector.unregister(key.fileobj)
                self.menu.pass_on()
                self.on_wait()

    def _type(self, key):
        try:
            os.write(self.process.stdin.fileno(), key)
        except OSError:  # it reads no more keys
            pass

    def _overdue(self):
        """True when the child has to be killed; passes a Ctrl-C on when one came."""
        now = time.monotonic()
        if self.interrupts and not self.passed_on:
            self.passed_on = True
            self.ended_by = "user"
            self.kill_at = now + _LAST_EVENT_S
            self._signal(signal.SIGINT)
        if self.interrupts > 1:
            return True
        if self.kill_at is not None and now >= self.kill_at:
            self.ended_by = self.ended_by or "bench"
            return True
        return False

    def _give_job(self):
        """Write what the pipe takes of the job; False when there is no more to write."""
        try:
            self.unsent = self.unsent[os.write(self.process.stdin.fileno(), self.unsent) :]
        except BlockingIOError:
            return True
        except OSError:  # it went away without reading: its end is reported, not this
            return False
        return bool(self.unsent)

    def _take(self, pipe):
        """Read what is there; False at the end of the stream."""
        try:
            data = os.read(pipe.fileno(), 65536)
        except BlockingIOError:
            return True
        if pipe is self.process.stderr:
            self.stderr = (self.stderr + data)[-_STDERR_TAIL:]
        else:
            for event in self.sequence.feed(data):
                if not self.listener.done:
                    self.listener.take_from("firmware", event)
        return bool(data)

    def close(self):
        """End the child: by waiting for it after its last event, else by killing it."""
        process = self.process
        if process is None:
            return
        if self.ended_by and not self.listener.done:
            self._signal(signal.SIGKILL)
        try:
            process.wait(_LAST_EVENT_S if self.listener.done else _EXIT_S)
        except subprocess.TimeoutExpired:
            self._signal(signal.SIGKILL)
            process.wait()
        if not self.listener.done:
            self._take_stderr()
        for pipe in (process.stdin, process.stdout, process.stderr):
            try:
                pipe.close()
            except OSError:  # the pipe was closed before the job's last bytes
                pass

    def _take_stderr(self):
        try:
            self.stderr = self.stderr + os.read(self.process.stderr.fileno(), 65536)
        except OSError:
            pass

    def _signal(self, number):
        # The group is the child's own session: its pid, and what a wrapper script started.
        if self.process.poll() is None:
            try:
                os.killpg(self.process.pid, number)
            except ProcessLookupError:
                pass

    def death(self, binary):
        """One sentence on a child that gave no last event."""
        code = self.process.returncode
        if code < 0:
            try:
                how = f"was ended by {signal.Signals(-code).name}"
            except ValueError:
                how = f"was ended by signal {-code}"
        else:
            how = f"ended with status {code}"
        said = (self.stderr or self.sequence.text).decode("utf-8", "replace").strip()
        last = f": {said.splitlines()[-1]}" if said else ""
        return one_sentence(f"{binary} {how} and gave no result{last}")
