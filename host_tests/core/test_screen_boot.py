"""The ROM's screen of a boot: client, lease, menu and boot server, as each family shows them."""

from pxerom.failure import Failure

from host_tests.core.bootrun import Job, dhcp_for_file, screen_of
from host_tests.core.check import raises, same
from host_tests.core.fakelan import answer, dhcpd, ip, option, together
from host_tests.core.fakenet import HOST


def test_intel_shows_client_lease_and_file():
    job = Job("intel-undi", dhcp_for_file(), uuid="12345678-1234-5678-9abc-def012345678")
    lines = screen_of("intel-undi", job.events).split("\n")
    same(
        lines[1:],
        [
            "",
            "CLIENT MAC ADDR: 20 6A 8A 0F 74 75  GUID: 12345678 1234 5678 9ABC DEF012345678",
            "DHCP.",
            "CLIENT IP: 10.0.0.77  MASK: 255.255.255.0  DHCP IP: 10.0.0.1",
            "GATEWAY IP: 10.0.0.1",
            "TFTP..",
            "",
        ],
    )


def _shown_of(rom, *servers):
    # The lines of a boot whose boot server is the file server of these tests.
    return screen_of(rom, Job(rom, together(*servers)).events).split("\n")


_ONE_ENTRY = b"\x06\1\3\x08\x07\0\1\1" + ip(HOST) + b"\x09\x14\0\1\x11Boot from network\xff"


def _listed(sent):
    # The boot server of that list, and a proxy that has it.
    if sent.kind == 1:
        options = option(60, "PXEClient") + option(43, _ONE_ENTRY)
        return ((2, "10.0.0.2", 67, answer(sent.data, 2, server="10.0.0.2", options=options)),)
    if sent.port == 4011:
        options = option(43, b"\x47\4\0\1\0\0\xff")
        return ((2, HOST, 4011, answer(sent.data, 5, None, HOST, HOST, options, b"nbp")),)
    return ()


def test_intel_shows_proxy_entry_and_boot_server_as_on_a_copiedscreen_of():
    """A thin client's, PXE-2.1 build 082 (2014): PROXY IP, Auto-select, BOOT SERVER IP."""
    same(
        _shown_of("intel-undi", dhcpd(), _listed)[3:],
        [
            "DHCP.",
            "CLIENT IP: 10.0.0.77  MASK: 255.255.255.0  DHCP IP: 10.0.0.1  PROXY IP: 10.0.0.2",
            "GATEWAY IP: 10.0.0.1",
            "",
            "Auto-select:",
            "     Boot from network",
            "",
            "BOOT SERVER IP: " + HOST,
            "TFTP..",
            "",
        ],
    )


def test_each_family_shows_a_boot_in_its_own_words():
    name = "undionly.kpxe"
    for rom, lines in (
        (
            "ipxe",
            [
                "net0: 20:6a:8a:0f:74:75",
                "Configuring (net0 20:6a:8a:0f:74:75).... ok",
                "net0: 10.0.0.77/255.255.255.0 gw 10.0.0.1",
                "Next server: " + HOST,
                "Filename: " + name,
            ],
        ),
        (
            "edk2",
            [
                ">>Start PXE over IPv4.",
                "  Station IP address is 10.0.0.77",
                "",
                "  Server IP address is " + HOST,
                "  NBP filename is " + name + ".",
            ],
        ),
        (
            "u-boot",
            [
                "BOOTP broadcast 1",
                "DHCP client bound to address 10.0.0.77 (2 ms)",
                "TFTP from server %s; our IP address is 10.0.0.77" % HOST,
                "Filename '%s'.." % name,
            ],
        ),
    ):
        shown = _shown_of(rom, dhcp_for_file())
        at = shown.index(lines[0])
        same(shown[at : at + len(lines)], lines, rom)
    # Without a gateway, the rest of the line is there.
    shown = _shown_of("ipxe", dhcp_for_file(options=option(1, b"\xff\xff\xff\0")))
    assert "net0: 10.0.0.77/255.255.255.0" in shown, shown


def test_line_of_which_nothing_is_known_is_left_out():
    job = Job("intel-undi", dhcp_for_file(options=option(1, b"\xff\xff\xff\0")))
    same(job.code(), "PXE-E11")
    shown = screen_of("intel-undi", job.events)
    assert "CLIENT IP" in shown and "GATEWAY" not in shown, shown


def test_each_discover_is_one_more_dot():
    shown = screen_of("intel-undi", Job("intel-undi", None).events)
    assert "DHCP....\nPXE-E51: No DHCP or proxyDHCP offers were received\nPXE-M0F" in shown, shown
    shown = screen_of("u-boot", Job("u-boot", None).events)
    assert "BOOTP broadcast 17\nRetry time exceeded; starting again\n" in shown, shown


def test_prompt_counts_down_in_place_and_the_menu_shows_its_mark():
    events = [{"event": "prompt", "text": "Press F8", "timeout_s": left} for left in (10, 9)]
    events.append({"event": "menu", "items": ["One", "Two"], "marked": 1, "timeout_s": None})
    same(screen_of("intel-undi", events), "Press F8 (10)\rPress F8 (9) \n  One\n> Two\n")
    same(screen_of("intel-undi", events, False), "Press F8 (10)\n  One\n> Two\n")


def test_rom_with_words_of_its_own_shows_no_pxe_code():
    """R-PXE-62: the lines of legacy PXE are for legacy PXE."""
    status = Failure("PXE-E3B", "x").status()
    error = {"event": "error", "error": {"code": 1, "message": "File not found"}}
    events = [error, {"event": "failed", "status": status}]
    same(screen_of("u-boot", events), "TFTP error: 'File not found' (1)\n")
    assert "PXE-" not in screen_of("ipxe", events)


def test_local_boot_shows_the_exit_line_alone():
    """R-PXE-44"""
    events = [{"event": "failed", "status": Failure("PXE-M0F", "x").status()}]
    same(screen_of("intel-undi", events), "PXE-M0F: Exiting Intel PXE ROM.\n")
    events = [{"event": "failed", "status": Failure("PXE-M0F", "x").status(True)}]
    same(screen_of("edk2", events), "")


def test_screen_of_a_broken_rom_file_is_refused():
    from pxerom import rom_check, rom_check_dhcp

    for field, value in (
        ("boot", {"lease": "no list"}),
        ("boot", {"typo": []}),
        ("errors", ["x"]),
    ):
        tree = rom_check.read("standard")
        tree["screen"][field] = value
        assert raises(rom_check.RomFileError, rom_check_dhcp.load, tree).path.startswith(
            "screen." + field
        )
