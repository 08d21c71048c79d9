"""A receive into a buffer for MicroPython's unix port, which has none.

Its own `recvfrom` makes two objects for each datagram and hashes every byte of it: with the
allocation, this takes as long as all other work for a block but SHA-256. The C library's takes a
buffer. Only `runtime` imports this; a board does not carry it.
"""

import os
from array import array

try:
    import ffi  # pyright: ignore[reportMissingImports]
except ImportError:
    ffi = None

_EINTR = 4
_SOCKADDR_IN = 16  # bytes


def recvfrom_into(sock):
    """A function as CPython's `recvfrom_into` of this socket; None without ffi."""
    if not ffi:
        return None
    call = ffi.open(None).func("l", "recvfrom", "ipLipp")
    fd = sock.fileno()
    source = bytearray(_SOCKADDR_IN)
    length = array("I", (_SOCKADDR_IN,))
    sender = b""

    def receive(buffer):
        nonlocal sender
        while True:
            size = call(fd, buffer, len(buffer), 0, source, length)
            if size >= 0:
                break
            errno = os.errno()  # pyright: ignore[reportAttributeAccessIssue]
            if errno != _EINTR:  # a signal: let a Ctrl-C be seen at once
                raise OSError(errno)
        if source != sender:
            sender = bytes(source)
        return size, sender

    return receive
