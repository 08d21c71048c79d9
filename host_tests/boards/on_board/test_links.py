"""Every board's link.py, against the stub of `network`: what it returns, and how it fails.

These run on a PC that plays a board, one port after the other: see `test_personalities.py`. Which
boards there are is read from boards/*/board.json.
"""

import json
import os
import sys

import network
import nic
from machine import Pin

from host_tests.core.check import raises, same
from host_tests.shim.become import skip

nic.sleep_ms = skip  # nobody waits for a network that is not there
_BOARDS = __file__.rsplit("/", 4)[0] + "/boards"
_PASSWORD = "correct horse"
_ADDRESS = {"ip": "10.0.0.9", "mask": "255.0.0.0", "gateway": "10.0.0.1"}


def _boards(*kinds):
    """(id, link module) of each board of this port whose link is of one of these kinds."""
    found = []
    for name in sorted(os.listdir(_BOARDS)):
        path = "%s/%s/board.json" % (_BOARDS, name)
        try:
            with open(path) as file:
                board = json.load(file)
        except OSError:
            continue
        if board["port"] != sys.platform or board["link"]["type"] not in kinds:
            continue
        sys.path.insert(0, "%s/%s" % (_BOARDS, name))
        sys.modules.pop("link", None)
        found.append((name, __import__("link")))
        sys.path.pop(0)
    return found


def _settings(name, **changes):
    if "wifi" in name or "_w" in name[-2:]:
        settings = {"ssid": "bench", "password": _PASSWORD, "timeout_s": 3}
    else:
        settings = {"timeout_s": 3}
        if name == "esp32_eth":
            settings["pins"] = "wt32-eth01"
    settings.update(changes)
    return settings


def _fails(name, link, **changes):
    """The `status` of a connect that must fail; it holds no password, whatever it says."""
    down = raises(nic.LinkDown, link.connect, _settings(name, **changes))
    status = down.status()
    same(sorted(status), ["advice", "code", "detail", "reason", "side", "text"])
    for words in list(status.values()) + [str(down), repr(down)]:
        assert _PASSWORD not in words and "wrong horse" not in words, words
    return status


def test_each_board_of_this_port_connects():
    boards = _boards("wifi", "ethernet")
    expected = {
        "rp2": ["rpi_pico2_w", "rpi_pico_w", "w5500_evb_pico"],
        "esp32": ["esp32_eth", "esp32_wifi"],
    }
    same([name for name, _ in boards], expected[sys.platform])
    for name, link in boards:
        network.reset()
        fed = []
        got = link.connect(_settings(name), lambda fed=fed: fed.append(1))
        same(
            (got.mac, got.ip, got.mask, got.gateway),
            ("28:cd:c1:00:00:01", "192.0.2.77", "255.255.255.0", "192.0.2.1"),
            name,
        )
        assert got.name
        assert fed, "%s: nobody feeds the watchdog while the link comes up" % name
        assert ("active", True) in network.calls


def test_own_address_needs_no_dhcp_server():
    for name, link in _boards("wifi", "ethernet"):
        network.reset(lease=None)
        got = link.connect(_settings(name, address=_ADDRESS))
        same((got.ip, got.mask, got.gateway), ("10.0.0.9", "255.0.0.0", "10.0.0.1"), name)
        network.reset(lease=None)
        got = link.connect(
            _settings(name, address={"ip": "10.0.0.9", "mask": "255.0.0.0"}, hostname="rom-3")
        )
        same((got.ip, got.gateway), ("10.0.0.9", "0.0.0.0"), name)
        assert ("hostname", "rom-3") in network.calls


def test_own_dhcp_begins_without_an_address_or_with_a_link_local_one():
    """Recipe of a boot from nothing: a static address ends the stack's DHCP client, and port 68
    is free; the lease goes to the interface afterwards. An ESP32's sockets can be bound to the
    interface, and need no address then."""
    link_local = "169.254.1.1", "255.255.0.0"
    unleased = ("0.0.0.0", "0.0.0.0") if sys.platform == "esp32" else link_local
    for name, link in _boards("wifi", "ethernet"):
        network.reset(lease=None)
        got = link.connect(_settings(name), None, True)
        same((got.ip, got.mask, got.gateway), unleased + ("0.0.0.0",), name)
        same(got.device, "st1" if sys.platform == "esp32" else None, name)
        same("169.254.1.1" in got.limits()[0], unleased == link_local, name)
        same((got.raw(20, None), got.arp("10.0.0.1", None, [1000])), (None, None), name)
        for address, expected in (
            (("10.0.0.7", "255.0.0.0", "10.0.0.1"), ("10.0.0.7", "255.0.0.0") + ("10.0.0.1",) * 2),
            (("10.0.0.7", "255.0.0.0", None), ("10.0.0.7", "255.0.0.0", "0.0.0.0", "127.0.0.1")),
        ):
            got.take(*address)
            same(network.calls[-1], ("ifconfig", expected), name)
            same(got.ip, "10.0.0.7")
        got.released()
        same(network.calls[-1][1][:2], unleased, name)


def test_stack_that_cannot_send_without_an_address_gets_a_link_local_one():
    for name, link in _boards("wifi", "ethernet"):
        network.reset(lease=None)
        got = link.connect(_settings(name), None, True)
        same(got.needs_address(), sys.platform == "esp32", name)
        same((got.ip, got.mask), ("169.254.1.1", "255.255.0.0"), name)
        assert ("ifconfig", nic.link_local(got.mac) + ("0.0.0.0", "127.0.0.1")) in network.calls
        same(got.needs_address(), False, name)


def test_own_address_of_the_settings_counts_over_link_local():
    for name, link in _boards("wifi", "ethernet"):
        network.reset(lease=None)
        same(link.connect(_settings(name, address=_ADDRESS), None, True).ip, "10.0.0.9", name)


def test_no_cable_is_e61_for_a_boot_from_nothing_too():
    """R-PXE-24: the address is there at once, the carrier is not."""
    for name, link in _boards("ethernet"):
        network.reset(cable=False)
        down = raises(nic.LinkDown, link.connect, _settings(name), None, True)
        same(down.status()["code"], "PXE-E61", name)


def test_link_local_address_is_in_the_range_that_is_free_to_use():
    for last in (0, 1, 127, 254, 255):
        address = nic.link_local("28:cd:c1:00:%02x:ff" % last)[0].split(".")
        same((address[:2], 1 <= int(address[2]) <= 254), (["169", "254"], True), last)


def test_no_lease_is_e51_and_no_fault_of_the_link():
    for name, link in _boards("wifi", "ethernet"):
        network.reset(lease=None)
        status = _fails(name, link)
        same((status["code"], status["side"]), ("PXE-E51", "path"), name)
        assert "no DHCP server gave it an address within 3 s." in status["detail"]


def test_no_cable_is_e61():
    for name, link in _boards("ethernet"):
        network.reset(cable=False)
        status = _fails(name, link)
        same((status["code"], status["text"]), ("PXE-E61", "Media test failure, check cable"))
        assert "no carrier" in status["detail"] and "cable" in status["advice"]


def test_chip_that_does_not_answer_is_e63():
    for name, link in _boards("wifi", "ethernet"):
        network.reset(chip=False)
        status = _fails(name, link)
        same(status["code"], "PXE-E63", name)
        assert "did not start (errno 5)" in status["detail"], status


def test_driver_that_fails_without_an_errno_is_e63_too():
    """ESP-IDF's codes that MicroPython does not know are RuntimeErrors: 0x101 is "no memory"."""
    for name, link in _boards("wifi", "ethernet"):
        network.reset(refuses="Wifi Unknown Error 0x0101")
        status = _fails(name, link)
        same(status["code"], "PXE-E63", name)
        assert "did not start (Wifi Unknown Error 0x0101)" in status["detail"], status


def test_firmware_of_another_board_is_e63():
    for name, link in _boards("wifi", "ethernet"):
        network.reset()
        kept = {}
        for kind in ("WLAN", "LAN", "WIZNET5K"):
            if hasattr(network, kind):
                kept[kind] = getattr(network, kind)
                delattr(network, kind)
        try:
            status = _fails(name, link)
        finally:
            for kind, value in kept.items():
                setattr(network, kind, value)
        same(status["code"], "PXE-E63", name)
        assert "no driver in this firmware" in status["detail"], status


def test_wifi_network_that_is_not_there_is_named():
    for name, link in _boards("wifi"):
        network.reset(ssid="neighbours")
        status = _fails(name, link)
        same(status["code"], "PXE-E61", name)
        same(status["detail"], 'No Wi-Fi network "bench" was found that the board can join.')
        same(len([call for call in network.calls if call[0] == "connect"]), 3)


def test_wifi_network_missed_by_one_scan_is_tried_again():
    for name, link in _boards("wifi"):
        network.reset(finds_at=3)
        same(link.connect(_settings(name)).ip, "192.0.2.77")


def test_wrong_password_is_told_from_a_missing_network():
    for name, link in _boards("wifi"):
        network.reset()
        status = _fails(name, link, password="wrong horse")
        same(status["detail"], 'The Wi-Fi network "bench" refused the password.')
        network.reset(filter=True)
        status = _fails(name, link)
        same(status["detail"], 'The Wi-Fi network "bench" did not let the board in.')


def test_joining_that_never_ends_is_ended():
    for name, link in _boards("wifi"):
        network.reset(associates=False)
        status = _fails(name, link)
        same(
            status["detail"],
            'The Wi-Fi network "bench" did not let the board in within 3 s.',
            name,
        )


def test_power_save_is_off_whatever_the_firmware_calls_it():
    """A datagram waits for up to 200 ms in the access point otherwise."""
    for name, link in _boards("wifi"):
        network.reset()
        link.connect(_settings(name, country="DE"))
        assert ("pm", network.WLAN.PM_NONE) in network.calls
        assert ("country", "DE") in network.calls
        kept = network.WLAN.PM_NONE
        try:
            del network.WLAN.PM_NONE
            network.reset()
            link.connect(_settings(name))
            assert ("pm", 0xA11140) in network.calls
        finally:
            network.WLAN.PM_NONE = kept
        network.reset(unknown=("pm",))
        same(link.connect(_settings(name)).ip, "192.0.2.77")


def test_open_network_needs_no_password():
    for name, link in _boards("wifi"):
        network.reset(password=None)
        same(link.connect({"ssid": "bench", "timeout_s": 3}).ip, "192.0.2.77", name)


def test_pins_of_each_ethernet_board():
    """Facts: the LAN8720's address, its switch and its clock; the W5500's pins, INTN included."""
    for name, link in _boards("ethernet"):
        if name == "esp32_eth":
            for pins, expected in (
                ("wt32-eth01", {"phy_addr": 1, "power": Pin(16)}),
                ("wt32-eth01-early", {"phy_addr": 1}),
                (
                    "olimex-esp32-poe",
                    {"phy_addr": 0, "power": Pin(12), "ref_clk": Pin(17), "ref_clk_mode": Pin.OUT},
                ),
            ):
                network.reset()
                link.connect(_settings(name, pins=pins))
                got = [call[1] for call in network.calls if call[0] == "LAN"][0]
                expected.update(mdc=Pin(23), mdio=Pin(18), phy_type=network.PHY_LAN8720)
                same(got, expected, pins)
        else:
            network.reset(default_pins=False)
            link.connect(_settings(name))
            bus, cs, reset, intn = [call[1] for call in network.calls if call[0] == "WIZNET5K"][0]
            same(bus.pins, {"sck": Pin(18), "mosi": Pin(19), "miso": Pin(16)})
            same((cs, reset, intn), (Pin(17), Pin(20), Pin(21)))


def test_wrong_setting_is_named_and_never_shown():
    for name, link in _boards("wifi", "ethernet"):
        for changes, words in (
            ({"timeout_s": 0}, "link.timeout_s: expected a whole number 3..300"),
            ({"timeout_s": True}, "link.timeout_s: expected"),
            ({"address": {"ip": "10.0.0.9"}}, "link.address: expected null (ask DHCP) or"),
            ({"address": {"ip": "10.0.0.9", "mask": 8}}, "link.address: expected"),
            ({"address": {"ip": "10.0.0.300", "mask": "255.0.0.0"}}, "link.address: expected"),
            ({"address": {"ip": "10.0.0.09", "mask": "255.0.0.0"}}, "link.address: expected"),
            ({"hostname": ""}, "link.hostname: expected"),
            ({"pasword": _PASSWORD}, "link.pasword: there is no such field, there are "),
        ):
            error = raises(nic.SettingError, link.connect, _settings(name, **changes))
            assert words in str(error), (name, str(error))
            assert _PASSWORD not in str(error)
    for name, link in _boards("wifi"):
        for changes, words in (
            ({"ssid": "s" * 33}, "link.ssid: expected the network's name, 1 to 32 bytes"),
            ({"ssid": None}, "link.ssid: expected"),
            ({"password": 12345678}, "link.password: expected text of 8 to 64 bytes, or null"),
            ({"password": "horse"}, "link.password: expected"),
            ({"country": "Germany"}, "link.country: expected two capital letters such as DE"),
        ):
            error = raises(nic.SettingError, link.connect, _settings(name, **changes))
            assert words in str(error), (name, str(error))
            assert "12345678" not in str(error) and "horse" not in str(error)
        error = raises(nic.SettingError, link.connect, {})
        assert "link.ssid: is missing, expected the network's name" in str(error)
    for name, link in _boards("ethernet"):
        if name == "esp32_eth":
            for pins in (None, "wt32", ["wt32-eth01"]):
                error = raises(nic.SettingError, link.connect, _settings(name, pins=pins))
                assert "link.pins: expected one of olimex-esp32-poe, wt32-eth01" in str(error)
