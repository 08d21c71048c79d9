"""The finding of a check of `doctor`, and the commands that install what is missing."""

import os
import shlex
import shutil
import sys
from pathlib import Path
from typing import NamedTuple

from pxebench import places

OK = "ok"
LACKS = "lacks"
UNKNOWN = "unknown"  # not visible from here, or not to this user

_MANAGERS = (
    ("apt-get", "sudo apt-get install"),
    ("dnf", "sudo dnf install"),
    ("pacman", "sudo pacman -S"),
    ("zypper", "sudo zypper install"),
    ("brew", "brew install"),
)
_SBIN = ":/usr/local/sbin:/usr/sbin:/sbin"


class Finding(NamedTuple):
    """`state`: OK, LACKS or UNKNOWN; `found`: what is there; `costs`: which commands do not work
    without it, and `mend`: the command that mends it; both None where nothing lacks."""

    state: str
    found: str
    costs: str | None = None
    mend: str | None = None


def program(name):
    """The path of a program, looked for also in /sbin and in a clone's tools; None when it is not
    here."""
    tools = places.boards().parent / ".tools" / "bin"
    path = os.environ.get("PATH", os.defpath) + _SBIN
    return shutil.which(name, path=f"{path}:{tools}")


def install(package):
    """The command that installs a package of this system."""
    for manager, words in _MANAGERS:
        if program(manager):
            return f"{words} {package}"
    return f"install {package} with this system's package manager"


def pip(requirement):
    """The command that installs a Python package where this pxebench runs."""
    return f"{shlex.quote(sys.executable)} -m pip install {shlex.quote(requirement)}"


def as_root(*words):
    """The command that runs pxebench as root: sudo has a PATH of its own, without a venv."""
    own = Path(sys.prefix) / "bin" / "pxebench"
    named = str(own) if sys.prefix != sys.base_prefix and own.exists() else "pxebench"
    return shlex.join(["sudo", named, *words])
