"""`pxebench board flash`: MicroPython onto a board, checked first, from a file that is there.

UF2 (RP2040, RP2350): the file is copied to the drive that the board's boot loader shows; shape by
the UF2 specification, families by the registry `uf2families.json`. ESP32: esptool writes the
image; the header is that of `esp_image_format.h`.

1. Nothing is fetched from the internet: the message says what is missing and where to get it.
2. A file for another chip or another board is refused before the board is touched.
3. A firmware that was flashed is kept in the cache for the next board.
"""

import contextlib
import os
import re
import shutil
import struct
import subprocess
import sys
import time
from pathlib import Path

from pxebench.job import EXIT_BENCH, Refused, show

_UF2_MAGIC = (0x0A324655, 0x9E5D5157)
_UF2_END = 0x0AB16F30
_UF2_FAMILY = 0x2000  # the flag: the block has the family's number
_UF2_NOT_MAIN = 0x0001
_FAMILIES = {
    0xE48BFF56: "rp2040",
    0xE48BFF59: "rp2350",
    0xE48BFF5A: "rp2350",  # RISC-V
    0xE48BFF5B: "rp2350",  # ARM, non-secure
}
_ABSOLUTE = 0xE48BFF57  # a block for an erratum of the RP2350
_ESP_MAGIC = 0xE9
_ESP_CHIPS = {
    0: "esp32",
    2: "esp32s2",
    5: "esp32c3",
    9: "esp32s3",
    12: "esp32c2",
    13: "esp32c6",
    16: "esp32h2",
    18: "esp32p4",
}
_ESP_OFFSET = {"esp32": 0x1000, "esp32s2": 0x1000, "esp32p4": 0x2000}  # elsewhere 0
_BOOT_DRIVES = {"rp2040": "RPI-RP2", "rp2350": "RP2350"}
_VERSION = re.compile(rb"MicroPython v(\d+\.\d+(?:\.\d+)?[-.\w]*) on \d{4}-\d\d-\d\d")
_OLDEST = (1, 22)
_MAX_BYTES = 64 << 20
_DRIVE_S = 10.0
DOWNLOAD = "https://micropython.org/download/"


class Firmware:
    """A firmware file, checked. `format`: "uf2" or "esp"; `chip`; `version` or None; `data`."""

    def __init__(self, path):
        self.path = Path(path)
        try:
            if self.path.stat().st_size > _MAX_BYTES:
                raise Refused(f"{show(str(path))} is too large to be a firmware.")
            self.data = self.path.read_bytes()
        except OSError as error:
            raise Refused(f"Cannot read {show(str(path))}: {error.strerror}.") from None
        if self.data[:4] == struct.pack("<I", _UF2_MAGIC[0]):
            self.format = "uf2"
            self.chip, self.content = _read_uf2(self.data, show(str(path)))
        elif self.data[:1] == bytes([_ESP_MAGIC]):
            self.format = "esp"
            self.chip, self.content = _read_esp(self.data, show(str(path)))
        else:
            raise Refused(
                f"{show(str(path))} is no firmware: neither UF2 (RP2040, RP2350) nor an ESP32 "
                f"image begins like that."
            )
        found = _VERSION.search(self.content)
        self.version = found[1].decode() if found else None

    def check(self, kind):
        """Refuse it for a kind of board that it was not made for."""
        name = show(str(self.path))
        if self.chip not in kind.chips:
            chips = " or ".join(kind.chips) or "something else"
            raise Refused(f"{name} is for the {self.chip}, and {kind.name} has {chips}.")
        if self.version is None:
            raise Refused(f"{name} holds no MicroPython; get one for {where(kind)}.")
        numbers = tuple(int(n) for n in re.findall(r"\d+", self.version)[:2])
        if numbers < _OLDEST:
            oldest = ".".join(map(str, _OLDEST))
            raise Refused(
                f"{name} holds MicroPython {self.version}, and pxerom needs {oldest} or later."
            )
        if kind.machines and not any(self._names(machine) for machine in kind.machines):
            names = " or ".join(kind.machines)
            raise Refused(f"{name} was not made for this board: {names} is not named in it.")

    def _names(self, machine):
        # A firmware for the Pico W has "Raspberry Pi Pico" in it, too.
        name = re.escape(machine.encode())
        return re.search(name + rb"(?: with |\x00)", self.content)


def _read_uf2(data, name):
    families = set()
    content = bytearray()
    if len(data) % 512:
        raise Refused(f"{name} is cut: a UF2 file is made of blocks of 512 bytes.")
    expected = 0
    for at in range(0, len(data), 512):
        block = struct.unpack_from("<8I", data, at)
        magic0, magic1, flags, _, size, number, count, family = block
        end = struct.unpack_from("<I", data, at + 508)[0]
        if (magic0, magic1) != _UF2_MAGIC or end != _UF2_END or size > 476:
            raise Refused(f"{name} is damaged: block {at // 512} is no UF2 block.")
        if not flags & _UF2_FAMILY or family == _ABSOLUTE or flags & _UF2_NOT_MAIN:
            continue
        if number != expected or not number < count:
            raise Refused(f"{name} is damaged: its block {number} stands where {expected} should.")
        expected = number + 1 if number + 1 < count else 0
        families.add(family)
        content += data[at + 32 : at + 32 + size]
    if expected:
        raise Refused(f"{name} is cut: its last blocks are missing.")
    chips = {_FAMILIES.get(family, f"family {family:#x}") for family in families}
    if len(chips) != 1:
        raise Refused(f"{name} does not say for which chip it is.")
    return chips.pop(), bytes(content)


def _read_esp(data, name):
    # magic, segments, SPI mode, speed and size, entry point, ..., chip id at 12
    if len(data) < 64 or not 1 <= data[1] <= 16:
        raise Refused(f"{name} is damaged: its ESP32 header makes no sense.")
    number = struct.unpack_from("<H", data, 12)[0]
    if number not in _ESP_CHIPS:
        raise Refused(f"{name} is for a chip (number {number}) that is not known here.")
    return _ESP_CHIPS[number], data


# ---- where firmware comes from


def cache():
    """The folder in which firmware is kept."""
    root = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return Path(root, "pxebench", "firmware")


def where(kind):
    """Where to get the firmware of a kind of board, in words."""
    return f"{kind.name} from {', '.join(DOWNLOAD + build for build in kind.builds) or DOWNLOAD}"


def choose(kind, given):
    """The Firmware for a kind of board: the file `given`, or the newest in the cache."""
    if given:
        firmware = Firmware(given)
        firmware.check(kind)
        return firmware
    found = []
    for build in kind.builds:
        for path in cache().glob(f"{build}-*"):
            with contextlib.suppress(Refused):
                firmware = Firmware(path)
                firmware.check(kind)
                numbers = [int(n) for n in re.findall(r"\d+", firmware.version or "")]
                found.append((numbers, str(path), firmware))
    if not found:
        raise Refused(
            f"No firmware for {kind.name} is here: get it ({where(kind)}), and name the file with "
            f"--firmware. It is kept in {show(str(cache()))} for the next time.",
            EXIT_BENCH,
        )
    return max(found, key=lambda entry: entry[:2])[2]


def keep(firmware, kind):
    """Put a firmware into the cache; no error when that fails."""
    if not kind.builds or firmware.path.parent == cache():
        return
    suffix = ".uf2" if firmware.format == "uf2" else ".bin"
    with contextlib.suppress(OSError):
        cache().mkdir(parents=True, exist_ok=True)
        target = cache() / f"{kind.builds[0]}-{firmware.chip}-v{firmware.version}{suffix}"
        shutil.copyfile(firmware.path, target)


# ---- onto the board


def boot_drive(chip, given=None):
    """The drive that the boot loader of a `chip` shows, or None; `given`: look there only."""
    places = [Path(given)] if given else list(_mounted())
    for place in places:
        with contextlib.suppress(OSError):
            text = (place / "INFO_UF2.TXT").read_text(errors="replace")
            if f"Board-ID: {_BOOT_DRIVES[chip]}" in text:
                return place
    return None


def _mounted():
    user = os.environ.get("USER") or os.environ.get("LOGNAME") or ""
    for root in (f"/media/{user}", f"/run/media/{user}", "/media", "/mnt", "/Volumes"):
        with contextlib.suppress(OSError):
            yield from Path(root).iterdir()
    if sys.platform == "win32":
        yield from (Path(f"{letter}:\\") for letter in "DEFGHIJKLMNOPQRSTUVWXYZ")


def write_uf2(firmware, kind, drive, restart, say):
    """Copy a UF2 file to the boot drive. `restart`: asks a running board to show its drive, and
    tells whether it could."""
    found = boot_drive(firmware.chip, drive)
    if not found and restart():
        deadline = time.monotonic() + _DRIVE_S
        while not found and time.monotonic() < deadline:
            time.sleep(0.2)
            found = boot_drive(firmware.chip, drive)
    if not found:
        looked = f"{show(str(drive))} is" if drive else "No mounted drive is"
        raise Refused(
            f"{looked} the boot drive {_BOOT_DRIVES[firmware.chip]}: hold BOOTSEL while you plug "
            f"the board in, mount the drive if your system does not, and try again (or name it "
            f"with --drive).",
            EXIT_BENCH,
        )
    say(f"Copying {show(str(firmware.path))} to {show(str(found))}.")
    try:
        with open(found / "firmware.uf2", "wb") as file:
            file.write(firmware.data)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        # The board restarts with its last block, and the drive may go before it is closed.
        if (found / "INFO_UF2.TXT").exists():
            raise Refused(
                f"Cannot write to {show(str(found))}: {error.strerror}.", EXIT_BENCH
            ) from None


def write_esp(firmware, port, erase, say):
    """Write an ESP32 image with esptool; its output goes to stderr."""
    command = [sys.executable, "-m", "esptool", "--chip", firmware.chip, "--port", port]
    if _esptool() is None:
        raise Refused(
            "esptool is missing: `pip install esptool`, or `pipx inject pxerom esptool`, and try "
            "again.",
            EXIT_BENCH,
        )
    offset = hex(_ESP_OFFSET.get(firmware.chip, 0))
    steps = [["erase-flash"]] if erase else []
    steps.append(["write-flash", offset, str(firmware.path)])
    for step in steps:
        say("esptool " + " ".join(step))
        if subprocess.run([*command, *step], stdout=sys.stderr, check=False).returncode:
            raise Refused(
                f"esptool could not do it (its words are above): hold BOOT while you press RESET "
                f"on the board on {show(port)}, and try again.",
                EXIT_BENCH,
            )


def _esptool():
    from importlib.util import find_spec

    return find_spec("esptool")
