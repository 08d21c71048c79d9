"""Figures of the emulated board, part of `make bench`: pxerom beside the smallest loop that also
computes a SHA-256 and stores the file.

The board runs under QEMU's -icount: each instruction takes 8 ns, 125 MIPS, as if an RP2040 took
one cycle for each. That is an assumed pace, and no board's: what counts is that the figures
repeat, and the ratio. From the first RRQ to the last ACK of 300,000 bytes, over the wire of
`host_tests.emulated`; ms in which the board's processor worked, the median of three runs. While it
waits for the server its clock is this PC's, so that is not counted.
"""

import hashlib
import json
import random
import statistics
import tempfile

from rich.table import Table

from host_tests.emulated import rig
from host_tests.lab import dhcp_servers

BYTES = 300000
ROUNDS = 3
_MOST_KIB = 100  # of the heaps that are tried
_ICOUNT = "shift=3"

_PROGRAM = """\
import gc, hashlib, json, machine, os, socket, time
import link
nic = link.connect(%(link)r)
server = socket.getaddrinfo(%(server)r, 69)[0][-1]


def smallest(blksize, path):
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.settimeout(5)
    file = open(path, "wb") if path else None
    digest = hashlib.sha256()
    began = worked_us()
    sock.sendto(b"\\0\\1image\\0octet\\0blksize\\0%%d\\0" %% blksize, server)
    data, peer = sock.recvfrom(blksize + 4)
    ack = bytearray(b"\\0\\4\\0\\0")
    while True:
        sock.sendto(ack, peer)
        data, peer = sock.recvfrom(blksize + 4)
        ack[2] = data[2]
        ack[3] = data[3]
        digest.update(memoryview(data)[4:])
        if file:
            file.write(memoryview(data)[4:])
        if len(data) < blksize + 4:
            break
    if file:
        file.close()
    sock.sendto(ack, peer)
    sock.close()
    return time.ticks_diff(worked_us(), began) / 1000


def worked_us():
    return time.ticks_add(time.ticks_us(), -(machine.mem32[%(idle_us)d] & 0x3FFFFFFF))


def pxerom(blksize, path):
    from pxerom import agent

    job = {"job": "fetch", "rom": json.loads(%(roms)r[blksize]), "bind": nic.ip}
    job.update({"server": %(server)r, "port": 69, "file": "image"})
    job["sink"] = {"kind": "file", "path": path} if path else {"kind": "null"}
    at = []

    def note(event):
        if event["event"] in ("request", "image"):
            at.append(worked_us())

    result = agent.run(job, note)
    assert result.get("outcome") == "ok" and result["transfers"][-1]["retransmits"] == 0, result
    return time.ticks_diff(at[-1], at[0]) / 1000


for _ in range(%(rounds)d):
    for blksize in (1468, 512):
        for path in (None, "nbp"):
            for what in (smallest, pxerom):
                gc.collect()
                ms = what(blksize, path)
                if path:
                    os.remove(path)
                print(json.dumps([what.__name__, blksize, path, ms]))
print("done")
"""


def measure():
    """{(what, blksize, path): [ms, ...]}; what: "smallest" or "pxerom", path: None or a name."""
    from pxebench import job, settings
    from pxebench.board import deploy, emulator

    image = random.Random(1).randbytes(BYTES)
    words = {"idle_us": emulator.IDLE_US}
    words |= {"server": rig.SERVER, "link": {"address": rig.STATIC, "timeout_s": 10}}
    words["roms"] = {
        blksize: json.dumps(
            deploy.packed(settings.adjust(job.load_rom("standard"), {"blksize": blksize}), False)
        )
        for blksize in (1468, 512)
    }
    program = (_PROGRAM % {**words, "rounds": ROUNDS}).encode()
    found = {}
    with (
        tempfile.TemporaryDirectory() as folder,
        rig.lan() as lan,
        lan.tftpd({"image": image}),
        lan.board(
            folder, files={**rig.deployed_files(), "/main.py": program}, icount=_ICOUNT
        ) as board,
    ):
        board.power_on()
        board.read_to(rig.PROMPT, 300)
        assert "\ndone\n" in board.screen, board.screen
        for line in board.screen.splitlines():
            if line.startswith("["):
                what, blksize, path, ms = json.loads(line)
                found.setdefault((what, blksize, path), []).append(ms)
    return found


def least_heaps():
    """{how the board gets its address: KiB}: each power-up with a smaller heap, by 2 KiB, until
    one does not store the image; the last that did."""
    image = random.Random(12).randbytes(BYTES)
    stored = hashlib.sha256(image).hexdigest()
    ways = {
        "a static address": rig.config(),
        "DHCP": rig.config(server="dhcp", file=None, link={"timeout_s": 10}),
    }
    found = {}
    with (
        rig.lan() as lan,
        lan.tftpd({"image": image}),
        dhcp_servers.dnsmasq(lan.server, rig.SERVER, ["--dhcp-boot=image"]),
    ):
        for way, settings in ways.items():
            for kib in range(_MOST_KIB, 0, -2):
                with tempfile.TemporaryDirectory() as folder:
                    if rig.boots_with(lan, folder, kib, settings) != stored:
                        break
                found[way] = kib
    return found


def table():
    """The figures, as a table for a terminal."""
    found = measure()
    made = Table(title=f"Emulated board, {BYTES} bytes, ms of work (-icount {_ICOUNT})")
    for column in ("", "1468 null", "1468 littlefs", "512 null", "512 littlefs"):
        made.add_column(column, justify="right" if column else "left")
    kinds = [(blksize, path) for blksize in (1468, 512) for path in (None, "nbp")]
    for what in ("smallest", "pxerom"):
        row = [found[(what, *kind)] for kind in kinds]
        cells = [f"{statistics.median(ms):.0f} ({min(ms):.0f}..{max(ms):.0f})" for ms in row]
        made.add_row("smallest loop" if what == "smallest" else what, *cells)
    heaps = (f"{kib} KiB by {way}" for way, kib in least_heaps().items())
    made.caption = f"Least heap of a power-up that stores them: {', '.join(heaps)}"
    return made


if __name__ == "__main__":
    from rich.console import Console

    Console(width=110).print(table())
