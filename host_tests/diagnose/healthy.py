"""One diagnosis of a network in which nothing is wrong: any ROM, any server, near or far.

    with lab.namespace(...) a server on 127.0.0.1, and there
    python -m host_tests.diagnose.healthy ROM DELAY_MS    prints the result of `diagnose`

Between the two the lab's relay holds every packet back for DELAY_MS, each way.
"""

import contextlib
import json
import subprocess
import sys
from pathlib import Path

from pxebench import job

from host_tests.lab import namespaces, programs, relay, servers
from host_tests.lab.firewall import FILE, image

_HOST = "127.0.0.1"
SERVERS = {
    "in.tftpd": servers.in_tftpd,
    "dnsmasq": servers.dnsmasq,
    "dnsmasq, single port": lambda *where: servers.dnsmasq(where[0], where[1], where[3], True),
    "atftpd": servers.atftpd,
    "pxebench serve": servers.pxebench,
}
DELAYS_MS = (0, 5, 40)
# ELF: class, order of bytes, machine
_ELF = {"slof": (2, "big", 21), "freebsd": (2, "little", 62), "openbsd": (2, "little", 62),
        "redboot": (1, "little", 40)}  # fmt: skip


def _elf(bits, order, machine):
    ident = b"\x7fELF" + bytes((bits, 1 + (order == "big"), 1)) + bytes(9)
    return ident + (2).to_bytes(2, order) + machine.to_bytes(2, order) + bytes(60000)


def file_for(rom):
    """A file that this ROM starts, of some 60,000 bytes."""
    runs = job.bare(job.load_rom(rom)).get("runs") or ()
    if not runs or "ipxe-nbp" in runs:
        return image()
    if "efi-x64" in runs:
        return (programs.ROOT / ".tools" / "ipxe" / "ipxe.efi").read_bytes()
    if "fit" in runs:
        return b"\xd0\x0d\xfe\xed" + bytes(range(256)) * 250
    if "elf" in runs:
        return _elf(*_ELF.get(rom, (2, "little", 183)))
    return b"\1\2" + bytes(range(256)) * 200


def verdict(rom, server, delay_ms):
    """The verdict of `diagnose` there, and what was printed on stderr."""
    with (
        namespaces.lab() as lab,
        servers.folder({FILE: file_for(rom)}) as folder,
    ):
        machine = lab.namespace("machine")
        where = (folder, _HOST, machine) if server == "dnsmasq" else (folder, _HOST, 69, machine)
        with SERVERS[server](*where):
            words = (sys.executable, "-m", "host_tests.diagnose.healthy", rom, delay_ms)
            done = machine.run(*words, check=False, timeout_s=120)
            return json.loads(done.stdout)["verdict"] if done.stdout else {}, done.stderr


def main(rom, delay_ms):
    with contextlib.ExitStack() as stack:
        asked = _HOST
        if float(delay_ms):
            delay_s = float(delay_ms) / 1000
            line = relay.line(_HOST, 69, 7, host="127.55.7.1", delay_s=(delay_s, delay_s))
            far = stack.enter_context(line)
            asked = f"{far.host}:{far.port}"
        words = ("--server", asked, "--file", FILE, "--rom", rom, "--quick", "--json", "-")
        subprocess.run(
            [sys.executable, "-m", "pxebench", "diagnose", *words, "--bind", "127.55.6.1"],
            check=False,
            cwd=Path.cwd(),
        )


if __name__ == "__main__":
    main(*sys.argv[1:])
