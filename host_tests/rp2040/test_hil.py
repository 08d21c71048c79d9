"""`make hil`, unchanged, on the emulated board."""

import re
import sys

from host_tests.rp2040 import rig


def test_hardware_suite_passes_whole(board_here):
    words = ["-m", "pytest", "-q", "-m", "hardware", "-p", "no:cacheprovider", "host_tests/hil"]
    words += ["--rootdir", rig.ROOT, "--pxerom-port", board_here.port]
    words += ["--pxerom-server", rig.SERVER, "--pxerom-file", rig.FILE]
    done = board_here.run(sys.executable, *words, timeout_s=480)
    print(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"^9 passed in ", done.stdout, re.M), done.stdout
