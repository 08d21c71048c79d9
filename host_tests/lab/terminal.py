"""A program that writes to a terminal."""

import contextlib
import os
import subprocess


def run(argv, stream="stdout", columns=100, **more):
    """Run a program whose `stream` ("stdout" or "stderr") is a terminal; (exit code, what the
    terminal got, what the other stream got, which is a pipe), as bytes. `more`: of Popen."""
    ours, theirs = os.openpty()
    other = "stderr" if stream == "stdout" else "stdout"
    env = {**os.environ, "TERM": "xterm-256color", "COLUMNS": str(columns)}
    streams = {stream: theirs, other: subprocess.PIPE}
    with subprocess.Popen(argv, env=env, **streams, **more) as process:
        os.close(theirs)
        shown = b""
        with contextlib.suppress(OSError):  # EIO: the other end is closed
            while part := os.read(ours, 65536):
                shown += part
        os.close(ours)
        piped = getattr(process, other).read()
        return process.wait(60), shown, piped
