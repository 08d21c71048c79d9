#!/usr/bin/env python3
"""Put all that pxerom needs to run and be tested into .venv and .tools: no root, no change to the
system.

Python packages come from pip; everything else comes out of Debian packages that apt fetches and
checks, and that are unpacked here instead of installed. The steps are the modules of
`provisioning`. Left to others: choosing a program at run time (PATH, `.tools/bin` first). Needs
Python 3.9 and, for all but `python` and `lint`, a system with apt.

Rules
1. apt works with lists, cache and state of its own (`provisioning/apt.py`).
2. Only the distribution's own archive is used, and its keyring checks the signatures.
3. An unfinished step is run again from its beginning (`provisioning/folder.py`).
4. A wrapper in .tools/bin ends in `exec`, so that the pid a test sees is the program's own.
5. A step is a function that returns what it made, in one line, or None when there was nothing to
   do; it raises `Failure` with one sentence.
"""

import argparse
import fcntl
import os
import shutil
import sys
import threading
import time

from provisioning.axe import provide_axe
from provisioning.board import provide_board
from provisioning.browser import provide_browser
from provisioning.esp32sock import provide_esp32sock
from provisioning.folder import TOOLS, Failure
from provisioning.ipxe import provide_ipxe
from provisioning.micropython import provide_micropython
from provisioning.python import provide_lint, provide_python
from provisioning.rack import provide_rack
from provisioning.rp2040 import provide_rp2040
from provisioning.servers import provide_servers

STEPS = {
    "python": provide_python,
    "micropython": provide_micropython,
    "servers": provide_servers,
    "ipxe": provide_ipxe,
    "browser": provide_browser,
    "axe": provide_axe,
    "esp32sock": provide_esp32sock,
    "board": provide_board,
    "rack": provide_rack,
    "lint": provide_lint,
    "rp2040": provide_rp2040,
}
# Steps that only the tests, or only the checks, need.
APART = ("browser", "axe", "esp32sock", "board", "rack", "lint", "rp2040")


def _say_soon(step, wanted):
    """Prints what a step does before it begins, as a step may take minutes."""
    place = f"{wanted.index(step) + 1} of {len(wanted)}"
    words = f"{step} ({place}, may take minutes): {STEPS[step].__doc__.splitlines()[0]}"
    timer = threading.Timer(1, print, [words], {"flush": True})
    timer.daemon = True
    timer.start()
    return timer


def main():
    parser = argparse.ArgumentParser(
        description="Put what pxerom is run and tested with into .venv and .tools.",
        epilog="; ".join(f"{name}: {step.__doc__.rstrip('.')}" for name, step in STEPS.items()),
    )
    parser.add_argument(
        "step", nargs="+", choices=[*STEPS, "all"], help=f"all: all but {', '.join(APART)}"
    )
    wanted = parser.parse_args().step
    if "all" in wanted:
        wanted = [name for name in STEPS if name not in APART or name in wanted]
        if os.environ.get("IMAGE"):
            wanted.remove("ipxe")
    TOOLS.mkdir(exist_ok=True)
    step = "lock"
    try:
        with open(TOOLS / "lock", "w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:  # a second `make` waits for the first
                print("setup: another one is at work here; waiting for it.", flush=True)
                fcntl.flock(lock, fcntl.LOCK_EX)
            idle = True
            try:
                for step in wanted:
                    started = time.monotonic()
                    said = _say_soon(step, wanted)
                    try:
                        made = STEPS[step]()
                    finally:
                        said.cancel()
                    if made:
                        idle = False
                        print(f"{step}: {made} ({time.monotonic() - started:.0f} s)", flush=True)
            finally:  # before the next one gets the lock
                shutil.rmtree(TOOLS / "apt", ignore_errors=True)
            if idle and not set(wanted) <= set(APART):
                print("setup: everything is in place")
    except Failure as failure:
        print(f"provision: {step}: {failure}", file=sys.stderr)
        return 3
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
