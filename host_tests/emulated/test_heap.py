"""The least heaps of boards/README.md, on a real 32-bit port with a driver, lwIP and littlefs."""

import pytest

from host_tests.emulated import rig
from host_tests.lab import dhcp_servers

pytestmark = pytest.mark.slow

# By static address, and by DHCP from nothing; image of 300,000 bytes stored, as `intel-undi`.
STATIC_KIB, DHCP_KIB = 70, 92


def test_least_heap_of_a_static_address(lan, tftpd, tmp_path, image_hash):
    assert rig.boots_with(lan, tmp_path, STATIC_KIB, rig.config()) == image_hash


def test_least_heap_of_a_boot_by_dhcp(lan, tftpd, tmp_path, image_hash):
    settings = rig.config(server="dhcp", file=None, link={"timeout_s": 10})
    with dhcp_servers.dnsmasq(lan.server, rig.SERVER, ["--dhcp-boot=image"]):
        assert rig.boots_with(lan, tmp_path, DHCP_KIB, settings) == image_hash


@pytest.mark.parametrize("kib", [48, 60])
def test_too_small_a_heap_is_said_and_nothing_is_stored(lan, tftpd, tmp_path, kib):
    assert rig.boots_with(lan, tmp_path, kib, rig.config()) is None
