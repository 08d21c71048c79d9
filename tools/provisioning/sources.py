"""MicroPython's and lwIP's source packages, fetched once for the steps that build with both."""

import functools
import shutil
from pathlib import Path

from provisioning.apt import Apt, archive_of, os_release, unpack_source
from provisioning.folder import TOOLS

# The stable suite: its versions stand still, and were made for each other.
STABLE = {"debian": "trixie"}
# For the stamps of the steps that use this module.
TEXT = Path(__file__).read_bytes()


def stable():
    """The suite whose packages must build: the distribution's stable one, else the machine's."""
    return STABLE.get(os_release().get("ID"), os_release().get("VERSION_CODENAME"))


@functools.cache
def _apt(suite):
    return Apt(TOOLS / "apt/source" / suite, archive_of(suite), "", kinds=("deb-src",))


@functools.cache
def fetch(suite, name):
    """Return the .dsc file of a suite's source package."""
    return _apt(suite).fetch_sources([name])[0]


def unpack(micropython, lwip, tree):
    """Unpack MicroPython into `tree` with lwIP where its make files look for it; both: .dsc files.
    Debian builds with lwIP as a package of its own."""
    unpack_source(micropython, tree)
    shutil.rmtree(tree / "lib/lwip", ignore_errors=True)  # an empty folder: a git submodule
    unpack_source(lwip, tree / "lib/lwip")
