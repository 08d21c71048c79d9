"""What a file is, told from its bytes; every sample is built here from the layout it has."""

from binascii import hexlify
from hashlib import sha256

from pxerom.image import Image
from pxerom.image_kind import identify

from host_tests.core.check import rom, same
from host_tests.core.fakenet import FileServer, Run, pattern

_ZEROS = bytes(1024)


def _kind(data, step=None, zeros=0):
    """What a file is that has `data`, then so many zeros: a board cannot hold them all at once."""
    image = Image()
    digest = sha256(data)
    step = step or len(data) or 1
    for at in range(0, len(data), step):
        image.feed(memoryview(data)[at : at + step], at)
    for left in range(zeros, 0, -1024):
        part = memoryview(_ZEROS)[: min(left, 1024)]
        image.feed(part, len(data) + zeros - left)
        digest.update(part)
    result = image.result(len(data) + zeros)
    same(result["sha256"], hexlify(digest.digest()).decode())
    return result["kind"]


def _at(size, *pieces):
    data = bytearray(size)
    for offset, piece in pieces:
        data[offset : offset + len(piece)] = piece
    return bytes(data)


def _le16(value):
    return bytes((value & 255, value >> 8))


_OLD_IPXE = bytes.fromhex("ea0500c007669c66600fa80fa0061e66684c524554")


def test_ipxe_nbp_of_old_is_told_by_21_bytes():
    """R-IMG-1: one byte less or different, and it is a plain NBP."""
    same(_kind(_OLD_IPXE, zeros=74000), "ipxe-nbp")
    same(_kind(_OLD_IPXE[:-1], zeros=74000), "nbp")


def test_ipxe_nbp_since_2026_is_told_by_its_header():
    """R-IMG-2: the offset of the jump may grow; segment, architecture and magic may not."""
    for offset in (8, 12, 300):
        for arch in (32, 64):
            head = b"\xea" + _le16(offset) + b"\xc0\x07" + bytes([arch]) + b"\xae\x18"
            same(_kind(head, zeros=70000), "ipxe-nbp")
    for head in (
        b"\xea\x08\x00\xc0\x07\x20\xae\x17",
        b"\xea\x08\x00\xc0\x07\x10\xae\x18",
        b"\xea\x08\x00\xc0\x08\x20\xae\x18",
        b"\xeb\x08\x00\xc0\x07\x20\xae\x18",
        b"\xea\x07\x00\xc0\x07\x20\xae\x18",
    ):
        same(_kind(head, zeros=70000), "nbp", head)


def test_program_without_signature_is_an_nbp_as_far_as_base_memory_goes():
    """R-IMG-3: 623,616 bytes, and not MZ; text is no machine code."""
    same(_kind(b"\xfa\xfc", zeros=623614), "nbp")
    same(_kind(b"\xfa\xfc", zeros=623615), "unknown")
    same(_kind(b"MZ" + bytes(1000)), "unknown")
    same(_kind(b"<html><body>404 Not Found</body></html>\r\n"), "unknown")


def test_pxelinux_and_grub_are_told_by_their_first_bytes():
    """R-IMG-4, R-IMG-5."""
    pxelinux = bytes.fromhex("ea247c0000909090acc88329")
    same(_kind(pxelinux, zeros=42000), "pxelinux")
    same(_kind(bytes.fromhex("b27fea00820000"), zeros=30000), "grub-pxe")
    same(_kind(bytes.fromhex("eb6390") + bytes(507) + b"\x55\xaa"), "disk")


def test_lkrn_of_ipxe_is_told_from_a_linux_kernel():
    """R-IMG-6: a version text and no boot stub."""
    setup = [(0x1FE, b"\x55\xaa"), (0x202, b"HdrS"), (0x206, _le16(0x0207)), (0x20E, _le16(0x48))]
    same(_kind(_at(4096, *(setup + [(0x248, b"1.0.0+git-20190125")]))), "ipxe-lkrn")
    same(_kind(_at(4096, *(setup + [(0x248, b"v6.1")]))), "linux")
    same(_kind(_at(4096, *(setup + [(0x248, b"6.1"), (0, b"\xea\x05")]))), "linux")
    far = setup[:3] + [(0x20E, _le16(0xFFFF))]
    same(_kind(_at(4096, *far)), "linux")


def _elf(machine, big=False):
    low, high = machine & 255, machine >> 8
    number = bytes((high, low) if big else (low, high))
    return _kind(b"\x7fELF\x02" + bytes([2 if big else 1]) + bytes(12) + number + bytes(99))


def _pe(machine, lfanew=0x80, size=4096):
    return _at(size, (0, b"MZ"), (0x3C, _le16(lfanew)), (lfanew, b"PE\0\0" + _le16(machine)))


def test_efi_program_is_named_by_its_machine():
    """R-IMG-7, R-IMG-8: the word tells a reader for which machine the file is."""
    for machine, word in (
        (0x014C, "ia32"),
        (0x8664, "x64"),
        (0x01C2, "arm32"),
        (0xAA64, "arm64"),
        (0x0EBC, "ebc"),
        (0x0200, "ia64"),
        (0x5032, "riscv32"),
        (0x5064, "riscv64"),
        (0x5128, "riscv128"),
        (0x6232, "loongarch32"),
        (0x6264, "loongarch64"),
        (0x1234, "unknown"),
    ):
        same(_kind(_pe(machine, 0xC0)), "efi-" + word)


def test_header_that_points_outside_is_no_header():
    """R-IMG-13, R-IMG-7, R-IMG-10, R-SEC-24: nothing is read beyond what was received."""
    same(_kind(_pe(0x8664)[:0x90]), "unknown")
    for lfanew in (b"\xff\xff\xff\xff", b"\xff\xff\0\0", b"\xf0\x03\0\0", b"\0\0\0\x80"):
        same(_kind(_at(1024, (0, b"MZ"), (0x3C, lfanew))), "unknown")
    for pointer in (0xFFFF, 0x3F0):
        same(_kind(_at(1024, (0, b"\x55\xaa\x02"), (0x18, _le16(pointer)))), "nbp")
    for pointer in (0x3FC, 0x3EC, 0x3EB):
        cut = _at(4096, (0, b"\x55\xaa\x02"), (0x18, _le16(pointer)), (pointer, b"PCIR"))
        same(_kind(cut), "nbp", pointer)
    for size in range(1, 70):
        for head in (b"MZ", b"\x55\xaa", b"\xea", b"\x7fELF", b"#!ipxe"):
            _kind((head + bytes(70))[:size])


def test_script_needs_a_space_after_its_mark():
    """R-IMG-9."""
    for mark in (b"#!ipxe", b"#!gpxe"):
        for space in b" \t\r\n":
            same(_kind(mark + bytes([space]) + b"boot"), "ipxe-script")
        same(_kind(mark + b"d boot\n"), "unknown")
        same(_kind(mark), "unknown")


def test_option_rom_has_a_pci_structure():
    """R-IMG-10: its code type tells BIOS from EFI; without it 55 aa means little."""
    for code, kind in ((0, "option-rom"), (3, "option-rom-efi")):
        pcir = b"PCIR" + bytes(16) + bytes([code, 0x80])
        same(_kind(_at(2048, (0, b"\x55\xaa\x04"), (0x18, _le16(0x1C)), (0x1C, pcir))), kind)
    same(_kind(_at(2048, (0, b"\x55\xaa\x04"))), "nbp")


def test_archives_kernels_and_disks_are_told_by_their_marks():
    """R-IMG-11, R-IMG-12."""
    same(_kind(b"\x1f\x8b\x08" + bytes(99)), "gzip")
    same(_kind(b"\x7fELF" + bytes(99)), "elf-0")
    same(_kind(b"\x7fELF"), "elf-0")
    same(_elf(62), "elf-62")
    same(_elf(243), "elf-243")
    same(_elf(21, big=True), "elf-21")
    same(_elf(258), "elf-258")
    same(_kind(b"\xb8\xff\x4c\xcd\x21" + bytes(99)), "com32")
    same(_kind(_at(4096, (0, b"MZ"), (4, b"zimg"))), "linux-zboot")
    same(_kind(_at(4096, (0, b"MZ"), (0x38, b"ARMd"))), "linux-arm64")
    same(_kind(_at(4096, (0x38, b"RSC\x05"))), "linux-riscv")
    same(_kind(b"\x27\x05\x19\x56" + bytes(99)), "uimage-0")
    same(_kind(b"\x27\x05\x19\x56" + bytes(24) + b"\5\x02\2\1" + bytes(99)), "uimage-2")
    same(_kind(b"\x27\x05\x19\x56" + bytes(24) + b"\5\x1a\2\1" + bytes(99)), "uimage-26")
    same(_kind(b"\xd0\x0d\xfe\xed" + bytes(99)), "fit")
    same(_kind(_at(512, (510, b"\x55\xaa")), zeros=(1 << 20) - 512), "disk")
    same(_kind(b""), "empty")


def test_iso_is_told_before_the_disk_that_it_also_is():
    """R-IMG-11: the mark at 0x8001 is found wherever the blocks are cut."""
    iso = _at(0x9000, (510, b"\x55\xaa"), (0x8001, b"CD001"))
    for step in (None, 8, 512, 1456, 0x8003, 0x8006):
        same(_kind(iso, step), "iso", step)
    same(_kind(iso[:0x8005]), "disk", "the mark is cut off")


def test_digest_and_head_do_not_depend_on_how_the_file_was_cut():
    """R-IMG-13, R-SEC-24: the SHA-256 is over every byte, in the sink's order."""
    data = _OLD_IPXE + pattern(5000)
    for step in (1, 8, 21, 512, 1456, 6000):
        same(_kind(data, step), "ipxe-nbp", step)
    run = Run(rom("intel-undi"), FileServer(data))
    same(run.result["image"]["sha256"], hexlify(sha256(data).digest()).decode())
    same(run.result["image"]["kind"], "ipxe-nbp")
    same(identify(b"MZ" + bytes(1022), 2), "unknown")
