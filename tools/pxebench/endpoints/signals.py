"""Ctrl-C while a job runs elsewhere: noted here, passed on by the loop that reads its events."""

import signal
import threading

_NAMES = ("SIGINT", "SIGTERM", "SIGHUP")  # Windows has no SIGHUP
_NUMBERS = [getattr(signal, name) for name in _NAMES if hasattr(signal, name)]


class Signals:
    """A context in which Ctrl-C, SIGTERM and SIGHUP call `notify` instead of raising."""

    def __init__(self, notify):
        self.notify = notify
        self.before = {}

    def __enter__(self):
        if threading.current_thread() is threading.main_thread():
            for number in _NUMBERS:
                if signal.getsignal(number) != signal.SIG_IGN:  # nohup
                    self.before[number] = signal.signal(number, lambda *_: self.notify())

    def __exit__(self, *_):
        for number, handler in self.before.items():
            signal.signal(number, handler)
