"""Two captures of a client, packet by packet: what a server or a firewall could tell apart.

    found = differences.compare(reference.boots[0], ours.boots[0])   # Boots, or lists of
    conversations found.equal, found.differences, found.notes, found.sections

The captures are read by `conversations`; the command and its picture are `cli`.

1. Only what the client does is compared. A difference of the server (TIDs, times, a DATA that it
   repeats) is at most a note, and so is the client's answer to it.
2. Packets that cross on the wire are first sorted into packet and reply.
3. Times are measured since the client's last packet and since the server's: one of them must
   agree, within `Tolerance`. So must the pause between DHCP and the first request. Pauses between
   two files are not compared: a person may be typing.
4. What a ROM file calls random is compared by its rule: does the port change, and is it in range.
5. Of a request that a capture cut, the kept bytes and the length are compared.
6. Of DHCP the xid, the MAC and the UUID are not compared; `secs` must be equal, or count the
   seconds in both.
"""

from difflib import SequenceMatcher

from pxebench.captures.events import events
from pxebench.compare.dhcp import compare_dhcp

_TYPED_S = 5.0  # a longer pause from DHCP to the first request is a person's


class Tolerance:
    """How far two times may be apart: `percent` of the reference's, or `ms`, whichever is more."""

    def __init__(self, percent=5.0, ms=60.0):
        self.percent = percent
        self.ms = ms

    def alike(self, reference_s, ours_s):
        """True when these two spans, in seconds, count as equal."""
        return abs(ours_s - reference_s) * 1000 <= max(self.ms, reference_s * self.percent * 10)


class Difference:
    """One difference.  `kind`: port, request, missing, extra, packet, time, error, state or dhcp;
    `where`: in words; `reference` and `ours`: what each shows, as text or None."""

    def __init__(self, kind, where, reference, ours):
        self.kind = kind
        self.where = where
        self.reference = reference
        self.ours = ours

    @property
    def text(self):
        """The difference in words."""
        if self.reference is None:
            return f"{self.where}: {self.ours}, and the reference does not do that"
        if self.ours is None:
            return f"{self.where}: {self.reference} is missing"
        return f"{self.where}: {self.reference}, ours {self.ours}"

    def __repr__(self):
        return f"<{self.kind} {self.text}>"

    def as_json(self):
        """The difference as a dict."""
        names = ("kind", "where", "reference", "ours", "text")
        return {name: getattr(self, name) for name in names}


class Comparison:
    """What `compare` returns; as a sequence it is its differences.  `notes`: sentences on what
    differs, but is not the client's; `sections`: [(title, rows)], a row being (Event or None,
    Event or None, mark), with mark "same", "server", or the kind of the difference."""

    def __init__(self):
        self.differences = []
        self.notes = []
        self.sections = []

    @property
    def equal(self):
        return not self.differences

    def __len__(self):
        return len(self.differences)

    def __iter__(self):
        return iter(self.differences)

    def __getitem__(self, index):
        return self.differences[index]

    def add(self, kind, where, reference, ours):
        """Add a Difference."""
        self.differences.append(Difference(kind, where, reference, ours))


def compare(reference, ours, tolerance=None, rom=None):
    """The `Comparison` of two `conversations.Boot`s, or of two lists of Conversations.  `rom`: a
    ROM in its flat form, for what it declares random."""
    found = Comparison()
    tolerance = tolerance or Tolerance()
    dhcp = [getattr(side, "dhcp", []) for side in (reference, ours)]
    talks = [getattr(side, "conversations", side) for side in (reference, ours)]
    if all(dhcp):
        compare_dhcp(dhcp[0], dhcp[1], tolerance, found)
    elif any(dhcp):
        which = "ours" if dhcp[0] else "the reference"
        found.notes.append(f"DHCP was not compared: there is none in {which}.")
    pairs = list(_pairs(*talks))
    if all(dhcp) and pairs and None not in pairs[0]:
        _after_dhcp(dhcp, pairs[0], tolerance, found)
    _ports(pairs, rom, found)
    last = (None, None)
    for number, (theirs, own) in enumerate(pairs, 1):
        _conversation(number, theirs, own, last, tolerance, found)
        last = (theirs or last[0], own or last[1])
    return found


def _pairs(reference, ours):
    # Which conversations are compared: the same request; else the same mode and options; else the
    # same place.
    for a, b, c, d in _stretches(*([talk.request for talk in side] for side in (reference, ours))):
        theirs, own = reference[a:b], ours[c:d]
        words = [[_words(talk) for talk in side] for side in (theirs, own)]
        for e, f, g, h in _stretches(*words):
            size = max(f - e, h - g)
            left = list(theirs[e:f]) + [None] * (size - (f - e))
            right = list(own[g:h]) + [None] * (size - (h - g))
            yield from zip(left, right, strict=True)


def _stretches(left, right):
    # Stretches (a, b, c, d) of two lists, alike or not.
    for _, a, b, c, d in aligned(left, right):
        yield a, b, c, d


def aligned(left, right):
    """difflib's opcodes of two lists of tokens; where equal tokens were inserted among each other
    (an ACK sent three times, not once) the last of them count as inserted, since they came
    later."""
    steps = [["equal", 0, 0, 0, 0]]  # for an insertion at the beginning
    steps += [list(step) for step in SequenceMatcher(None, left, right, False).get_opcodes()]
    for number, step in enumerate(steps[:-1]):
        tag, a, b, c, d = step
        after = steps[number + 1]
        tokens, begin, end = (right, c, d) if tag == "insert" else (left, a, b)
        if tag not in ("insert", "delete"):
            continue
        shift = 0
        while after[1] + shift < after[2] and tokens[begin + shift] == tokens[end + shift]:
            shift += 1
        before = steps[number - 1]
        for place in (2, 4):
            before[place] += shift
        for place in (1, 2, 3, 4):
            step[place] += shift
        for place in (1, 3):
            after[place] += shift
    return [step for step in steps if step[1] < step[2] or step[3] < step[4]]


def _words(talk):
    asked = talk.asked
    return asked.kind, asked.mode, str(asked.options), asked.tail


# --- source ports --------------------------------------------------------------------------------


def _ports(pairs, rom, found):
    spec = rom["udp"]["source_port"] if rom else {}
    drawn = spec.get("policy") in ("random", "clock")
    start = spec.get("first_max")  # a counter that begins somewhere up to there
    rows = []
    for theirs, own in pairs:
        if theirs and own:
            rows += zip(theirs.source_ports, own.source_ports, strict=False)
    wrong = None
    if drawn:
        for (before, our_before), (port, our_port) in zip(rows, rows[1:], strict=False):
            if (port == before) != (our_port == our_before):
                wrong = (
                    "the port changes" if port != before else "the port stays",
                    (f"from {our_before} to {our_port}"),
                )
                break
        outside = [own for _, own in rows if not spec["first"] <= own <= spec["last"]]
        if outside:
            wrong = f"a port of {spec['first']}..{spec['last']}", f"{outside[0]}"
    elif start and rows:
        steps = [[row[side] - rows[0][side] for row in rows] for side in (0, 1)]
        if steps[0] != steps[1]:
            wrong = tuple(_row([row[side] for row in rows]) for side in (0, 1))
        elif not spec["first"] <= rows[0][1] <= start:
            wrong = f"a first port of {spec['first']}..{start}", f"{rows[0][1]}"
    elif any(port != own for port, own in rows):
        wrong = tuple(_row([row[side] for row in rows]) for side in (0, 1))
    if wrong:
        found.add("port", "source ports", *wrong)


def _row(ports):
    # 2070, 2070, 2071 as "2070 twice, 2071".
    groups = []
    for port in ports:
        if groups and groups[-1][0] == port:
            groups[-1][1] += 1
        else:
            groups.append([port, 1])
    times = {1: "", 2: " twice"}
    words = [f"{port}{times.get(count, f' {count} times')}" for port, count in groups]
    return ", ".join(words[:12] + ["..."] * (len(words) > 12))


# --- one conversation ----------------------------------------------------------------------------


def _conversation(number, theirs, own, last, tolerance, found):
    name = f"transfer {number}"
    talk = theirs or own
    title = f"{name}: {talk.asked.kind} {talk.file}"
    sides = [events(side) if side else [] for side in (theirs, own)]
    rows = []
    found.sections.append((title, rows))
    if theirs is None or own is None:
        label = sides[0][0].label if theirs else sides[1][0].label
        kind = "missing" if theirs else "extra"
        found.add(kind, name, label if theirs else None, None if theirs else label)
        for event in sides[0] or sides[1]:
            rows.append((event, None, kind) if theirs else (None, event, kind))
        return
    asked = [talk.requests[0] for talk in (theirs, own)]
    kept = min(len(packet.payload) for packet in asked)
    if asked[0].size != asked[1].size or theirs.request[:kept] != own.request[:kept]:
        found.add("request", f"{name}, request", *(side[0].label for side in sides))
    elif asked[0].cut or asked[1].cut:
        found.notes.append(f"{name}: a file kept only {kept} bytes of the request; they agree.")
    _between(name, theirs, own, last, tolerance, found)
    tokens = [[event.token for event in side] for side in sides]
    for side in tokens:
        # The requests were compared above: here the first ones match even if they differ.
        side[0] = "request"
        side[1:] = [
            "request" if token == ("server", theirs.request) else token for token in side[1:]
        ]
    for tag, a, b, c, d in aligned(*tokens):
        if tag == "equal":
            for pair in zip(sides[0][a:b], sides[1][c:d], strict=True):
                rows.append((*pair, _times(name, *pair, tolerance, found)))
        else:
            rows += _unlike(name, sides[0][a:b], sides[1][c:d], found)
    if (theirs.outcome, theirs.blocks) != (own.outcome, own.blocks):
        found.add("state", f"{name}, its end", _state(theirs), _state(own))


def _between(name, theirs, own, last, tolerance, found):
    # The pause before a transfer is the ROM's where it asks for the same file again.
    if None in last or last[0].file != theirs.file or last[1].file != own.file:
        return
    pauses = []
    for before, talk in zip(last, (theirs, own), strict=True):
        sent = [packet.time for packet in before.packets if packet.out and not packet.icmp]
        came = [packet.time for packet in before.packets if packet.time <= talk.began]
        pauses.append((talk.began - max(sent), talk.began - max(came)))
    if not any(tolerance.alike(a, b) for a, b in zip(*pauses, strict=True)):
        where = f"{name}, pause before it"
        found.add("time", where, f"{pauses[0][0]:.3f} s", f"{pauses[1][0]:.3f} s")


def _after_dhcp(dhcp, first, tolerance, found):
    # The pause between the last DHCP packet and the first request, which some ROMs make.
    pauses = []
    for side, talk in zip(dhcp, first, strict=True):
        before = [packet.time for packet, _ in side if packet.time <= talk.began]
        if not before:
            return
        pauses.append(talk.began - max(before))
    if not tolerance.alike(*pauses) and pauses[0] < _TYPED_S:
        where = "transfer 1, pause between DHCP and its request"
        found.add("time", where, f"{pauses[0]:.3f} s", f"{pauses[1]:.3f} s")


def _times(name, theirs, own, tolerance, found):
    if not theirs.out or theirs.icmp or None in (theirs.since_out, own.since_out):
        return "same"
    spans = [(theirs.since_out, own.since_out)]
    if theirs.since_in is not None and own.since_in is not None:
        spans.append((theirs.since_in, own.since_in))
    if any(tolerance.alike(*span) for span in spans):
        return "same"
    where = f"{name}, {theirs.label}, packet {theirs.packet.number}"
    # The time since the packet before it.
    theirs_s, own_s = min(spans)
    found.add("time", where, f"after {theirs_s:.3f} s", f"after {own_s:.3f} s")
    return "time"


def _unlike(name, theirs, own, found):
    # The rows of a stretch that differs, and the differences in it.
    caused = set(_caused(theirs)) | set(_caused(own))
    pairs = []
    while theirs and own and theirs[0].out == own[0].out and theirs[0].icmp == own[0].icmp:
        pairs.append((theirs[0], own[0]))
        theirs, own = theirs[1:], own[1:]
    pairs += [(event, None) for event in theirs] + [(None, event) for event in own]
    for left, right in pairs:
        event = left or right
        where = f"{name}, packet {event.packet.number}" + ("" if left else " of ours")
        labels = [side.label if side else None for side in (left, right)]
        if event.icmp or not event.out or (None in (left, right) and event in caused):
            yield left, right, "server"
            if event.icmp and event.out or not event.out:
                found.notes.append(_note(where, event, left, right, labels))
            continue
        kind = "missing" if right is None else "extra" if left is None else "packet"
        if kind == "packet" and any(label.startswith("ERROR") for label in labels):
            kind = "error"
        yield left, right, kind
        found.add(kind, where, *labels)


def _note(where, event, left, right, labels):
    who = "client's system" if event.out else "server"
    if left and right:
        return f"{where}: the {who} sent {labels[1]} where the reference has {labels[0]}."
    which = "the reference" if left else "ours"
    return f"{where}: only in {which} did the {who} send {event.label}."


def _caused(side):
    # Answers to packets that the server sent on one side only: no difference of the client.
    for before, event in zip(side, side[1:], strict=False):
        if event.answer and not before.out and not before.icmp and not event.icmp:
            yield event


def _state(talk):
    error = talk.sent_error or talk.error
    words = {
        "done": "a complete upload" if talk.writes else "complete",
        "aborted": "ended by the client",
        "refused": "refused by the server",
        "broken": "broken off",
        "unanswered": "never answered",
    }[talk.outcome]
    code = f" with ERROR {error.code}" if error and talk.outcome in ("aborted", "refused") else ""
    return f"{words}{code}, {talk.blocks} block{'s' * (talk.blocks != 1)} acknowledged"
