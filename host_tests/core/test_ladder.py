"""When each ROM asks again, from which port, with which bytes, and how it gives up.

The ladders are those of `clients.md`'s captures; what is assumed in the ROM file is tested as the
file says it.
"""

from host_tests.core.check import rom, same
from host_tests.core.fakenet import Run, silence

_NAME = b"\0\1undionly.kpxe\0octet\0"
_TSIZE = _NAME + b"tsize\0" + b"0\0"
_BLKSIZE = _NAME + b"blksize\0" + b"1456\0"


def test_intel_ladder_counts_ports_up_from_2070_at_the_captured_times():
    """R-TFTP-6 (ROM note), R-TFTP-70 (ROM note), R-TIM-5 (ROM note), R-TFTP-71."""
    run = Run(rom("intel-undi"), silence, "undionly.kpxe")
    same(
        run.ladder(),
        [
            (0, 2070, _TSIZE),
            (2032, 2071, _TSIZE),
            (6042, 2072, _TSIZE),
            (12029, 2073, _TSIZE),
            (19993, 2074, _TSIZE),
            (29935, 2075, _BLKSIZE),
            (65966, 2076, _BLKSIZE),
            (137966, 2077, _BLKSIZE),
            (245966, 2078, _BLKSIZE),
        ],
    )
    same(len(run.net.sent), 9, "nothing but RRQs")
    same(run.net.clock, 389966)
    same(run.code(), "PXE-E32")
    same(run.result["ended"], None)
    same([each["outcome"] for each in run.result["transfers"]], ["timeout", "timeout"])
    same([each["retransmits"] for each in run.result["transfers"]], [4, 3])


def test_second_boot_uses_the_very_same_ports():
    """R-TFTP-6 (ROM note): the counter starts again with each boot."""
    flat = rom("intel-undi")
    assert Run(flat, silence).ladder() == Run(flat, silence).ladder()
