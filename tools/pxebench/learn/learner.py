"""`pxebench learn`: a ROM file from captures of one client, with the evidence of each fact.

    learned = learner.learn([learner.sample("boot.pcap"), ...], "mine")
    learned.rom, learned.contradictions, learned.assumed, learned.beyond

Captures are read by `conversations`; `ports`, `requests`, `waits`, `reactions` and `dhcp` of this
folder learn from them, `sightings` holds the evidence.

1. Nothing is invented: what no capture shows is `assumed`, with what most real clients do, and it
   is listed with the capture that would show it.
2. Several captures are of one client: their values are combined, and where two disagree both are
   named.
3. One program is learned, by default the first of each boot: a ROM, not what it loaded.
"""

import os
import re

from pxebench.captures import conversations
from pxebench.job import Refused, one_sentence, show
from pxebench.learn import dhcp, ports, reactions, requests, waits
from pxebench.learn.sightings import Sightings, derived, observed

# What most real clients do (captures of nine of them), and what would show it.
_ON = (
    ("duplicate_data", "ack", "a server that sends a DATA twice"),
    ("future_data", "ack", "a server that skips a block"),
    ("window_gap", "ack", "a loss in a transfer with windowsize"),
    ("old_data", "ack", "a server that sends an old block again"),
    ("block_zero", "ack", "a server that sends DATA 0"),
    ("unknown_tid", "ignore", "a DATA from another port of the server"),
    ("no_oack", "accept", "a server that knows no options"),
    ("malformed_oack", "fail", "a server with a broken OACK"),
    ("unrequested_option", "ignore", "a server whose OACK has an option that was not asked for"),
    ("larger_blksize", "fail", "a server that grants a larger blksize than was asked for"),
    ("oversize_data", "ignore", "a DATA that is longer than blksize"),
    ("stray_opcode", "ignore", "a packet with opcode 9 in a transfer"),
    ("duplicate_oack", "ack", "a server that sends its OACK twice"),
    ("late_oack", "ignore", "an OACK in mid-transfer"),
    ("error", "fail", "a boot for a file that is not there"),
    ("give_up", "silent", "a transfer whose server dies"),
)
# Named only if seen: without them the engine has a default.
_RARE = (
    *("other_timeout", "odd_number", "error_reply", "time_out", "rrq_unreachable"),
    *("ack_unreachable", "wrong_size", "stray_ack"),
)
_NEEDS_OPTIONS = (
    *("no_oack", "malformed_oack", "unrequested_option", "larger_blksize"),
    *("duplicate_oack", "late_oack"),
)
# Hazards to which a size probe may react differently.
_PROBE = (
    *("no_oack", "error", "malformed_oack", "unrequested_option", "larger_blksize"),
    *("other_timeout", "odd_number"),
)
_OPTIONS_MAX = 256
_BLACKHOLE = "a boot with the server's port 69 filtered, until the client gives up"
_SERVER_DIES = "a transfer whose server dies, until the client gives up"


class Sample:
    """One capture of the client.  `boots`: for each boot its reads of the wanted program;
    `whole`: the `conversations.Boot`s they come from; `until`: its last moment, in seconds;
    `notes`: sentences on the file."""

    def __init__(self, name, client, boots, whole, until, notes=()):
        self.name = name
        self.client = client
        self.boots = boots
        self.whole = whole
        self.until = until
        self.notes = notes

    def place(self, packet):
        """A packet's place, as text."""
        return f"{self.name} packet {packet.number}"


class Learned:
    """What `learn` returns.  `rom`: as in a ROM file; `contradictions`, `beyond`: sentences;
    `assumed`: [(field, what to capture)]; `notes`: sentences about the captures themselves."""

    def __init__(self, rom, sightings, notes):
        self.rom = rom
        self.notes = notes
        self.contradictions = sightings.contradictions
        self.assumed = sightings.assumed
        self.beyond = sightings.beyond


def sample(path, client=None, stage=1):
    """The `Sample` in a capture file; raises Refused when client or program are not there."""
    capture = conversations.read(path)
    chosen = capture.client(client)
    name = show(os.path.basename(str(path)))
    notes = [f"{name}: {note}" for note in capture.notes_on(chosen)]
    boots, whole = [], []
    writes = 0
    for programs in chosen.power_ons():
        if stage > len(programs):
            continue
        boot, talks = programs[stage - 1]
        writes += sum(talk.writes for talk in talks)
        talks = [talk for talk in talks if not talk.writes]
        if talks:
            boots.append(talks)
        # The DHCP is that of the first program after it.
        if stage == 1 or programs[stage - 2][0] is not boot:
            whole.append(boot)
    if not boots and not whole:
        raise Refused(f"No boot in {show(str(path))} has a program number {stage} (--stage).")
    if writes:
        requests_are = "write request is" if writes == 1 else "write requests are"
        if not any(boots) and not any(boot.dhcp for boot in whole):
            raise Refused(
                f"{name} has only write requests ({writes}): nothing of a boot can be learned."
            )
        notes.append(f"{name}: {writes} {requests_are} left out; a boot only reads.")
    for packet in (packet for talks in boots for talk in talks for packet in talk.requests):
        if packet.cut:
            raise Refused(
                f"{name} has only {len(packet.payload)} of the {packet.size} bytes of a request "
                f"(packet {packet.number}), so its options are not known; capture with "
                f"`tcpdump -s 0`."
            )
    return Sample(name, chosen, boots, whole, capture.file.until, notes)


def learn(samples, rom_id, name=None):
    """The `Learned` of Samples of one client; raises Refused when they have neither a read request
    nor a DISCOVER."""
    sightings = Sightings()
    talks = [(talk, taken) for taken in samples for boot in taken.boots for talk in boot]
    notes = _machines(samples) + [note for taken in samples for note in taken.notes]
    if talks:
        source_port, tftp = _learn_tftp(samples, talks, sightings)
        ttl = _ttl([packet for talk, _ in talks for packet in talk.requests], "RRQs")
    else:
        # A boot that stopped in DHCP: the ROM file loads, and boots that far.
        source_port, tftp = _unseen_tftp(sightings)
        sent = [p for taken in samples for boot in taken.whole for p, m in boot.dhcp if p.out]
        if not sent:
            raise Refused("There is no TFTP request and no DHCP packet of the client in these "
                          "captures.")  # fmt: skip
        ttl = _ttl(sent, "DHCP packets")
    rom = {
        "id": rom_id,
        "name": name or f"learned from {samples[0].name}",
        "about": "Learned by pxebench from captures of one client; what they do not show is "
        "marked as assumed, with what most clients do.",
        "sources": [f"{taken.name}: {_contents(taken)}" for taken in samples],
        "udp": {"source_port": source_port, "ttl": ttl},
        "tftp": tftp,
        "screen": {
            "banner": {"value": [], "evidence": "assumed", "note": "a capture shows no screen"},
            "file": {"value": "TFTP.", "evidence": "assumed"},
        },
    }
    spec = dhcp.learn_dhcp(samples, sightings)
    if spec:
        rom["dhcp"] = spec
    elif not talks:
        raise Refused("There is no TFTP request and no DISCOVER of the client in these captures.")
    _trim(rom, sightings)
    return Learned(rom, sightings, notes)


def _unseen_tftp(sightings):
    # (udp.source_port, tftp) of a client whose TFTP no capture shows.
    advice = "a boot whose TFTP server answers"
    requests_field = "tftp.requests"
    tftp = {
        "requests": [
            {
                "purpose": "data",
                "mode": sightings.assume(requests_field, "octet", advice),
                "options": sightings.assume(requests_field, [["tsize", "0"]], advice),
            }
        ],
        "retry": {},
        "on": {},
    }
    for phase, gives_up in (("open", _BLACKHOLE), ("read", _SERVER_DIES)):
        field = f"tftp.retry.{phase}.waits_ms"
        tftp["retry"][phase] = {"waits_ms": waits.table(field, [], sightings, gives_up)}
    for hazard, usual, shown_by in _ON:
        if hazard != "window_gap":
            tftp["on"][hazard] = sightings.assume(f"tftp.on.{hazard}", usual, shown_by)
    port = {
        "policy": sightings.assume("udp.source_port.policy", "random", advice),
        "first": {"value": 49152, "evidence": "assumed"},
        "last": {"value": 65535, "evidence": "assumed"},
        "per": {"value": "transfer", "evidence": "assumed"},
    }
    return port, tftp


def _learn_tftp(samples, talks, sightings):
    # (udp.source_port, tftp) from conversations.
    rows = [
        (attempt, taken.place(attempt[0].packets[0]))
        for taken in samples
        for boot in taken.boots
        for attempt in requests.attempts(boot)
    ]
    known = requests.kinds(rows, sightings)
    tftp, retry = {}, {}
    tftp["requests"] = _requests(known, talks, rows, sightings)
    _look(samples, known, tftp["requests"], sightings)
    retries = _retries(samples, known)
    if len(known) > 1:
        retry["size"] = _phase("size", retries, known, sightings, ("next", "fail"))
    retry["open"] = _phase("open", retries, known, sightings, ("fail",), retry.get("size"))
    retry["read"] = _read(samples, retry["open"], sightings)
    tftp["retry"] = retry
    tftp["on"] = _on(known, sightings)
    _probe_on(known, tftp["requests"], sightings)
    tftp["rollover"] = sightings.fact("tftp.rollover", 0, "a file of more than 65535 blocks")
    tftp["dally_ms"] = derived(0, "no late DATA was answered after the end")
    slash = dhcp.slash(samples)
    if slash:
        tftp["slash"] = slash
    boots = [boot for taken in samples for boot in taken.boots if boot]
    return ports.learn_ports(boots, sightings), tftp


def _machines(samples):
    # Captures of two machines may be a mistake: there is a note.
    macs = list(dict.fromkeys(mac for taken in samples for mac in taken.client.macs[:1]))
    if len(macs) < 2:
        return []
    return [f"The captures are of {len(macs)} machines: {', '.join(macs)}."]


def _trim(rom, sightings):
    # Options that no ROM file may have (a blksize of 70000, a name twice) are left out and
    # reported.
    from pxerom import rom_check, rom_check_dhcp

    for _ in range(_OPTIONS_MAX):
        try:
            rom_check.flatten(rom)
            if "dhcp" in rom:
                rom_check_dhcp.flatten(rom)
            return
        except rom_check.RomFileError as error:
            if error.path.startswith("dhcp"):
                sightings.cannot(f"Its DHCP is none of a ROM file: {one_sentence(error)}")
                del rom["dhcp"]
                continue
            place = re.fullmatch(r"tftp\.requests\[(\d+)\]\.options\[(\d+)\]", error.path)
            if not place:
                raise Refused(f"What was learned is no ROM: {one_sentence(error)}") from None
            request, option = int(place[1]), int(place[2])
            pairs = rom["tftp"]["requests"][request]["options"]
            pair = pairs["value"][option]
            pairs["value"] = pairs["value"][:option] + pairs["value"][option + 1 :]
            sightings.cannot(f"The request asks for {' '.join(pair)!r}: {one_sentence(error)}")
    raise Refused("What was learned is no ROM: its requests have too many options.")


def _contents(taken):
    talks = [talk for boot in taken.boots for talk in boot]
    rrqs = sum(len(talk.requests) for talk in talks)
    boots = max(len(taken.boots), len(taken.whole))  # one without DHCP, or without a request
    return (
        f"{boots} boot{'s' * (boots != 1)}, {len(talks)} "
        f"transfer{'s' * (len(talks) != 1)}, {rrqs} RRQ{'s' * (rrqs != 1)} of "
        f"{show(taken.client.name)}"
    )


def _index(talk, known):
    # Which of the ROM's requests a conversation is.
    kind = requests.Kind(talk)
    return known.index(kind) if kind in known else len(known) - 1


def _requests(known, talks, rows, sightings):
    entries = []
    for index, kind in enumerate(known):
        own = [(talk, taken) for talk, taken in talks if _index(talk, known) == index]
        places = list(dict.fromkeys(taken.name for _, taken in own))
        entries.append(
            requests.learn_request(
                kind, [talk for talk, _ in own], index == len(known) - 1, sightings, places
            )
        )
    return entries


def _look(samples, known, entries, sightings):
    # One walk through each conversation; a probe's reactions are fields of the probe.
    for taken in samples:
        for boot in taken.boots:
            for attempt in requests.attempts(boot):
                for number, talk in enumerate(attempt):
                    index = _index(talk, known)
                    goes_on = number + 1 < len(attempt)
                    probe = index < len(known) - 1

                    def see(hazard, word, packet, probe=probe, index=index, taken=taken):
                        if hazard == "rollover":
                            field = "tftp.rollover"
                        elif probe and hazard in _PROBE:
                            field = f"tftp.requests[{index}].on.{hazard}"
                        else:
                            field = f"tftp.on.{hazard}"
                        sightings.see(field, word, taken.place(packet))

                    reactions.look(talk, taken.until, goes_on, see)


def _on(known, sightings):
    options = {name.lower() for kind in known for name, _ in kind.options}
    on = {}
    for hazard, usual, advice in _ON:
        field = f"tftp.on.{hazard}"
        needless = (hazard == "window_gap" and "windowsize" not in options) or (
            not options and hazard in _NEEDS_OPTIONS
        )
        fact = sightings.settle(field)
        if fact is None and needless:
            continue
        on[hazard] = fact or sightings.assume(field, usual, advice)
    for hazard in _RARE:
        fact = sightings.settle(f"tftp.on.{hazard}")
        # Not doing it has no word: the field is left out.
        if fact:
            on[hazard] = fact
    return on


def _probe_on(known, entries, sightings):
    for index in range(len(known) - 1):
        on = {}
        for hazard in _PROBE:
            fact = sightings.settle(f"tftp.requests[{index}].on.{hazard}")
            if fact:
                on[hazard] = fact
        if on:
            entries[index]["on"] = on


def _retries(samples, known):
    # {"size": [RetryRow], "open": [RetryRow]}
    found = {"size": [], "open": []}
    for taken in samples:
        for boot in taken.boots:
            for number, talk in enumerate(boot):
                after = boot[number + 1] if number + 1 < len(boot) else None
                place = taken.place(talk.packets[0])
                phase = "size" if _index(talk, known) < len(known) - 1 else "open"
                found[phase] += waits.request_retries(talk, after, taken.until, place)
    return found


def _phase(phase, retries, known, sightings, words, like=None):
    field = f"tftp.retry.{phase}"
    own = retries[phase]
    usual = _bare_waits(like) if like else _told(known)
    spec = {"waits_ms": waits.table(f"{field}.waits_ms", own, sightings, _BLACKHOLE, usual)}
    endings = {row.ending: row.place for row in own if row.ending}
    if "next" in endings and "next" in words:
        spec["then"] = observed("next", f"the next request followed: {endings['next']}")
    elif endings:
        place = next(iter(endings.values()))
        spec["then"] = observed("fail", f"no other request for the file came: {place}")
    else:
        spec["then"] = sightings.assume(f"{field}.then", "fail", _BLACKHOLE)
    return spec


def _told(known):
    # The option timeout is about how long the client waits (RFC 2349).
    for kind in known:
        for name, text in kind.options:
            if name.lower() == "timeout" and text.isdigit() and 0 < int(text[:4]) < 256:
                return [int(text) * 1000] * 5
    return None


def _bare_waits(spec):
    from pxebench.job import bare

    return bare(spec["waits_ms"])


def _read(samples, like, sightings):
    found = []
    least_ms = 0
    for taken in samples:
        for boot in taken.boots:
            for talk in boot:
                least_ms = max(least_ms, waits.longest_wait_ms(talk))
                place = taken.place(talk.packets[0])
                retries, gave_up = waits.read_retries(talk, taken.until, place)
                found += retries
                if gave_up:
                    word = reactions.error_words(gave_up)
                    sightings.see("tftp.on.give_up", word, place)
                elif any(row.ending == "quiet" for row in retries):
                    sightings.see("tftp.on.give_up", "silent", place)
    field = "tftp.retry.read.waits_ms"
    usual = _bare_waits(like)
    return {"waits_ms": waits.table(field, found, sightings, _SERVER_DIES, usual, least_ms)}


def _ttl(sent, what):
    seen = [packet.ttl for packet in sent]
    ttl = max(seen, key=seen.count)
    if ttl in (16, 20, 32, 60, 64, 128, 255):
        return observed(max(1, ttl), f"in {seen.count(ttl)} {what}")
    return derived(max(1, ttl), "as it arrived where it was captured, beyond a router perhaps")
