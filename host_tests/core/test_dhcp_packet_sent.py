"""What we send: the captured clients' packets byte for byte, and the rules of each ROM."""

from pxerom import dhcp_packet

from host_tests.core import captured_dhcp
from host_tests.core.check import raises, same
from host_tests.core.fakelan import LEASE, Run, answer, dhcp_of, dhcpd, ip

_UUID = "12345678-1234-5678-9abc-def012345678"


def _client(rom, captured, uuid=bytes(16), seed=None):
    xid = int.from_bytes(captured[4:8], "big")
    return dhcp_packet.Packets(
        dhcp_of(rom), bytes(captured[28:34]), uuid, xid if seed is None else seed
    )


def _exchange(name, rom, uuid=bytes(16)):
    # Our packets in the captured order of events: each DISCOVER, then the REQUEST.
    packets = captured_dhcp.PACKETS[name]
    client = _client(rom, captured_dhcp.whole(packets[0]), uuid)
    for number, packet in enumerate(packets):
        expected = captured_dhcp.whole(packet)
        if number + 1 < len(packets):
            if number:
                client.offered(False)
            got = client.discover(packet[0])
            first = got
        else:
            client.offered(False)
            options = dict(zip((54, 50), _asked(expected)))
            offer = answer(first, dhcp_packet.OFFER, dhcp_packet.ip_text(options[50]), server=None)
            offer = offer[:-1] + b"\x36\x04" + options[54] + b"\xff"
            got = client.request(dhcp_packet.parse(offer, client.asked, client.mac), packet[0])
        yield number, got, expected


def _asked(packet):
    at = packet.index(b"\x36\x04")
    server = packet[at + 2 : at + 6]
    at = packet.index(b"\x32\x04", at)
    return server, packet[at + 2 : at + 6]


def test_ipxe_sends_what_the_capture_has():
    """R-PXE-1, R-PXE-2, R-PXE-4, R-PXE-5, R-PXE-6: DISCOVER, DISCOVER, REQUEST, nothing left
    out: the xid of the capture is the seed."""
    for number, got, expected in _exchange("ipxe", "ipxe"):
        same(got, expected, number)


def test_uuid_goes_out_in_the_order_of_smbios():
    """R-PXE-7, R-PXE-8: the whole packet, as captured with `-uuid`."""
    for number, got, expected in _exchange(
        "ipxe with a UUID", "ipxe", dhcp_packet.uuid_bytes(_UUID)
    ):
        same(got, expected, number)


def test_edk2_sends_what_the_capture_has():
    """R-PXE-2, R-PXE-3: the size in 57 is another one in the REQUEST."""
    for number, got, expected in _exchange("edk2", "edk2"):
        same(got, expected, number)


def test_u_boot_sends_what_the_capture_has():
    """R-PXE-2: padded to 300 bytes; the xid is the MAC's and the clock's."""
    for number, got, expected in _exchange("u-boot", "u-boot"):
        same(got[:4] + got[8:], expected[:4] + expected[8:], number)


def test_u_boot_draws_its_xid_from_mac_and_clock():
    client = _client("u-boot", captured_dhcp.whole(captured_dhcp.PACKETS["u-boot"][0]))
    same(client.discover(428)[4:8], b"\x52\x52\x53\xfe")
    same(client.discover(680)[4:8], b"\x52\x52\x54\xfa")


def test_intel_draws_xid_and_secs_from_its_mac_as_captured():
    """R-PXE-1 with its ROM note: 8b0f7475 with secs 4, then one more in the first byte and two
    more seconds, whatever the time; the REQUEST repeats both."""
    run = Run("intel-undi", dhcpd(delay_ms=2500, file=b"x"))
    sent = run.lan.sent[:3]
    same([each.data[4:8].hex() for each in sent], ["8b0f7475", "8c0f7475", "8b0f7475"])
    same([each.data[9] for each in sent], [4, 6, 4])
    same(sent[2].kind, dhcp_packet.REQUEST)


def test_intel_discover_has_options_flags_and_length_as_captured():
    """R-PXE-2, R-PXE-3 with its ROM note, R-PXE-4."""
    discover = Run("intel-undi").lan.sent[0]
    same((discover.source, discover.host, discover.port), (68, "255.255.255.255", 67))
    same(len(discover.data), 548)
    same(discover.codes, [53, 55, 57, 97, 93, 94, 60])
    same(discover.data[10:12], b"\x80\x00")
    wanted = [1, 2, 3, 4, 5, 6, 11, 12, 13, 15, 16, 17, 18, 22, 23, 28, 40, 41, 42, 43, 50, 51]
    wanted += [54, 58, 59, 60, 66, 67, 128, 129, 130, 131, 132, 133, 134, 135]
    same(discover.options[55], bytes(wanted))
    same(discover.options[57], b"\x04\xec")
    same(discover.options[94], b"\x01\x02\x01")
    same(discover.options[60], b"PXEClient:Arch:00000:UNDI:002001")
    same(discover.options[97], bytes(17))


def test_architecture_stands_in_93_and_in_60():
    """R-PXE-4, R-PXE-5"""
    discover = Run(dhcp_of("edk2", arch=11)).lan.sent[0]
    same(discover.options[93], b"\x00\x0b")
    same(discover.options[60], b"PXEClient:Arch:00011:UNDI:003000")


def test_every_pxe_packet_has_93_94_and_97():
    """R-PXE-2"""
    for rom in ("intel-undi", "intel-undi-plain", "edk2", "ipxe", "standard"):
        sent = Run(rom, dhcpd(file=b"x")).lan.sent
        same(sent[-1].kind, dhcp_packet.REQUEST, rom)
        for packet in sent:
            for code in (93, 94, 97):
                assert code in packet.options, (rom, packet.kind, code)


def test_request_names_server_and_address_and_discover_neither():
    sent = Run("standard", dhcpd(options=LEASE, file=b"x")).lan.sent
    assert 50 not in sent[0].options and 54 not in sent[0].options
    same((sent[-1].options[54], sent[-1].options[50]), (ip("10.0.0.1"), ip("10.0.0.77")))
    same(sent[-1].data[12:16], bytes(4), "no ciaddr before there is a lease")


def test_broadcast_is_not_asked_for_once_there_is_an_address():
    """R-PXE-26: ciaddr is ours, the flag is gone."""
    client = dhcp_packet.Packets(dhcp_of("intel-undi"), bytes(6), bytes(16), 1)
    packet = client.ask("proxy", "10.0.0.77", "10.0.0.2", 0)
    same((packet[10:12], packet[12:16]), (b"\0\0", ip("10.0.0.77")))
    assert b"\x36\x04" + ip("10.0.0.2") in packet


def test_release_and_decline_name_what_they_are_about():
    client = dhcp_packet.Packets(dhcp_of("ipxe"), b"\2\0\0\0\0\7", bytes(16), 1)
    head, body = b"\x63\x82\x53\x63", b"\x36\x04" + ip("10.0.0.1")
    own = b"\x3d\x07\x01\2\0\0\0\0\7"
    release = client.give_up(dhcp_packet.RELEASE, "10.0.0.77", "10.0.0.1")
    same(release[12:16], ip("10.0.0.77"))
    same(release[236:], head + b"\x35\x01\x07" + body + own + b"\xff")
    decline = client.give_up(dhcp_packet.DECLINE, "10.0.0.77", "10.0.0.1")
    same(decline[12:16], bytes(4))
    same(
        decline[236:],
        head + b"\x35\x01\x04" + body + b"\x32\x04" + ip("10.0.0.77") + own + b"\xff",
    )


def test_uuid_that_is_none_is_refused():
    for text in ("", "1234", _UUID + "00", "zz" * 16):
        raises(ValueError, dhcp_packet.uuid_bytes, text)
