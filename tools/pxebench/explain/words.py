"""The result of `explain` as lines of text: who, how far, why, what to ask for.

1. All text from the network or from a file goes through `job.show`.
2. One client is shown in full; of several, a table and then each that did not boot.
"""

from pxebench import colour, prose
from pxebench.diagnose import rule_words
from pxebench.explain.story import WORDS
from pxebench.job import show

_STEPS = 24
_FACTS = 9


def lines(result, all_rules=False, paint=colour.PLAIN):
    """The lines. `paint`: of the stream that they go to."""
    yield from _sources(result)
    for code in result["codes"]:
        yield from _code(code)
    clients = result["clients"]
    if len({_name(client) for client in clients}) > 1:
        yield from _table(clients)
    for client in clients:
        yield from _client(client, all_rules, paint)
    if result["notes"]:
        yield ""
        for note in result["notes"]:
            yield from prose.wrapped(show(note), "  ")
    if result["outcome"] == "nothing":
        yield ""
        yield from prose.wrapped(
            "Nothing of a network boot is in this. What helps: a capture of the boot (tcpdump -ni"
            " any -s 0 -w boot.pcap 'udp or icmp'), `netstat -anup` or `ss -uanp` of the server"
            " while the client boots, the server's log, or what the client's screen says.",
            "",
        )


def _name(client):
    return client["ip"] or client["mac"] or "without an address"


def _sources(result):
    for source in result["sources"]:
        if source["kind"] == "screen" and result["codes"] and source["name"] == "the words given":
            continue
        where = {
            "client": "at the client",
            "server": "at the server",
            "between": "on the way",
        }.get(source["where"])
        text = f"{source['name']}: {_KINDS[source['kind']]}"
        if where:
            text += f", made {where} ({source['because']})"
        elif source["kind"] == "capture":
            text += f"; {source['because']}"
        yield from prose.wrapped(show(text) + ".", "")
        for note in source["notes"]:
            yield from prose.wrapped(show(note), "  ")


_KINDS = {
    "capture": "a capture",
    "pxebench": "packets as `pxebench -v` prints them",
    "tcpdump": "packets as tcpdump prints them",
    "wireshark": "packets as Wireshark prints them",
    "sockets": "a table of sockets",
    "server-log": "the log of a TFTP server",
    "tftpd64": "the log of tftpd32 or tftpd64",
    "wds": "events of Windows Deployment Services",
    "dhcp-log": "the log of a DHCP server",
    "firewall-log": "the log of a firewall",
    "screen": "what a screen says",
    "unknown": "nothing that is known here",
}


def _table(clients):
    yield ""
    rows = []
    for client in clients:
        top = _who(client)
        rows.append(
            (
                _name(client),
                f"{client['program']}/{client['of']}" if client["of"] > 1 else "",
                top,
                client["boot"]["outcome"],
                client["verdict"]["cause"] or "undecided",
            )
        )
    head = ("client", "", "who", "boot", "why")
    widths = [min(40, max(len(row[column]) for row in [head, *rows])) for column in range(5)]
    for row in [head, *rows]:
        yield "  ".join(
            show(cell)[:width].ljust(width) for cell, width in zip(row, widths, strict=True)
        ).rstrip()


def _who(client):
    top = _best(client)
    if not top or not client["known"]:
        return "none of the known"
    return ", ".join(one["rom"] for one in top[:3]) + (" ..." if len(top) > 3 else "")


def _best(client):
    rows = client["candidates"]
    return [one for one in rows if one["score"] == rows[0]["score"]] if rows else []


# ---- one client


def _client(client, all_rules, paint):
    yield ""
    vendor = f", {client['vendor']}" if client.get("vendor") else ""
    mac = f" ({client['mac']}{vendor})" if client["mac"] and client["ip"] else vendor
    chain = (
        f", program {client['program']} of {client['of']} that ask from there"
        if client["of"] > 1
        else ""
    )
    yield show(f"Client {_name(client)}{mac}{chain}")
    yield ""
    yield from _identity(client)
    yield ""
    yield from _far(client["boot"])
    yield from _why(client["verdict"], all_rules, paint)


def _identity(client):
    top = _best(client)
    if not client["known"]:
        if not client["differs"]:
            yield "Who: nothing in this tells one client from another."
            return
        yield "Who: none of the known clients."
        if client["nearest"]:
            yield from prose.wrapped(
                f"The nearest is {client['nearest']}, and this differs:", "  "
            )
            for text in client["differs"][:_FACTS]:
                yield from prose.wrapped(show(text), "    ")
            yield from prose.wrapped(
                "A capture of it makes a ROM file of its own: pxebench learn boot.pcap -o"
                " mine.json",
                "  ",
            )
        return
    if len(top) == 1:
        yield from prose.wrapped(f"Who: {top[0]['rom']} ({show(top[0]['name'])}).", "")
    else:
        names = ", ".join(one["rom"] for one in top)
        yield from prose.wrapped(
            f"Who: {names}: a tie, what was given fits {_count(len(top))} of them alike.", ""
        )
    one = top[0]
    total = len(one["for"]) + len(one["against"])
    yield from prose.wrapped(
        f"For it {len(one['for'])} of {total}: " + show("; ".join(one["for"][:_FACTS])), "  "
    )
    if one["against"]:
        yield from prose.wrapped("Against it: " + show("; ".join(one["against"][:_FACTS])), "  ")
    others = [c for c in client["candidates"] if c["score"] != one["score"]][:2]
    for other in others:
        if other["against"]:
            yield from prose.wrapped(
                f"Less likely {other['rom']}: " + show("; ".join(other["against"][:2])), "  "
            )


def _count(number):
    return {2: "both", 3: "all three", 4: "all four"}.get(number, f"all {number}")


def _far(boot):
    yield from prose.wrapped(f"How far: {WORDS[boot['reached']]}.", "")
    steps = boot["steps"]
    shown = (
        steps
        if len(steps) <= _STEPS
        else steps[: _STEPS * 2 // 3] + [None] + steps[-_STEPS // 3 :]
    )
    for step in shown:
        if step is None:
            yield f"            ... {len(steps) - _STEPS + boot['left_out']} more ..."
            continue
        at = f"{step['at_ms'] / 1000:9.3f} s" if step["at_ms"] is not None else " " * 11
        for number, line in enumerate(_steps(step["text"])):
            yield f"{at if not number else ' ' * 11}  {line}".rstrip()


def _steps(text):
    return prose.wrapped(show(text), "", "", prose.room() - 15)


def _why(verdict, all_rules, paint):
    also = verdict["also_possible"]
    same = f" (or {', or '.join(also)})" if also else ""
    yield ""
    cause = verdict["cause"] or "undecided"
    lines = prose.wrapped(f"Why: {cause}{same}. {show(verdict['text'])}")
    good = None if verdict["cause"] is None else cause == "healthy"
    yield from paint.verdict(lines, cause, good)
    yield from prose.listed("Seen", verdict["explains"])
    yield from prose.listed("Besides", [fact["text"] for fact in verdict["facts"]])
    yield from prose.listed(
        "Also possible", [f"{name}: {verdict['also_text'][name]}" for name in also]
    )
    yield from prose.listed(
        "Ruled out", [f"{one['cause']}: {one['because']}" for one in verdict["ruled_out"]]
    )
    yield from prose.listed("Not in this", verdict["unknown"])
    yield from rule_words.lines(verdict["rules"], all_rules)
    if verdict["decide"]:
        yield ""
        yield "What would decide:"
        yield from prose.wrapped(verdict["decide"]["text"], "  ")
        yield "    " + show(verdict["decide"]["command"])


def _code(code):
    yield ""
    maker = f" ({code['maker']})" if code["maker"] else ""
    yield from prose.wrapped(show(f"{code['code']}{maker}: {code['text']}"), "")
    if code["when"]:
        yield from prose.wrapped(show(code["when"]), "  ")
    if code["side"]:
        sides = {
            "client": "the client's",
            "server": "the server's",
            "path": "the way between them, or the server",
        }
        yield from prose.wrapped(f"Whose side: {sides[code['side']]}.", "  ")
    yield from prose.wrapped("First: " + show(code["first"]), "  ")
    command = _COMMANDS.get(code["command"])
    if command:
        yield from prose.wrapped("Tells more: " + command, "  ")
    if code.get("page"):
        yield from prose.wrapped("Its page: " + show(code["page"]), "  ")


_COMMANDS = {
    "diagnose": "pxebench diagnose --server SERVER --file FILE, from the client's network",
    "fetch": "pxebench fetch tftp://SERVER/FILE, from the client's network",
    "boot": "pxebench boot --interface IF, in the client's network",
}
