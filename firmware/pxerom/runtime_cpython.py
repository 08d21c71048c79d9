"""CPython's half of `runtime`: MicroPython's clock, and what a PC has no need of.

Only `runtime` imports it; a board does not carry it.
"""

import socket
import struct
import sys
import time

_LINUX = sys.platform == "linux"


def const(value):
    return value


def sleep_ms(wait_ms):
    time.sleep(wait_ms / 1000)


def ticks_ms():
    return time.monotonic_ns() // 1000000  # pyright: ignore[reportAttributeAccessIssue]


def ticks_us():
    return time.monotonic_ns() // 1000  # pyright: ignore[reportAttributeAccessIssue]


def ticks_diff(later, earlier):
    return later - earlier


def ticks_add(ticks, delta):
    return ticks + delta


def tidy():
    pass


def forget(module):
    pass


def set_timeout(sock, wait_ms):
    # The kernel's own time-out: Python's would cost one more system call for each packet.
    if _LINUX:
        sock.setblocking(True)
        timeval = struct.pack("ll", wait_ms // 1000, wait_ms % 1000 * 1000)
        option = socket.SO_RCVTIMEO  # pyright: ignore[reportAttributeAccessIssue]
        sock.setsockopt(socket.SOL_SOCKET, option, timeval)
    else:
        sock.settimeout(wait_ms / 1000)
