"""A TFTP server that takes its time: `slow_server.py HOST PORT DELAY_S BLOCKS`."""

import socket
import sys
import threading
import time

host, port, delay_s, blocks = sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4])


def serve(client):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as answers:
        answers.bind((host, 0))
        answers.settimeout(5)
        for block in range(1, blocks + 1):
            size = 0 if block == blocks else 512
            answers.sendto(b"\0\3" + block.to_bytes(2, "big") + bytes(size), client)
            try:
                if answers.recv(2048)[:2] != b"\0\4":
                    return
            except TimeoutError:
                return
            time.sleep(delay_s)


listener = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
listener.bind((host, port))
while True:
    threading.Thread(target=serve, args=(listener.recvfrom(2048)[1],), daemon=True).start()
