"""What every test finds when it starts: the programs of `make setup` first on PATH.

So that `.venv/bin/pytest` alone, in an editor say, runs the same programs as `make test` does.
"""

import collections
import os
import signal
from pathlib import Path

TOOLS_BIN = Path(__file__).resolve().parent.parent / ".tools" / "bin"

os.environ["PATH"] = os.pathsep.join([str(TOOLS_BIN), os.environ["PATH"], "/usr/sbin", "/sbin"])

# `nohup make test &` hands down that Ctrl-C and a hang-up are ignored, and the tests send both:
# the programs under test are to start with neither ignored.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
if signal.getsignal(signal.SIGHUP) == signal.SIG_IGN:
    signal.signal(signal.SIGHUP, lambda *_: None)  # ignored here, and by no child


def pytest_collection_modifyitems(items):
    """Files with many long tests begin first: begun last, one of them would hold up the end."""
    long = collections.Counter(item.path for item in items if item.get_closest_marker("slow"))
    items.sort(key=lambda item: -long[item.path])
