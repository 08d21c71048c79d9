"""The retry timer: when to send again, and when to stop. A table, not a formula; no clock.

A real ROM has its waits as a table (Intel: 2.03, 4.01, 5.99, 7.96, 9.94 s), so a schedule is a
list of waits in ms, one for each successive send. The caller passes `now` in ticks. What is sent
again is decided in `tftp`. A timer that follows RTT samples is in `retry_rtt`.

1. Each send takes the next wait; after the last wait there is no further send.
2. Only progress starts the table again (R-TFTP-72).
"""

from pxerom.runtime import ticks_add, ticks_diff


class Retry:
    """Timer of one phase. `waits_ms`: list of waits, in ms, one for each successive send."""

    def __init__(self, waits_ms):
        self.waits_ms = waits_ms
        self.sends = 0
        self.deadline = 0

    def sent(self, now):
        """A packet went out: wait for the table's next entry from `now`."""
        self.deadline = ticks_add(now, self.waits_ms[self.sends])
        self.sends += 1

    def restart(self, now):
        """Progress: the packet just sent is the first of a new round."""
        self.sends = 1
        self.deadline = ticks_add(now, self.waits_ms[0])

    def left_ms(self, now):
        """Milliseconds until the timer expires; zero or less when it has."""
        return ticks_diff(self.deadline, now)

    def exhausted(self):
        """True when the table has no further send."""
        return self.sends >= len(self.waits_ms)

    def waited_ms(self):
        """The wait that is running or has just expired, in ms."""
        return self.waits_ms[self.sends - 1]
