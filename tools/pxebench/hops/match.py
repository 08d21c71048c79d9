"""Which records of a capture are packets of this run: by content, by addresses, and by one offset
of the clocks.

The rules are in `path`; here one capture is matched with the packets of the ROM's side. A packet's
key is its content, without addresses and ports.
"""

from collections import Counter, namedtuple

from pxebench.captures import messages
from pxebench.hops.path_words import note

WINDOW_US = 800_000  # the largest difference in delay between two packets of a run
NEAR_US = 2_000_000  # clocks that are synchronised agree to within this
_SAME_US = 50_000  # time between two records of one packet, in a capture on all interfaces
_AFTER_US = 90_000_000  # a server resends for so long after the ROM has left
_FIRST_TTLS = (32, 64, 128, 255)  # a packet with one of these has passed no router
# The kinds that only one end sends; ERROR comes from both.
_SIDES = {"RRQ": (True,), "ACK": (True,), "DATA": (False,), "OACK": (False,)}

Sent = namedtuple("Sent", "us out key port peer peer_port size run")
Sent.__doc__ = "A packet as the ROM's side saw it; `port`: the ROM's, `peer`: the server."
_Record = namedtuple("_Record", "us key src sport dst dport size ttl ip_id")
_Record.__doc__ = "A packet of a capture."
_Pair = namedtuple("_Pair", "level number place out apart_us sure")
_Pair.__doc__ = "A record (`number`) that may be the packet of ours at `place`."


def key_of(message):
    # A packet's content, without addresses and ports.
    kind = message.kind
    if kind in ("RRQ", "WRQ", "OACK"):
        options = tuple((name, value) for name, value in message.options or ())
        return (kind, message.file, options) if kind != "OACK" else (kind, options)
    if kind == "ERROR":
        return (kind, message.code, (message.text or "")[:80])
    return (kind, message.block, message.length)


def words_of(key):
    """A packet's content in words, without its kind: `undionly.kpxe, tsize 0`; may be empty."""
    kind = key[0]
    if kind in ("RRQ", "WRQ"):
        return ", ".join([key[1] or "", *(" ".join(pair) for pair in key[2])])
    if kind == "OACK":
        return ", ".join(" ".join(pair) for pair in key[1])
    if kind == "ERROR":
        return f"{key[1]} {key[2]}".strip()
    return f"{key[2]} bytes" if kind == "DATA" and key[2] is not None else ""


class Seen:
    """One capture, matched with our packets. Adds to each row of `rows` its time there, or
    None."""

    def __init__(self, file, rows, client, server):
        self.file = file
        self.client, self.server = client, server
        self.records = list(_records(file))
        self.nat = {}  # our port: (address, port) that it has here, where that differs
        self.level = 0
        self.confirmed = False  # by a port that no other boot has
        self.known = {sent.peer_port for sent, _ in rows if sent.out and sent.key[0] == "RRQ"}
        self.offset_us = self.within_us = None
        self.matched = {}  # place in records: place in rows
        self.rows = rows
        self._match([sent for sent, _ in rows])
        times = {place: self.records[number].us for number, place in self.matched.items()}
        for place, (_, places) in enumerate(rows):
            places.append(times[place] - self.offset_us if place in times else None)
        self.times = times
        self.unheard = list(self._unheard()) if times else []

    def _match(self, ours):
        pairs = list(self._pairs(ours))
        best = None
        # First with both ends unchanged; else with another client (NAT), else with another server.
        for level in (3, 2, 1):
            chosen = [pair for pair in pairs if pair.level == level]
            if level == 2 and self._knows_us():
                chosen = []
            if level < 3 and chosen:
                address = Counter(self._end(pair)[0] for pair in chosen).most_common(1)[0][0]
                chosen = [pair for pair in chosen if self._end(pair)[0] == address]
            if chosen:
                score, low = _agreement(chosen)
                score = (*score[:2], level, *score[2:])
                if best is None or score > best[0]:
                    best = (score, low, chosen)
        if best is None:
            return
        (self.confirmed, _, self.level, *_), low, chosen = best
        self._assign(ours, [pair for pair in chosen if low <= pair.apart_us <= low + WINDOW_US])
        if self.level == 3:
            # A port that was translated, of our own address.
            rest = [
                pair
                for pair in pairs
                if pair.level == 2
                and self._end(pair)[0] == self.client
                and abs(pair.apart_us - self.offset_us) <= WINDOW_US
            ]
            self._assign(ours, rest)

    def _knows_us(self):
        return any(self.client in (record.src, record.dst) for record in self.records)

    def _pairs(self, ours):
        # Each record with each packet of ours with the same content.
        said = {}
        for place, sent in enumerate(ours):
            said.setdefault((sent.out, sent.key), []).append(place)
        for number, record in enumerate(self.records):
            for out in _SIDES.get(record.key[0], (True, False)):
                near, far = _ends(record, out)
                for place in said.get((out, record.key), ()):
                    sent = ours[place]
                    same_client = near == (self.client, sent.port)
                    same_server = far[0] == sent.peer
                    level = 2 * same_server + same_client
                    if level:
                        # A server's new port is one of thousands: no other boot has it.
                        sure = not out and far[1] == sent.peer_port and far[1] not in self.known
                        yield _Pair(level, number, place, out, record.us - sent.us, sure)

    def _end(self, pair):
        return _ends(self.records[pair.number], pair.out)[0 if pair.level != 1 else 1]

    def _assign(self, ours, pairs):
        # One record to one packet, the nearest in time first; one translation to one port.
        taken = set(self.matched.values())
        used = set(self.matched)
        pairs = [pair for pair in pairs if pair.place not in taken and pair.number not in used]
        if not pairs:
            return
        votes = {}
        for pair in pairs:
            end = _ends(self.records[pair.number], pair.out)[0]
            votes.setdefault(ours[pair.place].port, Counter())[end] += 1
        ends = {port: count.most_common(1)[0][0] for port, count in votes.items()}
        guess = self.offset_us
        if guess is None:
            guess = _middle([pair.apart_us for pair in pairs])
        pairs.sort(key=lambda pair: abs(pair.apart_us - guess))
        for _, number, place, out, difference, _ in pairs:
            sent = ours[place]
            if place in taken or number in used or abs(difference - guess) > WINDOW_US:
                continue
            if _ends(self.records[number], out)[0] != ends[sent.port]:
                continue
            taken.add(place)
            used.add(number)
            self.matched[number] = place
            if ends[sent.port] != (self.client, sent.port):
                self.nat[sent.port] = ends[sent.port]
        self._clock(ours)

    def _clock(self, ours):
        there, back = [], []
        for number, place in self.matched.items():
            way = there if ours[place].out else back
            way.append(self.records[number].us - ours[place].us)
        if there and back:
            high, low = min(there), max(back)
            self.offset_us, self.within_us = (high + low) // 2, abs(high - low) // 2
        elif there or back:
            self.offset_us = min(there) if there else max(back)

    def _unheard(self):
        # Packets between our ports and the server that the ROM's side does not have.
        known = {sent.port: (self.client, sent.port) for sent, _ in self.rows}
        known.update(self.nat)
        ports = {end: port for port, end in known.items()}
        servers = {sent.peer for sent, _ in self.rows} | {self.server}
        servers |= {_ends(self.records[n], True)[1][0] for n in self.matched if self.level == 1}
        first = self.rows[0][0].us - WINDOW_US
        last = self.rows[-1][0].us + _AFTER_US
        for number, record in enumerate(self.records):
            if number in self.matched or not first <= record.us - self.offset_us <= last:
                continue
            for out in _SIDES.get(record.key[0], (True, False)):
                near, far = _ends(record, out)
                if near in ports and far[0] in servers:
                    yield record.us - self.offset_us, out, record, ports[near], far
                    break

    def hop(self):
        ours = [record for number, record in enumerate(self.records) if number in self.matched]
        ours += [one[2] for one in self.unheard]
        from_server = [r.ttl for r in ours if r.key[0] in ("OACK", "DATA")]
        at_server = all(ttl in _FIRST_TTLS for ttl in from_server) if from_server else None
        hop = {
            "file": self.file.path.rpartition("/")[2],
            "packets": len(self.records),
            "matched": len(self.matched),
            "of_this_run": self._of_this_run(),
            "covers": self._covers(),
            "offset_ms": _ms(self.offset_us),
            "offset_within_ms": _ms(self.within_us),
            "at_server": at_server,
            "nat": [
                {"client": f"{self.client}:{port}", "seen_as": f"{end[0]}:{end[1]}"}
                for port, end in sorted(self.nat.items())
            ],
            "notes": list(self.file.notes),
        }
        hop["note"] = note(hop)
        return hop

    def _of_this_run(self):
        # None: the same requests at another time, and nothing that only this run has.
        if not self.matched:
            return False
        return True if self.confirmed or abs(self.offset_us) <= NEAR_US else None

    def _covers(self):
        # Whether it ran during the whole of our run, if its clock is right.
        if not self.records or not self.rows:
            return False
        first, last = self.records[0].us, self.records[-1].us
        return first <= self.rows[0][0].us and self.rows[-1][0].us <= last


def _records(file):
    # Its UDP packets, each once: on all interfaces of a firewall a packet is seen twice.
    recent = {}
    for packet in file.packets:
        if packet.icmp:
            continue
        key = key_of(messages.Tftp(packet.payload, packet.size))
        us = packet.epoch_ns // 1000
        ends = (packet.src, packet.sport, packet.dst, packet.dport)
        same = (key, packet.ip_id, ends)
        if us - recent.get(same, -_SAME_US - 1) <= _SAME_US:
            continue
        recent[same] = us
        yield _Record(us, key, *ends, packet.size, packet.ttl, packet.ip_id)


def _ends(record, out):
    # (the client's end, the server's end) of a record, if it went out or in.
    source, target = (record.src, record.sport), (record.dst, record.dport)
    return (source, target) if out else (target, source)


def _agreement(pairs):
    # (how good, where it begins): the window of differences that explains most of the packets. The
    # capture may have another boot with the same ports: first counts what is confirmed, then
    # whether the clocks agree, then the number of packets, then the clocks' difference.
    pairs = sorted(pairs, key=lambda pair: pair.apart_us)
    best, end, sure = None, 0, 0
    for start, pair in enumerate(pairs):
        low = pair.apart_us
        while end < len(pairs) and pairs[end].apart_us <= low + WINDOW_US:
            sure += pairs[end].sure
            end += 1
        score = (sure > 0, abs(low) <= NEAR_US, end - start, -abs(low))
        if best is None or score > best[0]:
            best = (score, low)
        sure -= pair.sure
    return best


def _middle(numbers):
    return sorted(numbers)[len(numbers) // 2]


def _ms(us):
    return None if us is None else round(us / 1000, 3)
