"""DHCP in virtual time: waits, windows, the choice of an offer, failures and what is said."""

from pxerom import dhcp_offer, dhcp_packet

from host_tests.core import captured_dhcp, fakelan
from host_tests.core.check import Patch, same
from host_tests.core.fakelan import (
    CLIENT,
    LEASE,
    PROXY,
    PXECLIENT,
    RULES,
    SERVER,
    FakeLan,
    Run,
    answer,
    dhcp_of,
    dhcpd,
    ip,
    option,
    proxy,
    together,
)

_BIT3 = option(43, b"\6\1\x08\xff")
# name: waits after each DISCOVER, in ms
_WAITS_MS = {
    "intel-undi": (2090, 4000, 8000, 16000),
    "intel-undi-plain": (4070, 8070, 16000, 32000),
    "edk2": (3710, 8000, 16000, 32000),
    "ipxe": (1000, 2000, 4000, 8000),
    "u-boot": (250, 500, 1000) + (2000,) * 14,
    "standard": (4000, 8000, 16000, 32000),
}


def test_silence_is_met_by_the_roms_waits_and_then_e51():
    """R-PXE-10, R-PXE-24: DISCOVERs at the ROM's times, PXE-E51 after its total."""
    for rom, waits_ms in _WAITS_MS.items():
        run = Run(dhcp_of(rom, discover__jitter_ms=0))
        at_ms = [sum(waits_ms[:number]) for number in range(len(waits_ms))]
        same(run.sent_at(), at_ms, rom)
        same((run.code(), run.lan.clock), ("PXE-E51", sum(waits_ms)), rom)
        same(run.lan.log, [], "no lease, nothing on the interface")


def test_captured_silence_is_repeated_within_the_guests_jitter():
    """R-PXE-10, R-PXE-1: times and secs of the captured clients; the guests ran on emulation."""
    for rom, captured in captured_dhcp.SILENCE.items():
        sent = Run(rom).lan.sent
        same(len(sent), len(captured), rom)
        for (at_ms, secs), packet in zip(captured, sent):
            assert abs(packet.at_ms - at_ms) <= 250, (rom, packet.at_ms, at_ms)
            own = packet.data[8] << 8 | packet.data[9]
            assert abs(own - secs) <= (1 if rom == "u-boot" else 0), (rom, own, secs)


def test_intel_waits_its_window_out_for_a_proxy():
    """R-PXE-11 with its ROM note, R-PXE-12: the REQUEST at 2.09 s, though the OFFER was there."""
    run = Run("intel-undi", dhcpd(file=b"x"))
    same((run.sent_at(), run.sent_at(dhcp_packet.REQUEST)), ([0], [2090]))
    same(run.client.found, (SERVER, b"x"))


def test_ipxe_asks_twice_and_requests_after_three_seconds():
    """R-PXE-11: a plain server is given 2 s for a proxy; seen at 0, 1.0 and 3.2 s."""
    run = Run("ipxe", dhcpd(file=b"x"))
    same((run.sent_at(), run.sent_at(dhcp_packet.REQUEST)), ([0, 1000], [3000]))


def test_ipxe_goes_on_at_once_when_a_proxy_has_spoken():
    """R-PXE-11"""
    run = Run("ipxe", together(dhcpd(), proxy(PXECLIENT + _BIT3, siaddr=PROXY, file=b"p")))
    same((run.sent_at(), run.sent_at(dhcp_packet.REQUEST)), ([0], [1]))
    same(run.client.found, (PROXY, b"p"))


def test_u_boot_takes_the_first_offer_at_once():
    run = Run("u-boot", dhcpd(file=b"x", delay_ms=5))
    same((run.sent_at(), run.sent_at(dhcp_packet.REQUEST)), ([0], [5]))


def test_standard_keeps_asking_for_a_pxe_reply_through_12_seconds():
    """R-PXE-11: a plain OFFER, and DISCOVER again after the windows of 4 and 8 s."""
    run = Run(dhcp_of("standard", discover__jitter_ms=0), dhcpd(file=b"x"))
    same((run.sent_at(), run.sent_at(dhcp_packet.REQUEST)), ([0, 4000], [12000]))


def test_standard_draws_each_of_its_waits_from_two_seconds():
    """R-PXE-15: machines that start together do not ask together; a ROM's table has no such
    thing, and is kept to the millisecond."""
    for drawn, expected in ((0, [0, 3000, 10000, 25000]), (2000, [0, 5000, 14000, 31000])):
        draw = lambda below, drawn=drawn: min(drawn, below - 1)  # noqa: E731
        with Patch(fakelan.dhcp_client, "random_below", draw):
            same(Run("standard").sent_at(), expected)
            # However short the windows are, two of them pass for a proxy (R-PXE-11).
            run = Run("standard", dhcpd(file=b"x"))
            same((run.sent_at(), run.sent_at(dhcp_packet.REQUEST)), (expected[:2], expected[2:3]))
            same(Run("edk2").sent_at(), [0, 3710, 11710, 27710])


def test_requests_are_sent_at_1_2_3_4_seconds():
    """R-PXE-12"""
    silent = dhcpd(file=b"x")
    run = Run("intel-undi", lambda sent: silent(sent) if sent.kind == dhcp_packet.DISCOVER else ())
    same(run.sent_at(dhcp_packet.REQUEST), [2090, 3090, 5090, 8090])
    same((run.code(), run.lan.clock), ("PXE-E51", 12090))


def test_only_proxies_are_e52():
    """R-PXE-24, R-PXE-21: an OFFER without an address is a proxy's."""
    run = Run("intel-undi", proxy(PXECLIENT + _BIT3, file=b"p"))
    same((run.code(), len(run.sent_at())), ("PXE-E52", 4))
    same(run.reasons(), ["there is no lease to go with it"] * 4)


def test_address_without_a_file_is_e53_and_never_requested():
    """R-PXE-24; UEFI knows no valid offer then (R-PXE-61)."""
    run = Run("intel-undi", dhcpd())
    same((run.code(), run.sent_at(dhcp_packet.REQUEST)), ("PXE-E53", []))
    same(run.reasons()[0], "it names no boot file, and no proxyDHCP offer goes with it")
    same(Run("edk2", dhcpd(), uefi=True).code(), "PXE-E16")


def test_rom_that_takes_any_lease_finds_no_file_after_it():
    """R-PXE-24: iPXE requests, then has nothing to boot."""
    run = Run("ipxe", dhcpd())
    same((run.code(), len(run.sent_at(dhcp_packet.REQUEST))), ("PXE-E53", 1))


def test_nak_starts_again_and_not_for_ever():
    """R-PXE-27"""
    run = Run("intel-undi", dhcpd(file=b"x", nak=1))
    same((len(run.sent_at()), len(run.sent_at(dhcp_packet.REQUEST))), (2, 2))
    same((run.client.found, run.named("nak")[0]["message"]), ((SERVER, b"x"), "no"))
    run = Run("intel-undi", dhcpd(file=b"x", nak=99))
    same((run.code(), len(run.sent_at(dhcp_packet.REQUEST))), ("PXE-E51", 4))


def test_ack_of_another_server_or_another_address_does_not_count():
    """R-PXE-27"""
    good = dhcpd(file=b"x")

    def serve(sent):
        if sent.kind != dhcp_packet.REQUEST:
            return good(sent)
        wrong = answer(sent.data, dhcp_packet.ACK, CLIENT, server="10.0.0.3", options=LEASE)
        other = answer(sent.data, dhcp_packet.ACK, "10.0.0.78", options=LEASE)
        return ((1, "10.0.0.3", 67, wrong), (2, SERVER, 67, other), (3, SERVER, 67, other))

    run = Run("intel-undi", serve)
    same((run.code(), run.client.lease), ("PXE-E51", None))
    same(sum(run.client.dropped.values()), 12)


def test_replies_to_others_do_not_move_the_clock():
    """R-PXE-20: another client's lease, another xid, noise: the waits stay as they were."""

    def noise(sent):
        replies = []
        for delay_ms in range(10, 15000, 1000):
            mac = answer(sent.data, dhcp_packet.OFFER, CLIENT, mac=b"\2\0\0\0\0\2", file=b"x")
            xid = answer(sent.data, dhcp_packet.OFFER, CLIENT, xid=b"\0\0\0\0", file=b"x")
            bad = answer(sent.data, dhcp_packet.OFFER, CLIENT, end=b"\x43\xff", file=b"x")
            replies += [(delay_ms, SERVER, 67, data) for data in (mac, xid, bad, b"", b"noise")]
        return replies

    run = Run("intel-undi", noise)
    same((run.code(), run.sent_at()), ("PXE-E51", [0, 2090, 6090, 14090]))
    same(run.client.offers, [])
    assert "other packets did not count" in run.failure.detail


def test_relayed_reply_is_taken_and_told():
    run = Run("intel-undi", dhcpd(file=b"x", giaddr="10.0.0.254"))
    same((run.client.found, run.client.lease["relay"]), ((SERVER, b"x"), "10.0.0.254"))


def test_bootp_reply_needs_no_request():
    """R-PXE-21"""

    def serve(sent):
        return ((1, SERVER, 67, answer(sent.data, 0, CLIENT, SERVER, None, LEASE, b"x")),)

    run = Run("intel-undi", serve)
    same((run.client.found, run.sent_at(dhcp_packet.REQUEST)), ((SERVER, b"x"), []))
    same(run.client.offers[0].record()["class"], "bootp")


# --- the choice ----------------------------------------------------------------------------------


def _offer(kind, server, options=b"", file=b"", yiaddr=CLIENT):
    asked = b"\1\1\6\0\1\2\3\4" + bytes(20) + b"\2\0\0\0\0\1" + bytes(206)
    packet = answer(asked, kind, yiaddr, server=server, options=options, file=file)
    return dhcp_offer.Offer(
        dhcp_packet.parse(packet, (0x01020304,), b"\2\0\0\0\0\1"), server, 0, RULES
    )


_MENU = option(43, b"\6\1\3\xff")
_WFM = option(43, b"\1\4\xe0\0\0\1\2\2\0\1\3\2\0\1\4\1\1\5\1\1\xff")


def test_offers_are_classed_by_their_content():
    """R-PXE-22"""
    for options, kind in (
        (PXECLIENT + _MENU, "pxe10"),
        (PXECLIENT + _WFM, "wfm"),
        (PXECLIENT, "binl"),
        (option(60, "PXEClien"), "plain"),
        (_MENU, "plain"),
        (b"", "plain"),
        (PXECLIENT + option(43, b"\x80\xfe\0"), "binl"),
    ):
        same(_offer(dhcp_packet.OFFER, SERVER, options).kind, kind)
    same(_offer(0, SERVER, PXECLIENT).kind, "bootp")


def test_priorities_of_pxe():
    """R-PXE-23: each offer wins over all that follow, whatever the order of their coming."""
    bootp = _offer(0, "10.0.0.8", b"", b"f")
    plain = _offer(2, "10.0.0.7", b"", b"f")
    proxy_binl = _offer(2, "10.0.0.6", PXECLIENT, yiaddr=None)
    binl = _offer(2, "10.0.0.5", PXECLIENT, b"f")
    proxy_pxe = _offer(2, "10.0.0.3", PXECLIENT + _MENU, yiaddr=None)
    pxe = _offer(2, "10.0.0.1", PXECLIENT + _MENU)
    same(dhcp_offer.choose([bootp]), (bootp, []))
    same(dhcp_offer.choose([bootp, plain]), (plain, []))
    same(dhcp_offer.choose([bootp, proxy_binl, plain]), (plain, [proxy_binl]))
    same(dhcp_offer.choose([proxy_binl, plain, binl]), (binl, []))
    same(dhcp_offer.choose([plain, binl, proxy_binl, proxy_pxe]), (plain, [proxy_pxe]))
    everything = [bootp, plain, proxy_binl, binl, proxy_pxe, pxe]
    same(dhcp_offer.choose(everything), (pxe, []))
    dhcp_offer.explain(everything, pxe, [])
    for offer in everything:
        same(offer.chosen, offer is pxe)
        assert offer.reason, offer.server


def test_first_of_a_class_wins_and_every_binl_proxy_is_kept():
    """R-PXE-23"""
    one, two = [_offer(2, "10.0.0.%d" % n, b"", b"f") for n in (1, 2)]
    binls = [_offer(2, "10.0.0.%d" % n, PXECLIENT, yiaddr=None) for n in (3, 4)]
    same(dhcp_offer.choose([one, two] + binls), (one, binls))
    dhcp_offer.explain([one, two], one, [])
    same(two.reason, "one of the same kind, from 10.0.0.1, came first")


def test_mtftp_and_useless_offers_lose_with_a_reason():
    """R-PXE-22, R-PXE-23"""
    wfm = _offer(2, "10.0.0.1", PXECLIENT + _WFM, b"f")
    neither = _offer(2, "10.0.0.2", b"", b"f", yiaddr=None)
    same(dhcp_offer.choose([wfm, neither]), (None, []))
    dhcp_offer.explain([wfm, neither], None, [])
    assert "MTFTP" in wfm.reason
    same(neither.reason, "it has no address and is no PXE server's for this ROM")


def test_server_that_is_not_allowed_loses():
    """R-SEC-27: and it is listed, with the reason."""
    rogue = dhcpd(server="10.0.0.66", yiaddr="10.0.0.99", file=b"evil")
    servers = together(rogue, dhcpd(file=b"x", delay_ms=2))
    run = Run("intel-undi", servers, allow=[SERVER])
    same(run.client.found, (SERVER, b"x"))
    same(run.reasons()[0], "its server is not among those allowed")
    same(run.client.offers[0].record()["server"], "10.0.0.66")
    assert any("2 DHCP servers" in text for text in run.client.warnings), run.client.warnings


def test_address_that_is_none_is_not_taken():
    """R-SEC-27: an interface never gets the address of a loopback or a group."""
    for bad in ("127.0.0.1", "224.0.0.1", "255.255.255.255", "0.1.2.3"):
        run = Run("intel-undi", dhcpd(yiaddr=bad, file=b"x"))
        same((run.code(), run.lan.log), ("PXE-E53", []), bad)


def test_flood_of_offers_is_bounded():
    """R-SEC-27: 32 are kept; the rest is counted."""

    def flood(sent):
        each = answer(sent.data, dhcp_packet.OFFER, CLIENT, options=LEASE)
        return [(number, SERVER, 67, each) for number in range(250)]

    run = Run("intel-undi", flood)
    same((run.code(), len(run.client.offers)), ("PXE-E53", 32))
    assert run.client.dropped["too many offers"] > 900


# --- the interface -------------------------------------------------------------------------------


def test_lease_is_put_on_the_interface_before_anything_else_is_asked():
    run = Run("intel-undi", dhcpd(file=b"x"))
    same(run.lan.log[0], ("take", CLIENT, "255.255.255.0", SERVER))
    same(run.client.lease["seconds"], 3600)


def test_address_in_use_is_declined_by_the_rom_that_probes():
    """R-PXE-28: and asked for anew, not for ever."""
    lan = FakeLan(dhcpd(file=b"x"))
    lan.arps = {CLIENT: True}
    run = Run("standard", lan=lan)
    same((run.code(), len(run.sent_at(dhcp_packet.DECLINE))), ("PXE-E54", 4))
    decline = [sent for sent in lan.sent if sent.kind == dhcp_packet.DECLINE][0]
    same((decline.options[50], decline.data[12:16]), (ip(CLIENT), bytes(4)))
    assert not [entry for entry in lan.log if entry[0] == "take"]


def test_silent_next_hop_is_e11_after_four_tries():
    """R-PXE-14: the server when it is near, the gateway when it is not."""
    lan = FakeLan(dhcpd(file=b"x"))
    lan.arps = {SERVER: False}
    run = Run("intel-undi", lan=lan)
    same(run.code(), "PXE-E11")
    assert SERVER in run.failure.detail and "4 ARP" in run.failure.detail
    far = FakeLan(dhcpd(file=b"x", siaddr="192.0.2.9"))
    far.arps = {SERVER: True}
    run = Run("intel-undi", lan=far)
    same((run.code(), run.client.found), (None, ("192.0.2.9", b"x")))
    same(far.log[-2:], [("route", "192.0.2.9", SERVER), ("arp", SERVER, CLIENT)])


def test_far_server_without_a_gateway_is_e11():
    """R-PXE-14"""
    run = Run(
        "intel-undi", dhcpd(file=b"x", siaddr="192.0.2.9", options=option(1, b"\xff" * 3 + b"\0"))
    )
    same(run.code(), "PXE-E11")


def test_nothing_that_a_server_sends_ever_goes_out():
    """R-PXE-1: op is 1, and the type one of a client's, in every run of every ROM."""
    for rom in _WAITS_MS:
        for server in (
            dhcpd(file=b"x"),
            together(dhcpd(), proxy(PXECLIENT)),
            dhcpd(nak=9, file=b"x"),
        ):
            for sent in Run(rom, server, release=True).lan.sent:
                same(sent.data[0], 1)
                assert sent.kind in (
                    dhcp_packet.DISCOVER,
                    dhcp_packet.REQUEST,
                    dhcp_packet.DECLINE,
                ), sent.kind


def test_two_servers_are_warned_of():
    """R-SEC-27"""
    second = dhcpd(server="10.0.0.5", yiaddr="10.0.0.99", file=b"y", delay_ms=30)
    run = Run("intel-undi", together(dhcpd(file=b"x", siaddr=SERVER), second))
    same(run.client.warnings, ["2 DHCP servers answered: 10.0.0.1, 10.0.0.5."])
    same(Run("intel-undi", dhcpd(file=b"x", siaddr=SERVER)).client.warnings, [])


# --- the end in mid-run --------------------------------------------------------------------------


def test_bench_and_user_end_it_with_what_would_have_come_next():
    run = Run("intel-undi", max_time_ms=3000)
    same(run.ended["by"], "bench")
    same(run.ended["next"], "It would have waited 3.1 s more and then sent DISCOVER 3.")
    lan = FakeLan()
    lan.interrupt_at = 100
    run = Run("intel-undi", lan=lan)
    same((run.ended["by"], run.ended["after_ms"]), ("user", 100))
    same(run.ended["next"], "It would have waited 2.0 s more and then sent DISCOVER 2.")


# --- with the address that is there --------------------------------------------------------------


def _static(server, **job):
    address = {"ip": "10.0.0.50", "mask": "255.255.255.0", "gateway": SERVER}
    return Run("intel-undi", server, lease="static", address=address, **job)


def test_static_asks_by_inform_and_leases_nothing():
    run = _static(dhcpd(file=b"x"))
    same([sent.kind for sent in run.lan.sent], [dhcp_packet.INFORM])
    inform = run.lan.sent[0]
    same((inform.data[12:16], inform.source, 50 in inform.options), (ip("10.0.0.50"), 68, False))
    same((run.client.found, run.client.lease["by"]), ((SERVER, b"x"), "static"))


def test_answer_to_an_inform_that_says_most_counts():
    """R-PXE-23: PXE options, PXEClient, a file, the first; MTFTP and a NAK are no trouble."""

    def network(*answers):
        def serve(sent):
            replies = []
            for number, options, file in answers:
                server = "10.0.0.%d" % number
                packet = answer(sent.data, dhcp_packet.ACK, None, server, server, options, file)
                replies.append((number, server, 67, packet))
            return replies + [(1, SERVER, 67, answer(sent.data, dhcp_packet.NAK))]

        return serve

    plain, bare, mtftp = (1, b"", b"one"), (2, b"", b""), (3, PXECLIENT + _WFM, b"three")
    at_once = (4, PXECLIENT + _BIT3, b"four")
    for answers, found in (
        ((bare, plain), b"one"),
        ((plain, (5, b"", b"five")), b"one"),
        ((mtftp, plain, at_once), b"four"),
        ((bare, mtftp), b"three"),
    ):
        run = _static(network(*answers))
        same(run.client.found[1], found)
        same(sum(offer.chosen for offer in run.client.offers), 1)
        assert all(run.reasons())
    same(_static(network(bare)).code(), "PXE-E53")


def test_static_without_an_answer_fails_after_its_waits():
    run = _static(None)
    same((run.code(), run.sent_at(dhcp_packet.INFORM)), ("PXE-E53", [0, 1000, 3000, 6000]))


def test_stack_takes_the_address_of_the_interface():
    lan = FakeLan(dhcpd(file=b"x"))
    lan.ip, lan.mask, lan.gateway = "10.0.0.60", "255.255.255.0", None
    run = Run("intel-undi", lan=lan, lease="stack")
    same((run.client.lease["ip"], run.client.found), ("10.0.0.60", (SERVER, b"x")))
    same([entry[0] for entry in lan.log if entry[0] == "take"], [])


def test_port_that_cannot_be_had_is_a_warning_not_the_end():
    lan = FakeLan(dhcpd(file=b"x"))
    lan.ip, lan.mask = "10.0.0.60", "255.255.255.0"
    lan.taken = (68,)
    run = Run("intel-undi", lan=lan, lease="stack")
    same(run.client.found, (SERVER, b"x"))
    assert "68" in run.client.warnings[0]


def test_override_of_the_job_counts_over_what_dhcp_says():
    run = Run("intel-undi", dhcpd(), server="10.0.0.9", file="mine")
    same(run.client.found, ("10.0.0.9", b"mine"))
    same((run.client.boot["server_by"], run.client.boot["file_by"]), ("job", "job"))


def test_release_is_made_only_when_asked_for():
    same(Run("intel-undi", dhcpd(file=b"x")).client.release(), None)
    packet = Run("intel-undi", dhcpd(file=b"x"), release=True).client.release()
    same((packet[12:16], b"\x35\x01\x07" in packet), (ip(CLIENT), True))
    same(Run("intel-undi", release=True).client.release(), None)


def test_shape_of_dhcp_is_checked_for_a_boot():
    from pxerom import rom_check, rom_check_dhcp

    from host_tests.core.check import raises

    tree = rom_check.read("standard")
    del tree["dhcp"]["discover"]["waits_ms"]
    same(
        raises(rom_check.RomFileError, rom_check_dhcp.flatten, tree).path, "dhcp.discover.waits_ms"
    )
    for bad in (
        [[53]],
        [[0, 1]],
        [[255, 1]],
        [[53, "<typo>"]],
        [[53, 1], [53, 1]],
        [[53, 65536]],
        [],
    ):
        tree = rom_check.read("standard")
        tree["dhcp"]["options"] = bad
        assert raises(rom_check.RomFileError, rom_check_dhcp.flatten, tree).path.startswith(
            "dhcp.options"
        )
    same(raises(rom_check.RomFileError, dhcp_of, "os-client").path, "dhcp")
