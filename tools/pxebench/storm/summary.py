"""A storm in figures and in words: the JSON document, and the lines under it.

    {"schema": 1, "kind": "storm", "pxebench", "started": ISO 8601 UTC, "server", "server_port",
     "file", "interface", "outcome": "ok" when all booted, "count", "booted", "time": {"median_ms",
     "p95_ms", "worst_ms"}, "requests", "retransmits", "unanswered", "codes": {code: how many},
     "roms": [rows of `worker.Rom`], "limit": of `limit.limit`, "ramp": [{"count", "booted",
     "waited", "median_ms"}] or null, "pc": {"cpu", "lag_ms", "memory_mb", "wall_s", "drops"},
     "curve": [bytes in each `curve_ms`], "curve_ms", "ended": {"by"} or null}

`fleet` says the same of boards.
"""

from collections import Counter

from pxebench.job import show
from pxebench.record import headed


def document(rows, pc, limit, **told):
    """The result of a storm. `told`: server, server_port, file, interface, ramp, ended."""
    good = sorted(row["ms"] for row in rows if row["outcome"] == "ok")
    codes = Counter(row["code"] or row["outcome"] for row in rows if row["outcome"] != "ok")
    result = {
        **told,
        "outcome": "ok" if rows and len(good) == len(rows) else "failed",
        "count": len(rows),
        "booted": len(good),
        "time": {
            "median_ms": good[len(good) // 2] if good else None,
            "p95_ms": good[min(len(good) - 1, len(good) * 95 // 100)] if good else None,
            "worst_ms": good[-1] if good else None,
        },
        "requests": sum(row["requests"] for row in rows),
        "retransmits": sum(row["retransmits"] for row in rows),
        "unanswered": sum(waited is None for row in rows for _, waited in row["asks"]),
        "codes": dict(codes.most_common()),
        "limit": limit,
        "pc": {name: pc[name] for name in ("cpu", "lag_ms", "memory_mb", "wall_s", "drops")},
        "curve": pc["curve"],
        "curve_ms": pc["curve_ms"],
        "roms": sorted(rows, key=lambda row: row["id"]),
    }
    return headed("storm", result, told["server"])


def lines(found):
    """The words under a storm."""
    time = found["time"]
    yield f"{found['booted']} of {found['count']} booted {show(found['file'])}."
    if time["median_ms"] is not None:
        yield (
            f"  time      median {_seconds(time['median_ms'])} s, 95 % within "
            f"{_seconds(time['p95_ms'])} s, worst {_seconds(time['worst_ms'])} s"
        )
    yield (
        f"  requests  {found['requests']} RRQs, {found['unanswered']} without an answer; "
        f"{found['retransmits']} packets sent again"
    )
    failed = Counter()
    for row in found["roms"]:
        if row["outcome"] != "ok":
            failed[(row["rom"], row["code"] or row["outcome"])] += 1
    for (rom, code), count in failed.most_common(8):
        yield f"  failed    {count} as {show(rom)}: {code}"
    digests = {row["sha256"] for row in found["roms"] if row["outcome"] == "ok"}
    if len(digests) > 1:
        yield f"  WARNING   the machines did not all get the same file: {len(digests)} SHA-256s."
    for step in found.get("ramp") or ():
        yield (
            f"  {step['count']:>4} at once: {step['booted']} booted, {step['waited']} RRQs "
            f"without an answer or with a late one, median {_seconds(step['median_ms'])} s"
        )
    yield f"  limit     {found['limit']['text']}"
    pc = found["pc"]
    yield (
        f"  this PC   {pc['cpu'] * 100:.0f} % of a core, 95 % of replies within "
        f"{pc['lag_ms']:.0f} ms, {pc['drops']} datagrams dropped here, {pc['memory_mb']} MB"
    )


def _seconds(ms):
    if ms is None:
        return "-"
    return f"{ms / 1000:.1f}" if ms < 100000 else f"{ms / 1000:.0f}"
