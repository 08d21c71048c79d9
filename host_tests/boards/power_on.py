"""Runs on MicroPython's unix port: a power-up as on a board, with a littlefs of a board's size.

power_on.py BLOCKS DEVICE FILES
    DEVICE becomes a flash of so many blocks of 4096 bytes, FILES (a folder of this PC) is copied
    into it; then main.py runs there. Prints what the screen shows, and figures after `heap` and
    `flash`. The modules come out of that flash, the board's own (`network`, `machine`) from the
    stubs, the sockets are the unix port's: the rest is as on a board.
"""

import gc
import os
import sys

import vfs

_BLOCK = 4096


class Flash:
    """A block device in a file: a flash that takes no heap."""

    def __init__(self, path, blocks):
        self.blocks = blocks
        self.erases = 0
        with open(path, "wb") as file:
            for _ in range(blocks):
                file.write(b"\xff" * _BLOCK)
        self._file = open(path, "r+b")

    def readblocks(self, block, buffer, offset=0):
        self._file.seek(block * _BLOCK + offset)
        self._file.readinto(buffer)

    def writeblocks(self, block, buffer, offset=0):
        self._file.seek(block * _BLOCK + offset)
        self._file.write(buffer)

    def ioctl(self, op, argument):
        if op == 4:
            return self.blocks
        if op == 5:
            return _BLOCK
        if op == 6:
            self.erases += 1
        return 0


def copy(source, target):
    for name, kind, *_ in os.ilistdir(source):
        if kind == 0x4000:
            os.mkdir(target + "/" + name)
            copy(source + "/" + name, target + "/" + name)
        else:
            with open(source + "/" + name, "rb") as file, open(target + "/" + name, "wb") as out:
                out.write(file.read())


def free():
    stat = os.statvfs("/flash")
    return stat[1] * stat[4]


flash = Flash(sys.argv[2], int(sys.argv[1]))
vfs.VfsLfs2.mkfs(flash, progsize=256)  # as rp2 does
vfs.mount(vfs.VfsLfs2(flash, progsize=256), "/flash")
empty = free()
copy(sys.argv[3], "/flash")
print("flash deployed", empty - free())
os.chdir("/flash")
sys.path[:] = ["/flash", "/flash/lib"]
gc.collect()
print("heap before", gc.mem_free())

with open("/flash/main.py") as file:
    exec(file.read(), {"__name__": "__main__"})

print()
gc.collect()
print("heap after", gc.mem_free())
print("flash erases", flash.erases)
for name, kind, _, size in sorted(os.ilistdir("/flash")):
    if kind == 0x8000:
        print("file", name, size)
