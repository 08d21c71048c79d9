"""A W5500 with and without its interrupt line: each board has the cable to itself."""

import json
import shutil

from host_tests.rp2040 import rig


def test_w5500_without_intn_waits_for_a_tick_with_each_block(desk, deployed_flash, tmp_path):
    # Without it lwIP looks at the chip at its next tick, 64 ms apart.
    took_ms = {}
    for wiring in ((), ("--no-intn",)):
        flash = shutil.copy(deployed_flash[0], tmp_path / "flash.img")
        with desk.plugged_in(flash, *wiring) as board:
            result = json.loads(rig.fetch(board, "--quiet"))
        assert result["image"]["sha256"] == rig.sha256()
        took_ms[wiring] = result["transfers"][-1]["elapsed_ms"]
        blocks = result["transfers"][-1]["blocks"]
    print(took_ms)
    assert took_ms[("--no-intn",)] > blocks * 50 > 2 * took_ms[()]
