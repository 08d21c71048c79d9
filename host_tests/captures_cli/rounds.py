"""ROMs in virtual time against a server with one fault, and what passed as a capture.

`play(rom, case)` boots a flat ROM once; `CASES` are the faults. The result is a
`learning.Sample`, as if it had been read from a file.
"""

from pxebench.captures import conversations, packets
from pxebench.learn import learner

from host_tests.core.fakenet import HOST, UNREACHABLE, FakeNet, Run, silence
from host_tests.core.packets import data, error, oack

_CLIENT = "10.254.52.9"
_SIZE = 7300  # five blocks at least, with every blksize that a ROM asks for
_TID, _UNKNOWN_TID = 4000, 4999
_ANSWER_MS = 2
_LATENCY_MS = 0.2  # between a packet that comes and what the client says to it
_END_S = 400  # how long the capture goes on after the last packet


class Server:
    """A right TFTP server but for `odd`: {block or "oack": function(normal replies, transfer,
    tid) -> replies}. `options`: those that it grants; `most`: the last block it sends, or None.
    It never sends again by itself."""

    def __init__(self, odd=(), options=("blksize", "tsize", "windowsize", "timeout"), most=None):
        self.odd = dict(odd)
        self.options = options
        self.most = most
        self.tid = _TID
        self.transfers = {}

    def __call__(self, packet, local_port, port):
        if packet[1] == 1 and port == 69:
            self.tid += 1
            transfer = Transfer(packet, self.options)
            self.transfers[local_port, self.tid] = transfer
            return self._send(transfer, self.tid, 0 if transfer.granted else 1)
        transfer = self.transfers.get((local_port, port))
        if transfer is None or packet[1] != 4 or packet[2] << 8 | packet[3] != transfer.sent:
            return ()  # an old ACK is no reason to send
        return self._send(transfer, port, transfer.sent + 1)

    def _send(self, transfer, tid, block):
        if block == 0:
            normal = [(_ANSWER_MS, tid, oack(*transfer.granted))]
            return self._odd("oack", normal, transfer, tid)
        replies = []
        for number in range(block, block + transfer.windowsize):
            if number > transfer.blocks or (self.most and number > self.most):
                break
            transfer.sent = number
            normal = [(_ANSWER_MS, tid, transfer.data(number))]
            replies += self._odd(number, normal, transfer, tid)
        return replies

    def _odd(self, point, replies, transfer, tid):
        odd = self.odd.get(point)
        if odd is None or (point, tid) in transfer.done:
            return replies
        transfer.done.add((point, tid))
        return odd(replies, transfer, tid)


class Transfer:
    """One TID of a Server: what was asked, what is granted, which block was sent last."""

    def __init__(self, request, known):
        words = [word.decode() for word in request[2:].split(b"\0")]
        asked = [(words[n].lower(), words[n + 1]) for n in range(2, len(words) - 1, 2) if words[n]]
        self.asked = dict(asked)
        self.blksize = int(self.asked.get("blksize", 512)) if "blksize" in known else 512
        self.windowsize = int(self.asked.get("windowsize", 1)) if "windowsize" in known else 1
        self.granted = [(n, str(_SIZE) if n == "tsize" else t) for n, t in asked if n in known]
        self.sent = 0
        self.done = set()

    @property
    def blocks(self):
        return _SIZE // self.blksize + 1

    def data(self, number):
        begin = (number - 1) * self.blksize
        return data(number, bytes(max(0, min(self.blksize, _SIZE - begin))))


def _then(*extra):
    # The normal reply, and further packets behind it, when no other is under way.
    def odd(replies, transfer, tid):
        more = [make(transfer, tid) for make in extra]
        return replies + [(_ANSWER_MS + 2 * n + 1, *what) for n, what in enumerate(more, 1)]

    return odd


def _before(*extra):
    # Other packets first, then, long enough after, the normal reply.
    def odd(replies, transfer, tid):
        more = [(_ANSWER_MS, *make(transfer, tid)) for make in extra]
        return more + [(delay + 200, source, what) for delay, source, what in replies]

    return odd


def _block(number, size=None):
    def make(transfer, tid):
        if number and size is None:
            return tid, transfer.data(number)
        return tid, data(number, bytes(transfer.blksize + (size or 0)))

    return make


def _raw(packet, tid=None):
    return lambda transfer, own: (tid or own, packet)


def _stray(number):
    return lambda transfer, own: (_UNKNOWN_TID, transfer.data(number))


def _larger(replies, transfer, tid):
    if "blksize" not in transfer.asked:
        return replies
    options = [(n, "8192" if n == "blksize" else t) for n, t in transfer.granted]
    transfer.blksize = 8192
    return [(_ANSWER_MS, tid, oack(*options))]


def _no_file(packet, local_port, port):
    return [(_ANSWER_MS, _TID, error(1, "File not found"))] if packet[1] == 1 else ()


def _icmp(packet, local_port, port):
    return [(1, port, UNREACHABLE)] if packet[1] == 1 else ()


CASES = {
    "healthy": Server,
    "blackhole": lambda: silence,
    "icmp": lambda: _icmp,
    "no file": lambda: _no_file,
    "no options": lambda: Server(options=()),
    "server dies": lambda: Server(most=3),
    "duplicate": lambda: Server({2: _then(_block(2), _block(2))}),
    "future": lambda: Server({3: _before(_block(5))}),
    "old": lambda: Server({4: _before(_block(2))}),
    "zero": lambda: Server({4: _before(_block(0))}),
    "unknown TID": lambda: Server({3: _before(_stray(3))}),
    "oversize": lambda: Server({3: _before(_block(3, 8))}),
    "opcode 9": lambda: Server({3: _before(_raw(b"\0\x09xx"))}),
    "two OACKs": lambda: Server({"oack": _then(_raw(oack(("tsize", "9"))))}),
    "late OACK": lambda: Server({4: _before(_raw(oack(("tsize", "9"))))}),
    "larger blksize": lambda: Server({"oack": _larger}),
}


def play(rom, case, name="pxe.0"):
    """The `learning.Sample` of one boot of a flat ROM in a case."""
    net = FakeNet(rom, None)
    Run(rom, CASES[case](), file=name, net=net, max_time_ms=2_000_000)
    made = []
    for at, local_port, port, packet in net.sent:
        at += _LATENCY_MS
        made.append(_packet(at, packet, rom, _CLIENT, local_port, HOST, port))
        if case == "icmp":
            error = _packet(at + 1, b"", rom, HOST, None, _CLIENT, None)
            error.icmp = (3, 3, _packet(at, packet, rom, _CLIENT, local_port, HOST, port))
            made.append(error)
    for at, local_port, port, packet in net.heard:
        made.append(_packet(at, packet, rom, HOST, port, _CLIENT, local_port))
    for at, local_port, source, packet in net.unread:
        if packet is not UNREACHABLE:
            made.append(_packet(at, packet, rom, HOST, source, _CLIENT, local_port))
    made.sort(key=lambda packet: packet.epoch_ns)
    for number, packet in enumerate(made, 1):
        packet.number = number
    file = packets.File(case)
    file.packets, file.epoch_ns, file.until = made, 0, made[-1].time + _END_S
    client = conversations.group(file).client()
    boots = [boot.conversations for boot in client.boots]
    return learner.Sample(case, client, boots, client.boots, file.until)


def _packet(at, payload, rom, src, sport, dst, dport):
    return packets.Packet(
        time=at / 1000, epoch_ns=round(at * 10**6), src=src, sport=sport, dst=dst, dport=dport,
        payload=payload, size=len(payload), ttl=rom["udp"]["ttl"], vlans=[], out=False,
    )  # fmt: skip
