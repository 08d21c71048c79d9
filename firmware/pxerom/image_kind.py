"""The kind of a boot image, told from its bytes.

Loaded when a file is whole. The kind is only shown (R-IMG-13); the firmware decides nothing by it.

1. Nothing is read beyond what was received; a header field that points outside is no header.
2. The more specific signature is tested first: an ISO also looks like a disk, an arm64 Image
   like an EFI program.
3. ELF and U-Boot's header name their machine by a number, which is the bench's to put into words:
   elf-62, uimage-22 (R-IMG-11, R-IMG-12).
"""

from pxerom.runtime import const

_NBP_MOST = const(623616)  # 0xa0000 - 0x7c00: base memory above the load address (R-IMG-3)

# kind, offset, bytes; the first line that fits names the file (R-IMG-1, 2, 4, 5, 7, 9, 11, 12).
# A kind in capitals is looked into further.
_SIGNATURES = (
    ("ELF", 0, b"\x7fELF"),
    ("gzip", 0, b"\x1f\x8b\x08"),
    ("com32", 0, b"\xb8\xffL\xcd\x21"),
    ("UIMAGE", 0, b"\x27\x05\x19V"),
    ("fit", 0, b"\xd0\x0d\xfe\xed"),
    ("pxelinux", 0, b"\xea\x24\x7c\x00\x00\x90\x90\x90\xac\xc8\x83\x29"),
    ("ipxe-nbp", 0, b"\xea\x05\x00\xc0\x07f\x9cf\x60\x0f\xa8\x0f\xa0\x06\x1efhLRET"),
    ("SCRIPT", 0, b"\x23\x21"),
    ("grub-pxe", 0, b"\xb2\x7f\xea\x00\x82\x00\x00"),
    ("LINUX", 514, b"HdrS"),
    ("linux-zboot", 4, b"zimg"),
    ("linux-arm64", 56, b"ARMd"),
    ("linux-riscv", 56, b"RSC\x05"),
    ("PE", 0, b"MZ"),
    ("OPTION-ROM", 0, b"U\xaa"),
    ("NBP", 0, b"\xea"),
    ("disk", 510, b"U\xaa"),
)

# PE machine and its word (R-IMG-7)
_MACHINES = (
    "14c ia32|8664 x64|1c2 arm32|aa64 arm64|ebc ebc|200 ia64|5032 riscv32|5064 riscv64|"
    "5128 riscv128|6232 loongarch32|6264 loongarch64"
)


def _le16(data, at):
    return data[at] | data[at + 1] << 8


def identify(head, size, iso_mark=b""):
    """The kind of a file of `size` bytes. `head`: its first 1024 bytes, with zeros where
    the file is shorter; `iso_mark`: the five bytes at 0x8001, as far as they came."""
    if size == 0:
        return "empty"
    if iso_mark == b"CD001":
        return "iso"
    head = bytes(head)
    end = min(size, len(head))
    known = head[:end]
    for kind, at, mark in _SIGNATURES:
        if known[at:].startswith(mark):
            if kind >= "a":
                return kind
            found = _look_into(kind, head, end)
            if found:
                return found
    # Text, as a web page or a configuration, is no machine code.
    text = all(9 <= b <= 13 or 32 <= b < 127 for b in known[:64])
    return "unknown" if text or size > _NBP_MOST else "nbp"


def _look_into(kind, head, end):
    # Signatures that need more than fixed bytes; None when the file is of another kind.
    if kind == "NBP":
        # ljmp 07c0:n past a header of iPXE's new form: arch 32 or 64, magic 0x18ae (R-IMG-2)
        good = head[3:5] == b"\xc0\x07" and head[5] in (32, 64) and head[6:8] == b"\xae\x18"
        return "ipxe-nbp" if good and _le16(head, 1) >= 8 else None
    if kind == "SCRIPT":  # #!ipxe, or #!gpxe, and a space
        good = head[2:6] in (b"ipxe", b"gpxe") and head[6] in b" \t\r\n"
        return "ipxe-script" if good else None
    if kind == "LINUX":  # iPXE's image has a version text and no boot stub (R-IMG-6)
        at = _le16(head, 0x20E) + 0x200
        ipxe = head[at : at + 1].isdigit() and not any(head[:0x1F0])
        return "ipxe-lkrn" if ipxe else "linux"
    if kind == "PE":
        at = _le16(head, 0x3C) | _le16(head, 0x3E) << 16
        if at + 24 > end or head[at : at + 4] != b"PE\x00\x00":
            return "unknown"
        machine = "%x " % _le16(head, at + 4)
        for entry in _MACHINES.split("|"):
            if entry.startswith(machine):
                return "efi-" + entry.split(" ")[1]
        return "efi-unknown"
    if kind == "ELF":
        return "elf-%d" % (head[18] << 8 | head[19] if head[5] == 2 else _le16(head, 18))
    if kind == "UIMAGE":
        return "uimage-%d" % head[29]
    # OPTION-ROM: without a PCI data structure, 55 aa is no more than a boot signature (R-IMG-10)
    at = _le16(head, 0x18)
    if at + 0x16 > end or head[at : at + 4] != b"PCIR":
        return None
    return "option-rom-efi" if head[at + 0x14] == 3 else "option-rom"
