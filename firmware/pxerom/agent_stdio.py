"""One job from standard input, its events to standard output: how a bench drives an interpreter.

A board gets its job over the REPL and has no copy of this file. What a job is: `agent`.
"""

import json
import sys

from pxerom import agent, runtime


def main():
    """Read one job (a line of JSON) from standard input, write its events to standard output."""

    def emit(event):
        runtime.write_out("\x1e" + json.dumps(event) + "\n")

    try:
        job = json.loads(sys.stdin.readline())
        if not isinstance(job, dict):
            raise ValueError
    except ValueError:
        emit({"event": "refused", "exit": 2, "message": "The job is not a line of JSON."})
        return
    keys = None
    if job.get("keys"):
        from pxerom.boot import pressed as keys
    try:
        agent.run(job, emit, None, None, keys)
    except OSError:
        pass  # the reader of the events is gone


if __name__ == "__main__":
    main()
