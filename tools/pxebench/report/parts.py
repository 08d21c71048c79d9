"""The parts of the report's sections: strips, tables, raw data.

A part is a dict or a list for the template, of texts and numbers; the template escapes them.
"""

import json
import re
import shlex

from pxebench.hops import path, path_words
from pxebench.job import show
from pxebench.report.ladder import ladder
from pxebench.sweep import port_names

_MOST_RAW = 1600
_MOST_PACKETS = 20000
_MOST_NAMES = 40
_SHORT = 16  # characters of a name that a table can show on one line
_FIGURE = re.compile(r"\d{1,12}(\.\d{1,6})?( x \d{1,5})?( ?(s|ms))?")
_STATES = {
    # state: (its mark, its word): never by colour alone
    "answered": ("✓", "answered"),
    "silent": ("✕", "no answer"),
    "unreachable": ("!", "ICMP error"),
    "foreign": ("?", "another host answered"),
    "busy": ("–", "could not be asked from"),
}
_ANSWERS = {"oack": "answered", "data": "answered", "error": "answered", "other": "answered"}


def blank(kind, level, verdict):
    """A section with its verdict only. `level`: good, bad, odd or plain."""
    return {
        "kind": kind,
        "level": level,
        "verdict": _cell(verdict),
        "more": [],
        "facts": [],
        "lists": [],
        "rules": None,
        "request": None,
        "failing": None,
        "ladders": [],
        "ladder_key": None,
        "pairs": [],
        "strip": None,
        "curve": None,
        "more_curves": [],
        "pace": None,
        "tables": [],
        "path": None,
        "raw": [],
        "command": None,
        "made": None,
    }


def finish(section, result, events=None):
    """The parts that every result has: raw data, command line, version."""
    endpoint = result.get("endpoint")
    if isinstance(endpoint, dict):
        words = (endpoint.get(name) for name in ("kind", "board", "runtime", "mac"))
        section["made"] = ", ".join(str(word) for word in words if word)
    if isinstance(result.get("command"), list):
        section["command"] = shlex.join(str(word) for word in result["command"])
    rest = {k: v for k, v in result.items() if k not in ("events", "path", "command", "packets")}
    if events:
        section["raw"].append(raw("Events", [json.dumps(event) for event in events]))
    section["raw"].append(raw("Result", json.dumps(rest, indent=1).splitlines()))
    return section


def raw(title, lines):
    """Folded lines of text; too many are counted instead."""
    return {"title": title, "lines": lines[:_MOST_RAW], "more": max(0, len(lines) - _MOST_RAW)}


def table(title, head, rows, note=None, marks=None, brief=(), proof=False, whole=()):
    """A table. `rows`: lists as long as `head`; `marks`: a level for each row, or None; `brief`:
    the columns that a phone shows, where it is not to show all, two beside each other and the
    others below them; `proof`: it is what the verdict stands on, and so comes before the rule;
    `whole`: columns of names that are not broken over two lines, as long as all of them are
    short."""
    rows = [[_cell(cell) for cell in row] for row in rows]
    marks = marks or [None] * len(rows)
    columns = []
    for number, name in enumerate(head):
        # Figures are aligned to the right, for comparison.
        cells = [row[number] for row in rows if row[number] != "-"]
        words = ["figure"] if cells and all(map(_FIGURE.fullmatch, cells)) else []
        words += ["whole"] if name in whole and max(map(len, cells), default=0) <= _SHORT else []
        words += ["more"] if brief and name not in brief else []
        words += ["below"] if name in brief[2:] else []
        columns.append(" ".join(words))
    return {
        "title": title,
        "head": head,
        "columns": columns,
        "brief": bool(brief),
        "proof": proof,
        "rows": [{"cells": row, "mark": mark} for row, mark in zip(rows, marks, strict=True)],
        "note": note,
    }


def _cell(value):
    if value is None or value == "":
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


def facts(*pairs):
    """[(name, text)] of those pairs that have a text."""
    return [(name, str(text)) for name, text in pairs if text not in (None, "", [])]


def took(ms):
    """How long something took, as the terminal says it: in ms below a second; None for None."""
    if ms is None:
        return None
    return f"{ms:g} ms" if ms < 1000 else f"{ms / 1000:.2f} s"


# ---- packets


def merged_of(events, captures, before=None, client=None, server=None):
    # The packets of both ends; captures given now are used instead of those of the run.
    if before and not captures:
        return before
    if not any(event["event"] in ("packet", "request") for event in events):
        return None
    return path.merge(events, list(captures), client, server, _MOST_PACKETS)


def add_way(section, merged, good, title, events=(), runs=(0,), said=None):
    # The ladder, and the findings from captures of other hops.
    drawn = ladder(merged, events, runs)
    if drawn:
        section["ladders"].append({"title": title, "open": True, "said": said, **drawn})
    if merged["hops"] and section["path"] is None:
        add_path(section, merged, good)


def add_path(section, merged, good):
    found = merged["findings"]
    section["path"] = {
        "hops": [
            {"file": hop["file"], "clock": path_words.clock(hop), "note": hop["note"]}
            for hop in merged["hops"]
        ],
        "findings": found,
    }
    # Where a packet was lost comes first in a failure.
    if not good:
        lost = ("request-lost", "answer-lost", "late-answer", "no-answer", "not-of-this-run")
        section["more"] += [one["text"] for one in found if one["id"] in lost][:3]


# ---- the strip of ports


def strip_of_asks(asks, border=None):
    """The strip for `asks` (as `sweep` and `diagnose` have them), or None for none. `border`: of
    `sweep.border`, where one was found."""
    return _strip(
        [
            {
                "port": int(ask["port"]),
                "name": ask.get("name"),
                "state": _ANSWERS.get(ask["answer"], ask["answer"]),
                "note": _note_of(ask),
            }
            for ask in asks
        ],
        border,
    )


def _note_of(ask):
    if ask.get("ms") is not None:
        return f"{ask['ms']:g} ms, from port {ask['server_port']}"
    return ask.get("reason") or ""


def strip_of_transfers(transfers):
    """The strip for the requests of a fetch: each port that asked, and whether it was answered."""
    cells = {}
    for transfer in transfers:
        heard = transfer.get("server_tid") is not None
        for number, request in enumerate(transfer["requests"], 1):
            last = number == len(transfer["requests"])
            state = "answered" if heard and last else "silent"
            port = int(request["source_port"])
            if cells.get(port, {}).get("state") != "answered":
                note = f"from port {transfer['server_tid']}" if state == "answered" else ""
                cells[port] = {"port": port, "name": None, "state": state, "note": note}
    return _strip(list(cells.values()))


def _strip(cells, border=None):
    if not cells:
        return None
    cells.sort(key=lambda cell: cell["port"])
    for cell in cells:
        cell["border"] = False
        cell["name"] = cell["name"] or port_names.name(cell["port"])
        mark, word = _STATES.get(cell["state"], ("?", cell["state"]))
        cell["mark"], cell["word"] = mark, word
        if cell["state"] not in _STATES:
            cell["state"] = "foreign"
    rows, last = [], None
    for cell in cells:
        # A gap between ports is shown as a gap.
        crossed = bool(border) and last is not None and last <= border["low"] < cell["port"]
        if crossed:
            rows[-1][-1]["border"] = True
        if crossed or last is None or cell["port"] > last + 1:
            rows.append([])
        rows[-1].append(cell)
        last = cell["port"]
    seen = {cell["state"] for cell in cells}
    shown, more = port_names.worth_naming([cell["port"] for cell in cells], _MOST_NAMES)
    return {
        "rows": rows,
        "legend": [
            {"state": state, "mark": mark, "word": word}
            for state, (mark, word) in _STATES.items()
            if state in seen
        ],
        "named": [cell for cell in cells if cell["port"] in shown],
        "more_named": more,
        "words": _strip_words(cells),
        "border": border and _border_words(border),
    }


def _border_words(border):
    more = "" if border["monotone"] else " It is not the only one."
    return (
        f"{border['low']} {border['low_answer']}, {border['high']} {border['high_answer']}, "
        f"found with {border['probes']} RRQs.{more}"
    )


def _strip_words(cells):
    # The strip in words: runs of ports with the same outcome.
    runs = []
    for cell in cells:
        if runs and runs[-1][2] == cell["word"] and cell["port"] == runs[-1][1] + 1:
            runs[-1][1] = cell["port"]
        else:
            runs.append([cell["port"], cell["port"], cell["word"]])
    parts = [f"{a} {word}" if a == b else f"{a} to {b} {word}" for a, b, word in runs[:30]]
    return "Client ports: " + "; ".join(parts) + ("; ..." if len(runs) > 30 else ".")


def options_words(options):
    """Options as asked or granted, in words."""
    if not options:
        return "none"
    pairs = options.items() if isinstance(options, dict) else options
    return show(", ".join(f"{name} {value}" for name, value in pairs))
