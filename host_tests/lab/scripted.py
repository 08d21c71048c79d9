"""A TFTP server that follows the RFCs except where its script says otherwise.

It runs in a thread of the test, one socket per TID, on loopback. Without a script it serves its
files in lockstep or in windows; the script replaces a reply by other packets, waits or silence,
and the transfer goes on from there.

    with scripted.serve({"f": content}, {"data 3": [NORMAL, NORMAL]}) as server:   # a duplicate
        ... server.host, server.port, server.url("f"), server.packets ...

The script: {point: actions}. A point is a reply that is about to be sent: "rrq N" (any reply to
the Nth request), "oack N" (the Nth OACK), "data N" (block N, counted from 1 without roll-over;
"data last" is the final one). It counts once; with " always" after it, each time. The actions, in
order: NORMAL (the reply itself), bytes (sent from the transfer's TID), `unknown_tid(bytes)`,
`wait(seconds)`, `flood(bytes, per_second)`, CLOSE (the TID's socket is gone: ICMP unreachable),
DIE (no transfer sends anything any more). No action at all: silence.

For what a script cannot express, subclass Transfer (`faulty_server`).
"""

import contextlib
import functools
import heapq
import itertools
import selectors
import socket
import struct
import threading
import time

from host_tests.core.packets import data, error, oack
from host_tests.lab.capture import Packet

NORMAL = object()
CLOSE = object()
DIE = object()
_NORMAL = (NORMAL,)

ALL_OPTIONS = ("blksize", "tsize", "timeout", "windowsize")


# --- further actions ----------------------------------------------------------------------------


def unknown_tid(payload):
    """Send from a port that is not the transfer's TID."""
    return lambda transfer: transfer.server.send(
        transfer.server.unknown_tid, transfer.peer, payload
    )


def wait(seconds):
    """Do nothing for a while; packets that arrive meanwhile wait too."""
    return lambda transfer: transfer.server.ending.wait(seconds)


def flood(payload, per_second):
    """From now on, send from an unknown TID's port until the server ends, so often a second."""
    return lambda transfer: transfer.server.flood(transfer.peer, payload, per_second)


# --- the server ---------------------------------------------------------------------------------


class Transfer:
    """One TID: what goes to one client's port, from one port of ours."""

    known = None  # the options that it grants; None: those of its server
    default_blksize = 512
    drip_s = None  # the wait before each block; None: that of its server

    def __init__(self, server, peer, request):
        self.server = server
        if self.drip_s is None:
            self.drip_s = server.drip_s
        self.peer = peer
        self.socket = server.open_socket()
        if self.known is None:
            self.known = server.known
        words = [word.decode("latin-1") for word in request[2:].split(b"\0")[:-1]]
        self.file = words[0]
        self.asked = dict(zip(words[2::2], words[3::2], strict=False))
        self.content = server.files.get(self.file)
        self.options = self.granted()
        self.blksize = int(self.options.get("blksize", self.default_blksize))
        self.windowsize = int(self.options.get("windowsize", 1))
        self.acked = -1 if self.options else 0  # -1: the OACK is not
        self.done = False
        self.resend_at = None
        self.tries = 1  # of the blocks that the client has not acknowledged

    def granted(self):
        """{name: value} of its OACK."""
        granted = {name: text for name, text in self.asked.items() if name in self.known}
        if "tsize" in granted and self.content is not None:
            granted["tsize"] = str(self.size())
        return granted

    def size(self):
        """What the OACK says of the size."""
        return len(self.content) if self.server.tsize is None else self.server.tsize

    @functools.cached_property
    def blocks(self):
        return len(self.content) // self.blksize + 1

    def refusal(self):
        """The ERROR that answers the RRQ, or None."""
        return error(1, "File not found") if self.content is None else None

    def part(self, begin, end):
        """The payload of a block, which is the content's from `begin` to `end`."""
        return self.content[begin:end]

    def begin(self, number):
        refusal = self.refusal()
        if refusal:
            self._at(f"rrq {number}", refusal, self._finish)
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
        for number, block in enumerate(range(self.acked + 1, last + 1), 1):
            if self.drip_s:
                self.server.later(number * self.drip_s, functools.partial(self._send_block, block))
            else:
                self._send_block(block)

    def _send_block(self, block):
        named_last = block == self.blocks and self._scripted("data last")
        self._at("data last" if named_last else f"data {block}", self._data(block))

    def receive(self, packet):
        opcode, number = struct.unpack(">HH", packet[:4].ljust(4, b"\0"))
        if opcode == 5:
            self._finish()
        elif opcode == 4:
            # The number on the wire means the nearest block at or before the window's end.
            end = min(max(self.acked, 0) + self.windowsize, self.blocks)
            for block in range(end, max(self.acked, -1), -1):
                if self._on_wire(block) == number:
                    self.acked = block
                    self.tries = 1
                    break
            else:
                return  # an old ACK: answering it would double every packet that follows
            if self.acked >= self.blocks:
                self._finish()
            else:
                self.proceed()

    def expire(self, now):
        if self.resend_at is None or now < self.resend_at or self.done:
            return
        if self.tries == self.server.tries:
            self._finish()
            return
        self.tries += 1
        self.resend_at = now + self.server.retry_s
        self.proceed()

    def send(self, packet):
        if not self.done:
            self.server.send(self.socket, self.peer, packet)

    def close(self):
        self._finish()
        self.server.forget(self)

    def _at(self, point, reply, then=None):
        server = self.server
        for action in server.actions(point) if server.script else _NORMAL:
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
        return data(self._on_wire(block), self.part(begin, begin + self.blksize))

    def _oack(self):
        return oack(**self.options)

    def _finish(self):
        self.done = True


class Server:
    """Made by `serve`. `packets`: capture.Packets of both directions, in their order."""

    def __init__(
        self, files, script, host, known, rollover, retry_s, tsize, drip_s, port, transfer, tries
    ):
        self.files = files
        self.script = dict(script)
        self.host = host
        self.known = known
        self.rollover = rollover
        self.retry_s = retry_s
        self.tsize = tsize
        self.drip_s = drip_s
        self.transfer = transfer
        self.tries = tries
        self.packets = []
        self.oacks = 0
        self.dead = False
        self.failure = None
        self.ending = threading.Event()
        self._requests = 0
        self.deaf_until = 0.0  # monotonic: no RRQ is heard before
        self._transfers = []
        self._floods = []
        self._later = []  # a heap of (monotonic, number, what to do)
        self._number = itertools.count()
        self._names = {}  # {socket: (host, port)}
        self._expires = 0.0  # monotonic: when timers are looked at next
        self._waiting = selectors.DefaultSelector()
        self._listen = self.open_socket(port)
        self._waiting.register(self._listen, selectors.EVENT_READ)
        self.unknown_tid = self.open_socket()
        self.port = self._names[self._listen][1]
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def url(self, file):
        return f"tftp://{self.host}:{self.port}/{file}"

    def open_socket(self, port=0):
        made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        made.bind((self.host, port))
        self._names[made] = made.getsockname()
        return made

    def forget(self, transfer):
        """Close the socket of a transfer: packets to it get an ICMP error."""
        if transfer.socket.fileno() >= 0:
            self._waiting.unregister(transfer.socket)
            transfer.socket.close()

    def actions(self, point):
        """The script's actions for a reply."""
        return self.script.pop(point, self.script.get(point + " always", _NORMAL))

    def send(self, from_socket, peer, packet):
        if self.dead:
            return
        if self.tries is None:
            local = self._names[from_socket]
            self.packets.append(Packet(time.time(), *local, *peer, bytes(packet)))
        try:
            from_socket.sendto(packet, peer)
        except ConnectionRefusedError:
            pass  # an ICMP error for an earlier packet: ignored

    def later(self, seconds, act):
        """Call `act()` so much later; packets that arrive meanwhile are answered."""
        heapq.heappush(self._later, (time.monotonic() + seconds, next(self._number), act))

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
        for transfer in self._transfers:
            self.forget(transfer)
        for made in (self._listen, self.unknown_tid, self._waiting):
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
        wait_s = min(0.01, self._later[0][0] - time.monotonic()) if self._later else 0.01
        for key, _ in self._waiting.select(max(0, wait_s)):
            ready, transfer = key.fileobj, key.data
            if ready.fileno() < 0:
                continue  # closed for a packet before this one
            try:
                packet, peer = ready.recvfrom(65536)
            except ConnectionRefusedError:
                continue
            if self.tries is None:
                self.packets.append(Packet(time.time(), *peer, *self._names[ready], packet))
            if transfer:
                if peer == transfer.peer:
                    transfer.receive(packet)
            elif packet[:2] == b"\0\1" and time.monotonic() >= self.deaf_until:
                self._requests += 1
                transfer = self.transfer(self, peer, packet)
                self._transfers.append(transfer)
                self._waiting.register(transfer.socket, selectors.EVENT_READ, transfer)
                transfer.begin(self._requests)
        now = time.monotonic()
        while self._later and self._later[0][0] <= now:
            heapq.heappop(self._later)[2]()
        if now < self._expires:
            return
        self._expires = now + 0.01
        for transfer in self._transfers:
            transfer.expire(now)
        if self.tries:
            for transfer in [one for one in self._transfers if one.done]:
                self.forget(transfer)
                self._transfers.remove(transfer)


@contextlib.contextmanager
def serve(
    files,
    script=(),
    host="127.0.0.1",
    known=ALL_OPTIONS,
    rollover=0,
    retry_s=1.0,
    tsize=None,
    drip_s=0,
    port=0,
    transfer=Transfer,
    tries=None,
):
    """Serve `files` ({name: bytes}) by the script until the block ends; yields the Server.

    known: the options it grants; rollover: the block number after 65535; retry_s: its own timer
    (None: it never repeats); tsize: what it claims instead of the size; drip_s: wait before each
    block; transfer: the class of its transfers; tries: how often it sends a packet before it
    forgets a transfer, whose socket is then closed, and `packets` are not kept (None: never).
    """
    server = Server(
        *(files, script or {}, host, known, rollover, retry_s, tsize, drip_s),
        *(port, transfer, tries),
    )
    try:
        yield server
    finally:
        server.close()
