"""What the evidence shows of a program: ports, requests, waits, reactions, DHCP.

Attempts, waits and reactions are read by `learn`'s code.  `who` compares them with the ROM files.

1. What the evidence cannot show is left out: a port that no line has, a request that was cut, a
   wait in a text without times.
2. A boot whose beginning is not in the evidence may have begun earlier: `from_start` is False.
"""

import re

from pxebench.captures.messages import tftp
from pxebench.learn import reactions, requests, waits

_PROBE = (
    "no_oack",
    "error",
    "malformed_oack",
    "unrequested_option",
    "larger_blksize",
    "other_timeout",
)
_ANSWERED_MS = 500
_BIG = 8000  # packets of a talk beyond which its middle may be missing
_SAME = 1024  # ports that a quick look compares


def only_requests(view):
    """True for a text in which every packet of a client is a request: answers come from other
    ports, and a filter for port 69 does not show them."""
    if view is None or view.source.file is not None:
        return False
    talks = view.client.conversations
    return all(packet in talk.requests for talk in talks for packet in talk.packets)


class Request:
    """One RRQ as it is compared.  `mode`, `options`; `known`: False where the options are not."""

    def __init__(self, talk):
        packet = talk.requests[0]
        self.mode = talk.asked.mode
        self.options = [[name.lower(), text] for name, text in talk.asked.options or ()]
        self.known = not packet.cut
        self.padded = talk.asked.padded

    def words(self):
        """Its options in words."""
        if not self.known:
            return "options not known"
        return ", ".join(" ".join(pair) for pair in self.options) or "no options"


class Features:
    """Made by `of`.  `boots`: for each boot [(time or None, port, repeated)]; `attempts`: for each
    attempt at a file its `Request`s; `finishes`: [(Request, Tftp ERROR, its bytes)] of granted
    requests that the client ended; `open`, `read`: `learn.waits.RetryRow`s (of RRQs, of
    ACKs); `reactions`: {(of a probe, hazard): {word: times}}; `ttls`; `dhcp`: for each boot its
    [(Packet, Dhcp)]; `files`; `from_start`: whether the boots' beginning is there; `mac`."""

    def __init__(self):
        self.boots = []
        self.attempts = []
        self.finishes = []
        self.open = []
        self.read = []
        self.reactions = {}
        self.ttls = {}
        self.dhcp = []
        self.files = []
        self.from_start = False
        self.vendor = self.user_class = None  # as a DHCP server's log tells them
        self.requested = []
        self.mac = None


def of(program):
    """The `Features` of a `machines.Program`."""
    found = Features()
    found.mac = program.machine.mac
    view = program.view
    for boot in program.boots:
        found.dhcp.append(boot.dhcp)
    found.from_start = bool(program.boots) and program.number == 1
    for mark in program.machine.marks if program.number == 1 and not program.boots else ():
        found.vendor = mark.get("vendor") or found.vendor
        found.user_class = mark.get("user_class") or found.user_class
        if mark.get("requested"):
            numbers = re.findall(r"(?:^|[ ,])(\d{1,3})\b", mark.get("requested"))
            found.requested += [n for n in map(int, numbers) if n not in found.requested]
    if view is None:
        rows = [(time, port, False) for port, time, _ in program.ports if port > 0]
        times = [time for time, _, _ in rows]
        if None not in times:
            rows.sort(key=lambda row: row[0])
        seen, boot = set(), []
        for row in rows:
            if row[1] not in seen:
                seen.add(row[1])
                boot.append(row)
        if boot:
            found.boots.append(boot)
        return found
    until = getattr(view.source, "until", 0.0)
    for talks in program.talks:
        _boot(found, talks, view, until)
    return found


def _boot(found, talks, view, until):
    timed = view.timed
    found.boots.append(
        [
            (packet.time if timed else None, packet.sport, number > 0)
            for talk in talks
            for number, packet in enumerate(talk.requests)
            if packet.sport > 0
        ]
    )
    for talk in talks:
        if talk.file and talk.file not in found.files:
            found.files.append(talk.file)
        for packet in talk.requests:
            if packet.ttl:
                found.ttls[packet.ttl] = found.ttls.get(packet.ttl, 0) + 1
    for attempt in requests.attempts(talks):
        row = []
        for talk in attempt:
            request = Request(talk)
            if not row or (row[-1].mode, row[-1].options) != (request.mode, request.options):
                row.append(request)
            error = talk.sent_error
            if error is not None and talk.oack is not None and not talk.blocks:
                size = next(p.size for p, m in talk.messages() if m is error)
                found.finishes.append((request, error, size))
        found.attempts.append(row)
    if timed:
        _waits(found, talks, until, only_requests(view))
        _reactions(found, talks, view, until)


def _at_once(table):
    # A client that goes on at once was answered, though the answer is not in the evidence.
    return table.ending in ("next", "file") and table.waits_ms[-1] < _ANSWERED_MS


def _waits(found, talks, until, blind):
    for number, talk in enumerate(talks):
        after = talks[number + 1] if number + 1 < len(talks) else None
        if talk.requests[0].cut:
            # A log's request: only the times are used.
            gaps = [
                (b.time - a.time) * 1000
                for a, b in zip(talk.requests, talk.requests[1:], strict=False)
            ]
            if gaps:
                found.open.append((Request(talk), waits.RetryRow(gaps, None, "")))
            continue
        tables = waits.request_retries(talk, after, until, "")
        found.open += [
            (Request(talk), table) for table in tables if not (blind and _at_once(table))
        ]
        if len(talk.packets) < _BIG:
            tables, _ = waits.read_retries(talk, until, "")
            found.read += tables


def _reactions(found, talks, view, until):
    if view.source.file is None:
        return  # lengths alone do not tell a block from its copy
    for attempt in requests.attempts(talks):
        for number, talk in enumerate(attempt):
            if len(talk.packets) >= _BIG or talk.requests[0].cut:
                continue
            goes_on = number + 1 < len(attempt)

            def see(hazard, word, packet, probe=goes_on):
                key = (probe and hazard in _PROBE, hazard)
                words = found.reactions.setdefault(key, {})
                name = _word(word)
                words[name] = words.get(name, 0) + 1

            reactions.look(talk, until, goes_on, see)


def _word(word):
    # A reaction as a key: {"error": 8, "message": ""} counts by its code and text.
    if isinstance(word, dict):
        return f"ERROR {word.get('error')} {word.get('message')}"
    return str(word)


def reaction_word(word):
    """A ROM file's reaction in the same form as `Features.reactions` has them."""
    return _word(word)


def alone(talk):
    """True when a conversation has nothing but requests: nothing came that was answered."""
    return not any(
        packet.out and tftp(packet).kind in ("ACK", "ERROR")
        for packet in talk.packets
        if not packet.icmp
    )
