"""What a full block costs, call by call: `per_block.py BLKSIZE` prints JSON, in us.

    {"receive", "send", "digest", "write", "rest"}

Runs on CPython and on MicroPython; `pxerom` is importable. The calls are those of
`Transfer.stream`, on sockets of this machine that nobody else reads; `rest` is what the loop takes
when each of its calls does next to nothing, less what such calls take alone. Nobody is waited for:
to the sum come the server's own time and the wake-ups.
"""

import gc
import hashlib
import json
import os
import socket
import sys
import time

from pxerom import job, tftp
from pxerom.runtime import address, recvfrom_into, ticks_add, ticks_ms

_ROUNDS = 400
_AT_ONCE = 32  # datagrams: they all fit into a socket's buffer
_BLOCKS = 8000


def _now_us():
    ns = getattr(time, "perf_counter_ns", None)
    return ns() / 1000 if ns else time.ticks_us()  # pyright: ignore


def _us(function, calls, before=None):
    # The median over the rounds of what a call takes; `before`: not timed, before each round.
    gc.collect()
    times = []
    for _ in range(_ROUNDS):
        if before:
            before()
        began = _now_us()
        for _ in range(calls):
            function()
        times.append((_now_us() - began) / calls)
    times.sort()
    return times[len(times) // 2]


def _nothing():
    return None


def _sockets():
    # Two UDP sockets on loopback, and the address of the second.
    ends = []
    for port in (21070, 21071):
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.bind(address("127.0.0.1", port))
        ends.append(sock)
    return ends[0], ends[1], address("127.0.0.1", 21071)


def _calls(blksize):
    # ({call: us} of socket, digest and file, each with an empty call taken off; whether
    # this interpreter receives into a buffer)
    ours, theirs, peer = _sockets()
    full = blksize + 4
    datagram = bytes(full)
    buffer = bytearray(full + 1)
    view = memoryview(buffer)[4:full]
    into = recvfrom_into(ours)
    receive = into or ours.recvfrom
    taken = buffer if into else full + 1
    ack = bytearray(b"\0\4\0\1")
    own = address("127.0.0.1", 21070)

    def fill():
        for _ in range(_AT_ONCE):
            theirs.sendto(datagram, own)

    def drain():
        for _ in range(_AT_ONCE):
            theirs.recvfrom(4)

    def receive_one():
        receive(taken)

    def send_one():
        ours.sendto(ack, peer)

    update = hashlib.sha256().update

    def digest_one():
        update(view)

    path = "per_block.out"
    file = open(path, "wb", *((1 << 18,) if into else ()))
    write = file.write

    def write_one():
        write(view)

    for _ in range(_AT_ONCE):  # so that each `drain` has something to read
        send_one()
    empty = _us(_nothing, _AT_ONCE)
    found = {
        "receive": _us(receive_one, _AT_ONCE, fill),
        "send": _us(send_one, _AT_ONCE, drain),
        "digest": _us(digest_one, _AT_ONCE),
        "write": _us(write_one, _AT_ONCE),
    }
    file.close()
    os.remove(path)
    return {name: us - empty for name, us in found.items()}, bool(into)


class _NoSink:
    writer = staticmethod(lambda view: None)


def _rest(blksize, into):
    # The loop itself, with functions that do next to nothing in place of socket, digest and file.
    peer = address("127.0.0.1", 21071)
    datagram = bytearray(blksize + 4)
    datagram[1] = 3
    full = blksize + 4

    def receive(taken):
        # The next block, as recvfrom_into and recvfrom give it.
        if into:
            block = (taken[2] << 8 | taken[3]) + 1
            taken[1] = 3
            taken[2] = block >> 8
            taken[3] = block & 255
            return full, peer
        block = (datagram[2] << 8 | datagram[3]) + 1
        datagram[2] = block >> 8
        datagram[3] = block & 255
        return datagram, peer

    def send(packet, to):
        return None

    def update(view):
        return None

    times, alone = [], []
    for _ in range(9):
        transfer = _transfer(blksize, peer)
        buffer = bytearray(full + 1)
        datagram[2] = 0
        datagram[3] = 1
        gc.collect()
        began = _now_us()
        transfer.stream(
            _BLOCKS,
            (receive, into and 10, send),
            update,
            _NoSink,
            None,
            ticks_ms,
            ticks_add(ticks_ms(), 60000),
        )
        times.append((_now_us() - began) / _BLOCKS)
        assert transfer.blocks == _BLOCKS + 1, transfer.blocks
        datagram[2] = 0
        datagram[3] = 1
        began = _now_us()
        for _ in range(_BLOCKS):
            receive(buffer)
            send(buffer, peer)
            update(buffer)
            update(buffer)
        alone.append((_now_us() - began) / _BLOCKS)
    return max(0, sorted(times)[4] - sorted(alone)[4])


def _transfer(blksize, peer):
    # A transfer that has taken its first block.
    request = {
        "purpose": "data",
        "mode": "octet",
        "options": [["blksize", str(blksize)]],
        "padding": 0,
        "finish": None,
        "on": job.load_rom("standard")[0]["tftp"]["requests"][-1]["on"],
    }
    transfer = tftp.Transfer("x", request, 0, "127.0.0.1")
    oack = b"\0\6blksize\0%d\0" % blksize
    assert transfer.feed(oack, peer, 0) == tftp.OPENED
    first = b"\0\3\0\1" + bytes(blksize)
    assert transfer.feed(first, peer, 0) == tftp.BLOCK
    transfer.payload(first)
    return transfer


if __name__ == "__main__":
    size = int(sys.argv[1])
    figures, receives_into = _calls(size)
    figures["rest"] = _rest(size, receives_into)
    print(json.dumps({name: round(us, 2) for name, us in figures.items()}))
