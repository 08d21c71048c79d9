"""A ROM's rule of source ports compared with the ports that were seen.

1. A counter with one beginning is the strongest evidence: the n-th request has one port.
2. A port's distance from the beginning is the number of earlier requests; the larger, the less
   likely in one boot.
3. Random ports fit any rule that draws from that range; neighbours, and a port that is the same at
   each boot, are not random.
"""

from pxebench.sweep import port_names
from pxebench.sweep.rom_ports import request_count

FOR, AGAINST, UNKNOWN, OUT = "for", "against", "unknown", "out"
_EACH_RRQ = ("request", "until_data")
_NEAR = 4  # ports beyond the end of a range that may still belong to it
_FILES = 12  # files that a boot may fetch, where each takes a port
_SESSION = 64  # the same for a loader with a prompt, until it is started again
_NTH = {
    1: "first",
    2: "second",
    3: "third",
    4: "fourth",
    5: "fifth",
    6: "sixth",
    7: "seventh",
    8: "eighth",
    9: "ninth",
    10: "tenth",
}
_CLOCK_MS = 60


def port_facts(known, found):
    """(verdict, kind, weight, text) of each fact about ports."""
    boots = [[row for row in boot if row[1]] for boot in found.boots]
    boots = [boot for boot in boots if boot]
    if not boots:
        return
    spec = known.flat["udp"]["source_port"]
    yield from _per(spec, boots, known)
    draws = [_draws(spec, boot) for boot in boots]
    policy = spec["policy"]
    if policy == "fixed":
        yield _fixed(spec, draws)
    elif policy == "counter" and "first_max" not in spec:
        yield _counter(spec, draws, found, known)
    elif policy == "counter":
        yield _begins_anywhere(spec, draws, known)
    else:
        yield _drawn(spec, draws, known)


def nth(number):
    """A place in a row, in words."""
    ends = {1: "st", 2: "nd", 3: "rd"}
    end = "th" if number % 100 in (11, 12, 13) else ends.get(number % 10, "th")
    return _NTH.get(number, f"{number}{end}")


def _draws(spec, boot):
    # The requests at which this ROM would have taken a new port.
    if spec["per"] in _EACH_RRQ:
        return list(boot)
    rows = []
    for time, port, repeated in boot:
        if not rows or not repeated or port != rows[-1][1]:
            rows.append((time, port, repeated))
    return rows


def _words(draws):
    return port_names.words(sorted({port for rows in draws for _, port, _ in rows}))


def _per(spec, boots, known):
    kept = changed = 0
    for boot in boots:
        for (_, before, _), (_, port, repeated) in zip(boot, boot[1:], strict=False):
            if repeated:
                kept += port == before
                changed += port != before
    if not kept and not changed:
        return
    each = spec["per"] in _EACH_RRQ
    if spec["policy"] == "fixed":
        return
    if changed > kept:
        text = (
            f"a new port for each of {changed} repeated requests"
            if changed > 1
            else "a new port for the repeated request"
        )
        yield (
            (FOR if each else OUT if known.says("udp.source_port.per") else UNKNOWN),
            "per",
            2,
            text,
        )
    else:
        text = (
            f"{kept} repeated requests keep their port"
            if kept > 1
            else "the repeated request keeps its port"
        )
        verdict = FOR if not each else OUT if known.says("udp.source_port.per") else UNKNOWN
        yield verdict, "per", 1, text


def _fixed(spec, draws):
    ports = {port for rows in draws for _, port, _ in rows}
    if ports == {spec["first"]}:
        return FOR, "ports", 3, f"port {spec['first']}, as always"
    return OUT, "ports", 3, f"ports {_words(draws)}; it asks from {spec['first']} alone"


def _counter(spec, draws, found, known):
    first, step, last = spec["first"], spec["step"], spec["last"]
    sure = known.says("udp.source_port.first")
    ports = [port for rows in draws for _, port, _ in rows]
    offsets = [port - first for port in ports]
    words = _words(draws)
    if any(offset < 0 or offset % step for offset in offsets) or max(ports) > last:
        return (OUT if sure else UNKNOWN), "ports", 3, f"ports {words}; it counts up from {first}"
    numbers = [offset // step + 1 for offset in offsets]
    each = spec["per"] in _EACH_RRQ
    most = request_count(known.flat) if each else _SESSION
    low, high = min(numbers), max(numbers)
    one = low == high
    what = "request" if each else "transfer"
    names = f"{nth(low)} and {nth(high)}" if high == low + 1 else f"{nth(low)} to {nth(high)}"
    place = f"{nth(low)} {what}" if low == high else f"{names} {what}"
    rows = [[port for _, port, _ in boot] for boot in draws]
    neighbours = all(b - a == step for row in rows for a, b in zip(row, row[1:], strict=False))
    if low > most:
        text = (
            f"port{'s' * (not one)} {words} would be its {place}: a counter from {first} does not"
            " come so far in one boot"
        )
        return AGAINST, "ports", 3, text
    begins = all(row[0] == first for row in rows if row)
    if begins and neighbours:
        more = f" in each of {len(rows)} boots" if len(rows) > 1 else ""
        step_words = "" if one else f", +{step} per {what}"
        return FOR, "ports", 3, f"port{'s' * (not one)} {words}: {first} first{more}{step_words}"
    if found.from_start and not begins and each:
        return AGAINST, "ports", 3, f"the first port is {rows[0][0]}, it begins with {first}"
    before = low - 1
    text = (
        f"port{'s' * (not one)} {words} {'is' if one else 'are'} the {place} of a counter that"
        f" begins at {first}"
    )
    if before:
        text += f"; {before} earlier {what}{'s' * (before > 1)} went before"
    # The further from the beginning, the likelier a coincidence.
    near = high <= 2 * len(known.flat["tftp"]["requests"]) + 8
    if one:
        weight = 2 if near else 1.2
    else:
        weight = 3 if near or neighbours else 1.5
    return FOR, "ports", weight, text


def _begins_anywhere(spec, draws, known):
    low, high, step = spec["first"], spec["first_max"], spec["step"]
    rows = [[port for _, port, _ in boot] for boot in draws if boot]
    words = _words(draws)
    narrow = high - low < 8192 and known.says("udp.source_port.first")
    for row in rows:
        if not low <= row[0] <= high + _FILES + _NEAR:
            verdict = OUT if known.says("udp.source_port.first") else UNKNOWN
            return verdict, "ports", 3, f"port {row[0]}; it begins between {low} and {high}"
    steps = [b - a for row in rows for a, b in zip(row, row[1:], strict=False)]
    if steps and all(one == step for one in steps):
        weight = 2 if narrow else 1.5
        return (
            FOR,
            "ports",
            weight,
            f"ports {words}: +{step} each, from a beginning in {low}-{high}",
        )
    if steps and any(not 0 < one <= 4 * step for one in steps):
        return AGAINST, "ports", 2, f"ports {words} do not count up by {step}"
    return (
        FOR,
        "ports",
        1 if narrow else 0.7,
        f"port{'s' * (len(words) > 5)} {words}, in its range {low}-{high}",
    )


def _drawn(spec, draws, known):
    low, high = spec["first"], spec["last"]
    ports = [port for rows in draws for _, port, _ in rows]
    words = _words(draws)
    if any(not low - 1 <= port <= high + _NEAR for port in ports):
        sure = known.says("udp.source_port.first") or known.says("udp.source_port.policy")
        return (OUT if sure else UNKNOWN), "ports", 3, f"ports {words}; it takes {low}-{high}"
    steps = [b[1] - a[1] for rows in draws for a, b in zip(rows, rows[1:], strict=False)]
    if spec["policy"] == "clock":
        timed = [
            (a, b)
            for rows in draws
            for a, b in zip(rows, rows[1:], strict=False)
            if None not in (a[0], b[0])
        ]
        clock = spec["step"]
        off = [abs((b[1] - a[1]) * clock - (b[0] - a[0]) * 1000) for a, b in timed]
        span = (high - low + 1) * clock
        if timed and all(
            min(each % span, span - each % span) <= max(_CLOCK_MS, clock) for each in off
        ):
            return FOR, "ports", 2, f"ports {words} follow the clock, {clock} ms each"
        if timed and len(set(ports)) > 1:
            return AGAINST, "ports", 2, f"ports {words} do not follow the clock"
        if any(0 < step <= 2 for step in steps) and clock == 1:
            return AGAINST, "ports", 2, f"ports {words} are neighbours, a clock's would lie apart"
        return FOR, "ports", 1, f"port{'s' * (len(words) > 5)} {words}, in its range {low}-{high}"
    if len(set(ports)) > 1 and steps and all(abs(step) <= 2 for step in steps if step):
        return AGAINST, "ports", 2, f"ports {words} are neighbours, drawn ones would not be"
    firsts = [rows[0][1] for rows in draws if rows]
    if len(firsts) > 2 and len(set(firsts)) == 1:
        return (
            AGAINST,
            "ports",
            2,
            f"port {firsts[0]} at each of {len(firsts)} boots, drawn ones would differ",
        )
    # The narrower the range, the stronger the evidence.
    weight = 1 if high - low > 40000 else 1.2
    return FOR, "ports", weight, f"port{'s' * (len(words) > 5)} {words}, in its range {low}-{high}"
