"""How far apart the clocks of several sources are, from packets that are in both.

A packet that is in two captures has two times: their difference is the offset of the clocks plus
the packet's delay. Packets of both directions tell the two apart, as in NTP:

    offset = (median of the client's packets + median of the server's) / 2

1. The first capture is the reference; the times of the others are shifted to it.
2. Where only packets of one direction are in both, the delay stays in the offset; the note says
   so.
3. A log has requests, not packets: its lines are compared with the requests for the same file.
"""

import statistics

from pxebench.captures.messages import is_request, tftp
from pxebench.explain.observation import ASKED, DHCP, PACKET

_LEAST_NS = 10_000_000  # an offset that is worth a sentence
_SPREAD_S = 2.0  # greatest distance of a log's line from its request
_DAY_S = 86400.0
_HEAD = 32
_MOST = 20_000  # packets of a source that are compared


def align(sources):
    """Shift every source to the first capture's clock; yields a sentence for each shift.

    `source.offset_s` is then the shift, None where it is not known; the packets' `epoch_ns` and
    the observations' `time` are in the reference's clock, and a shifted observation has the fact
    `aligned`."""
    if len(sources) < 2:
        return
    timed = [source for source in sources if source.timed and source.packets()]
    if not timed:
        return
    reference = timed[0]
    reference.offset_s = 0.0
    known = _packets(reference)
    for source in timed[1:]:
        yield from _capture(source, reference, known)
    for source in sources:
        if source.offset_s is None and any(
            seen.what not in (PACKET, DHCP) and seen.time is not None
            for seen in source.observations
        ):
            yield from _log(source, reference)


def _packets(source):
    # {key of a packet: its time}; None for one that was sent twice.
    found = {}
    for packet in source.packets()[:_MOST]:
        if packet.icmp:
            continue
        key = (packet.src, packet.sport, packet.dst, packet.dport)
        key += (packet.ip_id or 0, packet.payload[:_HEAD])
        found[key] = None if key in found else packet.epoch_ns
    return found


def _capture(source, reference, known):
    there, back = [], []
    clients = {p.src for p in reference.packets() if is_request(p.payload, p.dport)}
    for key, at in _packets(source).items():
        other = known.get(key)
        if at is not None and other is not None:
            (there if key[0] in clients else back).append(at - other)
    if not there and not back:
        return
    middle = [statistics.median(rows) for rows in (there, back) if rows]
    ahead_ns = round(sum(middle) / len(middle))
    _shift(source, -ahead_ns)
    if abs(ahead_ns) < _LEAST_NS:
        return
    count = len(there) + len(back)
    way = "" if there and back else "; of one direction alone, so the way's time is in it"
    yield (
        f"The clock of {source.name} is {_span(ahead_ns / 1e9)} {_word(ahead_ns)} that of"
        f" {reference.name} ({count} packet{'s' * (count > 1)} in both{way}). Times are"
        f" {reference.name}'s."
    )


def _log(source, reference):
    # The shift with which most of its lines match requests for the same file.
    asked = [
        (packet.epoch_ns / 1e9, tftp(packet).file)
        for packet in reference.packets()
        if not packet.icmp and is_request(packet.payload, packet.dport)
    ]
    lines = [
        (seen.time, seen.get("file"))
        for seen in source.observations
        if seen.time is not None and seen.what == ASKED
    ]
    told = bool(lines)
    if not lines:  # a log that has only ends: they follow the first request for the file
        lines = [
            (seen.time, seen.get("file"))
            for seen in source.observations
            if seen.time is not None and seen.get("file")
        ]
    if not asked or not lines:
        return
    best = None
    for at, file in asked:
        if not _same(file, lines[0][1]):
            continue
        offset = at - lines[0][0]
        fits = sum(
            any(_same(f, name) and abs(a - time - offset) < _SPREAD_S for a, f in asked)
            for time, name in lines
        )
        if best is None or fits > best[0]:
            best = fits, offset
    if best is None:
        return
    _shift(source, round(best[1] * 1e9))
    ahead = -best[1]
    if abs(ahead) > _DAY_S:  # a log without a year, or times without a date
        ahead = (ahead + _DAY_S / 2) % _DAY_S - _DAY_S / 2
    if told and abs(ahead) >= _SPREAD_S:
        yield (
            f"The clock of {source.name} is {_span(ahead)} {_word(ahead)} that of"
            f" {reference.name}, by {best[0]} request{'s' * (best[0] > 1)} in both. Times are"
            f" {reference.name}'s."
        )


def _shift(source, offset_ns):
    source.offset_s = offset_ns / 1e9
    if source.file is not None:
        for packet in source.file.packets:
            packet.epoch_ns += offset_ns
    for seen in source.observations:
        if seen.time is not None:
            seen.time += offset_ns / 1e9
            seen.facts["aligned"] = True


def _same(one, other):
    return (one or "").rpartition("/")[2] == (other or "").rpartition("/")[2]


def _span(seconds):
    seconds = abs(seconds)
    if seconds >= 7200:
        return f"{seconds / 3600:.2f} hours"
    return f"{seconds:.3f} s" if seconds < 100 else f"{seconds:.0f} s"


def _word(ahead):
    return "ahead of" if ahead > 0 else "behind"
