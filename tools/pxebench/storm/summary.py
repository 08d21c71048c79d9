"""The result of a storm or a fleet: its JSON document, and the lines on the terminal.

    {"schema": 1, "kind": "storm", "pxebench", "started": ISO 8601 UTC, "server", "server_port",
     "file", "interface", "outcome": "ok" when all booted, "count", "booted", "time": {"median_ms",
     "p95_ms", "worst_ms"}, "requests", "retransmits", "unanswered", "codes": {code: how many},
     "roms": [rows of `row`], "limit": of `limit.limit`, "ramp": [{"count", "booted",
     "waited", "median_ms"}] or null, "pc": {"cpu", "lag_ms", "memory_mb", "wall_s", "drops"},
     "curve": [bytes in each `curve_ms`], "curve_ms", "ended": {"by"} or null}

A fleet has "kind": "fleet", no "interface" and "ramp", and

    "run": USER-pxebench-PID, "tags": {name: value}, "started_within_ms": from the first board's
    start to the last one's, "unreleased": {place: why}, "silent_exporters": [those that did not
    answer the coordinator], and in place of "roms" "boards": [the same rows, and in each "place",
    "exporter", "state": booted, failed, ended, held, dead, unready, lost; "result": of that
    board, as `pxebench fetch --json` gives it, or null]

"count" is how many took part: a place that was held did not.
"""

from collections import Counter

from pxebench.job import show
from pxebench.record import headed

_ROWS = {"storm": "roms", "fleet": "boards"}
_PC = ("cpu", "lag_ms", "memory_mb", "wall_s", "drops")
_MOST_LINES = 8


def document(rows, pc, limit, kind="storm", **told):
    """The result of a storm: server, server_port, file, interface, ramp, ended are `told`; or of
    a fleet: see above."""
    part = [row for row in rows if row["outcome"] != "held"]
    good = sorted(row["ms"] for row in part if row["outcome"] == "ok")
    codes = Counter(row["code"] or row["outcome"] for row in part if row["outcome"] != "ok")
    result = {
        **told,
        "outcome": "ok" if part and len(good) == len(part) else "failed",
        "count": len(part),
        "booted": len(good),
        "time": {
            "median_ms": good[len(good) // 2] if good else None,
            "p95_ms": good[min(len(good) - 1, len(good) * 95 // 100)] if good else None,
            "worst_ms": good[-1] if good else None,
        },
        "requests": sum(row["requests"] for row in part),
        "retransmits": sum(row["retransmits"] for row in part),
        "unanswered": sum(waited is None for row in part for _, waited in row["asks"]),
        "codes": dict(codes.most_common()),
        "limit": limit,
        "pc": {name: pc[name] for name in _PC if name in pc},
        "curve": pc["curve"],
        "curve_ms": pc["curve_ms"],
        _ROWS[kind]: sorted(rows, key=lambda row: row["id"]),
    }
    return headed(kind, result, told["server"])


def rows_of(found):
    """The rows of a storm's or a fleet's document."""
    return found[_ROWS[found["kind"]]]


def lines(found):
    """The closing lines of a storm or a fleet."""
    time = found["time"]
    yield f"{found['booted']} of {found['count']} booted {show(found['file'])}."
    if time["median_ms"] is not None:
        yield (
            f"  time      median {_seconds(time['median_ms'])} s, 95 % within "
            f"{_seconds(time['p95_ms'])} s, worst {_seconds(time['worst_ms'])} s"
        )
    if found.get("started_within_ms") is not None:
        yield f"  started   all of them within {found['started_within_ms']} ms"
    yield (
        f"  requests  {found['requests']} RRQs, {found['unanswered']} without an answer; "
        f"{found['retransmits']} packets sent again"
    )
    failed = Counter()
    rows = rows_of(found)
    for row in rows:
        if row["outcome"] != "ok" and row.get("state", "failed") in ("failed", "ended"):
            failed[(row["rom"], row["code"] or row["outcome"])] += 1
    for (rom, code), count in failed.most_common(_MOST_LINES):
        yield f"  failed    {count} as {show(rom)}: {code}"
    yield from trouble_lines(rows)
    shared = _shared(rows)
    if shared:
        yield f"  WARNING   machines have the same address: {', '.join(map(show, shared))}."
    digests = {row["sha256"] for row in rows if row["outcome"] == "ok"}
    if len(digests) > 1:
        yield f"  WARNING   the machines did not all get the same file: {len(digests)} SHA-256s."
    for step in found.get("ramp") or ():
        yield (
            f"  {step['count']:>4} at once: {step['booted']} booted, {step['waited']} RRQs "
            f"without an answer or with a late one, median {_seconds(step['median_ms'])} s"
        )
    if found["requests"]:
        yield f"  limit     {found['limit']['text']}"
    pc = found["pc"]
    if "drops" in pc:
        yield (
            f"  this PC   {pc['cpu'] * 100:.0f} % of a core, 95 % of replies within "
            f"{pc['lag_ms']:.0f} ms, {pc['drops']} lost here, {pc['memory_mb']} MB"
        )


def _shared(rows):
    """The addresses that more than one machine got: two leases of one DHCP server, or two servers
    with one pool."""
    count = Counter(row["address"] for row in rows if row["address"] and row["asks"])
    return sorted(address for address, times in count.items() if times > 1)


def trouble_lines(rows):
    """A line for each place without a result: who holds it, or why."""
    rows = [row for row in rows if row.get("state") in ("held", "dead", "unready", "lost")]
    for row in rows[: _MOST_LINES * 2]:
        yield f"  {row['state']:<9} {show(row['place'])}: {show(row['text'])}"
    if len(rows) > _MOST_LINES * 2:
        yield f"            and {len(rows) - _MOST_LINES * 2} more"


def silent_lines(exporters):
    """What to do about exporters that did not answer the coordinator."""
    for name in exporters:
        yield (
            f"  SILENT    the exporter {show(name)} did not answer the coordinator, and held up "
            f"all others: restart it on its host"
        )


def unreleased_lines(unreleased, run):
    """What to do about places that could not be released."""
    for name, why in list(unreleased.items())[:_MOST_LINES]:
        yield f"  NOT GIVEN BACK  {show(name)}: {show(why)}"
    if unreleased:
        yield f"  once that is mended: `pxebench fleet release --run {run}`"


def _seconds(ms):
    if ms is None:
        return "-"
    return f"{ms / 1000:.1f}" if ms < 100000 else f"{ms / 1000:.0f}"
