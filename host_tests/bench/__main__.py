"""`make bench`: fetch one file with pxerom and with the C clients, in turn; print the figures.

    python -m host_tests.bench [--short] [--rounds N] [--size MIB] [--only REGIME|far|windows|...]
    python -m host_tests.bench storm [--count N] [--size MIB]      many at once: `bench.storm`

How it measures
1. Real programs against one in.tftpd on loopback, each writing the file to disk. One round runs
   every client once, in an order that rotates; a ratio compares clients of the same round only,
   because the machine's mood lasts longer than a round.
2. The time of a transfer is the program's whole run, less the median run of the same program on a
   file of one byte: what is left is the transfer, for C and for Python alike. CPU likewise. The
   whole run stands beside it.
3. Nothing is timed twice to look better: all rounds count; the table has their least, their median
   and their greatest.
4. First server and client on one CPU, where nothing overlaps and CPU time decides; then on a CPU
   each, where a block waits for two wake-ups and a client's own work is hidden behind the
   server's; then as the scheduler likes, which changes its mind within a run.
5. The machine is named, and how busy it was with other work before and after each table.
6. What the loopback does not show stands in `distance`: a far server, windows, memory. Where the
   time of a block goes stands in `profile`.
"""

import argparse
import hashlib
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

from host_tests.bench import distance, emulated, profile, storm
from host_tests.bench.clients import C_CLIENTS, LOOPS, OURS, PXEBENCH, command, run
from host_tests.footprint import measure
from host_tests.lab import servers

MIB = 1 << 20
VERSIONS = ("1.25", "1.26", "32")
REGIMES = ("one-cpu", "cpu-each", "unpinned")
PARTS = (*REGIMES, "profile", "far", "windows", "memory", "size", "board")
_BUSY = 0.05  # of all CPUs: more is worth a word
_FAR = 512 << 10  # bytes of a file that is fetched from afar


def compare(blksize, server, name, digest, rounds, folder):
    """{client: (start-up, [(seconds, CPU seconds), ...])}: the whole command in each round, and
    its median for a file of one byte."""
    clients = C_CLIENTS + LOOPS + OURS
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
            times[client].append(pair)
    return {client: (start_up[client], times[client]) for client in clients}


def table(blksize, times, mib):
    """The rows of one blksize: the spread of transfer and command, the ratio to the C clients of
    each round, and that of the CPU time."""
    rows = Table(title=f"{mib} MiB from in.tftpd on loopback, blksize {blksize}")
    headings = ("client", "transfer ms", "whole command ms", "CPU s/MiB", "speed", "CPU")
    for heading in headings:
        rows.add_column(heading, justify="left" if heading == "client" else "right")
    transfers = {
        client: [(t - start[0], cpu - start[1]) for t, cpu in pairs]
        for client, (start, pairs) in times.items()
    }
    rounds = range(len(transfers["curl"]))
    usual = [
        [statistics.median(transfers[c][i][column] for c in C_CLIENTS) for i in rounds]
        for column in (0, 1)
    ]
    for client, (_, pairs) in times.items():
        mine = transfers[client]
        rows.add_row(
            client,
            _spread(seconds for seconds, _ in mine),
            _spread(seconds for seconds, _ in pairs),
            f"{statistics.median(cpu for _, cpu in mine) / mib:.4f}",
            f"{statistics.median(usual[0][i] / mine[i][0] for i in rounds):.2f}",
            f"{statistics.median(mine[i][1] / usual[1][i] for i in rounds):.2f}",
        )
    return rows


def _spread(seconds):
    ms = sorted(1000 * each for each in seconds)
    return f"{ms[0]:.0f} / {statistics.median(ms):.0f} / {ms[-1]:.0f}"


def startup(server, folder, rounds):
    """{words: (median seconds, median CPU seconds)} of commands that fetch next to nothing."""
    commands = {
        f"`pxebench fetch` of one byte, {client.split()[1]}": command(
            client, 1456, server, "tiny", str(Path(folder, "tiny.out"))
        )
        for client in OURS
    }
    commands["`pxebench -h`"] = [str(PXEBENCH), "-h"]
    commands["`pxebench --version`"] = [str(PXEBENCH), "--version"]
    found = {}
    for words, argv in commands.items():
        pairs = [run(argv) for _ in range(rounds)]
        found[words] = [statistics.median(column) for column in zip(*pairs, strict=True)]
    return found


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


def regime(name):
    """(CPUs of the server, CPUs of every client, what the table's header says)."""
    cpus = sorted(os.sched_getaffinity(0))
    if len(cpus) == 1:
        return cpus, cpus, f"server and clients on CPU {cpus[0]}, the only one there is"
    server, client = cpus[-2:]
    if name == "one-cpu":
        return [client], [client], f"One CPU: server and clients on CPU {client}"
    if name == "cpu-each":
        return [server], [client], f"A CPU each: server on CPU {server}, clients on CPU {client}"
    return cpus, cpus, "Unpinned: as the scheduler likes"


def machine():
    """The cores and their model, in words."""
    text = Path("/proc/cpuinfo").read_text()
    model = [line.split(":")[1].strip() for line in text.splitlines() if "model name" in line]
    return f"{os.cpu_count()} cores, {model[0] if model else os.uname().machine}"


def busy(seconds=1.0):
    """The share of all CPU time that others use while nothing of ours runs."""

    def ticks():
        user, nice, system, idle, wait, *rest = map(
            int, Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]
        )
        return user + nice + system + sum(rest), idle + wait

    used, idle = ticks()
    time.sleep(seconds)
    more_used, more_idle = ticks()
    used, idle = more_used - used, more_idle - idle
    return used / max(1, used + idle)


def main():
    """Print the tables."""
    parser = argparse.ArgumentParser(
        prog="python -m host_tests.bench",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--rounds", type=int, help="rounds in turn (default 9)")
    parser.add_argument("--size", type=int, help="MiB of the file (default 16)")
    parser.add_argument("--short", action="store_true", help="3 rounds of 4 MiB; no 1 GiB, board")
    parser.add_argument("--only", choices=PARTS, help="one part of it")
    arguments = parser.parse_args()
    arguments.rounds = arguments.rounds or (3 if arguments.short else 9)
    arguments.size = arguments.size or (4 if arguments.short else 16)
    parts = PARTS if arguments.only is None else (arguments.only,)
    console = Console(width=110 if not sys.stdout.isatty() else None)
    console.print(f"{machine()}; {arguments.rounds} rounds; least / median / greatest.")
    content = os.urandom(arguments.size * MIB)
    digest = hashlib.sha256(content).hexdigest()
    everywhere = os.sched_getaffinity(0)
    noticed = []
    with servers.folder({"big": content, "far": content[:_FAR], "tiny": b"x"}) as served:
        for name in REGIMES:
            if name not in parts:
                continue
            server_cpus, client_cpus, words = regime(name)
            console.print(f"\n{words}.")
            noticed.append(busy())
            os.sched_setaffinity(0, server_cpus)  # what is started takes it over
            with servers.in_tftpd(served) as server, tempfile.TemporaryDirectory() as folder:
                os.sched_setaffinity(0, client_cpus)
                for blksize in (1456, 512):
                    times = compare(blksize, server, "big", digest, arguments.rounds, folder)
                    console.print(table(blksize, times, arguments.size))
                for what, (seconds, cpu) in startup(server, folder, 9).items():
                    console.print(f"{what}: {seconds:.2f} s, of them {cpu:.3f} s of CPU")
            os.sched_setaffinity(0, everywhere)
            noticed.append(busy())
        if "profile" in parts:
            os.sched_setaffinity(0, regime("one-cpu")[1])
            console.print(profile.table())
            os.sched_setaffinity(0, everywhere)
        noticed.append(busy())
        few = min(arguments.rounds, 3)
        if "far" in parts:
            console.print(distance.far(served, "far", _FAR, few))
        if "windows" in parts:
            console.print(distance.windows(served, "big", len(content), arguments.rounds))
        noticed.append(busy())
    if "memory" in parts:
        for mib, kib in distance.memory((1, 64) if arguments.short else (1, 64, 1024)).items():
            console.print(f"`pxebench fetch` of {mib} MiB, CPython: {kib} KiB of memory at most")
    if "size" in parts:
        console.print(smallness())
    if "board" in parts and not arguments.short:
        console.print(emulated.table())
    console.print(
        "speed: median over the rounds of (median time of the three C clients / time of this "
        "client); above 1 is faster than they are. CPU: of (its CPU time / theirs); below 1 is "
        "less. pxerom and the loops compute a SHA-256 on the way."
    )
    worst = max(noticed)
    if worst > _BUSY:
        console.print(
            f"The machine was BUSY: others used {worst:.0%} of its CPU time between the tables. "
            "These figures are not to be compared with others."
        )
    else:
        console.print(f"The machine was idle beside: others used {worst:.1%} of its CPU time.")


if __name__ == "__main__":
    if sys.argv[1:2] == ["storm"]:
        storm.main(sys.argv[2:])
    else:
        main()
