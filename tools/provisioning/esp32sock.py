"""The step `esp32sock`: MicroPython's unix port with the sockets of its ESP32 port.

Built from the distribution's source packages `micropython` and `lwip`, unchanged; our own files
are in host_tests/esp32sock, whose README says what the result proves. The compiler is the
system's, or else is unpacked for the build.
"""

import os
import re
import shutil
import sys
from pathlib import Path

from provisioning import apt, folder, sources

OURS = folder.HERE / "host_tests" / "esp32sock"
PROGRAM = "micropython-esp32"
# Packages that programs are linked with: unpacked apart from the compiler, which runs with the
# system's C library.
C_LIBRARY = re.compile(r"(libc6|libc6-dev|linux-libc-dev|libgcc-s1|libcrypt\d?(-dev)?)_")


def provide_esp32sock():
    """micropython-esp32: the unix port with ESP32's own socket file, over lwIP."""
    own_files = [path for end in ("c", "h", "mk") for path in sorted(OURS.rglob("*." + end))]
    own = [(path.name, path.read_bytes()) for path in own_files]
    digest = folder.digest_of(__file__, own, sources.RECIPE)
    if folder.is_done("esp32sock", digest, folder.BIN / PROGRAM):
        return None
    if not apt.has_apt():
        return f"no apt here to fetch sources with: no {PROGRAM}, and its tests fail"
    with (
        folder.replacing(folder.TOOLS / "esp32sock") as (new, work),
        folder.here_for_make() as here,
    ):
        versions = build(here, here / work.relative_to(folder.HERE), *compiler(here))
        shutil.copy(work / "build/micropython", new)
    folder.write_wrapper(PROGRAM, [folder.TOOLS / "esp32sock" / "micropython"])
    folder.set_done("esp32sock", digest)
    size = folder.megabytes(folder.TOOLS / "esp32sock")
    return "ESP32's sockets of MicroPython {} over lwIP {}, {}".format(*versions, size)


def compiler(here):
    """Return (the command for CC, environment variables to run it with). `here`: a path that make
    can take."""
    if shutil.which("gcc") and Path("/usr/include/stdio.h").exists():
        return "gcc", {}
    # All dependencies, as if nothing were installed: an installed one may lack its -dev part.
    own = apt.Apt(folder.TOOLS / "apt" / "gcc", apt.own_sources(), "")
    place = here / folder.TOOLS.relative_to(folder.HERE) / "apt" / "gcc"
    tools, library = place / "tools", place / "library"
    for deb in own.fetch(["gcc", "libc6-dev"]):
        apt.unpack([deb], library if C_LIBRARY.match(deb.name) else tools)
    gcc = apt.find_program(tools, "gcc")
    path = f"{gcc.parent}:{os.environ['PATH']}"
    return f"{gcc} --sysroot={library}", {"PATH": path, **apt.library_environment(tools)}


def build(here, work, cc, environment):
    """Build the interpreter as work/build/micropython; return its version and lwIP's. `here`, and
    `work` in it: by a path that make can take."""
    ours = here / OURS.relative_to(folder.HERE)
    tree = work / "source"
    versions = sources.unpack_micropython(sources.suites()[0], tree)
    folder.run(
        [
            *("make", "-C", tree / "ports" / "unix", f"-j{os.cpu_count()}"),
            *(f"VARIANT_DIR={ours / 'variant'}", f"USER_C_MODULES={ours / 'port'}"),
            *(f"BUILD={work / 'build'}", f"PYTHON={sys.executable}"),
            f"CC={cc}",
            "CFLAGS_EXTRA=-Wno-error",  # warnings differ between compilers
        ],
        f"{PROGRAM} could not be built",
        **environment,
    )
    program = work / "build/micropython"
    folder.run([program, "-c", "import socket, esp32netif"], f"{PROGRAM} does not start")
    return versions
