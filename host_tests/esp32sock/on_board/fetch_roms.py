"""Runs on micropython-esp32: each ROM of the firmware fetches a file.

fetch_roms.py SERVER FILE; prints a line for each: its id, the outcome, the SHA-256.
"""

import os
import sys

_ROOT = __file__.rpartition("/")[0] + "/../../.."
sys.path[:0] = [_ROOT, _ROOT + "/firmware"]

from pxerom import agent

from host_tests.boards.on_board.stack import stack

assert stack
for name in sorted(os.listdir(_ROOT + "/firmware/pxerom/roms")):
    if not name.endswith(".json"):
        continue
    job = {
        "job": "fetch",
        "rom": name[:-5],
        "server": sys.argv[1],
        "file": sys.argv[2],
        "sink": {"kind": "null"},
    }
    result = agent.run(job, lambda event: None)
    print("rom", name[:-5], result["outcome"], (result["image"] or {}).get("sha256"))
