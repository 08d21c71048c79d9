"""What a boot image is, in words, and whether a ROM starts it.

The kinds are those of `pxerom.image_kind`; which of them a ROM starts stands in its file (`runs`).

1. Only a program of another firmware or machine is called wrong: a script or a text may be what
   was wanted.
2. The file came whole in any case, and stays where it was stored: only the boot has failed.
"""

from pxebench.job import bare

# The kinds in words; "efi-*" are put together.
_WORDS = {
    "ipxe-nbp": "iPXE network boot program, BIOS",
    "ipxe-lkrn": "iPXE as a Linux kernel image, BIOS",
    "ipxe-script": "iPXE script",
    "pxelinux": "PXELINUX network boot program, BIOS",
    "grub-pxe": "GRUB network boot program, BIOS",
    "nbp": "network boot program of unknown make, BIOS; it has no signature",
    "linux": "Linux kernel image, x86 boot protocol",
    "linux-arm64": "Linux kernel image, arm64",
    "linux-riscv": "Linux kernel image, RISC-V",
    "linux-zboot": "compressed Linux EFI image",
    "option-rom": "PCI option ROM, BIOS",
    "option-rom-efi": "PCI option ROM, EFI",
    "iso": "ISO 9660 image, not a network boot program",
    "disk": "disk image or boot sector, not a network boot program",
    "gzip": "gzip file",
    "elf": "ELF file",
    "com32": "Syslinux COM32 module",
    "uimage": "U-Boot legacy image",
    "fit": "flattened image or device tree, U-Boot",
    "empty": "empty file",
    "unknown": "no boot image that is known here",
}
_NO_PROGRAM = ("ipxe-script", "empty", "unknown", None)
# What UEFI of an architecture (DHCP option 93) starts, and its kernels with an EFI stub.
_EFI_OF_ARCH = {
    2: ("efi-ia64",),
    6: ("efi-ia32", "linux"),
    7: ("efi-x64", "linux"),
    9: ("efi-x64", "linux"),
    10: ("efi-arm32",),
    11: ("efi-arm64", "linux-arm64"),
    27: ("efi-riscv64", "linux-riscv"),
}
_EFI_OF_ALL = ("efi-ebc", "linux-zboot")
# What a ROM shows: a BIOS ROM, and UEFI, which has no code of its own for this.
_CODES = {
    "pxe": ("PXE-E79", "NBP is too big to fit in free base memory"),
    "uefi": ("PXE-E99", "Unexpected network error."),
}
_MACHINE = {
    "pxe": "a real machine says so where the file is too large, and else starts it and hangs",
    "uefi": "a real machine says that the file came, and then that it is Unsupported",
}


def words(image):
    """What an image (of a result) is, in words, and its kind."""
    kind = image.get("kind") or "unknown"
    if kind.startswith("efi-"):
        return f"EFI program for {kind[4:]} ({kind})"
    return f"{_WORDS[kind]} ({kind})" if kind in _WORDS else kind


def runs(rom):
    """The kinds that a ROM (as in its file) starts, or None where that is any."""
    return bare(rom["runs"]) if rom.get("runs") else None


def runs_of_arch(kinds, arch):
    """`runs` of a UEFI ROM as it is for another architecture (a number of option 93)."""
    if not kinds or arch not in _EFI_OF_ARCH:
        return None
    return [*_EFI_OF_ARCH[arch], *_EFI_OF_ALL]


def judged(result, kinds, codes):
    """The result of a boot that ended well, as failed where the ROM does not start what came.
    `kinds`: of `runs`; `codes`: "pxe" or "uefi", the ROM's `screen.codes`."""
    kind = (result["image"] or {}).get("kind")
    if result["outcome"] != "ok" or not kinds or kind in kinds or kind in _NO_PROGRAM:
        return result
    code, text = _CODES[codes]
    status = {
        "code": code,
        "text": text,
        "side": "server",
        "detail": "The file came whole, but this ROM does not start it: "
        f"{words(result['image'])}; {_MACHINE[codes]}",
        "reason": "wrong_image",
        "advice": "Let DHCP name a file for this client's architecture (option 93): a BIOS ROM "
        "needs undionly.kpxe or pxelinux.0, UEFI an .efi of its own kind.",
    }
    return {**result, "outcome": "failed", "status": status}
