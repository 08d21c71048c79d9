"""The index of requirements is true: nothing missing, nothing twice, no test that is not there."""

import ast
import re
from pathlib import Path

_HERE = Path(__file__).resolve().parent
_INDEX = _HERE / "REQUIREMENTS.md"
_NUMBER = re.compile(r"\bR-(?:TFTP|TIM|PXE|SEC|IMG)-\d+\b")
# The numbers that there are: what is left out of the index shows.
_RANGES = {
    "TFTP": [(1, 12), (20, 38), (40, 58), (60, 64), (70, 78)],
    "TIM": [(1, 7)],
    "PXE": [(1, 8), (10, 15), (20, 28), (30, 36), (40, 48), (60, 65)],
    "SEC": [(1, 27)],
    "IMG": [(1, 13)],
}


def _entries():
    """[(number, own words, the lines below)] of the index."""
    entries = []
    for line in _INDEX.read_text().splitlines():
        if line.startswith("- "):
            match = re.fullmatch(r"- \*\*(R-[A-Z]+-\d+)\*\* (\S.*)", line)
            assert match, line
            entries.append((match[1], match[2], []))
        elif line.startswith("  - "):
            entries[-1][2].append(line[4:])
    return entries


def _tests():
    """{name: docstring} of every test under host_tests."""
    tests = {}
    for path in _HERE.rglob("test_*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                words = tests.get(node.name, "") + (ast.get_docstring(node) or "")
                tests[node.name] = words
    return tests


def _tests_of(lines):
    return [line.strip("`") for line in lines if line.startswith("`")]


def test_every_number_stands_in_the_index_once():
    expected = [
        f"R-{family}-{number}"
        for family, ranges in _RANGES.items()
        for first, last in ranges
        for number in range(first, last + 1)
    ]
    assert [number for number, _, _ in _entries()] == expected


def test_every_number_has_its_tests_or_the_reason_why_not():
    for number, _, lines in _entries():
        tests = _tests_of(lines)
        notes = [line for line in lines if not line.startswith("`")]
        reasons = [line for line in notes if line.startswith("not here: ")]
        assert all(line.startswith(("not here: ", "weaker: ")) for line in notes), number
        assert bool(tests) != bool(reasons), f"{number} has both, or neither"


def test_every_test_in_the_index_exists_and_names_its_number():
    tests = _tests()
    for number, _, lines in _entries():
        for name in _tests_of(lines):
            assert name in tests, f"{number}: there is no {name}"
            assert number in _NUMBER.findall(tests[name]), f"{name} does not name {number}"


def test_every_number_that_a_test_names_is_in_the_index():
    known = {number for number, _, _ in _entries()}
    for name, docstring in _tests().items():
        for number in _NUMBER.findall(docstring):
            assert number in known, f"{name} names {number}"
