"""Runs on MicroPython: fetches a file into nothing and prints what the heap held on the way.

probe.py PORT WINDOWSIZE held AT_BYTES ...
    the heap in use when so many bytes have come
probe.py PORT WINDOWSIZE garbage BLOCKS DATAGRAM
    the heap that a datagram of that many bytes takes, then what so many blocks allocate, 9 times
"""

import gc
import sys

from pxerom import job, runtime_unix
from pxerom.fetch import Fetch
from pxerom.sink import Null
from pxerom.udp import Udp

_PORT = int(sys.argv[1])
_WINDOWSIZE = sys.argv[2]
_KIND = sys.argv[3]
_RUNS = 9


class Held(Null):
    """Notes the heap in use, garbage taken out, when the given numbers of bytes have come."""

    def __init__(self):
        self.bytes = 0
        self.marks = [int(mark) for mark in sys.argv[4:]]
        self.figures = []

    @property
    def writer(self):
        return self.write

    def write(self, view):
        self.bytes += len(view)
        if self.marks and self.bytes >= self.marks[0]:
            self.marks.pop(0)
            gc.collect()
            self.figures.append(gc.mem_alloc())


class Garbage(Null):
    """Notes what each run of blocks has allocated, with the collector switched off."""

    def __init__(self):
        self.blocks = 0
        self.run = int(sys.argv[4])
        self.before = 0
        gc.collect()
        before = gc.mem_alloc()
        self.datagram = bytes(int(sys.argv[5]))
        self.figures = [gc.mem_alloc() - before] + [0] * _RUNS
        self.done = 0

    @property
    def writer(self):
        return self.write

    def write(self, view):
        self.blocks += 1
        if self.blocks % self.run == 0 and self.done < _RUNS:
            if self.blocks > self.run:
                self.done += 1
                self.figures[self.done] = gc.mem_alloc() - self.before
            gc.enable()
            gc.collect()
            gc.disable()
            self.before = gc.mem_alloc()
            if self.done == _RUNS:
                gc.enable()


def nothing(event):
    pass


runtime_unix.ffi = None  # a board receives each datagram as an object of its own
rom = job.load_rom("intel-undi")[0]
if _WINDOWSIZE != "1":
    rom["tftp"]["requests"][1]["options"].append(["windowsize", _WINDOWSIZE])
# Ports that nothing else sends from: the ROM's own may be in use by a test next door.
rom["udp"]["source_port"].update(policy="random", first=32768, last=60999)
sink = Held() if _KIND == "held" else Garbage()
net = Udp(rom["udp"]["source_port"], "127.0.0.1")
result = Fetch(rom, net, nothing).fetch("127.0.0.1", _PORT, "zeros", sink)
print(result["outcome"], result["image"]["bytes"] if result["image"] else result["status"])
print(" ".join(str(figure) for figure in sink.figures))
