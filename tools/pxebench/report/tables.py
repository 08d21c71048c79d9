"""The sections of results that are tables: compare, compat, watch."""

from markupsafe import Markup

from pxebench.report.ladder import rung
from pxebench.report.parts import blank, facts, finish, raw, table, took
from pxebench.watch import memory

_MOST_BOOTS = 200  # of a history, in the table and in the picture
_MOST_ROWS = 400  # of two captures side by side
_OK = {"boots": "✓ yes", "fails": "✕ no", "not run": "– not run"}


def compare(result, captures):
    """Two captures, packet by packet."""
    differences = result["differences"]
    words = "The two agree." if result["equal"] else f"{len(differences)} differences."
    if len(differences) == 1:
        words = "One difference."
    section = blank("compare", "good" if result["equal"] else "bad", words)
    for name, title in (("reference", "the reference"), ("ours", "ours")):
        side = result.get(name) or {}
        macs = ", ".join((side.get("client") or {}).get("macs") or [])
        text = (
            f"{side.get('file')}: {_count(side.get('transfers'), 'transfer')}, "
            f"{_count(side.get('packets'), 'packet')}"
        )
        section["facts"] += facts((title, text + (f", from {macs}" if macs else "")))
    tolerance = result.get("tolerance")
    if tolerance:
        words = f"{tolerance['percent']:g} % or {tolerance['ms']:g} ms, whichever is more"
        section["facts"] += facts(("times may differ by", words))
    for each in result.get("sections") or []:
        section["pairs"].append(_beside(each, result))
    if differences:
        head = ["where", "kind", "the reference", "ours"]
        rows = [[d["where"], d["kind"], d["reference"], d["ours"]] for d in differences]
        section["tables"].append(table("Differences", head, rows))
    if result.get("notes"):  # there may be one for each packet
        section["raw"].append(raw("Not the client's doing", list(result["notes"])))
    return finish(section, result)


def _count(number, noun):
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _beside(each, result):
    # Both captures' packets of one conversation, row by row.
    rows = []
    for row in each["rows"][:_MOST_ROWS]:
        if row.get("left_out"):
            alike = "alike" if row["mark"] == "same" else f"more ({row['mark']})"
            rows.append({"left_out": f"{row['left_out']} {alike}"})
            continue
        sides = [_packet(row[name]) for name in ("reference", "ours")]
        mark = row["mark"] if row["mark"] in ("same", "server") else "differs"
        rows.append({"left_out": None, "mark": mark, "sides": sides})
    return {
        "title": each["title"],
        "left": f"{result['reference']['file']} (the reference)",
        "right": f"{result['ours']['file']} (ours)",
        "rows": rows,
        "left_out": max(0, len(each["rows"]) - _MOST_ROWS),
    }


def _packet(event):
    if event is None:
        return {"at": "", "out": None, "svg": rung(None), "text": "-"}
    out = bool(event["out"])
    return {"at": f"{event['at_s']:.3f}", "out": out, "svg": rung(out), "text": event["text"]}


def compat(result, captures):
    """Every ROM against one server."""
    boots, fails, missing = result["boots"], result["fails"], result["not_run"]
    total = len(boots) + len(fails) + len(missing)
    level = "bad" if fails else "odd" if missing else "good"
    section = blank("compat", level, f"{len(boots)} of {total} ROMs boot.")
    section["facts"] = facts(
        ("when", result.get("started")),
        ("file", result["file"]),
        ("server", f"{result['server']}, UDP port {result['port']}"),
        ("client", result.get("client")),
        ("fail", ", ".join(fails)),
        ("not run", ", ".join(missing)),
    )
    if result["server_facts"]:
        section["lists"].append({"title": "The server", "items": list(result["server_facts"])})
    head = ["ROM", "ok", "code", "why", "from ports", "blksize", "window", "time"]
    rows, marks = [], []
    for row in result["rows"]:
        ports = [str(port) for port in row["ports"]]
        ports = ports if len(ports) < 9 else [*ports[:7], "...", ports[-1]]
        name = row["rom"] + (f" ({row['form_text']})" if row.get("form_text") else "")
        rows.append(
            [
                *(name, _OK[row["verdict"]], row["code"], row["why"], ", ".join(ports)),
                *(row["blksize"], row.get("windowsize"), took(row["time_ms"])),
            ]
        )
        marks.append({"boots": "good", "fails": "bad"}.get(row["verdict"], "odd"))
    brief = ("ROM", "ok", "why")
    section["tables"].append(table("ROM by ROM", head, rows, marks=marks, brief=brief, proof=True))
    return finish(section, result)


# ---- a history


def watch(found, captures):
    """The history of `watch`: a list of its entries."""
    import json

    entries = [one for one in found if memory.is_entry(one)]
    boots = [one for one in entries if one["outcome"] in ("ok", "failed")]
    last = entries[-1]
    good = [one for one in boots if one["outcome"] == "ok"]
    if last["outcome"] == "ok":
        level, words = "good", f"It boots: {len(good)} of {len(boots)} boots went well."
    elif last["outcome"] == "failed":
        since = _failing_since(boots)
        level, words = (
            "bad",
            f"It fails since {since}; {len(good)} of {len(boots)} boots went well.",
        )
    else:
        level, words = "odd", f"The bench itself is not in order: {last['text']}"
    section = blank("watch", level, words)
    if last["outcome"] == "failed":
        section["failing"] = {"server": last["address"] or last["server"], "since": since}
    times = sorted(one["elapsed_ms"] for one in good)
    section["facts"] = facts(
        ("file", f"{last['file']} from {last['server']}"),
        ("as the ROM", last["rom"]),
        ("from", entries[0]["when"]),
        ("to", last["when"]),
        ("time", f"{took(times[len(times) // 2])} (median)" if times else None),
        ("last", f"{last.get('code') or ''} {last.get('text') or ''}".strip()),
    )
    changes = [(one["when"], change) for one in entries for change in one.get("changes") or []]
    if changes:
        rows = [[when, change["text"]] for when, change in reversed(changes[-_MOST_BOOTS:])]
        section["tables"].append(table("Changes, the latest first", ["when", "what"], rows))
    section["curve"] = _history(boots[-_MOST_BOOTS:])
    head = ["when", "outcome", "time", "bytes", "from ports", "server"]
    rows, marks = [], []
    for one in reversed(entries[-_MOST_BOOTS:]):
        words = one["outcome"] if one["outcome"] == "ok" else one.get("code") or one["outcome"]
        ports = ", ".join(str(port) for port in one.get("ports") or [])
        time, address = took(one.get("elapsed_ms")), one.get("address")
        rows.append([one["when"], words, time, one.get("bytes"), ports, address])
        marks.append({"ok": "good", "failed": "bad"}.get(one["outcome"], "odd"))
    brief, title = ("when", "outcome", "time"), "Boot by boot, the latest first"
    section["tables"].append(table(title, head, rows, marks=marks, brief=brief))
    words = ("--server", last["server"], "--file", last["file"], "--rom", last["rom"])
    command = ["pxebench", "watch", *words, "--endpoint", last["endpoint"]]
    finish(section, {**last, "command": command})
    section["raw"] = [raw("History", [json.dumps(one) for one in entries])]
    return section


def _failing_since(boots):
    since = boots[-1]["when"]
    for one in reversed(boots):
        if one["outcome"] == "ok":
            break
        since = one["when"]
    return since


def _history(boots):
    # A bar for each boot: its height is its time; a failed one reaches the top, with a cross.
    if not boots:
        return None
    times = [one["elapsed_ms"] for one in boots if one["outcome"] == "ok"]
    most = max([*times, 1])
    width = 1000 / len(boots)
    bars = []
    for number, one in enumerate(boots):
        wide = round(min(width * 0.8, 80), 1)
        left = round(number * width + (width - wide) / 2, 1)
        if one["outcome"] == "ok":
            high = round(max(2, one["elapsed_ms"] / most * 152), 1)
            shape = Markup('<rect class="bar" x="{}" y="{}" width="{}" height="{}"/>')
            bars.append(shape.format(left, 160 - high, wide, high))
        else:
            shape = Markup('<rect class="bar failed" x="{0}" y="0" width="{1}" height="160"/>')
            cross = Markup('<path class="cross" d="M{0} 4 L{1} 16 M{0} 16 L{1} 4"/>')
            bars.append(shape.format(left, wide) + cross.format(left, round(left + wide, 1)))
    failed = len(boots) - len(times)
    words = f"{len(boots)} boots" if len(boots) > 1 else "1 boot"
    words += f", the longest took {took(most)}" if times else ""
    words += f", {failed} failed" if failed or not times else ""
    svg = Markup(
        '<svg class="curve" viewBox="0 0 1000 160" preserveAspectRatio="none" width="100%"'
        ' height="160" role="img" aria-label="{}">{}</svg>'
    )
    return {
        "svg": svg.format(words, Markup("").join(bars)),
        "words": words + "; a bar with a cross is a boot that failed" * bool(failed),
        "from": boots[0]["when"],
        "to": boots[-1]["when"],
        "most": took(most) if times else "",
        "retries": 0,
    }
