"""The retry tables of a client: how long it waits after each send, and how often it sends.

1. A wait is the time from one send to the next, with nothing sent in between; the table has the
   median of each step over all captures.
2. The last wait of a table is seen only where something follows it (another request, an ERROR);
   else it continues those before, and is `assumed`.
3. That a client gave up is known only where the capture goes on long enough without it.
"""

import statistics

from pxebench.captures.events import events
from pxebench.captures.messages import tftp
from pxebench.learn.sightings import observed

_MAX_MS = 3600000
_MOST = 100  # steps of a table; a longer one is the same wait again and again
_DEFAULT = [4000, 4000, 4000, 4000, 4000]
_AT_ONCE_S = 0.05
_QUIET = 1.6  # times the next wait: a client silent for so long has given up
_ALONE_S = 200  # no known client waits longer before it repeats what it sent
_ABOUT = 1.05  # two waits of one length


class RetryRow:
    """One row of waits.  `waits_ms`; `ending`: "next" (the client went on to another request),
    "file" (to another file), "error" (with an ERROR), "quiet" or None (not seen); `place`;
    `disturbed`: something came during the first wait."""

    def __init__(self, waits_ms, ending, place, disturbed=False):
        self.waits_ms = waits_ms
        self.disturbed = disturbed
        self.ending = ending
        self.place = place


def request_retries(talk, after, until, place):
    """The RetryRows of a conversation's RRQs.  `after`: the conversation that follows, or None;
    `until`: the capture's last moment, in seconds."""
    times = [packet.time for packet in talk.requests]
    waits = _gaps(times)
    sent = [packet for packet in talk.packets if packet.out and not packet.icmp]
    if len(sent) > len(times) or talk.error:
        return [RetryRow(waits, None, place)] if waits else []
    ending = None
    if after and (after.request != talk.request):
        ending = "next" if after.file == talk.file else "file"
        waits.append((after.began - times[-1]) * 1000)
    elif waits and (until - times[-1]) * 1000 > _QUIET * _carry_on(waits):
        ending = "quiet"
    elif until - times[-1] > _ALONE_S and len(talk.packets) == len(times):
        ending = "quiet"  # it sent one request only
    return [RetryRow(waits, ending, place)] if waits or ending else []


def read_retries(talk, until, place):
    """(RetryRows, give-up ERROR or None) of what a conversation shows in mid-transfer."""
    retries = []
    waits = []
    last = None
    gave_up = None
    disturbed = False
    for event in events(talk):
        if not event.out or event.icmp:
            continue
        message = tftp(event.packet)
        timed = not event.answer and event.since_out is not None
        if timed and not waits:
            came = event.since_in is not None and event.since_in < event.since_out
            disturbed = came and event.since_out - event.since_in > _AT_ONCE_S
        if message.kind == "ACK" and message.block == last and timed:
            waits.append(event.since_out * 1000)
        elif message.kind == "ERROR" and timed and last is not None:
            waits.append(event.since_out * 1000)
            retries.append(RetryRow(waits, "error", place, disturbed))
            gave_up, waits = message, []
        elif message.kind == "ACK" and message.block != last:
            if waits:
                retries.append(RetryRow(waits, None, place, disturbed))
            waits, last = [], message.block
    sent = max(p.time for p in talk.packets if p.out and not p.icmp)
    # Where the last packet is the server's, the client was not waiting.
    alone = until - sent > _ALONE_S and talk.packets[-1].out
    if talk.outcome == "broken" and not waits and last and alone:
        retries.append(RetryRow([], "quiet", place))
    if waits:
        quiet = talk.outcome == "broken" and (until - sent) * 1000 > _QUIET * _carry_on(waits)
        retries.append(RetryRow(waits, "quiet" if quiet else None, place, disturbed))
    return retries, gave_up


def longest_wait_ms(talk):
    """The longest time that a client is seen to wait in mid-transfer without sending again."""
    spans = [event.since_out for event in events(talk) if event.answer and event.since_out]
    return max(spans, default=0) * 1000


def table(field, retries, sightings, advice, like=None, least_ms=0):
    """The fact `waits_ms` made of RetryRows, as {"value", "evidence", "note"} or a list of facts.
    Where there is no row at all: `like` another table, or a usual one, but never shorter than
    the `least_ms` for which the client is known to have waited."""
    if not retries:
        waits = like if like and like[0] * _ABOUT > least_ms else _DEFAULT
        if waits[0] <= least_ms:
            waits = [min(_MAX_MS, round(least_ms * 2))] * len(_DEFAULT)
        return sightings.assume(field, waits, advice)
    whole = [row for row in retries if row.ending]
    sends = _sends(field, retries, whole, sightings)
    steps = []
    for index in range(max(len(row.waits_ms) for row in retries)):
        steps.append([row.waits_ms[index] for row in retries if index < len(row.waits_ms)])
    # Some timers restart with any packet: a first wait without packets is better evidence.
    alone = [row.waits_ms[0] for row in retries if row.waits_ms and not row.disturbed]
    if alone:
        steps[0] = alone
    waits = [_median(step) for step in steps[:sends]]
    places = list(dict.fromkeys(row.place for row in retries))
    named = ", ".join(places[:3]) + (" ..." if len(places) > 3 else "")
    note = f"{len(retries)} time{'s' * (len(retries) != 1)}: {named}"
    facts = [observed(wait, note) for wait in waits]
    if len(facts) < sends:
        why = "how long it waits after the last send is not in the captures"
        facts.append({"value": _carry_on(waits), "evidence": "assumed", "note": why})
    if not whole:
        sightings.assumed.append(
            (field, f"{advice} (the captures end before the client gives up)")
        )
    if all(fact["note"] == note for fact in facts):
        return observed(waits, note)
    return facts


def _sends(field, retries, whole, sightings):
    # How many packets a row has: waits between them, and one after the last.
    lengths = {}
    for row in whole:
        between = len(row.waits_ms) - (row.ending in ("next", "file", "error"))
        lengths.setdefault(between + 1, []).append(row.place)
    longest = max(len(row.waits_ms) + (row.ending in (None, "quiet")) for row in retries)
    if not lengths:
        return min(longest, _MOST)
    best = max(lengths, key=lambda sends: (len(lengths[sends]), sends))
    for sends, places in lengths.items():
        if sends != best:
            sightings.contradictions.append(
                f"{field}: {best} sends in {lengths[best][0]}, but {sends} in {places[0]}"
            )
    return min(best, _MOST)


def _gaps(times):
    return [(after - before) * 1000 for before, after in zip(times, times[1:], strict=False)]


def _median(step):
    return max(1, min(_MAX_MS, round(statistics.median(step))))


def _carry_on(waits):
    # The wait that would come next: grown by the same factor, or by the same amount.
    if len(waits) < 3 or not all(waits[-3:]):
        return max(1, round(waits[-1])) if waits else _DEFAULT[0]
    first, second, third = waits[-3:]
    if abs(third / second - second / first) < 0.1:
        return max(1, min(_MAX_MS, round(third * third / second)))
    return max(1, min(_MAX_MS, round(third + max(0, third - second))))
