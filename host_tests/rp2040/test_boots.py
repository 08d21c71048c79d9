"""Boots of the emulated board: told by the PC, at power-up, by a static address and by DHCP."""

import json

from host_tests.lab import dhcp_servers
from host_tests.rp2040 import rig

_IMAGE = rig.IMAGE.read_bytes()


def test_image_comes_whole_from_the_ports_of_the_rom(board_here, tmp_path):
    out = tmp_path / "image"
    said = rig.fetch(board_here, "--out", out, "--quiet")
    result = json.loads(said)
    assert result["outcome"] == "ok", result["status"]
    assert out.read_bytes() == _IMAGE
    assert [r["source_port"] for t in result["transfers"] for r in t["requests"]] == [2070, 2071]
    assert result["endpoint"]["runtime"].startswith("MicroPython 1.25")


def test_mounted_pxerom_boots_too_and_the_line_is_free_afterwards(board_here, tmp_path):
    config = tmp_path / "config.json"
    config.write_text(json.dumps(rig.config()))
    result = json.loads(rig.fetch(board_here, "--mount", "--config", config, "--quiet"))
    assert result["outcome"] == "ok", result["status"]
    assert result["image"]["sha256"] == rig.sha256()
    assert board_here.mpremote("eval", "6*7").strip() == "42"


def test_board_boots_at_power_up_and_keeps_the_image(board_here):
    _configure(board_here, rig.config(image="nbp"))
    board_here.restart(">>> ")
    assert _on_board(board_here, "nbp") == rig.sha256()


def test_board_boots_from_nothing_by_dhcp(board_here, desk):
    _configure(board_here, rig.config(image="nbp2", server="dhcp", link={}, file=None))
    words = [f"--dhcp-boot={rig.FILE}"]
    with dhcp_servers.dnsmasq(desk.namespace, rig.SERVER, words) as server:
        said = board_here.restart(">>> ", timeout_s=120)
        log = server.process.output()
    assert _on_board(board_here, "nbp2") == rig.sha256(), said + log


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
