"""What was fetched: size, SHA-256 and, from its bytes, what kind of boot image it is.

Fed block by block, it keeps the head of the file and one mark further in, no more. The answer is
advice for a reader (R-IMG-13): it replaces no check and decides nothing. Signatures: R-IMG-1..12.

1. Nothing is read beyond what was received; a header field that points outside is no header.
2. The more specific signature is asked first: an ISO also looks like a disk, an arm64 Image
   like an EFI program.
"""

import hashlib
from binascii import hexlify

from pxerom.compat import const

_HEAD = const(1024)
# "CD001" of an ISO 9660 stands here; nothing else needs bytes so far into the file.
_ISO_MARK = const(0x8001)
_ISO_END = const(0x8006)
_NBP_MOST = const(623616)  # 0xa0000 - 0x7c00: base memory above the load address (R-IMG-3)

# PE machine: the word for it in `kind` (R-IMG-7)
_MACHINES = {
    0x014C: "ia32",
    0x8664: "x64",
    0x01C2: "arm32",
    0xAA64: "arm64",
    0x0EBC: "ebc",
    0x0200: "ia64",
    0x5032: "riscv32",
    0x5064: "riscv64",
    0x5128: "riscv128",
    0x6232: "loongarch32",
    0x6264: "loongarch64",
}

# kind: what it is, in words; "efi-*" and those missing here are put together in `about`
_ABOUT = {
    "ipxe-nbp": "iPXE network boot program (BIOS)",
    "ipxe-lkrn": "iPXE as a Linux kernel image (BIOS)",
    "ipxe-script": "iPXE script",
    "pxelinux": "PXELINUX network boot program (BIOS)",
    "grub-pxe": "GRUB network boot program (BIOS)",
    "nbp": "network boot program of unknown make (BIOS), no signature",
    "linux": "Linux kernel image (x86 boot protocol)",
    "linux-arm64": "Linux kernel image (arm64)",
    "linux-riscv": "Linux kernel image (RISC-V)",
    "linux-zboot": "compressed Linux EFI image",
    "option-rom": "PCI option ROM (BIOS)",
    "option-rom-efi": "PCI option ROM (EFI)",
    "iso": "ISO 9660 image, not a network boot program",
    "disk": "disk image or boot sector, not a network boot program",
    "gzip": "gzip file",
    "elf": "ELF file",
    "com32": "Syslinux COM32 module",
    "uimage": "U-Boot legacy image",
    "fit": "flattened image or device tree (U-Boot)",
    "empty": "empty file",
    "unknown": "no boot image that is known here",
}


class Image:
    """Digest and head of the file that is coming in."""

    def __init__(self):
        self.bytes = 0
        self._sha256 = hashlib.sha256()
        self._head = bytearray(_HEAD)
        self._mark = bytearray(_ISO_END - _ISO_MARK)

    def feed(self, view):
        """The next bytes of the file (a memoryview)."""
        self._sha256.update(view)
        start = self.bytes
        self.bytes = start + len(view)
        if start < _ISO_END:
            _overlay(self._head, 0, view, start)
            _overlay(self._mark, _ISO_MARK, view, start)

    def result(self):
        """The result's `image`: {kind, about, bytes, sha256}."""
        kind = identify(self._head, self.bytes, self._mark)
        return {
            "kind": kind,
            "about": about(kind),
            "bytes": self.bytes,
            "sha256": hexlify(self._sha256.digest()).decode(),
        }


def _overlay(window, offset, view, start):
    # Copy what of `view`, which begins at `start` of the file, falls into window at `offset`.
    low = max(start, offset)
    high = min(start + len(view), offset + len(window))
    if low < high:
        window[low - offset : high - offset] = view[low - start : high - start]


def about(kind):
    """One phrase for a kind."""
    if kind.startswith("efi-"):
        return "EFI program for " + kind[4:]
    return _ABOUT[kind]


def _le16(data, at):
    return data[at] | data[at + 1] << 8


def _le32(data, at):
    return _le16(data, at) | _le16(data, at + 2) << 16


def identify(head, size, iso_mark=b""):
    """The kind of a file of `size` bytes. `head`: its first bytes, at least min(size, 1024) of
    them; `iso_mark`: the five bytes at 0x8001 when the file is that long."""
    known = min(size, len(head), _HEAD)
    head = bytes(head[:known]) + bytes(_HEAD - known)  # zeros match no signature
    if size == 0:
        return "empty"
    if size >= _ISO_END and bytes(iso_mark) == b"CD001":
        return "iso"
    if head[:6] in (b"#!ipxe", b"#!gpxe") and head[6] in b" \t\r\n":
        return "ipxe-script"
    if head[:4] == b"\x7fELF":
        return "elf"
    if head[:3] == b"\x1f\x8b\x08":
        return "gzip"
    if head[:5] == b"\xb8\xff\x4c\xcd\x21":
        return "com32"
    if head[:4] == b"\x27\x05\x19\x56":
        return "uimage"
    if head[:4] == b"\xd0\x0d\xfe\xed" and int.from_bytes(head[4:8], "big") <= size:
        return "fit"
    if head[:1] == b"\xea":
        kind = _nbp(head)
        if kind:
            return kind
    if head[:7] == b"\xb2\x7f\xea\x00\x82\x00\x00":
        return "grub-pxe"
    if head[0x202:0x206] == b"HdrS" and head[0x1FE:0x200] == b"\x55\xaa":
        version = _le16(head, 0x20E) + 0x200
        if not any(head[:0x1F0]) and head[version : version + 1].isdigit():
            return "ipxe-lkrn"  # GNU/Linux kernels carry a boot stub there
        return "linux"
    if head[:2] == b"MZ":
        return _mz(head, size)
    if head[:2] == b"\x55\xaa":
        return _option_rom(head, known)
    if head[0x38:0x3C] == b"ARM\x64":
        return "linux-arm64"
    if head[0x1FE:0x200] == b"\x55\xaa":
        return "disk"
    return "nbp" if size <= _NBP_MOST and head[0] not in b"#<{" and not _is_text(head) else "unknown"


def _is_text(head):
    # A web page or a configuration where a program was expected: not machine code.
    sample = head[:64].rstrip(b"\x00")
    return all(b in b"\t\r\n\f" or 32 <= b < 127 for b in sample)


def _nbp(head):
    # A far jump to where a boot program relocates itself (R-IMG-1, 2, 4).
    offset = _le16(head, 1)
    segment = _le16(head, 3)
    if head[1:12] == b"\x24\x7c\x00\x00\x90\x90\x90\xac\xc8\x83\x29":
        return "pxelinux"
    if segment != 0x07C0:
        return None
    if offset == 5 and head[0x11:0x15] == b"LRET":
        return "ipxe-nbp"
    if offset >= 8 and head[5] in (32, 64) and head[6:8] == b"\xae\x18":
        return "ipxe-nbp"
    return None


def _mz(head, size):
    # EFI programs, and the Linux images that are both (R-IMG-7, 11).
    if head[4:8] == b"zimg":
        return "linux-zboot"
    if head[0x38:0x3C] == b"ARM\x64":
        return "linux-arm64"
    if head[0x38:0x3C] == b"RSC\x05":
        return "linux-riscv"
    at = _le32(head, 0x3C)
    if at + 24 > size or at + 24 > len(head) or head[at : at + 4] != b"PE\x00\x00":
        return "unknown"
    return "efi-" + _MACHINES.get(_le16(head, at + 4), "unknown")


def _option_rom(head, known):
    at = _le16(head, 0x18)
    if at + 0x16 > known or head[at : at + 4] != b"PCIR":
        return "disk"
    return "option-rom-efi" if head[at + 0x14] == 3 else "option-rom"
