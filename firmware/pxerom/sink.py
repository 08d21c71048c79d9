"""Where the bytes of a file go: nowhere, into memory, or into a file.

A sink has `room()`, `open()`, `write(view)`, `commit()` and `abort()`. For a loop over many blocks
it has `writer`, the bare write function (None: nothing to do); its OSError goes to `broken`. A
sink knows nothing of TFTP, and never sees a name from the network (R-SEC-23).

1. The target is the old file or the complete new one at any moment: the bytes go to NAME.part,
   which is renamed when it is complete.
2. `abort` leaves no file behind and may be called at any time, also twice.
3. No flush per block: on littlefs each one costs an erase.
"""

import os

from pxerom import runtime
from pxerom.failure import Failure, Refused


class Null:
    """Takes everything, keeps nothing."""

    def _nothing(self, view=None):
        return None

    room = open = write = commit = abort = _nothing
    writer = None


class Memory:
    """Keeps the bytes; they are in `data` when the file is whole."""

    data = None

    def room(self):
        return None

    def open(self):
        self._part = bytearray()
        self.writer = self._part.extend

    abort = open

    def write(self, view):
        self._part += view

    def commit(self):
        self.data = self._part


class File:
    """Writes `path`.part, then renames it to `path`. Raises Refused when the target cannot be
    opened, Failure `cannot_write` when a write fails: the server then gets an ERROR 3
    (R-TFTP-58)."""

    def __init__(self, path):
        self.path = path
        self._part = path + ".part"
        self._file = None

    def room(self):
        """The most bytes that the file may have: what is free beside the old one; None if
        unknown."""
        return runtime.free_bytes(self.path)

    def open(self):
        reason = runtime.no_file(self.path)  # root could put a file in the place of /dev/null
        if reason:
            raise Refused("Cannot write %s: %s." % (self.path, reason), 3)
        try:
            self._file = runtime.open_for_writing(self._part)
            self.writer = self._file.write
        except OSError as error:
            raise Refused("Cannot write %s: %s." % (self.path, runtime.why(error)), 3)

    def write(self, view):
        try:
            self._file.write(view)
        except OSError as error:
            self.broken(error)

    def commit(self):
        """The file is complete: give it its name."""
        try:
            self._file.close()  # on littlefs and with a write buffer, a full disk shows only here
            runtime.replace(self._part, self.path)
        except OSError as error:
            self.broken(error)
        self._file = None

    def abort(self):
        """The file will not be complete: leave the target as it was."""
        if self._file:
            for step in (self._file.close, self._remove):
                try:
                    step()
                except OSError:
                    pass
            self._file = None

    def _remove(self):
        os.remove(self._part)

    def broken(self, error):
        """A write to the target failed: raises Failure."""
        raise Failure(
            "PXE-E3A",
            "Cannot write %s: %s" % (self.path, runtime.why(error)),
            "ours",
            "cannot_write",
        )


def make(spec):
    """The sink of a job: {"kind": "null" | "memory" | "file", "path": ...}."""
    kind = spec.get("kind")
    if kind == "null":
        return Null()
    if kind == "memory":
        return Memory()
    if kind == "file" and spec.get("path"):
        return File(spec["path"])
    raise Refused("The job's sink must be null, memory, or a file with a path.")
