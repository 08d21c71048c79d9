"""The files in a flash image, by littlefs itself. A program for MicroPython's unix port:

    micropython flash_files.py make IMAGE BLOCKS FOLDER     a new file system with FOLDER's files
    micropython flash_files.py list IMAGE BLOCKS            what is in it, and in those behind it

`list` takes images one after another (BLOCKS each, in one file) and prints a line of JSON for
each: {path: sha256}, or null when littlefs cannot mount it.
"""

import hashlib
import json
import os
import sys

import vfs

_BLOCK = 4096


class Image:
    """A block device as `rp2.Flash` is one, in memory."""

    def __init__(self, data):
        self.data = data

    def readblocks(self, block, buffer, offset=0):
        at = block * _BLOCK + offset
        buffer[:] = self.data[at : at + len(buffer)]

    def writeblocks(self, block, buffer, offset=None):
        if offset is None:
            self.ioctl(6, block)
        at = block * _BLOCK + (offset or 0)
        self.data[at : at + len(buffer)] = buffer

    def ioctl(self, command, argument):
        if command == 4:
            return len(self.data) // _BLOCK
        if command == 5:
            return _BLOCK
        if command == 6:
            at = argument * _BLOCK
            self.data[at : at + _BLOCK] = b"\xff" * _BLOCK
        return 0


def walk(folder):
    # Every path below a folder, and whether it is a file.
    for entry in os.ilistdir(folder):
        path = folder + "/" + entry[0]
        yield path, entry[1] != 0x4000
        if entry[1] == 0x4000:
            yield from walk(path)


def make(image, blocks, folder):
    device = Image(bytearray(b"\xff" * (blocks * _BLOCK)))
    vfs.VfsLfs2.mkfs(device, progsize=256)
    vfs.mount(vfs.VfsLfs2(device, progsize=256), "/flash")
    for path, is_file in walk(folder):
        name = "/flash" + path[len(folder) :]
        if not is_file:
            os.mkdir(name)
        else:
            with open(path, "rb") as source, open(name, "wb") as target:
                target.write(source.read())
    vfs.umount("/flash")
    with open(image, "wb") as file:
        file.write(device.data)


def contents(data):
    device = Image(data)
    try:
        # Large reads: each one is a call.
        vfs.mount(vfs.VfsLfs2(device, progsize=256, readsize=1024), "/flash")
    except OSError:
        return None
    found = {}
    try:
        for path, is_file in walk("/flash"):
            if is_file:
                with open(path, "rb") as file:
                    found[path[6:]] = hashlib.sha256(file.read()).digest().hex()
    finally:
        vfs.umount("/flash")
    return found


if sys.argv[1] == "make":
    make(sys.argv[2], int(sys.argv[3]), sys.argv[4])
else:
    size = int(sys.argv[3]) * _BLOCK
    with open(sys.argv[2], "rb") as file:
        while True:
            data = bytearray(file.read(size))
            if not data:
                break
            print(json.dumps(contents(data)))
