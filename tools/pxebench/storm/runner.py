"""Runs one storm: starts its worker process, collects its rows, and ends it.

1. The worker ends with us: its standard input is a pipe that we hold.
2. Ctrl-C ends the ROMs in order; their rows so far are the result.
"""

import contextlib
import json
import subprocess
import sys
import threading
from importlib.util import find_spec
from pathlib import Path

from pxebench import places
from pxebench.job import EXIT_BENCH, Refused, bare, fetch_job, load_rom, show

_STOP_S = 10


def check():
    """Refuse where the event loop is not installed."""
    if find_spec("gevent") is None:
        raise Refused("A storm needs gevent: `pip install 'pxerom[storm]'`.", EXIT_BENCH)


def fetch_jobs(machines, server, port, file, limit_ms, max_bytes):
    """Each Machine with its job, as the worker takes it."""
    known = {}
    for one in machines:
        if one.rom not in known:
            known[one.rom] = load_rom(one.rom)
        options = {"bind": one.address, "max_time_ms": limit_ms, "max_bytes": max_bytes}
        yield {**one._asdict(), "rom": bare(known[one.rom]["id"]),
               "job": fetch_job(known[one.rom], server, port, file, **options)}  # fmt: skip


def boot_jobs(machines, macs, limit_ms, max_bytes):
    """Each Machine with a boot by DHCP from an interface of its own (`macs`: [(name, mac)])."""
    from pxebench.boot import boot_job

    known = {}
    for one, (name, mac) in zip(machines, macs, strict=True):
        if one.rom not in known:
            known[one.rom] = load_rom(one.rom)
            boot_job.flat(known[one.rom])  # a ROM whose DHCP is not known is refused
        options = {
            "max_time_ms": limit_ms,
            "max_bytes": max_bytes,
            "release": True,
            "menu": "first",
        }
        yield {**one._asdict(), "rom": bare(known[one.rom]["id"]), "mac": mac,
               "job": boot_job.boot_job(known[one.rom], name, **options)}  # fmt: skip


def run(jobs, on_row):
    """Run the machines; ([row, ...], pc, was it ended by the user)."""
    jobs = list(jobs)
    folders = [str(Path(places.__file__).parents[1]), str(places.pxerom().parent)]
    folders += [str(folder) for folder in places.host_link()]
    wanted = {"machines": jobs, "path": folders}
    dropped = _drops()
    worker = subprocess.Popen(
        [sys.executable, "-m", "pxebench.storm.worker"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        start_new_session=True, env=_environment(folders),
    )  # fmt: skip
    said = []
    errors = threading.Thread(target=lambda: said.append(worker.stderr.read()), daemon=True)
    errors.start()
    rows, end, stopped = [], None, False
    try:
        worker.stdin.write(json.dumps(wanted).encode() + b"\n")
        worker.stdin.flush()
        while True:
            try:
                line = worker.stdout.readline()
                if not line:
                    break
                told = json.loads(line)
                if "end" in told:
                    end = told["end"]
                    break
                rows.append(told)
                on_row(told)
            except KeyboardInterrupt:
                if stopped:
                    raise
                stopped = True
                worker.stdin.write(b"stop\n")
                worker.stdin.flush()
    finally:
        with contextlib.suppress(OSError):
            worker.stdin.write(b"done\n")
            worker.stdin.close()
        try:
            worker.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            worker.kill()
            worker.wait()
    if end is None:
        errors.join(1)
        last = (said[0].decode(errors="replace").strip().splitlines() if said else [])[-1:]
        raise Refused(
            f"The storm's process ended early, with {len(rows)} of {len(jobs)} rows: "
            f"{show(' '.join(last)) or 'it said nothing'}.",
            EXIT_BENCH,
        )
    end["drops"] = max(0, _drops() - dropped)
    return rows, end, stopped


def _environment(folders):
    import os

    return {**os.environ, "PYTHONPATH": os.pathsep.join(folders)}


def _drops():
    """UDP datagrams that this PC has dropped because a buffer was full, sending and receiving."""
    try:
        lines = [line.split() for line in Path("/proc/self/net/snmp").read_text().splitlines()]
    except OSError:
        return 0
    head, values = [line for line in lines if line[:1] == ["Udp:"]][:2]
    found = dict(zip(head[1:], map(int, values[1:]), strict=True))
    return found.get("RcvbufErrors", 0) + found.get("SndbufErrors", 0)
