"""The server's limit from the rows of a storm: none, a number at once, or a rate.

A row's `asks` are its RRQs: [ms since the storm began, ms until the answer or None].  A machine is
being served from the answer to its last RRQ, the file's, to its end.  In step with the causes of
`diagnose`: `few-at-once`, `rate-limit`.

1. Where this PC was late or busy, the text says so, and names no limit of the server.
2. A limit is named only when the waiting RRQs fit it: nine in ten RRQs without an answer, or with
   a late one, were sent while that many were being served, or in a second in which that many had
   been answered.
3. A single burst does not distinguish a number at once from a rate: then both are named.
"""

import bisect

_FITS = 0.9
_PC_CPU = 0.85  # of one core: beyond, the PC is as likely the limit
_PC_LAG_MS = 50
_WINDOW_MS = 1000
_LEASE_MS = 3000  # a ROM asks a second time after 1 to 4 s
_BLINK_MS = 200
_MOMENT_MS = 50
_MANY = 50


def limit(rows, pc):
    """{"cause": id, "at_once": int or None, "per_s": int or None, "also_possible": [ids], "text"}
    of one storm. `cause`: none, few-at-once, rate-limit, refused, pc, nobody, unclear."""
    served = [_served(row) for row in rows if _served(row)]
    asks = [(ms, waited) for row in rows for ms, waited in row["asks"]]
    slow_ms = _slow_ms(asks)
    waiting = waited_for(rows)
    failed = [row for row in rows if row["outcome"] == "failed"]
    refused = [row for row in failed if row["error"]]
    peak = _peak(served)
    if not served and not refused:
        return _said(
            *("nobody", None, None),
            "No machine got an answer, so their number is not the reason. See `diagnose`.",
        )
    if len(refused) * 2 > len(failed) + len(waiting):
        error = refused[0]["error"]
        return _said(
            *("refused", peak or None, None),
            f"{len(refused)} of {len(rows)} were refused: ERROR {error['code']} "
            f'"{error["message"]}", while {peak} were being served.',
        )
    if not waiting and not failed:
        text = f"No limit was met: all {len(rows)} were served, {peak} of them at once."
        return _said("none", peak, None, text + _leases(rows))
    if pc["cpu"] > _PC_CPU or pc["lag_ms"] > _PC_LAG_MS:
        return _said(
            *("pc", peak, None),
            f"This PC was at its own limit ({pc['cpu'] * 100:.0f} % of a core, replies up to "
            f"{pc['lag_ms']:.0f} ms late): take fewer machines, or a faster PC, before the "
            f"server is judged.",
        )
    few = _few(served, waiting, peak, slow_ms)
    rate = _rate(asks, waiting, slow_ms)
    if few:
        about = "" if few == peak else "about "
        text = (
            f"No more than {about}{few} are served at once; {len(waiting)} RRQs of the others got "
            f"no answer, or a late one."
        )
        if rate:
            text += f" It may as well be {rate} RRQs a second: `--spread` tells the two apart."
        return _said("few-at-once", few, None, text, ["rate-limit"] if rate else [])
    if rate:
        return _said(
            *("rate-limit", peak, rate),
            f"{rate} RRQs a second are answered and no more, also while fewer than {peak} are "
            f"being served; {len(waiting)} got nothing, or had to wait.",
        )
    if not waiting:
        return _said(
            *("unclear", peak, None),
            f"All RRQs were answered at once, with {peak} served at the same time; "
            f"{_machines(len(failed))} did not boot all the same: this is no question of how "
            f"many.",
        )
    ends = f"{_machines(len(failed))} did not boot" if failed else "all booted in the end"
    return _said(
        *("unclear", peak, None),
        f"{len(waiting)} RRQs of {len(asks)} had to wait, and {ends}; neither a number at once "
        f"({peak} at most) nor a rate explains them.",
    )


def _machines(count):
    return f"{count} machine{'s' * (count != 1)}"


def _said(cause, at_once, per_s, text, also=()):
    return {
        "cause": cause,
        "at_once": at_once,
        "per_s": per_s,
        "also_possible": list(also),
        "text": text,
    }


def waited_for(rows):
    """[ms since the storm began] of the RRQs that got no answer, or a late one."""
    asks = [(ms, waited) for row in rows for ms, waited in row["asks"]]
    slow_ms = _slow_ms(asks)
    return [ms for ms, waited in asks if waited is None or waited > slow_ms]


def _leases(rows):
    # A used-up pool: a machine waits for its lease until another releases one.
    waits = sorted(row["lease_ms"] for row in rows if row.get("lease_ms") is not None)
    late = [wait for wait in waits if wait > 2 * waits[0] + _LEASE_MS]
    if not late:
        return ""
    return (
        f" But {len(late)} waited for a lease, up to {late[-1] / 1000:.1f} s, where the first had "
        f"theirs after {waits[0] / 1000:.1f} s: look at the DHCP server and its pool."
    )


def _slow_ms(asks):
    # From here on an answer is late: five times the usual, and at least `_BLINK_MS`.
    waits = sorted(waited for _, waited in asks if waited is not None)
    return max(_BLINK_MS, 5 * waits[len(waits) // 4]) if waits else _BLINK_MS


def _few(served, waiting, peak, slow_ms):
    # Were the waiting RRQs sent while that many were being served, and how many were that? The
    # moments after an RRQ count as well, since an answer takes time. Of hundreds, some are counted
    # a little longer than the server serves them: there the level counts, not its highest moment.
    levels = sorted(_most(served, ms, ms + slow_ms) for ms in waiting)
    if not levels:
        return None
    full = peak if peak < 5 else peak - 1
    if sum(level >= full for level in levels) >= _FITS * len(levels):
        return peak
    usual = levels[len(levels) // 2]
    level = [one for one in levels if 0.95 * usual <= one <= 1.1 * usual]
    if usual >= _MANY and peak <= 1.5 * usual and len(level) >= _FITS * len(levels):
        return usual
    return None


def _rate(asks, waiting, slow_ms):
    # RRQs answered a second, if all that waited came in a second with as many.
    answers = sorted(ms + waited for ms, waited in asks if waited is not None)
    if not answers or not waiting:
        return None
    rate = max(_within(answers, ms) for ms in answers)
    every = sorted(ms for ms, _ in asks)
    if max(_within(every, ms) for ms in every) <= rate:
        return None
    enough = rate - 1 - rate // 4
    fits = [
        ms
        for ms in waiting
        if max(_within(answers, ms), _within(answers, ms + _WINDOW_MS)) >= enough
    ]
    return rate if len(fits) >= _FITS * len(waiting) else None


def _served(row):
    # (from, to) in ms, or None.
    if not row["asks"] or row["asks"][-1][1] is None or row["ms"] is None or row["error"]:
        return None
    begin, served_ms = row["asks"][-1][0], row["served_ms"] or 0
    # The server ends a transfer slightly earlier than we do: a short overlap does not count as
    # served at once.
    answered, over = begin + row["asks"][-1][1], begin + served_ms
    return answered, max(answered, over - min(_MOMENT_MS, served_ms // 20))


def _peak(served):
    edges = [(begin, 0) for begin, _ in served] + [(end, 1) for _, end in served]
    at_once = most = 0
    for _, is_end in sorted(edges):
        at_once += -1 if is_end else 1
        most = max(most, at_once)
    return most


def _most(served, begin, end):
    # The most that were being served at one moment from `begin` to `end`.
    return _peak([(max(low, begin), min(high, end)) for low, high in served
                  if low <= end and high >= begin])  # fmt: skip


def _within(moments, ms):
    # How many of the sorted `moments` are in the second that ends at `ms`.
    return bisect.bisect_right(moments, ms) - bisect.bisect_right(moments, ms - _WINDOW_MS)
