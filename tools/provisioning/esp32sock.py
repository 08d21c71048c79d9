"""The step `esp32sock`: MicroPython's unix port with the sockets of its ESP32 port.

Built from the distribution's source packages `micropython` and `lwip`, which stay as their authors
wrote them; what is ours stands in host_tests/esp32sock, and its README says what that is worth.
Needs gcc, make and the C library's headers on the system.
"""

import os
import shutil
import sys

from provisioning.apt import (
    Apt,
    archive_of,
    has_apt,
    os_release,
    source_version,
    unpack_source,
)
from provisioning.folder import (
    BIN,
    HERE,
    TOOLS,
    Failure,
    digest_of,
    is_done,
    megabytes,
    put_in_place,
    run,
    set_done,
    write_wrapper,
)

# The stable suite: its versions stand still, and were made for each other.
SUITES = {"debian": "trixie"}
OURS = HERE / "host_tests" / "esp32sock"
PROGRAM = "micropython-esp32"


def provide_esp32sock():
    """micropython-esp32: the unix port with ESP32's own socket file, over lwIP."""
    own_files = [path for end in ("c", "h", "mk") for path in sorted(OURS.rglob("*." + end))]
    digest = digest_of(__file__, [(path.name, path.read_bytes()) for path in own_files])
    if is_done("esp32sock", digest, BIN / PROGRAM):
        return None
    if not has_apt():
        return f"no apt here to fetch sources with: no {PROGRAM}, and its tests fail"
    missing = [program for program in ("gcc", "make") if not shutil.which(program)]
    if missing:
        raise Failure(f"needs {' and '.join(missing)}: apt install gcc make libc6-dev")
    suite = SUITES.get(os_release().get("ID"), os_release().get("VERSION_CODENAME"))
    apt = Apt(TOOLS / "apt" / "source", archive_of(suite), "", kinds=("deb-src",))
    new = TOOLS / "esp32sock.new"
    shutil.rmtree(new, ignore_errors=True)
    try:
        versions = build(apt.fetch_sources(["micropython", "lwip"]), new)
        put_in_place(new, TOOLS / "esp32sock")
    finally:
        shutil.rmtree(new, ignore_errors=True)
    write_wrapper(PROGRAM, [TOOLS / "esp32sock" / "micropython"])
    set_done("esp32sock", digest)
    size = megabytes(TOOLS / "esp32sock")
    return "ESP32's sockets of MicroPython {} over lwIP {}, {}".format(*versions, size)


def build(sources, new):
    """Build the interpreter of the two .dsc files as new/micropython; return their versions."""
    micropython, lwip = sources
    tree = new / "source"
    unpack_source(micropython, tree)
    shutil.rmtree(tree / "lib" / "lwip", ignore_errors=True)  # an empty folder: a git submodule
    unpack_source(lwip, tree / "lib" / "lwip")
    run(
        [
            *("make", "-C", tree / "ports" / "unix", f"-j{os.cpu_count()}"),
            *(f"VARIANT_DIR={OURS / 'variant'}", f"USER_C_MODULES={OURS / 'port'}"),
            *(f"BUILD={new / 'build'}", f"PYTHON={sys.executable}"),
            "CFLAGS_EXTRA=-Wno-error",  # another compiler warns of other things
        ],
        f"{PROGRAM} could not be built",
    )
    (new / "build" / "micropython").rename(new / "micropython")
    shutil.rmtree(tree)
    shutil.rmtree(new / "build")
    run([new / "micropython", "-c", "import socket, esp32netif"], f"{PROGRAM} does not start")
    return source_version(micropython), source_version(lwip)
