"""Boots of the emulated board: told by the PC, at power-up, by a static address and by DHCP."""

import hashlib
import json
import shutil

from host_tests.lab import dhcp_servers
from host_tests.rp2040 import rig

_IMAGE = rig.IMAGE.read_bytes()
_SHA256 = hashlib.sha256(_IMAGE).hexdigest()


def _fetch(board, *words):
    url = f"tftp://{rig.SERVER}/{rig.FILE}"
    endpoint = f"serial:{board.port}"
    return board.pxebench("fetch", "--endpoint", endpoint, url, "--json", "-", *words)


def test_image_comes_whole_from_the_ports_of_the_rom(board_here, tmp_path):
    out = tmp_path / "image"
    said = _fetch(board_here, "--out", out, "--quiet")
    result = json.loads(said)
    assert result["outcome"] == "ok", result["status"]
    assert out.read_bytes() == _IMAGE
    assert [r["source_port"] for t in result["transfers"] for r in t["requests"]] == [2070, 2071]
    assert result["endpoint"]["runtime"].startswith("MicroPython 1.25")


def test_mounted_pxerom_boots_too_and_the_line_is_free_afterwards(board_here, tmp_path):
    config = tmp_path / "config.json"
    config.write_text(json.dumps(rig.config()))
    result = json.loads(_fetch(board_here, "--mount", "--config", config, "--quiet"))
    assert result["outcome"] == "ok", result["status"]
    assert result["image"]["sha256"] == _SHA256
    assert board_here.mpremote("eval", "6*7").strip() == "42"


def test_board_boots_at_power_up_and_keeps_the_image(board_here):
    _configure(board_here, rig.config(image="nbp"))
    board_here.restart(">>> ")
    assert _on_board(board_here, "nbp") == _SHA256


def test_board_boots_from_nothing_by_dhcp(board_here, desk):
    _configure(board_here, rig.config(image="nbp2", server="dhcp", link={}, file=None))
    words = [f"--dhcp-boot={rig.FILE}"]
    with dhcp_servers.dnsmasq(desk.namespace, rig.SERVER, words) as server:
        said = board_here.restart(">>> ", timeout_s=120)
        log = server.process.output()
    assert _on_board(board_here, "nbp2") == _SHA256, said + log


def test_w5500_without_intn_waits_for_a_tick_with_each_block(desk, deployed_flash, tmp_path):
    # Without it lwIP looks at the chip at its next tick, 64 ms apart.
    took_ms = {}
    for wiring in ((), ("--no-intn",)):
        flash = shutil.copy(deployed_flash[0], tmp_path / "flash.img")
        with desk.plugged_in(flash, *wiring) as board:
            result = json.loads(_fetch(board, "--quiet"))
        assert result["image"]["sha256"] == _SHA256
        took_ms[wiring] = result["transfers"][-1]["elapsed_ms"]
        blocks = result["transfers"][-1]["blocks"]
    print(took_ms)
    assert took_ms[("--no-intn",)] > blocks * 50 > 2 * took_ms[()]


def _configure(board, settings):
    settings = {name: value for name, value in settings.items() if value is not None}
    board.exec(f"with open('config.json', 'w') as f: f.write({json.dumps(settings)!r})")


def _on_board(board, path):
    code = (
        "import hashlib, binascii\n"
        "h = hashlib.sha256()\n"
        f"with open({path!r}, 'rb') as f:\n"
        "    while True:\n"
        "        b = f.read(2048)\n"
        "        if not b: break\n"
        "        h.update(b)\n"
        "print(binascii.hexlify(h.digest()).decode())"
    )
    return board.exec(code).strip()
