"""Runs on micropython-esp32: prints how long each datagram at port 2070 is that comes within 1 s
of the one before."""

import socket
import sys

sys.path.insert(0, __file__.rpartition("/")[0] + "/../../..")

from host_tests.boards.on_board.stack import stack

assert stack
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sock.bind(("0.0.0.0", 2070))
sock.settimeout(10)
print("listening")
try:
    while True:
        print(len(sock.recvfrom(8192)[0]))
        sock.settimeout(1)
except OSError:
    pass
