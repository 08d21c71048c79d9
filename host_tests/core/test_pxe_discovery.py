"""Who has the file: the fields of a reply, port 4011, discovery, prompt and menu, the keys."""

from pxerom import dhcp_packet

from host_tests.core.check import same
from host_tests.core.fakelan import (
    CLIENT,
    LEASE,
    PROXY,
    PXECLIENT,
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

_GROUP = "224.0.1.2"
_BOOT = "10.0.0.9"


def _43(*tags):
    body = b""
    for tag, data in tags:
        body += bytes((tag, len(data))) + data
    return option(43, body + b"\xff")


def _menu(timeout_s=0, bits=3, text=b"Press F8"):
    # Two kinds of boot servers and the local disk.
    return _43(
        (6, bytes((bits,))),
        (8, b"\x80\1\1" + ip(_BOOT) + b"\x80\2\1" + ip("10.0.0.10")),
        (9, b"\x80\1\3One\x80\2\3Two\0\0\4Disk"),
        (10, bytes((timeout_s,)) + text),
    )


def _boot_server(host=_BOOT, kind=dhcp_packet.ACK, item=None, port=4011, ports=(4011,), **more):
    # Answers discovery, with the type that was asked for.
    def serve(sent):
        if sent.kind != dhcp_packet.REQUEST or 43 not in sent.options or sent.port not in ports:
            return ()
        if sent.port == 4011 and sent.host not in (host, _GROUP):
            return ()
        asked = sent.options[43][2:6] if item is None else item
        options = PXECLIENT + option(43, b"\x47\x04" + asked + b"\xff")
        data = answer(sent.data, kind, None, host, host, options, b"nbp", **more)
        return ((1, host, port, data),)

    return serve


def _run(options, *servers, rom="intel-undi", **more):
    return Run(rom, together(dhcpd(options=LEASE + PXECLIENT + options), *servers), **more)


def _asked(run, purpose):
    return [
        (each["to"], each["at_ms"] - run.named("lease")[0]["at_ms"])
        for each in run.client.messages
        if each["purpose"] == purpose
    ]


# --- file and server -----------------------------------------------------------------------------


def test_option_67_counts_over_the_field_file_and_the_contradiction_is_told():
    """R-PXE-31"""
    run = Run("intel-undi", dhcpd(options=LEASE + option(67, "opt"), file=b"field"))
    same((run.client.found[1], run.client.boot["file_by"]), (b"opt", "option 67"))
    assert "two files" in run.client.warnings[0]
    run = Run("intel-undi", dhcpd(options=LEASE + option(67, "\0"), file=b"field"))
    same((run.client.found[1], run.client.boot["file_by"]), (b"field", "file"))


def test_name_ends_at_its_nul_and_the_rom_that_reads_on_asks_for_more():
    """R-PXE-31: the trailing 0xff of some builds, off by default."""
    with_nul = dhcpd(options=LEASE + option(67, "x\0"))
    without = dhcpd(options=LEASE + option(67, "x"))
    same(Run("intel-undi", without).client.found[1], b"x")
    reads_on = dhcp_of("intel-undi", boot__name_tail="ff")
    run = Run(reads_on, without)
    same((run.client.found[1], run.client.boot["file"]), (b"x\xff", "x\\xff"))
    same(run.client.boot["file_hex"], "78ff")
    same(Run(reads_on, with_nul).client.found[1], b"x")


def test_name_with_a_control_character_is_never_asked_for():
    """R-PXE-31, R-SEC-22"""
    run = Run("intel-undi", dhcpd(options=LEASE + option(67, "a\nb")))
    same(run.code(), "PXE-E53")
    assert "a\\x0ab" in run.failure.detail


def test_server_is_43_8_then_siaddr_then_66_then_54():
    """R-PXE-32"""
    at_once = PXECLIENT + _43((6, b"\x08"), (8, b"\0\1\1" + ip(_BOOT)))
    named = option(66, "10.0.0.66")
    for options, siaddr, expected in (
        (at_once + named, "10.0.0.8", (_BOOT, "option 43.8")),
        (named, "10.0.0.8", ("10.0.0.8", "siaddr")),
        (named, None, ("10.0.0.66", "option 66")),
        (option(66, "boot.example"), None, (SERVER, "option 54")),
        (b"", None, (SERVER, "option 54")),
    ):
        run = Run("intel-undi", dhcpd(options=LEASE + options, siaddr=siaddr, file=b"x"))
        same((run.client.boot["server"], run.client.boot["server_by"]), expected)


def test_siaddr_against_66_is_told():
    """R-PXE-32"""
    network = dhcpd(options=LEASE + option(66, "10.0.0.66"), siaddr="10.0.0.8", file=b"x")
    assert "two boot servers" in Run("intel-undi", network).client.warnings[0]


def test_server_that_is_no_machine_is_not_asked():
    """R-SEC-27: no packet to a group or to everyone because a reply says so."""
    for bad in ("255.255.255.255", "224.0.0.1", "127.0.0.1"):
        same(Run("intel-undi", dhcpd(siaddr=bad, file=b"x")).code(), "PXE-E53", bad)


def test_size_in_blocks_is_told():
    """R-PXE-34"""
    run = Run("intel-undi", dhcpd(options=LEASE + option(13, b"\0\x91"), file=b"x"))
    same(run.client.boot["size_blocks"], 145)


def test_proxy_counts_over_the_ack():
    """R-PXE-33"""
    run = Run(
        "intel-undi", together(dhcpd(file=b"d"), proxy(PXECLIENT + _43((6, b"\x08")), file=b"p"))
    )
    same((run.client.found, run.client.boot["packet"]), ((PROXY, b"p"), "proxy"))


# --- port 4011 -----------------------------------------------------------------------------------


def test_name_of_the_job_may_have_bytes_that_are_no_text():
    """R-TFTP-3: what an old ROM asks for whose option 67 has no NUL, tried on purpose."""
    for given, name, shown in (("x", b"x", "x"), ([120, 255], b"x\xff", "x\\xff")):
        for more in ({}, {"server": PROXY}):
            run = Run("intel-undi", dhcpd(file=b"other"), file=given, **more)
            same((run.client.found[1], run.client.boot["file"]), (name, shown))
            same(run.client.boot["file_by"], "job")


def _ack(file=b"nbp", kind=dhcp_packet.ACK, server=PROXY, **more):
    return lambda asked: answer(asked, kind, server=server, options=PXECLIENT, file=file, **more)


def test_pxeclient_without_43_is_asked_on_port_4011():
    """R-PXE-25, R-PXE-26"""
    run = Run("intel-undi", together(dhcpd(), proxy(reply=_ack())))
    same((run.client.found, run.client.boot["packet"]), ((PROXY, b"nbp"), "4011"))
    asked = run.lan.sent[-1]
    same(
        (asked.kind, asked.host, asked.port, asked.source), (dhcp_packet.REQUEST, PROXY, 4011, 68)
    )
    same((asked.data[12:16], asked.data[10:12]), (ip(CLIENT), b"\0\0"))
    same(asked.options[54], ip(PROXY))


def test_edk2_listens_on_4011():
    """R-PXE-26"""
    run = Run("edk2", together(dhcpd(), proxy(reply=_ack())))
    same((run.lan.sent[-1].source, run.client.found), (4011, (PROXY, b"nbp")))


def test_silence_on_4011_is_e55_after_1_2_3_4_seconds():
    """R-PXE-13, R-PXE-24"""
    run = Run("intel-undi", together(dhcpd(), proxy()))
    to = PROXY + ":4011"
    same(_asked(run, "proxy"), [(to, 0), (to, 1000), (to, 3000), (to, 6000)])
    same(run.code(), "PXE-E55")
    same(run.lan.clock - run.named("lease")[0]["at_ms"], 10000)


def test_every_binl_proxy_is_asked_in_turn():
    """R-PXE-23"""
    second = proxy(server="10.0.0.3", delay_ms=2, reply=_ack(server="10.0.0.3"))
    run = Run("intel-undi", together(dhcpd(), proxy(), second))
    same(run.client.found, ("10.0.0.3", b"nbp"))
    same(len(_asked(run, "proxy")), 5)


def test_another_server_cannot_answer_for_the_proxy():
    """R-PXE-26: neither from another port nor as another server."""
    for reply in (
        (1, PROXY, 67, _ack()),
        (1, "10.0.0.3", 4011, _ack(server="10.0.0.3")),
        (1, PROXY, 4011, _ack(kind=dhcp_packet.NAK)),
    ):

        def serve(sent, reply=reply):
            if sent.port != 4011:
                return ()
            return ((reply[0], reply[1], reply[2], reply[3](sent.data)),)

        same(Run("intel-undi", together(dhcpd(), proxy(), serve)).code(), "PXE-E55", reply[:3])


def test_offer_with_option_60_and_no_43_goes_to_4011_though_it_names_a_file():
    """R-PXE-25: the leftover option 60; iPXE boots it as it is."""
    network = dhcpd(options=LEASE + PXECLIENT, file=b"x")
    same(Run("intel-undi", network).code(), "PXE-E55")
    same(Run("edk2", network).code(), "PXE-E55")
    network = dhcpd(options=LEASE + PXECLIENT, siaddr=SERVER, file=b"x")
    same(Run("ipxe", network).client.found, (SERVER, b"x"))
    at_once = dhcpd(options=LEASE + PXECLIENT + _43((6, b"\x08")), file=b"x")
    same(Run("intel-undi", at_once).client.found, (SERVER, b"x"))


def test_proxy_of_the_job_is_asked_at_once():
    address = {"ip": "10.0.0.50", "mask": "255.255.255.0"}
    run = Run("intel-undi", proxy(reply=_ack()), lease="static", address=address, proxy=PROXY)
    same([sent.port for sent in run.lan.sent], [4011])
    same(run.client.found, (PROXY, b"nbp"))


# --- discovery -----------------------------------------------------------------------------------


def test_bit_3_and_a_file_need_no_menu_and_no_discovery():
    """R-PXE-41, R-PXE-48: 0x0b is just boot the file."""
    for bits in (8, 11):
        run = Run("intel-undi", dhcpd(options=LEASE + PXECLIENT + _menu(9, bits), file=b"x"))
        same((run.client.found, run.client.menu), ((_BOOT, b"x"), None))


def test_first_entry_is_discovered_by_unicast():
    """R-PXE-45, R-PXE-46: a REQUEST with 43.71 to port 4011."""
    run = _run(_menu(), _boot_server())
    same((run.client.found, run.client.boot["packet"]), ((_BOOT, b"nbp"), "discovery"))
    asked = run.lan.sent[-1]
    same((asked.kind, asked.host, asked.port), (dhcp_packet.REQUEST, _BOOT, 4011))
    same(asked.options[43], b"\x47\x04\x80\1\0\0\xff")


def test_discovery_goes_multicast_broadcast_unicast():
    """R-PXE-13, R-PXE-45: groups and lists on 4011, everyone on 67; EDK2 uses one way only."""
    options = _43(
        (6, b"\0"), (7, ip(_GROUP)), (8, b"\x80\1\1" + ip(_BOOT)), (9, b"\x80\1\1A"), (10, b"\0")
    )
    run = _run(options)
    ways = [_GROUP + ":4011", "255.255.255.255:67", _BOOT + ":4011"]
    expected = []
    for number, way in enumerate(ways):
        expected += [(way, number * 10000 + at_ms) for at_ms in (0, 1000, 3000, 6000)]
    same((run.code(), _asked(run, "discovery")), ("PXE-E78", expected))
    run = _run(options, rom="edk2")
    same([to for to, _ in _asked(run, "discovery")], ways[:1] * 4)


def test_bits_forbid_multicast_and_broadcast():
    """R-PXE-40, R-PXE-42"""
    for bits, expected in (
        (1, [_GROUP + ":4011", _BOOT + ":4011"]),
        (2, ["255.255.255.255:67", _BOOT + ":4011"]),
        (3, [_BOOT + ":4011"]),
    ):
        options = _43(
            (6, bytes((bits,))),
            (7, ip(_GROUP)),
            (8, b"\x80\1\1" + ip(_BOOT)),
            (9, b"\x80\1\1A"),
            (10, b"\0"),
        )
        ways = []
        for to, _ in _asked(_run(options), "discovery"):
            if to not in ways:
                ways.append(to)
        same(ways, expected, bits)


def test_reply_to_a_broadcast_comes_from_any_server_unless_the_list_binds():
    """R-PXE-42, R-PXE-46"""
    listed = (8, b"\x80\1\1" + ip(_BOOT))
    other = _boot_server("10.0.0.99", ports=(67,), port=67)
    menu = ((9, b"\x80\1\1A"), (10, b"\0"))
    run = _run(_43((6, b"\2"), listed, *menu), other)
    same(run.client.found, ("10.0.0.99", b"nbp"))
    run = _run(_43((6, b"\6"), listed, *menu), other)
    same(run.code(), "PXE-E78")
    assert run.client.dropped["a boot server that is not in the list"] == 4
    anyone = (8, b"\x80\1\0")
    run = _run(_43((6, b"\6"), anyone, *menu), other)
    same(run.client.found, ("10.0.0.99", b"nbp"))


def test_reply_for_another_type_does_not_count():
    """R-PXE-46"""
    run = _run(_menu(), _boot_server(item=b"\x80\2\0\0"))
    same(run.code(), "PXE-E78")
    run = _run(_menu(), _boot_server(kind=dhcp_packet.OFFER))
    same(run.code(), "PXE-E78")


def test_what_discovery_needs_and_does_not_find_has_its_code():
    """R-PXE-47, R-PXE-48: E76 without a group, E77 without a list, E74 without a menu."""
    menu = ((9, b"\x80\1\1A"), (10, b"\0"))
    for tags, code in (
        (((6, b"\1"),) + menu, "PXE-E76"),
        (((6, b"\3"),) + menu, "PXE-E77"),
        (((6, b"\7"),) + menu, "PXE-E77"),
        (((6, b"\4"), (7, ip(_GROUP))) + menu, "PXE-E77"),
        (((6, b"\3"), (8, b"\x80\1\5" + ip(_BOOT))) + menu, "PXE-E77"),
        (((6, b"\3"), (9, b"\x80\1\x40A")), "PXE-E74"),
        (((6, b"\3"), (9, b"\x80\1\1A"), (10, b"")), "PXE-E74"),
        (((6, b"\0"),), "PXE-E74"),
    ):
        same(_run(_43(*tags)).code(), code, tags)


# --- prompt and menu -----------------------------------------------------------------------------


def _keys(script, run_at):
    # Keys at times: {ms since the menu stood: key}; `run_at` is filled with the lan.
    script = dict(script)

    def key():
        clock = run_at[0].clock
        for at_ms in sorted(script):
            if clock >= at_ms:
                return script.pop(at_ms)
        return ""

    return key


def _pressed(options, *keys, **more):
    # Boot with keys pressed one second apart, once the lease is there (at 2.1 s).
    servers = (
        dhcpd(options=LEASE + PXECLIENT + options),
        _boot_server(),
        _boot_server("10.0.0.10"),
    )
    lan = FakeLan(together(*servers))
    script = {2500 + 1000 * number: key for number, key in enumerate(keys)}
    return Run("intel-undi", lan=lan, keys=_keys(script, [lan]), **more)


def test_prompt_counts_down_and_takes_the_first_entry():
    """R-PXE-43"""
    run = _run(_menu(3), _boot_server())
    same([each["timeout_s"] for each in run.named("prompt")], [3, 2, 1])
    same((run.client.menu["by"], run.client.menu["chosen"]["text"]), ("timeout", "One"))
    same(_asked(run, "discovery")[0][1], 3000)


def test_time_out_0_takes_the_first_entry_without_a_prompt():
    """R-PXE-43"""
    run = _run(_menu(0), _boot_server())
    same(
        (run.client.menu["by"], run.named("prompt"), _asked(run, "discovery")[0][1]),
        ("rom", [], 0),
    )


def test_missing_prompt_takes_the_first_entry():
    """R-PXE-43"""
    options = _43((6, b"\3"), (8, b"\x80\1\1" + ip(_BOOT)), (9, b"\x80\1\3One"))
    same(_run(options, _boot_server()).client.found, (_BOOT, b"nbp"))


def test_f8_shows_the_menu_and_the_arrows_move_in_it():
    """R-PXE-43"""
    run = _pressed(_menu(10), "m", "d", "\r")
    same([each["marked"] for each in run.named("menu")], [0, 1])
    same((run.client.menu["chosen"]["text"], run.client.menu["by"]), ("Two", "key"))
    same(run.client.found, ("10.0.0.10", b"nbp"))


def test_enter_at_the_prompt_shows_the_menu_too():
    """R-PXE-43: EDK2's Ctrl-M is what Enter sends."""
    run = _pressed(_menu(10), "\r", "d", "\r")
    same([each["marked"] for each in run.named("menu")], [0, 1])
    same(run.client.menu["chosen"]["text"], "Two")


def test_digit_takes_an_entry_and_the_marked_line_goes_round():
    run = _pressed(_menu(10), "m", "2")
    same(run.client.menu["chosen"]["index"], 1)
    run = _pressed(_menu(10), "m", "u", "u", "\r")
    same(run.client.menu["chosen"]["text"], "Two")
    run = _pressed(_menu(10), "m", "9", "1")
    same(run.client.menu["chosen"]["text"], "One")


def test_255_shows_the_menu_at_once_and_waits():
    """R-PXE-43"""
    run = _pressed(_menu(255), "d", "\r")
    same((run.named("prompt"), run.client.menu["chosen"]["text"]), ([], "Two"))
    run = _run(_menu(255), _boot_server())
    same((run.client.menu["by"], run.client.found), ("timeout", (_BOOT, b"nbp")))
    assert "nobody is here" in run.client.warnings[0]


def test_menu_that_waits_for_ever_ends_with_the_benchs_time():
    """R-PXE-43, R-SEC-27"""
    run = _pressed(_menu(255), max_time_ms=60000)
    same((run.ended["by"], run.lan.clock), ("bench", 60000))


def test_escape_ends_it_with_ea0():
    """R-PXE-43"""
    same(_pressed(_menu(10), "q").code(), "PXE-EA0")
    same(_pressed(_menu(10), "m", "q").code(), "PXE-EA0")


def test_entry_of_type_0_is_the_local_disk():
    """R-PXE-44"""
    run = _run(_menu(), _boot_server(), menu=3)
    same((run.code(), _asked(run, "discovery")), ("PXE-M0F", []))


def test_entry_of_the_job_is_taken_at_once():
    run = _run(_menu(30), _boot_server("10.0.0.10"), menu=2)
    same((run.client.menu["by"], run.client.found), ("option", ("10.0.0.10", b"nbp")))
    same(_run(_menu(30), _boot_server(), menu="first").client.found, (_BOOT, b"nbp"))
    run = _run(_menu(30), menu=7)
    same(run.code(), "PXE-E74")
    assert "3 entries" in run.failure.detail
