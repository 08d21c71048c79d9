"""Boots of an ESP32 on ESP32's own sockets: link, lease, TFTP, and what was on the cable."""

import hashlib
import sys
from pathlib import Path

import pytest

from host_tests.dhcp.scenes import FILES, hurried
from host_tests.esp32sock import wire
from host_tests.esp32sock.wire import MAC, SERVER
from host_tests.lab import processes, servers
from host_tests.lab.capture import opcode
from host_tests.lab.programs import ROOT

pytestmark = [pytest.mark.slow]

BOOT = ["--dhcp-boot=undionly.kpxe"]
IMAGE = FILES["undionly.kpxe"]
EMPTY_SERVER = Path(__file__).with_name("empty_server.py")


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


@pytest.mark.soak  # 20 s: some ROMs wait for a lost last ACK's sake
def test_every_rom_fetches_a_file(bench):
    with bench.serving(FILES):
        code, said = bench.run(wire.ON_BOARD / "fetch_roms.py", SERVER, "undionly.kpxe")
    assert code == 0, said
    fetched = [line.split()[1:] for line in said.splitlines() if line.startswith("rom ")]
    roms = (ROOT / "firmware/pxerom/roms").glob("*.json")
    digest = hashlib.sha256(IMAGE).hexdigest()
    assert sorted(fetched) == sorted([path.stem, "ok", digest] for path in roms)


def test_empty_datagrams_ahead_of_every_packet_cost_nothing(bench, tmp_path):
    """Each of them ends the socket's life, and the packet behind it is in the socket's queue."""
    image = FILES["x64.efi"]
    with servers.folder({"image": image}) as folder:
        program = bench.machine.start(sys.executable, EMPTY_SERVER, SERVER, folder)
        with program as server:
            processes.wait_until(
                lambda: "listening" in server.output(), "the server", process=server
            )
            run = bench.power_up(
                "esp32_eth",
                tmp_path,
                server=SERVER,
                file="image",
                image="nbp",
                link={"address": {"ip": "10.9.0.77", "mask": "255.255.255.0"}},
            )
    assert run.result, run.shown
    assert run.files["nbp"] == image
    assert [each["retransmits"] for each in run.result["transfers"]] == [0, 0]


@pytest.mark.parametrize(
    ("scene", "server", "code"),
    [(("cable", ""), "dhcp", "PXE-E61"), ((), SERVER, "PXE-E51"), ((), "dhcp", "PXE-E51")],
    ids=["no-cable", "no-lease-for-the-stack", "no-lease"],
)
def test_link_or_lease_that_does_not_come_is_told(bench, tmp_path, scene, server, code):
    config = {"server": server, "rom": hurried("intel-undi"), "link": {"timeout_s": 3}}
    if server != "dhcp":
        config["file"] = "x"
    run = bench.power_up("esp32_eth", tmp_path, *scene, **config)
    assert run.result["status"]["code"] == code, run.shown


def test_datagram_in_fragments_is_never_heard(bench):
    """ESP32's lwIP is built without reassembly: 1472 bytes are what a datagram may have."""
    with bench.start(wire.ON_BOARD / "hear.py") as process:
        processes.wait_until(lambda: "listening" in process.output(), "it", process=process)
        for size in (1473, 4000, 1472):
            sender = f"socket.socket(2, 2).sendto(bytes({size}), ('10.9.0.2', 2070))"
            bench.machine.run(sys.executable, "-c", f"import socket; {sender}")
        assert process.wait(20) == 0, process.output()
        assert process.output().split() == ["listening", "1472"]
