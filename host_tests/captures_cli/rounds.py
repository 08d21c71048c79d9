"""ROMs in virtual time against a server with one fault, and what passed as a capture.

`play(rom, case)` boots a flat ROM once; `CASES` are the faults. The result is a
`learning.Sample`, as if it had been read from a file.
"""

import re

from pxebench.captures import conversations, packets
from pxebench.learn import learner

from host_tests.core.fakenet import HOST, UNREACHABLE, FakeNet, FileServer, Run, silence
from host_tests.core.packets import ERROR, RRQ, data, error, oack

_CLIENT = "10.254.52.9"
_SIZE = 7300  # five blocks at least, with every blksize that a ROM asks for
_TID, _UNKNOWN_TID = 4000, 4999
_ANSWER_MS = 2
_LATENCY_MS = 0.2  # between a packet that comes and what the client says to it
_END_S = 400  # how long the capture goes on after the last packet


class Server(FileServer):
    """The core's file server with one fault. `odd`: {block, or 0 for the OACK: function(normal
    replies, server, session) -> replies}, each once a transfer; `most`: the last block that it
    sends, or None. It sends a packet again only where `odd` does."""

    def __init__(self, odd=(), grant=FileServer.GRANT, most=None):
        super().__init__(bytes(_SIZE), grant, _ANSWER_MS, retry_ms=None)
        self.odd = dict(odd)
        self.most = most

    def __call__(self, packet, local_port, port):
        # An RRQ repeated to the TID; an ERROR after which the ROM may go on.
        if packet[1] == ERROR or packet[1] == RRQ and port != 69:
            return ()
        return super().__call__(packet, local_port, port)

    def _acked(self, session, number):
        last = 0 if session["oack"] else session["sent"]
        return super()._acked(session, number) if number == last else ()

    def _replies(self, session, block, packet):
        if self.most and block > self.most:
            return []
        normal = super()._replies(session, block, packet)
        odd = session.setdefault("odd", dict(self.odd)).pop(block, None)
        return odd(normal, self, session) if odd else normal


def _then(*extra):
    # The normal reply, and further packets behind it, when no other is under way.
    def odd(replies, server, session):
        more = [make(server, session) for make in extra]
        return replies + [(_ANSWER_MS + 2 * n + 1, *what) for n, what in enumerate(more, 1)]

    return odd


def _before(*extra):
    # Other packets first, then, long enough after, the normal reply.
    def odd(replies, server, session):
        more = [(_ANSWER_MS, *make(server, session)) for make in extra]
        return more + [(delay + 200, source, what) for delay, source, what in replies]

    return odd


def _block(number, size=None, tid=None):
    # DATA of that number: the file's own, or of `size` bytes more than blksize.
    def make(server, session):
        if number and size is None:
            return tid or session["tid"], server._block(session, number)
        return session["tid"], data(number, bytes(session["blksize"] + (size or 0)))

    return make


def _raw(packet):
    return lambda server, session: (session["tid"], packet)


def _larger(replies, server, session):
    [(delay, source, packet)] = replies
    if b"blksize" in packet:
        session["blksize"], session["last"] = 8192, 1
    return [(delay, source, re.sub(rb"blksize\0\d+", b"blksize\x008192", packet))]


def _no_file(packet, local_port, port):
    return [(_ANSWER_MS, _TID, error(1, "File not found"))] if packet[1] == 1 else ()


def _icmp(packet, local_port, port):
    return [(1, port, UNREACHABLE)] if packet[1] == 1 else ()


CASES = {
    "healthy": Server,
    "blackhole": lambda: silence,
    "icmp": lambda: _icmp,
    "no file": lambda: _no_file,
    "no options": lambda: Server(grant=()),
    "server dies": lambda: Server(most=3),
    "duplicate": lambda: Server({2: _then(_block(2), _block(2))}),
    "future": lambda: Server({3: _before(_block(5))}),
    "old": lambda: Server({4: _before(_block(2))}),
    "zero": lambda: Server({4: _before(_block(0))}),
    "unknown TID": lambda: Server({3: _before(_block(3, tid=_UNKNOWN_TID))}),
    "oversize": lambda: Server({3: _before(_block(3, 8))}),
    "opcode 9": lambda: Server({3: _before(_raw(b"\0\x09xx"))}),
    "two OACKs": lambda: Server({0: _then(_raw(oack(("tsize", "9"))))}),
    "late OACK": lambda: Server({4: _before(_raw(oack(("tsize", "9"))))}),
    "larger blksize": lambda: Server({0: _larger}),
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
