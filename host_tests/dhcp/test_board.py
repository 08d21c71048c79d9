"""`pxebench boot --endpoint serial:`: the same boot on a board, over its serial line.

The board is the pseudo-terminal one, with the PC's stack: it stands for the line, the program that
runs a boot there, the keys on their way and what comes back. A board's own stack is the matter of
`host_tests/boards`, and of `make hil`.
"""

import json
import os
import sys

import pytest

from host_tests import ptyboard
from host_tests.dhcp import scenes
from host_tests.dhcp.scenes import FILES, SERVER
from host_tests.dhcp.test_command import PROMPT, Terminal
from host_tests.lab import dhcp_servers, namespaces, servers
from host_tests.lab.processes import start

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("dhcp")]

BOARD = "10.88.0.42"
MAC = "28:cd:c1:00:00:01"
_ODD = "--dhcp-option-force=66,0.0.0.0"


@pytest.fixture(scope="module")
def board(tmp_path_factory):
    """A Pico W with pxerom on it, on a switch with dnsmasq, its menu, and in.tftpd."""
    folder = tmp_path_factory.mktemp("board")
    config = folder / "config.json"
    link = {"ssid": "bench", "password": "secret word"}
    config.write_text(json.dumps({"link": link, "server": SERVER, "file": "linux.0"}))
    with namespaces.lab() as lab, servers.folder(FILES) as served:
        lan = dhcp_servers.Lan(lab)
        machine = lan.machine("server", f"{SERVER}/24")
        # The stack is the PC's, so that the lease has to be the address that it has already.
        pc = lan.machine("board", f"{BOARD}/24")
        pc.run("ip", "route", "add", "default", "dev", "eth0")
        with (
            dhcp_servers.dnsmasq(machine, SERVER, [f"--dhcp-host={MAC},{BOARD}", _ODD, *PROMPT]),
            servers.in_tftpd(served, SERVER, 69, machine),
            ptyboard.plugged_in(pc, address=BOARD) as plugged,
        ):
            words = ("board", "deploy", "--port", plugged.port, "--config", config)
            with start([sys.executable, "-m", "pxebench", *words]) as process:
                assert process.wait(60) == 0, process.output()
            yield plugged


def _command(board, folder, *words):
    rom = folder / "rom.json"
    rom.write_text(json.dumps(scenes.hurried("intel-undi")))
    return [
        *(sys.executable, "-m", "pxebench", "boot", "--endpoint", f"serial:{board.port}"),
        *("--rom", str(rom), "--json", str(folder / "result.json"), *words),
    ]


def _result(folder):
    return json.loads((folder / "result.json").read_text())


def test_board_takes_its_lease_and_boots_the_entry_asked_for(board, tmp_path):
    words = ("--menu", "2", "--out", str(tmp_path / "out"), "--pcap", str(tmp_path / "own.pcap"))
    with start(_command(board, tmp_path, *words)) as process:
        assert process.wait(60) == 0, process.output()
    result = _result(tmp_path)
    assert (result["lease"]["ip"], result["lease"]["server"]) == (BOARD, SERVER)
    assert result["endpoint"]["kind"] == "serial"
    assert result["endpoint"]["mac"] == MAC
    assert result["menu"]["chosen"]["text"] == "Tools"
    assert (tmp_path / "out").read_bytes() == FILES["tools.0"]
    assert os.path.getsize(tmp_path / "own.pcap") > 1000
    # The remarks are the bench's, lent for this boot.
    assert any("Option 66 of 10.88.0.1 says 0.0.0.0" in said for said in result["warnings"])


def test_keys_of_the_pc_answer_the_menu_on_the_board(board, tmp_path):
    terminal = Terminal(_command(board, tmp_path))
    try:
        terminal.until("Press F8", 40)
        terminal.press(b"\x1b[19~")
        terminal.until("Tools")
        terminal.press(b"2")
        assert terminal.end(40) == 0, terminal.shown
    finally:
        terminal.close()
    result = _result(tmp_path)
    assert result["menu"]["chosen"]["text"] == "Tools"
    assert result["menu"]["by"] == "key"


def test_ctrl_c_in_the_menu_ends_the_boot_on_the_board(board, tmp_path):
    terminal = Terminal(_command(board, tmp_path))
    try:
        terminal.until("Press F8", 40)
        terminal.press(b"\x03")
        assert terminal.end(20) == 130, terminal.shown
    finally:
        terminal.close()
    result = _result(tmp_path)
    assert result["ended"]["by"] == "user"
    assert result["lease"]["ip"] == BOARD
