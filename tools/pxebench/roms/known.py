"""`pxebench roms`: the ROMs, and the evidence of each fact in them.

A ROM file is data with its evidence (`pxerom.rom_check`); here it is read unchanged, and shown.

1. A bare value is `observed`; everything inside a marked value has that mark.
2. An assumption is always shown as one, and never counted as known.
"""

import json
import os
import sys

import click

from pxebench import colour, tables
from pxebench.job import bare, load_rom, show, value
from pxebench.record import headed

_MARKS = ("observed", "source", "derived", "assumed")
_MEANING = {
    "observed": "seen in a capture",
    "source": "read in the ROM's own source or manual",
    "derived": "follows from what was seen",
    "assumed": "not known; a likely value",
}
_SECTIONS = ("runs", "udp", "tftp", "dhcp", "screen")  # the rest of a ROM file is text
# Not facts about a ROM: the purpose of a request, and what the bench may change.
_STRUCTURE = ("purpose", "adjustable")
_COLOURS = {"observed": "green", "source": "green", "derived": "yellow", "assumed": "red"}


def ids():
    """The ids of the ROMs that come with pxerom, sorted."""
    from pxerom import rom_check

    names = os.listdir(rom_check.folder())
    return sorted(name[:-5] for name in names if name.endswith(".json"))


class Fact:
    """One leaf of a ROM file: its path, value, evidence mark, and the note that covers it."""

    def __init__(self, path, content, mark, note):
        self.path = path
        self.content = content
        self.mark = mark
        self.note = note


def facts(rom):
    """The facts of a ROM as in its file, in the file's order."""
    for section in _SECTIONS:
        if section in rom:
            yield from _facts(rom[section], section, "observed", None)


def _facts(content, path, mark, note):
    if isinstance(content, dict) and "value" in content:
        mark = content.get("evidence", "observed")
        note = content.get("note", note)
        content = content["value"]
    if isinstance(content, dict):
        for name, part in content.items():
            if name not in _STRUCTURE:
                yield from _facts(part, f"{path}.{name}", mark, note)
    elif isinstance(content, list) and any(isinstance(part, dict) for part in content):
        for index, part in enumerate(content):
            yield from _facts(part, f"{path}[{index}]", mark, note)
    else:
        yield Fact(path, content, mark, note)


def counts(rom):
    """How many facts of a ROM have each mark, as {mark: number}, all marks in it."""
    found = dict.fromkeys(_MARKS, 0)
    for fact in facts(rom):
        found[fact.mark] += 1
    return found


def port_words(rom):
    """The rule of a ROM's UDP source ports, in words."""
    rule = bare(value(rom["udp"])["source_port"])
    policy, first = rule["policy"], rule["first"]
    last = rule.get("last", 65535)
    each = rule.get("per", "transfer").replace("until_data", "packet until data")
    if policy == "fixed":
        return f"always {first}"
    if policy == "counter":
        start = f"{first}-{rule['first_max']}" if rule.get("first_max") else first
        return f"{start}, +{rule.get('step', 1)} per {each}"
    if policy == "random":
        return f"{first}-{last}, random per {each}"
    return f"{first}-{last}, by the clock"


def option_words(rom):
    """The options of a ROM's requests, in order: `tsize 0, then blksize 1456`."""
    requests = []
    for request in bare(value(rom["tftp"])["requests"]):
        options = [" ".join(pair) for pair in request.get("options", [])]
        requests.append(", ".join(options) or "none")
    return "; then ".join(requests)


def is_assumed(fact):
    """True for an assumed fact."""
    return isinstance(fact, dict) and fact.get("evidence") == "assumed"


def evidence_words(rom):
    """`31 of 35 facts learned, 4 assumed`; `roms show` tells the other marks apart."""
    found = counts(rom)
    known = sum(found.values()) - found["assumed"]
    return f"{known} of {sum(found.values())} facts learned, {found['assumed']} assumed"


def _assumed(rom):
    found = counts(rom)
    return f"{found['assumed']} of {sum(found.values())}"


def list_all(as_json):
    """Print the list of ROMs: a table on a terminal, columns elsewhere, or JSON."""
    roms = [load_rom(rom_id) for rom_id in ids()]
    if as_json:
        rows = [
            {
                "id": rom["id"],
                "name": rom["name"],
                "source_port": bare(value(rom["udp"])["source_port"]),
                "requests": bare(value(rom["tftp"])["requests"]),
                "evidence": counts(rom),
            }
            for rom in roms
        ]
        click.echo(json.dumps(headed("roms", {"roms": rows}), indent=2))
        return
    head = ("id", "source ports", "options asked for", "assumed", "name")
    rows = [
        (rom["id"], port_words(rom), option_words(rom), _assumed(rom), rom["name"]) for rom in roms
    ]
    tables.show(head, rows, sys.stdout, folded=("source ports", "options asked for", "name"))


def show_one(wanted, as_json):
    """Print one ROM: its name, every fact with its mark, its notes, its sources."""
    rom = load_rom(wanted)
    if as_json:
        click.echo(json.dumps(rom, indent=2))
        return
    paragraphs = [f"{rom['id']}: {rom['name']}", "", *_wrapped(rom["about"], ""), ""]
    for line in paragraphs:
        click.echo(line)
    rows = list(facts(rom))
    paint = colour.Paint(sys.stdout)
    width = max(len(fact.path) for fact in rows)
    note = None
    for fact in rows:
        mark = paint(f"{fact.mark:<8}", _COLOURS[fact.mark])
        text = show(json.dumps(fact.content, ensure_ascii=False))
        click.echo(f"{fact.path:<{width}}  {mark}  {text}")
        if fact.note and fact.note != note:
            for line in _wrapped(fact.note, " " * (width + 12)):
                click.echo(paint(line, "dim"))
        note = fact.note
    found = counts(rom)
    click.echo()
    for mark in _MARKS:
        if found[mark]:
            click.echo(f"{found[mark]:>4} {mark:<8}  {_MEANING[mark]}")
    click.echo("\nSources")
    for source in bare(rom["sources"]):
        for number, line in enumerate(_wrapped(source, "  ")):
            click.echo(line if number else "- " + line[2:])


def _wrapped(text, indent):
    from pxebench import prose

    columns = max(99, len(indent) + 30)
    return prose.wrapped(show(str(value(text))), indent, indent, columns)
