"""Where the lab's programs are.

Programs of `make setup` take precedence over the system's, so that versions are the same
everywhere. `tools/provision.py` installs them.
"""

import os
import shutil
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PLACES = (str(ROOT / ".tools" / "bin"), "/usr/local/sbin", "/usr/sbin", "/sbin")


class LabError(Exception):
    """The lab cannot be built here; the sentence says what is missing and what to do."""


def search_path():
    """Return the PATH under which the lab's programs are found."""
    tools, *system = PLACES
    return os.pathsep.join([tools, os.environ.get("PATH", os.defpath), *system])


def find(name):
    """Return the full path of program `name`; raises LabError when there is none."""
    found = shutil.which(name, path=search_path())
    if found is None:
        raise LabError(f"{name} is not here: run `make setup`, or install it.")
    return found
