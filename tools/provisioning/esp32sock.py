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

from provisioning.apt import (
    Apt,
    archive_of,
    find_program,
    has_apt,
    library_path,
    os_release,
    own_sources,
    source_version,
    unpack,
    unpack_source,
)
from provisioning.folder import (
    BIN,
    HERE,
    TOOLS,
    digest_of,
    here_for_make,
    is_done,
    megabytes,
    put_in_place,
    run,
    set_done,
    write_wrapper,
)

# The stable suite: its versions do not change, and fit each other.
SUITES = {"debian": "trixie"}
OURS = HERE / "host_tests" / "esp32sock"
PROGRAM = "micropython-esp32"
# Packages that programs are linked with: unpacked apart from the compiler, which runs with the
# system's C library.
C_LIBRARY = re.compile(r"(libc6|libc6-dev|linux-libc-dev|libgcc-s1|libcrypt\d?(-dev)?)_")


def provide_esp32sock():
    """micropython-esp32: the unix port with ESP32's own socket file, over lwIP."""
    own_files = [path for end in ("c", "h", "mk") for path in sorted(OURS.rglob("*." + end))]
    digest = digest_of(__file__, [(path.name, path.read_bytes()) for path in own_files])
    if is_done("esp32sock", digest, BIN / PROGRAM):
        return None
    if not has_apt():
        return f"no apt here to fetch sources with: no {PROGRAM}, and its tests fail"
    suite = SUITES.get(os_release().get("ID"), os_release().get("VERSION_CODENAME"))
    apt = Apt(TOOLS / "apt" / "source", archive_of(suite), "", kinds=("deb-src",))
    new = TOOLS / "esp32sock.new"
    shutil.rmtree(new, ignore_errors=True)
    try:
        sources = apt.fetch_sources(["micropython", "lwip"])
        with here_for_make() as here:
            versions = build(sources, here, here / new.relative_to(HERE), *compiler(here))
        put_in_place(new, TOOLS / "esp32sock")
    finally:
        shutil.rmtree(new, ignore_errors=True)
    write_wrapper(PROGRAM, [TOOLS / "esp32sock" / "micropython"])
    set_done("esp32sock", digest)
    size = megabytes(TOOLS / "esp32sock")
    return "ESP32's sockets of MicroPython {} over lwIP {}, {}".format(*versions, size)


def compiler(here):
    """Return (the command for CC, environment variables to run it with). `here`: a path that make
    can take."""
    if shutil.which("gcc") and Path("/usr/include/stdio.h").exists():
        return "gcc", {}
    # All dependencies, as if nothing were installed: an installed one may lack its -dev part.
    apt = Apt(TOOLS / "apt" / "gcc", own_sources(), "")
    place = here / TOOLS.relative_to(HERE) / "apt" / "gcc"
    tools, library = place / "tools", place / "library"
    for deb in apt.fetch(["gcc", "libc6-dev"]):
        unpack([deb], library if C_LIBRARY.match(deb.name) else tools)
    gcc = find_program(tools, "gcc")
    path = f"{gcc.parent}:{os.environ['PATH']}"
    return f"{gcc} --sysroot={library}", {"PATH": path, "LD_LIBRARY_PATH": library_path(tools)}


def build(sources, here, new, cc, environment):
    """Build the interpreter of the two .dsc files as new/micropython; return their versions.
    `here`, and `new` in it: by a path that make can take."""
    ours = here / OURS.relative_to(HERE)
    micropython, lwip = sources
    tree = new / "source"
    unpack_source(micropython, tree)
    shutil.rmtree(tree / "lib" / "lwip", ignore_errors=True)  # an empty folder: a git submodule
    unpack_source(lwip, tree / "lib" / "lwip")
    run(
        [
            *("make", "-C", tree / "ports" / "unix", f"-j{os.cpu_count()}"),
            *(f"VARIANT_DIR={ours / 'variant'}", f"USER_C_MODULES={ours / 'port'}"),
            *(f"BUILD={new / 'build'}", f"PYTHON={sys.executable}"),
            f"CC={cc}",
            "CFLAGS_EXTRA=-Wno-error",  # warnings differ between compilers
        ],
        f"{PROGRAM} could not be built",
        **environment,
    )
    (new / "build" / "micropython").rename(new / "micropython")
    shutil.rmtree(tree)
    shutil.rmtree(new / "build")
    run([new / "micropython", "-c", "import socket, esp32netif"], f"{PROGRAM} does not start")
    return source_version(micropython), source_version(lwip)
