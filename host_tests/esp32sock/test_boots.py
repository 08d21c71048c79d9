"""Boots of an ESP32 on ESP32's own sockets: link, lease, TFTP, and what was on the cable."""

import pytest

from host_tests.dhcp.scenes import FILES, hurried
from host_tests.esp32sock import wire
from host_tests.esp32sock.wire import MAC, SERVER
from host_tests.lab.capture import opcode

pytestmark = [pytest.mark.slow]

BOOT = ["--dhcp-boot=undionly.kpxe"]
IMAGE = FILES["undionly.kpxe"]


@pytest.fixture(scope="module")
def bench():
    with wire.plugged_in() as made:
        yield made


@pytest.mark.parametrize("board", ["esp32_eth", "esp32_wifi"])
def test_boot_by_dhcp_is_byte_exact_and_counts_its_ports(bench, tmp_path, board):
    with bench.serving(FILES, BOOT):
        run = bench.power_up(
            board, tmp_path, server="dhcp", rom=hurried("intel-undi"), image="nbp"
        )
    assert run.result, run.shown
    assert run.result["outcome"] == "ok", run.shown
    assert run.files["nbp"] == IMAGE
    assert run.result["endpoint"]["mac"] == MAC
    asked = [packet for packet in run.packets if packet.sport == 68]
    assert {(packet.src, packet.dst) for packet in asked} == {("0.0.0.0", "255.255.255.255")}
    requests = [packet for packet in run.packets if opcode(packet) == "RRQ"]
    assert [packet.sport for packet in requests] == [2070, 2071]
    assert {packet.src for packet in requests} == {run.result["lease"]["ip"]}
    assert not [text for text in run.result["warnings"] if "0.0.0.0" in text]


def test_stack_that_does_not_send_without_an_address_gets_a_link_local_one(bench, tmp_path):
    """ESP32's routes by address, unless the socket is bound to its interface: here it is not."""
    with bench.serving(FILES, BOOT):
        run = bench.power_up(
            *("esp32_eth", tmp_path, "ifname", "no1"),
            server="dhcp",
            rom=hurried("intel-undi"),
            image="nbp",
        )
    assert run.result, run.shown
    assert run.files["nbp"] == IMAGE
    asked = [packet for packet in run.packets if packet.sport == 68]
    assert {packet.src for packet in asked} == {"169.254.1.1"}


@pytest.mark.parametrize("gateway", [SERVER, None])
def test_address_of_the_settings_needs_no_dhcp(bench, tmp_path, gateway):
    """ESP-IDF refuses 0.0.0.0 as a DNS server: a RuntimeError out of `ifconfig`."""
    address = {"ip": "10.9.0.77", "mask": "255.255.255.0"}
    if gateway:
        address["gateway"] = gateway
    with bench.serving(FILES):
        run = bench.power_up(
            "esp32_eth",
            tmp_path,
            server=SERVER,
            file="undionly.kpxe",
            link={"address": address},
            image="nbp",
        )
    assert run.result, run.shown
    assert run.files["nbp"] == IMAGE
    assert not [packet for packet in run.packets if packet.sport == 68]
    assert {packet.src for packet in run.packets} == {"10.9.0.77", SERVER}


@pytest.mark.parametrize("board", ["esp32_eth", "esp32_wifi"])
def test_address_of_the_stacks_own_dhcp_client(bench, tmp_path, board):
    with bench.serving(FILES):
        run = bench.power_up(board, tmp_path, server=SERVER, file="undionly.kpxe", image="nbp")
    assert run.result, run.shown
    assert run.files["nbp"] == IMAGE
    asked = [packet for packet in run.packets if packet.sport == 68]
    assert {packet.src for packet in asked} == {"0.0.0.0"}
