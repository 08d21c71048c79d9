"""`pxebench board flash`: what goes onto a board is checked first, and nothing is fetched."""

import struct

import pytest

from host_tests.board_cli.conftest import complains

RP2040, RP2350 = 0xE48BFF56, 0xE48BFF59
ESP32, ESP32_C3 = 0, 5
PICO_W = b"Raspberry Pi Pico W with RP2040\0"


def uf2(content, family=RP2040):
    blocks = [content[at : at + 256].ljust(256, b"\0") for at in range(0, len(content), 256)]
    made = b""
    for number, block in enumerate(blocks):
        head = (0x0A324655, 0x9E5D5157, 0x2000, 0x10000000 + number * 256, 256)
        made += struct.pack("<8I", *head, number, len(blocks), family)
        made += block.ljust(476, b"\0") + struct.pack("<I", 0x0AB16F30)
    return made


def micropython(version="1.26.1", machine=PICO_W):
    banner = b"MicroPython v%s on 2025-09-11\0" % version.encode()
    return bytes(700) + banner + machine + bytes(700)


def esp(chip=ESP32, machine=b"Generic ESP32 module with ESP32\0", **more):
    head = struct.pack("<BBBBIBBBBH", 0xE9, 3, 2, 0x20, 0x40081000, 0, 0, 0, 0, chip)
    return head.ljust(64, b"\0") + micropython(machine=machine, **more)


@pytest.fixture
def flash(bench):
    """`flash(content, words)`: of a Pico W, unless the words say otherwise; a cache of its own."""

    def run(content, *words, name="firmware", board="rpi_pico_w", env=None):
        given = ()
        if content is not None:
            (bench.folder / name).write_bytes(content)
            given = ("--firmware", name)
        env = {"XDG_CACHE_HOME": str(bench.folder / "cache"), **(env or {})}
        return bench("board", "flash", "--board", board, *given, *words, env=env)

    return run


@pytest.fixture
def drive(bench):
    """The boot drive of an RP2040."""
    folder = bench.folder / "RPI-RP2"
    folder.mkdir()
    (folder / "INFO_UF2.TXT").write_text("UF2 Bootloader v3.0\r\nBoard-ID: RPI-RP2\r\n")
    return folder


def test_uf2_is_copied_to_the_boot_drive_and_kept(flash, drive, bench):
    content = uf2(micropython())
    done = flash(content, "--drive", drive)
    assert done.returncode == 0, done.stderr
    assert (drive / "firmware.uf2").read_bytes() == content
    assert "MicroPython 1.26.1 for the rp2040, fit for Raspberry Pi Pico W" in done.stderr
    (drive / "firmware.uf2").unlink()
    older = uf2(micropython("1.24.0"))
    assert flash(older, "--drive", drive).returncode == 0
    again = flash(None, "--drive", drive)  # the newest in the cache
    assert again.returncode == 0, again.stderr
    assert (drive / "firmware.uf2").read_bytes() == content


def test_dry_run_only_checks(flash, drive):
    assert flash(uf2(micropython()), "--drive", drive, "--dry-run").returncode == 0
    assert not (drive / "firmware.uf2").exists()


def test_without_a_file_it_says_where_to_get_one(flash):
    done = flash(None)
    complains(done, 3, "https://micropython.org/download/RPI_PICO_W", "--firmware")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", ["is no firmware"]),
        (b"PK\3\4zip", ["is no firmware"]),
        (uf2(micropython())[:-512], ["is cut"]),
        (uf2(micropython())[:-100], ["is cut"]),
        (uf2(micropython())[:512] + bytes(512) + uf2(micropython())[1024:], ["is damaged"]),
        (uf2(micropython(), RP2350), ["is for the rp2350"]),
        (uf2(micropython(), 0x12345678), ["family 0x12345678"]),
        (uf2(bytes(1000)), ["holds no MicroPython"]),
        (uf2(micropython("1.18")), ["MicroPython 1.18", "1.22 or later"]),
        (uf2(micropython(machine=b"Raspberry Pi Pico with RP2040\0")), ["not made for this"]),
        (esp(), ["is for the esp32"]),
        (b"\xe9" + bytes(20), ["is damaged"]),
        (esp(chip=77), ["number 77"]),
    ],
)
def test_wrong_file_never_gets_near_the_board(flash, drive, content, words):
    complains(flash(content, "--drive", drive), 2, *words)
    assert not (drive / "firmware.uf2").exists()


def test_board_that_is_not_in_its_boot_loader_is_told_how(flash, bench):
    (bench.folder / "other").mkdir()
    done = flash(uf2(micropython()), "--drive", bench.folder / "other", "--port", "/dev/ttyNO",
                 )  # fmt: skip
    complains(done, 3, "hold BOOTSEL", "RPI-RP2")


_ESPTOOL = """\
import json, os, sys
with open(os.environ["SAID"], "a") as file:
    file.write(json.dumps(sys.argv[1:]) + "\\n")
sys.exit(int(os.environ.get("ESPTOOL_ENDS", 0)))
"""


@pytest.fixture
def esptool(bench):
    """A stand-in for esptool that notes what it was told."""
    (bench.folder / "stand-in" / "esptool").mkdir(parents=True)
    (bench.folder / "stand-in" / "esptool" / "__init__.py").touch()
    (bench.folder / "stand-in" / "esptool" / "__main__.py").write_text(_ESPTOOL)
    said = bench.folder / "said"
    return {"PYTHONPATH": str(bench.folder / "stand-in"), "SAID": str(said)}


@pytest.mark.parametrize(
    ("content", "chip", "offset"),
    [
        (esp(), "esp32", "0x1000"),
        (esp(ESP32_C3, b"ESP32C3 module with ESP32C3\0"), "esp32c3", "0x0"),
    ],
)
def test_esp32_is_written_by_esptool_where_its_boot_rom_looks(
    flash, bench, esptool, content, chip, offset
):
    done = flash(content, "--erase", "--port", "/dev/ttyX", board="esp32_wifi", env=esptool)
    assert done.returncode == 0, done.stderr
    said = (bench.folder / "said").read_text().splitlines()
    common = f'["--chip", "{chip}", "--port", "/dev/ttyX", '
    assert said == [common + '"erase-flash"]', common + f'"write-flash", "{offset}", "firmware"]']


def test_esptool_that_fails_is_one_sentence(flash, esptool):
    env = {**esptool, "ESPTOOL_ENDS": "2"}
    done = flash(esp(), "--port", "/dev/ttyX", board="esp32_wifi", env=env)
    complains(done, 3, "hold BOOT")


def test_running_board_is_asked_for_its_boot_drive(flash, desk, bench, drive):
    """`machine.bootloader()`: the pseudo-terminal board answers by showing its drive."""
    hidden = bench.folder / "hidden"
    (drive / "INFO_UF2.TXT").rename(hidden)
    with desk.board(bootloader=f"{hidden} {drive / 'INFO_UF2.TXT'}") as board:
        done = flash(uf2(micropython()), "--drive", drive, "--port", board.port)
    assert done.returncode == 0, done.stderr
    assert (drive / "firmware.uf2").exists()
