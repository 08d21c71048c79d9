"""Whether a DATA datagram came in pieces (IP fragments), as the kernel says of that datagram.

The kernel's counter of reassembled datagrams includes those of other programs. IP_RECVFRAGSIZE
(Linux 4.12, ip(7)) is of one datagram.
"""

import contextlib
import socket
import struct
import time

_RECVFRAGSIZE = 25  # socket.IP_RECVFRAGSIZE is not in every Python
_DATA, _OACK = 3, 6


def in_pieces(server, port, name, size, bind=None, from_port=0, wait_ms=1500):
    """True when the first DATA of `size` bytes came in pieces, False when it came whole, None
    where it did not come or the kernel does not say. `name`: bytes; one transfer, ended with an
    ERROR."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        try:
            sock.setsockopt(socket.IPPROTO_IP, _RECVFRAGSIZE, 1)
            sock.bind((bind or "", from_port))
        except OSError:
            return None
        request = b"\0\1" + name + b"\0octet\0blksize\0" + str(size).encode() + b"\0"
        _, peer, _ = _answer(sock, request, (server, port), _OACK, wait_ms)
        if peer is None:
            return None
        data, peer, largest = _answer(sock, b"\0\4\0\0", peer, _DATA, wait_ms)
        if peer is None:
            return None
        with contextlib.suppress(OSError):
            sock.sendto(b"\0\5\0\0TFTP Aborted\0", peer)
        return largest > 0 if len(data) == size + 4 else None


def _answer(sock, packet, to, opcode, wait_ms):
    # (datagram, its sender, size of its largest fragment or 0); (b"", None, 0) where none came.
    end = time.monotonic() + wait_ms / 1000
    try:
        sock.sendto(packet, to)
        while (left_s := end - time.monotonic()) > 0:
            sock.settimeout(left_s)
            data, told, _, peer = sock.recvmsg(65536, 64)
            if peer[0] == to[0] and data[:2] == bytes((0, opcode)):
                sizes = [struct.unpack("i", value)[0] for _, kind, value in told
                         if kind == _RECVFRAGSIZE]  # fmt: skip
                return data, peer, max(sizes, default=0)
    except OSError:
        pass
    return b"", None, 0
