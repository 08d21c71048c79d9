"""A network in virtual time in the place of `pxerom.udp.Udp`: long waits cost nothing.

A server is a function `(packet, local_port, port) -> replies`, or a table `{packet: replies}`. A
reply is `(delay_ms, source, what)`: `source` a port of the server or `(host, port)`; `what` the
bytes, UNREACHABLE for an ICMP error, or a function that is called then and returns more replies.

1. As in `Udp`, a receive sleeps for a second at most, and only the port opened last is read.
2. The clock begins just before the tick counter wraps: every test runs across the wrap.
"""

import pxerom.pxe_codes  # noqa: F401 - the first failure would look for room for it
from pxerom import fetch
from pxerom.fetch import Fetch
from pxerom.runtime import TIMED_OUT, address, split, ticks_add
from pxerom.udp import SourcePorts

from host_tests.core.check import Patch
from host_tests.core.packets import ACK, ERROR, data, oack

HOST = "10.254.52.26"
UNREACHABLE = object()
# ROMs that ask for a window of 64 blocks: theirs and the server's, both, do not fit into a board.
# There the server grants them no more than LOCKSTEP.
WINDOWED = ("tftp-hpa-7",)
LOCKSTEP = ("blksize", "tsize", "timeout")
_SLICE_MS = 1000
_BEFORE_WRAP = 2500


def silence(packet, local_port, port):
    return ()


class Functions:
    """What `udp.Udp.functions` gives, made of a fake's own `receive` and `send`."""

    def functions(self, wait_ms):
        def recvfrom(size):
            data = self.receive(size, wait_ms)
            if data is None:
                raise OSError(110)
            return data, self.sender

        return recvfrom, None, self.send

    def came(self, data, sender):
        pass

    def failed(self, error):
        assert error.errno in TIMED_OUT


class FakeNet(Functions):
    """The surface of `udp.Udp`, with a script at the other end. `sent` and `heard` are lists of
    (at_ms, local port, port of the server, bytes); `steps` counts everything that happens."""

    def __init__(self, rom, server):
        self.ports = SourcePorts(rom["udp"]["source_port"])
        self.bind = "0.0.0.0"
        self.trace = None
        self.port = None
        self.sender = None
        self.errors = []
        self.unreachable = 0
        self.server = server
        self.before_wrap = _BEFORE_WRAP
        self.clock = 0
        self.sent = []
        self.heard = []
        self.unread = []  # what came to a port that the ROM had left
        self.order = []  # sends and what the sink was told, as they came
        self.keep = True  # False for transfers of many blocks: nothing is noted
        self.opened = False
        self.closed = False
        self.steps = 0
        self.interrupt_at = None
        self.refuse = None  # called before a send: may raise
        self._queue = []

    def step(self):
        self.steps += 1
        if self.steps == self.interrupt_at:
            raise KeyboardInterrupt

    def now(self):
        return ticks_add(ticks_add(0, -self.before_wrap), self.clock)

    def open(self, new_transfer):
        self.step()
        self.port = self.ports.take(new_transfer)
        self.opened = True
        self.closed = False
        return self.port

    def send(self, packet, to):
        self.step()
        if self.refuse:
            self.refuse(packet)
        packet = bytes(packet)
        host, port = split(to)
        assert host == HOST, "sent to %s" % host
        if self.keep:
            self.sent.append((self.clock, self.port, port, packet))
            self.order.append(packet)
        if isinstance(self.server, dict):
            self._post(self.server.get(packet, ()), self.port)
        else:
            self._post(self.server(packet, self.port, port), self.port)

    def _post(self, replies, local_port):
        for delay_ms, source, what in replies:
            due = self.clock + delay_ms
            at = len(self._queue)
            while at and self._queue[at - 1][0] > due:
                at -= 1  # in time; of two at the same time, what was posted first
            self._queue.insert(at, (due, local_port, source, what))

    def receive(self, size, wait_ms):
        self.step()
        assert wait_ms > 0, "a receive without a wait would spin"
        until = self.clock + min(wait_ms, _SLICE_MS)
        while self._queue and self._queue[0][0] <= until:
            due, local_port, source, what = self._queue.pop(0)
            self.clock = max(self.clock, due)
            if callable(what):
                self._post(what() or (), local_port)
                continue
            if local_port != self.port:
                self.unread.append((self.clock, local_port, source, what))
                continue
            if what is UNREACHABLE:
                self.unreachable += 1
                self.errors.append((111, 3, 3, HOST, None))
                return None
            host, port = source if isinstance(source, tuple) else (HOST, source)
            self.sender = address(host, port)
            if self.keep is True:
                self.heard.append((self.clock, local_port, port, what))
            return what if len(what) <= size else what[:size]
        self.clock = until
        return None

    def close(self):
        self.closed = True


class Tape:
    """A sink that keeps the bytes and notes in `net.order` when it was told what; with `inner`, a
    sink of the house goes along."""

    def __init__(self, inner=None, free=None, full_at=None):
        self.net = None
        self.inner = inner
        self.free = free
        self.full_at = full_at  # an exception to raise at (call, exception)
        self.data = None if inner else bytearray()
        self.committed = False

    def _do(self, call, *arguments):
        self.net.step()
        if self.net.keep:
            self.net.order.append(call)
        if self.full_at and self.full_at[0] == call:
            raise self.full_at[1]
        if self.inner:
            getattr(self.inner, call)(*arguments)
        self.net.step()

    def room(self):
        return self.inner.room() if self.inner else self.free

    def open(self):
        self._do("open")

    def write(self, view):
        self._do("write", view)
        if not self.inner:
            self.data += bytes(view)

    @property
    def writer(self):
        return self.write

    def commit(self):
        self._do("commit")
        self.committed = True

    def abort(self):
        if self.inner:
            self.inner.abort()


class Check(Tape):
    """A Tape for a long file, of which it keeps nothing: each write must be `content`'s next."""

    def __init__(self, content):
        super().__init__()
        self.content = content
        self.bytes = 0

    def write(self, view):
        self._do("write", view)
        assert self.content[self.bytes : self.bytes + len(view)] == view, self.bytes
        self.bytes += len(view)

    def whole(self):
        return self.committed and self.bytes == len(self.content)


class Run:
    """One boot of `rom` against `server`: `result`, `events`, `net`, `sink`, `refused`.
    For transfers of many blocks: `keep` False notes no packets, "sent" only those that the ROM
    sent; `told` False notes no events."""

    def __init__(
        self,
        rom,
        server,
        file="x",
        sink=None,
        interrupt_at=None,
        net=None,
        keep=True,
        told=True,
        **limits,
    ):
        self.net = net or FakeNet(rom, server)
        self.net.interrupt_at = interrupt_at
        self.net.keep = keep
        self.sink = sink or Tape()
        if server is not None:
            self.net.server = server
        self.sink.net = self.net
        self.events = []
        self.waits = 0  # calls of on_wait,
        self.longest_ms = 0  # the longest time without one,
        self.waited = 0  # and the clock at the last
        boot = Fetch(rom, self.net, self.events.append if told else len, self._waited)
        with Patch(fetch, "QUEUE", None):  # this network keeps whatever comes
            self.result = boot.fetch(HOST, 69, file, self.sink, **limits)
        self._waited()

    def _waited(self):
        self.waits += 1
        self.longest_ms = max(self.longest_ms, self.net.clock - self.waited)
        self.waited = self.net.clock

    def packets(self):
        """The bytes that were sent, in order."""
        return [entry[3] for entry in self.net.sent]

    def requests(self):
        """(at_ms, source port, RRQ) of every request as it was on the wire."""
        return [
            (at_ms, port, packet) for at_ms, port, _, packet in self.net.sent if packet[1] == 1
        ]

    def named(self, event):
        return [each for each in self.events if each["event"] == event]

    def code(self):
        return self.result["status"] and self.result["status"]["code"]

    def next(self):
        return self.result["ended"]["next"]


class FileServer:
    """A right TFTP server with one file: a new port for each RRQ, options as in `grant`, windows,
    its own retransmissions. `lose` is asked for each packet both ways: True drops it.

    `lose(direction, packet, count)`: direction "in" is towards the server, count is how many
    packets of this direction went before.
    """

    GRANT = ("blksize", "tsize", "windowsize", "timeout")

    def __init__(self, content, grant=GRANT, delay_ms=1, lose=None, rollover=0, retry_ms=1000):
        self.content = content
        self.grant = grant
        self.delay_ms = delay_ms
        self.lose = lose
        self.rollover = rollover
        self.retry_ms = retry_ms
        self.tid = 45140
        self.counts = {"in": 0, "out": 0}
        self.sessions = {}
        self.acks = []  # the numbers of the first hundred
        self.acked = 0  # how many there were
        self.zeros = 0  # how many had the number 0

    def _lost(self, direction, packet):
        count = self.counts[direction]
        self.counts[direction] += 1
        return self.lose is not None and self.lose(direction, packet, count)

    def __call__(self, packet, local_port, port):
        if self._lost("in", packet):
            return ()
        if packet[1] == 1:
            return self._request(packet, port)
        session = self.sessions.get(port)
        if session is None or session["over"]:
            return ()
        if packet[1] == ERROR:
            session["over"] = True
            return ()
        assert packet[1] == ACK and len(packet) == 4, packet
        return self._acked(session, packet[2] << 8 | packet[3])

    def _request(self, packet, port):
        assert port == 69, port
        fields = packet[2:].split(b"\0")
        asked = {}
        for i in range(2, len(fields) - 1, 2):
            asked[fields[i].decode()] = fields[i + 1].decode()
        session = {"tid": self.tid, "blksize": 512, "window": 1, "sent": 0, "acked": 0}
        session["over"] = False
        session["epoch"] = 0
        self.sessions[self.tid] = session
        self.tid += 1
        options = []
        for name, value in asked.items():
            if name in self.grant:
                options.append((name, len(self.content) if name == "tsize" else value))
        granted = dict(options)
        session["blksize"] = int(granted.get("blksize", 512))
        session["window"] = int(granted.get("windowsize", 1))
        session["last"] = len(self.content) // session["blksize"] + 1
        session["oack"] = oack(*options) if options else None
        return self._burst(session)

    def _wire(self, block):
        if block < 65536:
            return block
        return block % 65536 if self.rollover == 0 else (block - 1) % 65535 + 1

    def _block(self, session, block):
        at = (block - 1) * session["blksize"]
        return data(self._wire(block), self.content[at : at + session["blksize"]])

    def _burst(self, session):
        # The window after the last ACK, or the OACK; and the timer that sends it again.
        session["epoch"] += 1
        epoch = session["epoch"]
        if session["oack"]:
            packets = [(0, session["oack"])]
        else:
            first = session["acked"] + 1
            last = min(first + session["window"] - 1, session["last"])
            session["sent"] = last
            packets = [(block, self._block(session, block)) for block in range(first, last + 1)]
        replies = []
        for block, packet in packets:
            if not self._lost("out", packet):
                replies += self._replies(session, block, packet)

        def again():
            if session["over"] or session["epoch"] != epoch:
                return ()
            return self._burst(session)

        if self.retry_ms:
            replies.append((self.delay_ms + self.retry_ms, session["tid"], again))
        return replies

    def _replies(self, session, block, packet):
        # What is sent for a block; 0: for the OACK.
        return [(self.delay_ms, session["tid"], packet)]

    def _acked(self, session, wire):
        self.acked += 1
        self.zeros += wire == 0
        if self.acked <= 100:
            self.acks.append(wire)
        if session["oack"]:
            if wire != 0:
                return ()
            session["oack"] = None
            return self._burst(session)
        if session["window"] > 1 and wire == self._wire(session["acked"]):
            return self._burst(session)  # the first block of the window was lost (RFC 7440 §4)
        for block in range(session["acked"] + 1, session["sent"] + 1):
            if self._wire(block) == wire:
                session["acked"] = block
                if block == session["last"]:
                    session["over"] = True
                    return ()
                return self._burst(session)
        return ()  # an old ACK: never a reason to send again (R-TFTP-47)


def pattern(size):
    """Bytes in which a block out of place shows."""
    block = bytes(range(251))
    return block * (size // 251) + block[: size % 251]  # a board has no room for it twice


class Long:
    """`pattern(size)` of which a piece is made when it is asked for: a board holds no more."""

    def __init__(self, size):
        self._size = size
        self._pieces = pattern(2 * 251 + 1468)

    def __len__(self):
        return self._size

    def __getitem__(self, part):
        start = part.start % 251
        length = min(part.stop, self._size) - part.start
        assert part.step is None and length <= 1468
        return self._pieces[start : start + max(0, length)]
