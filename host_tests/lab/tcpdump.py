"""tcpdump as a user runs it, on any interface of a machine of the lab.

`capture` is for tests that read packets; this is for tests that need tcpdump's own files. All
packets during the block are in the file when it ends:

1. The block begins when tcpdump says that it listens.
2. At the end a datagram of ours goes over `lo`. The kernel delivers packets in order, so all
   earlier ones are in the file when this one is. There is no fixed delay.
3. A slot of the kernel's ring is as large as the longest packet that is taken, 256 KiB by
   tcpdump's default: eight of them fill the ring, and what comes while tcpdump waits for a
   processor is lost.  `_SNAP` and `_RING_KIB` make thousands.  A packet that the kernel
   dropped all the same fails the test.
"""

import contextlib
import os
import re
import sys

from host_tests.lab import processes
from host_tests.lab.programs import LabError

_SNAP = 2048  # bytes of a packet: more than Ethernet's 1514 and the cooked header
_RING_KIB = 8192
_DROPPED = re.compile(r"^(\d+) packets? dropped by", re.MULTILINE)
# Bound at both ends, so that no ICMP error comes back.
_SEND = """
import socket, sys
ours = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
ours.bind(("127.0.0.1", 0))
ours.sendto(bytes.fromhex(sys.argv[1]), ours.getsockname())
"""


@contextlib.contextmanager
def tcpdump(namespace, path, words="udp or icmp"):
    """Record what passes in `namespace` to `path` (a pcap file), for the filter `words`, which
    must let UDP over `lo` pass; yields the path.  Raises LabError when packets were lost."""
    argv = ("--immediate-mode", "-Z", "root", "-ni", "any", "-s", _SNAP, "-B", _RING_KIB)
    with namespace.start("tcpdump", *argv, "-U", "-w", path, words) as process:
        processes.wait_until(
            lambda: "listening on" in process.output(), "tcpdump's start", process=process
        )
        yield path
        mark = b"the end " + os.urandom(8)
        namespace.run(sys.executable, "-I", "-S", "-c", _SEND, mark.hex())
        processes.wait_until(lambda: _ends_with(path, mark), "tcpdump's end", process=process)
        process.interrupt()
        process.wait(20)
        lost = sum(map(int, _DROPPED.findall(process.output())))
        if lost:
            raise LabError(f"tcpdump lost {lost} packets: {process.output().strip()}")


def _ends_with(path, mark):
    # On `lo` it is recorded twice; packets sent meanwhile may follow it.
    with open(path, "rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - (1 << 16)))
        return mark in file.read()
