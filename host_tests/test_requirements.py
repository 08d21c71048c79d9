"""The index of requirements is true: each number, its source, and its tests as they are."""

from host_tests import requirements

# The numbers that there are: what is left out of the index shows.
_RANGES = {
    "TFTP": [(1, 12), (20, 38), (40, 58), (60, 64), (70, 78)],
    "TIM": [(1, 7)],
    "PXE": [(1, 8), (10, 15), (20, 28), (30, 36), (40, 48), (60, 65)],
    "SEC": [(1, 27)],
    "IMG": [(1, 13)],
}


def _entries():
    """[(number, words, source, notes, tests)] of the index."""
    entries = []
    for line in requirements.INDEX.read_text("utf-8").splitlines():
        if line.startswith("- "):
            match = requirements.HEAD.fullmatch(line)
            assert match, line
            entries.append((*match.groups(), [], []))
        elif line.startswith("  - `"):
            entries[-1][4].append(line[4:].strip("`"))
        elif line.startswith("  - "):
            entries[-1][3].append(line[4:])
    return entries


def test_every_number_stands_in_the_index_once():
    expected = [
        f"R-{family}-{number}"
        for family, ranges in _RANGES.items()
        for first, last in ranges
        for number in range(first, last + 1)
    ]
    assert [entry[0] for entry in _entries()] == expected


def test_every_number_has_its_tests_or_the_reason_why_not():
    for number, _, _, notes, tests in _entries():
        assert all(note.startswith(("not here: ", "weaker: ")) for note in notes), number
        reasons = [note for note in notes if note.startswith("not here: ")]
        assert bool(tests) != bool(reasons), f"{number} has both, or neither"


def test_tests_in_the_index_are_those_that_name_the_number():
    """`make requirements` writes them anew."""
    text = requirements.INDEX.read_text("utf-8")
    assert requirements.index(text, requirements.carried()) == text


def test_every_number_that_a_test_names_is_in_the_index():
    assert set(requirements.carried()) <= {entry[0] for entry in _entries()}
