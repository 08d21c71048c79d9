"""The section of a storm or a fleet: a bar for each machine over time, the bytes a second, a row
for each machine.

A bar is pale while its machine waits and full while it is being served; one that did not boot is
marked at its end and in the table, never by colour alone.
"""

from markupsafe import Markup

from pxebench.report.parts import blank, facts, finish, table, took
from pxebench.storm.summary import rows_of
from pxebench.view import size_words

_WIDTH, _HEIGHT = 1000, 160
_MARK = 12  # of a machine that did not boot: 3 px on a phone
_MOST_BARS, _MOST_ROWS = 400, 500


def storm(found, captures):
    """The section of a storm's or a fleet's result (`storm.summary`)."""
    level = "good" if found["outcome"] == "ok" else "bad"
    section = blank(found["kind"], level, f"{found['booted']} of {found['count']} booted.")
    section["more"] = [found["limit"]["text"]] if found["requests"] else []
    time, pc = found["time"], found["pc"]
    within = found.get("started_within_ms")
    section["facts"] = facts(
        ("file", f"{found['file']} from {found['server']}" if found["server"] else None),
        ("when", found["started"]),
        ("started", None if within is None else f"all of them within {within} ms"),
        ("run", found.get("run")),
        ("median", took(time["median_ms"])),
        ("95 % within", took(time["p95_ms"])),
        ("worst", took(time["worst_ms"])),
        ("RRQs", f"{found['requests']}, {found['unanswered']} without an answer"),
        ("sent again", found["retransmits"]),
        ("this PC", _pc_words(pc)),
    )
    rows = rows_of(found)
    # Both pictures have one axis: what the curve does is seen below the bars that do it.
    ends = [row["at_ms"] + row["ms"] for row in rows if None not in (row["at_ms"], row["ms"])]
    end = max([*ends, len(found["curve"]) * found["curve_ms"], 1])
    section["curve"] = _bars(rows, end, "boards" if found["kind"] == "fleet" else "machines")
    rate = _rate(found["curve"], found["curve_ms"], end)
    section["more_curves"] = [rate] if rate else []
    if found.get("ramp"):
        steps = [
            [step["count"], step["booted"], step["waited"], took(step["median_ms"])]
            for step in found["ramp"]
        ]
        section["tables"].append(
            table("Step by step", ["at once", "booted", "RRQs that waited", "median"], steps)
        )
    section["tables"].append(_row_by_row(found["kind"], rows))
    left = list(found.get("unreleased") or {})
    if left:
        how = f"pxebench fleet release --run {found['run']}"
        words = f"{', '.join(left)}: `{how}` gives them back."
        section["lists"].append({"title": "Places that are still held", "items": [words]})
    return finish(section, found)


def _pc_words(pc):
    if "lag_ms" not in pc:
        return None
    return f"{pc['cpu'] * 100:.0f} % of a core, replies within {pc['lag_ms']:.0f} ms"


def _row_by_row(kind, rows):
    cells, marks = [], []
    for row in rows[:_MOST_ROWS]:
        held = row["outcome"] == "held"
        came = "ok" if row["outcome"] == "ok" else row["code"] or row["outcome"]
        if row.get("state") in ("dead", "unready", "lost", "held"):
            came = f"{came}: {row['text']}" if not held else row["text"]
        cells.append(
            [row.get("place") or row["id"] + 1, row["rom"], row["address"], came,
             took(row["at_ms"]), took(row["first_ms"]), took(row["ms"]),
             row["requests"]]
        )  # fmt: skip
        marks.append("good" if row["outcome"] == "ok" else None if held else "bad")
    noun = "place" if kind == "fleet" else "machine"
    head = [noun, "ROM", "address", "outcome", "started", "first answer", "time", "RRQs"]
    note = f"The first {_MOST_ROWS} of {len(rows)}." if len(rows) > _MOST_ROWS else None
    title = "Board by board" if kind == "fleet" else "Machine by machine"
    brief, whole = (noun, "outcome"), (noun, "ROM", "address")
    return table(title, head, cells, note, marks, brief, whole=whole)


def _bars(rows, end, noun):
    rows = [row for row in rows if row["at_ms"] is not None and row["ms"] is not None]
    rows = rows[:_MOST_BARS]
    if not rows:
        return None
    right, down = _WIDTH / end, _HEIGHT / len(rows)
    shapes = []
    for number, row in enumerate(rows):
        top, high = round(number * down, 2), round(max(down * 0.8, 0.4), 2)
        begin, over = row["at_ms"], row["at_ms"] + row["ms"]
        asks = row["asks"]
        served = asks[-1][0] + asks[-1][1] if asks and asks[-1][1] is not None else over
        shape = Markup('<rect class="{}" x="{}" y="{}" width="{}" height="{}"/>')
        for kind, low, to in (("bar waits", begin, served), ("bar", served, over)):
            if to > low:
                wide = round((to - low) * right, 1)
                shapes.append(shape.format(kind, round(low * right, 1), top, wide, high))
        if row["outcome"] != "ok":
            at = round(max(0, over * right - _MARK), 1)
            shapes.append(shape.format("bar mark", at, top, _MARK, high))
    failed = sum(row["outcome"] != "ok" for row in rows)
    words = (
        f"{len(rows)} {noun}, one below the other: pale while one waits, full while it is served"
    )
    words += f"; {failed} that did not boot end in a mark" if failed else ""
    return _picture(shapes, words, end)


def _rate(curve, step_ms, end):
    if len(curve) < 2 or not any(curve):
        return None
    most = max(curve)
    width = _WIDTH * step_ms / end
    shapes = [
        Markup('<rect class="bar" x="{}" y="{}" width="{}" height="{}"/>').format(
            round(number * width, 1), round(_HEIGHT - high, 1), round(width, 1), round(high, 1)
        )
        for number, count in enumerate(curve)
        if (high := count / most * (_HEIGHT - 8))
    ]
    per_s = size_words(most * 1000 / step_ms) + "/s"
    words = f"bytes a second to all of them together, {per_s} at most"
    return _picture(shapes, words, end)


def _picture(shapes, words, end):
    svg = Markup(
        '<svg class="curve" viewBox="0 0 {} {}" preserveAspectRatio="none" width="100%"'
        ' height="160" role="img" aria-label="{}">{}</svg>'
    )
    return {
        "svg": svg.format(_WIDTH, _HEIGHT, words, Markup("").join(shapes)),
        "words": words[:1].upper() + words[1:],
        "from": "0 s",
        "to": f"{end / 1000:.1f} s",
        "most": None,  # its words say it; a bar may reach to where it would stand
        "retries": 0,
    }
