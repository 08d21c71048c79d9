"""What experiments say on the report's page: diagnose and sweep, whose shapes are their own.

Each of the two functions takes a result (and captures of other hops) and returns a section.
"""

import json

from pxebench.ladder import ladder
from pxebench.report_parts import (
    add_path,
    add_way,
    blank,
    facts,
    finish,
    merged_of,
    raw,
    strip_of_asks,
    table,
)


def _runs(experiments, client):
    # Packets of several experiments as the events of one list, each from its start.
    events = []
    for one in experiments:
        events.append({"event": "start", "epoch_us": one.get("epoch_us"), "ip": client})
        events += one.get("packets") or []
    return events


def diagnose(result, captures):
    verdict = result["verdict"]
    cause = verdict["cause"]
    good = result["outcome"] == "ok"
    section = blank("diagnose", "good" if good else "bad" if cause else "odd", verdict["text"])
    section["facts"] = facts(
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
        ("What it explains", verdict["explains"]),
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
    section["rules"] = _rules(verdict)
    section["strip"] = strip_of_asks(result.get("strip") or [])
    experiments = result["experiments"]
    client = result.get("client")
    merged = merged_of(
        _runs(experiments, client), captures, result.get("path"), client, result["server"]
    )
    for number, one in enumerate(experiments):
        drawn = ladder(merged, (), number) if merged else None
        if drawn:
            title, said = f"{one['title']}: {one['question']}", one["said"]
            first = not section["ladders"]
            section["ladders"].append({"title": title, "open": first, "said": said, **drawn})
    if merged and merged["hops"]:
        add_path(section, merged, good)
    head = ["experiment", "the question", "what was seen", "time"]
    rows = [
        [
            one["title"],
            one["question"],
            " ".join(filter(None, (one["said"], one.get("cut")))),
            f"{one['elapsed_ms'] / 1000:.1f} s",
        ]
        for one in experiments
    ]
    rows += [
        [one["title"], "left out", one["because"], "-"] for one in result.get("skipped") or []
    ]
    section["tables"].append(table("What was tried", head, rows))
    return finish(
        section, {**result, "experiments": [_without_packets(one) for one in experiments]}
    )


def _without_packets(experiment):
    return {name: part for name, part in experiment.items() if name != "packets"}


def _rules(verdict):
    rules, decide = verdict.get("rules") or {}, verdict.get("decide")
    items = rules.get("items") or []
    if not items and not decide and not rules.get("least") and not rules.get("advice"):
        return None
    return {
        "least": rules.get("least"),
        "advice": rules.get("advice"),
        "notes": list(rules.get("notes") or []),
        "decide": {"text": decide["text"], "command": decide["command"].splitlines()}
        if decide
        else None,
        "items": [
            {
                "product": item["product"],
                "where": item["where"],
                "lines": item["text"].splitlines(),
                "note": item.get("note"),
                "best": bool(item.get("best")),
            }
            for item in items
        ],
    }


def sweep(result, captures):
    ports = result["ports"]
    good = result["outcome"] == "ok"
    words = list(result.get("summary") or [])
    section = blank(
        "sweep",
        "good" if good else "bad",
        words[0] if words else f"{len(ports)} client ports were tried.",
    )
    section["more"] = words[1:]
    section["facts"] = facts(
        ("file", result["file"]),
        ("server", f"{result['server']}, UDP port {result['server_port']}"),
        ("client", result.get("client")),
        ("ports", (result.get("settings") or {}).get("ports")),
        ("time", f"{result['elapsed_ms'] / 1000:.1f} s"),
    )
    section["strip"] = strip_of_asks(ports)
    border = result.get("border")
    if border:
        section["facts"].append(
            (
                "border",
                f"{border['low']} {border['low_answer']}, "
                f"{border['high']} {border['high_answer']}",
            )
        )
    runs = [
        [
            f"{run['first']}-{run['last']}" if run["first"] != run["last"] else run["first"],
            run["answer"],
        ]
        for run in result.get("runs") or []
    ]
    if runs:
        section["tables"].append(
            table("Neighbours that fared the same", ["ports", "answer"], runs)
        )
    head = ["port", "name", "answer", "after", "from server port", "asked", "answered"]
    rows = [
        [
            one["port"],
            one.get("name"),
            one["answer"],
            f"{one['ms']:g} ms" if one.get("ms") is not None else None,
            one.get("server_port"),
            one.get("asked"),
            one.get("answered"),
        ]
        for one in ports
    ]
    section["tables"].append(table("Port by port", head, rows))
    client = result.get("client")
    merged = merged_of(
        _runs([result], client), captures, result.get("path"), client, result["server"]
    )
    if merged:
        add_way(section, merged, good, "The packets")
        section["ladders"][:] = [{**one, "open": False} for one in section["ladders"]]
    finish(section, result)
    if result.get("packets"):
        section["raw"].insert(0, raw("Packets", [json.dumps(one) for one in result["packets"]]))
    return section
