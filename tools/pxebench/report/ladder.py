"""The ladder: each packet between the ROM, the path and the server, as rows that draw themselves.

Made from events, and from captures of other hops where there are any (`path.merge`). A row is a
small SVG of its own, an arrow between lanes at percentages of its width, beside its text in HTML:
so it is as wide as the page, breaks between pages, and can be read aloud. An SVG has only numbers
and the names of TFTP's packets; text from the network goes through the template.

1. An arrow is drawn as far as the packet is known to have come. A cross marks where it was lost;
   where there is no capture, it is dotted with a question mark.
2. A run of blocks that went well is one row; a pause is a row of its own.
"""

from markupsafe import Markup

from pxebench import icmp
from pxebench.hops.path_words import proves

_MOST_ROWS = 120
_MOST_HOPS = 4
_RUN = 10  # consecutive packets that are folded into one row
_PAUSE_US = 300_000
_LEFT, _RIGHT = 15.0, 85.0  # positions of the first and the last lane, in percent
_OWN = 6.0  # how long an arrow of the ROM's own machine is
_Y = 62  # percent: where in a row its arrow is; its name stands above
_SMOOTH = ("DATA", "ACK")
_OPS = ("RRQ", "WRQ", "DATA", "ACK", "ERROR", "OACK")


def ladder(merged, events=(), runs=(0,)):
    """{"lanes": [{"name", "at"}], "rows": [...], "left_out": n} of some runs, or None when they
    sent nothing. `merged`: of `path.merge`; `events`: of these runs, for what is no packet."""
    packets = [packet for packet in merged["packets"] if packet["run"] in runs]
    if not any(packet["dir"] == "out" for packet in packets):
        return None
    hops = [index for index, hop in enumerate(merged["hops"]) if proves(hop)][:_MOST_HOPS]
    lanes = _lanes(merged, hops)
    zero = min(packet["client_us"] for packet in packets if packet["client_us"] is not None)
    steps = [_Packet(packet, hops, lanes, packets) for packet in packets]
    steps += [_Icmp(zero, at_ms, error, merged) for at_ms, error in _icmp(events)]
    steps.sort(key=lambda step: step.us)
    rows, last = [], None
    for step in _folded(steps):
        pause = step.us - last if last is not None else 0
        if pause >= _PAUSE_US:
            rows.append(_pause(pause, lanes))
        rows.append(step.row(zero, lanes))
        last = step.end
    return {
        "lanes": lanes,
        "count": len(lanes),
        "path": len(lanes) == 2,
        "rows": rows[:_MOST_ROWS],
        "left_out": max(0, len(rows) - _MOST_ROWS),
        "unsure": any(row["state"] == "unknown" for row in rows),
        "crossed": any(row["state"] == "lost" for row in rows),
    }


def _icmp(events):
    # (when, in ms; the error): of a fetch each by itself, of an ask with its answer.
    for event in events:
        if event["event"] == "unreachable":
            yield event["at_ms"], event
        elif event["event"] == "answer":
            for row in event.get("icmp") or ():
                yield event["at_ms"] + (event.get("ms") or 0), row


def _lanes(merged, hops):
    names = ["ROM"] + [merged["hops"][index]["file"] for index in hops]
    notes = [merged["client"] or ""] + ["capture"] * len(hops)
    if hops and merged["hops"][hops[-1]]["at_server"]:
        names[-1], notes[-1] = "server", f"{merged['server'] or ''} {names[-1]}"
    else:
        names.append("server")
        notes.append(merged["server"] or "")
    step = (_RIGHT - _LEFT) / (len(names) - 1)
    return [
        {"name": name, "note": note, "at": round(_LEFT + step * index, 2)}
        for index, (name, note) in enumerate(zip(names, notes, strict=True))
    ]


class _Packet:
    """One packet: how far it came, and its row."""

    def __init__(self, packet, hops, lanes, packets):
        self.packet = packet
        seen = [packet["client_us"], *(packet["hops"][index] for index in hops)]
        self.us = self.end = next(us for us in seen + packet["hops"] if us is not None)
        self.out = packet["dir"] == "out"
        self.op = packet["op"] if packet["op"] in _OPS else "other"
        last = len(lanes) - 1
        answered = self.op != "RRQ" or any(
            other["dir"] == "in"
            and other["client_port"] == packet["client_port"]
            and (other["client_us"] or other["hops"][-1] or 0) >= self.us
            for other in packets
        )
        there = [lane for lane, us in enumerate(seen) if us is not None]
        if self.out:
            self.start, self.reached = 0, max(there)
            # A packet that was answered has arrived, whatever a capture shows.
            if len(hops) == last and self.reached < last:
                self.state = "lost"
            elif answered:
                self.state, self.reached = "ok", last
            else:
                self.state = "ok" if self.reached == last else "unknown"
        else:
            self.start, self.reached = last, min(there)
            self.state = "ok" if self.reached == 0 else "lost"

    @property
    def smooth(self):
        return self.op in _SMOOTH and self.state == "ok"

    def row(self, zero, lanes):
        packet = self.packet
        block = "" if packet["block"] is None else f" {packet['block']}"
        name = (self.op if self.op != "other" else "packet") + block
        ports = (packet["client_port"], packet["server_port"])
        return {
            "kind": "packet",
            "state": self.state,
            "time": _seconds(self.us - zero),
            "name": name,
            "text": packet["text"] if self.op not in _SMOOTH else "",
            "ports": ports,
            "where": _where(self, lanes),
            "out": self.out,
            "svg": _arrow(self, lanes, name, ports),
        }


class _Run:
    """A run of blocks that went well."""

    def __init__(self, steps):
        self.steps = steps
        self.us, self.end = steps[0].us, steps[-1].end
        self.state = "ok"

    def row(self, zero, lanes):
        blocks = [step.packet["block"] for step in self.steps if step.op == "DATA"]
        acks = len(self.steps) - len(blocks)
        span = (self.end - self.us) / 1000
        name = f"DATA {blocks[0]} ... {blocks[-1]}" if blocks else f"{acks} ACKs"
        ends = (lanes[0]["at"], lanes[-1]["at"])
        band = Markup('<rect class="run" x="{}%" y="{}%" width="{}%" height="8" rx="3"/>')
        inside = band.format(ends[0], _Y - 12, round(ends[1] - ends[0], 2)) + _label(50, name)
        return {
            "kind": "run",
            "state": "ok",
            "time": _seconds(self.us - zero),
            "name": name,
            "text": f"{len(blocks)} DATA and {acks} ACK in {span:.0f} ms",
            "ports": None,
            "where": "",
            "out": False,
            "svg": _svg(lanes, inside),
        }


class _Icmp:
    """An ICMP error: from the server, from something on the path, or from this machine itself."""

    def __init__(self, zero, at_ms, error, merged):
        self.us = self.end = zero + at_ms * 1000
        self.state = "ok"
        self.smooth = False
        self.error = {**dict.fromkeys(("errno", "type", "code", "from")), **error, "count": 1}
        self.server, self.client = merged["server"], merged["client"]

    def row(self, zero, lanes):
        near, far = lanes[0]["at"], lanes[-1]["at"]
        sender = self.error["from"]
        start = (near + lanes[1]["at"]) / 2  # somewhere on the path
        if sender == self.server:
            start = far
        elif sender == self.client:
            start = near + _OWN
        inside = _line(start, near, "wire icmp") + _head(near, False)
        inside += _label((start + near) / 2, "ICMP")
        return {
            "kind": "icmp",
            "state": "ok",
            "time": _seconds(self.us - zero),
            "name": "ICMP",
            "text": f"{icmp.name(self.error)}. "
            f"{icmp.sentence([self.error], self.server, self.client)}",
            "ports": None,
            "where": f"from {sender}" if sender else "",
            "out": False,
            "svg": _svg(lanes, inside),
        }


def _folded(steps):
    # Long runs of DATA and ACK become one step; their first and last packets stay.
    run = []
    for step in [*steps, None]:
        if step is not None and step.smooth and (not run or step.us - run[-1].us < _PAUSE_US):
            run.append(step)
            continue
        if len(run) > _RUN:
            yield from run[:3]
            yield _Run(run[3:-3])
            yield from run[-3:]
        else:
            yield from run
        run = [step] if step is not None and step.smooth else []
        if step is not None and not step.smooth:
            yield step


def _where(step, lanes):
    # Where a packet was lost, in words.
    if step.state == "ok":
        return ""
    if step.state == "unknown":
        return "no answer"
    near = lanes[step.reached]["name"]
    far = lanes[step.reached + 1 if step.out else step.reached - 1]["name"]
    return f"lost between {near} and {far}"


def _seconds(us):
    return f"{us / 1e6:+.3f} s" if abs(us) >= 500 else "0.000 s"


def _pause(us, lanes):
    return {
        "kind": "pause",
        "state": "ok",
        "time": "",
        "name": f"{us / 1e6:.2f} s" if us < 60e6 else f"{us / 60e6:.1f} min",
        "text": "pause",
        "ports": None,
        "where": "",
        "out": False,
        "svg": _svg(lanes, Markup(""), "pause"),
    }


# ---- drawing


def _svg(lanes, inside, name="", path=True):
    lines = Markup("").join(
        Markup('<line class="lane" x1="{0}%" x2="{0}%" y1="0" y2="100%"/>').format(lane["at"])
        for lane in lanes
    )
    gaps = Markup("").join(
        Markup('<rect class="path" x="{}%" width="{}%" height="100%"/>').format(
            round(near["at"] + (far["at"] - near["at"]) * 0.35, 2),
            round((far["at"] - near["at"]) * 0.3, 2),
        )
        for near, far in zip(lanes, lanes[1:], strict=False)
    )
    gaps = gaps if path else Markup("")
    # For a screen reader the row's text is enough: the picture is hidden from it.
    picture = Markup('<svg class="{}" width="100%" height="100%" aria-hidden="true">{}{}{}</svg>')
    return picture.format(f"row {name}".strip(), gaps, lines, inside)


def rung(out):
    """One packet between two lanes alone: from the client (`out`), to it, or (None) none."""
    lanes = [{"at": 4.0}, {"at": 96.0}]
    if out is None:
        return _svg(lanes, Markup(""), path=False)
    start, end = (lanes[0]["at"], lanes[1]["at"]) if out else (lanes[1]["at"], lanes[0]["at"])
    shape = f"wire {'out' if out else 'in'}"
    return _svg(lanes, _line(start, end, shape) + _head(end, out), path=False)


def _line(start, end, name):
    return Markup('<line class="{}" x1="{}%" x2="{}%" y1="{}%" y2="{}%"/>').format(
        name, round(start, 2), round(end, 2), _Y, _Y
    )


def _at(at, name, path):
    # A shape of fixed size at a percentage of the width.
    place = Markup('<svg class="{}" x="{}%" y="{}%" overflow="visible"><path d="{}"/></svg>')
    return place.format(name, round(at, 2), _Y, path)


def _head(at, to_right):
    return _at(at, "head", "M-9 -4.5 L0 0 L-9 4.5 z" if to_right else "M9 -4.5 L0 0 L9 4.5 z")


def _cross(at):
    return _at(at, "cross", "M-6 -6 L6 6 M-6 6 L6 -6")


def _label(at, text):
    place = Markup('<text class="op" x="{}%" y="{}%" dy="-6" text-anchor="middle">{}</text>')
    return place.format(round(at, 2), _Y, text)


def _arrow(step, lanes, name, ports):
    start, reached = lanes[step.start]["at"], lanes[step.reached]["at"]
    ahead = 1 if step.out else -1
    shape = f"wire {'out' if step.out else 'in'}"
    middle = reached
    if step.state == "ok":
        parts = [_line(start, reached, shape), _head(reached, step.out)]
    else:
        following = lanes[step.reached + ahead]["at"]
        middle = (reached + following) / 2
        if step.state == "lost":
            parts = [_line(start, middle, shape + " lost"), _cross(middle)]
        else:
            end = lanes[-1]["at"]
            ask = Markup('<text class="ask" x="{}%" y="{}%" dy="5" text-anchor="middle">?</text>')
            parts = [
                _line(start, middle, shape),
                _line(middle, end, shape + " unknown"),
                ask.format(round((middle + end) / 2, 2), _Y),
            ]
    parts.append(_label((start + middle) / 2, name))
    port = Markup('<text class="port" x="{}%" y="{}%" dx="{}" dy="4" text-anchor="{}">{}</text>')
    parts.append(port.format(lanes[0]["at"], _Y, -7, "end", ports[0]))
    if ports[1] is not None:
        parts.append(port.format(lanes[-1]["at"], _Y, 7, "start", ports[1]))
    return _svg(lanes, Markup("").join(parts))
