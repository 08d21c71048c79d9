"""The programs that `make bench` compares, and one run of one of them."""

import os
import subprocess
import sys
import time
from pathlib import Path

from host_tests.footprint import measure
from host_tests.lab import programs

C_CLIENTS = ("atftp", "curl", "busybox tftp")
OURS = ("pxerom CPython", "pxerom MicroPython")
LOOPS = ("loop CPython", "loop MicroPython")
PXEBENCH = programs.ROOT / ".venv" / "bin" / "pxebench"
# ru_maxrss has what the parent held when it forked the process: the parent must be a small one.
_USED = """
import resource, subprocess, sys
code = subprocess.call(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
of_it = resource.getrusage(resource.RUSAGE_CHILDREN)
print(code, of_it.ru_maxrss, of_it.ru_utime + of_it.ru_stime)
"""
_SMALLEST = Path(__file__).with_name("smallest.py")


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
    if client in LOOPS:
        python = measure.interpreter("1.26") if client.endswith("MicroPython") else sys.executable
        return [str(python), str(_SMALLEST), at, name, str(blksize), out]
    endpoint = "micropython" if client.endswith("MicroPython") else "local"
    rom = {512: "os-client", 1456: "intel-undi-plain"}[blksize]
    words = ["fetch", "--quiet", "--rom", rom, "--endpoint", endpoint, "--out", out]
    return [str(PXEBENCH), *words, f"tftp://{at}/{name}"]


def run(argv):
    """Run a program; returns (seconds, CPU seconds) and raises when it fails."""
    argv = [programs.find(argv[0]) if "/" not in argv[0] else argv[0], *argv[1:]]
    began = time.monotonic()
    # A user's Python keeps what it has compiled.
    env = {name: text for name, text in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    quiet = subprocess.DEVNULL
    child = subprocess.Popen(argv, stdout=quiet, stderr=quiet, env=env)
    _, status, usage = os.wait4(child.pid, 0)
    seconds = time.monotonic() - began
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise SystemExit(f"bench: {' '.join(argv)} ended with {child.returncode}")
    return seconds, usage.ru_utime + usage.ru_stime


def used(argv):
    """Run a program; (its exit code, the most KiB of memory that it or what it started held, CPU
    seconds of all of them)."""
    words = [sys.executable, "-SE", "-c", _USED, *map(str, argv)]
    done = subprocess.run(words, stdout=subprocess.PIPE, text=True, check=True)
    code, kib, cpu = done.stdout.split()
    return int(code), int(kib), float(cpu)
