"""The smallest loop that fetches a file: what `make bench` holds our own work against.

    smallest.py HOST:PORT NAME BLKSIZE OUT

Every check of a full block, the ACK first, then SHA-256 and the file; no time-out that is a ROM's,
no event, no other hazard. Runs on CPython and on MicroPython.
"""

import hashlib
import socket
import sys


def fetch(host, port, name, blksize, out):
    """Fetch one file; returns its SHA-256."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(socket.getaddrinfo("127.0.0.1", 0, socket.AF_INET)[0][-1])
    server = socket.getaddrinfo(host, port, socket.AF_INET)[0][-1]
    option = b"blksize\0%d\0" % blksize if blksize != 512 else b""
    sock.sendto(b"\0\1" + name.encode() + b"\0octet\0" + option, server)
    into = getattr(sock, "recvfrom_into", None)
    receive = into or sock.recvfrom
    send = sock.sendto
    digest = hashlib.sha256()
    update = digest.update
    ack = bytearray(b"\0\4\0\0")
    full = blksize + 4
    buffer = bytearray(full + 1)
    payload = memoryview(buffer)[4:full]
    taken = buffer if into else full + 1
    block = 1
    with open(out, "wb", *((1 << 18,) if into else ())) as file:
        write = file.write
        size, peer = receive(taken)
        if option:
            send(ack, peer)
            size, sender = receive(taken)
        else:
            sender = peer
        while True:
            if into:
                data = buffer
            else:
                data = size
                size = len(data)
                if size == full:
                    buffer[:full] = data
            if data[2] << 8 | data[3] != block or data[1] != 3 or data[0] or sender != peer:
                sys.exit("smallest: not the block that was expected")
            ack[2] = data[2]
            ack[3] = data[3]
            send(ack, peer)
            if size != full:
                break
            update(payload)
            write(payload)
            block = block + 1 & 0xFFFF
            size, sender = receive(taken)
        update(data[4:size])
        write(data[4:size])
    return digest.digest()


if __name__ == "__main__":
    where, _, number = sys.argv[1].partition(":")
    fetch(where, int(number), sys.argv[2], int(sys.argv[3]), sys.argv[4])
