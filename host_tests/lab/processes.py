"""Child processes that do not outlive the lab.

Rules
1. A process is ended by its own id, with the group that it leads, never by a name. It is reaped
   last, so that until then no other process can get its id.
2. It is started by `with start(...)`, which ends it, also after an exception.
3. It does not survive us, not even a SIGKILL: a guard gets the id of each group over a pipe that
   only we hold open, and ends those that are left when the pipe closes.
4. Its output is kept, so that a failure can show it.
"""

import atexit
import contextlib
import functools
import os
import signal
import subprocess
import tempfile
import time

from host_tests.lab.programs import LabError

_END_WAIT_S = 3

_GUARD = """\
alive=
while read -r what group; do
  others=
  for one in $alive; do [ "$one" = "$group" ] || others="$others $one"; done
  alive=$others
  [ "$what" = ended ] || alive="$alive $group"
done
for group in $alive; do kill -KILL "-$group"; done
"""


@functools.cache
def _guard():
    # A session of its own, else Ctrl-C would end it first.
    guard = subprocess.Popen(
        ["sh", "-c", _GUARD],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    atexit.register(guard.communicate)
    return guard


def _tell_guard(what, group):
    os.write(_guard().stdin.fileno(), f"{what} {group}\n".encode())


class Process:
    """A started program. `pid`; `output()` is what it has printed so far."""

    def __init__(self, argv, env=None, cwd=None):
        self.argv = [str(word) for word in argv]
        self._log = tempfile.TemporaryFile()
        _guard()
        # A session of its own: in.tftpd forks a child for each transfer, and they must go too.
        self._popen = subprocess.Popen(
            self.argv,
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=subprocess.STDOUT,
            env=env,
            cwd=cwd,
            start_new_session=True,
        )
        self.pid = self._popen.pid
        _tell_guard("started", self.pid)

    def running(self):
        return self._ended() is None

    def output(self):
        """Return the text printed so far (stdout and stderr)."""
        size = os.fstat(self._log.fileno()).st_size
        return os.pread(self._log.fileno(), size, 0).decode(errors="replace")

    def interrupt(self):
        """Send SIGINT to the process alone, as Ctrl-C would."""
        os.kill(self.pid, signal.SIGINT)

    def wait(self, timeout_s):
        """Wait for its own end; returns the exit code, or minus the signal that ended it.

        Raises LabError when it takes longer.
        """
        if not self._wait(timeout_s):
            raise LabError(f"{self.argv[0]} did not end within {timeout_s} s.")
        ended = self._ended()
        return ended.si_status if ended.si_code == os.CLD_EXITED else -ended.si_status

    def stop(self):
        """End the process and the group it leads; ends at once when both are gone already."""
        self._signal_group(signal.SIGTERM)
        self._wait(_END_WAIT_S)
        self._signal_group(signal.SIGKILL)  # its children may have ignored SIGTERM
        _tell_guard("ended", self.pid)
        self._popen.wait()
        self._log.close()

    def _ended(self):
        # Does not reap it: rule 1.
        return os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)

    def _wait(self, timeout_s):
        deadline = time.monotonic() + timeout_s
        while self.running() and time.monotonic() < deadline:
            time.sleep(0.01)
        return not self.running()

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


def wait_until(condition, what, timeout_s=20, process=None):
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
