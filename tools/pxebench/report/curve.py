"""The progress of a transfer as a curve: blocks over time, with a mark at each retry.

Made from events (`progress`, or the packets of a trace). It has no text from the network, only
numbers. `pace` has the same in words.
"""

from markupsafe import Markup

_MOST_POINTS = 240
_WIDTH, _HEIGHT = 1000, 160


def points(events):
    """[(ms since the first RRQ, blocks)] of the transfers in a run's events, rising."""
    found = [(event["at_ms"], event["blocks"]) for event in events if event["event"] == "progress"]
    begun = [event["at_ms"] for event in events if event["event"] == "data"]
    if not found or not begun:
        return []
    start = min(begun)
    found = [(start, 0), *(point for point in found if point[0] >= start)]
    if len(found) > _MOST_POINTS:
        step = len(found) / _MOST_POINTS
        found = [found[int(index * step)] for index in range(_MOST_POINTS)] + found[-1:]
    return found


def waits(events):
    """When the ROM's timer ran out, in ms since the first RRQ."""
    return [event["at_ms"] for event in events if event["event"] == "timeout"]


def pace(merged, run=0):
    """{"median_ms", "longest_ms", "block"} from DATA to DATA, of the packets that are there, or
    None: a run without a trace has too few."""
    last, gaps = None, []
    for packet in merged["packets"]:
        if packet["run"] != run or packet["op"] != "DATA" or packet["client_us"] is None:
            continue
        follows = last and packet["client_port"] == last[2] and packet["block"] == last[1] + 1
        if follows:
            gaps.append(((packet["client_us"] - last[0]) / 1000, packet["block"]))
        last = (packet["client_us"], packet["block"], packet["client_port"])
    if len(gaps) < 3:
        return None
    longest, block = max(gaps)
    median = sorted(gap for gap, _ in gaps)[len(gaps) // 2]
    return {"median_ms": median, "longest_ms": longest, "block": block, "of": len(gaps)}


def curve(events):
    """The picture, and what its axes reach to; None where there is no curve to draw."""
    found = points(events)
    if len(found) < 3 or found[-1][0] <= found[0][0]:
        return None
    marks = waits(events)
    start, end = found[0][0], max(found[-1][0], *marks, found[0][0] + 1)
    most = max(blocks for _, blocks in found) or 1
    right, up = _WIDTH / (end - start), (_HEIGHT - 8) / most
    path = " ".join(
        f"{(ms - start) * right:.1f},{_HEIGHT - blocks * up:.1f}" for ms, blocks in found
    )
    ticks = Markup("").join(
        Markup('<line class="retry" x1="{0}" x2="{0}" y1="0" y2="{1}"/>').format(
            round((ms - start) * right, 1), _HEIGHT
        )
        for ms in marks
        if start <= ms <= end
    )
    svg = Markup(
        '<svg class="curve" viewBox="0 0 {} {}" preserveAspectRatio="none" width="100%"'
        ' height="160" role="img" aria-label="{}">{}<polyline points="{}"/></svg>'
    )
    retries = sum(start <= ms <= end for ms in marks)
    words = f"{most} blocks in {(end - start) / 1000:.2f} s"
    words += f", {retries} retr{'y' if retries == 1 else 'ies'} on the way" if retries else ""
    return {
        "svg": svg.format(_WIDTH, _HEIGHT, words, ticks, path),
        "words": words,
        "from": f"{start / 1000:.2f} s",
        "to": f"{end / 1000:.2f} s",
        "most": most,
        "retries": retries,
    }
