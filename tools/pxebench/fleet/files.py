"""What `fleet fetch` and `fleet boot` write for each board: the file it got, its packets.

    DIR/PLACE       of --out: what the board fetched, by way of its line
    DIR/PLACE.pcap  of --pcap: what it sent and received, as `captures.pcap` writes it

1. A folder that cannot be written is refused before any place is taken; one that is missing is
   made, but not the folder above it.
2. A capture is written however the board ended; what cannot be written is a trouble of its own,
   and changes nothing of what the board did.
"""

import os
from urllib.parse import quote

from pxebench.job import EXIT_BENCH, Refused, show


class Files:
    """`out`, `pcap`: the folders, or None; `rom`: flat, for the captures."""

    def __init__(self, out=None, pcap=None, rom=None):
        self.out = out
        self.pcap = pcap
        self.rom = rom
        self.troubles = []  # sentences: what could not be written
        self.captures = 0
        for option, folder in (("--out", out), ("--pcap", pcap)):
            if folder is not None:
                _folder(option, folder)

    def job(self, wanted, place):
        """The job `wanted`, as the board of a place has to run it."""
        wanted = dict(wanted)
        if self.out is not None:
            wanted["sink"] = {"kind": "file", "path": self.image(place)}
        if self.pcap is not None:
            wanted["trace"] = True
        return wanted

    def image(self, place):
        """Where the file of a place's board goes."""
        return os.path.join(self.out, _name(place))

    def capture(self):
        """A `captures.pcap.Capture` for one board, or None."""
        if self.pcap is None:
            return None
        from pxebench.captures.pcap import Capture

        return Capture("0.0.0.0", self.rom)

    def keep(self, place, capture):
        """Write the capture of a place's board."""
        path = os.path.join(self.pcap, _name(place) + ".pcap")
        try:
            capture.write(path)
            self.captures += 1
        except OSError as error:
            self.troubles.append(f"Cannot write {show(path)} for --pcap: {error.strerror}.")

    def lines(self, booted):
        """What was written, in words; `booted`: how many boards have a file."""
        if self.out is not None:
            yield f"  files     {booted} in {show(self.out)}, each named as its place"
        if self.pcap is not None:
            yield f"  captures  {self.captures} in {show(self.pcap)}, PLACE.pcap each"


def _name(place):
    # A place may have any name; what cannot stand in a file's name is percent-encoded.
    return quote(place, safe=" ")


def _folder(option, folder):
    if folder in ("", "-"):
        raise Refused(f"{option} of a fleet takes a folder: there is a file for each board.")
    try:
        if not os.path.isdir(folder):
            os.mkdir(folder)
    except OSError as error:
        raise Refused(
            f"Cannot make the folder {show(folder)} for {option}: {error.strerror}.", EXIT_BENCH
        ) from None
    if not os.access(folder, os.W_OK | os.X_OK):
        raise Refused(f"Cannot write into {show(folder)} for {option}: no permission.", EXIT_BENCH)
