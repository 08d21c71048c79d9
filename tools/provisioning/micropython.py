"""The step `micropython`: the unix port in each version that Debian has.

Every version has its own C libraries and is started by their loader: the system's may be too old.
Where the processor runs it, there is also one with 32-bit words, as a board has them: heap is
measured with it.
"""

import os
import re
import shutil
from pathlib import Path

from provisioning import apt, folder

# Debian suites beside the machine's own that carry MicroPython, and the versions expected there.
MICROPYTHON_SUITES = {"debian": {"trixie": "1.25", "sid": "1.26"}}
# The architecture with 32-bit words that a processor also runs.
SHORT_WORDS = {"amd64": "i386", "arm64": "armhf"}


class DoesNotStart(folder.Failure):
    """This machine does not run this MicroPython."""


def provide_micropython():
    """MicroPython's unix port in each version that Debian has, with C libraries of its own."""
    digest = folder.digest_of(__file__)
    if folder.is_done("micropython", digest, folder.BIN / "micropython"):
        return None
    if not apt.has_apt():
        # Not the wrapper made here: it would start itself, again and again.
        places = os.environ.get("PATH", "").split(":")
        path = shutil.which(
            "micropython", path=":".join(p for p in places if Path(p) != folder.BIN)
        )
        if not path:
            raise folder.Failure(
                "no apt here and no micropython on PATH: build or install its unix port"
            )
        version = micropython_version([path])
        folder.write_wrapper(f"micropython-{version[0]}.{version[1]}", [path])
        folder.write_wrapper("micropython", [path])
        return f"MicroPython {'.'.join(map(str, version))} is {path}"
    release = apt.os_release()
    suites = MICROPYTHON_SUITES.get(release.get("ID"), {release.get("VERSION_CODENAME"): ""})
    found = {}
    for suite, expected in suites.items():
        version = from_suite(suite, "micropython-")
        found[version] = name = f"{version[0]}.{version[1]}"
        if expected and name != expected:
            print(f"micropython: {suite} has {name} now, not {expected}; taken as it is")
    newest = folder.BIN / ".micropython.new"
    newest.unlink(missing_ok=True)
    newest.symlink_to(f"micropython-{found[max(found)]}")
    newest.rename(folder.BIN / "micropython")
    folder.run([folder.BIN / "micropython", "-c", ""], "micropython does not start")
    short = provide_short_words(reversed(list(suites)))
    folder.set_done("micropython", digest)
    versions = [".".join(map(str, version)) for version in sorted(found)]
    versions.append(short or "none with 32-bit words: this machine runs none")
    size = folder.megabytes(folder.TOOLS / "micropython")
    return f"MicroPython {', '.join(versions)} in .tools/micropython, {size}"


def from_suite(suite, stem, arch=None):
    """Unpack the MicroPython of a suite, make its wrapper STEM + version; return the version."""
    # The system's libraries may be too old: all of them are fetched, libc included.
    archive = apt.Apt(
        folder.TOOLS / "apt" / (arch or "own") / suite, apt.archive_of(suite), "", arch
    )
    new = folder.TOOLS / "micropython" / f"{suite}.new"
    shutil.rmtree(new, ignore_errors=True)
    try:
        apt.unpack(archive.fetch(["micropython"]), new)
        version = micropython_version(micropython_argv(new))
        name = f"{version[0]}.{version[1]}"
        place = folder.TOOLS / "micropython" / (f"{name}-{arch}" if arch else name)
        folder.put_in_place(new, place)
    finally:
        shutil.rmtree(new, ignore_errors=True)
    folder.write_wrapper(stem + name, micropython_argv(place))
    return version


def provide_short_words(suites):
    """Provide micropython32, of the first suite that has one; its version in words, or None on a
    machine that does not run it."""
    arch = SHORT_WORDS.get(apt.architecture())
    (folder.BIN / "micropython32").unlink(missing_ok=True)
    lacking = None
    for suite in suites if arch else ():
        try:
            version = from_suite(suite, "micropython32-", arch)
        except DoesNotStart:
            return None
        except folder.Failure as failure:  # the suite does not have it at present
            lacking = failure
            continue
        (folder.BIN / "micropython32").symlink_to(f"micropython32-{version[0]}.{version[1]}")
        return ".".join(map(str, version)) + " with 32-bit words"
    if lacking:
        raise lacking
    return None


def micropython_argv(root):
    """Return how to start the MicroPython in `root` with the dynamic loader of the same folder."""
    program = apt.find_program(root, "micropython")
    # The ELF file names its loader (PT_INTERP), whose name depends on the architecture.
    name = re.search(rb"/lib[\w/]*/(ld[\w.-]+)\0", program.read_bytes())
    if not name:
        return [program]  # linked statically: it needs none
    real = [f for f in root.rglob(name[1].decode()) if f.is_file() and not f.is_symlink()]
    if not real:
        raise folder.Failure(
            f"the packages fetched hold no {name[1].decode()} to start micropython with"
        )
    # Started by a link of that name, `ps` and `ss` show micropython and not the loader.
    link = root / "micropython"
    if not link.is_symlink():
        link.symlink_to(real[0].relative_to(root))
    return [link, "--library-path", apt.library_path(root), program]


def micropython_version(argv):
    code = "import sys; print(*sys.implementation[:2])"
    try:
        said = folder.run([*argv, "-c", code], "micropython does not start")
    except folder.Failure as failure:
        raise DoesNotStart(*failure.args)
    match = re.fullmatch(r"micropython \((\d+), (\d+), (\d+).*\)\n", said)
    if not match:
        raise folder.Failure(f"micropython does not tell its version: {said.strip()!r}")
    return tuple(map(int, match.groups()))
