"""A TFTP server with one fault, for a namespace: `faulty_server.py FAULT HOST PORT FOLDER`.

The server is `scripted`'s; a fault is a class with one different answer. It repeats a packet four
times, a second apart, and closes finished transfers.
"""

import functools
import re
import sys
import threading
import time
from pathlib import Path

from host_tests.core.packets import error
from host_tests.lab.scripted import Transfer, serve

_TRIES = 5


class OptionsError(Transfer):
    """Answers an RRQ with options by ERROR 8, any other correctly."""

    def refusal(self):
        return error(8, "Option negotiation failed") if self.asked else super().refusal()


class TsizeError(Transfer):
    """Answers an RRQ with tsize by ERROR 8, any other correctly."""

    def refusal(self):
        asked = "tsize" in self.asked
        return error(8, "Option negotiation failed") if asked else super().refusal()


class AbortedProbe(Transfer):
    """After a client has ended a transfer with tsize, RRQs are ignored for 15 s."""

    def receive(self, packet):
        if packet[:2] == b"\0\5" and "tsize" in self.asked:
            self.server.deaf_until = time.monotonic() + 15
        super().receive(packet)


class Slow(Transfer):
    """Waits 1.6 s before each first answer."""

    def begin(self, number):
        self.resend_at = time.monotonic() + 1.6


class Drip(Transfer):
    """Waits 20 ms before each block."""

    drip_s = 0.02


class Error(Transfer):
    """Answers each RRQ with ERROR 0."""

    def refusal(self):
        return error(0, "The disk is asleep")


class Unasked(Transfer):
    """Grants an option that was not asked for, where the RRQ has any."""

    def granted(self):
        granted = super().granted()
        return {**granted, "multicast": "239.1.1.1,1758,1"} if granted else granted


class NoFinal(Transfer):
    """Leaves out the empty block that ends a file of full blocks."""

    @functools.cached_property
    def blocks(self):
        return -(-len(self.content) // self.blksize)


class NoRollover(Transfer):
    """Ignores options, and sends no block after 65,535."""

    known = ()

    @functools.cached_property
    def blocks(self):
        return min(super().blocks, 0xFFFF)


class Oversize(Transfer):
    """Sends blocks that are 100 bytes longer than agreed."""

    def part(self, begin, end):
        return super().part(begin, end + 100)


class Twice(Transfer):
    """Sends each DATA twice."""

    def send(self, packet):
        super().send(packet)
        if packet[:2] == b"\0\3":
            super().send(packet)


class TsizeLies(Transfer):
    """Grants a tsize of half the size."""

    def size(self):
        return super().size() // 2


class Larger(Transfer):
    """Grants twice the blksize that was asked for."""

    def granted(self):
        granted = super().granted()
        if "blksize" in granted:
            granted["blksize"] = str(2 * int(granted["blksize"]))
        return granted


class HardBlksize(Transfer):
    """Ignores options, and sends blocks of 1468 bytes all the same."""

    known = ()
    default_blksize = 1468


class DeafToError(Transfer):
    """Ignores an ERROR, and goes on repeating its packet."""

    def receive(self, packet):
        if packet[:2] != b"\0\5":
            super().receive(packet)


class EchoError(Transfer):
    """Answers an ERROR by an ERROR."""

    def receive(self, packet):
        if packet[:2] == b"\0\5":
            self.send(error(0, "Error packet received"))
        super().receive(packet)


def name(fault):
    """A fault's name: no-final for NoFinal."""
    return re.sub("(?<=[a-z])(?=[A-Z])", "-", fault.__name__).lower()


FAULTS = {name(fault): fault for fault in Transfer.__subclasses__()}


def main(fault, host, port, folder):
    files = {path.name: path.read_bytes() for path in Path(folder).iterdir()}
    with serve(files, host=host, port=int(port), transfer=FAULTS[fault], tries=_TRIES):
        threading.Event().wait()


if __name__ == "__main__":
    main(*sys.argv[1:])
