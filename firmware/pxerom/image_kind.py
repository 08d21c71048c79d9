"""The kind of a boot image, told from its bytes.

Loaded when a file is whole. The kind is only shown (R-IMG-13); the firmware decides nothing by it.

1. Nothing is read beyond what was received; a header field that points outside is no header.
2. The more specific signature is tested first: an ISO also looks like a disk, an arm64 Image
   like an EFI program.
"""

from binascii import unhexlify

from pxerom.runtime import const

_NBP_MOST = const(623616)  # 0xa0000 - 0x7c00: base memory above the load address (R-IMG-3)

# kind, offset, bytes; the first line that fits names the file (R-IMG-1, 2, 4, 5, 7, 9, 11, 12).
# A kind in capitals is looked into further.
_SIGNATURES = """\
elf 0 7f454c46
gzip 0 1f8b08
com32 0 b8ff4ccd21
uimage 0 27051956
fit 0 d00dfeed
pxelinux 0 ea247c0000909090acc88329
ipxe-nbp 0 ea0500c007669c66600fa80fa0061e66684c524554
SCRIPT 0 2321
grub-pxe 0 b27fea00820000
LINUX 514 48647253
linux-zboot 4 7a696d67
linux-arm64 56 41524d64
linux-riscv 56 52534305
PE 0 4d5a
OPTION-ROM 0 55aa
NBP 0 ea
disk 510 55aa"""

# PE machine and its word (R-IMG-7)
_MACHINES = (
    "014c ia32|8664 x64|01c2 arm32|aa64 arm64|0ebc ebc|0200 ia64|5032 riscv32|5064 riscv64|"
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
    end = min(size, len(head))
    known = bytes(head[:end])
    for line in _SIGNATURES.split("\n"):
        kind, at, mark = line.split(" ")
        at = int(at)
        mark = unhexlify(mark)
        if known[at : at + len(mark)] == mark:
            if kind >= "a":
                return kind
            kind = _look_into(kind, bytes(head), end)
            if kind:
                return kind
    return "nbp" if size <= _NBP_MOST and not _is_text(known[:64]) else "unknown"


def _is_text(sample):
    # Text, as a web page or a configuration: not machine code.
    return all(9 <= b <= 13 or 32 <= b < 127 for b in sample)


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
        machine = "%04x " % _le16(head, at + 4)
        for entry in _MACHINES.split("|"):
            if entry.startswith(machine):
                return "efi-" + entry[5:]
        return "efi-unknown"
    # OPTION-ROM: without a PCI data structure, 55 aa is no more than a boot signature (R-IMG-10)
    at = _le16(head, 0x18)
    if at + 0x16 > end or head[at : at + 4] != b"PCIR":
        return None
    return "option-rom-efi" if head[at + 0x14] == 3 else "option-rom"
