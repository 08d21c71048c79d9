"""CPython's half of `runtime`: MicroPython's clock, and stubs for what a PC does not need.

Only `runtime` and `icmp` import it; a board does not carry it.
"""

import socket
import struct
import sys
import time

_LINUX = sys.platform == "linux"
_SOL_IP = 0
_IP_RECVERR = 11
_MSG_ERRQUEUE = 0x2040  # and do not wait
_OF_ICMP = 2  # SO_EE_ORIGIN_ICMP


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


def address(host, port):
    # As bytes: with text, CPython would load its IDNA tables.
    return socket.getaddrinfo(host.encode(), port, socket.AF_INET)[0][-1]


def recvfrom_into(sock):
    return sock.recvfrom_into


def tidy():
    pass


def forget(module):
    pass


def icmp_errors(sock, errno):
    # struct sock_extended_err and the sender's sockaddr_in, of ip(7): IP_RECVERR.
    found = []
    sock.setblocking(False)
    while _LINUX:
        try:
            _, notes, _, to = sock.recvmsg(512, 128, _MSG_ERRQUEUE)
        except OSError:
            break
        for level, kind, data in notes:
            if (level, kind) == (_SOL_IP, _IP_RECVERR) and len(data) >= 24:
                number, origin, icmp_type, code = struct.unpack_from("=IBBB", data)
                if origin == _OF_ICMP:
                    found.append((number, icmp_type, code, ".".join(map(str, data[20:24])), to))
    # An empty queue: this machine itself refused, it has no route.
    return found or [(errno, None, None, None, None)]


def set_timeout(sock, wait_ms):
    # The kernel's own time-out: Python's would cost one more system call for each packet.
    if _LINUX:
        sock.setblocking(True)
        timeval = struct.pack("ll", wait_ms // 1000, wait_ms % 1000 * 1000)
        option = socket.SO_RCVTIMEO  # pyright: ignore[reportAttributeAccessIssue]
        sock.setsockopt(socket.SOL_SOCKET, option, timeval)
    else:
        sock.settimeout(wait_ms / 1000)
