"""The cable between an emulated board and a namespace: a program, run inside that namespace.

    python -m host_tests.emulated.wire INTERFACE PORT BOARD_PORT [{"loss": 0.01, ...}]

QEMU sends each Ethernet frame as a datagram to PORT on loopback, and takes one from BOARD_PORT;
here they go to and come from a packet socket on INTERFACE. That needs no /dev/net/tun, and it is
where frames are lost, doubled, reordered and delayed (`lab.relay`): the kernel's netem is not
everywhere. The last argument, JSON, is what the line does to the frames of both directions; a line
on standard input changes it, from the next frame on.
"""

import contextlib
import heapq
import itertools
import json
import select
import socket
import struct
import sys
import time

from host_tests.lab import relay

_SOL_PACKET, _PACKET_AUXDATA = 263, 8
_CHECKSUM_NOT_READY = 8  # TP_STATUS_CSUMNOTREADY
_OUTGOING = 4  # sll_pkttype: our own frame, seen on its way out
_PERFECT = {"seed": 0, "loss": 0, "duplicate": 0, "reorder": 0, "delay_s": (0, 0)}


class Wire:
    """Both ends, and the frames on their way."""

    def __init__(self, interface, port, board_port):
        self.lan = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        self.lan.setsockopt(_SOL_PACKET, _PACKET_AUXDATA, 1)
        self.lan.bind((interface, 0))
        self.board = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.board.bind(("127.0.0.1", port))
        self.board_address = ("127.0.0.1", board_port)
        self._flying = []
        self._order = itertools.count()
        self.behave({})

    def behave(self, how):
        how = {**_PERFECT, **how}
        seed = how.pop("seed")
        self._ways = {end: relay.Way(seed, end, **how) for end in ("lan", "board")}

    def run(self):
        while True:
            wait_s = max(0, self._flying[0][0] - time.monotonic()) if self._flying else None
            ready, _, _ = select.select([self.lan, self.board, sys.stdin], [], [], wait_s)
            if self.lan in ready:
                frame = self._from_lan()
                if frame:
                    self._take(frame, "board")
            if self.board in ready:
                self._take(self.board.recv(2000), "lan")
            if sys.stdin in ready:
                line = sys.stdin.readline()
                if not line:
                    return
                self.behave(json.loads(line))
                print("behaves", flush=True)
            self._land()

    def _take(self, frame, to):
        for delay_s in self._ways[to].arrivals():
            arrival = time.monotonic() + delay_s, next(self._order), frame, to
            heapq.heappush(self._flying, arrival)

    def _land(self):
        while self._flying and self._flying[0][0] <= time.monotonic():
            _, _, frame, to = heapq.heappop(self._flying)
            with contextlib.suppress(OSError):  # the other end is off: a frame to nobody
                if to == "lan":
                    self.lan.send(frame)
                else:
                    self.board.sendto(frame, self.board_address)

    def _from_lan(self):
        frame, notes, _, address = self.lan.recvmsg(2000, 100)
        if address[2] == _OUTGOING:
            return None
        for level, kind, data in notes:
            if (level, kind) == (_SOL_PACKET, _PACKET_AUXDATA):
                if struct.unpack_from("I", data)[0] & _CHECKSUM_NOT_READY:
                    return with_checksum(frame)
        return frame


def with_checksum(frame):
    """A frame whose UDP checksum the kernel has left to the network card, with that checksum."""
    if frame[12:14] != b"\x08\x00" or frame[23] != 17:
        return frame
    udp = 14 + (frame[14] & 15) * 4
    size = struct.unpack_from(">H", frame, udp + 4)[0]
    whole = bytearray(frame)
    whole[udp + 6 : udp + 8] = b"\0\0"
    summed = frame[26:34] + struct.pack(">BBH", 0, 17, size) + whole[udp : udp + size]
    if len(summed) % 2:
        summed += b"\0"
    total = sum(struct.unpack(f">{len(summed) // 2}H", summed))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    struct.pack_into(">H", whole, udp + 6, (~total & 0xFFFF) or 0xFFFF)
    return bytes(whole)


if __name__ == "__main__":
    wire = Wire(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
    wire.behave(json.loads(sys.argv[4]) if len(sys.argv) > 4 else {})
    print("ready", flush=True)
    with contextlib.suppress(KeyboardInterrupt):
        wire.run()
