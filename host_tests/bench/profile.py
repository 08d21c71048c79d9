"""Where the time of a full block goes, part of `make bench`: `per_block` on each interpreter.

The sum is the client's own work. A fetch takes longer by the server's time for a block, on one CPU
in full, and by the wake-ups of both where each has a CPU of its own.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.table import Table

from host_tests.footprint import measure

_SCRIPT = Path(__file__).with_name("per_block.py")
_FIRMWARE = measure.ROOT / "firmware"
_HEADINGS = {
    "receive": "recvfrom",
    "send": "sendto",
    "digest": "SHA-256",
    "write": "write",
    "rest": "the loop",
}


def measured(name, blksize):
    """{call: us} of a block on the interpreter `name`, "CPython" or "MicroPython"."""
    python, variable = sys.executable, "PYTHONPATH"
    if name == "MicroPython":
        python, variable = measure.interpreter("1.26"), "MICROPYPATH"
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [python, _SCRIPT, str(blksize)],
            cwd=folder,
            env={**os.environ, variable: str(_FIRMWARE)},
            capture_output=True,
            text=True,
            timeout=120,
            check=True,
        )
    return json.loads(done.stdout)


def table(blksizes=(1456, 512)):
    """The figures, as a table for a terminal."""
    made = Table(title="A full block, us of the client's own work (median of 400 rounds)")
    for column in ("", "blksize", *_HEADINGS.values(), "sum"):
        made.add_column(column, justify="right" if column else "left")
    for name in ("CPython", "MicroPython"):
        for blksize in blksizes:
            us = measured(name, blksize)
            cells = [f"{us[call]:.2f}" for call in _HEADINGS]
            made.add_row(f"pxerom {name}", str(blksize), *cells, f"{sum(us.values()):.2f}")
    return made
