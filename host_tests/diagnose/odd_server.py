"""A TFTP server with one weakness, for a namespace: `odd_server.py WEAKNESS HOST FOLDER`.

    options-error   answers an RRQ with options by ERROR 8, any other properly
    tsize-error     answers an RRQ with tsize by ERROR 8, any other properly
    aborted-probe   once a client ends a conversation that had tsize, hears nobody for 15 s
    slow            waits 1.6 s before each first answer
    error           answers each RRQ with ERROR 0
    unasked         grants an option that nobody asked for, where any is asked
    no-final        leaves out the empty block that ends a file of full blocks
    no-rollover     ignores options, and sends no block after 65,535
    oversize        sends blocks that are 100 bytes longer than agreed
    twice           sends each DATA twice
    tsize-lies      says half of the size
    larger          grants twice the blksize that was asked for
    hard-blksize    ignores options, and sends blocks of 1468 bytes all the same
    deaf-to-error   does not hear an ERROR, and repeats its packet five times
    echo-error      answers an ERROR by an ERROR

Lockstep, blksize and tsize; one thread for each transfer, which sends again every second.
"""

import socket
import struct
import sys
import threading
import time
from pathlib import Path

_TRIES = 5
_DEAF_S = 15


class _Odd:
    def __init__(self, weakness, host, folder):
        self.weakness = weakness
        self.host = host
        self.folder = Path(folder)
        self.deaf_until = 0.0
        self.listen = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.listen.bind((host, 69))

    def run(self):
        while True:
            packet, peer = self.listen.recvfrom(2048)
            if packet[:2] == b"\0\1" and time.monotonic() >= self.deaf_until:
                threading.Thread(target=self.serve, args=(packet, peer), daemon=True).start()

    def serve(self, packet, peer):
        words = [word.decode("latin-1") for word in packet[2:].split(b"\0")[:-1]]
        asked = dict(zip(words[2::2], words[3::2], strict=False))
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.bind((self.host, 0))
            sock.settimeout(1)
            if self.weakness == "error":
                sock.sendto(b"\0\5\0\0The disk is asleep\0", peer)
            elif (asked and self.weakness == "options-error") or (
                "tsize" in asked and self.weakness == "tsize-error"
            ):
                sock.sendto(b"\0\5\0\x08Option negotiation failed\0", peer)
            else:
                if self.weakness == "slow":
                    time.sleep(1.6)
                self.transfer(sock, peer, (self.folder / words[0]).read_bytes(), asked)

    def transfer(self, sock, peer, content, asked):
        if self.weakness == "no-rollover":
            asked = {}
        if self.weakness == "hard-blksize":
            asked = {}
        blksize = int(asked.get("blksize", 512))
        if self.weakness == "hard-blksize":
            blksize = 1468
        if self.weakness == "larger" and "blksize" in asked:
            blksize *= 2
            asked = {**asked, "blksize": str(blksize)}
        size = len(content) // 2 if self.weakness == "tsize-lies" else len(content)
        granted = {**asked, "tsize": str(size)} if "tsize" in asked else asked
        if asked and self.weakness == "unasked":
            granted = {**granted, "multicast": "239.1.1.1,1758,1"}
        packets = [b"\0\6" + "".join(f"{k}\0{v}\0" for k, v in granted.items()).encode()]
        packets = [(0, packets[0])] if granted else []
        count = len(content) // blksize + 1
        if self.weakness == "no-final" and len(content) % blksize == 0:
            count -= 1
        if self.weakness == "no-rollover":
            count = min(count, 65535)
        more = 100 if self.weakness == "oversize" else 0
        for number in range(count):
            part = content[number * blksize : (number + 1) * blksize + more]
            packets.append(
                (number + 1 & 0xFFFF, struct.pack(">HH", 3, number + 1 & 0xFFFF) + part)
            )
        for number, packet in packets:
            for _ in range(_TRIES):
                sock.sendto(packet, peer)
                if self.weakness == "twice" and packet[1] == 3:
                    sock.sendto(packet, peer)
                answer = self.answer(sock, number)
                if answer == "error" and "tsize" in asked and self.weakness == "aborted-probe":
                    self.deaf_until = time.monotonic() + _DEAF_S
                if answer == "error":
                    return
                if answer == "ack":
                    break
            else:
                return

    def answer(self, sock, number):
        end = time.monotonic() + 1
        while time.monotonic() < end:
            try:
                packet, peer = sock.recvfrom(2048)
            except OSError:
                return None
            opcode, got = struct.unpack(">HH", packet[:4].ljust(4, b"\0"))
            if opcode == 5 and self.weakness == "echo-error":
                sock.sendto(b"\0\5\0\0Error packet received\0", peer)
            if opcode == 5 and self.weakness != "deaf-to-error":
                return "error"
            if opcode == 4 and got == number:
                return "ack"
        return None


if __name__ == "__main__":
    _Odd(*sys.argv[1:]).run()
