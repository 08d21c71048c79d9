"""What a boot says of a DHCP setup: warnings beside a success, reasons and lines to paste beside a
failure. Each case is one that people reported."""

import sys

from pxerom import dhcp_client, dhcp_offer

from host_tests.core.bootrun import Job, dhcp_for_file
from host_tests.core.check import Patch, same
from host_tests.core.fakelan import (
    LEASE,
    PROXY,
    PXECLIENT,
    SERVER,
    Run,
    dhcpd,
    option,
    proxy,
    together,
)
from host_tests.core.fakenet import HOST, FileServer

_LAST = "ends without a NUL and is the last option"


def test_name_with_other_bytes_is_shown_with_them():
    """A byte 0xff in option 67 (dnsmasq, ISC with a text that is not ended): \\xff, not a dot."""
    run = Run("intel-undi", dhcpd(options=LEASE + option(67, b"boot\xff"), siaddr=SERVER))
    same((run.client.boot["file"], run.client.boot["file_hex"]), ("boot\\xff", "626f6f74ff"))
    same(run.client.found[1], b"boot\xff")
    assert "bytes that are no text: boot\\xff" in "".join(run.client.warnings)


def test_option_67_without_nul_is_warned_of_where_it_stands_last():
    """Old Intel ROMs read on beyond its end: they ask for `undionly.kpxe\\xff`."""
    for options, warned in (
        (LEASE + option(67, "a"), True),
        (LEASE + option(67, "a\0"), False),
        (option(67, "a") + LEASE, False),
    ):
        run = Run("intel-undi", dhcpd(options=options, siaddr=SERVER))
        same(_LAST in "".join(run.client.warnings), warned, options)
        same(run.client.found[1], b"a")


def test_option_66_of_0_0_0_0_is_nobody():
    """dnsmasq puts its own address for 0.0.0.0 into options that are addresses; 66 is a text."""
    run = Run("intel-undi", dhcpd(options=LEASE + option(66, "0.0.0.0"), file=b"x"))
    same((run.client.found, run.client.boot["server_by"]), ((SERVER, b"x"), "option 54"))
    assert "0.0.0.0, which is nobody" in "".join(run.client.warnings), run.client.warnings


def test_proxy_boot_warns_of_the_siaddr_that_the_next_program_reads():
    """shim and GRUB ask siaddr of the DHCP server's ACK, not the proxy, for their next file."""
    bit3 = PXECLIENT + option(43, b"\6\1\x08\xff")
    named = proxy(bit3, siaddr=PROXY, file=b"shim.efi")
    run = Run("edk2", together(dhcpd(siaddr=SERVER), named))
    same(run.client.found, (PROXY, b"shim.efi"))
    assert "siaddr of the DHCP server's ACK is 10.0.0.1" in run.client.warnings[-1]
    run = Run("edk2", together(dhcpd(), named))
    assert "is not set" in run.client.warnings[-1], run.client.warnings
    run = Run("edk2", together(dhcpd(siaddr=PROXY), named))
    same([text for text in run.client.warnings if "siaddr of" in text], [])
    run = Run("edk2", dhcpd(siaddr=HOST, file=b"shim.efi"))
    same(run.client.warnings, [])


def test_boot_cut_short_gives_the_reasons_of_a_whole_one():
    """`--max-time`: an offer without a file is named as such, and "no DHCP server" is not said."""
    job = Job("intel-undi", dhcpd(), max_time_ms=5000)
    status = job.result["status"]
    same((job.code(), job.result["ended"]["by"]), ("PXE-E53", "bench"))
    assert "it names no boot file" in status["detail"], status
    assert "until the bench's time was up" in status["detail"], status
    same([each["reason"] != "" for each in job.result["offers"]], [True] * 2)
    whole = Job("intel-undi", dhcpd())
    same(job.result["offers"][0]["reason"], whole.result["offers"][0]["reason"])
    same(whole.code(), "PXE-E53")


def test_boot_cut_short_without_any_packet_says_so():
    job = Job("intel-undi", None, max_time_ms=5000)
    same(job.code(), "PXE-E51")
    assert "2 DISCOVERs in 5.0 s" in job.result["status"]["detail"], job.result["status"]
    assert "brought no offer" in job.result["status"]["detail"]


def test_boot_cut_short_with_a_good_offer_says_that_it_was_good():
    job = Job("intel-undi", dhcpd(file=b"x"), max_time_ms=1000)
    assert "The offer of 10.0.0.1 was good" in job.result["status"]["detail"], job.result["status"]
    job = Job("edk2", together(dhcpd(), proxy(PXECLIENT, siaddr=PROXY)), max_time_ms=5000)
    assert "The lease was there" in job.result["status"]["detail"], job.result["status"]
    same(job.result["lease"]["ip"], "10.0.0.77")


def test_silence_names_spanning_tree():
    """A port that forwards after 30 s: every DISCOVER of a ROM is over before."""
    job = Job("intel-undi", None)
    same(job.code(), "PXE-E51")
    assert "spanning tree" in job.result["status"]["advice"]
    assert "portfast" in job.result["status"]["advice"]


def test_lease_without_a_file_brings_the_lines_that_name_one():
    """E53, and E16 of UEFI: dnsmasq, Kea, ISC, with this server's address and architecture."""
    for rom, code, file, arch in (
        ("intel-undi", "PXE-E53", "undionly.kpxe", 0),
        ("edk2", "PXE-E16", "ipxe.efi", 7),
    ):
        status = Job(rom, dhcpd(siaddr=HOST)).result["status"]
        same(status["code"], code)
        for line in (
            "dhcp-boot=%s,,%s" % (file, HOST),
            "pxe-service=%d,boot,%s" % (arch, file),
            '"boot-file-name": "%s"' % file,
            'filename "%s";' % file,
        ):
            assert line in status["advice"], (line, status["advice"])


def test_pxeclient_without_an_answer_on_4011_names_option_60_and_43_6():
    """E55, E16 of UEFI: option 60 is left over, no service on 4011; the file is the offer's."""
    options = LEASE + PXECLIENT
    for rom, code in (("intel-undi", "PXE-E55"), ("edk2", "PXE-E16")):
        status = Job(rom, dhcpd(options=options, siaddr=HOST, file=b"mine.efi")).result["status"]
        same(status["code"], code)
        for line in (
            "dhcp-option=vendor:PXEClient,6,8b",
            "vendor-encapsulated-options 06:01:08:ff;",
            '"data": "060108ff"',
            "option 60",
            'filename "mine.efi";',
            "next-server " + HOST,
        ):
            assert line in status["advice"], (line, status["advice"])


def test_name_from_the_network_is_no_part_of_a_line_to_paste():
    """R-SEC-22: what a server sends may not end in the user's shell or configuration."""
    options = LEASE + PXECLIENT
    bad = b'a";rm -rf /\\x'
    status = Job("edk2", dhcpd(options=options, siaddr=HOST, file=bad)).result["status"]
    assert "rm -rf" not in status["advice"], status["advice"]
    assert 'filename "FILE";' in status["advice"]


def test_advice_of_4011_is_that_which_boots():
    """What the lines set is tried: 43.6 = 8 beside the leftover option 60, and the ROMs boot."""
    at_once = LEASE + PXECLIENT + option(43, b"\6\1\x08\xff")
    for rom in ("intel-undi", "edk2", "ipxe-2"):
        job = Job(rom, dhcp_for_file(options=at_once), FileServer(b"a program"))
        same(job.result["outcome"], "ok", rom)
        del job  # a board has no room for two


def test_network_and_broadcast_addresses():
    for ip, mask, expected in (
        ("10.0.0.0", "255.255.255.0", "network"),
        ("10.0.0.255", "255.255.255.0", "broadcast"),
        ("10.0.0.128", "255.255.255.0", None),
        ("10.0.0.128", "255.255.255.128", "network"),
        ("10.0.0.255", "255.255.0.0", None),
        ("10.0.255.255", "255.255.0.0", "broadcast"),
        ("10.0.0.0", "255.255.255.254", None),
        ("10.0.0.1", "255.255.255.255", None),
    ):
        same(dhcp_offer.not_a_host(ip, mask), expected, (ip, mask))


def test_board_without_its_bench_says_the_same_shortly():
    """It carries neither `dhcp_remarks` nor `dhcp_advice`: no warnings, the codes' own advice."""
    with Patch(dhcp_client, "remarks", None):
        sys.modules["pxerom.dhcp_advice"] = None  # pyright: ignore[reportArgumentType]
        try:
            run = Run("ipxe-2", dhcpd(file=b"x"))
            booted = Run("edk2", dhcpd(file=b"x"))
        finally:
            sys.modules.pop("pxerom.dhcp_advice", None)
    same((run.code(), run.failure.detail), ("PXE-E78", "10.0.0.1 named no boot server"))
    same(run.failure.status()["advice"] != "", True)
    same((booted.client.found, booted.client.warnings), ((SERVER, b"x"), []))
    same(booted.client.boot["server_by"], "option 54")


def test_name_that_is_a_url_is_said_to_be_one():
    """DeterminateSystems/nix-netboot-serve#2: option 67 for UEFI's HTTP boot, and PXE read it."""
    url = "http://10.0.0.1:3030/dispatch/small"
    run = Run("edk2", dhcpd(options=LEASE + option(67, url), siaddr=SERVER))
    same(run.client.found, (SERVER, url.encode()))
    assert "The file's name is a URL (%s)" % url in " ".join(run.client.warnings)


def test_text_in_option_43_by_which_a_pi_knows_its_server_is_no_flaw():
    """ISC's `option vendor-encapsulated-options "Raspberry Pi Boot   "`: no list of options."""
    text = option(43, "Raspberry Pi Boot   ")
    run = Run("rpi3", dhcpd(siaddr=HOST, options=text + LEASE))
    same((run.code(), run.client.warnings), (None, []))
    run = Run("intel-undi", dhcpd(siaddr=HOST, file=b"x", options=text + LEASE))
    assert "runs past its end" in run.client.warnings[0], run.client.warnings


def test_next_stage_of_a_pi_reads_no_siaddr():
    """It asks for a file of its own; shim and GRUB are not what follows."""
    mark = PXECLIENT + option(43, option(9, b"\0\0\x11Raspberry Pi Boot"), 255)
    run = Run("rpi3", together(dhcpd(), proxy(mark, siaddr=HOST)))
    same([text for text in run.client.warnings if "shim" in text], [])
