"""The models of flash, W5500, timer and serial port by themselves, and the fast core beside
rp2040js' own: what node's test runner says."""

import os
import re
import subprocess
from pathlib import Path

import pytest
from pxebench.board import rp2040js

_FOLDER = Path(__file__).parent


@pytest.mark.parametrize("name, tests", [("models", 9), ("lockstep", 1)])
def test_node_tests_pass(name, tests):
    provided = rp2040js.PROVIDED
    done = subprocess.run(
        [rp2040js.node(), "--test", _FOLDER / f"{name}.test.js"],
        capture_output=True,
        text=True,
        timeout=400,
        env=dict(
            os.environ,
            NODE_PATH=str(provided / "node_modules"),
            BOOTROM=str(provided / "bootrom.bin"),
            FIRMWARE=str(provided / "firmware.bin"),
        ),
    )
    counts = dict(re.findall(r"^\S+ (pass|fail|skipped) (\d+)$", done.stdout, re.M))
    assert done.returncode == 0, done.stdout + done.stderr
    assert counts == {"pass": str(tests), "fail": "0", "skipped": "0"}, done.stdout
