"""The lab's DHCP servers, each tried with a client that is not ours: busybox's udhcpc."""

import contextlib

import pytest

from host_tests.lab import capture, dhcp_servers, namespaces, programs, scripted_dhcp
from host_tests.lab.scripted_dhcp import ack, offer

pytestmark = pytest.mark.slow


@pytest.fixture
def lan():
    with namespaces.lab() as lab:
        yield dhcp_servers.Lan(lab)


@contextlib.contextmanager
def _answer(lan, *words):
    """Run a client without an address; returns (exit code, [the answers to it])."""
    client = lan.machine("client")
    with capture.capture(client, "eth0") as wire:
        argv = ("udhcpc", "-n", "-q", "-f", "-t", 2, "-T", 1, "-i", "eth0", "-s", "/bin/true")
        done = client.run(programs.find("busybox"), *argv, *words, check=False)
        yield done, [packet for packet in wire.packets() if packet.sport == 67]


def _file(packet):
    """The boot file of an answer: option 67, else the field `file`."""
    options = scripted_dhcp.options(packet.payload)
    return (options.get(67) or packet.payload[108:236]).rstrip(b"\0").decode()


def test_dnsmasq_leases_and_names_a_file(lan):
    server = lan.machine("server", "10.88.0.1/24")
    with (
        dhcp_servers.dnsmasq(server, "10.88.0.1", ["--dhcp-boot=undionly.kpxe"]),
        _answer(lan, "-O", "bootfile") as (done, answers),
    ):
        assert done.returncode == 0, done.stderr
        assert {packet.src for packet in answers} == {"10.88.0.1"}
        assert [_file(packet) for packet in answers] == ["undionly.kpxe"] * 2


def test_kea_gives_each_architecture_its_file(lan):
    server = lan.machine("server", "10.88.0.2/24")
    files = {7: "ipxe.efi", 11: "ipxe-arm64.efi"}
    with dhcp_servers.kea(server, "10.88.0.2", boot_file=files):
        for arch, name in files.items():
            with _answer(lan, "-x", f"0x5d:{arch:04x}") as (done, answers):
                assert done.returncode == 0, done.stderr
                assert [_file(packet) for packet in answers] == [name] * 2


def test_relay_passes_on_what_a_server_elsewhere_says(lan):
    relay = lan.machine("relay", "10.88.0.3/24")
    far = lan.lab.namespace("kea")
    lan.lab.cable(relay, "far", "10.99.0.3/24", far, "eth0", "10.99.0.1/24")
    far.route("default", "10.99.0.3")
    relay.forward()
    with (
        dhcp_servers.kea(far, "10.99.0.1", "undionly.kpxe", relay="10.88.0.3"),
        dhcp_servers.dnsmasq_relay(relay, "10.88.0.3", "10.99.0.1"),
        _answer(lan) as (done, answers),
    ):
        assert done.returncode == 0, done.stderr
        assert {packet.payload[24:28] for packet in answers} == {bytes([10, 88, 0, 3])}
        assert _file(answers[0]) == "undionly.kpxe"


def test_scripted_server_keeps_to_its_script(lan):
    server = lan.machine("server", "10.88.0.4/24")
    script = {
        "discover 2": [offer(yiaddr="10.88.0.77", file="late")],
        "request": [ack(yiaddr="10.88.0.77", file="late")],
    }
    with (
        scripted_dhcp.serve(server, "10.88.0.4", script) as scripted,
        _answer(lan) as (done, answers),
    ):
        assert done.returncode == 0, done.stderr
        heard = [point for _, point, _ in scripted.packets()]
        assert heard == ["discover", "discover", "request"]
        assert [_file(packet) for packet in answers] == ["late"] * 2
