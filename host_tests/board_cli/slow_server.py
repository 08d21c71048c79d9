"""A TFTP server that takes its time, for one client: `slow_server.py HOST PORT DELAY_S BLOCKS`."""

import socket
import sys
import time

host, port, delay_s, blocks = sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4])
listener = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
listener.bind((host, port))
while True:
    request, client = listener.recvfrom(2048)
    answers = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    answers.bind((host, 0))
    answers.settimeout(5)
    if b"tsize" in request:
        answers.sendto(b"\0\6tsize\0%d\0" % (blocks * 512), client)
        continue
    try:
        for block in range(1, blocks + 1):
            size = 0 if block == blocks else 512
            answers.sendto(b"\0\3" + block.to_bytes(2, "big") + bytes(size), client)
            answers.recv(2048)
            time.sleep(delay_s)
    except TimeoutError:
        pass
