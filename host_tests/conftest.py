"""What every test finds when it starts: the programs of `make setup` first on PATH.

So that `.venv/bin/pytest` alone, in an editor say, runs the same programs as `make test` does.
"""

import os
from pathlib import Path

TOOLS_BIN = Path(__file__).resolve().parent.parent / ".tools" / "bin"

os.environ["PATH"] = os.pathsep.join([str(TOOLS_BIN), os.environ["PATH"], "/usr/sbin", "/sbin"])
