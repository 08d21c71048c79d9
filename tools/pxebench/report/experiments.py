"""The sections of diagnose and sweep, whose results have shapes of their own.

Each of the two functions takes a result (and captures of other hops) and returns a section.
"""

from pxebench.diagnose.rules import CURES
from pxebench.report.ladder import ladder
from pxebench.report.parts import (
    add_path,
    add_way,
    blank,
    facts,
    finish,
    merged_of,
    strip_of_asks,
    table,
    took,
)
from pxebench.report.request import request
from pxebench.sweep.sweep import sentences


def diagnose(result, captures):
    verdict = result["verdict"]
    cause = verdict["cause"]
    good = result["outcome"] == "ok"
    section = blank("diagnose", "good" if good else "bad" if cause else "odd", verdict["text"])
    if not good:  # the two sentences to forward: what was seen, and what it means
        section["more"] = list(verdict["explains"][:2])
    section["facts"] = facts(
        ("when", result.get("started")),
        ("cause", cause or "none that is known"),
        ("file", result["file"]),
        ("server", f"{result['server']}, UDP port {result['server_port']}"),
        ("client", result.get("client")),
        ("as the ROM", result.get("rom_name") or result["rom"]),
        ("perhaps", ", ".join(verdict["also_possible"])),
    )
    also = verdict.get("also_text") or {}
    ruled_out = [f"{one['cause']}: {one['because']}" for one in verdict["ruled_out"]]
    for title, items in (
        ("What was seen", verdict["explains"]),
        (
            "What else would explain it",
            [f"{name}: {also.get(name, '')}".rstrip(": ") for name in verdict["also_possible"]],
        ),
        ("What cannot be known from this side", verdict["unknown"]),
        ("What was also seen", [fact["text"] for fact in verdict.get("facts") or []]),
        ("Ruled out", ruled_out),
    ):
        if items:
            section["lists"].append({"title": title, "items": list(items)})
    borders = [one["border"] for one in result["experiments"] if one.get("border")]
    section["strip"] = strip_of_asks(result.get("strip") or [], borders[0] if borders else None)
    experiments = result["experiments"]
    events = [event for one in experiments for event in one["events"]]
    known = (captures, result.get("path"), result.get("client"), result["server"])
    merged = merged_of(events, *known)
    run = 0
    for one in experiments:
        runs = range(run, run + _starts(one["events"]))
        run = runs.stop
        drawn = ladder(merged, one["events"], runs) if merged else None
        if drawn:
            title, said = f"{one['title']}: {one['question']}", one["said"]
            # The ROM's own boot is shown first.
            section["ladders"].append(
                {"title": title, "open": one["id"] == "rom", "said": said, **drawn}
            )
    seen = bool(merged and any(hop["of_this_run"] for hop in merged["hops"]))
    section["rules"] = rules_of(verdict, seen)
    rom = result.get("rom_name") or result["rom"]
    where = (result["server"], result["server_port"], result.get("client"))
    section["request"] = request(verdict, rom, *where, result.get("started"))
    if merged and merged["hops"]:
        add_path(section, merged, good)
    head = ["experiment", "the question", "what was seen", "time"]
    rows = [
        [
            one["title"],
            one["question"],
            " ".join(filter(None, (one["said"], one.get("cut")))),
            took(one["elapsed_ms"]),
        ]
        for one in experiments
    ]
    rows += [
        [one["title"], "left out", one["because"], "-"] for one in result.get("skipped") or []
    ]
    section["tables"].append(table("What was tried", head, rows))
    return finish(
        section, {**result, "experiments": [_without_events(one) for one in experiments]}
    )


def _without_events(experiment):
    return {name: part for name, part in experiment.items() if name != "events"}


def rules_of(verdict, seen=False):
    """The rules of a verdict, for the template; `seen`: there is a capture of the other end."""
    rules, decide = verdict.get("rules") or {}, verdict.get("decide")
    items = [
        {
            "product": item["product"],
            "where": item["where"],
            "cure": CURES.get(item.get("cure"), ""),
            "lines": item["text"].splitlines(),
            "note": item.get("note"),
            "best": bool(item.get("best")),
            "tried": bool(item.get("tried", True)),
        }
        for item in rules.get("items") or []
    ]
    if seen:  # there is a capture
        decide = None
    if not items and not decide and not rules.get("least") and not rules.get("advice"):
        return None
    path = [item for item in items[1:] if item["where"] != "server"]
    server = [item for item in items[1:] if item["where"] == "server"]
    return {
        "least": rules.get("least"),
        "advice": rules.get("advice"),
        # A firewall's rule is asked for; a setting of the own server is done.
        "ask": bool(rules.get("least")) or any(item["where"] == "path" for item in items),
        "summary": None,  # made with values of the page's other results
        "notes": list(rules.get("notes") or []),
        "decide": {"text": decide["text"], "command": decide["command"].splitlines()}
        if decide
        else None,
        "items": items,
        "others": path + server,
    }


def sweep(result, captures):
    ports = result["ports"]
    good = result["outcome"] == "ok"
    said = list(sentences(result))
    if result.get("border"):  # a border that was looked for comes first
        said.sort(key=lambda one: one[0] != "border")
    words = [text for _, text in said]
    section = blank(
        "sweep",
        "good" if good else "bad",
        words[0] if words else f"{len(ports)} client ports were tried.",
    )
    section["more"] = words[1:]
    section["facts"] = facts(
        ("when", result.get("started")),
        ("file", result["file"]),
        ("server", f"{result['server']}, UDP port {result['server_port']}"),
        ("client", result.get("client")),
        ("ports", (result.get("settings") or {}).get("ports")),
        ("time", took(result["elapsed_ms"])),
    )
    section["strip"] = strip_of_asks(ports, result.get("border"))
    runs = [
        [
            f"{run['first']}-{run['last']}" if run["first"] != run["last"] else run["first"],
            run["answer"],
        ]
        for run in result.get("runs") or []
    ]
    if runs:
        section["tables"].append(table("Ports with the same outcome", ["ports", "answer"], runs))
    head = ["port", "name", "answer", "after", "from server port", "asked", "answered"]
    rows = [
        [
            one["port"],
            one.get("name"),
            one["answer"],
            took(one.get("ms")),
            one.get("server_port"),
            one.get("asked"),
            one.get("answered"),
        ]
        for one in ports
    ]
    section["tables"].append(table("Port by port", head, rows))
    events = result.get("events") or []
    merged = merged_of(
        events, captures, result.get("path"), result.get("client"), result["server"]
    )
    if merged:
        add_way(section, merged, good, "The packets", events, range(_starts(events)))
        section["ladders"][:] = [{**one, "open": False} for one in section["ladders"]]
    return finish(section, result, events)


def _starts(events):
    return sum(event["event"] == "start" for event in events)
