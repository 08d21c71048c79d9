"""The bounds within which the core stays small; what is measured and how: `measure`."""

import statistics

import pytest

from host_tests.footprint import measure

_KIB = 1024
_VERSIONS = pytest.mark.parametrize("version", ["1.25", "1.26", "32"])


def test_compiled_core_takes_at_most_32_kib_of_flash():
    sizes = measure.flash_bytes()
    for name, most in measure.APART.items():
        assert 400 < sizes.pop(name) <= most
    assert len(sizes) >= 13
    assert sum(sizes.values()) <= 32 * _KIB, sizes


@pytest.mark.parametrize("version", ["1.25", "1.26"])
def test_core_with_a_rom_loaded_takes_at_most_48_kib_of_heap(version):
    assert 20000 < measure.heap_bytes(version) <= 48 * _KIB


def test_core_with_a_rom_loaded_takes_at_most_36_kib_of_a_boards_heap():
    assert 15000 < measure.heap_bytes("32") <= 36 * _KIB


@_VERSIONS
def test_heap_is_the_same_after_1_mib_and_after_64_mib(version):
    held = measure.held_bytes(version)
    assert len(held) == 2
    assert abs(held[1] - held[0]) <= 2 * _KIB, held


@pytest.mark.parametrize("windowsize", [1, 4])
@_VERSIONS
def test_garbage_of_a_block_is_its_datagram_and_128_bytes(version, windowsize):
    length = measure.BLKSIZE + 4
    datagram, runs = measure.garbage_bytes(version, windowsize)
    assert length <= datagram <= length + 64, datagram
    assert len(runs) == 9 and min(runs) > 0, runs
    # The median: a run in which a progress event falls holds that event, too.
    assert statistics.median(runs) <= datagram + 128, (datagram, runs)
