"""Tapes of random bytes, and what became of the cases that were played from them."""

from collections import Counter

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st


def play(case, cases, shortest, always_the_same=True):
    """Play `case(tape)` for so many tapes; a Counter of what it returned.

    `shortest`: bytes of a tape at least.  A tape that fails is made as short as it can be and
    printed.
    """
    seen = Counter()

    @settings(
        max_examples=cases,
        deadline=None,
        database=None,
        derandomize=always_the_same,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.binary(min_size=shortest, max_size=160))
    def hammer(tape):
        seen[case(tape)] += 1

    hammer()
    print(f"{sum(seen.values())} cases: {dict(seen.most_common())}")
    return seen


def check_variety(seen, cases, *endings):
    """Not vacuous: as many cases as meant, many came to a file, and every ending was met."""
    assert sum(seen.values()) >= cases
    assert seen["ok"] > cases // 5
    for ending in endings:
        assert seen[ending] > 0, ending
