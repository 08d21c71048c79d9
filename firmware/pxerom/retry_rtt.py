"""A retry timer that follows the round trips: loaded only for a ROM that has one.

iPXE's `retry.c` and its like: the first wait of a round is four times the smoothed round trip,
never less than the table's first entry, and each time-out doubles it. The table is the ladder of
a fresh timer; what it has more or less than the exact double (a clock's tick) is kept.

1. t := 7/8 t + r/2 after each round trip r; after a time-out the next replies, one for each, only
   use it up (Karn): t stays doubled until then.
2. One timer lives through a transfer: the request's waits are the first that it learns from.
3. It ends where the doubled t would be more than a quarter beyond the table, which for iPXE is
   its limit of 10 s; t itself never grows beyond that.
"""

from pxerom.retry import Retry
from pxerom.runtime import ticks_add, ticks_diff


class RttRetry(Retry):
    """As `Retry`, for one whole transfer."""

    def __init__(self, waits_ms):
        super().__init__(waits_ms)
        self._t = waits_ms[0]
        self._limit = (waits_ms[0] << len(waits_ms) - 1) * 5 // 4
        self._late = 0  # replies that teach nothing
        self._began = 0

    def sent(self, now):
        """A packet went out: again when a wait has expired before, which doubles t."""
        if self.sends:
            self._t *= 2
            self._late += 1
        self.sends += 1
        self._wait(now)

    def restart(self, now):
        """Progress: one round trip is over."""
        if self._late:
            self._late -= 1
        else:
            self._t += ticks_diff(now, self._began) // 2 - self._t // 8
        self._t = max(self.waits_ms[0], min(self._t, self._limit))
        self.sends = 1
        self._wait(now)

    def exhausted(self):
        """True when the doubled t is beyond the table."""
        return self._t * 2 > self._limit

    def waited_ms(self):
        """The wait that is running or has just expired, in ms."""
        first = self.waits_ms[0]
        step = 0
        while first << step + 1 <= self._t and step < len(self.waits_ms) - 1:
            step += 1
        return self._t + self.waits_ms[step] - (first << step)

    def _wait(self, now):
        self._began = now
        self.deadline = ticks_add(now, self.waited_ms())
