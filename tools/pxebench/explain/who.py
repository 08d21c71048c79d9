"""Which boot client it is: every ROM file compared with what was seen of a program.

The ROM files are the fingerprints; no ROM is known here by name, except for the file names in
`_FILES`. Each fact in the evidence is for a ROM, against it, or unknown to its file.

1. A fact that a ROM file marks as assumed never counts against it.
2. A ROM is excluded by what it cannot do: other options, a port outside its rule.
3. The score is the weight of the facts that agree, less those that do not, over all facts
   (1 all agrees, 0.5 as much for as against); a reaction that a file does not name counts as if it
   agreed, so that a file which says less is not worse for it.  Equal scores are shown as a tie.
4. Ports alone are weak evidence: the fact's text says how weak.
"""

import functools
import re

from pxebench.explain import features as shown
from pxebench.explain import vendors
from pxebench.explain.who_dhcp import dhcp_facts
from pxebench.explain.who_ports import port_facts
from pxebench.job import bare, flat, load_rom
from pxebench.roms import known as roms

FOR, AGAINST, UNKNOWN, OUT = "for", "against", "unknown", "out"
_TOLERANCE_MS, _TOLERANCE = 150, 0.12
_SECOND_MS = 1000
_TTLS = (20, 32, 60, 64, 128, 255)
_MOST_HOPS = 24
_ERROR_HEAD = 5  # bytes of an ERROR without its text: opcode, code, NUL
_LINUX = (32768, 60999)
_VAGUE = 0.25  # the highest score of a file whose options are assumed
_SAME = 0.02  # a smaller difference is a tie: less than any fact weighs
_LITTLE = 0.15  # the same where little is known: the width of a range of ports must not decide
# The share of a fact's weight for a file that does not name it.
_CREDIT = {
    "reaction": 1.0,
    "ttl": 1.0,
    "waits": 0.6,
    "read": 0.8,
    "dhcp": 0.35,
    "finish": 0.5,
    "files": 0.8,
    "ports": 0.5,
    "per": 0.5,
    "vendor": 0.6,
}
# File names that are built into one loader.
_FILES = (
    (
        re.compile(
            r"(?:^|/)pxelinux\.cfg/(?:[0-9A-F]{1,8}|01(?:-[0-9a-f]{2}){6}|default|"
            r"[0-9a-f]{8}-[0-9a-f-]{27})$"
        ),
        ("pxelinux", "slof", "s390", "s390x"),
        "pxelinux.cfg/...",
    ),
    (re.compile(r"(?:^|/)ldlinux\.(?:c32|e32|e64)$"), ("pxelinux",), "ldlinux.c32"),
    (
        re.compile(
            r"(?:^|/)(?:normal|extcmd|crypto|terminal|gettext)\.mod$|"
            r"(?:^|/)(?:command|fs|crypto|terminal)\.lst$"
        ),
        ("grub",),
        "GRUB's modules",
    ),
    (
        re.compile(
            r"(?:^|/)(?:start4?\w*\.elf|bootcode\.bin|"
            r"fixup4?\w*\.dat|recovery\.elf|bootsig\.bin)$"
        ),
        ("rpi3", "rpi4"),
        "the Raspberry Pi's start files",
    ),
)


class Fact:
    """One fact of a ROM against the evidence.  `kind`; `verdict`: FOR, AGAINST, UNKNOWN or OUT;
    `weight`; `text`: in words."""

    def __init__(self, kind, verdict, weight, text):
        self.kind = kind
        self.verdict = verdict
        self.weight = weight
        self.text = text


class Candidate:
    """One ROM.  `rom`: its id; `name`; `score`: 0 to 1; `facts`; `out`: why it is excluded, or
    None; `flat`, `marks`: the ROM itself."""

    def __init__(self, known):
        self.known = known
        self.rom = known.id
        self.name = known.name
        self.facts = []
        self.score = 0.0
        self.out = None

    def of(self, verdict):
        """The sentences of its facts with this verdict."""
        return [fact.text for fact in self.facts if fact.verdict == verdict]

    def as_json(self):
        """As in the result."""
        against = self.of(AGAINST) + self.of(OUT)
        return {
            "rom": self.rom,
            "name": self.name,
            "score": self.score,
            "for": self.of(FOR),
            "against": against,
        }


class Known:
    """A ROM file, prepared for comparison. `flat`: complete; `dhcp`: bare, or None;
    `assumed(path)`."""

    def __init__(self, rom):
        self.id = rom["id"]
        self.name = bare(rom["name"])
        self.flat = flat(rom)
        self.dhcp = bare(rom.get("dhcp"))
        self._marks = {fact.path: fact.mark for fact in roms.facts(rom)}
        source_port = self.flat["udp"]["source_port"]
        # A program under an operating system: its ports are Linux's, its options those of the
        # command line.
        self.of_a_system = source_port["policy"] == "random" and (
            source_port["first"] == _LINUX[0] and source_port["last"] == _LINUX[1]
        )
        # A file without known ports and options is no fingerprint.
        self.vague = not self.says("tftp.requests[0].options") and self.named(
            "tftp.requests[0].options"
        )

    def says(self, path):
        """True when the file itself names `path`, or a part of it, and not as an assumption."""
        return any(
            mark != "assumed"
            for name, mark in self._marks.items()
            if name == path or name.startswith((path + ".", path + "["))
        )

    def named(self, path):
        """True when the file names `path` or a part of it, assumed or not."""
        return any(
            name == path or name.startswith((path + ".", path + "[")) for name in self._marks
        )


@functools.cache
def known_roms():
    """Every ROM file that comes with pxerom, as `Known`."""
    return [Known(load_rom(rom_id)) for rom_id in roms.ids()]


def rank(program, known=None):
    """(`features.Features`, [`Candidate`s that are not excluded, best first], [the excluded,
    nearest first]) of a `machines.Program`."""
    found = shown.of(program)
    candidates = [_judge(one, found) for one in known or known_roms()]
    # The same facts are counted for all: those that at least one file can be compared with.
    total = max((sum(fact.weight for fact in one.facts) for one in candidates), default=0) or 1
    for candidate in candidates:
        candidate.score = _score(candidate, total)
    inside = sorted((c for c in candidates if c.out is None), key=lambda c: (-c.score, c.rom))
    outside = sorted((c for c in candidates if c.out is not None), key=lambda c: (-c.score, c.rom))
    _tie(inside, total)
    return found, inside, outside


def _score(candidate, total):
    points = 0.0
    for fact in candidate.facts:
        if fact.verdict == FOR:
            points += fact.weight
        elif fact.verdict == UNKNOWN:
            points += fact.weight * _CREDIT.get(fact.kind, 0.3)
        else:
            points -= fact.weight
    score = 0.5 + 0.5 * max(-1.0, min(1.0, points / total))
    return round(min(score, _VAGUE) if candidate.known.vague else score, 3)


def _tie(inside, total):
    # A difference smaller than any fact's weight is none. For programs under a
    # system, one reaction more or less may be another version.
    same = max(_SAME, _LITTLE / total)
    for number, candidate in enumerate(inside[1:], 1):
        before = inside[number - 1]
        close = before.score - candidate.score < same and not candidate.of(AGAINST)
        if (close and not before.of(AGAINST)) or _versions(inside[0], candidate):
            candidate.score = before.score if close else inside[0].score
    inside.sort(key=lambda c: (-c.score, c.rom))


def _versions(top, other):
    if not (top.known.of_a_system and other.known.of_a_system):
        return False
    against = [fact for fact in other.facts if fact.verdict == AGAINST]
    alike = not any(fact.verdict == AGAINST for fact in top.facts)
    return alike and len(against) <= 1 and all(fact.kind == "reaction" for fact in against)


def best(inside):
    """The candidates of the highest score: one, or a tie."""
    return (
        [candidate for candidate in inside if candidate.score == inside[0].score] if inside else []
    )


# ---- the facts


def _judge(known, found):
    candidate = Candidate(known)
    for fact in _facts(known, found):
        candidate.facts.append(fact)
        if fact.verdict == OUT and candidate.out is None:
            candidate.out = fact.text
    return candidate


def _facts(known, found):
    for verdict, kind, weight, text in port_facts(known, found):
        yield Fact(kind, verdict, weight, text)
    yield from _requests(known, found)
    yield from _finishes(known, found)
    yield from _waits(known, found)
    yield from _ttl(known, found)
    yield from _reactions(known, found)
    for verdict, weight, text in dhcp_facts(known, found):
        yield Fact("dhcp", verdict, weight, text)
    yield from _files(known, found)
    for verdict, weight, text in vendors.facts(known.id, found.mac):
        yield Fact("vendor", verdict, weight, text)


def _requests(known, found):
    wanted = known.flat["tftp"]["requests"]
    seen = []
    for attempt in found.attempts:
        for request in attempt:
            if request.known and all(request.options != one.options for one in seen):
                seen.append(request)
    if not seen:
        return
    own = [[[name.lower(), text] for name, text in request["options"]] for request in wanted]
    places = []
    for request in seen:
        place, how = _place(request, own)
        places.append(place)
        words = request.words()
        mine = "; ".join(", ".join(" ".join(pair) for pair in pairs) or "none" for pairs in own)
        text = f"asks with {words}, where it asks with {mine}"
        if how == _SAME_OPTIONS:
            yield Fact("request", FOR, 3, f"asks with {words}")
            mode = wanted[place]["mode"]
            if request.mode and request.mode != mode:
                yield Fact("mode", AGAINST, 2, f"mode {request.mode}, it says {mode}")
        elif how == _OTHER_VALUES:
            yield Fact("request", AGAINST, 1.5, text)
        elif how is not None:  # a setting, or another version
            yield Fact("request", AGAINST, 2.5 / len(seen), text)
        elif known.says("tftp.requests[0].options") or not known.named("tftp.requests[0].options"):
            yield Fact("request", AGAINST if known.of_a_system else OUT, 2.5, text)
        else:
            yield Fact("request", UNKNOWN, 3, f"asks with {words}")
    if None in places:
        return
    yield from _order(found, own, places, seen)


_SAME_OPTIONS, _OTHER_VALUES, _SOME_LEFT = "same", "values", "left out"


def _place(request, own):
    # (index of the ROM's request that this one is, how well it agrees), or (None, None).
    names = [name for name, _ in request.options]
    for how, agrees in (
        (_SAME_OPTIONS, lambda pairs: request.options == pairs),
        (_OTHER_VALUES, lambda pairs: bool(pairs) and names == [name for name, _ in pairs]),
        (_SOME_LEFT, lambda pairs: _within(request.options, pairs)),
    ):
        for index, pairs in enumerate(own):
            if agrees(pairs):
                return index, how
    return None, None


def _within(options, pairs):
    # True when one list is part of the other: a setting, or another version.
    names, own = [name for name, _ in options], [name for name, _ in pairs]
    short, long = sorted((names, own), key=len)
    rest = iter(long)
    return bool(short) and all(name in rest for name in short)


def _order(found, own, places, seen):
    index = {str(request.options): place for request, place in zip(seen, places, strict=True)}
    rows = [
        [index[str(request.options)] for request in attempt if request.known]
        for attempt in found.attempts
    ]
    rows = [row for row in rows if row]
    if not rows:
        return
    firsts = [row[0] for row in rows]
    if len(own) > 1:
        if any(row[:2] == [0, 1] for row in rows):
            yield Fact("order", FOR, 2, "the size is asked for first, then the file")
        elif firsts and all(first == 1 for first in firsts) and found.from_start:
            yield Fact("order", AGAINST, 3, "no request for the size comes first")


def _finishes(known, found):
    if not found.finishes:
        return
    wanted = [request.get("finish") for request in known.flat["tftp"]["requests"]]
    wanted = [finish for finish in wanted if finish]
    _, error, size = found.finishes[0]
    if error.code is None:  # only its length was told
        same = any(size == 5 + len(finish["message"]) for finish in wanted)
        if wanted:
            yield Fact(
                "finish",
                FOR if same else AGAINST,
                1,
                f"the probe is ended with an ERROR of {size} bytes",
            )
        return
    text = f'the probe is ended with ERROR {error.code} "{error.text or ""}"'
    if not wanted:
        one = len(known.flat["tftp"]["requests"]) == 1
        verdict = (
            AGAINST
            if one and known.says("tftp.on.no_oack") and len(found.finishes) > 1
            else UNKNOWN
        )
        yield Fact("finish", verdict, 2, text)
        return
    words = error.text or ""
    # Of a packet that the capture cut, the beginning is compared.
    cut = len(words.encode("utf-8", "replace")) + _ERROR_HEAD < size
    same = any(
        finish["error"] == error.code
        and (finish["message"].startswith(words) if cut else finish["message"] == words)
        for finish in wanted
    )
    mine = f'ERROR {wanted[0]["error"]} "{wanted[0]["message"]}"'
    yield Fact(
        "finish", FOR if same else AGAINST, 2, text if same else f"{text}, it would send {mine}"
    )


# ---- waits


def _waits(known, found):
    tftp = known.flat["tftp"]
    retry = tftp["retry"]
    own = [
        [[name.lower(), text] for name, text in request["options"]] for request in tftp["requests"]
    ]
    rows = []
    for request, seen in found.open:
        if not seen.waits_ms:
            continue
        place, _ = _place(request, own) if request.known else (0, False)
        probe = retry["size"] is not None and place == 0 and len(own) > 1
        if len(own) > 1 and not request.known:
            probe = retry["size"] is not None
        phase = "size" if probe else "open"
        table = retry[phase]["waits_ms"]
        if probe and not request.known and retry["size"]["then"] == "next":
            table = table + retry["open"]["waits_ms"]  # a log does not say which request it was
        rows.append((phase, table, seen))
    best = None
    for phase, table, seen in rows:
        judged = _judged_waits(known, table, phase, seen)
        if best is None or len(seen.waits_ms) > best[1]:
            best = (judged, len(seen.waits_ms))
    if best:
        yield best[0]
    reads = [seen for seen in found.read if len(seen.waits_ms) >= 2]
    if reads and not tftp.get("timer"):
        longest = max(reads, key=lambda seen: len(seen.waits_ms))
        fact = _judged_waits(known, retry["read"]["waits_ms"], "read", longest)
        fact.kind = "read"
        yield fact


def _judged_waits(known, table, name, seen):
    waits = seen.waits_ms
    coarse = bool(waits) and all(wait % 1000 == 0 for wait in waits)  # a log's seconds
    words = "gaps " + ", ".join(
        f"{wait / 1000:.1f}" if wait >= 950 else f"{wait / 1000:.2f}" for wait in waits[:8]
    )
    words += " s" if len(waits) <= 8 else " ... s"
    what = "ACKs again: " if name == "read" else ""
    field = f"tftp.retry.{name}"
    weight = 1.0 + min(2.0, 0.5 * len(waits))
    if not known.says(f"{field}.waits_ms"):
        return Fact("waits", UNKNOWN, weight, what + words)
    wrong, misses = None, 0
    for index, wait in enumerate(waits):
        if index >= len(table):
            wrong = f"send {index + 2} comes, it gives up after {len(table)}"
            break
        last = index == len(waits) - 1
        if last and seen.ending == "file":
            continue  # between two files a person may pause
        if coarse and index > 1 and not misses and wait < table[index] - _SECOND_MS:
            break  # a log of several boots: here the next one begins
        if not _alike(wait, table[index]) and not (
            coarse and abs(wait - table[index]) <= _SECOND_MS
        ):
            wrong = (
                f"wait {index + 1} is {wait / 1000:.2f} s, it waits {table[index] / 1000:.2f} s"
            )
            misses += 1
            if misses > len(waits) // 10:  # one of many: a lost packet, or a busy machine
                break
    if wrong and (misses == 0 or misses > len(waits) // 10):
        return Fact("waits", AGAINST, weight, f"{what}{words}: {wrong}")
    if seen.ending == "quiet" and name != "read" and known.says(field):
        sends = len(waits) + 1
        if sends != len(table) and len(table) < 100:
            # Fewer: it was switched off; more: another ROM.
            return Fact(
                "ends" if sends < len(table) else "waits",
                AGAINST,
                weight / 2,
                f"{what}{words}: over after {sends} requests, it sends {len(table)}",
            )
    return Fact("waits", FOR, weight, what + words)


def _alike(seen_ms, table_ms):
    return abs(seen_ms - table_ms) <= max(_TOLERANCE_MS, table_ms * _TOLERANCE)


# ---- the rest


def _ttl(known, found):
    if not found.ttls:
        return
    ttl = max(found.ttls, key=lambda value: found.ttls[value])
    own = known.flat["udp"]["ttl"]
    if not known.says("udp.ttl"):
        yield Fact("ttl", UNKNOWN, 1, f"TTL {ttl}")
    elif ttl == own:
        yield Fact("ttl", FOR, 1, f"TTL {ttl}")
    elif (
        ttl < own and own - ttl <= _MOST_HOPS and not any(ttl == one for one in _TTLS if one < own)
    ):
        yield Fact("ttl", FOR, 0.5, _routers(ttl, own))
    else:
        yield Fact("ttl", AGAINST, 1, f"TTL {ttl}, it begins with {own}")


def _routers(ttl, own):
    return f"TTL {ttl}, as {own} would be {own - ttl} router{'s' * (own - ttl > 1)} on"


def _reactions(known, found):
    for (probe, hazard), words in sorted(found.reactions.items()):
        word = max(words, key=lambda one: words[one])
        path = f"tftp.requests[0].on.{hazard}" if probe else f"tftp.on.{hazard}"
        requests = known.flat["tftp"]["requests"]
        index = 0 if probe or len(requests) == 1 else len(requests) - 1
        text = f"{hazard.replace('_', ' ')}: {word}"
        if hazard == "rollover":
            path, own = "tftp.rollover", known.flat["tftp"]["rollover"]
        else:
            own = requests[index]["on"].get(hazard)
        if own is None or not (known.says(path) or known.says(path.replace("requests[0].", ""))):
            yield Fact("reaction", UNKNOWN, 0.5, text)
        elif shown.reaction_word(own) == word:
            yield Fact("reaction", FOR, 0.5, text)
        else:
            yield Fact("reaction", AGAINST, 0.5, f"{text}, it would: {shown.reaction_word(own)}")


def _files(known, found):
    for pattern, ids, words in _FILES:
        if any(pattern.search(name) for name in found.files):
            mine = any(known.id == one or known.id.startswith(one + "-") for one in ids)
            yield Fact("files", FOR if mine else AGAINST, 4, f"asks for {words}")
            return
