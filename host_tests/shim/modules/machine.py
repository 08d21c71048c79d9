"""Do not copy this to a board: it stands in for the board's `machine`, on a PC.

A watchdog here resets nothing: it notes the longest time that it was not fed for.
"""

import time

timers = []


class Pin:
    """A pin that knows its number."""

    OUT = 1
    IN = 0

    def __init__(self, number, mode=None):
        self.number = number

    def __eq__(self, other):
        return self.number == other.number


class SPI:
    """A bus that knows what it was made of."""

    def __init__(self, number, baudrate, **pins):
        self.number = number
        self.pins = pins


class WDT:
    """A watchdog; `started` is the one that was made last, as there is only one on a board."""

    started = None

    def __init__(self, timeout):
        WDT.started = self
        self.timeout = timeout
        self.feeds = 0
        self.longest_ms = 0
        self._fed = time.ticks_ms()

    def feed(self):
        now = time.ticks_ms()
        self.longest_ms = max(self.longest_ms, time.ticks_diff(now, self._fed))
        self._fed = now
        self.feeds += 1


class Timer:
    """A timer that never fires by itself."""

    only_hardware = False  # as on an ESP32 before 1.27

    def __init__(self, number):
        if number < 0 and self.only_hardware:
            raise ValueError("invalid Timer number")
        timers.append(self)

    def init(self, period, callback):
        self.period = period
        self.callback = callback
