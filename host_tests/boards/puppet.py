"""Plays the peers of a board that has no loopback (`on_board/peer.py`): a program for its network.

puppet.py HOST PORT; prints one line once it listens, and runs until it is ended. A question is a
line of words, and data behind it: `open` (answer: the port of a new socket), `close PORT`,
`send PORT TO_HOST TO_PORT` (then the data), `receive PORT MS` (answer: a line with the sender's
host and port and the datagram, or an empty one).
"""

import socket
import sys


def _bound(host, port=0):
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind((host, port))
    return sock


def _answer(host, peers, words, data):
    name, *rest = words
    if name == "open":
        made = _bound(host)
        port = made.getsockname()[1]
        peers[port] = made
        return b"%d" % port
    peer = peers[int(rest[0])]
    if name == "close":
        peers.pop(int(rest[0])).close()
    elif name == "send":
        peer.sendto(data, (rest[1], int(rest[2])))
    elif name == "receive":
        peer.settimeout(max(0.001, int(rest[1]) / 1000))
        try:
            datagram, sender = peer.recvfrom(2000)
        except TimeoutError:
            return b"\n"
        return b"%s %d\n%s" % (sender[0].encode(), sender[1], datagram)
    return b"done"


def main(host, port):
    ear = _bound(host, port)
    print("listening", flush=True)
    peers = {}
    while True:
        question, sender = ear.recvfrom(2000)
        line, _, data = question.partition(b"\n")
        ear.sendto(_answer(host, peers, line.decode().split(), data), sender)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
