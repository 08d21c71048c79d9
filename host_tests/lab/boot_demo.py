"""`make boot-demo`: a boot from nothing, on CPython and on MicroPython, with the screen of a ROM.

    make boot-demo [ROM=edk2] [IMAGE=path] [MENU=1]

A machine without an address and a server, each a network namespace on this PC, and a cable. On the
server, dnsmasq gives the lease and names the file, and in.tftpd has it. With MENU, dnsmasq has a
boot menu too, and the keys of this terminal answer it. Ends with 0 when every boot fetched the
right image, 1 when not, 3 when the lab cannot be built here.
"""

import hashlib
import json
import os
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

from host_tests.lab import capture, dhcp_servers, namespaces, programs, scripted_dhcp, servers
from host_tests.lab.programs import LabError

SERVER = "10.88.0.1"
_EFI = (6, 7, 9, 10, 11)  # architectures that boot EFI programs (RFC 4578 and IANA's list)
_INTERPRETERS = {"CPython": [], "MicroPython": ["--endpoint", "micropython"]}
_INTRO = """\
Two network namespaces on this PC, and a cable. The server, {server}:
  dnsmasq {dnsmasq}
  in.tftpd serves {image}, {size} bytes
The client has no address. Its ROM: {rom}.\
"""


def image_to_boot(rom):
    """The image to boot: IMAGE, or an iPXE that a machine of this ROM's architecture would run."""
    path = Path(os.environ.get("IMAGE") or programs.ROOT / ".tools/ipxe" / _ipxe(rom))
    if not path.is_file():
        raise LabError(f"There is no image {path}: run `make setup`, or name one with IMAGE=path.")
    return path.name, path.read_bytes()


def _ipxe(rom):
    file = Path(rom)
    if not rom.endswith(".json"):
        file = programs.ROOT / "firmware/pxerom/roms" / f"{rom}.json"
    if not file.is_file():
        raise LabError(f"There is no ROM {rom}: `.venv/bin/pxebench roms` lists them.")
    arch = (json.loads(file.read_text()).get("dhcp") or {}).get("arch", 0)
    arch = arch["value"] if isinstance(arch, dict) else arch
    return "ipxe.efi" if arch in _EFI else "undionly.kpxe"


def _boot(client, rom, words, folder):
    shown = ["pxebench", "boot", "--interface", "eth0", "--rom", rom, *words]
    print(f"\n$ {shlex.join(shown)}", flush=True)
    report = Path(folder, "result.json")
    report.unlink(missing_ok=True)
    argv = client.argv(sys.executable, "-m", "pxebench", *shown[1:], "--json", report)
    subprocess.run(argv, check=False)
    return json.loads(report.read_text()) if report.exists() else None


def _show(packets):
    for packet in packets:
        if packet.dport in (67, 68, 4011) or capture.opcode(packet) in ("RRQ", "OACK", "ERROR"):
            what = capture.opcode(packet) or scripted_dhcp.name(packet.payload)
            print(f"  {packet.src}:{packet.sport} > {packet.dst}:{packet.dport}  {what}")


def _demo(rom, menu):
    name, image = image_to_boot(rom)
    words = [f"--dhcp-boot={name}"]
    if menu:
        kinds = ("x86PC", "X86-64_EFI", "BC_EFI", "ARM64_EFI")
        words = ["--pxe-prompt=Press F8 or Enter for the menu,5"]
        words += [f"--pxe-service={kind},Boot {name},{name}" for kind in kinds]
        words += [f"--pxe-service={kind},Leave the network alone,0" for kind in kinds]
    digest = hashlib.sha256(image).hexdigest()
    intro = {"server": SERVER, "image": name, "size": len(image), "rom": rom}
    print(_INTRO.format(dnsmasq=" ".join(map(shlex.quote, words)), **intro), flush=True)
    results = []
    with (
        namespaces.lab() as lab,
        servers.folder({name: image}) as served,
        tempfile.TemporaryDirectory() as folder,
    ):
        lan = dhcp_servers.Lan(lab)
        machine = lan.machine("server", f"{SERVER}/24")
        with (
            dhcp_servers.dnsmasq(machine, SERVER, words),
            servers.in_tftpd(served, SERVER, 69, machine),
        ):
            for endpoint in _INTERPRETERS.values():
                client = lan.machine("client")
                with capture.capture(client, "eth0") as wire:
                    result = _boot(client, rom, endpoint, folder)
                    packets = wire.packets()
                if result is None:
                    return 3
                results.append(result)
            print("\nThe last of them on the wire, without DATA and ACK:")
            _show(packets)
    print()
    good = True
    for runtime, result in zip(_INTERPRETERS, results, strict=True):
        got = (result["image"] or {}).get("sha256")
        good = good and got == digest
        lease = (result["lease"] or {}).get("ip", "no address")
        print(
            f"  {runtime:<12} {lease:<14} {'the whole image' if got == digest else 'NOT BOOTED'}"
        )
    return 0 if good else 1


def main():
    rom = os.environ.get("ROM") or "intel-undi"
    try:
        return _demo(rom, os.environ.get("MENU") or "")
    except LabError as error:
        print(f"boot-demo: {error}", file=sys.stderr)
        return 3
    except (KeyboardInterrupt, BrokenPipeError):  # Ctrl-C, or no reader
        return 130


if __name__ == "__main__":
    sys.exit(main())
