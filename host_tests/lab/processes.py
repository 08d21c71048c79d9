"""Child processes that do not outlive the lab.

Rules
1. A process is ended by its own id, with the group that it leads, and by nothing wider.
2. Whoever starts one ends it: `with start(...)`; an exception on the way does not leave it behind.
3. It does not survive us either, not even a SIGKILL: a guard in its group reads from a pipe that
   only we hold open, and ends the group when the pipe closes.
4. What it printed is kept, so that a failure can show it.
"""

import contextlib
import os
import signal
import subprocess
import tempfile
import time

from host_tests.lab.programs import LabError

_END_WAIT_S = 3

# The program takes the shell's place, so the process id is its own; `$$` is that id and its group.
_GUARDED = 'exec 3<&0; (read line <&3; kill -KILL -$$) & exec "$@" 3<&- </dev/null'


class Process:
    """A started program. `pid`; `output()` is everything it printed so far."""

    def __init__(self, argv, env=None, cwd=None):
        self.argv = [str(word) for word in argv]
        self._log = tempfile.TemporaryFile()
        # A session of its own: in.tftpd forks a child for each transfer, and they must go too.
        self._popen = subprocess.Popen(
            ["sh", "-c", _GUARDED, "sh", *self.argv],
            stdin=subprocess.PIPE,
            stdout=self._log,
            stderr=subprocess.STDOUT,
            env=env,
            cwd=cwd,
            start_new_session=True,
        )
        self.pid = self._popen.pid

    def running(self):
        return self._popen.poll() is None

    def output(self):
        """Return the text printed so far (stdout and stderr)."""
        size = os.fstat(self._log.fileno()).st_size
        return os.pread(self._log.fileno(), size, 0).decode(errors="replace")

    def interrupt(self):
        """Send SIGINT to the process alone, as Ctrl-C would."""
        self._popen.send_signal(signal.SIGINT)

    def wait(self, timeout_s):
        """Wait for its own end and return the exit code; raises LabError when it takes longer."""
        try:
            return self._popen.wait(timeout_s)
        except subprocess.TimeoutExpired:
            raise LabError(f"{self.argv[0]} did not end within {timeout_s} s.")

    def stop(self):
        """End the process and the group it leads; ends at once when both are gone already."""
        self._signal_group(signal.SIGTERM)
        try:
            self._popen.wait(_END_WAIT_S)
        except subprocess.TimeoutExpired:
            pass
        # Its children may have ignored the polite signal; the group's id stays ours meanwhile.
        self._signal_group(signal.SIGKILL)
        self._popen.wait()
        self._popen.stdin.close()
        self._log.close()

    def _signal_group(self, number):
        try:
            os.killpg(self.pid, number)
        except ProcessLookupError:
            pass


@contextlib.contextmanager
def start(argv, env=None, cwd=None):
    """Run `argv` until the block ends; yields the Process."""
    process = Process(argv, env=env, cwd=cwd)
    try:
        yield process
    finally:
        process.stop()


def wait_until(condition, what, timeout_s=5, process=None):
    """Wait until condition() is true; raises LabError naming `what` when it never is.

    With `process`, its early end is reported at once, with what it printed.
    """
    deadline = time.monotonic() + timeout_s
    while not condition():
        if process is not None and not process.running():
            raise LabError(f"{process.argv[0]} ended before {what}: {process.output().strip()}")
        if time.monotonic() > deadline:
            said = f": {process.output().strip()}" if process is not None else "."
            raise LabError(f"Waited {timeout_s} s in vain for {what}{said}")
        time.sleep(0.01)
