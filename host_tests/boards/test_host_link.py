"""The link of a PC: the packets that it makes and reads itself, the words that reach a command.

What it does to an interface is `host_tests/dhcp`'s, with real servers in namespaces.
"""

import struct
import sys
from pathlib import Path

import dpkt
import pytest
from hypothesis import given
from hypothesis import strategies as st

_BOARDS = Path(__file__).resolve().parent.parent.parent / "boards"


@pytest.fixture(scope="module")
def link():
    """boards/host/link.py; another board's may have been loaded before."""
    sys.modules.pop("link", None)
    sys.path[:0] = [str(_BOARDS / "host"), str(_BOARDS / "common")]
    import link

    yield link
    del sys.path[:2]
    sys.modules.pop("link", None)


@pytest.fixture
def wire(link):
    """A Wire without its socket; what it sends is in `wire.sent`."""
    made = link.Wire.__new__(link.Wire)
    made.ttl, made.number, made.sent = 20, 0, []
    made.sender = made.target = made.trace = None
    made.send_to_all = made.sent.append
    return made


def _ip(payload, sport=67, dport=68, **fields):
    udp = dpkt.udp.UDP(sport=sport, dport=dport, data=payload, ulen=8 + len(payload))
    packet = dpkt.ip.IP(src=b"\x0a\0\0\1", dst=b"\xff" * 4, p=17, data=udp, **fields)
    packet.len = len(packet)
    return bytes(packet)


@pytest.mark.parametrize("payload", [b"x" * 548, b"odd", b"", bytes(300)])
def test_datagram_has_right_lengths_and_checksums(wire, payload):
    wire.send(payload, ("255.255.255.255", 67))
    packet = dpkt.ip.IP(wire.sent[0])
    assert (packet.src, packet.dst, packet.ttl, packet.len) == (
        bytes(4),
        b"\xff" * 4,
        20,
        28 + len(payload),
    )
    assert (packet.data.sport, packet.data.dport, bytes(packet.data.data)) == (68, 67, payload)
    sums = packet.sum, packet.data.sum
    packet.sum = packet.data.sum = 0
    again = dpkt.ip.IP(bytes(packet))  # dpkt puts its own sums in
    assert (again.sum, again.data.sum) == sums
    assert sums[1] != 0, "0 would mean: no checksum"


def test_ip_ids_count_up(wire):
    for _ in range(3):
        wire.send(b"x", ("255.255.255.255", 67))
    assert [dpkt.ip.IP(each).id for each in wire.sent] == [0, 1, 2]


def test_answer_is_read_with_its_sender_and_target(wire):
    assert wire.payload(_ip(b"offer")) == b"offer"
    assert (wire.sender, wire.target) == (("10.0.0.1", 67), "255.255.255.255")
    assert wire.payload(_ip(b"offer") + b"\0" * 18) == b"offer", "Ethernet's padding is no payload"
    assert wire.payload(_ip(b"")) == b""


def test_other_traffic_is_passed_over(wire):
    assert wire.payload(_ip(b"x", dport=67)) is None
    assert wire.payload(_ip(b"x", dport=53)) is None
    tcp = bytearray(_ip(b"x"))
    tcp[9] = 6
    assert wire.payload(bytes(tcp)) is None
    assert wire.payload(b"\x60" + _ip(b"x")[1:]) is None


def test_fragment_is_no_datagram(wire):
    """R-SEC-12"""
    for flags in (0x2000, 0x0001, 0x20FF):
        packet = bytearray(_ip(b"x" * 64))
        packet[6:8] = struct.pack(">H", flags)
        assert wire.payload(bytes(packet)) is None, hex(flags)


def test_lengths_that_lie_are_not_followed(wire):
    """R-SEC-11: IP's total beyond the packet, UDP's beyond IP's or below its own header, a header
    of too few words."""
    good = _ip(b"x" * 64)
    for at, value in ((2, 200), (2, 20), (2, 27), (24, 7), (24, 0), (24, 73), (24, 0xFFFF)):
        packet = bytearray(good)
        packet[at : at + 2] = struct.pack(">H", value)
        assert wire.payload(bytes(packet)) is None, (at, value)
    for words in (0, 1, 4, 15):
        packet = bytearray(good[:60])
        packet[0] = 0x40 | words
        packet[2:4] = struct.pack(">H", 60)
        assert wire.payload(bytes(packet)) is None, words


@given(st.binary(max_size=120), st.integers(0, 120))
def test_any_packet_is_read_or_passed_over(noise, cut):
    """R-SEC-11"""
    sys.path[:0] = [str(_BOARDS / "host"), str(_BOARDS / "common")]
    try:
        from link import Wire
    finally:
        del sys.path[:2]
    wire = Wire.__new__(Wire)
    for packet in (noise, _ip(noise)[:cut], b"\x45" + noise):
        payload = wire.payload(packet)
        assert payload is None or len(payload) <= max(0, len(packet) - 28)


@pytest.mark.parametrize(
    "name",
    ["", "a" * 16, "eth0;id", "eth 0", "../lo", "-4", "..", ".", "$(id)", "eth0\n", None, 7],
)
def test_name_that_is_none_reaches_no_command(link, name, monkeypatch):
    """R-SEC-22"""
    monkeypatch.setattr(link.os, "system", lambda command: pytest.fail(command))
    with pytest.raises(ValueError, match="interface"):
        link.connect({"interface": name})


def test_address_has_an_end_of_its_own_however_we_end(link, monkeypatch):
    """A program that is killed gives nothing back: the kernel does, once no boot can be left."""
    commands = []

    def system(command):
        commands.append(command)
        return 0 if " add " in command else 1

    monkeypatch.setattr(link.os, "system", system)
    made = link.Interface("eth0", "02:00:00:00:00:01", 2)
    made.life_s = 91
    made.take("10.0.0.9", "255.255.255.0", None)
    added = [command for command in commands if " addr add " in command]
    assert len(added) == 1
    assert "10.0.0.9/24 dev eth0 valid_lft 91 preferred_lft 91 metric" in added[0]


def test_addresses_reach_a_command_as_four_numbers_only(link, monkeypatch):
    """R-SEC-22"""
    commands = []
    monkeypatch.setattr(link.os, "system", lambda command: commands.append(command) or 1)
    made = link.Interface("eth0", "02:00:00:00:00:01", 2)
    for bad in ("10.0.0.1;id", "10.0.0.$(id)", "10.0.0.1 dev lo", "a.b.c.d"):
        with pytest.raises(ValueError):
            made.route(bad, "10.0.0.1")
        with pytest.raises(ValueError):
            made.take(bad, "255.255.255.0", None)
    assert commands == []
