"""How far a boot came: its steps in the order of time, and the last stage.

    {"reached": "nothing" | "asked for an address" | ..., "outcome": "ok" | "failed" | "unknown",
     "steps": [{"at_ms", "what", "text", "port", "source", "line"}], "requests", "ports"}

`reached` is one of `REACHED`, in their order.
"""

from pxebench.captures.messages import tftp
from pxebench.explain import features
from pxebench.explain.observation import (
    ASKED,
    DHCP,
    DROPPED,
    FAILED,
    HEARD,
    PASSED,
    REFUSED,
    SENT,
    SOCKET,
)
from pxebench.explain.who_ports import nth
from pxebench.sweep.port_names import named

REACHED = ("nothing", "dhcp", "offer", "lease", "request", "answer", "transfer", "file")
WORDS = {
    "nothing": "nothing of a boot",
    "dhcp": "it asks for an address",
    "offer": "it was offered an address",
    "lease": "it has its address",
    "request": "it asks for its file",
    "answer": "the server answers",
    "transfer": "blocks of the file come",
    "file": "it has the file",
}
_MOST = 60  # steps
_LOGGED = {SENT: "file", FAILED: "answer", REFUSED: "answer", HEARD: "answer"}
_LATE_S = 3.0
_WAIT_S = 1.0
_LATER_S = 45.0  # longer than any ROM waits before it asks again
_LADDER = 3
_STOPS = "it stops here"
_FEW = 2  # DHCP packets of a client, while everything is in order


def story(program):
    """The dict above for a `machines.Program`."""
    steps = _dhcp(program)
    reached = _reached_dhcp(program)
    boot = program.talks[-1] if program.talks else []
    view = program.view
    timed = view.timed if view else False
    for number, talk in enumerate(boot, 1):
        steps += _talk(talk, number, timed, view)
        reached = _later(reached, _reached(talk))
    steps += _marks(program, _began(program))
    if not program.talks and program.ports:
        reached = _later(reached, "request")
    for mark in program.machine.marks if not program.talks else ():
        reached = _later(reached, _LOGGED.get(mark.what, reached))
    ends = [step for step in steps if step["what"] == "end"]
    for step in ends[:-1]:
        if step["text"] == _STOPS:
            step["text"] = "it goes no further with this request"
    if timed:
        # A step without a time stays where it was.
        steps.sort(key=lambda step: (step["at_ms"] is None, step["at_ms"] or 0))
    zero = next((step["at_ms"] for step in steps if step["at_ms"] is not None), 0)
    for step in steps:
        if step["at_ms"] is not None:
            step["at_ms"] = round(step["at_ms"] - zero, 3)
    return {
        "reached": reached,
        "outcome": outcome(program),
        "boots": max(len(program.talks), len(program.boots), 1),
        "requests": sum(len(talk.requests) for talk in boot),
        "ports": (
            [port for talk in boot for port in talk.source_ports if port > 0]
            or list(dict.fromkeys(port for port, _, _ in program.ports if port > 0))
        ),
        "steps": steps[:_MOST],
        "left_out": max(0, len(steps) - _MOST),
    }


def _began(program):
    # The time from which `at_ms` counts, in seconds; None without packets.
    packets = [talk.packets[0] for talk in program.every[:1]]
    packets += [packet for boot in program.boots[:1] for packet, _ in boot.dhcp[:1]]
    return packets[0].epoch_ns / 1e9 - packets[0].time if packets else None


def _time(mark, program, began):
    # A mark's time as `at_ms`; None where its clock cannot be compared.
    if mark.time is None or not program.view:
        return mark.time
    same = mark.source == program.view.source.name or mark.get("aligned")
    return mark.time - began if same and began is not None else None


def outcome(program):
    """ "ok", "failed" or "unknown": the outcome of the program's last boot."""
    if (
        program.number < program.of
        and program.talks
        and any(talk.outcome == "done" for talk in program.talks[-1])
    ):
        return "ok"  # it started what came
    if not program.talks:
        told = [m.what for m in program.machine.marks if m.what in (SENT, FAILED, REFUSED)]
        if told and not program.ports:
            return "ok" if told[-1] == SENT else "failed"
        failed = [what for what in told if what != SENT]
        if failed or (program.boots and not _ends_here(program)):
            return "failed"
        if program.boots:
            return "unknown"
        if (
            program.number == 1
            and program.of == 1
            and any(mark.what == DROPPED for mark in program.machine.marks)
        ):
            return "failed"
        children = {port for port, _, _ in program.ports}
        return "failed" if len(children) > 1 else "unknown"
    last = program.talks[-1][-1]
    marks = [mark for mark in program.machine.marks if mark.what in (SENT, FAILED, REFUSED)]
    if marks and last.outcome != "done" and not last.blocks:
        # A log states it; lines with another port belong to another transfer.
        ports = {port for port in last.source_ports if port > 0}
        marks = [mark for mark in marks if not mark.sport or not ports or mark.sport in ports]
        if program.view.source.file is not None:
            # Packets show that this one did not get it; a line without a port is another's.
            marks = [mark for mark in marks if mark.what != SENT or mark.sport]
        if marks:
            return "ok" if marks[-1].what == SENT else "failed"
    if last.outcome != "done" and any(m.what == DROPPED for m in program.machine.marks):
        return "failed"
    if only_requests(program):
        if view_is_log(program) and any(m.what == HEARD for m in program.machine.marks):
            return "unknown"  # its answers arrive; what followed is not known
        if _repeats(program.talks[-1], program.view):
            return "failed"
        # Another program asks next: the one that came runs.
        return "ok" if program.number < program.of else "unknown"
    if _just_asked(program, last):
        return "unknown"
    if not last.tids and _follows(last):
        return "ok"
    if last.outcome == "done":
        asks_on = any(
            packet.dport in last.tids and packet.dport != last.server_port
            for packet in last.requests[1:]
        )
        return "failed" if asks_on else "ok"
    return "failed"


def _ends_here(program):
    # True when the evidence ends right behind the last packet: what came then is not in it.
    until = getattr(program.view.source, "until", None) if program.view else None
    if sum(not message.reply for _, message in program.boots[-1].dhcp) > _FEW:
        return False  # it has repeated itself for a while
    last = max(packet.time for packet, _ in program.boots[-1].dhcp)
    return until is not None and until - last < _LATE_S


def _just_asked(program, last):
    # True when the evidence ends right behind a request that it shows once.
    if last.outcome != "unanswered" or len(last.requests) > 1 or len(last.packets) > 1:
        return False
    before = program.talks[-1][:-1]
    if any(talk.file == last.file and talk.outcome == "unanswered" for talk in before):
        return False
    until = getattr(program.view.source, "until", 0.0)
    return until - last.began < _WAIT_S


def view_is_log(program):
    """True for a program of which only a server's log tells."""
    return program.view is not None and program.view.source.kind == "server-log"


def only_requests(program):
    """True for a text in which every packet is a request: answers come from other ports, and a
    filter for port 69 does not show them."""
    return features.only_requests(program.view)


def _repeats(talks, view):
    # True when the last file is asked for again and again: more often than a size and a file need,
    # or after a wait.
    file = talks[-1].file
    times = [packet.time for talk in talks if talk.file == file for packet in talk.requests]
    if view.source.kind == "server-log":
        # A probe and its file are two lines, and a later client looks the same.
        moments = [
            b for a, b in zip(times, times[1:], strict=False) if _WAIT_S <= b - a < _LATER_S
        ]
        return len(moments) + 1 >= _LADDER
    if len(talks[-1].requests) > 1 and not talks[-1].requests[0].cut:
        return True
    waited = view.timed and any(b - a > _WAIT_S for a, b in zip(times, times[1:], strict=False))
    return len(times) > 2 or waited


def _follows(talk):
    # True when the client acknowledges what comes from an address that it did not ask.
    acks = [
        p
        for p in talk.packets
        if p.out and not p.icmp and p.dst != talk.server and tftp(p).kind == "ACK"
    ]
    return len(acks) > 1


def _later(one, other):
    return max(one, other, key=REACHED.index)


def _reached_dhcp(program):
    kinds = {m.kind for boot in program.boots for _, m in boot.dhcp}
    kinds |= {mark.get("kind") for mark in program.machine.marks if mark.what == DHCP}
    if "ACK" in kinds:
        return "lease"
    told = any(m.reply and m.kind == "BOOTP" for boot in program.boots for _, m in boot.dhcp)
    if "OFFER" in kinds or told:
        return "offer"
    return "dhcp" if kinds - {None} else "nothing"


def _reached(talk):
    if talk.outcome == "done":
        return "file"
    if talk.blocks:
        return "transfer"
    return "answer" if talk.tids else "request"


def _step(at, what, text, port=None, packet=None, source=None, line=None):
    return {
        "at_ms": None if at is None else at * 1000,
        "what": what,
        "text": text,
        "port": port if port and port > 0 else None,
        "source": source,
        "line": packet.number if packet is not None else line,
    }


# ---- DHCP


def _dhcp(program):
    steps = []
    view = program.view
    name = view.source.name if view else None
    for boot in program.boots[-1:]:
        for packet, message in boot.dhcp:
            at = packet.time if view and view.timed else None
            steps.append(_step(at, "dhcp", _dhcp_words(packet, message), None, packet, name))
    for mark in program.machine.marks:
        if mark.what == DHCP and mark.get("kind") and not program.boots and program.number == 1:
            kind = "answered as proxyDHCP" if mark.get("kind") == "PXE" else mark.get("kind")
            words = f"DHCP {kind}" + (f" {mark.get('ip')}" if mark.get("ip") else "")
            for fact in ("vendor", "file", "trouble"):
                words += f", {fact} {mark.get(fact)}" if mark.get(fact) else ""
            steps.append(_step(mark.time, "dhcp", words, None, None, mark.source, mark.line))
    return steps


def _dhcp_words(packet, message):
    words = f"DHCP {message.kind}"
    if not message.reply:
        place = " to port 4011" if packet.dport == 4011 else ""
        vendor = message.option(60)
        return words + place + (f", {vendor.decode('ascii', 'replace')[:48]}" if vendor else "")
    words += f" from {packet.src}"
    if message.yiaddr != "0.0.0.0":
        words += f": {message.yiaddr}"
    if message.siaddr != "0.0.0.0":
        words += f", next server {message.siaddr}"
    file = message.file or (message.option(67) or b"").rstrip(b"\0").decode(
        "utf-8", "backslashreplace"
    )
    return words + (f", file {file}" if file else "")


# ---- TFTP


def _talk(talk, number, timed, view):
    steps = []
    name = view.source.name
    asked = talk.asked
    sent = 0
    said = {}
    blocks = None  # (first, last, at, packet)
    for packet in talk.packets:
        at = packet.time if timed else None
        port = packet.sport if packet.out else packet.dport
        if packet.icmp:
            steps += _run(blocks, name)
            blocks = None
            kind, code, _ = packet.icmp
            steps.append(
                _step(
                    at, "icmp", f"ICMP {_icmp(kind, code)} from {packet.src}", None, packet, name
                )
            )
            continue
        message = tftp(packet)
        if packet in talk.requests:
            steps += _run(blocks, name)
            blocks = None
            sent += 1
            words = asked.file if asked.file is not None else "a file that is not told"
            options = " ".join(map(" ".join, asked.options or ()))
            if packet.cut:
                options = "options not told"
            again = "" if sent == 1 else f", {nth(sent)} time"
            place = f" from port {named(port)}" if port > 0 else ""
            if packet.dport in talk.tids and packet.dport != talk.server_port:
                place += ", to the TID"
            steps.append(
                _step(
                    at,
                    "rrq",
                    f"RRQ {words} {options}{place}{again}".replace("  ", " "),
                    port,
                    packet,
                    name,
                )
            )
            continue
        if message.kind in ("DATA", "ACK") and message.block is not None:
            if message.kind == "DATA":
                blocks = (
                    blocks[0] if blocks else message.block,
                    message.block,
                    blocks[2] if blocks else at,
                    packet,
                )
            elif message.block == 0 or blocks is None:
                steps.append(_step(at, "ack", f"ACK {message.block}", port, packet, name))
            continue
        steps += _run(blocks, name)
        blocks = None
        words = _words(talk, packet, message)
        before = said.get(words)
        if before is not None:  # the server repeats itself
            before["times"] = before.get("times", 1) + 1
            continue
        said[words] = _step(at, message.kind.lower(), words, port, packet, name)
        steps.append(said[words])
    steps += _run(blocks, name)
    for step in said.values():
        if step.get("times"):
            step["text"] += f", {step.pop('times')} times in all"
    end = {"done": "the file is whole", "unanswered": "nothing answers", "broken": _STOPS}
    blind = features.only_requests(view) and talk.outcome == "unanswered"
    if talk.outcome in end and not blind:
        at = talk.packets[-1].time if timed else None
        steps.append(_step(at, "end", end[talk.outcome], None, None, name))
    return steps


def _run(blocks, name):
    if blocks is None:
        return []
    first, last, at, packet = blocks
    words = f"DATA {first}" if first == last else f"DATA {first} to {last}"
    return [_step(at, "data", words, packet.dport if not packet.out else None, packet, name)]


def _words(talk, packet, message):
    who = (
        ""
        if packet.src in (talk.client, talk.server)
        else f" from {packet.src}, which was not asked"
    )
    if message.kind == "OACK":
        options = " ".join(map(" ".join, message.options or ()))
        return f"OACK {options}{who}".rstrip()
    if message.kind == "ERROR":
        if message.code is None:
            return f"ERROR of {packet.size} bytes{' by the client' if packet.out else who}"
        text = f' "{message.text}"' if message.text is not None else ""
        return f"ERROR {message.code}{text}" + (" by the client" if packet.out else who)
    return f"{message.kind}, {packet.size} bytes{who}"


def _icmp(kind, code):
    if kind != 3:
        return f"type {kind} code {code}"
    return {
        0: "net unreachable",
        1: "host unreachable",
        2: "protocol unreachable",
        3: "port unreachable",
        4: "fragmentation needed",
        9: "net prohibited",
        10: "host prohibited",
        13: "administratively prohibited",
    }.get(code, f"unreachable, code {code}")


# ---- steps that are no packets


def _marks(program, began):
    steps = []
    for port, _, seen in program.ports:
        if seen.what == SOCKET:
            who = seen.get("program") or "a socket"
            end = f"{seen.src}:{seen.sport}"
            words = f"{who} at {end} talks to port {named(port)}"
            steps.append(_step(None, "socket", words, port, None, seen.source, seen.line))
    if program.number != 1 and program.talks:
        return steps
    for mark in program.machine.marks:
        words = _mark(mark)
        if words:
            at = _time(mark, program, began)
            steps.append(_step(at, mark.what, words, None, None, mark.source, mark.line))
    return steps


def _mark(mark):
    file = mark.get("file") or "the file"
    if mark.what == ASKED:
        return None  # it is among the requests
    if mark.what == SENT:
        return f"the server has sent {file}"
    if mark.what == FAILED:
        return f"the server gave up sending {file}"
    if mark.what == HEARD:
        return f'the server received ERROR {mark.get("code") or 0} "{mark.get("text") or ""}"'
    if mark.what == REFUSED:
        text = mark.get("text")
        return (
            f"the server has no {file} for it"
            if not text
            else f'the server refuses {file}: "{text}"'
        )
    if mark.what == "trouble":
        return f'the server says "{mark.get("text")}"'
    if mark.what in (DROPPED, PASSED):
        verb = "rejects" if mark.get("rejected") else "drops" if mark.what == DROPPED else "sees"
        return f"a firewall {verb} {mark.src}:{mark.sport} > {mark.dst}:{mark.dport}"
    return None
