"""The values seen for each field, with their places, and the facts made of them.

A field of a ROM file gets the value that was seen most often; any other value is a contradiction,
and is reported with the places of both. What was never seen is assumed, and the report says what
to capture to learn it.
"""

import json


class Sighting:
    """A value in a capture.  `place`: file and packet, as text."""

    def __init__(self, value, place):
        self.value = value
        self.place = place


class Sightings:
    """Everything that was seen, by field ("tftp.on.duplicate_data")."""

    def __init__(self):
        self.seen = {}
        self.contradictions = []  # sentences
        self.assumed = []  # (field, what to capture)
        self.beyond = []  # sentences on what a ROM file cannot express

    def see(self, field, value, place):
        """A capture shows `value` for `field`."""
        self.seen.setdefault(field, []).append(Sighting(value, place))

    def settle(self, field):
        """The value seen most often, as a fact with its evidence; None when none was seen."""
        groups = {}
        for sighting in self.seen.get(field, ()):
            groups.setdefault(json.dumps(sighting.value), []).append(sighting)
        if not groups:
            return None
        # Among equals the one that was seen first.
        best = max(groups.values(), key=len)
        for other in groups.values():
            if other is not best:
                self.contradictions.append(
                    f"{field}: {_words(best[0].value)} in {_places(best)}, "
                    f"but {_words(other[0].value)} in {_places(other)}"
                )
        return observed(best[0].value, f"{_times(len(best))}: {_places(best)}")

    def assume(self, field, value, advice):
        """A fact for what no capture shows; `advice`: what to capture to learn it."""
        self.assumed.append((field, advice))
        return {"value": value, "evidence": "assumed", "note": "not in the captures"}

    def fact(self, field, default, advice):
        """`settle`, or `assume` when nothing was seen."""
        return self.settle(field) or self.assume(field, default, advice)

    def cannot(self, sentence):
        """Note something that a ROM file cannot express."""
        if sentence not in self.beyond:
            self.beyond.append(sentence)


def observed(value, note):
    """A fact that a capture shows."""
    return {"value": value, "evidence": "observed", "note": note}


def derived(value, note):
    """A fact that follows from what a capture shows."""
    return {"value": value, "evidence": "derived", "note": note}


def _words(value):
    return value if isinstance(value, str) else json.dumps(value)


def _times(number):
    return {1: "once", 2: "twice"}.get(number, f"{number} times")


def _places(sightings):
    names = list(dict.fromkeys(sighting.place for sighting in sightings))
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
