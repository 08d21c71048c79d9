"""The RRQs of a client for one file, their order, and how a probe ends.

1. Consecutive transfers of one file are one attempt. The longest series of different requests in
   an attempt is the ROM's, and every other must be the beginning of it.
2. A request is a size probe where the client ends it with an ERROR though it was granted, or goes
   on to its next request without having taken a byte.
3. What a ROM file cannot say (a mode other than octet, bytes behind the options) is reported.
"""

from pxebench.learn.sightings import observed

_MODES = ("octet", "OCTET")


class Kind:
    """What distinguishes a request of a ROM from its others: mode and options."""

    def __init__(self, talk):
        self.mode = talk.asked.mode
        self.options = talk.asked.options

    def __eq__(self, other):
        return (self.mode, self.options) == (other.mode, other.options)

    __hash__ = None

    def words(self):
        """Mode and options as text."""
        return f"{self.mode} " + (" ".join(map(" ".join, self.options)) or "without options")


def attempts(talks):
    """The conversations of one stage as attempts: lists that ask for one file in a row."""
    found = []
    for talk in talks:
        if found and found[-1][-1].file == talk.file and found[-1][-1].outcome != "done":
            found[-1].append(talk)
        else:
            found.append([talk])
    return found


def kinds(rows, sightings):
    """The Kinds of a ROM's requests, in order.  `rows`: [(attempt, place)]."""
    best, best_place = [], None
    shown = {}
    for attempt, place in rows:
        row = []
        for talk in attempt:
            kind = Kind(talk)
            if kind not in row:
                row.append(kind)
        shown.setdefault(" then ".join(kind.words() for kind in row), (row, []))[1].append(place)
    # The longest row; of several the one that was seen most often.
    for row, places in shown.values():
        if (len(row), len(places)) > (len(best), len(best_place or [])):
            best, best_place = row, places
    for words, (row, places) in shown.items():
        if row != best[: len(row)]:
            known = " then ".join(kind.words() for kind in best)
            sightings.contradictions.append(
                f"tftp.requests: {known} in {best_place[0]}, but {words} in {places[0]}"
            )
    return best


def learn_request(kind, talks, last, sightings, places):
    """An entry of `tftp.requests`.  `talks`: its conversations; `last`: no other follows."""
    number = len(talks)
    note = f"{number} time{'s' * (number != 1)}: {', '.join(places[:3])}"
    note += " ..." if len(places) > 3 else ""
    finishes = [talk.sent_error for talk in talks if _finished(talk)]
    probe = not last
    mode = kind.mode
    if mode not in _MODES:
        mode = "OCTET" if (mode or "").upper() == mode else "octet"
        sightings.cannot(
            f"The requests say {kind.mode!r}; a ROM file can say octet or OCTET only."
        )
    entry = {
        "purpose": "size" if probe else "data",
        "mode": observed(mode, note),
        "options": observed(kind.options, note),
    }
    padding = _padding(talks, sightings)
    if padding:
        entry["padding"] = padding
    if probe and finishes:
        error = finishes[0]
        text = "".join(c for c in error.text or "" if " " <= c <= "~")
        entry["finish"] = observed({"error": error.code or 0, "message": text}, note)
        if not error.text_ends:
            sightings.cannot("The ERROR that ends the probe has no NUL at its end; ours has.")
    elif probe:
        advice = "a boot whose first request is answered with an OACK"
        sightings.assume("tftp.requests[0].finish", None, advice)
    return entry


def _finished(talk):
    # The client ended a granted request without a byte of the file.
    return talk.oack is not None and talk.sent_error and not talk.blocks


def _padding(talks, sightings):
    tails = [(len(talk.request), talk.asked.tail) for talk in talks if talk.asked.tail]
    if not tails:
        return None
    if any(tail.strip(b"\0") for _, tail in tails):
        sightings.cannot(
            f"Behind the options of the request stands {tails[0][1].hex(' ')}; a ROM file can "
            f"only fill it up with NULs."
        )
        return None
    sizes = {size for size, _ in tails}
    if len(sizes) > 1:
        sightings.cannot(f"The requests are filled up to different lengths: {sorted(sizes)}.")
    return observed(max(sizes), f"filled up with NULs to {max(sizes)} bytes")
