"""`python -m host_tests.bench storm`: many clients at once, ours beside processes of C.

    python -m host_tests.bench storm [--count 200] [--size MIB]

1. `pxebench storm` as os-client (no option, blocks of 512), beside as many `atftp` and `curl`
   processes at once, against in.tftpd and dnsmasq on the loopback of a namespace.
2. All clients hash or store nothing on disk: storm hashes, the others write to /dev/null.
3. CPU is that of all processes of the clients, memory what is resident at the most: of the two
   processes of a storm, and of each C client, with the libraries that they share.
"""

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

from host_tests.lab import namespaces, servers

MIB = 1 << 20
HOST = "127.0.0.1"
CLIENTS = ("pxebench storm", "atftp", "curl")


def storm(namespace, count, folder):
    """One `pxebench storm`: (files, seconds, CPU seconds, KiB in all)."""
    out = Path(folder, "storm.json")
    words = ("storm", f"tftp://{HOST}/big", "--rom", "os-client", "--count", count, "-q")
    argv = namespace.argv(sys.executable, "-m", "pxebench", *words, "--json", out)
    child = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    kib = pid = 0
    while not pid:
        # Its own, not ru_maxrss: that has the worker's, which comes to it below.
        kib = _resident_kib(child.pid, Path(sys.executable).name) or kib
        pid, status, usage = os.wait4(child.pid, os.WNOHANG)
        time.sleep(0 if pid else 0.1)
    child.returncode = os.waitstatus_to_exitcode(status)
    found = json.loads(out.read_text())
    # The whole command's CPU; of its time that of the storm, as with the others.
    kib += found["pc"]["memory_mb"] * 1024
    return found["booted"], found["pc"]["wall_s"], usage.ru_utime + usage.ru_stime, kib


def processes(namespace, count, client):
    """So many processes of a C client at once: the same."""
    url = f"tftp://{HOST}/big"
    words = {
        "atftp": ("atftp", "-g", "-r", "big", "-l", "/dev/null", HOST),
        "curl": ("curl", "-s", "-o", "/dev/null", url),
    }[client]
    argv = namespace.argv(*words)
    quiet = subprocess.DEVNULL
    began = time.monotonic()
    started = [subprocess.Popen(argv, stdout=quiet, stderr=quiet) for _ in range(count)]
    # Not ru_maxrss: it has what the process was before it became the client.
    sizes = list(filter(None, (_resident_kib(child.pid, client) for child in started)))
    files, cpu = 0, 0.0
    for child in started:
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        files += child.returncode == 0
        cpu += usage.ru_utime + usage.ru_stime
    seconds = time.monotonic() - began
    return files, seconds, cpu, count * statistics.median(sizes or [0])


def _resident_kib(pid, program):
    # VmHWM of a process that is `program` by now; None of one that has ended, or is not yet.
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return None
    found = dict(line.split(":", 1) for line in lines if ":" in line)
    if found["Name"].strip() != program or "VmHWM" not in found:
        return None
    return int(found["VmHWM"].split()[0])


def main(words):
    """Print the table."""
    parser = argparse.ArgumentParser(
        prog="python -m host_tests.bench storm",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--count", type=int, default=200, help="clients at once (default 200)")
    parser.add_argument("--size", type=int, default=1, help="MiB of the file (default 1)")
    asked = parser.parse_args(words)
    rows = Table(title=f"{asked.count} clients at once, {asked.size} MiB each, blocks of 512")
    for name in ("server", "client", "whole files", "files a s", "CPU ms a file", "KiB a client"):
        rows.add_column(name, justify="left" if name in ("server", "client") else "right")
    with contextlib.ExitStack() as stack:
        lab = stack.enter_context(namespaces.lab())
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        served = stack.enter_context(servers.folder({"big": os.urandom(asked.size * MIB)}))
        for server in ("in.tftpd", "dnsmasq"):
            namespace = lab.namespace(server)
            # in.tftpd's listening socket has room for some 200 RRQs; who comes later asks again.
            most = [f"--tftp-max={asked.count + 50}"]
            serving = (
                servers.in_tftpd(served, HOST, 69, namespace)
                if server == "in.tftpd"
                else servers.dnsmasq(served, HOST, namespace, words=most)
            )
            with serving:
                for client in CLIENTS:
                    run = storm if client == CLIENTS[0] else processes
                    last = folder if client == CLIENTS[0] else client
                    files, seconds, cpu, kib = run(namespace, asked.count, last)
                    rows.add_row(
                        *(server, client, f"{files} of {asked.count}"),
                        f"{files / seconds:.0f}",
                        f"{1000 * cpu / max(1, files):.0f}",
                        f"{kib / asked.count:.0f}",
                    )
    Console(width=100 if not sys.stdout.isatty() else None).print(rows)
