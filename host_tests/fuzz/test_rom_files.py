"""ROM files that somebody has broken: each is refused with the field's path, or it boots.

1. A ROM file is changed in one to three places: a value replaced, a field dropped or added.
2. `RomFileError` with one printable sentence is the only exception; a file that is accepted is
   played against an honest server, and no result but "ok" or a PXE code comes of it.
"""

import copy
from collections import Counter

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pxerom import rom_check
from pxerom.failure import Refused

from host_tests.fuzz.test_boot_properties import Case
from host_tests.fuzz.verdicts import check_status

CASES = 3000
_ROMS = [rom_check.read(name) for name in ("intel-undi", "standard", "os-client")]

_values = st.one_of(
    st.sampled_from(
        [None, True, False, 0, 1, -1, 1.5, 65536, 1 << 70, float("nan"), "", "x", "ack", "next",
         "ERROR", "0", "\u00b2", "\u0663", "\x1b[2J", "a\x00b", "\ud800", [], {}, [[]], [["", ""]],
         [["blksize", "\u00b2"]], [["blksize", "\u0661\u0662\u0663"]], [["windowsize", "1e3"]],
         [["tsize", "0"], ["TSIZE", "0"]], [["x" * 300, "y" * 300]], [["timeout", "\u0665"]],
         [["tsize", "\u20ac"]], {"value": 1}, {"value": {}}, {"value": 1, "evidence": "guessed"},
         {"error": 0, "message": "\u20ac"}, {"error": 65536, "message": ""}, {"error": 1},
         {"error": 1, "message": "A" * 60000}, {"error": 1, "message": "\ud800"},
         {"error": 1, "message": "\x1b[2J"}]
    ),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=4),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
        max_leaves=4,
    ),
)  # fmt: skip


def _places(node, path=()):
    """Every field of a ROM, as paths; evidence and the texts for people included."""
    yield path
    if isinstance(node, dict):
        for name in node:
            yield from _places(node[name], (*path, name))
    elif isinstance(node, list):
        for number, item in enumerate(node):
            yield from _places(item, (*path, number))


_PLACES = [list(_places(rom))[1:] for rom in _ROMS]


@st.composite
def _broken(draw):
    number = draw(st.integers(0, len(_ROMS) - 1))
    rom = copy.deepcopy(_ROMS[number])
    for _ in range(draw(st.integers(1, 3))):
        *path, last = draw(st.sampled_from(_PLACES[number]))
        node = rom
        for step in path:
            try:
                node = node[step]
            except (KeyError, IndexError, TypeError):
                break
        if not isinstance(node, dict | list) or (isinstance(node, list) and last == len(node)):
            continue
        if isinstance(node, list) != isinstance(last, int):
            continue
        kind = draw(st.integers(0, 4))
        if kind == 0 and (isinstance(node, dict) and last in node):
            del node[last]
        elif kind == 1 and isinstance(node, dict):
            node[draw(st.text(max_size=5))] = copy.deepcopy(draw(_values))
        elif isinstance(node, dict) or last < len(node):
            node[last] = copy.deepcopy(draw(_values))
    return rom


def test_broken_rom_file_is_refused_with_the_field_or_boots():
    seen = Counter()

    @settings(
        max_examples=CASES,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    @given(_broken())
    def load(rom):
        try:
            flat = rom_check.flatten(rom)
        except rom_check.RomFileError as error:
            assert str(error)
            seen["refused"] += 1
            return
        flat["id"] = "broken"  # a name may be in any script; what comes from the network may not
        case = Case(b"", trace=False, rom=flat)
        try:
            result = case.run()
        except Refused as refusal:
            assert refusal.exit_code == 2
            seen["refused on the way"] += 1
            return
        if result["outcome"] == "failed" and not result["ended"]:
            check_status(result["status"])
        seen[result["outcome"]] += 1

    load()
    print(dict(seen))
    assert sum(seen.values()) >= CASES
    assert seen["refused"] > CASES // 4 and seen["ok"] > CASES // 20
