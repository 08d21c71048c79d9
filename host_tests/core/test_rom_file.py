"""A ROM in the form that a board carries: checked on the PC, flat, with a checksum."""

import json
import os
import sys

import pxerom
from pxerom import rom_check_dhcp, rom_file
from pxerom.failure import Refused
from pxerom.job import load_rom

from host_tests.core.check import raises, same

# Bound here: on a board, the agent forgets what loads a ROM.
_checked, _read, _checksum = rom_check_dhcp.checked, rom_file.read, rom_file.checksum
_FLAT = rom_file.FLAT
_ROMS = sorted(name[:-5] for name in os.listdir(rom_file.folder()) if name.endswith(".json"))


class NoChecker:
    """As on a board that `pxebench board deploy` has filled."""

    def __enter__(self):
        self.modules = {}
        for name in ("rom_check", "rom_check_dhcp"):
            if hasattr(pxerom, name):
                self.modules[name] = getattr(pxerom, name)
                delattr(pxerom, name)
            sys.modules["pxerom." + name] = None  # pyright: ignore[reportArgumentType]

    def __exit__(self, kind, error, trace):
        # The very same modules again: another test holds their classes.
        for name in ("rom_check", "rom_check_dhcp"):
            del sys.modules["pxerom." + name]
            if name in self.modules:
                sys.modules["pxerom." + name] = self.modules[name]
                setattr(pxerom, name, self.modules[name])


def flat(rom):
    """As `pxebench` makes it."""
    tree = dict(_checked(_read(rom)), flat=_FLAT, checksum=0)
    tree["checksum"] = _checksum(tree)
    return tree


def _refusal(rom, boots=False):
    with NoChecker():
        return raises(Refused, load_rom, rom, boots).message


def test_flat_rom_is_what_the_checker_makes_of_the_file():
    for name in _ROMS:
        with NoChecker():
            tree = flat(name)
            boots = bool(tree["dhcp"])
            taken = load_rom(tree, boots)
        same(taken, load_rom(name, boots))
    with NoChecker():
        taken = load_rom(flat("intel-undi"))
    same(taken, load_rom("intel-undi"))
    same((taken[1], "boot" in taken[0]["screen"]), (None, False))


def test_flat_rom_can_be_taken_again():
    """A board that boots every hour has one ROM in its config."""
    tree = flat("standard")
    before = str(tree)
    same(load_rom(tree, True), load_rom(tree, True))
    same(str(tree), before)


def test_damage_anywhere_is_one_sentence():
    whole = flat("intel-undi")
    text = json.dumps(whole)  # what a board reads; the file itself takes it too much memory
    for path in (("id",), ("udp", "ttl"), ("tftp", "requests", 0, "options"), ("dhcp", "arch")):
        for value in (None, 7, "x", [], {}, {"a": [{}]}):
            tree = json.loads(text)
            node = tree
            for step in path[:-1]:
                node = node[step]
            node[path[-1]] = value
            assert tree != whole
            assert "is damaged, or was changed" in _refusal(tree, True), (path, value)
    for name in whole:
        if name != "flat":
            tree = dict(whole)
            del tree[name]
            assert "is damaged" in _refusal(tree)
    assert "is damaged" in _refusal(dict(whole, more=1))


def test_checksum_tells_apart_what_looks_alike():
    shapes = ([], {}, [[]], [1], ["1"], 1, "1", None, "None", "", [""], {"": ""}, ["a", "b"])
    shapes += (["ab"], {"a": "b"}, {"a": ["b"]}, [["a"], "b"], [["a", "b"]], ["a,b"], True, "True")
    sums = [_checksum(shape) for shape in shapes]
    same(len(set(sums)), len(sums))


def test_rom_of_another_version_is_one_sentence():
    for version in (_FLAT + 1, 0, None, "x", []):
        assert "of another version of pxerom" in _refusal(dict(flat("standard"), flat=version))


def test_rom_nested_beyond_all_sense_is_one_sentence():
    deep = []
    for _ in range(2000):
        deep = [deep]
    assert "is damaged" in _refusal(dict(flat("standard"), udp=deep))


def test_unchecked_rom_where_no_checker_is_says_what_to_do():
    for rom in ("intel-undi", _read("intel-undi"), {}, {"id": "x"}):
        message = _refusal(rom)
        assert "no checker" in message and "pxebench board deploy --rom" in message, message


def test_rom_whose_dhcp_is_unknown_fetches_and_cannot_boot():
    tree = flat("os-client")
    with NoChecker():
        same(load_rom(tree)[1], None)
    assert "cannot boot" in _refusal(tree, True)
