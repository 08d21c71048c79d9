"""Findings from the path of each packet: where requests and answers were lost, in sentences.

Made from the packets of `path.merge`. A finding is
    {"id", "dir": "out|in|null", "between": [from, to] or null, "packets": n, "ports": [client
     ports], "certain": bool, "text": sentence}
with the ids
    request-lost      RRQs that one place has and the next one towards the server has not
    answer-lost       answers to a port that heard none: at one place, not at the next one
    late-answer       answers that came when the ROM had gone on to another port
    no-answer         RRQs that reached the last capture, and nothing came back
    lost              single packets of a conversation that went on
    nat               an address or a port that was translated on the way
    not-of-this-run   a capture that has nothing of this run
    other-boot        one that has the same requests at another time, and nothing to confirm them
    all-seen          every packet is at every place

1. An answer counts as lost only while the ROM listened on its port: a later one was not received
   in any case.
2. Where our side has requests only (no trace), losses on a port that got an answer cannot be seen.
"""

ROM = "the ROM"


def findings(merged, listening, detailed):
    """The findings, the most important first. `listening`: {(run, client port): until when, us};
    `detailed`: the runs of which our side has every packet."""
    hops = merged["hops"]
    found = [_not_of_this_run(hop) for hop in hops if hop["of_this_run"] is False]
    found += [_other_boot(hop) for hop in hops if hop["of_this_run"] is None]
    # A capture without packets of the run does not show where one was lost.
    places = [i for i, hop in enumerate(hops) if proves(hop)]
    names = [ROM] + [hops[i]["file"] for i in places]
    rows = [_Row(packet, places) for packet in merged["packets"]]
    found += _requests_lost(rows, names, [hops[i] for i in places])
    found += _answers(rows, names, listening)
    found += _lost_on_the_way(rows, names, detailed)
    found += [_translated(hop) for hop in hops if hop["nat"] and hop["of_this_run"]]
    if not found and places:
        files = _listed([hops[i]["file"] for i in places])
        text = f"Every packet that left one end came to the other: {files} and the ROM agree."
        found.append(_finding("all-seen", None, None, rows, text))
    return found


class _Row:
    # A packet and where it was seen: `seen[0]` at the ROM, then each usable capture.

    def __init__(self, packet, places):
        self.packet = packet
        self.op = packet["op"]
        self.port = packet["client_port"]
        self.flow = (packet["run"], packet["client_port"])
        self.seen = [packet["client_us"], *(packet["hops"][i] for i in places)]
        self.us = next(us for us in self.seen + packet["hops"] if us is not None)


def _finding(name, direction, between, rows, text, certain=True):
    return {
        "id": name,
        "dir": direction,
        "between": between,
        "packets": len(rows),
        "ports": sorted({row.port for row in rows}),
        "certain": certain,
        "text": text,
    }


def _requests_lost(rows, names, hops):
    for place, hop in enumerate(hops):
        lost = [
            row
            for row in rows
            if row.op == "RRQ" and row.seen[place] is not None and row.seen[place + 1] is None
        ]
        if not lost:
            continue
        arrived = sum(row.op == "RRQ" and row.seen[place + 1] is not None for row in rows)
        others = f", {_count(arrived, 'other')} did" if arrived else ""
        text = (
            f"{_count(len(lost), 'request')} from {_ports(lost)} left {names[place]} and never "
            f"arrived at {names[place + 1]}{others}: lost between the two"
        ) + (f", or on the very machine that {names[place]} was made on." if place else ".")
        between = [names[place], names[place + 1]]
        yield _finding("request-lost", "out", between, lost, text, hop["of_this_run"])


def _answers(rows, names, listening):
    heard = {r.flow for r in rows if r.packet["dir"] == "in" and r.seen[0] is not None}
    coming = [row for row in rows if row.packet["dir"] == "in"]
    late, dropped = [], set()
    for place in range(len(names) - 1, 0, -1):
        lost = []
        for row in coming:
            if row.seen[place] is None or row.seen[place - 1] is not None or row.flow in heard:
                continue
            if place > 1 and any(us is not None for us in row.seen[:place]):
                continue  # it was not recorded on our side
            if row.us > listening.get(row.flow, row.us):
                late.append((row, names[place]))
            else:
                lost.append(row)
                dropped.add(row.flow)
        if lost:
            text = (
                f"{_count(len(lost), 'answer')} to {_ports(lost)} passed {names[place]} and never "
                f"came to {names[place - 1]}: dropped between the two, or by the very machine "
                f"that {names[place]} was made on."
            )
            yield _finding("answer-lost", "in", [names[place], names[place - 1]], lost, text)
    # A server's resent answer says nothing about its speed.
    late = [(row, name) for row, name in late if row.flow not in dropped]
    if late:
        far = late[0][1]
        late = [row for row, _ in late]
        text = (
            f"{_count(len(late), 'answer')} to {_ports(late)} passed {far} only when the ROM had "
            f"gone on to another port: the server answers too late."
        )
        yield _finding("late-answer", "in", None, late, text)
    if len(names) > 1:
        answered = {row.flow for row in coming if row.seen[-1] is not None}
        asked = [row for row in rows if row.op == "RRQ" and row.seen[-1] is not None]
        silent = [row for row in asked if row.flow not in answered]
        if silent:
            text = (
                f"{_count(len(silent), 'request')} from {_ports(silent)} arrived at {names[-1]}, "
                f"where no answer is to be seen: it is the server's side that does not answer."
            )
            yield _finding("no-answer", "in", None, silent, text)


def _lost_on_the_way(rows, names, detailed):
    heard = {r.flow for r in rows if r.packet["dir"] == "in" and r.seen[0] is not None}
    for place in range(1, len(names)):
        out = [
            row
            for row in rows
            if row.packet["dir"] == "out"
            and row.op != "RRQ"
            and row.seen[place - 1] is not None
            and row.seen[place] is None
        ]
        back = [
            row
            for row in rows
            if row.packet["dir"] == "in"
            and row.flow in heard
            and (place > 1 or row.flow[0] in detailed)
            and row.seen[place] is not None
            and row.seen[place - 1] is None
        ]
        for lost, near, far, way in (
            (out, names[place - 1], names[place], "out"),
            (back, names[place], names[place - 1], "in"),
        ):
            if lost:
                text = (
                    f"{_count(len(lost), 'packet')} ({_ops(lost)}) of a conversation that went on "
                    f"left {near} and did not come to {far}."
                )
                yield _finding("lost", way, [near, far], lost, text)


def _not_of_this_run(hop):
    text = f"{hop['file']} holds nothing of this run"
    if not hop["packets"]:
        text += ": it has no UDP packet at all."
    elif hop["covers"]:
        text += ", and was running at the time, if its clock is right: nothing of it came there."
    else:
        text += ": it was taken elsewhere, or at another time, or nothing came there."
    return _finding("not-of-this-run", None, None, [], text, False)


def _other_boot(hop):
    seconds = abs(hop["offset_ms"]) / 1000
    when = "later" if hop["offset_ms"] > 0 else "earlier"
    text = (
        f"{hop['file']} holds requests like these, {seconds:.1f} s {when} by its clock: of "
        f"another boot, if its clock is right, and then nothing of this one arrived there. Set "
        f"the clock, or capture once more during the boot."
    )
    return _finding("other-boot", None, None, [], text, False)


def proves(hop):
    """Whether a packet's absence from a capture proves anything: the capture has others of the
    run, or by its clock it ran all the time."""
    return hop["of_this_run"] or (hop["of_this_run"] is False and hop["covers"])


def _translated(hop):
    pairs = [f"{nat['client']} is {nat['seen_as']}" for nat in hop["nat"][:4]]
    more = f" and {len(hop['nat']) - 4} more" if len(hop["nat"]) > 4 else ""
    text = f"Addresses are translated on the way to {hop['file']}: there {', '.join(pairs)}{more}."
    return {**_finding("nat", None, None, [], text), "packets": hop["matched"]}


def note(hop):
    """A sentence on the reliability of a match, or None."""
    if not hop["of_this_run"]:
        return None
    if abs(hop["offset_ms"]) > 60000:
        minutes = hop["offset_ms"] / 60000
        return (
            f"The clock of {hop['file']} differs from ours by {minutes:.1f} minutes; the server's "
            f"ports say that it is the same boot."
        )
    if hop["matched"] == 1:
        return f"One packet of this run is in {hop['file']}, and no second one confirms the match."
    return None


def lines(merged):
    """A merge as lines for a terminal."""
    for hop in merged["hops"]:
        yield f"{hop['file']}: {clock(hop)}"
        if hop["note"]:
            yield "  " + hop["note"]
    for finding in merged["findings"]:
        yield finding["text"] + ("" if finding["certain"] else " (Not certain.)")


def clock(hop):
    """How much of the run a capture has, and its clock, in words."""
    if not hop["of_this_run"]:
        none = "none of this run" if hop["of_this_run"] is False else "perhaps of another boot"
        return f"{_count(hop['packets'], 'packet')}, {none}"
    ahead = "ahead of" if hop["offset_ms"] >= 0 else "behind"
    within = hop["offset_within_ms"]
    known = f"to within {within:g} ms" if within is not None else "the way there included"
    place = {True: "; taken at the server, or beside it", False: "; taken on the way"}
    return (
        f"{hop['matched']} of its {_count(hop['packets'], 'packet')} matched; its clock is "
        f"{abs(hop['offset_ms']):g} ms {ahead} ours ({known}){place.get(hop['at_server'], '')}"
    )


def _count(number, noun):
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _ports(rows):
    ports = sorted({row.port for row in rows})
    runs = []
    for port in ports:
        if runs and port == runs[-1][1] + 1:
            runs[-1][1] = port
        else:
            runs.append([port, port])
    words = [str(a) if a == b else f"{a}-{b}" for a, b in runs]
    if len(words) > 6:
        words = [*words[:5], "...", words[-1]]
    return ("client port " if len(ports) == 1 else "client ports ") + ", ".join(words)


def _ops(rows):
    return ", ".join(sorted({row.op for row in rows}))


def _listed(names):
    return names[0] if len(names) == 1 else ", ".join(names[:-1]) + " and " + names[-1]
