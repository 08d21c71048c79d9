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
    requests = [packet for packet in run.packets if opcode(packet) == "RRQ"]
    assert [packet.sport for packet in requests] == [2070, 2071]
    assert {packet.src for packet in requests} == {run.result["lease"]["ip"]}
