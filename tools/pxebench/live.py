"""One line on a terminal that replaces itself while something lasts. Nothing is written into a
pipe, a file or a terminal that cannot go back on its line (TERM=dumb). The line is cut to the
terminal's width: a longer one could not be erased.

1. A wait is shown once it has lasted `_SOON_S`: most are over before that.
2. What the ROM will do next is read from its ROM file, as the firmware does; the events say how
   far it is.
"""

import os
import time

from pxebench import colour
from pxebench.dhcp_wait import DhcpWait
from pxebench.options import span

_SOON_S = 1.0
_TURN_S = 3  # how long each of two texts is shown that do not fit side by side


class Line:
    """The line, on a `view.Writer`; `quiet`: never anything."""

    def __init__(self, writer, quiet=False):
        self.writer = writer
        self.shown = ""
        self._since = 0.0  # when it came up
        self.on = not quiet and writer.is_terminal() and os.environ.get("TERM") != "dumb"

    def show(self, *texts):
        """Show the texts side by side, or in turns where they do not fit, the first first."""
        if not self.on:
            return
        if not self.shown:
            self._since = time.monotonic()
        room = colour.width(self.writer.stream) - 1
        text = "; ".join(texts)
        if len(text) > room and len(texts) > 1:
            turn = int((time.monotonic() - self._since) / _TURN_S)
            text = texts[turn % len(texts)]
        text = text if len(text) <= room else text[: room - 3] + "..."
        if text != self.shown:
            self.writer.write("\r\x1b[K" + text)
            self.shown = text

    def above(self, text):
        """A line that stays; the live line is drawn again below it."""
        self.hide()
        self.writer.line(text)

    def hide(self):
        """Erase the line."""
        if self.shown:
            self.writer.write("\r\x1b[K")
            self.shown = ""


class Waiting:
    """What a job waits for, in words.  `rom`: flat, for its waits; `max_time_ms`: of the job, or
    None; `now`: the clock, in seconds."""

    def __init__(self, rom, max_time_ms=None, now=time.monotonic):
        self.rom = rom
        self.max_time_s = max_time_ms and max_time_ms / 1000
        self.now = now
        self.began = now()
        self.since = now()  # the last event
        self._what = None  # "request", "data", "dhcp"; None: nothing is waited for
        self._event = {}
        self._dhcp = DhcpWait(rom.get("dhcp"))
        self._requests = 0
        self._transfer = -1
        self._sends = 0  # of the packet that is waited for
        self._blocks = 0
        self._icmp = 0

    def event(self, event):
        """Take an event in; packets are passed over."""
        kind = event["event"]
        if kind == "packet":
            return
        if kind == "unreachable":
            self._icmp += 1
            return
        self.since = self.now()
        if kind == "request":
            if event["transfer"] != self._transfer:
                self._transfer, self._sends, self._blocks = event["transfer"], 0, 0
            self._what, self._event = "request", event
            self._requests += 1
            self._sends += 1
        elif kind in ("oack", "data", "progress"):
            self._what, self._sends = "data", 1
            self._blocks = event.get("blocks", self._blocks)
        elif kind == "timeout" and event["phase"] == "read":
            self._sends += 1
        elif kind in ("dhcp", "offer", "nak", "lease", "boot"):
            self._what = "dhcp" if self._dhcp.event(event, self.since) else None
        elif kind in ("prompt", "menu", "image", "failed", "aborted", "error"):
            self._what = None

    def texts(self):
        """The texts of the line, or () while there is nothing to wait for."""
        waited = self.now() - self.since
        if self._what is None or waited < _SOON_S:
            return ()
        if self._what == "dhcp":
            head, rest_s = self._dhcp.text(self.now())
            return head, self._end(rest_s)
        waits = self._waits()
        left_s = waits[min(self._sends, len(waits)) - 1] / 1000 - waited
        last = self._sends >= len(waits)
        if self._what == "data":
            head = f"nothing after block {self._blocks}"
            then = "gives up" if last else "the ACK again"
        else:
            head = f"request {self._requests} from {self._event['source_port']}"
            then = "next" if not last or self._goes_on() else "gives up"
        head += f"; {then} in {max(0, left_s):.0f} s"
        if self._icmp:
            head += f"; ICMP unreachable {self._icmp} time{'s' * (self._icmp > 1)}"
        rest_s = left_s + sum(waits[self._sends :]) / 1000
        if self._what == "request":
            rest_s += self._later_s()
        return head, self._end(rest_s)

    def _phase(self, purpose):
        retry = self.rom["tftp"]["retry"]
        return retry["size"] if purpose == "size" and retry["size"] else retry["open"]

    def _waits(self):
        if self._what == "data":
            return self.rom["tftp"]["retry"]["read"]["waits_ms"]
        return self._phase(self._event["purpose"])["waits_ms"]

    def _goes_on(self):
        return self._phase(self._event["purpose"])["then"] == "next" and self._following()

    def _following(self):
        return self.rom["tftp"]["requests"][self._transfer + 1 :]

    def _later_s(self):
        # The requests that the ROM file has after this one.
        if not self._goes_on():
            return 0
        total_ms = 0
        for request in self._following():
            phase = self._phase(request["purpose"])
            total_ms += sum(phase["waits_ms"])
            if phase["then"] != "next":
                break
        return total_ms / 1000

    def _end(self, rest_s):
        ends = None if self.max_time_s is None else self.max_time_s - (self.now() - self.began)
        if ends is not None and (rest_s is None or ends < rest_s):
            words = f"--max-time ends it in {_seconds(ends)}"
        elif rest_s is None:
            words = "--max-time TIME would end it"
        else:
            words = f"the ROM gives up in {_seconds(rest_s)} (--max-time: sooner)"
        return f"{words}; Ctrl-C says what is known"


def _seconds(count):
    return span(max(0, round(count)) * 1000)
