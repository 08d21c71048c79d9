"""ICMP errors that nobody's packet has caused: `forged_icmp.py CLIENT SERVER FIRST LAST`.

To each of the client's ports in turn, over and over: one for a packet to the server's port 69, one
for a packet to another host. Type 3 with codes 3, 13 and 4, and type 12, which Linux reports as
different errno.
"""

import itertools
import socket
import struct
import sys
import time

_KINDS = ((3, 3), (3, 13), (3, 4), (12, 0))
_ELSEWHERE = "192.0.2.9"


def _checksum(data):
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def error(kind, code, client, port, server):
    """The ICMP message: its head, and the first 8 bytes of the datagram behind its IP header."""
    ends = socket.inet_aton(client) + socket.inet_aton(server)
    quoted = struct.pack(">BBHHHBBH", 0x45, 0, 60, 1, 0, 64, 17, 0) + ends
    quoted += struct.pack(">HHHH", port, 69, 40, 0)
    rest = 1400 if (kind, code) == (3, 4) else 0
    head = struct.pack(">BBHI", kind, code, 0, rest)
    return struct.pack(">BBHI", kind, code, _checksum(head + quoted), rest) + quoted


def main(client, server, first, last):
    raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
    ports = range(int(first), int(last) + 1)
    print("forging", flush=True)
    for port, (kind, code), whom in itertools.cycle(
        itertools.product(ports, _KINDS, (server, _ELSEWHERE))
    ):
        raw.sendto(error(kind, code, client, port, whom), (client, 0))
        time.sleep(0.0005)


if __name__ == "__main__":
    main(*sys.argv[1:])
