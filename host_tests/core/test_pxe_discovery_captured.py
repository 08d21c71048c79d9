"""Where each ROM finds its boot server and its file, and what it sends on the way: as captured.

The networks are those of the captures (`d-...` in their names): one DHCP server, sometimes a proxy
or a boot server beside it.
"""

from pxerom import dhcp_packet

from host_tests.core import captured_4011, captured_dhcp
from host_tests.core.check import same
from host_tests.core.fakelan import (
    LEASE,
    PXECLIENT,
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

_DHCP, _TWO, _THREE = "10.77.0.1", "10.77.0.2", "10.77.0.3"
_OURS = "10.77.0.50"
_FILE = b"undionly.kpxe"
_UUID = "12345678-1234-5678-9abc-def012345678"
_LISTED = b"\x08\x07\0\1\1" + ip(_THREE)
_MENU = b"\x09\x07\0\1\4test\x0a\2\0x"


def _server(options=b"", file=_FILE, **more):
    return dhcpd(server=_DHCP, yiaddr=_OURS, options=LEASE + options, file=file, **more)


def _boot(rom, network, mac="52:54:00:12:34:58", **job):
    return Run(rom, lan=FakeLan(network, mac), uuid=_UUID, **job)


_NETWORKS = {
    "43c8": _server(PXECLIENT + option(43, b"\6\1\x08\xff"), siaddr=_TWO),
    "43c8s": _server(PXECLIENT + option(43, b"\6\1\x08", _LISTED, b"\xff"), siaddr=_TWO),
    "438": _server(PXECLIENT + option(43, b"\6\1\3", _LISTED, b"\xff"), siaddr=_TWO),
    "54only": _server(),
    "66only": _server(option(66, _TWO)),
    "66diff": _server(option(66, _TWO), siaddr=_THREE),
    "sname": _server(sname=_TWO.encode()),
    "67only": _server(option(67, "other"), file=b"", siaddr=_DHCP),
    "67diff": _server(option(67, "other"), siaddr=_DHCP),
    "proxy": together(
        _server(file=b""),
        proxy(PXECLIENT + option(43, b"\6\1\x08\xff"), _TWO, siaddr=_TWO, file=_FILE),
    ),
    "proxy0": together(
        _server(file=b""), proxy(PXECLIENT + option(43, b"\6\1\x08\xff"), _TWO, file=_FILE)
    ),
}
_OTHER = b"other"
# The boot server and the file that each client asked for, or the code of its failure.
_ASKED = {
    "edk2": {
        "43c8": (_TWO, _FILE),
        "43c8s": (_THREE, _FILE),
        "438": "PXE-E21",
        "54only": (_DHCP, _FILE),
        "66only": (_DHCP, _FILE),
        "66diff": (_THREE, _FILE),
        "sname": (_DHCP, _FILE),
        "67only": (_DHCP, _OTHER),
        "67diff": (_DHCP, _OTHER),
        "proxy": (_TWO, _FILE),
        "proxy0": (_TWO, _FILE),
    },
    "ipxe-2": {
        "43c8": (_TWO, _FILE),
        "43c8s": (_TWO, _FILE),
        "438": (_TWO, _FILE),
        "54only": "PXE-E78",
        "66only": "PXE-E78",
        "67only": (_DHCP, _OTHER),
        "67diff": (_DHCP, _FILE),
        "proxy": (_TWO, _FILE),
        "proxy0": "PXE-E53",
    },
    "u-boot-2025": {
        "43c8": (_TWO, _FILE),
        "54only": "PXE-E78",
        "66only": "PXE-E78",
        "sname": "PXE-E78",
        "67only": (_DHCP, _OTHER),
        "67diff": (_DHCP, _FILE),
        "proxy": "PXE-E53",
        "proxy0": "PXE-E53",
    },
    "slof": {
        "43c8": (_TWO, _FILE),
        "54only": "PXE-E78",
        "66only": (_TWO, _FILE),
        "66diff": (_TWO, _FILE),
        "sname": (_TWO, _FILE),
        "67only": (_DHCP, _OTHER),
        "67diff": (_DHCP, _OTHER),
        "proxy0": "PXE-E53",
    },
    "u-boot-lwip": {
        "43c8": (_TWO, _FILE),
        "54only": (_DHCP, _FILE),
        "66only": (_DHCP, _FILE),
        "sname": (_DHCP, _FILE),
        "67only": "PXE-E53",
        "67diff": (_DHCP, _FILE),
    },
}


def test_each_rom_asks_the_server_and_the_file_that_its_client_asked_for():
    """R-PXE-31, R-PXE-32, R-PXE-25, R-PXE-41 with their ROM notes: 44 boots of five clients."""
    for rom, networks in _ASKED.items():
        for name, expected in networks.items():
            run = _boot(rom, _NETWORKS[name])
            same(run.code() or run.client.found, expected, (rom, name))
            same(run.named("offer") != [], True, "the server was heard")


def test_edk2_sends_nothing_more_for_a_list_without_a_menu():
    """43.6 = 3 with 43.8: remote boot cancelled, and no packet after the REQUEST."""
    run = _boot("edk2", _NETWORKS["438"])
    same([sent.kind for sent in run.lan.sent], [dhcp_packet.DISCOVER, dhcp_packet.REQUEST])


def test_what_a_rom_passed_over_is_in_the_result_and_in_words():
    """The example of the report: no siaddr, and an option 150 that this ROM does not read."""
    run = _boot("edk2", _server(option(150, ip("10.88.0.5"))))
    same(run.client.boot["server_by"], "option 54")
    same(run.client.boot["ignored"], [{"by": "option 150", "value": "10.88.0.5"}])
    same(
        run.client.warnings,
        [
            "No siaddr, so the ROM asked the DHCP server itself (10.77.0.1); set next-server.",
            "Option 150 (10.88.0.5) was there; this ROM does not read it.",
        ],
    )
    run = _boot("ipxe-2", _NETWORKS["66only"])
    assert "option 66 (10.77.0.2)" in run.failure.detail, run.failure.detail
    assert "next-server" in run.failure.status()["advice"]


def test_option_66_that_is_a_name_is_said_to_be_one():
    """What SLOF makes of it: test_dns."""
    run = _boot("intel-undi", _server(option(66, "boot.example"), siaddr=_TWO))
    same(run.client.found, (_TWO, _FILE))
    said = "Option 66 (boot.example) is a name, and this ROM asks no DNS server: write the "
    same(run.client.warnings, [said + "address there."])


def test_pi_3_knows_its_server_by_option_43_and_its_file_by_heart():
    """R-PXE-31: bootcode.bin, whatever option 67 says; other servers' answers are passed over."""
    menu = option(43, b"\6\1\3\x0a\4\0PXE\x09\x14\0\0\x11Raspberry Pi Boot\xff")
    named = proxy(PXECLIENT + menu, _TWO, siaddr=_TWO)
    run = _boot("rpi3", together(_server(option(67, "other"), siaddr=_DHCP), named))
    same(run.client.found, (_TWO, b"bootcode.bin"))
    same(run.client.boot["file_by"], "ROM")
    run = _boot("rpi3", _server(PXECLIENT + option(67, "other"), siaddr=_DHCP))
    same((run.code(), run.client.found), ("PXE-E53", None))
    assert "Raspberry Pi Boot" in run.failure.detail, run.failure.detail


# --- packets -------------------------------------------------------------------------------------


def _near_equal(sent, name):
    # Byte for byte, but for the xid where it is a random one.
    expected = captured_dhcp.whole(captured_4011.PACKETS[name])
    same(sent.data[:4] + sent.data[8:], expected[:4] + expected[8:], name)
    same(len(sent.data), captured_4011.PACKETS[name][3], name)


def _ack(server, **more):
    return lambda request: answer(request, dhcp_packet.ACK, server=server, file=_FILE, **more)


def _binl(reply=None):
    return together(_server(file=b""), proxy(PXECLIENT, _TWO, siaddr=_TWO, reply=reply))


def _boot_server():
    item = option(43, b"\x47\4\0\1\0\0\xff")

    def serve(sent):
        if sent.port == 4011 and sent.host == _THREE:
            data = answer(
                sent.data, dhcp_packet.ACK, siaddr=_THREE, server=_THREE, options=item, file=_FILE
            )
            return ((1, _THREE, 4011, data),)
        return ()

    menu = PXECLIENT + option(43, b"\6\1\3", _LISTED, _MENU, b"\xff")
    return together(_server(menu, siaddr=_DHCP), serve)


def test_edk2_asks_port_4011_as_captured():
    """From 4011 to 4011, a new xid, no option 54, secs 0, 256, 512, 768; PXE-E55 after 10 s."""
    run = _boot("edk2", _binl())
    asked = [sent for sent in run.lan.sent if sent.port == 4011]
    _near_equal(asked[0], "edk2 to port 4011")
    same([sent.source for sent in asked], [4011] * 4)
    began = asked[0].at_ms
    same([sent.at_ms - began for sent in asked], [0, 1000, 3000, 6000])
    same([sent.data[8] << 8 | sent.data[9] for sent in asked], [0, 256, 512, 768])
    same(len(set(bytes(sent.data[4:8]) for sent in asked)), 1)
    assert asked[0].data[4:8] != run.lan.sent[0].data[4:8]
    same((run.code(), run.lan.clock - began), ("PXE-E55", 10000))


def test_edk2_waits_its_first_time_out_after_the_answer_of_port_4011():
    """The RRQ came 1.00 s after the reply."""
    run = _boot("edk2", _binl(_ack(_TWO, siaddr=_TWO)))
    same(run.client.found, (_TWO, _FILE))
    same(run.lan.clock - run.lan.sent[-1].at_ms, 1000)


def test_edk2_asks_a_boot_server_as_captured():
    run = _boot("edk2", _boot_server())
    _near_equal(run.lan.sent[-1], "edk2 to a boot server")
    same((run.lan.sent[-1].source, run.client.found), (4011, (_THREE, _FILE)))
    same(run.lan.clock - run.lan.sent[-1].at_ms, 1000)


def test_edk2_declines_what_is_no_hosts_address():
    """R-PXE-28 with its ROM note: after the ACK, PXE-E09; by the mask or by the class."""
    network = dhcpd(
        server="192.168.0.1",
        yiaddr="192.168.2.0",
        options=option(1, ip("255.255.0.0")) + PXECLIENT,
        file=b"x",
    )
    run = _boot("edk2", network, "02:00:00:00:00:01")
    _near_equal(run.lan.sent[-1], "edk2 declines")
    status = run.failure.status(True)
    same((status["code"], status["text"]), ("PXE-E09", "Could not allocate I/O buffers."))
    same([entry for entry in run.lan.log if entry[0] == "take"], [])
    for last in ("0", "255"):
        lease = dhcpd(
            server=_DHCP, yiaddr="10.77.0." + last, options=LEASE, file=b"x", siaddr=_DHCP
        )
        same(_boot("edk2", lease).lan.sent[-1].kind, dhcp_packet.DECLINE, last)
        run = _boot("ipxe-2", lease)
        same(run.client.found, (_DHCP, b"x"), last)
        assert "no host's" in run.client.warnings[0], run.client.warnings


def test_lease_of_a_host_is_not_declined():
    for yiaddr, mask in (("10.77.0.50", "255.255.255.0"), ("10.0.1.1", "255.255.255.254")):
        network = dhcpd(yiaddr=yiaddr, options=option(1, ip(mask)), file=b"x", siaddr="10.0.0.1")
        same(_boot("edk2", network).lan.sent[-1].kind, dhcp_packet.REQUEST)


def test_ipxe_asks_port_4011_as_captured_and_goes_on_without_an_answer():
    """Flags 8000, the same xid, option 54; secs 15, 19, 23, 27; then what DHCP gave."""
    run = _boot("ipxe-2", _binl(), "52:54:00:12:34:5a")
    asked = [sent for sent in run.lan.sent if sent.port == 4011]
    _near_equal(asked[0], "ipxe to port 4011")
    same([sent.data[9] for sent in run.lan.sent], [4, 11, 15, 19, 23, 27])
    same(len(set(bytes(sent.data[4:8]) for sent in run.lan.sent)), 1)
    same(run.code(), "PXE-E53")
    assert "goes on without" in run.client.warnings[-1], run.client.warnings


def test_ipxe_asks_a_boot_server_as_captured():
    run = _boot("ipxe-2", _boot_server(), "52:54:00:12:34:5a")
    _near_equal(run.lan.sent[-1], "ipxe to a boot server")
    same((run.lan.sent[-1].data[4:8], run.lan.sent[-1].source), (bytes(4), 68))
    same(run.lan.sent[-1].at_ms, 4100)
    same(run.client.found, (_THREE, _FILE))


def test_s390x_gives_its_lease_back_unasked():
    run = _boot("s390x", _server(siaddr=_DHCP), "52:54:00:12:34:57")
    packet = run.client.release()
    expected = captured_dhcp.whole(captured_4011.PACKETS["s390x gives its lease back"])
    same(packet[:4] + packet[8:], expected[:4] + expected[8:])
    same(_boot("slof", _server(siaddr=_DHCP)).client.release(), None)


# --- NAK, and no ACK -----------------------------------------------------------------------------


def _refusing(sent):
    offer = dhcpd(server=_DHCP, yiaddr=_OURS, options=LEASE, file=_FILE, siaddr=_DHCP, nak=1000)
    return offer(sent)


def _silent(sent):
    return _server(siaddr=_DHCP)(sent) if sent.kind == dhcp_packet.DISCOVER else ()


def test_nak_ends_edk2():
    """R-PXE-27 with its ROM notes, here and in the next four."""
    run = _boot("edk2", _refusing)
    same((run.sent_at(), run.failure.status(True)["code"]), ([0], "PXE-E07"))


def test_nak_makes_slof_ask_ten_times():
    run = _boot("slof", _refusing)
    same((len(run.sent_at()), run.sent_at()[1], run.code()), (10, 6020, "PXE-E51"))
    assert abs(run.lan.clock - 60700) < 700, run.lan.clock


def test_nak_makes_u_boot_ask_six_times_in_thirty_seconds():
    run = _boot("u-boot-2025", _refusing)
    same((len(run.sent_at()), run.lan.clock // 1000), (6, 30))


def test_nak_makes_lwip_ask_at_once_and_anew():
    run = _boot("u-boot-lwip", _refusing)
    xids = set(bytes(sent.data[4:8]) for sent in run.lan.sent)
    same((len(run.sent_at()), len(xids)), (20, 20))


def test_nak_makes_ipxe_ask_for_ever():
    run = _boot("ipxe-2", _refusing, max_time_ms=10000)
    same([sent.data[9] for sent in run.lan.sent], [4, 10, 18, 22, 30, 34, 42])
    same(len(set(bytes(sent.data[4:8]) for sent in run.lan.sent)), 1)
    same([run.sent_at()[2] - 3033, run.ended["by"]], [1043, "bench"])


def test_silence_after_the_request_is_each_roms_own():
    """EDK2: four REQUESTs with the secs of its DISCOVER; iPXE: six; SLOF: DISCOVER anew."""
    run = _boot("edk2", _silent)
    asked = [sent for sent in run.lan.sent if sent.kind == dhcp_packet.REQUEST]
    same([sent.data[9] for sent in asked], [0] * 4)
    run = _boot("ipxe-2", _silent)
    asked = run.sent_at(dhcp_packet.REQUEST)
    same([at - asked[0] for at in asked], [0, 275, 824, 1868, 3900, 7965])
    run = _boot("slof", _silent)
    kinds = [sent.kind for sent in run.lan.sent]
    same(kinds, [dhcp_packet.DISCOVER, dhcp_packet.REQUEST] * 10)
    assert abs(run.lan.clock - 80700) < 700, run.lan.clock


def test_edk2_repeats_the_secs_of_the_discover_that_was_answered():
    """d-late: DISCOVERs with 0, 4 and 12; only the third is answered."""
    heard = []

    def late(sent):
        heard.append(sent)
        return _server(siaddr=_DHCP)(sent) if len(heard) > 2 else ()

    run = _boot(dhcp_of("edk2"), late)
    same([sent.data[9] for sent in run.lan.sent], [0, 4, 12, 12])
