"""The step `board`: an emulated board, built from Debian's sources of MicroPython and lwIP.

.tools/board/qemu has QEMU, beside it is a firmware for each version of MicroPython; compiler and
sources are removed after the build. The port is `boards/emulated`.
"""

import os
import shutil

from provisioning import apt, folder, sources

PORT = folder.HERE / "boards" / "emulated"


def provide_board():
    """An emulated board: QEMU, and MicroPython with rp2's network stack built for it."""
    own = [f for f in sorted(PORT.rglob("*")) if PORT / "rp2040" not in f.parents]
    files = [f.read_bytes() for f in own if f.suffix in (".c", ".h", ".ld")]
    digest = folder.digest_of(__file__, files, (PORT / "Makefile").read_bytes(), sources.RECIPE)
    if folder.is_done("board", digest, folder.BIN / "qemu-system-arm"):
        return None
    if not apt.has_apt():
        raise folder.Failure("no apt here: the emulated board is built from Debian's packages")
    place = folder.TOOLS / "board"
    with folder.replacing(place) as (new, work), folder.here_for_make() as here:
        versions = build(here, here / work.relative_to(folder.HERE), new)
    root = place / "qemu"
    argv = [apt.find_program(root, "qemu-system-arm"), "-L", root / "usr/share/qemu"]
    folder.write_wrapper("qemu-system-arm", argv, **apt.library_environment(root))
    folder.run([folder.BIN / "qemu-system-arm", "--version"], "QEMU does not start")
    folder.set_done("board", digest)
    return f"MicroPython {', '.join(versions)} for QEMU in .tools/board, {folder.megabytes(place)}"


def build(here, work, new):
    """Build every firmware into `new`, and unpack QEMU there; return MicroPython's versions.
    `here`, and `work` in it: by a path that make can take."""
    # newlib's headers are enough: nothing is linked with it.
    compiler = ["gcc-arm-none-eabi", "libnewlib-dev"]
    apt.unpack_programs(compiler, work, but=("libnewlib-arm-", "libstdc++-"))
    versions = []
    for suite in sources.suites():  # the first one has to build
        try:
            versions.append(build_suite(suite, here, work, new))
        except folder.Failure as failure:
            if not versions:
                raise
            print(f"board: {suite} is left out: {failure}")
    # QEMU last: it shares the downloads' folder with the compiler.
    apt.unpack_programs(["qemu-system-arm"], new / "qemu")
    for needless in ("doc", "man", "locale"):
        shutil.rmtree(new / "qemu/usr/share" / needless, ignore_errors=True)
    return versions


def build_suite(suite, here, work, new):
    """Build the MicroPython of a suite; return its version."""
    source = work / suite
    version, _ = sources.unpack_micropython(suite, source)
    compiler = work / "usr/bin/arm-none-eabi-"
    folder.run(
        [
            *("make", "-C", here / PORT.relative_to(folder.HERE), "-j", str(os.cpu_count() or 1)),
            f"TOP={source}",
            f"BUILD={work / 'build' / suite}",
            f"CROSS_COMPILE={compiler}",
            f"MICROPY_GIT_TAG=v{version}",
            f"CFLAGS_EXTRA=-isystem {work / 'usr/include/newlib'}",
        ],
        f"MicroPython {version} could not be built for the emulated board",
        **apt.library_environment(work),
    )
    short = ".".join(version.split(".")[:2])
    shutil.copy(work / "build" / suite / "firmware.elf", new / f"micropython-{short}.elf")
    return version
