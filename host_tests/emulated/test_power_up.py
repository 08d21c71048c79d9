"""A power-up from nothing to the stored image, every byte compared, on good and on bad cables."""

import threading

import pytest
from pxebench.board import emulator

from host_tests.emulated import rig
from host_tests.lab import capture, dhcp_servers

pytestmark = pytest.mark.slow

_DHCP = {"server": "dhcp", "file": None, "link": {"timeout_s": 10}}
_WIFI = {"ssid": "bench", "password": "correct horse", "timeout_s": 15}


def _boots(board, image_hash, timeout_s=60):
    """Let a board that is on come to its prompt; the image must be whole in its flash."""
    board.read_to(rig.PROMPT, timeout_s)
    return _booted(board, image_hash)


def _booted(board, image_hash):
    """The result of a board at its prompt; switches it off, and reads its flash."""
    result = board.result()
    assert result["outcome"] == "ok", board.screen
    board.power_off()
    assert board.files()["/nbp"] == image_hash == result["image"]["sha256"]
    return result


@pytest.mark.parametrize("version", list(emulator.firmwares()))
def test_static_address(lan, tftpd, tmp_path, image_hash, version):
    with lan.board(tmp_path, rig.config(), version=version) as board:
        board.power_on()
        result = _boots(board, image_hash)
    ports = [r["source_port"] for t in result["transfers"] for r in t["requests"]]
    assert ports == [2070, 2071]


@pytest.mark.parametrize("version", list(emulator.firmwares()))
def test_from_nothing_by_dhcp(lan, tftpd, tmp_path, image_hash, version):
    words = ["--dhcp-boot=image"]
    with (
        dhcp_servers.dnsmasq(lan.server, rig.SERVER, words),
        lan.board(tmp_path, rig.config(**_DHCP), version=version) as board,
    ):
        board.power_on()
        result = _boots(board, image_hash)
    assert result["lease"]["ip"].startswith("10.88.0.1")


def test_lease_of_the_boards_own_stack(lan, tftpd, tmp_path, image_hash):
    settings = rig.config(link={"timeout_s": 15})
    with (
        dhcp_servers.dnsmasq(lan.server, rig.SERVER),
        lan.board(tmp_path, settings) as board,
    ):
        board.power_on()
        _boots(board, image_hash)


@pytest.mark.parametrize(
    "how",
    [
        {"loss": 0.01, "duplicate": 0.3, "reorder": 0.2, "delay_s": (0.005, 0.03)},
        {"duplicate": 1.0},
        {"reorder": 0.5, "delay_s": (0.0, 0.01)},
    ],
    ids=["all", "doubled", "reordered"],
)
def test_bad_cable_changes_no_byte(lan, tftpd, tmp_path, image_hash, how):
    # `standard` takes small steps and waits long: the ROM with the most packets that can go wrong.
    with lan.board(tmp_path, rig.config(rom="standard")) as board:
        lan.behave(seed=3, **how)
        board.power_on()
        result = _boots(board, image_hash, 120)
    spoilt = sum(t["retransmits"] + t["duplicates"] for t in result["transfers"])
    assert spoilt or "duplicate" not in how


def test_no_carrier_is_a_media_failure(lan, tftpd, tmp_path):
    with lan.board(tmp_path, rig.config(link={"address": rig.STATIC, "timeout_s": 5})) as board:
        board.power_on()
        board.set_carrier(False)
        board.read_to(rig.PROMPT, 30)
        assert board.result()["status"]["code"] == "PXE-E61"


def test_cable_that_comes_late_is_waited_for(lan, tftpd, tmp_path, image_hash):
    with lan.board(tmp_path, rig.config(link={"address": rig.STATIC, "timeout_s": 20})) as board:
        board.power_on()
        board.set_carrier(False)
        plug = threading.Timer(5, board.set_carrier, [True])
        plug.start()
        try:
            _boots(board, image_hash)
        finally:
            plug.join()


def test_radio_joins_and_boots(lan, tftpd, tmp_path, image_hash):
    settings = rig.config(board="rpi_pico_w", link={**_WIFI, "address": rig.STATIC})
    files = rig.deployed_files("rpi_pico_w")
    with lan.board(tmp_path, settings, files, emulator.BLOCKS_PICO_W) as board:
        board.power_on()
        _boots(board, image_hash)


@pytest.mark.parametrize(
    "wrong,words",
    [
        ({"password": "wrong horse"}, 'The Wi-Fi network "bench" refused the password.'),
        ({"ssid": "other"}, 'No Wi-Fi network "other" was found'),
    ],
    ids=["password", "name"],
)
def test_radio_says_why_it_is_not_let_in(lan, tftpd, tmp_path, wrong, words):
    settings = rig.config(board="rpi_pico_w", link={**_WIFI, "address": rig.STATIC, **wrong})
    with lan.board(tmp_path, settings, rig.deployed_files("rpi_pico_w")) as board:
        board.power_on()
        board.read_to(rig.PROMPT)
        status = board.result()["status"]
    assert status["code"] == "PXE-E61" and status["detail"].startswith(words)


def test_flash_that_stalls_costs_no_retransmission(lan, tftpd, tmp_path, image_hash):
    with lan.board(tmp_path, rig.config()) as board:
        board.set(erase_us=45000, program_us=500)
        board.power_on()
        result = _boots(board, image_hash)
    assert sum(t["retransmits"] for t in result["transfers"]) == 0
    # 74 erased blocks, 1,172 pages at least: it cannot be faster than the flash.
    assert result["transfers"][1]["elapsed_ms"] > 74 * 45 + 1172 * 0.5


def test_retries_come_when_the_rom_sends_them(lan, tmp_path):
    # Nobody listens there. Under this -icount a board that waits is at once where its wait ends:
    # 20 s pass in one, and no load of this PC changes its times.
    settings = rig.config(port=7, max_time_s=21)
    with lan.board(tmp_path, settings, icount="shift=3,sleep=off") as board:
        board.power_on()
        board.read_to(rig.PROMPT)
        result = board.result()
    requests = [r for t in result["transfers"] for r in t["requests"]]
    assert [r["source_port"] for r in requests] == [2070, 2071, 2072, 2073, 2074]
    due_ms = 0
    for request, wait_ms in zip(requests, (2032, 4010, 5987, 7964, 0), strict=True):
        assert 0 <= request["at_ms"] - due_ms <= 12, requests
        due_ms += wait_ms


def test_soft_reset_boots_again(lan, tftpd, tmp_path, image_hash):
    with lan.board(tmp_path, rig.config()) as board:
        board.power_on()
        board.read_to(rig.PROMPT)
        board.write(b"\x04")
        board.read_to("MPY: soft reboot")
        board.read_to(rig.PROMPT)
        assert board.screen.count("300000 bytes") == 2
        _booted(board, image_hash)


def test_watchdog_is_fed_boot_after_boot(lan, tftpd, tmp_path):
    settings = rig.config(every_s=1, watchdog_ms=5000)
    with lan.board(tmp_path, settings) as board:
        board.power_on()
        for _ in range(4):
            board.read_to("The next boot is in 1 s")
        assert board.get("boots") == 1


def test_watchdog_resets_a_board_that_hangs(lan, tmp_path):
    program = b"import machine, time\nprint(machine.reset_cause())\n"
    program += b"machine.WDT(timeout=1000)\nwhile True: pass\n"
    with lan.board(tmp_path, files={"/main.py": program}) as board:
        board.power_on()
        board.read_to("1\n")
        board.read_to("3\n", 10)
        assert board.get("boots") >= 2


def test_dhcp_of_the_roms_own_is_the_first_on_the_wire(lan, tftpd, tmp_path, image_hash):
    # On a W5500 `active(True)` starts lwIP's client, which must not get to say anything.
    words = ["--dhcp-boot=image"]
    with (
        dhcp_servers.dnsmasq(lan.server, rig.SERVER, words),
        lan.board(tmp_path, rig.config(**_DHCP)) as board,
        capture.capture(lan.place, "eth0") as wire,
    ):
        board.power_on()
        _boots(board, image_hash)
        sent = [p for p in wire.packets() if p.sport == 68]
    kinds = [p.payload[p.payload.index(b"\x35\x01") + 2] for p in sent]
    assert kinds == [1, 3], kinds
    assert all(b"PXEClient" in p.payload for p in sent)


def test_config_is_read_from_the_flash(lan, tmp_path):
    with lan.board(tmp_path, {"link": {}}) as board:
        board.power_on()
        assert "config.json: server: is missing" in board.read_to(rig.PROMPT)
