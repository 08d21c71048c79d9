"""Whose network card a client has: a fact for or against a ROM, never one alone."""

import builtins

import pytest
from pxebench.explain import vendors

from host_tests.explain import told, wire

PI, INTEL, QEMU, OTHER = (
    *("dc:a6:32:01:02:03", "00:1b:21:01:02:03", "52:54:00:01:02:03", "00:0d:b9:01:02:03"),
)


def _boot(mac, **options):
    boot = wire.Boot()
    for number, wait in enumerate((0, 2.0, 6.0, 12.0)):
        boot.rrq(2070 + number, wait, **options)
    raw = bytes.fromhex(mac.replace(":", ""))
    frames = wire.pcap(boot.frames, lambda packet: wire.ethernet(packet, client_mac=raw))
    (client,) = told.of_bytes(frames)["clients"]
    return client


def test_vendors_are_ieees_and_a_local_address_is_nobodys():
    assert vendors.vendor(INTEL) == "Intel Corporate"
    assert vendors.vendor(PI).startswith("Raspberry Pi")
    for mac in (QEMU, "02:00:00:00:00:01", "01", "zz:00:00:00:00:00", "", None):
        assert vendors.vendor(mac) is None


def test_the_card_of_the_roms_own_maker_speaks_for_it():
    client = _boot(INTEL, tsize="0")
    assert client["vendor"] == "Intel Corporate"
    top = client["candidates"][0]
    assert top["rom"].startswith("intel-undi")
    assert "a network card of Intel Corporate" in top["for"]


def test_no_pcs_rom_is_on_a_raspberry_pi():
    rows = {row["rom"]: row for row in _boot(PI, tsize="0")["candidates"]}
    assert any("which no PC's ROM is on" in text for text in rows["intel-undi"]["against"])


def test_a_raspberry_pis_rom_is_on_no_other_card():
    rows = {row["rom"]: row for row in _boot(OTHER, tsize="0")["candidates"]}
    assert all(
        "Raspberry Pi alone" in " ".join(row["against"])
        for id_, row in rows.items()
        if id_.startswith("rpi")
    )


def test_a_vendor_alone_names_nobody():
    log = f"Nov 30 10:00:00 s dnsmasq-dhcp[1]: DHCPDISCOVER(eth0) {INTEL}\n"
    (client,) = told.of_text(log)["clients"]
    assert (client["known"], client["vendor"]) == (False, "Intel Corporate")


@pytest.fixture
def without_netaddr(monkeypatch):
    real = builtins.__import__

    def fails(name, *words, **more):
        if name == "netaddr":
            raise ImportError(name)
        return real(name, *words, **more)

    monkeypatch.setattr(builtins, "__import__", fails)
    vendors.vendor.cache_clear()
    yield
    vendors.vendor.cache_clear()


def test_without_the_list_nothing_is_said_of_it(without_netaddr):
    client = _boot(INTEL, tsize="0")
    assert client["vendor"] is None
    assert client["candidates"][0]["rom"].startswith("intel-undi")
