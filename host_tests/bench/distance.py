"""Figures of `make bench` beside the loopback's: a far server, windows, memory.

1. A round trip is what an echo takes over such a relay (`host_tests.lab.relay`), measured in each
   round: the relay is a thread of Python, and adds to what it was asked for.
2. A lockstep transfer cannot take less than one round trip a block: `over echo` is what it takes
   more. in.tftpd takes longer for a block than an echo, so no client comes down to it; the
   smallest loop has that server's own round trip: `over loop` is what our work adds.
3. Windows come from atftpd, beside curl, which has none, from the same server.
"""

import os
import socket
import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path

from rich.table import Table

from host_tests.bench.clients import PXEBENCH, command, run, used
from host_tests.lab import relay, servers

MIB = 1 << 20
_PINGS = 100
_LOOP = "loop CPython"
_FAR = ("curl", _LOOP, "pxerom CPython", "pxerom MicroPython")
_WINDOWS = (4, 16, 64)
_BLKSIZE = 1456


def far(served, name, size, rounds, round_trips_ms=(1, 5)):
    """The table of lockstep fetches of `name` (`size` bytes) from in.tftpd behind a relay."""
    rows = Table(title=f"{size >> 10} KiB at blksize {_BLKSIZE} behind a relay")
    rows.add_column("client")
    blocks = size // _BLKSIZE + 1
    columns = {client: [] for client in _FAR}
    for asked_ms in round_trips_ms:
        delay_s = asked_ms / 2000
        with (
            servers.in_tftpd(served) as server,
            relay.line(server.host, server.port, 1, delay_s=(delay_s, delay_s)) as line,
            tempfile.TemporaryDirectory() as folder,
        ):
            out = str(Path(folder, "out"))
            start_s, whole_s, trips_ms = {c: [] for c in _FAR}, {c: [] for c in _FAR}, []
            for i in range(rounds):
                turn = i % len(_FAR)
                trips_ms.append(_round_trip_ms(delay_s))
                for client in _FAR[turn:] + _FAR[:turn]:
                    for file, times in (("tiny", start_s), (name, whole_s)):
                        argv = command(client, _BLKSIZE, line, file, out)
                        times[client].append(run(argv)[0])
            middle = statistics.median
            seconds = {c: middle(whole_s[c]) - middle(start_s[c]) for c in _FAR}
        trip_ms = statistics.median(trips_ms)
        rows.add_column(f"{asked_ms} ms asked, echo {trip_ms:.2f} ms", justify="right")
        rows.add_column("over echo", justify="right")
        rows.add_column("over loop", justify="right")
        for client in _FAR:
            block_ms = 1000 * seconds[client] / blocks
            over = [block_ms / trip_ms, seconds[client] / seconds[_LOOP]]
            columns[client] += [f"{block_ms:.2f} ms a block", *[f"{n - 1:+.1%}" for n in over]]
    for client, cells in columns.items():
        rows.add_row(client, *cells)
    return rows


def _round_trip_ms(delay_s):
    """The median round trip of a block and its ACK to an echo over a relay of this delay."""
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as echo,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ping,
    ):
        echo.bind(("127.0.0.1", 0))
        ping.settimeout(5)
        host, port = echo.getsockname()

        def answer():
            for _ in range(_PINGS):
                echo.sendto(bytes(_BLKSIZE + 4), echo.recvfrom(100)[1])

        threading.Thread(target=answer, daemon=True).start()
        with relay.line(host, port, 1, delay_s=(delay_s, delay_s)) as line:
            trips = []
            for _ in range(_PINGS):
                began = time.monotonic()
                ping.sendto(bytes(4), (line.host, line.port))
                ping.recvfrom(2000)
                trips.append(time.monotonic() - began)
    return 1000 * statistics.median(trips)


def windows(served, name, size, rounds):
    """The table of fetches in windows from atftpd, beside curl's lockstep, in turn."""
    clients = ["curl"]
    for endpoint in ("local", "micropython"):
        clients += [(endpoint, windowsize) for windowsize in _WINDOWS]
    seconds = {client: [] for client in clients}
    with servers.atftpd(served) as server, tempfile.TemporaryDirectory() as folder:
        out = str(Path(folder, "out"))
        tiny = {c: _windowed(c, server, "tiny", out) for c in clients}
        least = {c: min(run(argv)[0] for _ in range(5)) for c, argv in tiny.items()}
        for i in range(rounds):
            turn = i % len(clients)
            for client in clients[turn:] + clients[:turn]:
                took = run(_windowed(client, server, name, out))[0] - least[client]
                seconds[client].append(took)
            assert Path(out).stat().st_size == size
    rows = Table(title=f"{size // MIB} MiB from atftpd, blksize {_BLKSIZE}, ms of the transfer")
    rows.add_column("windowsize")
    for heading in ("curl", "pxerom CPython", "pxerom MicroPython"):
        rows.add_column(heading, justify="right")
    rows.add_row("1, lockstep", _spread(seconds["curl"]), "", "")
    for windowsize in _WINDOWS:
        mine = [_spread(seconds[endpoint, windowsize]) for endpoint in ("local", "micropython")]
        rows.add_row(str(windowsize), "", *mine)
    return rows


def _windowed(client, server, name, out):
    if client == "curl":
        return command("curl", _BLKSIZE, server, name, out)
    endpoint, windowsize = client
    words = ["fetch", "--quiet", "--rom", "standard", "--endpoint", endpoint, "--out", out]
    words += ["--blksize", str(_BLKSIZE), "--windowsize", str(windowsize)]
    return [str(PXEBENCH), *words, f"tftp://{server.host}:{server.port}/{name}"]


def _spread(seconds):
    ms = sorted(1000 * each for each in seconds)
    return f"{ms[0]:.0f} / {statistics.median(ms):.0f} / {ms[-1]:.0f}"


def memory(mib=(1, 64, 1024)):
    """{MiB of a file: the most KiB of memory that `pxebench fetch` of it held, on CPython}."""
    found = {}
    with servers.folder({"zeros": b""}) as served, servers.in_tftpd(served) as server:
        for size in mib:
            os.truncate(Path(served, "zeros"), size * MIB)
            words = ["fetch", "--quiet", "--rom", "standard", "--blksize", "8192"]
            argv = [sys.executable, str(PXEBENCH), *words, server.url("zeros")]
            code, found[size], _ = used(argv)
            assert code == 0, argv
    return found
