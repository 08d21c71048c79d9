"""What a boot image is, in words, and whether a ROM starts it.

The kinds are those of `pxerom.image_kind`; which of them a ROM starts stands in its file (`runs`).

1. In a fetch only a program for another firmware or machine is called wrong: a script or a text
   may have been wanted. In a boot the ROM starts whatever it was told to fetch.
2. The file is complete in any case and stays stored: only the boot has failed.
"""

from pxebench.job import bare

# The kinds in words; those of "efi-*" are composed.
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
# Formats of many machines, which they name by a number (ELF's e_machine; U-Boot's image.h):
# elf-62 is an ELF file for x64. In `runs` it is elf-x64, and elf is one for whatever machine.
_OF_MACHINES = {
    "elf": {
        "3": "ia32", "8": "mips", "20": "ppc32", "21": "ppc64", "22": "s390", "40": "arm32",
        "43": "sparc64", "50": "ia64", "62": "x64", "137": "videocore", "183": "arm64",
        "243": "riscv", "258": "loongarch",
    },
    "uimage": {
        "2": "arm32", "3": "ia32", "5": "mips", "6": "mips64", "7": "ppc", "8": "s390",
        "12": "m68k", "14": "microblaze", "15": "nios2", "22": "arm64", "24": "x64",
        "25": "xtensa", "26": "riscv",
    },
}  # fmt: skip
_NO_PROGRAM = ("ipxe-script", "empty", "unknown")
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
# What BIOS starts: PXE 2.1 loads any bytes at 0:7C00.
_BIOS = ("ipxe-nbp", "pxelinux", "grub-pxe", "nbp")
# What a ROM shows: a PXE ROM, UEFI, which has no code of its own for this, and any other.
_PXE = ("PXE-E79", "NBP is too big to fit in free base memory")
_UEFI = ("PXE-E99", "Unexpected network error.")
_OTHER = ("PXE-E79", "The file is no program for this machine")
_MACHINE = {
    _PXE: "a real machine says so where the file is too large, and else starts it and hangs",
    _UEFI: "a real machine says that the file came, and then that it is Unsupported",
}


def words(image):
    """What an image (of a result) is, in words, and its kind."""
    kind = image.get("kind") or "unknown"
    if kind.startswith("efi-"):
        return f"EFI program for {kind[4:]} ({kind})"
    family, machine = _machine(kind)
    if family in _OF_MACHINES:
        return f"{_WORDS[family]}{f' for {machine}' if machine else ''} ({kind})"
    return f"{_WORDS[kind]} ({kind})" if kind in _WORDS else kind


def _machine(kind):
    # (format, machine or None) of "elf-62".
    family, _, number = kind.partition("-")
    return family, _OF_MACHINES.get(family, {}).get(number)


class Starts:
    """What a ROM starts. `rom`: as in its file; `boots`: True where DHCP names the file, so that
    the ROM starts it whatever it is; without `runs` it goes then by the architecture that it
    tells DHCP."""

    def __init__(self, rom, boots=False):
        rom = bare(rom)
        self.boots = boots
        self.kinds = rom.get("runs")
        if not self.kinds and boots:
            self.kinds = _of_arch((rom.get("dhcp") or {}).get("arch"))
        screen = rom.get("screen") or {}
        if screen.get("codes") == "uefi":
            self.shows = _UEFI
        elif rom.get("refuses"):
            self.shows = _PXE[0], rom["refuses"]
        else:
            last = screen.get("exit")
            self.shows = _PXE if last is None or last.startswith("PXE-") else _OTHER

    def wrong(self, kind):
        """True for a kind of image that this ROM does not start."""
        if not self.kinds or not kind or kind in self.kinds:
            return False
        family, machine = _machine(kind)
        if family in _OF_MACHINES:
            # One for no machine that is known here may be for one that this ROM starts.
            known = [one for one in self.kinds if one.partition("-")[0] == family]
            return not (known if machine is None else {family, f"{family}-{machine}"} & {*known})
        return self.boots or kind not in _NO_PROGRAM

    def judged(self, result):
        """The result of a successful job, as failed where the ROM does not start that image."""
        kind = (result["image"] or {}).get("kind")
        if result["outcome"] != "ok" or not self.wrong(kind):
            return result
        code, text = self.shows
        real = _MACHINE.get(self.shows)
        status = {
            "code": code,
            "text": text,
            "side": "server",
            "detail": "The file came whole, but this ROM does not start it: "
            f"{words(result['image'])}" + (f"; {real}" if real else ""),
            "reason": "wrong_image",
            "advice": f"What this ROM starts: {self.words()}. Let DHCP name such a file for this "
            "client's architecture (option 93).",
        }
        return {**result, "outcome": "failed", "status": status}

    def words(self):
        """What this ROM starts, in words."""
        if "nbp" in self.kinds and "pxelinux" in self.kinds:
            return "a BIOS network boot program, as undionly.kpxe or pxelinux.0"
        named = [kind for kind in self.kinds if kind not in (*_NO_PROGRAM, "nbp")]
        if not named:
            return "kernels of its own machine"
        known = [words({"kind": kind}) for kind in named]
        return known[0] if len(known) == 1 else "one of these: " + ", ".join(known)


def runs_of_arch(kinds, arch):
    """`runs` of a UEFI ROM for another architecture (a number of option 93)."""
    return list(_of_arch(arch)) if kinds and arch in _EFI_OF_ARCH else None


def _of_arch(arch):
    if arch == 0:
        return _BIOS
    return (*_EFI_OF_ARCH[arch], *_EFI_OF_ALL) if arch in _EFI_OF_ARCH else None
