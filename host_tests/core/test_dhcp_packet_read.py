"""What we read: replies that are not for us, lengths that lie, and what comes of the rest."""

from pxerom import dhcp_offer, dhcp_packet, dhcp_remarks
from pxerom.runtime import random_below

from host_tests.core.check import raises, same
from host_tests.core.fakelan import CLIENT, LEASE, RULES, SERVER, answer, ip, option

_MAC = b"\2\0\0\0\0\1"
_XID = 0x01020304
_ASKED = b"\1\1\6\0\1\2\3\4" + bytes(20) + _MAC + bytes(202) + b"\x63\x82\x53\x63\xff"


def _parse(packet):
    return dhcp_packet.parse(packet, (_XID,), _MAC)


def _offer(**more):
    return answer(_ASKED, dhcp_packet.OFFER, CLIENT, **more)


def _dropped(packet):
    return str(raises(dhcp_packet.Dropped, _parse, packet))


def _options(*parts):
    return _parse(_offer(options=b"".join(parts))).options


def test_reply_to_another_client_is_dropped():
    """R-PXE-20"""
    good = _offer()
    same(_parse(good).yiaddr, CLIENT)
    assert "xid" in _dropped(_offer(xid=b"\1\2\3\5"))
    assert "hardware" in _dropped(_offer(mac=b"\2\0\0\0\0\2"))
    assert "no reply" in _dropped(_offer(op=1))
    assert "hardware" in _dropped(good[:1] + b"\6" + good[2:])
    assert "hardware" in _dropped(good[:2] + b"\7" + good[3:])
    assert "no DHCP" in _dropped(good[:236] + b"\x63\x82\x53\x64" + good[240:])


def test_reply_cut_anywhere_before_its_options_is_dropped():
    """R-PXE-20, R-SEC-11"""
    good = _offer()
    for size in range(240):
        assert "no DHCP" in _dropped(good[:size]), size


def test_message_that_no_server_sends_is_dropped():
    for kind in (
        dhcp_packet.DISCOVER,
        dhcp_packet.REQUEST,
        dhcp_packet.DECLINE,
        dhcp_packet.RELEASE,
        dhcp_packet.INFORM,
        9,
        255,
    ):
        assert "message type" in _dropped(answer(_ASKED, kind))


def test_option_that_runs_past_the_end_drops_the_packet():
    """R-SEC-14: the length byte, too, must be inside."""
    for end in (b"\x43", b"\x43\x01", b"\x43\xffx", b"\x43\x05abcd"):
        assert "past the end" in _dropped(_offer(end=end)), end


def test_packet_without_an_end_is_read_as_far_as_it_goes():
    """R-SEC-14"""
    same(_parse(_offer(end=b"", options=option(67, "a"))).options[67], b"a")
    same(_parse(_offer(end=b"\0" * 40, options=option(67, "a"))).options[67], b"a")


def test_what_stands_behind_the_end_is_no_option():
    same(67 in _parse(_offer(end=b"\xff" + option(67, "x"))).options, False)


def test_option_that_comes_twice_is_joined():
    """R-PXE-35"""
    same(_options(option(67, "under"), option(12, "h"), option(67, "only"))[67], b"underonly")


def test_field_file_holds_options_only_when_52_says_so():
    """R-PXE-30: options, then file, then sname; what comes first counts."""
    inner = option(67, "in-file") + b"\xff"
    name = option(67, "in-sname") + option(66, "10.0.0.9") + b"\xff"
    plain = _parse(_offer(file=b"boot\0junk", sname=name))
    same((plain.file, 66 in plain.options), (b"boot", False))
    both = _parse(_offer(options=option(52, 3), file=inner, sname=name))
    same((both.file, both.options[67], both.options[66]), (None, b"in-file", b"10.0.0.9"))
    first = _parse(_offer(options=option(52, 1) + option(67, "main"), file=inner))
    same(first.options[67], b"main")
    only = _parse(_offer(options=option(52, 2), file=b"boot", sname=name))
    same((only.file, only.options[67]), (b"boot", b"in-sname"))


def test_overload_inside_an_overloaded_field_leads_nowhere():
    """R-PXE-30, R-SEC-14: no loop, and no second look."""
    inner = option(52, 3) + option(67, "x") + b"\xff"
    reply = _parse(_offer(options=option(52, 1), file=inner, sname=option(67, "y") + b"\xff"))
    same(reply.options[67], b"x")


def test_overloaded_field_that_lies_drops_the_packet():
    """R-SEC-14: the field's end is the end, not the packet's."""
    assert "past the end" in _dropped(_offer(options=option(52, 1), file=b"\x43\xfe"))
    assert "past the end" in _dropped(_offer(options=option(52, 2), sname=bytes(62) + b"\x43\x09"))


def test_option_of_a_wrong_length_is_not_there():
    """R-SEC-16, R-SEC-21"""
    for code, length in ((1, 4), (13, 2), (28, 4), (50, 4), (51, 4), (97, 17)):
        for wrong in (0, length - 1, length + 1, 200):
            reply = _parse(_offer(options=option(code, bytes(wrong))))
            same((code in reply.options, len(reply.flaws)), (False, 1), code)
    same(_parse(_offer(server=None, options=option(54, ip(SERVER) * 2))).server_id(), None)
    same(_parse(_offer(options=option(3, b"\1\2\3"))).addresses(3), [])
    same(_parse(_offer(options=option(3, b""))).addresses(3), [])


def test_message_type_of_a_wrong_length_makes_it_no_dhcp():
    """R-SEC-16, R-PXE-21: it would be a BOOTP reply, with a flaw."""
    reply = _parse(answer(_ASKED, 0, CLIENT, options=option(53, b"\2\2")))
    same((reply.type, len(reply.flaws)), (0, 1))


def test_packet_that_came_is_not_written_to():
    """R-SEC-16: no NUL is put behind a name that has none."""
    packet = bytearray(_offer(options=option(67, "name") + option(43, b"\6\1\x08")))
    before = bytes(packet)
    offer = dhcp_offer.Offer(_parse(packet), SERVER, 0, RULES)
    same(offer.file(), (b"name", "option 67"))
    offer.record()
    same(bytes(packet), before)


# --- option 43 -----------------------------------------------------------------------------------


def test_tags_are_read_with_pads_and_an_end():
    """R-PXE-40"""
    same(dhcp_packet.tags(b"\0\6\1\x08\0\0\x0a\2\0P\xff\7\4"), {6: b"\x08", 10: b"\0P"})
    same(dhcp_packet.tags(b""), {})
    same(dhcp_offer.control({}), 0)


def test_tag_of_254_bytes_ends_the_walk():
    """R-SEC-15: an eight-bit offset would go round for ever."""
    same(dhcp_packet.tags(b"\x80\xfe" + bytes(253)), None)
    same(dhcp_packet.tags(b"\x80\xfe" + bytes(254)), {0x80: bytes(254)})
    same(dhcp_packet.tags(b"\6"), None)
    same(dhcp_packet.tags(b"\6\1"), None)


def test_tag_of_a_wrong_length_is_not_there():
    """R-SEC-16"""
    same(dhcp_offer.control({6: b""}), 0)
    same(dhcp_offer.control({6: b"\x08\x08"}), 0)
    same(dhcp_offer.multicast({7: b"\xe0\0\1"}), None)
    same(dhcp_offer.multicast({7: ip("10.0.0.1")}), None, "no group")
    same(dhcp_offer.multicast({7: ip("224.0.1.2")}), "224.0.1.2")
    same(dhcp_offer.item_of({71: b"\0\1\0"}), None)
    same(dhcp_offer.item_of({71: b"\0\1\0\0"}), 1)


def test_list_of_servers_is_bounded_entry_by_entry():
    """R-SEC-17"""
    one = b"\0\1\1" + ip("10.0.0.9")
    any_server = b"\x80\0\0"
    same(dhcp_offer.servers({8: one + any_server}), [(1, ["10.0.0.9"]), (0x8000, [])])
    same(dhcp_offer.servers({}), None)
    for bad in (b"", b"\0", b"\0\1", one[:-1], one + b"\0\1\x40" + bytes(12), b"\0\1\xff"):
        assert dhcp_offer.servers({8: bad}) is dhcp_offer.BAD, bad


def test_menu_is_bounded_entry_by_entry():
    """R-SEC-17, R-SEC-22: its text is made harmless."""
    same(dhcp_offer.menu({9: b"\0\1\3abc\0\0\1\x1b"}), [(1, "abc"), (0, ".")])
    for bad in (b"", b"\0", b"\0\1\4abc", b"\0\1\3abc\0"):
        assert dhcp_offer.menu({9: bad}) is dhcp_offer.BAD, bad
    same(dhcp_offer.prompt({10: b"\5Press F8"}), (5, "Press F8"))
    same(dhcp_offer.prompt({10: b"\xff"}), (255, ""))
    assert dhcp_offer.prompt({10: b""}) is dhcp_offer.BAD


def test_any_bytes_come_to_an_offer_or_to_a_reason():
    """R-SEC-14, R-SEC-15, R-SEC-16, R-SEC-17, R-SEC-19: 2,000 packets of noise behind a good
    head, read to the end by everything that reads one."""
    good = _offer(options=LEASE + option(60, "PXEClient"))
    read = 0
    for _ in range(2000):
        packet = bytearray(good)
        tail = bytearray(random_below(120))
        for at in range(len(tail)):
            tail[at] = (0, 1, 4, 43, 52, 67, 255, 254, random_below(256))[random_below(9)]
        if random_below(2):
            tail = option(43, bytes(tail)) + b"\xff"
        packet[-1:] = tail
        for _ in range(random_below(3)):
            packet[44 + random_below(192)] = random_below(256)
        try:
            offer = dhcp_offer.Offer(_parse(bytes(packet)), SERVER, 0, RULES)
        except dhcp_packet.Dropped as dropped:
            assert str(dropped)
            continue
        read += 1
        offer.record()
        dhcp_remarks.of_offer(offer)
        dhcp_offer.choose([offer])
        for take in (dhcp_offer.menu, dhcp_offer.prompt, dhcp_offer.servers, dhcp_offer.item_of):
            take(offer.tags)
    assert read > 100, read
