"""The step `board`: an emulated board, built from Debian's sources of MicroPython and lwIP.

.tools/board/qemu has QEMU, beside it is a firmware for each version of MicroPython; compiler and
sources are removed after the build. The port is `boards/emulated`.
"""

import os
import shutil

from provisioning.apt import (
    Apt,
    archive_of,
    find_program,
    has_apt,
    library_path,
    os_release,
    own_apt,
    source_version,
    unpack,
    unpack_source,
)
from provisioning.folder import (
    BIN,
    HERE,
    TOOLS,
    Failure,
    digest_of,
    here_for_make,
    is_done,
    megabytes,
    put_in_place,
    run,
    set_done,
    write_wrapper,
)

# Suites whose source package of MicroPython is built. The first one is stable and must build; sid
# changes. lwIP is always the first one's.
SUITES = {"debian": ("trixie", "sid")}
PORT = HERE / "boards" / "emulated"


def provide_board():
    """An emulated board: QEMU, and MicroPython with rp2's network stack built for it."""
    own = [f for f in sorted(PORT.rglob("*")) if PORT / "rp2040" not in f.parents]
    files = [f.read_bytes() for f in own if f.suffix in (".c", ".h", ".ld")]
    digest = digest_of(__file__, files, (PORT / "Makefile").read_bytes())
    if is_done("board", digest, BIN / "qemu-system-arm"):
        return None
    if not has_apt():
        raise Failure("no apt here: the emulated board is built from Debian's packages")
    work, new = TOOLS / "board.work", TOOLS / "board.new"
    for folder in (work, new):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
    try:
        with here_for_make() as here:
            versions = build(here, here / work.relative_to(HERE), new)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    place = TOOLS / "board"
    put_in_place(new, place)
    root = place / "qemu"
    environment = {"LD_LIBRARY_PATH": library_path(root)} if library_path(root) else {}
    argv = [find_program(root, "qemu-system-arm"), "-L", root / "usr/share/qemu"]
    write_wrapper("qemu-system-arm", argv, **environment)
    run([BIN / "qemu-system-arm", "--version"], "QEMU does not start")
    set_done("board", digest)
    return f"MicroPython {', '.join(versions)} for QEMU in .tools/board, {megabytes(place)}"


def build(here, work, new):
    """Build every firmware into `new`, and unpack QEMU there; return MicroPython's versions.
    `here`, and `work` in it: by a path that make can take."""
    # A libc must match its loader, and the loader is the system's. newlib's headers are enough:
    # nothing is linked with it.
    foreign = ("libc6_", "libnewlib-arm-", "libstdc++-")
    debs = own_apt().fetch(["gcc-arm-none-eabi", "libnewlib-dev"])
    unpack([deb for deb in debs if not deb.name.startswith(foreign)], work)
    suites = SUITES.get(os_release().get("ID"), (os_release().get("VERSION_CODENAME"),))
    versions = []
    for suite in suites:
        try:
            versions.append(build_suite(suite, suite == suites[0], here, work, new))
        except Failure as failure:
            if not versions:
                raise
            print(f"board: {suite} is left out: {failure}")
    # QEMU last: it shares the downloads' folder with the compiler.
    debs = own_apt().fetch(["qemu-system-arm"])
    unpack([deb for deb in debs if not deb.name.startswith("libc6_")], new / "qemu")
    for needless in ("doc", "man", "locale"):
        shutil.rmtree(new / "qemu/usr/share" / needless, ignore_errors=True)
    return versions


def build_suite(suite, first, here, work, new):
    """Build the MicroPython of a suite; return its version."""
    apt = Apt(TOOLS / "apt/source" / suite, archive_of(suite), "", kinds=("deb-src",))
    if first:
        unpack_source(apt.fetch_sources(["lwip"])[0], work / "lwip")
    description = apt.fetch_sources(["micropython"])[0]
    version = source_version(description)
    source = work / suite
    unpack_source(description, source)
    # Debian builds with lwIP as a package of its own; MicroPython's make files look for it here.
    shutil.rmtree(source / "lib/lwip", ignore_errors=True)
    (source / "lib/lwip").symlink_to(work / "lwip")
    compiler = work / "usr/bin/arm-none-eabi-"
    run(
        [
            *("make", "-C", here / PORT.relative_to(HERE), "-j", str(os.cpu_count() or 1)),
            f"TOP={source}",
            f"BUILD={work / 'build' / suite}",
            f"CROSS_COMPILE={compiler}",
            f"MICROPY_GIT_TAG=v{version}",
            f"CFLAGS_EXTRA=-isystem {work / 'usr/include/newlib'}",
        ],
        f"MicroPython {version} could not be built for the emulated board",
        **compiler_environment(work),
    )
    short = ".".join(version.split(".")[:2])
    shutil.copy(work / "build" / suite / "firmware.elf", new / f"micropython-{short}.elf")
    return version


def compiler_environment(work):
    """The environment in which the unpacked compiler runs."""
    libraries = library_path(work)
    return {"LD_LIBRARY_PATH": libraries} if libraries else {}
