"""What a person sees while a fleet is at work: one line on a terminal; with -v, each step.

    12 ready, 2 preparing, 1 dead; 7 s for board07, board11; Ctrl-C says what is known

The line is `live.Line`; with `-v` a line stays for each board's step, on stderr, wherever it goes.
"""

import sys
import time

from pxebench.job import show
from pxebench.live import Line
from pxebench.options import span
from pxebench.view import Writer

_SOON_S = 2  # what lasts longer is said by name
_MOST_NAMES = 3
_BUSY = ("preparing", "running")
_ENDS = "Ctrl-C says what is known"


class Progress:
    """`max_time_ms`: of each boot, or None; `now`: the clock, in seconds."""

    def __init__(self, quiet, verbose=False, max_time_ms=None, stream=None, now=time.monotonic):
        self.line = Line(Writer(stream or sys.stderr), quiet)
        self.verbose = verbose
        self.max_time_s = max_time_ms and max_time_ms / 1000
        self.now = now
        self.began = now()
        self._since = {}  # {place: (state, since when)}

    def say(self, text):
        """A line that stays."""
        self.line.above(text)

    def lab(self, text):
        """What the coordinator is asked for now; None: nothing any more."""
        if text is None:
            self.line.hide()
        else:
            self.line.show(text)

    def change(self, member, state):
        """A board has come to a state."""
        self._since[member.place.name] = (state, self.now())
        if self.verbose:
            words = f"{state}, {show(member.text)}" if member.text else state
            name = show(member.place.name)
            self.line.above(f"+{self.now() - self.began:.3f}  {name}  {words}")

    def look(self, members):
        """To be called now and then, until all are over."""
        if not self.line.on:
            return
        if all(one.over for one in members):
            self.line.hide()
            return
        counts = {}
        for one in members:
            counts[one.state] = counts.get(one.state, 0) + 1
        head = ", ".join(f"{count} {state}" for state, count in counts.items())
        waits = self._waits(members)
        self.line.show(head, f"{waits}; {_ENDS}" if waits else _ENDS)

    def _waits(self, members):
        # The boards that have kept the others waiting for longest, and when it ends.
        busy = [
            (self._since[one.place.name][1], one.place.name)
            for one in members
            if one.state in _BUSY and one.place.name in self._since
        ]
        if not busy:
            return None
        since = min(busy)[0]
        waited = self.now() - since
        if waited < _SOON_S:
            return None
        names = [show(name) for _, name in sorted(busy)]
        more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
        words = f"{waited:.0f} s for {', '.join(names[:_MOST_NAMES])}{more}"
        if self.max_time_s and any(one.state == "running" for one in members):
            left_s = max(0, round(self.max_time_s - waited))
            words += f", --max-time ends it in {span(left_s * 1000)}"
        return words
