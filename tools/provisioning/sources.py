"""The sources of MicroPython and lwIP: the source packages of a Debian suite, upstream's files."""

import functools
import shutil
from pathlib import Path

from provisioning.apt import Apt, archive_of, os_release, source_version, unpack_source
from provisioning.folder import TOOLS

# Suites that have both. The first one is stable, and lwIP is always taken from it; sid changes.
SUITES = {"debian": ("trixie", "sid")}
RECIPE = Path(__file__).read_bytes()  # a part of each recipe (`folder.digest_of`) that uses them


def suites():
    """Return the names of the suites, the stable one first."""
    release = os_release()
    return SUITES.get(release.get("ID"), (release.get("VERSION_CODENAME"),))


def unpack_micropython(suite, tree):
    """Unpack the MicroPython of a suite into `tree`, with lwIP, which Debian has as a package of
    its own, where its make files look for it; return the versions of both."""
    micropython = _apt(suite).fetch_sources(["micropython"])[0]
    unpack_source(micropython, tree)
    shutil.rmtree(tree / "lib/lwip", ignore_errors=True)  # an empty folder: a git submodule
    lwip = _apt(suites()[0]).fetch_sources(["lwip"])[0]
    unpack_source(lwip, tree / "lib/lwip")
    return source_version(micropython), source_version(lwip)


@functools.cache
def _apt(suite):
    return Apt(TOOLS / "apt/source" / suite, archive_of(suite), "", kinds=("deb-src",))
