"""What differs between boards, the MicroPython unix port and CPython: all of it, and only here.

The rest of pxerom imports names from this file and never asks which interpreter it runs on. Each
difference has a comment that says why it exists. What only CPython needs is in `runtime_cpython`;
the other modules import it from here.

1. A time is a tick count; two of them are only ever compared with `ticks_diff`.
2. A socket address is opaque (a tuple here, packed bytes there): `address` makes one, `split`
   reads one, `==` compares two.
3. A time-out is told from an error by `TIMED_OUT`, never by one port's errno.
"""

import gc
import os
import socket
import sys
import time

MICROPYTHON = sys.implementation.name == "micropython"
LINUX = sys.platform == "linux"
ESP32 = sys.platform == "esp32"

if MICROPYTHON:
    from time import sleep_ms, ticks_add, ticks_diff, ticks_ms, ticks_us

    from micropython import const
else:
    from pxerom.runtime_cpython import (
        address,
        const,
        forget,
        recvfrom_into,
        set_timeout,
        sleep_ms,
        ticks_add,
        ticks_diff,
        ticks_ms,
        ticks_us,
        tidy,
    )


# The numbers are the same wherever an interpreter lacks the name: errno.h of Linux and newlib.
ENOENT = const(2)
# What an OSError's errno may be when nothing came in time (CPython: None), when another socket
# holds the port, and when an ICMP error is reported: newlib (ESP32) and Linux differ. Linux has
# one for each ICMP code, some of which anybody can forge (ip(7), IP_RECVERR).
TIMED_OUT = (None, 11, 110, 116)
IN_USE = (98, 112)
UNREACHABLE = (111, 101, 113, 118) + ((64, 71, 90, 92, 95, 112) if LINUX else ())
# lwIP has no memory, or no socket, to spare just now: ENOMEM, ENFILE (ESP32), ENOBUFS.
NO_ROOM = (12, 23, 105)

# The step of a socket's timeout, in ms.
STEP_MS = 100 if ESP32 else 1

# A ROM drops what still arrives at a port it has left; a host's stack answers it with ICMP port
# unreachable, unless the socket stays open. lwIP on rp2 has three or four UDP sockets in all.
KEPT_SOCKETS = 64 if LINUX else 2

# The datagrams that a socket keeps until they are read; None: more than any window. lwIP on rp2
# (extmod/modlwip.c: one before MicroPython 1.26), and on an ESP32.
QUEUE = None
if ESP32:
    QUEUE = 6
elif MICROPYTHON and not LINUX:
    QUEUE = 4 if sys.implementation.version[:2] >= (1, 26) else 1

_SOL_IP = const(0)
_IP_RECVERR = const(11)


def why(error):
    """The reason of an OSError in words: the same on every interpreter."""
    from pxerom.pxe_codes import of_errno

    return of_errno(error.errno)


def is_ipv4(text):
    """True for a numeric IPv4 address without leading zeros: lwIP and Linux read those as octal,
    010.9.0.1 as 8.9.0.1. It is one when its four numbers give the very same text."""
    try:
        parts = tuple(map(int, text.split(".")))
    except (ValueError, AttributeError):
        return False
    if len(parts) != 4 or min(parts) < 0 or max(parts) > 255:
        return False
    return "%d.%d.%d.%d" % parts == text


def is_uuid(text):
    """True for 32 hexadecimal digits, with hyphens or without."""
    digits = text.replace("-", "") if isinstance(text, str) else ""
    return len(digits) == 32 and not digits.strip("0123456789abcdefABCDEF")


def split(sender):
    """(host, port) of an address that `recvfrom` returned."""
    if isinstance(sender, tuple):
        return sender[0], sender[1]
    # struct sockaddr_in: family (2, host order), port (2, network order), IPv4 (4)
    return "%d.%d.%d.%d" % tuple(sender[4:8]), sender[2] << 8 | sender[3]


def watch_icmp(sock):
    """Ask Linux to report ICMP errors on an unconnected socket; elsewhere nothing can see them."""
    if LINUX:
        try:
            sock.setsockopt(_SOL_IP, _IP_RECVERR, 1)
        except OSError:
            pass  # an old kernel or a sandbox: the transfer works, ICMP errors are not reported


def random_below(limit):
    """A number in 0..limit-1 from the system's generator (R-SEC-20)."""
    return int.from_bytes(os.urandom(4), "big") % limit


def free_bytes(path):
    """Bytes that a file in the folder of `path` may still take, or None where unknown."""
    folder = path.rpartition("/")[0] or ("/" if path[:1] == "/" else ".")
    try:
        stat = os.statvfs(folder)
    except (OSError, AttributeError):
        return None
    free = stat[4]
    # littlefs, on a board: two words in each block, and blocks for the folder's own entries.
    if MICROPYTHON and not LINUX:
        free = max(0, free - 3 - free // 256)
    return stat[1] * free


# Atomic on littlefs and on every POSIX system; os.replace is what Windows needs.
replace = getattr(os, "replace", os.rename)


def version():
    """Name and version of the interpreter, for the result."""
    name = "MicroPython" if MICROPYTHON else "CPython"
    return "%s %d.%d.%d %s" % ((name,) + tuple(sys.implementation.version[:3]) + (sys.platform,))


def epoch_us():
    """Wall clock in microseconds since 1970, or None where the clock was never set."""
    try:
        now = time.time_ns() // 1000
    except AttributeError:
        return None
    return now if now > 1700000000000000 else None  # a board starts in 2000 or 2021


def write_out(text):
    """Write text to standard output at once; raises OSError when nobody reads it any more."""
    sys.stdout.write(text)
    if not MICROPYTHON:
        sys.stdout.flush()


def no_file(path):
    """Why a file cannot take the place of what `path` names already; None when it can."""
    try:
        kind = os.stat(path)[0] & 0xF000
    except OSError:
        return None  # nothing is there
    return {0x8000: None, 0x4000: "it is a folder"}.get(kind, "it is no ordinary file")


def open_for_writing(path):
    """A binary file to write to, with a large buffer where memory is no concern."""
    return open(path, "wb") if MICROPYTHON else open(path, "wb", 1 << 18)


if MICROPYTHON:

    def address(host, port):
        """What `bind` and `sendto` take for a numeric IPv4 host: a tuple, on the unix port
        bytes."""
        return socket.getaddrinfo(host, port, socket.AF_INET)[0][-1]

    def recvfrom_into(sock):
        """A socket's receive into a buffer, as CPython's; None where it has none."""
        if LINUX:
            try:
                from pxerom import runtime_unix
            except ImportError:
                return None  # a deployment, tried on the unix port
            return runtime_unix.recvfrom_into(sock)

    def tidy():
        """Collect garbage now; on a board from now on also whenever an eighth of its heap was
        allocated: the longer datagrams spread over the heap, the longer the search for free memory
        takes."""
        gc.collect()
        if not LINUX:
            gc.threshold((gc.mem_alloc() + gc.mem_free()) // 8)

    def forget(module):
        """Give a module's memory back to the board, once its work is done."""
        del sys.modules["pxerom." + module]
        delattr(sys.modules["pxerom"], module)

    def set_timeout(sock, wait_ms):
        """Let a receive wait for so many milliseconds. What is shorter than a step is slept
        here."""
        if ESP32:
            # lwIP waits one step longer than asked: all of a ROM's retries would be late.
            if wait_ms < STEP_MS:
                sleep_ms(wait_ms)
                wait_ms = 0
            else:
                wait_ms = wait_ms // STEP_MS * STEP_MS - 50
        sock.settimeout(wait_ms / 1000)
