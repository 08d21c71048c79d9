"""A captured server plays against our ROM: the same packets, at the same times, in virtual time.

`play(talks, rom)` takes the conversations that one program of a captured client had (a ROM, or
what it loaded), makes a script of what the server sent, and lets `pxerom.fetch.Fetch` be the
client.
What passes is kept as packets of a capture of our own, so that `pxebench.compare` can judge it as
it judges any other. Which captures are replayed, and what may differ, stands in `table`.

1. A server's packet comes when it came: so long after the client's packet that it followed. A
   client whose timer is 3 ms late meets the server's answer 3 ms later, not before it has asked.
2. No packet overtakes another: a captured client that was slow to answer had read them in the same
   order.
3. Where the ROM's timer and a server's packet are due within `_TIE_MS` of each other, they come in
   the capture's order: that client's clock was not ours. (A packet that is on its way here came
   before that client's next one, else it would still be waiting for that one: rule 1.)
4. A captured client took time to answer, ours takes none: a packet of ours goes out behind those
   that the captured one had let come in before it, by `_TIE_MS` at most.
5. A client's packet is known by its bytes and the server's port. One that the capture does not
   have is answered by nothing.
6. A client that fell silent in the capture has given up, and so must ours: only where the capture
   was cut before that (`cut_s`) is what ours sends afterwards compared with nothing.
"""

import collections

from pxebench.captures import conversations, packets
from pxerom.fetch import Fetch

from host_tests.core.fakenet import HOST, UNREACHABLE, FakeNet, Tape

_LOOK_AHEAD = 4  # captured packets that may be missing in ours before we have lost our way
_TIE_MS = 60  # what the clocks of the captured guests are good for
_NS_MS = 1e-6
_SLICE_MS = 1000  # the longest sleep of a receive
_EVER_MS = 3600000
_PORT_UNREACHABLE = (3, 3)

Step = collections.namedtuple("Step", "packet to replies")
Step.__doc__ = """A packet of the captured client, and what the server sent after it and before the
next: [(delay_ms, server's port, client's port, bytes or UNREACHABLE), ...]."""

Replay = collections.namedtuple("Replay", "theirs ours strict result")
Replay.__doc__ = """What came of a program: its captured conversations, ours, what is not the same
byte for byte in what the client sent (texts), and the last boot's result."""


def _in_order(talks):
    return sorted((p for talk in talks for p in talk.packets), key=lambda p: p.epoch_ns)


def script(talks):
    """The Steps of conversations, in the order of their packets."""
    steps = []
    asked_at = None
    for packet in _in_order(talks):
        if packet.out:
            if packet.icmp is None:
                steps.append(Step(packet.payload, packet.dport, []))
                asked_at = packet.epoch_ns
            continue
        delay_ms = (packet.epoch_ns - asked_at) / 1e6
        if packet.icmp is not None:
            quoted = packet.icmp[2]
            steps[-1].replies.append((delay_ms, quoted.dport, quoted.sport, UNREACHABLE))
            continue
        # The file keeps the header of a DATA only; what its bytes were changes nothing here.
        payload = packet.payload + bytes(packet.size - len(packet.payload))
        steps[-1].replies.append((delay_ms, packet.sport, packet.dport, payload))
    return steps


class _Net(FakeNet):
    """FakeNet whose server plays a script. `clock_factor`: how much longer than ours a second of
    the captured guest's clock was; the ROM gets that clock."""

    def __init__(self, rom, server_host, client_host, clock_factor):
        super().__init__(rom, self._play)
        self.hosts = (client_host, server_host)
        self.factor = clock_factor
        self.steps_left = []
        self.passed = []  # packets.Packet, both ways
        self.sent_now = []  # (at_ms, bytes, server's port) since the last load
        self.began = 0
        self.wire = 0  # when the client's last packet was on the wire
        self._ports = {}  # of the captured client: ours

    def load(self, steps):
        self.steps_left = steps
        self.sent_now = []
        self.began = self.clock

    def now(self):
        return int(self.clock / self.factor) - self.before_wrap

    def _play(self, packet, local_port, port):
        known = [(step.packet, step.to) for step in self.steps_left[:_LOOK_AHEAD]]
        late_ms = 0
        replies = []
        if (packet, port) in known:
            # What is on its way here came before this packet of the captured client (rule 4).
            coming = [due - self.clock for due, mine, _, _ in self._queue if mine == local_port]
            late_ms = max([0] + [each + _NS_MS for each in coming if each <= _TIE_MS])
            index = known.index((packet, port))
            for step in self.steps_left[: index + 1]:  # the server's own timers went on
                replies += step.replies
            del self.steps_left[: index + 1]
        self.wire = max(self.wire, self.clock + late_ms)
        self._note(True, local_port, port, packet, self.wire)
        self.sent_now.append((self.wire - self.began, packet, port))
        late_ms = self.wire - self.clock
        return [(late_ms + delay_ms, *where) for delay_ms, *where in replies]

    def _post(self, replies, local_port):
        # As FakeNet's, but a reply may be for a port that the ROM had before.
        for delay_ms, source, client_port, what in replies:
            mine = self._ports.setdefault(client_port, local_port)
            ahead = [due for due, port, _, _ in self._queue if port == mine]
            if ahead:
                delay_ms = max(delay_ms, ahead[-1] - self.clock)
            super()._post([(delay_ms, source, what)], mine)

    def functions(self, wait_ms):
        return None  # the slices of each wait are this clock's own

    def receive(self, size, wait_ms):
        last = wait_ms <= _SLICE_MS  # the timer's own end, not a slice before it
        wait_ms = min(wait_ms, _SLICE_MS) * self.factor
        if self._queue and last and 0 < self._queue[0][0] - self.clock - wait_ms <= _TIE_MS:
            self._queue[0] = (self.clock + wait_ms, *self._queue[0][1:])
        # FakeNet sleeps for a second at most, by its own clock.
        unread, icmp = len(self.unread), self.unreachable
        data = super().receive(size, min(wait_ms, _SLICE_MS))
        for _, local_port, port, what in self.unread[unread:]:
            self._note(False, local_port, port, what)
        if data is not None:
            at_ms, local_port, port, what = self.heard[-1]
            self._note(False, local_port, port, what)
        elif self.unreachable != icmp:
            self._note(False, self.port, 0, UNREACHABLE)
        return data

    def _note(self, out, local_port, port, payload, clock=None):
        clock = self.clock if clock is None else clock
        client, server = self.hosts
        ends = {"src": client, "dst": server, "sport": local_port, "dport": port}
        if not out:
            ends = {"src": server, "dst": client, "sport": port, "dport": local_port}
        icmp = None
        if payload is UNREACHABLE:
            last = [each for each in self.passed if each.src == client][-1]
            icmp = (*_PORT_UNREACHABLE, last)
            payload = b""
            ends["sport"] = ends["dport"] = None
        self.passed.append(
            packets.Packet(
                **ends,
                number=len(self.passed) + 1,
                epoch_ns=round(clock * 1e6),
                time=clock / 1e3,
                vlans=(),
                size=len(payload),
                payload=bytes(payload),
                icmp=icmp,
            )
        )


def groups(talks, rom):
    """The conversations of a program in the groups that one fetch of this ROM makes."""
    most = len(rom["tftp"]["requests"])
    found = []
    for talk in talks:
        if found and found[-1][0].file == talk.file and len(found[-1]) < most:
            found[-1].append(talk)
        else:
            found.append([talk])
    return found


def play(talks, rom, cut_s=None, clock_factor=1.0):
    """The Replay of a program's conversations by a flat ROM, one file after the other.

    `cut_s`: when the capture ends, in the seconds of its packets, where that was before the client
    came to its own end; what our ROM sends later is compared with nothing.
    """
    net = _Net(rom, talks[0].server, talks[0].client, clock_factor)
    strict = []
    result = None
    for group in groups(talks, rom):
        steps = script(group)
        theirs = [(step.packet, step.to) for step in steps]
        net.load(steps)
        sink = Tape()
        sink.net = net
        boot = Fetch(rom, net, lambda event: None)
        file, port = group[0].file, group[0].server_port
        limit_ms = _EVER_MS
        if cut_s is not None and group[-1] is talks[-1]:
            limit_ms = (cut_s - group[0].began) * 1000
        # Some time after the cut, for what is late by as much as may be.
        most_ms = int(limit_ms * 1.06 / clock_factor) + 100
        result = boot.fetch(HOST, port, file, sink, max_time_ms=most_ms)
        while len(net.sent_now) > len(theirs) and net.sent_now[-1][0] >= limit_ms:
            net.sent_now.pop()
            net.passed.remove([each for each in net.passed if each.src == net.hosts[0]][-1])
        strict += _unlike(file, theirs, [(packet, to) for _, packet, to in net.sent_now])
    file = packets.File("ours")
    file.packets = sorted(net.passed, key=lambda packet: packet.epoch_ns)
    file.epoch_ns = 0
    capture = conversations.group(file)
    return Replay(talks, capture.clients[0].conversations, strict, result)


def _unlike(file, theirs, ours):
    # The client's packets, byte for byte: the first that is not the same, and the count.
    for number, (their, our) in enumerate(zip(theirs, ours, strict=False), 1):
        if their != our:
            yield f"{file}, packet {number} of the client: {_words(*their)}, ours {_words(*our)}"
            break
    if len(theirs) != len(ours):
        yield f"{file}: {len(theirs)} packets of the client, ours {len(ours)}"


def _words(packet, to):
    place = "" if to != 69 else " to 69"
    return packet[:24].hex(" ") + ("..." if len(packet) > 24 else "") + place
