"""The right sentence, word by word, where a rule could not say more than that it fits."""

from pxebench import advice, view
from pxerom import dhcp_packet

from host_tests.core import fakenet
from host_tests.core.check import rom
from host_tests.core.fakelan import LEASE, FakeLan, dhcpd, ip, option, proxy
from host_tests.core.fakelan import Run as Dhcp
from host_tests.core.packets import data, oack
from host_tests.every_rom.situations import FETCHES, FILE


def _status(name, server):
    result = fakenet.Run(rom(name), server, "x").result
    return advice.fitted(result, {"file": "x"}, [])["status"]


def _rrq(reply):
    return lambda packet, local_port, port: ((1, 50000, reply),) if packet[1] == 1 else ()


def test_oack_to_a_rom_that_asks_for_none_is_no_silence():
    status = _status("openbsd", _rrq(oack(("tsize", 9000))))
    assert status["detail"].endswith("The server did answer, with an OACK that this ROM ignores")
    assert (status["side"], status["reason"]) == ("server", "unused_answer")
    assert "firewall" not in status["advice"]


def test_grub_that_waits_for_an_oack_blames_no_firewall():
    """It swallows the file and times out like one that hears nothing."""
    status = _status("grub", FETCHES["options ignored"].make(0))
    assert status["detail"].endswith("with DATA and no OACK, and this ROM needs an OACK first")
    assert (status["side"], status["reason"]) == ("server", "no_oack")


def test_late_block_of_an_earlier_transfer_is_no_answer():
    status = _status("slof", _rrq(data(7, b"x" * 512)))
    assert (status["side"], status["reason"]) == ("path", "no_reply")
    assert "did answer" not in status["detail"]


def test_first_bytes_of_what_was_not_taken_are_in_the_record():
    result = fakenet.Run(rom("slof"), _rrq(b"\0\x09abc"), "x").result
    assert result["transfers"][-1]["unused"] == "00096162"
    good = fakenet.Run(rom("slof"), fakenet.FileServer(b"abc"), "x").result
    assert good["transfers"][-1]["unused"] is None


def _icmp(sender, code, errno=111):
    status = {"code": "PXE-E32", "side": "path", "reason": "no_reply", "advice": "x", "detail": ""}
    row = {"errno": errno, "type": 3, "code": code, "from": sender, "count": 1}
    transfer = {"server": "10.0.0.1", "icmp": [row], "unused": None, "error": None}
    transfer.update(server_port=69, file="x", foreign=0, requests=[], outcome="timeout")
    result = {"status": status, "ended": None, "transfers": [transfer], "rom": "slof"}
    return advice.fitted(result, {}, [])["status"]["side"]


def test_side_of_a_time_out_is_that_of_who_sent_the_icmp_error():
    assert _icmp("10.0.0.1", 3) == "server"  # nothing listens there
    assert _icmp("10.0.0.1", 13) == "server"  # its own firewall
    assert _icmp("10.0.0.254", 13) == "path"
    assert _icmp("10.0.0.254", 3) == "path"
    assert _icmp("10.0.0.254", 1, 113) == "path"
    assert _icmp(None, 3) == "path"  # not known who


def _advice(name, network):
    return Dhcp(name, network).failure.status()


def test_raspberry_pi_is_told_of_the_text_that_it_looks_for():
    status = _advice("rpi3", dhcpd(siaddr="10.0.0.9", file=FILE))
    assert status["reason"] == "no_text"
    assert 'pxe-service=0,"Raspberry Pi Boot"' in status["advice"]
    assert "undionly" not in status["advice"]


def test_server_of_option_150_is_the_one_to_set():
    status = _advice("u-boot", dhcpd(options=option(150, ip("10.0.0.9")) + LEASE, file=FILE))
    assert 'Kea: "next-server": "10.0.0.9"' in status["advice"]


def test_name_is_no_next_server():
    """Kea takes nothing but an address."""
    status = _advice("u-boot", dhcpd(options=option(66, "boot.example") + LEASE, file=FILE))
    assert 'Kea: "next-server": "10.0.0.1"' in status["advice"]


def test_client_that_is_none_of_pxes_is_not_told_to_load_ipxe():
    status = _advice("slof", dhcpd(siaddr="10.0.0.9"))
    assert "dhcp-boot=FILE,,10.0.0.9. Kea" in status["advice"]
    assert "pxe-service" not in status["advice"]


def test_offer_that_is_of_no_use_is_not_no_offer():
    failure = Dhcp("rpi3", proxy(siaddr="10.0.0.9")).failure
    assert failure.detail.endswith(
        "an offer of 10.0.0.2, but it has no address and is no PXE server's for this ROM"
    )


def _cut(name, network, time_ms):
    run = Dhcp(name, network, lan=FakeLan(network), max_time_ms=time_ms)
    return run.client.cut_short()


def test_boot_cut_short_between_offer_and_ack_has_a_good_offer():
    good = dhcpd(siaddr="10.0.0.9", file=FILE)

    def no_ack(sent):
        return good(sent) if sent.kind == dhcp_packet.DISCOVER else ()

    failure = _cut("intel-undi", no_ack, 8000)
    assert failure.detail.startswith("The offer of 10.0.0.1 was good; the ROM would have sent")
    assert failure.reason == "time_up"


def test_boot_cut_short_among_refusals_says_that_it_was_refused():
    failure = _cut("ipxe-2", dhcpd(siaddr="10.0.0.9", file=FILE, nak=1 << 20), 60000)
    assert failure.detail == "10.0.0.1 refused (NAK) 10.0.0.77"
    assert failure.reason == "nak"


def test_port_that_is_asked_again_is_shown_once():
    def words(*ports):
        requests = [{"source_port": port} for port in ports]
        return view.port_words({"transfers": [{"requests": requests}]})

    assert words(2001, 2001, 2001) == "UDP 2001 (3 times)"
    assert words(2070, 2071) == "UDP 2070, 2071"
    assert words(2070, 2071, 2071, 2070) == "UDP 2070, 2071 (2 times), 2070"
