"""The boot job: DHCP first, then the file.  Its shapes, and how the command line becomes one.

What `job` says of jobs, events and results holds here too; this is what a boot adds.  The
firmware's side is `pxerom.dhcp_client` and `pxerom.dhcp_offer`; PXE 2.1 §2, RFC 2131, RFC 4578.

A **job**:

    {"job": "boot", "rom": id or a whole ROM, "interface": "eth0" or null (a board),
     "lease": "dhcp" | "static" | "stack", "address": {"ip", "mask", "gateway"} with "static",
     "uuid": text or null, "menu": null | N (from 1) | "first", "release": bool,
     "allow": [ip] or null, "proxy": ip or null, "server": ip or null,
     "file": text, a list of bytes where it is none, or null,
     "keys": bool, "sink", "max_bytes", "max_time_ms", "trace": as for a fetch}

**Events** (`at_ms` of these counts from the first DHCP packet):

    start        + job, interface, mac, uuid
    dhcp         at_ms, message, purpose, to, source_port, attempt, xid, secs
    offer        an entry of the result's "offers", as it arrives
    nak          at_ms, server, message
    lease        the result's "lease"
    prompt       text, timeout_s or null
    menu         items, marked, timeout_s or null
    menu_end     chosen or null
    boot         the result's "boot"
    warning      text
    packet       + local, our address of that moment (the address it was sent to)

A **result** has, beside a fetch's fields:

    "lease": {"by": "dhcp|static|stack", "ip", "mask", "gateway", "server", "relay", "seconds",
        "dns", "proxy": the proxyDHCP server that goes with it or null, "released"} or null,
    "boot": {"server", "server_by", "file", "file_hex", "file_by", "packet", "size_blocks",
        "ignored": [{"by", "value"}]: boot servers that were named and not asked} or null,
    "offers": [{"at_ms", "kind", "purpose", "server", "from", "relay", "ip", "class", "proxy",
        "next_server", "file", "chosen", "reason"}],
    "dropped": {"count", "reasons": {text: count}}, "dhcp": [the dhcp events],
    "menu": {"prompt", "timeout_s", "items", "chosen", "by"} or null, "warnings": [text]

1. A ROM keeps its architecture unless its file allows another (`dhcp.adjustable`).
2. Nothing is sent that the ROM would not send.
"""

import copy

from pxebench import images
from pxebench.job import (
    FILE_NAME_MAX,
    Refused,
    bare,
    load_rom,
    name_bytes,
    one_sentence,
    show,
    value,
    wire_name,
)
from pxebench.roms.known import ids

# Names for the command line, with the numbers of RFC 4578 and of IANA's later list.
ARCHITECTURES = {
    "bios": 0,
    "x86-efi": 6,
    "x64-efi": 7,
    "arm-efi": 10,
    "arm64-efi": 11,
    "x64-http": 16,
    "arm64-http": 19,
    "arm-uboot": 21,
    "arm64-uboot": 22,
    "riscv64-efi": 27,
}
LEASES = ("dhcp", "static", "stack")
# What a boot adds to `job.RESULT`.
RESULT = {"lease": None, "boot": None, "offers": [], "dropped": {"count": 0, "reasons": {}},
          "dhcp": [], "menu": None, "warnings": []}  # fmt: skip


def boot_job(rom, interface, **given):
    """A boot job. `given`: what the job's shape names, as checked here; `out`: a path."""
    out = given.pop("out", None)
    return {
        "job": "boot",
        "rom": bare(rom),
        "interface": interface,
        "sink": {"kind": "file", "path": str(out)} if out else {"kind": "null"},
        **given,
    }


def flat(rom):
    """The checked form of a ROM with the screen of a boot, and its flat `dhcp`; `Refused` when it
    cannot boot."""
    import pxerom.job
    from pxerom import failure

    if value(rom.get("dhcp")) is None:
        can = ", ".join(name for name in ids() if value(load_rom(name).get("dhcp")))
        raise Refused(
            f"ROM {show(str(rom.get('id')))} cannot boot by DHCP: how it does so is not known. "
            f"These can: {can}."
        )
    try:
        flat, spec = pxerom.job.load_rom(rom, True)
    except failure.Refused as refusal:
        raise Refused(one_sentence(refusal.message)) from None
    return {**flat, "dhcp": spec}


def with_arch(rom, arch):
    """A copy of `rom` of another architecture, a name of ARCHITECTURES or a number; None: as it
    is. `Refused` when the ROM has one for good."""
    if arch is None:
        return rom
    number = ARCHITECTURES.get(arch.lower())
    if number is None and arch.isascii() and arch.isdigit() and int(arch) < 65536:
        number = int(arch)
    if number is None:
        names = ", ".join(ARCHITECTURES)
        raise Refused(f"There is no architecture {show(arch)}; give a number, or one of {names}.")
    dhcp = value(rom.get("dhcp")) or {}
    if "arch" not in value(dhcp.get("adjustable", [])):
        if dhcp and value(dhcp.get("arch")) == number:
            return rom
        raise Refused(
            f"ROM {rom.get('id')} is of one architecture only; `pxebench roms` lists the others."
        )
    rom = copy.deepcopy(rom)
    value(rom["dhcp"])["arch"] = number
    kinds = images.runs_of_arch(rom.pop("runs", None), number)
    if kinds:
        rom["runs"] = kinds
    return rom


def lease(kind, address, proxy):
    """The job's `lease`, `address` and `proxy` from the options of those names; `Refused` when
    they do not go together."""
    if (address is not None) != (kind == "static"):
        raise Refused("--lease static and --address IP/BITS[,GATEWAY] go together.")
    if proxy is not None and kind == "dhcp":
        raise Refused("--proxy goes with --lease static or stack: otherwise DHCP finds it.")
    return {"lease": kind, "address": address and _static(address), "proxy": proxy}


def _static(text):
    import ipaddress

    cidr, _, gateway = text.partition(",")
    try:
        interface = ipaddress.IPv4Interface(cidr)
        if "/" not in cidr:
            raise ValueError
        if gateway:
            ipaddress.IPv4Address(gateway)
    except ValueError:
        raise Refused(
            f"--address takes IP/BITS[,GATEWAY], as 10.0.0.9/24,10.0.0.1, not {show(text)}."
        ) from None
    return {"ip": str(interface.ip), "mask": str(interface.netmask), "gateway": gateway or None}


def menu(number, no_menu):
    """The job's `menu` from --menu N and --no-menu."""
    if number is not None and no_menu:
        raise Refused("--menu and --no-menu exclude each other.")
    return "first" if no_menu else number


def instead(server, file):
    """The job's `server` and `file`, which take precedence over DHCP's."""
    if file is not None:
        if not 0 < len(name_bytes(file)) <= FILE_NAME_MAX or "\0" in file:
            raise Refused(f"--file takes a name of 1 to {FILE_NAME_MAX} bytes.")
        file = wire_name(file)
    return {"server": server, "file": file}


def mask_bits(mask):
    """24 for 255.255.255.0; 0 for none."""
    import ipaddress

    return ipaddress.IPv4Network((0, mask or "0.0.0.0")).prefixlen


def whole(result):
    """A boot's result with all fields, also those that the firmware left out."""
    return {**copy.deepcopy(RESULT), **result}
