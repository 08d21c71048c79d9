"""Boot servers that are looked for on a wire: by multicast, by broadcast, one by one.

The order, the waits and the bits of 43.6 are tested in virtual time
(`core/test_pxe_discovery.py`); here it is whether such packets leave this machine, arrive, and
bring an answer back: a group on port 4011 without a route to it, everyone on port 67 from an
address, one machine on port 4011.
"""

import io

import dpkt
import pytest

from host_tests.dhcp import scenes
from host_tests.dhcp.scenes import FILES, SECOND, SERVER, Scene, everywhere, play_all, tftp
from host_tests.lab import scripted_dhcp
from host_tests.lab.scripted_dhcp import ack, offer

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("dhcp")]

GROUP = "224.0.1.2"
EVERYONE = "255.255.255.255:67"
_PXE = (60, b"PXEClient")
_ITEM = (43, b"\x47\x04\x00\x01\x00\x00\xff")


def _ip(text):
    return bytes(map(int, text.split(".")))


def _found_by(bits, joined, point, file="linux.0"):
    # A DHCP server with a list, and the boot server of the list: `joined`: it is in the group;
    # `point`: which of the packets that it hears it answers.
    tags = b"\x06\x01" + bytes([bits]) + b"\x07\x04" + _ip(GROUP)
    tags += b"\x08\x07\x00\x01\x01" + _ip(SECOND) + b"\x09\x06\x00\x01\x03One\x0a\x01\x00\xff"
    said = {"yiaddr": "10.88.0.77", "options": [_PXE, (43, tags)]}
    script = {"discover": [offer(**said)], "request": [ack(**said)]}

    def start(lan, stack, folder):
        machine = lan.machine("dhcp", f"{SERVER}/24")
        boot_server = lan.machine("boot", f"{SECOND}/24")
        answer = {point: [ack(file=file, options=[_PXE, _ITEM])]}
        group = GROUP if joined else None
        stack.enter_context(scripted_dhcp.serve(machine, SERVER, script))
        heard = stack.enter_context(scripted_dhcp.serve(boot_server, SECOND, answer, group))
        tftp(stack, folder, boot_server, SECOND)
        return [heard.packets]

    return start


# name: (the scene, by which way the answer comes)
SCENES = {
    "multicast": (Scene(_found_by(0, True, "discovery")), f"{GROUP}:4011"),
    "broadcast": (Scene(_found_by(2, False, "discovery")), EVERYONE),
    "unicast": (Scene(_found_by(3, False, "discovery")), f"{SECOND}:4011"),
    # Nobody is in the group, four broadcasts are passed over: the list is asked last.
    "one-after-the-other": (Scene(_found_by(0, False, "discovery 5")), f"{SECOND}:4011"),
    "edk2-by-multicast": (
        Scene(_found_by(0, True, "discovery", "x64.efi"), "edk2"),
        f"{GROUP}:4011",
    ),
}


@pytest.fixture(scope="module")
def boots():
    return play_all({name: scene for name, (scene, _) in SCENES.items()})


def _asked(boot):
    """To whom discovery went, each way once, in order."""
    to = [sent["to"] for sent in boot.result["dhcp"] if sent["purpose"] == "discovery"]
    return list(dict.fromkeys(to))


@everywhere
@pytest.mark.parametrize("name", SCENES)
def test_boot_server_is_found(boots, name, interpreter):
    """R-PXE-45, R-PXE-46."""
    boot = boots[name, interpreter]
    assert boot.exit_code == 0, boot.said
    assert boot.stored == FILES["x64.efi" if "edk2" in name else "linux.0"]
    assert (boot.result["boot"]["packet"], boot.result["boot"]["server"]) == ("discovery", SECOND)
    assert _asked(boot)[-1] == SCENES[name][1]
    heard = [data for _, point, data in boot.servers[0] if point == "discovery"]
    assert heard
    for data in heard:  # a REQUEST with the item, from an address, with no broadcast asked for
        assert scripted_dhcp.options(data)[53] == b"\x03"
        assert scripted_dhcp.options(data)[43] == b"\x47\x04\x00\x01\x00\x00\xff"
        assert (data[12:16], data[10:12]) == (_ip("10.88.0.77"), b"\0\0")
    assert boot.left == []


@everywhere
def test_ways_are_tried_in_their_order(boots, interpreter):
    """R-PXE-45."""
    boot = boots["one-after-the-other", interpreter]
    assert _asked(boot) == [f"{GROUP}:4011", EVERYONE, f"{SECOND}:4011"]


@everywhere
def test_group_is_asked_on_the_interface_with_the_roms_ttl(boots, interpreter):
    boot = boots["multicast", interpreter]
    sent = []
    for _, frame in dpkt.pcap.Reader(io.BytesIO(boot.pcap[1])):
        ip = dpkt.ethernet.Ethernet(frame).data
        if isinstance(ip, dpkt.ip.IP) and ip.dst == _ip(GROUP) and ip.p == dpkt.ip.IP_PROTO_UDP:
            sent.append(ip)
    ttl = scenes.hurried("intel-undi")["udp"]["ttl"]["value"]
    assert {(ip.ttl, ip.src, ip.data.sport) for ip in sent} == {(ttl, _ip("10.88.0.77"), 68)}
