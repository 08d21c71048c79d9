"""A scene: DHCP servers on a switch, and a machine without an address that boots there.

`play(scene, interpreter)` runs `pxebench boot` on it, the command that users have, and returns a
Boot with all that can be seen from outside: the result, the file, the packets on the wire, what
the servers heard, and what is left on the interface. `play_all` plays many side by side.

1. Each scene has networks and servers of its own: leases, counters and logs are no one else's.
2. ROMs send their own packets in their own order, but wait less long (`hurried`). The full waits
   are played in virtual time, by the core's tests.
"""

import collections
import concurrent.futures
import contextlib
import copy
import json
import random
import sys
import tempfile
from pathlib import Path

import pytest

from host_tests.lab import capture, dhcp_servers, firewall, namespaces, programs, servers

HURRY = 8  # every long wait of DHCP is so many times shorter
_SHORTEST_MS = 500  # a busy PC has to have time to answer
SIDE_BY_SIDE = 12
SERVER = "10.88.0.1"
SECOND = "10.88.0.2"

INTERPRETERS = {
    "CPython": ["--endpoint", "local"],
    "MicroPython-1.25": ["--endpoint", "micropython", "--interpreter", "micropython-1.25"],
    "MicroPython-1.26": ["--endpoint", "micropython", "--interpreter", "micropython-1.26"],
}

EVERYWHERE = ("CPython", "MicroPython-1.26")
everywhere = pytest.mark.parametrize("interpreter", EVERYWHERE)

_DICE = random.Random(68)


def efi(machine, size):
    # A PE image for UEFI, by its headers: a ROM starts no other.
    head = b"MZ" + bytes(58) + (64).to_bytes(4, "little") + b"PE\0\0"
    return (head + machine.to_bytes(2, "little")).ljust(128, b"\0") + _DICE.randbytes(size - 128)


FILES = {
    "undionly.kpxe": firewall.image(),
    "x64.efi": efi(0x8664, 5000),
    "arm64.efi": efi(0xAA64, 4001),
    "image.itb": b"\xd0\x0d\xfe\xed" + _DICE.randbytes(3000),  # for U-Boot
    "linux.0": _DICE.randbytes(3000),
    "tools.0": _DICE.randbytes(2000),
}

Scene = collections.namedtuple("Scene", "servers rom options", defaults=["intel-undi", ()])
Scene.__doc__ = """servers(lan, stack, folder): starts them on the Lan with `folder` to be served,
and returns functions that tell what a server has to say afterwards, or None; rom: its id;
options: further words for `pxebench boot`."""

Boot = collections.namedtuple("Boot", "exit_code result stored said servers wire pcap left")
Boot.__doc__ = """One boot: the exit code; the result's JSON or None; the file stored or None; what
was printed; what those functions returned; the packets on the client's wire; the file of
`--pcap` and of the wire, as bytes each; addresses and routes that were left on its interface."""


def failed(boot, code):
    """The result of a boot that failed with `code` and stored nothing."""
    assert boot.exit_code == 1, boot.said
    assert boot.stored is None
    assert boot.result["status"]["code"] == code
    return boot.result


def hurried_ms(wait_ms):
    """What a wait of DHCP is shortened to."""
    return max(_SHORTEST_MS, wait_ms // HURRY)


def hurried(rom):
    """A ROM file's content with the waits of its DHCP shortened."""
    path = programs.ROOT / "firmware/pxerom/roms" / f"{rom}.json"
    made = json.loads(path.read_text())

    def shorter(fact, name=""):
        if isinstance(fact, dict):
            return {
                key: shorter(part, name if key == "value" else key) for key, part in fact.items()
            }
        if isinstance(fact, list):
            return [shorter(part, name) for part in fact]
        if name.endswith("_ms") and type(fact) is int and fact:
            # A ROM that waits for a proxy sees two windows pass meanwhile; so it does here.
            return hurried_ms(fact) * (2 if name == "proxy_wait_ms" else 1)
        return fact

    made["dhcp"] = shorter(copy.deepcopy(made["dhcp"]))
    return made


def tftp(stack, folder, machine, host=SERVER):
    """in.tftpd on a machine of the scene."""
    return stack.enter_context(servers.in_tftpd(folder, host, 69, machine))


def command(rom, interpreter, folder, options):
    """The words of `pxebench boot` for a scene; its files go to `folder`."""
    words = list(INTERPRETERS[interpreter])
    if "--interpreter" in words:
        words[-1] = programs.find(words[-1])
    rom_file = Path(folder, f"{rom}.json")
    rom_file.write_text(json.dumps(hurried(rom)))
    files = ("--out", f"{folder}/out", "--pcap", f"{folder}/own.pcap")
    return [
        *(sys.executable, "-m", "pxebench", "boot", "--interface", "eth0", "--rom", rom_file),
        *(*words, *files, "--json", f"{folder}/result.json", "--max-time", 40, *options),
    ]


def remains(client):
    """What is on the interface of a machine: addresses, routes."""
    return [
        client.run("ip", "-4", what, "show", "dev", "eth0").stdout for what in ("addr", "route")
    ]


def play(scene, interpreter):
    """Play a scene on one interpreter; returns the Boot."""
    with contextlib.ExitStack() as stack:
        lab = stack.enter_context(namespaces.lab())
        served = stack.enter_context(servers.folder(FILES))
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        lan = dhcp_servers.Lan(lab)
        started = scene.servers(lan, stack, served)
        client = lan.machine("client")
        before = remains(client)
        wire = stack.enter_context(capture.capture(client, "eth0", f"{folder}/wire.pcap"))
        argv = command(scene.rom, interpreter, folder, scene.options)
        done = client.run(*argv, check=False, timeout_s=90)
        left = [after for was, after in zip(before, remains(client), strict=True) if was != after]
        report, out = Path(folder, "result.json"), Path(folder, "out")
        pcaps = [Path(folder, name) for name in ("own.pcap", "wire.pcap")]
        return Boot(
            done.returncode,
            json.loads(report.read_text()) if report.exists() else None,
            out.read_bytes() if out.exists() else None,
            done.stdout + done.stderr,
            # What a server has to say is read while it is there.
            [said() for said in started or ()],
            wire.packets(),
            [path.read_bytes() if path.exists() else b"" for path in pcaps],
            left,
        )


def play_all(scenes, also=(), interpreters=EVERYWHERE):
    """Play every scene on CPython and on the newest MicroPython, those named in `also` on the
    older one too; some at a time. {(name, interpreter): Boot}"""
    keys = [(name, interpreter) for name in scenes for interpreter in interpreters]
    keys += [(name, "MicroPython-1.25") for name in also]
    with concurrent.futures.ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        try:
            boots = pool.map(lambda key: play(scenes[key[0]], key[1]), keys)
            return dict(zip(keys, boots, strict=True))
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
