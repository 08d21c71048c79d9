"""Codes and screens: each one of the lists is known, with whose side it is and what to look at."""

import pytest
from pxebench.explain import codes, ipxe_errors

from host_tests.explain import told

_ALL = [entry["code"] for entry in codes._table()["codes"]]


@pytest.mark.parametrize("code", sorted(set(_ALL)))
def test_each_code_says_what_it_is_whose_side_and_what_to_look_at_first(code):
    result = told.of_text(f"{code}: whatever the screen says\n")
    assert result["clients"] == []
    found = [entry for entry in result["codes"] if entry["code"] == code]
    assert found
    for entry in found:
        assert entry["text"] and entry["when"] and entry["first"]
        assert entry["side"] in ("client", "server", "path")


def test_the_lists_are_whole():
    assert sum(code.startswith("PXE-E") for code in _ALL) == 80  # 69 of the ROMs, 11 of UEFI
    assert sum(code.startswith("PXE-T") for code in _ALL) == 9
    assert "PXE-M0F" in _ALL


def test_a_number_of_both_lists_is_explained_for_both_unless_the_screen_tells():
    both = told.of_text("PXE-E23\n")["codes"]
    assert {entry["maker"].split()[0] for entry in both} == {"legacy", "UEFI"}
    uefi = told.of_text(">>Start PXE over IPv4.\n  PXE-E23: Client received TFTP error\n")["codes"]
    assert {e["maker"].split()[0] for e in uefi if e["code"] == "PXE-E23"} == {"UEFI"}
    legacy = told.of_text("CLIENT MAC ADDR: 00 0C 29\nPXE-E53: No boot filename received\n")[
        "codes"
    ]
    assert {e["maker"].split()[0] for e in legacy if e["code"] == "PXE-E53"} == {"legacy"}


def test_a_code_that_no_list_has_is_said_to_be_unknown():
    (entry,) = told.of_text("PXE-EFF: something new\n")["codes"]
    assert (entry["code"], entry["side"]) == ("PXE-EFF", None)


@pytest.mark.parametrize(
    ("number", "words", "side"),
    [
        ("4c126035", "timed out", "path"),  # captured: a request without an answer
        ("2d12603b", "no such file", "server"),  # captured: ERROR 1
        ("1c126002", "invalid argument", "server"),  # captured: a block too long
        ("040ee119", "address not available", "client"),  # captured: no DHCP
        ("2e008081", "exec format", "client"),
        ("3c126083", "not supported", "client"),  # netboot.xyz, issue 1570: a TFTP that it lacks
        ("410de13c", "not permitted", "server"),  # alpine-netboot, issue 2: ciphers of its https
        ("0f0a6095", "connection reset", "client"),  # ipxe, issue 130
        ("380f6001", "not connected", "client"),
        ("022fe23c", "permission denied", "server"),  # netboot.xyz, issue 214
    ],
)
def test_an_ipxe_number_is_read_and_its_page_named(number, words, side):
    text = f"Connection failed (https://ipxe.org/{number})\n"
    (entry,) = told.of_text(text)["codes"]
    assert words in entry["text"]
    assert entry["side"] == side
    assert entry["page"] == f"https://ipxe.org/{number}"


def test_the_six_digits_of_a_page_are_the_first_of_a_number():
    # netboot.xyz, issue 1050: https://ipxe.org/err/020c61 is "Permission denied" in its HTTP.
    (entry,) = told.of_text("Permission denied (https://ipxe.org/err/020c61)\n")["codes"]
    assert entry["text"] == "permission denied" and "HTTP" in entry["when"]
    assert entry["page"] == "https://ipxe.org/err/020c61"


def test_every_error_of_ipxes_list_has_words_and_those_that_were_not_seen_say_so():
    assert (ipxe_errors.ERRORS[0x01][0], ipxe_errors.ERRORS[0x4F][0]) == ("E2BIG", "EXDEV")
    names = [name for name, _ in ipxe_errors.ERRORS.values()][:-1]
    assert names == sorted(names) and len(names) == 0x4F
    for number, (name, words) in ipxe_errors.ERRORS.items():
        (entry,) = told.of_text(f"https://ipxe.org/{number:02x}126000\n")["codes"]
        assert entry["text"] == words and "its TFTP" in entry["when"]
        assert ("assumed" in entry["when"]) == (name not in ipxe_errors._SEEN)


@pytest.mark.parametrize(
    ("line", "rom"),
    [
        ("Loading: T T T T T T T T T T", "u-boot"),
        ("Retry count exceeded; starting again", "u-boot"),
        ("*** ERROR: `serverip' not set", "u-boot"),
        ("TFTP error: 'File not found' (1)", "u-boot"),
        ("error: time out opening `/grub/i386-pc/normal.mod'.", "grub"),
        ("error: timeout reading `/vmlinuz'.", "grub"),
        ("Unable to locate configuration file", "pxelinux"),
        ("Failed to load ldlinux.c32", "pxelinux"),
        ("No configuration methods succeeded", "ipxe"),
        ("  NBP filesize is 0 Bytes", "edk2"),
        ("E3015: (net) TFTP error occurred after missing 21 responses", "slof"),
        ("Boot mode: NETWORK (02) order f1", "rpi4"),
        ("Transfer timed out.", "tftp-hpa"),
        ("error: couldn't send network packet.", "grub"),
        ("error: timeout: could not resolve hardware address.", "grub"),
        ("Boot Failed. EFI Network.", "edk2"),
        (">  EFI Network... unsuccessful.", "edk2"),
    ],
)
def test_what_other_clients_print_is_known_too(line, rom):
    rows = told.of_text(line + "\n")["codes"]
    assert any(rom in (entry["roms"] or ()) for entry in rows)
    assert all(entry["first"] for entry in rows)


def test_u_boots_arp_is_no_tftp_that_nobody_answers():
    (entry,) = told.of_text("ARP Retry count exceeded; starting again\n")["codes"]
    assert entry["code"] == "uboot-arp"


def test_each_error_of_a_rom_is_one_sentence_after_another():
    for number in range(9):
        (entry,) = told.of_text(f"PXE-T{number:02}: Some words\n")["codes"]
        for sentence in entry["first"].split(". ")[1:]:
            assert sentence[0].isupper() and "Look at the server does" not in sentence


@pytest.mark.parametrize("status", ["0xc0000001", "0xc000000f"])
def test_what_windows_boot_manager_shows_is_of_the_servers_side(status):
    (entry,) = told.of_text(f"Status: {status}\n")["codes"]
    assert entry["side"] == "server" and entry["command"] == "fetch"


def test_a_screen_beside_a_trace_is_told_with_it():
    trace = (told.INPUTS / "tcpdump-n.txt").read_bytes()
    result = told.of_bytes(trace, b"PXE-E32: TFTP open timeout\n")
    assert [source["kind"] for source in result["sources"]] == ["tcpdump", "screen"]
    assert result["clients"] and {entry["code"] for entry in result["codes"]} == {"PXE-E32"}
