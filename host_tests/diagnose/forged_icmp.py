"""ICMP errors that nobody's packet has caused: `forged_icmp.py CLIENT SERVER FIRST LAST`.

To a client's port: one for a packet to the server's port 69, one for a packet to another host, of
type 3 with codes 3, 13 and 4, and of type 12, which Linux reports as different errno. Each port in
turn, over and over; and all of them at once for the port of an RRQ that is seen to pass, because a
fetch of milliseconds may end before its port's turn.
"""

import itertools
import select
import socket
import struct
import sys

_KINDS = ((3, 3), (3, 13), (3, 4), (12, 0))
_ELSEWHERE = "192.0.2.9"
_ETH_P_IP = 0x0800
_IP, _UDP = 14, 34  # where the headers begin: Ethernet, IPv4 without options


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


def asking_port(frame, client):
    """The client's port, if the Ethernet frame is a request of it to port 69; else None."""
    protocol, sender = frame[_IP + 9 : _IP + 10], frame[_IP + 12 : _IP + 16]
    if protocol != b"\x11" or sender != socket.inet_aton(client):
        return None
    source, target = struct.unpack(">HH", frame[_UDP : _UDP + 4])
    return source if target == 69 else None


def main(client, server, first, last):
    raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
    seen = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ETH_P_IP))
    ports = range(int(first), int(last) + 1)
    of_port = list(itertools.product(_KINDS, (server, _ELSEWHERE)))
    in_turn = itertools.cycle(itertools.product(ports, of_port))

    def forge(port, kind, code, whom):
        raw.sendto(error(kind, code, client, port, whom), (client, 0))

    print("forging", flush=True)
    while True:
        ready, _, _ = select.select([seen], [], [], 0.0005)
        if not ready:
            port, ((kind, code), whom) = next(in_turn)
            forge(port, kind, code, whom)
        elif (port := asking_port(seen.recv(2048), client)) in ports:
            for (kind, code), whom in of_port:
                forge(port, kind, code, whom)


if __name__ == "__main__":
    main(*sys.argv[1:])
