"""What a ROM starts: a file for another machine or firmware has come whole, and is not booted."""

import json

import pytest
from pxebench import images, job
from pxebench.boot import boot_job
from pxebench.roms import known

from host_tests.lab import servers

ENDPOINTS = ("local", "micropython")


def _efi(machine):
    """What tells a program for UEFI: its head, for a PE machine number."""
    head = b"MZ" + bytes(58) + (64).to_bytes(4, "little") + b"PE\0\0"
    return head + machine.to_bytes(2, "little") + bytes(2000)


_NBP = b"\xea\x05\x00\xc0\x07" + bytes(range(256)) * 4
_KERNEL = bytes(514) + b"HdrS" + bytes(2000)


@pytest.mark.parametrize(("rom", "content", "code", "kind"), [
    ("edk2", _NBP, "PXE-E99", "nbp"),
    ("edk2", _efi(0xAA64), "PXE-E99", "efi-arm64"),
    ("edk2", _efi(0x014C), "PXE-E99", "efi-ia32"),
    ("intel-undi", _efi(0x8664), "PXE-E79", "efi-x64"),
    ("intel-undi-plain", _KERNEL, "PXE-E79", "linux"),
])  # fmt: skip
@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_image_that_the_rom_does_not_start_is_not_booted(
    bench, endpoint, rom, content, code, kind
):
    """The file came whole: it is stored, and the boot has failed all the same."""
    with servers.folder({"image": content}) as folder, servers.pxebench(folder) as server:
        run = bench.fetch(
            *(server.url("image"), "--rom", rom, "--endpoint", endpoint),
            *("--out", "image", "--json", "result.json"),
        )
    assert run.returncode == 1, run.stderr
    result = json.loads((bench.folder / "result.json").read_text())
    status = result["status"]
    assert (result["outcome"], status["code"], status["side"]) == ("failed", code, "server")
    assert result["image"]["kind"] == kind
    assert f"this ROM does not start it: {images.words(result['image'])}; " in run.stderr
    assert "Let DHCP name such a file for this client's architecture (option 93)" in run.stderr
    assert (bench.folder / "image").read_bytes() == content
    assert "it came whole, and is stored as image" in run.stderr


@pytest.mark.parametrize(("rom", "content"), [
    ("edk2", _efi(0x8664)), ("intel-undi", _NBP), ("intel-undi", b"#!ipxe\n"),
    ("os-client", _efi(0x8664)), ("edk2", b"a text, and no program of any machine"),
])  # fmt: skip
def test_image_that_the_rom_starts_is_booted(bench, rom, content):
    with servers.folder({"image": content}) as folder, servers.pxebench(folder) as server:
        run = bench.fetch(server.url("image"), "--rom", rom)
    assert run.returncode == 0, run.stderr


def test_what_uefi_starts_follows_its_architecture():
    edk2 = job.load_rom("edk2")
    assert "efi-x64" in images.Starts(edk2).kinds
    arm = images.Starts(boot_job.with_arch(edk2, "arm64-efi")).kinds
    assert "efi-arm64" in arm and "efi-x64" not in arm
    assert images.Starts(boot_job.with_arch(edk2, "21")).kinds is None  # not UEFI's


def test_name_for_a_boot_goes_out_byte_by_byte_where_it_is_no_text():
    assert boot_job.instead(None, "linux.0")["file"] == "linux.0"
    assert boot_job.instead(None, "linux.0\udcff")["file"] == [*b"linux.0", 0xFF]
    with pytest.raises(job.Refused):
        boot_job.instead(None, "\udcff" * 128)


# By the kind of image: the ROMs that start it. Those of no firmware (tools of an operating system,
# the RFC client) and GRUB, which is built for each, take what they get.
_ANY = {"atftp", "busybox", "curl", "curl-8", "grub", "os-client", "standard", "tftp-hpa"}
_ANY |= {"tftp-hpa-7"}
_BIOS = {"intel-undi", "intel-undi-plain", "ipxe", "ipxe-2", "gpxe", "etherboot", "pxelinux"}
_UBOOT = {"u-boot", "u-boot-2025", "u-boot-lwip", "u-boot-lwip-2025", "barebox"}
_ANY_ELF = {"freebsd", "openbsd", "redboot", "rpi3", "rpi4"}  # built for several machines
_STARTED_BY = {
    "pxelinux": _BIOS,
    "efi-x64": {"edk2"},
    "efi-arm64": _UBOOT,
    "linux": {"edk2", "ipxe", "ipxe-2", "gpxe", "etherboot", "pxelinux"},
    "linux-arm64": {*_UBOOT, "rpi3", "rpi4"},
    "uimage-0": _UBOOT,
    "uimage-22": _UBOOT,
    "uimage-24": set(),
    "elf-62": {"etherboot", "pxelinux", *_ANY_ELF},
    "elf-3": {*_BIOS, *_ANY_ELF} - {"intel-undi", "intel-undi-plain"},
    "elf-183": {*_UBOOT, *_ANY_ELF},
    "elf-21": {"slof", *_ANY_ELF},
    "elf-9999": {*_BIOS, *_UBOOT, "slof", *_ANY_ELF} - {"intel-undi", "intel-undi-plain"},
    "option-rom-efi": set(),
}


@pytest.mark.parametrize("kind", _STARTED_BY)
def test_image_is_started_by_the_roms_of_its_firmware_and_no_other(kind):
    started = {rom for rom in known.ids() if not images.Starts(job.load_rom(rom)).wrong(kind)}
    assert started == _STARTED_BY[kind] | _ANY


def test_boot_starts_whatever_came_and_a_fetch_may_want_a_text():
    for rom, kinds in (("edk2", ("unknown", "ipxe-script", "empty")), ("ipxe-2", ("unknown",))):
        for kind in kinds:
            assert not images.Starts(job.load_rom(rom)).wrong(kind)
            assert images.Starts(job.load_rom(rom), boots=True).wrong(kind)
    assert not images.Starts(job.load_rom("ipxe-2"), boots=True).wrong("ipxe-script")
    # An RFC client says that it is a BIOS machine, or what --arch names.
    client = job.load_rom("standard")
    assert images.Starts(client, boots=True).wrong("efi-x64")
    client = boot_job.with_arch(client, "x64-efi")
    assert not images.Starts(client, boots=True).wrong("efi-x64")
    assert images.Starts(client, boots=True).wrong("pxelinux")


@pytest.mark.parametrize(("rom", "code", "text"), [
    ("ipxe-2", "PXE-E79", "Could not boot: Exec format error (https://ipxe.org/2e008081)"),
    ("u-boot-2025", "PXE-E79", "Wrong Image Type for bootm command"),
    ("slof", "PXE-E79", "The file is no program for this machine"),
    ("s390x", "PXE-E79", "The file is no program for this machine"),
    ("intel-undi", "PXE-E79", "NBP is too big to fit in free base memory"),
    ("edk2", "PXE-E99", "Unexpected network error."),
])  # fmt: skip
def test_rom_shows_its_own_words_for_an_image_of_another_machine(rom, code, text):
    result = {"outcome": "ok", "status": None, "image": {"kind": "efi-ia64"}}
    judged = images.Starts(job.load_rom(rom)).judged(result)
    assert judged["outcome"] == "failed"
    assert (judged["status"]["code"], judged["status"]["text"]) == (code, text)
    assert "None" not in judged["status"]["advice"]


def test_every_kind_of_image_has_its_words():
    from pxebench.view import image_words
    from pxerom import image_kind as kinds

    names = {kind for kind, _, _ in kinds._SIGNATURES}
    more = {"nbp", "empty", "unknown", "iso", "elf-0", "uimage-0"}
    for kind in {name for name in names if name.islower()} | more:
        assert image_words({"kind": kind}) != kind
    assert image_words({"kind": "efi-x64"}) == "EFI program for x64 (efi-x64)"
    assert image_words({"kind": "elf-21"}) == "ELF file for ppc64 (elf-21)"
    assert image_words({"kind": "uimage-2"}) == "U-Boot legacy image for arm32 (uimage-2)"
