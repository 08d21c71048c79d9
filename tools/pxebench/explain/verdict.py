"""Why a boot stopped: a cause of `diagnose`, with its words and rules, where the evidence supports
it.

    {"cause", "proved": bool, "text", "explains", "also_possible", "also_text", "ruled_out",
     "unknown", "facts", "decide", "rules"}

`diagnose` sends requests and compares; here only the evidence is there. A cause is `proved` when
the evidence excludes all others; else the evidence is consistent with it and with those in
`also_possible`, and `decide` is the observation that would tell them apart.

1. `explains` has all that the conclusion rests on, each as a sentence.
2. What no source can show is in `unknown`.
"""

import re

from pxebench.diagnose import causes, rules
from pxebench.explain import asking
from pxebench.explain.findings import finding
from pxebench.explain.observation import REFUSED, SOCKET
from pxebench.job import show
from pxebench.sweep import port_names
from pxebench.sweep.rom_ports import how_it_counts, ports_of_boot

# A name's last byte is 0xFF: in a capture, as tcpdump and as servers print it.
_ODD_END = re.compile(r"(?:M-\^\?|\xff|\ufffd|\udcff|\\xff|\\377)$")
_HEALTHY = "The boot went well as far as this shows: the file came to its last block."


def judge(program, evidence, candidates, boot, sources):
    """The verdict of a `machines.Program`.  `candidates`: those of the highest score, best first;
    `boot`: its `story`."""
    found = finding(program, evidence, boot)
    result = _result(program, evidence, candidates)
    cause, also = found.cause, [name for name in found.also if name in causes.IDS]
    if cause is not None and cause not in causes.IDS:
        cause = None
    values = {
        "server": result["server"],
        "port": result["server_port"],
        "file": show(result["file"] or "the file"),
        "low": _low(found.ports, candidates),
        "foreign": ", ".join(evidence.foreign) or "-",
        "icmp": (found.seen or ["ICMP says so."])[0],
    }
    verdict = {
        "cause": cause,
        "proved": found.proved,
        "text": _text(cause, found, values),
        "explains": found.seen,
        "also_possible": also,
        "also_text": {name: _words(causes.also_text, name, values) for name in also},
        "ruled_out": [{"cause": name, "because": why} for name, why in found.out.items()],
        "unknown": list(_unknown(program, evidence, found, sources)),
        "facts": [{"id": name, "text": text} for name, text in found.facts],
        "decide": asking.decide(program, evidence, found, result),
    }
    verdict["rules"] = rules.advise(cause, also, {**result, "verdict": verdict})
    return verdict


def _words(of, cause, values):
    # A cause's own sentence.  Some have values that only `diagnose` can know.
    try:
        return of(cause, values)
    except KeyError:
        return f"{cause}."


def _text(cause, found, values):
    if found.text is not None:
        return found.text
    if cause == "healthy":
        return _HEALTHY
    if cause is None:
        return "What was given does not say why: no cause that is known here is carried by it."
    text = _words(causes.text, cause, values)
    return text if found.proved else "Consistent with this: " + text


def _low(ports, candidates):
    if ports:
        return port_names.words(ports)
    if candidates and how_it_counts(candidates[0].known.flat) != "draw":
        first, last = ports_of_boot(candidates[0].known.flat)
        return f"{first}-{last}"
    return "(which ones is not told)"


def _result(program, evidence, candidates):
    # A result as `diagnose` makes it, for `rules.advise` and the sentences.
    ports = [port for port in _ports(program) if port > 0]
    span = _span(candidates, ports)
    talk = program.talks[-1][-1] if program.talks else None
    server = (talk.server if talk else None) or (evidence.servers or ["SERVER"])[0]
    tids = [p for t in program.every for p in t.tids if p] + [
        seen.sport for _, seen in evidence.children if seen.sport and seen.src == server
    ]
    logged = [mark.get("file") for mark in evidence.logs.get(REFUSED, ()) if mark.get("file")]
    sizes = {}
    if talk and talk.blksize:
        sizes[talk.blksize] = talk.blocks > 0
    return {
        "server": server,
        "server_port": (talk.server_port if talk else None) or 69,
        "client": evidence.machine.ip,
        "file": (talk.file if talk else None) or (logged or [None])[-1],
        "rom_ports": list(span),
        "rom_counts": how_it_counts(candidates[0].known.flat) if candidates else "one",
        "observations": {
            "server_ports": (
                {"least": min(tids), "most": max(tids), "count": len(tids)} if tids else None
            ),
            "sizes": sizes,
            "foreign": evidence.foreign,
            "own_size": talk.blksize if talk else 512,
        },
        "experiments": [{"id": "rom", "asks": [{"port": port} for port in ports]}],
    }


def _ports(program):
    if program.talks:
        return [port for talk in program.talks[-1] for port in talk.source_ports]
    return [port for port, _, _ in program.ports]


def _span(candidates, ports):
    # As wide as the ROM counts in one boot, and at least what was seen.
    spans = [ports_of_boot(one.known.flat) for one in candidates] or []
    low = min((first for first, _ in spans), default=min(ports, default=1024))
    high = max((last for _, last in spans), default=max(ports, default=65535))
    if ports and spans:
        low, high = min(low, *ports), max(high, *ports)
    return low, high


def _unknown(program, evidence, found, sources):
    yield from found.unknown
    odd = next((talk.file for talk in program.every if _ODD_END.search(talk.file or "")), None)
    if odd is not None:
        yield (
            "Whether the server has a file of that very name: it ends in a byte that no one typed"
            " (0xFF), as where a DHCP server ends option 67 without a NUL. Let it add one, or map"
            " the name at the server."
        )
    if any(seen.what == SOCKET for _, _, seen in program.ports):
        yield (
            "netstat and ss show which ports a server waits for, at one moment: neither when the"
            " request came, nor what was sent, nor whether anything arrived."
            + (" That the answers are lost is concluded, not seen." if found.cause else "")
        )
    known = evidence.dropped["answer"] or evidence.kept_back
    if found.cause == "client-port-filter" and not known:
        yield (
            "Which machine drops the answers is not in this: a firewall on the way, the server's"
            " own, or one on the client's side."
        )
    if found.cause == "healthy" and program.number == program.of:
        yield "Whether the program that was loaded then ran is not in what was given."
    places = {source.where for source in sources}
    if found.cause in ("request-blocked",) and "server" not in places:
        yield "Whether the requests reach the server cannot be seen from where this was made."
