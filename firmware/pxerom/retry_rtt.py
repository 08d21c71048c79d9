"""A retransmission timer that uses RTT samples. Loaded only for ROMs that have one.

As iPXE's `retry.c`: the retransmission timeout t is about four times the smoothed RTT, and at
least the first entry of the retry table. Each timeout doubles t. The table holds the waits of a
new timer; where an entry is not exactly twice the one before (clock ticks), the difference stays.

1. After an RTT sample r: t := 7/8 t + r/2. After n timeouts the next n replies give no sample
   (Karn), so the doubled t stays.
2. One timer serves a whole transfer; the reply to the RRQ is its first sample.
3. The timer gives up when the doubled t would exceed the last entry by more than a quarter (10 s
   in iPXE). t never exceeds that limit.
"""

from pxerom.retry import Retry
from pxerom.runtime import ticks_add, ticks_diff


class RttRetry(Retry):
    """As `Retry`, for one whole transfer."""

    def __init__(self, waits_ms):
        super().__init__(waits_ms)
        self._t = waits_ms[0]
        self._limit = (waits_ms[0] << len(waits_ms) - 1) * 5 // 4
        self._late = 0  # replies that give no RTT sample
        self._began = 0

    def sent(self, now):
        """A packet was sent; a retransmission doubles t."""
        if self.sends:
            self._t *= 2
            self._late += 1
        self.sends += 1
        self._wait(now)

    def restart(self, now):
        """Progress: a reply came, which is an RTT sample unless it follows a timeout."""
        if self._late:
            self._late -= 1
        else:
            self._t += ticks_diff(now, self._began) // 2 - self._t // 8
        self._t = max(self.waits_ms[0], min(self._t, self._limit))
        self.sends = 1
        self._wait(now)

    def exhausted(self):
        """True when the doubled t exceeds the limit."""
        return self._t * 2 > self._limit

    def waited_ms(self):
        """The current wait, or the one that has just expired, in ms."""
        first = self.waits_ms[0]
        step = 0
        while first << step + 1 <= self._t and step < len(self.waits_ms) - 1:
            step += 1
        return self._t + self.waits_ms[step] - (first << step)

    def _wait(self, now):
        self._began = now
        self.deadline = ticks_add(now, self.waited_ms())
