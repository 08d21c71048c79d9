"""`make bench`: fetch the same file with pxerom and with the C clients, in pairs; print medians.

    python -m host_tests.bench [--rounds N] [--size MIB] [--one-cpu | --free]

How it measures
1. Real programs against one in.tftpd on loopback, each writing the file to disk. One round runs
   every client once, in an order that rotates; a ratio compares clients of the same round only,
   because the machine's mood lasts longer than a round.
2. The time of a transfer is the program's whole run, less the median run of the same program on a
   file of one byte: what is left is the transfer, for C and for Python alike. CPU likewise.
3. Nothing is timed twice to look better: all rounds count, and the table shows their spread.
4. Where client and server run is fixed and printed. Left to the kernel, it wakes the one on the
   other's CPU or on its own as it likes, changes its mind within a run, and a transfer takes three
   times as long with one as with the other: the ratio would be that of two schedules.
"""

import argparse
import hashlib
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

from host_tests.bench import emulated
from host_tests.footprint import measure
from host_tests.lab import programs, servers

MIB = 1 << 20
C_CLIENTS = ("atftp", "curl", "busybox tftp")
VERSIONS = ("1.25", "1.26", "32")
OURS = ("pxerom CPython", "pxerom MicroPython")
PXEBENCH = programs.ROOT / ".venv" / "bin" / "pxebench"


def command(client, blksize, server, name, out):
    """The command line with which `client` fetches `name` at this blksize into `out`."""
    at = f"{server.host}:{server.port}"
    if client == "atftp":
        options = [] if blksize == 512 else ["--option", f"blksize {blksize}"]
        return ["atftp", *options, "-g", "-r", name, "-l", out, server.host, str(server.port)]
    if client == "curl":
        return ["curl", "-s", "--tftp-blksize", str(blksize), "-o", out, f"tftp://{at}/{name}"]
    if client == "busybox tftp":
        words = ["-b", str(blksize), "-g", "-r", name, "-l", out]
        return ["busybox", "tftp", *words, server.host, str(server.port)]
    endpoint = "micropython" if client.endswith("MicroPython") else "local"
    rom = {512: "os-client", 1456: "intel-undi-plain"}[blksize]
    words = ["fetch", "--quiet", "--rom", rom, "--endpoint", endpoint, "--out", out]
    return [str(PXEBENCH), *words, f"tftp://{at}/{name}"]


def run(argv):
    """Run a program; returns (seconds, CPU seconds) and raises when it fails."""
    argv = [programs.find(argv[0]) if "/" not in argv[0] else argv[0], *argv[1:]]
    began = time.monotonic()
    child = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(child.pid, 0)
    seconds = time.monotonic() - began
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise SystemExit(f"bench: {' '.join(argv)} ended with {child.returncode}")
    return seconds, usage.ru_utime + usage.ru_stime


def compare(blksize, server, name, digest, rounds, folder):
    """{client: [(seconds, CPU seconds), ...]}, one pair for each round, start-up taken off."""
    clients = C_CLIENTS + OURS
    start_up = {}
    for client in clients:
        argv = command(client, blksize, server, "tiny", str(Path(folder, "tiny.out")))
        tiny = [run(argv) for _ in range(5)]
        start_up[client] = [statistics.median(column) for column in zip(*tiny, strict=True)]
    times = {client: [] for client in clients}
    for i in range(rounds):
        turn = i % len(clients)
        for client in clients[turn:] + clients[:turn]:
            out = Path(folder, "out")
            out.unlink(missing_ok=True)
            pair = run(command(client, blksize, server, name, str(out)))
            if hashlib.sha256(out.read_bytes()).hexdigest() != digest:
                raise SystemExit(f"bench: {client} wrote a wrong file")
            times[client].append([t - s for t, s in zip(pair, start_up[client], strict=True)])
    return times


def table(blksize, times, mib):
    """The rows of one blksize: medians, spread, and the ratio to the C clients of each round."""
    rows = Table(title=f"{mib} MiB from in.tftpd on loopback, blksize {blksize}")
    for heading in ("client", "median ms", "min..max ms", "CPU s/MiB", "speed ratio"):
        rows.add_column(heading, justify="left" if heading == "client" else "right")
    rounds = range(len(times["curl"]))
    c_median = [statistics.median(times[c][i][0] for c in C_CLIENTS) for i in rounds]
    for client, pairs in times.items():
        ms = [1000 * seconds for seconds, _ in pairs]
        ratio = statistics.median(c_median[i] / pairs[i][0] for i in rounds)
        rows.add_row(
            client,
            f"{statistics.median(ms):.0f}",
            f"{min(ms):.0f}..{max(ms):.0f}",
            f"{statistics.median(cpu for _, cpu in pairs) / mib:.4f}",
            f"{ratio:.2f}",
        )
    return rows


def startup(server, folder, rounds):
    """Median seconds of a whole `pxebench fetch` of one byte, for each endpoint."""
    seconds = {}
    for client in OURS:
        argv = command(client, 1456, server, "tiny", str(Path(folder, "tiny.out")))
        seconds[client] = statistics.median(run(argv)[0] for _ in range(rounds))
    return seconds


def smallness():
    """The rows of what the core costs a board, on each MicroPython."""
    rows = Table(title="Size of the core (`32 bits`: a board's words)")
    rows.add_column("figure")
    for version in VERSIONS:
        name = "32 bits" if version == "32" else f"MicroPython {version}"
        rows.add_column(name, justify="right")
    sizes = measure.flash_bytes()
    core = sum(size for name, size in sizes.items() if name not in measure.APART)
    rows.add_row("core, compiled by mpy-cross", *[f"{core} B" for _ in VERSIONS])
    rows.add_row("all of pxerom", *[f"{sum(sizes.values())} B" for _ in VERSIONS])
    heap = [f"{measure.heap_bytes(version)} B" for version in VERSIONS]
    rows.add_row("heap after import, one ROM loaded", *heap)
    held = [measure.held_bytes(version) for version in VERSIONS]
    rows.add_row("heap in use after 1 MiB, 128 KiB in all", *[f"{before} B" for before, _ in held])
    rows.add_row("heap in use after 64 MiB", *[f"{after} B" for _, after in held])
    garbage = [measure.garbage_bytes(version) for version in VERSIONS]
    beside = [f"{statistics.median(runs) - datagram:.0f} B" for datagram, runs in garbage]
    rows.add_row("garbage of a block beside its datagram", *beside)
    return rows


def regime(one_cpu, free):
    """(CPUs of the server, CPUs of every client, what the table's header says)."""
    cpus = sorted(os.sched_getaffinity(0))
    if free:
        return cpus, cpus, "left to the kernel (--free): two schedules may mix within a run"
    if one_cpu:
        return [cpus[-1]], [cpus[-1]], f"server and clients on CPU {cpus[-1]} (--one-cpu)"
    if len(cpus) == 1:
        return cpus, cpus, f"server and clients on CPU {cpus[0]}, the only one there is"
    server, client = cpus[-2:]
    return [server], [client], f"server on CPU {server}, every client on CPU {client}"


def main():
    """Print the tables."""
    parser = argparse.ArgumentParser(prog="python -m host_tests.bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=9, help="paired runs (default 9)")
    parser.add_argument("--size", type=int, default=16, help="MiB of the file (default 16)")
    where = parser.add_mutually_exclusive_group()
    where.add_argument(
        "--one-cpu",
        action="store_true",
        help="keep server and clients on one CPU: no work overlaps, and CPU time decides",
    )
    where.add_argument("--free", action="store_true", help="leave both to the kernel's scheduler")
    arguments = parser.parse_args()
    server_cpus, client_cpus, words = regime(arguments.one_cpu, arguments.free)
    console = Console(width=100 if not sys.stdout.isatty() else None)
    console.print(f"{arguments.rounds} rounds, {words}.")
    os.sched_setaffinity(0, server_cpus)  # what is started takes it over
    content = os.urandom(arguments.size * MIB)
    digest = hashlib.sha256(content).hexdigest()
    with (
        servers.folder({"big": content, "tiny": b"x"}) as served,
        servers.in_tftpd(served) as server,
        tempfile.TemporaryDirectory() as folder,
    ):
        os.sched_setaffinity(0, client_cpus)
        for blksize in (1456, 512):
            times = compare(blksize, server, "big", digest, arguments.rounds, folder)
            console.print(table(blksize, times, arguments.size))
        for client, seconds in startup(server, folder, 9).items():
            console.print(f"{client}: `pxebench fetch` of one byte takes {seconds:.2f} s in all")
    console.print(smallness())
    console.print(
        "speed ratio: median over the rounds of (median time of the three C clients / time of "
        "this client); above 1 is faster than they are. pxerom computes a SHA-256 on the way."
    )
    console.print(emulated.table())


if __name__ == "__main__":
    main()
