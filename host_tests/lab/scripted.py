"""A TFTP server that is right in everything but what its script says.

It runs in a thread of the test, one socket per TID, on loopback. Left alone it serves its files
in lockstep or in windows; the script puts other packets, waits or silence in the place of one
reply, and it goes on from there as if nothing had been.

    with scripted.serve({"f": content}, {"data 3": [NORMAL, NORMAL]}) as server:   # a duplicate
        ... server.host, server.port, server.url("f"), server.packets ...

The script: {point: actions}. A point is a reply that is about to be sent: "rrq N" (any reply to
the Nth request), "oack N" (the Nth OACK), "data N" (block N, counted from 1 without roll-over;
"data last" is the final one). It counts once; with " always" after it, each time. The actions, in
order: NORMAL (the reply itself), bytes (sent from the transfer's TID), `unknown_tid(bytes)`,
`wait(seconds)`, `flood(bytes, per_second)`, CLOSE (the TID's socket is gone: ICMP unreachable),
DIE (nothing is sent any more, by anyone). No action at all: silence.
"""

import contextlib
import select
import socket
import struct
import threading
import time

from host_tests.core.packets import data, error, oack
from host_tests.lab.capture import Packet

NORMAL = object()
CLOSE = object()
DIE = object()

_ALL_OPTIONS = ("blksize", "tsize", "timeout", "windowsize")


# --- further actions ----------------------------------------------------------------------------


def unknown_tid(payload):
    """Send from a port that has no part in the transfer."""
    return lambda transfer: transfer.server.send(
        transfer.server.unknown_tid, transfer.peer, payload
    )


def wait(seconds):
    """Do nothing for a while; what arrives meanwhile waits too."""
    return lambda transfer: transfer.server.ending.wait(seconds)


def flood(payload, per_second):
    """From now on, send from an unknown TID's port until the server ends, so often a second."""
    return lambda transfer: transfer.server.flood(transfer.peer, payload, per_second)


# --- the server ---------------------------------------------------------------------------------


class _Transfer:
    """One TID: what goes to one client's port, from one port of ours."""

    def __init__(self, server, peer, request):
        self.server = server
        self.peer = peer
        self.socket = server.open_socket()
        words = [word.decode("latin-1") for word in request[2:].split(b"\0")[:-1]]
        self.file = words[0]
        asked = dict(zip(words[2::2], words[3::2], strict=False))
        self.options = {name: text for name, text in asked.items() if name in server.known}
        self.content = server.files.get(self.file)
        self.blksize = int(self.options.get("blksize", 512))
        self.windowsize = int(self.options.get("windowsize", 1))
        if "tsize" in self.options and self.content is not None:
            size = len(self.content) if server.tsize is None else server.tsize
            self.options["tsize"] = str(size)
        self.acked = -1 if self.options else 0  # -1: the OACK is not
        self.done = False
        self.resend_at = None

    @property
    def blocks(self):
        return len(self.content) // self.blksize + 1

    def begin(self, number):
        if self.content is None:
            self._at(f"rrq {number}", error(1, "File not found"), self._finish)
        elif self._scripted(f"rrq {number}"):
            first = self._oack() if self.acked < 0 else self._data(1)
            self._at(f"rrq {number}", first)
        else:
            self.proceed()

    def proceed(self):
        """Send what the client waits for: the OACK, or the blocks of its window."""
        if self.acked < 0:
            self.server.oacks += 1
            self._at(f"oack {self.server.oacks}", self._oack())
            return
        last = min(self.acked + self.windowsize, self.blocks)
        for block in range(self.acked + 1, last + 1):
            self.server.ending.wait(self.server.drip_s)
            named_last = block == self.blocks and self._scripted("data last")
            self._at("data last" if named_last else f"data {block}", self._data(block))

    def receive(self, packet):
        opcode, number = struct.unpack(">HH", packet[:4].ljust(4, b"\0"))
        if opcode == 5:
            self._finish()
        elif opcode == 4:
            # The number on the wire stands for the nearest block at or before the window's end.
            end = min(max(self.acked, 0) + self.windowsize, self.blocks)
            for block in range(end, max(self.acked, -1), -1):
                if self._on_wire(block) == number:
                    self.acked = block
                    break
            else:
                return  # an old ACK: answering it would double every packet that follows
            if self.acked >= self.blocks:
                self._finish()
            else:
                self.proceed()

    def expire(self, now):
        if self.resend_at is not None and now >= self.resend_at and not self.done:
            self.resend_at = now + self.server.retry_s
            self.proceed()

    def send(self, packet):
        if not self.done:
            self.server.send(self.socket, self.peer, packet)

    def close(self):
        self._finish()
        self.socket.close()

    def _at(self, point, reply, then=None):
        server = self.server
        always = server.script.get(point + " always", [NORMAL])
        for action in server.script.pop(point, always):
            if action is NORMAL:
                self.send(reply)
            elif action is CLOSE:
                self.close()
            elif action is DIE:
                server.dead = True
            elif isinstance(action, (bytes, bytearray)):
                self.send(action)
            else:
                action(self)
        if server.retry_s is not None:
            self.resend_at = time.monotonic() + server.retry_s
        if then:
            then()

    def _scripted(self, point):
        return point in self.server.script or point + " always" in self.server.script

    def _on_wire(self, block):
        if block <= 0xFFFF:
            return block
        low = self.server.rollover
        return low + (block - 0x10000) % (0x10000 - low)

    def _data(self, block):
        begin = (block - 1) * self.blksize
        return data(self._on_wire(block), self.content[begin : begin + self.blksize])

    def _oack(self):
        return oack(**self.options)

    def _finish(self):
        self.done = True


class Server:
    """Made by `serve`. `packets`: capture.Packets of both directions, in their order."""

    def __init__(self, files, script, host, known, rollover, retry_s, tsize, drip_s):
        self.files = files
        self.script = dict(script)
        self.host = host
        self.known = known
        self.rollover = rollover
        self.retry_s = retry_s
        self.tsize = tsize
        self.drip_s = drip_s
        self.packets = []
        self.oacks = 0
        self.dead = False
        self.failure = None
        self.ending = threading.Event()
        self._requests = 0
        self._transfers = {}
        self._floods = []
        self._listen = self.open_socket()
        self.unknown_tid = self.open_socket()
        self.port = self._listen.getsockname()[1]
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def url(self, file):
        return f"tftp://{self.host}:{self.port}/{file}"

    def open_socket(self):
        made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        made.bind((self.host, 0))
        return made

    def send(self, from_socket, peer, packet):
        if self.dead:
            return
        local = from_socket.getsockname()
        self.packets.append(Packet(time.time(), *local, *peer, bytes(packet)))
        try:
            from_socket.sendto(packet, peer)
        except ConnectionRefusedError:
            pass  # an ICMP answer to an earlier packet: a server that does not care

    def flood(self, peer, packet, per_second):
        def run():
            sent, began = 0, time.monotonic()
            while not self.ending.wait(0.005):
                while sent < (time.monotonic() - began) * per_second:
                    self.unknown_tid.sendto(packet, peer)
                    sent += 1

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        self._floods.append(thread)

    def close(self):
        """End the thread and the sockets; raises what went wrong in the thread."""
        self.ending.set()
        for thread in (self._thread, *self._floods):
            thread.join()
        for made in (self._listen, self.unknown_tid, *self._transfers):
            made.close()
        if self.failure:
            raise self.failure

    def _run(self):
        try:
            while not self.ending.is_set():
                self._step()
        except Exception as failure:  # noqa: BLE001  a thread's failure is raised by `close`
            self.failure = failure

    def _step(self):
        waiting = [self._listen, *(made for made in self._transfers if made.fileno() >= 0)]
        for ready in select.select(waiting, [], [], 0.01)[0]:
            try:
                packet, peer = ready.recvfrom(65536)
            except ConnectionRefusedError:
                continue
            self.packets.append(Packet(time.time(), *peer, *ready.getsockname(), packet))
            if ready is not self._listen:
                transfer = self._transfers[ready]
                if peer == transfer.peer:
                    transfer.receive(packet)
            elif packet[:2] == b"\0\1":
                self._requests += 1
                transfer = _Transfer(self, peer, packet)
                self._transfers[transfer.socket] = transfer
                transfer.begin(self._requests)
        now = time.monotonic()
        for transfer in list(self._transfers.values()):
            transfer.expire(now)


@contextlib.contextmanager
def serve(
    files,
    script=(),
    host="127.0.0.1",
    known=_ALL_OPTIONS,
    rollover=0,
    retry_s=1.0,
    tsize=None,
    drip_s=0,
):
    """Serve `files` ({name: bytes}) by the script until the block ends; yields the Server.

    known: the options it grants; rollover: the block number after 65535; retry_s: its own timer
    (None: it never repeats); tsize: what it claims instead of the size; drip_s: wait before each
    block.
    """
    server = Server(files, script or {}, host, known, rollover, retry_s, tsize, drip_s)
    try:
        yield server
    finally:
        server.close()
