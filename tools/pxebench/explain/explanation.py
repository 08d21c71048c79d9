"""`pxebench explain`: all sources as one result.

    {"schema": 1, "kind": "explain", "outcome", "sources": [{"name", "kind", "kinds", "where",
     "because", "notes"}], "clients": [{"ip", "mac", "vendor", "program", "programs", "seen",
     "known", "nearest", "candidates": [{"rom", "name", "score", "for", "against"}], "differs",
     "boot", "verdict"}], "codes": [{"code", "maker", "text", "when", "side", "first", "command"}],
     "notes"}

A client is one program that boots on one machine: a ROM and the PXELINUX that it loaded are two of
them, with one IP.  `known`: whether one ROM, or a tie, fits without a contradiction; where none
does, `nearest` is the id of the best one and `differs` says in what.
"""

from pxebench import job
from pxebench.explain import (
    clocks,
    codes,
    findings,
    machines,
    places,
    sources,
    translated,
    vendors,
    verdict,
    who,
)
from pxebench.explain.evidence import Evidence
from pxebench.explain.observation import CODE
from pxebench.explain.story import story
from pxebench.record import headed

_STRONG = ("request", "ports", "per", "order", "mode", "finish", "files", "waits")
_MOST_CLIENTS = 200


def explain(arguments, client=None, progress=None):
    """The result for paths, `-` and words; `client`: an IP or MAC, that one alone.  Raises
    `Refused` where nothing can be opened."""
    given = [sources.read(argument, progress) for argument in arguments]
    return of_sources(given, client)


def of_sources(given, client=None):
    """The result for `sources.Source`s that were read."""
    told_apart = _put_together(given)
    found = machines.gather(given, client)
    for source in given:
        source.where, source.because = places.place(source, found)
    entries = []
    for machine in found[:_MOST_CLIENTS]:
        entries += _clients(machine, given)
    told = _codes(given)
    notes = told_apart + list(_notes(given, found, entries))
    if client and not found:
        notes.append(f"No client {client} is in what was given.")
    result = {
        "outcome": _outcome(entries, told),
        "sources": [_source(source) for source in given],
        "clients": entries,
        "codes": told,
        "notes": notes,
    }
    return headed("explain", result, _server(found))


def _server(found):
    # The TFTP server, where all of the clients ask the same.
    named = {address for machine in found for address in machine.servers}
    return named.pop() if len(named) == 1 else None


def _put_together(given):
    # Sentences on addresses that NAT changed, and on clocks that differ.
    changes = translated.find(given)
    told = translated.apply(given, changes) if changes else []
    logs = translated.in_logs(given)
    return list(translated.sentences(told, logs)) + list(clocks.align(given))


def exit_code(result):
    """0 a boot that went well, 1 a failure explained, 2 nothing of a boot."""
    if result["outcome"] == "ok":
        return job.EXIT_OK
    return job.EXIT_USAGE if result["outcome"] == "nothing" else job.EXIT_FAILED


def _outcome(entries, told):
    if not entries:
        return "failed" if told else "nothing"
    last = {entry["ip"] or entry["mac"]: entry for entry in entries}
    states = [entry["boot"]["outcome"] for entry in last.values()]
    # A ROM that fails is not made good by a client of the system that fetches the file later.
    failed = any(entry["boot"]["outcome"] == "failed" for entry in entries)
    return "ok" if all(state == "ok" for state in states) and not failed else "failed"


def _source(source):
    return {
        "name": source.name,
        "kind": source.kind,
        "kinds": dict(source.kinds.most_common()),
        "where": source.where,
        "because": source.because,
        "notes": source.notes,
    }


def _clients(machine, given):
    evidence = Evidence(machine)
    chain = machines.programs(machine)
    mine = [source for source in given if any(view.source is source for view in machine.views)]
    mine += [source for source in given if source not in mine and source.observations]
    entries = []
    for program in chain:
        entries.append(_client(program, evidence, mine))
    for entry in entries:
        entry["programs"] = [
            one["candidates"][0]["rom"] if one["candidates"] else None for one in entries
        ]
    return entries


def _client(program, evidence, given):
    machine = program.machine
    features, inside, outside = who.rank(program)
    top = who.best(inside)
    known = (
        bool(top)
        # A network card's vendor alone is no match.
        and any(fact.verdict == who.FOR and fact.kind != "vendor" for fact in top[0].facts)
        and not any(fact.verdict == who.AGAINST and fact.kind in _STRONG for fact in top[0].facts)
    )
    boot = story(program)
    nearest = (top or outside)[:1]
    return {
        "ip": machine.ip,
        "mac": machine.mac,
        "vendor": vendors.vendor(machine.mac) if machine.mac else None,
        "program": program.number,
        "of": program.of,
        "seen": list(_seen(program)),
        "known": known,
        "nearest": nearest[0].rom if nearest and not known else None,
        "differs": (
            nearest[0].of(who.AGAINST) + nearest[0].of(who.OUT) if nearest and not known else []
        ),
        "candidates": [candidate.as_json() for candidate in inside],
        "boot": boot,
        "verdict": verdict.judge(program, evidence, top, boot, given),
    }


def _seen(program):
    if program.view:
        yield program.view.source.name
    for _, _, seen in program.ports:
        if seen.source:
            yield seen.source
            return


def _codes(given):
    told = []
    for source in given:
        uefi = (
            True
            if source.uefi and not source.legacy
            else False
            if source.legacy and not source.uefi
            else None
        )
        for seen in source.observations:
            if seen.what != CODE:
                continue
            for entry in codes.meaning(seen.get("code"), uefi) or [_unknown(seen.get("code"))]:
                row = {
                    name: entry.get(name)
                    for name in (
                        "code",
                        "maker",
                        "text",
                        "when",
                        "side",
                        "first",
                        "command",
                        "page",
                        "roms",
                    )
                }
                if row not in told:
                    told.append(row)
    return told


def _unknown(code):
    return {
        "code": code,
        "maker": None,
        "text": "in no list that is known here",
        "when": "No list of PXE codes has it; the vendor's own manual may.",
        "side": None,
        "first": "The lines around it on the screen.",
        "command": None,
    }


def _notes(given, found, entries):
    for source in given:
        writes = getattr(source, "writes", 0)
        if writes:
            yield (
                f"{source.name}: {writes} write request{'s' * (writes > 1)} (uploads), which are"
                " no boot."
            )
        strays = getattr(source, "strays", 0)
        if strays:
            yield (
                f"{source.name}: {strays} packet{'s' * (strays > 1)} of transfers whose request is"
                " not in it."
            )
        if source.kind == "unknown" and not source.notes:
            lines = f"{source.lines} lines of text" if source.lines else "it is empty"
            yield f"{source.name}: nothing of a boot ({lines})."
        elif source.kind == "capture" and not source.file.packets:
            yield f"{source.name}: {source.file.frames} packets, none of DHCP or TFTP."
        elif source.kind == "sockets" and not any(m.ports for m in found):
            yield f"{source.name}: sockets, and none that talks TFTP with a client."
    if len(found) > _MOST_CLIENTS:
        yield f"{len(found)} machines; the first {_MOST_CLIENTS} are shown. --client chooses one."


__all__ = ["explain", "exit_code", "findings", "of_sources"]
