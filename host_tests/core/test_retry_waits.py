"""When each ROM asks again, from which port, with which bytes, and how it gives up.

The waits are those of the captured clients; what is assumed in the ROM file is tested as the
file says it.
"""

from pxerom.retry import Retry
from pxerom.runtime import ticks_add

from host_tests.core.check import rom, same
from host_tests.core.fakenet import UNREACHABLE, FakeNet, Run, silence
from host_tests.core.packets import ack, data, error, oack, rrq

_NAME = b"\0\1undionly.kpxe\0octet\0"
_TSIZE = _NAME + b"tsize\0" + b"0\0"
_BLKSIZE = _NAME + b"blksize\0" + b"1456\0"


def test_intel_requests_count_ports_up_from_2070_at_the_captured_times():
    """R-TFTP-6 (ROM note), R-TFTP-70 (ROM note), R-TIM-5 (ROM note), R-TFTP-71."""
    run = Run(rom("intel-undi"), silence, "undionly.kpxe")
    same(
        run.requests(),
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
    assert Run(flat, silence).requests() == Run(flat, silence).requests()


def test_intel_requests_are_the_same_when_icmp_says_that_nothing_listens():
    """R-SEC-18: an ICMP error neither ends nor shortens anything; it is counted."""

    def closed(packet, local_port, port):
        return [(1, 69, UNREACHABLE)]

    run = Run(rom("intel-undi"), closed, "undionly.kpxe")
    same(
        [at_ms for at_ms, _, _ in run.requests()][:7], [0, 2032, 6042, 12029, 19993, 29935, 65966]
    )
    same(run.code(), "PXE-E32")
    same([each["unreachable"] for each in run.result["transfers"]], [5, 4])


def test_answers_to_a_port_that_was_left_count_for_nothing():
    """R-TFTP-6 (ROM note): each retry has a port of its own, and only that one is read."""

    def late(packet, local_port, port):
        return [(2500, 45140, oack(("tsize", 100)))] if local_port == 2070 else ()

    run = Run(rom("intel-undi"), late, "undionly.kpxe")
    same(run.net.unread, [(2500, 2070, 45140, oack(("tsize", 100)))])
    same(run.net.heard, [])
    same(run.code(), "PXE-E32")


def test_intel_without_probe_waits_4_8_and_12_seconds():
    """R-TFTP-70 (ROM note), R-TIM-5 (ROM note)."""
    run = Run(rom("intel-undi-plain"), silence, "undionly.kpxe")
    same(
        run.requests(),
        [
            (0, 2070, _BLKSIZE),
            (3943, 2071, _BLKSIZE),
            (11853, 2072, _BLKSIZE),
            (23718, 2073, _BLKSIZE),
        ],
    )
    same(run.net.clock, 39536)
    same(run.code(), "PXE-E32")


def test_os_client_asks_six_times_from_one_high_port():
    """R-TFTP-6: the port is kept for retransmissions, and it is above 32767."""
    run = Run(rom("os-client"), silence, "undionly.kpxe")
    port = run.requests()[0][1]
    same(run.requests(), [(5000 * i, port, _NAME) for i in range(6)])
    assert 32768 <= port <= 60999, port
    same(run.net.clock, 30000)


def test_standard_backs_off_exponentially():
    """R-TFTP-70, R-TIM-6: 1, 2, 4, 8, 8, 8 s; R-TFTP-76: 1468 bytes fill a frame, no more."""
    run = Run(rom("standard"), silence, "undionly.kpxe")
    request = rrq("undionly.kpxe", ("blksize", 1468), ("tsize", 0))
    same([at_ms for at_ms, _, _ in run.requests()], [0, 1000, 3000, 7000, 15000, 23000])
    same({packet for _, _, packet in run.requests()}, {request})
    same(run.net.clock, 31000)
    port = run.requests()[0][1]
    same({port for _, port, _ in run.requests()}, {port})
    assert port >= 49152, port


def test_standard_takes_a_new_random_port_for_each_transfer():
    """R-TFTP-6, R-SEC-20: also for the request that follows a refused one."""
    flat = rom("standard")
    ports = {Run(flat, silence).requests()[0][1] for _ in range(8)}
    assert len(ports) > 4, ports

    def refuse(packet, local_port, port):
        return [(1, 45140, error(8, "no options"))] if b"tsize" in packet else ()

    pairs = set()
    for _ in range(8):
        asked = Run(flat, refuse).requests()
        same([asked[0][2], asked[1][2]], [rrq("x", ("blksize", 1468), ("tsize", 0)), rrq("x")])
        pairs.add(asked[0][1] == asked[1][1])
    assert False in pairs


def test_read_retries_resend_the_last_ack_and_end_with_e35():
    """R-TFTP-71, R-TFTP-73: a server that dies in mid-file."""

    def dying(packet, local_port, port):
        return [(1, 45140, data(1, bytes(512)))] if port == 69 else ()

    run = Run(rom("standard"), dying)
    same(
        [(at_ms, packet) for at_ms, _, _, packet in run.net.sent][1:],
        [
            (1, ack(1)),
            (1001, ack(1)),
            (3001, ack(1)),
            (7001, ack(1)),
            (15001, ack(1)),
            (23001, ack(1)),
        ],
    )
    same((run.code(), run.net.clock), ("PXE-E35", 31001))
    same(run.result["transfers"][0]["outcome"], "timeout")
    same(run.result["transfers"][0]["retransmits"], 5)
    intel = Run(rom("intel-undi-plain"), dying)
    same(
        [at_ms for at_ms, _, _, packet in intel.net.sent if packet == ack(1)],
        [1, 3944, 11854, 23719],
    )


def test_progress_starts_the_waits_again():
    """R-TFTP-72: after a block the first wait is used again."""

    def slow(packet, local_port, port):
        if port == 69:
            return [(900, 45140, data(1, bytes(512)))]
        if packet == ack(1) and len(net.sent) == 4:
            return [(500, 45140, data(2, bytes(512)))]
        return ()

    flat = rom("standard")
    net = FakeNet(flat, slow)
    Run(flat, slow, net=net)
    same([at_ms for at_ms, _, _, _ in net.sent][:6], [0, 900, 1900, 3900, 4400, 5400])


def test_noise_neither_prolongs_nor_shortens_a_wait():
    """R-TFTP-72, R-TFTP-48: a thousand a second of every kind."""
    noise = [
        (45141, data(2, bytes(512))),
        (("10.9.9.9", 45140), data(2, bytes(512))),
        (45140, data(9, bytes(512))),
        (45140, data(0, b"")),
        (45140, b"\0"),
        (45140, data(1, bytes(512))),
    ]

    def from_now(first):
        replies = []
        for i in range(first, first + 50):  # a board has no room for all of it at once
            source, what = noise[i % len(noise)]
            replies.append((1 + i - first, source, what))
        if first < 950:
            replies.append((50, 45140, lambda: from_now(first + 50)))
        return replies

    def noisy(packet, local_port, port):
        if port != 69:
            return []
        return [(1, 45140, data(1, bytes(512))), (1, 45140, lambda: from_now(0))]

    run = Run(rom("standard"), noisy, keep="sent")
    mine = [at_ms for at_ms, _, port, packet in run.net.sent if port == 45140]
    same(mine[0], 1)
    assert ack(1) == run.net.sent[-1][3]
    same(mine[-5:], [1001, 3001, 7001, 15001, 23001])
    same((run.code(), run.net.clock), ("PXE-E35", 31001))


def test_clock_that_wraps_between_retries_changes_nothing():
    """The counter of ticks wraps on every board within days; here within the third wait."""
    for name in ("intel-undi", "intel-undi-plain"):
        flat = rom(name)
        usual = Run(flat, silence).requests()
        for before_wrap in (0, 1, 2032, 6000, 20000):
            net = FakeNet(flat, silence)
            net.before_wrap = before_wrap
            same(Run(flat, silence, net=net).requests(), usual)


def test_retry_table_is_followed_to_its_end():
    """R-TFTP-70: one wait after each send, none after the last; progress begins it anew."""
    timer = Retry([100, 200])
    timer.sent(ticks_add(0, 0))
    same((timer.left_ms(0), timer.exhausted(), timer.waited_ms()), (100, False, 100))
    timer.sent(100)
    same((timer.left_ms(100), timer.exhausted(), timer.waited_ms()), (200, True, 200))
    timer.restart(250)
    same((timer.left_ms(250), timer.exhausted(), timer.sends), (100, False, 1))
