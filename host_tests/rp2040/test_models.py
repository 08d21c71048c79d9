"""The models of flash, W5500, timer and serial port, by themselves (models.test.js)."""

import os
import re
import subprocess
from pathlib import Path

from pxebench.board import rp2040js

_TESTS = Path(__file__).with_name("models.test.js")


def test_models_keep_to_the_data_sheets():
    done = subprocess.run(
        [rp2040js.node(), "--test", _TESTS],
        capture_output=True,
        text=True,
        timeout=60,
        env=dict(os.environ, NODE_PATH=str(rp2040js.PROVIDED / "node_modules")),
    )
    counts = dict(re.findall(r"^\S+ (tests|pass|fail) (\d+)$", done.stdout, re.M))
    assert done.returncode == 0, done.stdout + done.stderr
    assert int(counts["pass"]) == int(counts["tests"]) >= 9, done.stdout
