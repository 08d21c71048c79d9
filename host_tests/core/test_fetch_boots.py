"""A whole boot in virtual time: what is on the wire, in the sink, on the screen, in the result."""

from pxerom.failure import Failure, Refused
from pxerom.screen import Screen

from host_tests.core.check import raises, rom, same
from host_tests.core.fakenet import (
    HOST,
    Check,
    FakeNet,
    FileServer,
    Long,
    Run,
    Tape,
    pattern,
    silence,
)
from host_tests.core.packets import ack, data, error, oack, rrq

_ABORTED = error(0, "TFTP Aborted")


def _screen(flat, run):
    text = []
    screen = Screen(flat, text.append)
    for event in run.events:
        screen.event(event)
    return "".join(text)


def _whole(run, content):
    same(run.result["outcome"], "ok", run.result["status"])
    same(run.sink.data, content)
    same(run.sink.committed, True)
    same(run.net.closed, True)
    same(run.result["image"]["bytes"], len(content))


# --- the Intel ROM ------------------------------------------------------------------------------


def test_intel_probes_the_size_then_fetches_from_the_next_port():
    """R-TFTP-38, R-TFTP-22, R-TFTP-4: every byte on the wire, in order."""
    content = pattern(3000)
    run = Run(rom("intel-undi"), FileServer(content), "pxelinux.0")
    same(
        [(local, port, packet) for _, local, port, packet in run.net.sent],
        [
            (2070, 69, rrq("pxelinux.0", ("tsize", 0))),
            (2070, 45140, _ABORTED),
            (2071, 69, rrq("pxelinux.0", ("blksize", 1456))),
            (2071, 45141, ack(0)),
            (2071, 45141, ack(1)),
            (2071, 45141, ack(2)),
            (2071, 45141, ack(3)),
        ],
    )
    _whole(run, content)
    probe, transfer = run.result["transfers"]
    same((probe["purpose"], probe["outcome"]), ("size", "aborted"))
    same((probe["server_tid"], probe["oack"]), (45140, {"tsize": "3000"}))
    same(probe["error"], {"code": 0, "message": "TFTP Aborted"})
    same((transfer["outcome"], transfer["blocks"], transfer["bytes"]), ("ok", 3, 3000))
    same((transfer["blksize"], transfer["oack"]), (1456, {"blksize": "1456"}))


def test_intel_goes_on_at_once_after_an_error_to_its_probe():
    """R-TFTP-36 (ROM note), R-TFTP-56 (ROM note): T02 and E3C come after the second ERROR."""
    text = "Only absolute filenames allowed"
    flat = rom("intel-undi")

    def refuse(packet, local_port, port):
        return [(2, 45140, error(2, text))]

    run = Run(flat, refuse)
    same([(at_ms, port) for at_ms, port, _ in run.requests()], [(0, 2070), (2, 2071)])
    same(len(run.net.sent), 2, "an ERROR is never answered")
    same(run.code(), "PXE-E3C")
    shown = _screen(flat, run)
    assert shown.endswith(
        "\nPXE-T02: Only absolute filenames allowed\n"
        "PXE-E3C: TFTP error - Access violation\n"
        "PXE-M0F: Exiting Intel PXE ROM.\n"
    ), shown
    same([each["error"]["code"] for each in run.named("error")], [2, 2])
    same([each["server_tid"] for each in run.result["transfers"]], [45140, 45140])
    same([each["outcome"] for each in run.result["transfers"]], ["error", "error"])


def test_error_in_mid_file_never_leads_on_to_the_next_request():
    """R-TFTP-36, R-TFTP-56: what came already is in the sink, so asking again would mix files."""

    def breaking(packet, local_port, port):
        if packet == ack(2):
            return [(1, 45140, error(0, "disk died"))]
        block = 1 if port == 69 else packet[3] + 1
        return [(1, 45140, data(block, bytes(512)))]

    run = Run(rom("standard"), breaking)
    same((run.code(), len(run.requests()), run.packets()[-1]), ("PXE-E36", 1, ack(2)))


def test_intel_fetches_the_file_though_the_probe_was_refused():
    """R-TFTP-36 (ROM note): a server that knows no tsize."""
    content = pattern(600)
    files = FileServer(content, grant=("blksize",))

    def server(packet, local_port, port):
        if b"tsize" in packet:
            return [(1, 45139, error(8, "tsize?"))]
        return files(packet, local_port, port)

    _whole(Run(rom("intel-undi"), server), content)


def test_intel_ends_a_probe_that_is_answered_with_data():
    """R-TFTP-38: the ROM's ERROR goes to the sender of the DATA, then the file is asked for."""
    content = pattern(2000)
    files = FileServer(content, grant=())
    run = Run(rom("intel-undi"), files)
    same(run.packets()[1], _ABORTED)
    same(run.net.sent[1][2], 45140)
    _whole(run, content)
    same(run.result["transfers"][1]["blksize"], 512)


def test_intel_completes_with_512_where_blksize_is_not_granted():
    """R-TFTP-21, R-TFTP-24."""
    content = pattern(5000)
    run = Run(rom("intel-undi"), FileServer(content, grant=("tsize",)))
    _whole(run, content)
    same((run.result["transfers"][1]["blocks"], len(run.requests())), (10, 2))


def test_unknown_tid_is_met_with_silence_by_intel_and_with_error_5_by_standard():
    """R-TFTP-9, R-TFTP-9 (ROM note)."""
    for name, replies in (
        ("intel-undi-plain", []),
        ("standard", [error(5, "Unknown transfer ID")]),
    ):
        content = pattern(3000)
        files = FileServer(content)

        def server(packet, local_port, port, files=files):
            answer = list(files(packet, local_port, port))
            if packet == ack(1):
                answer.insert(0, (0, 50000, data(2, b"unknown TID")))
            return answer

        run = Run(rom(name), server)
        _whole(run, content)
        same([packet for _, _, port, packet in run.net.sent if port == 50000], replies, name)
        same(run.result["transfers"][-1]["foreign"], 1)


def test_own_error_is_sent_once():
    """R-TFTP-57: a server that repeats its OACK to the probe hears nothing more."""
    files = FileServer(pattern(600))

    def deaf(packet, local_port, port):
        if packet[1] == 5:
            return ()
        replies = list(files(packet, local_port, port))
        if b"tsize" in packet:
            replies += [(2, 45140, oack(("tsize", 600)))] * 5
        return replies

    run = Run(rom("intel-undi"), deaf)
    _whole(run, pattern(600))
    same(run.packets().count(_ABORTED), 1)


# --- loss and duplicates ------------------------------------------------------------------------


def test_any_single_packet_may_be_lost():
    """R-TFTP-71, R-TFTP-34, R-TFTP-46: RRQ, OACK, ACK 0, DATA, ACK, each in its turn."""
    content = pattern(5000)
    for name in ("intel-undi", "intel-undi-plain", "os-client", "standard"):
        flat = rom(name)
        for direction in ("in", "out"):
            for lost in range(14):

                def lose(towards, packet, count, direction=direction, lost=lost):
                    return towards == direction and count == lost

                run = Run(flat, FileServer(content, lose=lose))
                assert run.sink.data == content, (name, direction, lost)
                same(run.result["outcome"], "ok")


def test_a_quarter_of_all_packets_may_be_lost():
    """R-TFTP-46, R-TFTP-47, R-TFTP-62, R-TFTP-63: no end gets out of step, in lockstep or not."""
    content = Long(7000)
    for windowsize in (1, 4):
        flat = rom("standard")
        flat["tftp"]["requests"][0]["options"] = [
            ["blksize", "512"],
            ["windowsize", str(windowsize)],
        ]
        for seed in range(8):

            def lose(towards, packet, count, seed=seed):
                dice = (count * 2 + (towards == "in") + seed * 9973) * 1103515245 + 12345
                return dice >> 16 & 3 == 0

            flat["tftp"]["retry"]["read"]["waits_ms"] = [1500] * 12
            run = Run(flat, FileServer(content, lose=lose), sink=Check(content), keep=False)
            assert run.sink.whole(), (windowsize, seed, run.result)


def test_every_packet_may_come_twice():
    """R-TFTP-46, R-TFTP-47: and swapped with the one after it."""
    content = Long(9000)
    for name in ("intel-undi", "os-client", "standard"):
        files = FileServer(content)

        def server(packet, local_port, port, files=files):
            replies = []
            for delay_ms, source, what in files(packet, local_port, port):
                replies.append((delay_ms, source, what))
                if not callable(what):
                    replies.append((delay_ms + 1, source, what))
            return replies

        run = Run(rom(name), server, sink=Check(content), keep=False)
        same((run.result["outcome"], run.sink.whole(), run.net.closed), ("ok", True, True))
        same(run.result["image"]["bytes"], len(content))
        assert run.result["transfers"][-1]["duplicates"] > 5


def _repeating(content, repeated):
    """A server that sends each of the `repeated` blocks three times before the next one."""
    files = FileServer(content, delay_ms=10)

    def server(packet, local_port, port):
        replies = list(files(packet, local_port, port))
        for block in repeated:
            for _, source, what in list(replies):
                if not callable(what) and what[:4] == data(block, b""):
                    replies += [(11, source, what), (12, source, what)]
        return replies

    return server


def test_duplicate_amid_a_stream_of_blocks_is_known_as_one():
    """R-TFTP-46: after many blocks in a row, and again after many more."""
    content = pattern(512 * 12)
    for name, times in (("intel-undi-plain", 3), ("standard", 2)):
        flat = rom(name)
        flat["tftp"]["requests"][0]["options"] = [["blksize", "512"]]
        run = Run(flat, _repeating(content, (5, 10)))
        _whole(run, content)
        for block in (5, 10):
            same(run.packets().count(ack(block)), times, name)


def test_packet_of_a_blocks_size_amid_a_stream_is_not_data_for_that():
    """R-TFTP-52, R-TFTP-56: an ERROR padded to the size of a block, with the right number."""
    content = pattern(512 * 9)
    for opcode, code in ((b"\0\5", "PXE-E36"), (b"\1\3", "PXE-E33"), (b"\0\4", "PXE-E33")):
        files = FileServer(content)

        def server(packet, local_port, port, files=files, opcode=opcode):
            if packet == ack(4):
                return [(1, 45140, opcode + b"\0\5" + bytes(512))]
            return files(packet, local_port, port)

        run = Run(rom("os-client", tftp__on__stray_opcode="fail"), server)
        same((run.code(), run.sink.data), (code, content[:2048]))


def test_server_with_the_sorcerers_bug_is_not_fed():
    """R-TFTP-46, R-TFTP-47: it answers each ACK, so each re-ACK would double the file."""
    content = pattern(10 * 512)
    replies = []

    def server(packet, local_port, port):
        if port == 69:
            return [(1, 45140, data(1, content[:512])), (2, 45140, data(1, content[:512]))]
        block = (packet[2] << 8 | packet[3]) + 1
        replies.append(block)
        return [(1, 45140, data(block, content[(block - 1) * 512 : block * 512]))]

    flat = rom("standard")
    run = Run(flat, server)
    _whole(run, content)
    assert len(replies) <= 11 + 11, replies


# --- windows ------------------------------------------------------------------------------------


def _wire(run):
    return [(at_ms, port, packet) for at_ms, _, port, packet in run.net.sent]


def test_windowsize_1_is_the_lockstep_on_the_wire():
    """R-TFTP-60: but for the option itself."""
    content = pattern(5000)
    plain = rom("standard", udp__source_port__policy="fixed")
    windowed = rom("standard", udp__source_port__policy="fixed")
    plain["tftp"]["requests"][0]["options"] = [["blksize", "512"]]
    windowed["tftp"]["requests"][0]["options"] = [["blksize", "512"], ["windowsize", "1"]]

    def lose(towards, packet, count):
        return count in (4, 7)

    without = Run(plain, FileServer(content, lose=lose))
    with_it = Run(windowed, FileServer(content, lose=lose))
    same(_wire(with_it)[1:], _wire(without)[1:])
    same(
        [entry for entry in with_it.net.heard if entry[3][1] == 3],
        [entry for entry in without.net.heard if entry[3][1] == 3],
    )


# --- sizes --------------------------------------------------------------------------------------


def test_file_sizes_around_the_block_are_byte_exact():
    """R-TFTP-43, R-SEC-13: empty, smaller than a block, exact multiples, one more, one less."""
    for name, blksize in (("intel-undi", 1456), ("os-client", 512), ("standard", 1468)):
        flat = rom(name)
        for size in (0, 1, 511, 512, 513, blksize - 1, blksize, blksize + 1, 4 * blksize):
            content = pattern(size)
            run = Run(flat, FileServer(content))
            _whole(run, content)
            last = run.result["transfers"][-1]
            same((last["blocks"], last["bytes"]), (size // blksize + 1, size))


def test_exact_multiple_ends_with_an_empty_block():
    """R-TFTP-43, R-TFTP-44: without it the transfer is not over, whatever tsize said."""
    content = pattern(1024)
    run = Run(rom("os-client"), FileServer(content))
    same(run.net.heard[-1][3], data(3, b""))
    same(run.packets()[-1], ack(3))

    def stingy(packet, local_port, port):
        if port == 69:
            return [(1, 45140, oack(("tsize", 1024)))]
        block = packet[3] + 1
        return [(1, 45140, data(block, bytes(512)))] if block < 3 else ()

    run = Run(rom("standard"), stingy)
    same((run.code(), run.sink.committed), ("PXE-E35", False))


def _lying(tsize, size):
    content = pattern(size)

    def server(packet, local_port, port):
        if port == 69:
            return [(1, 45140, oack(("tsize", tsize)))]
        if packet[1] != 4:
            return ()
        block = packet[3]
        return [(1, 45140, data(block + 1, content[block * 512 : block * 512 + 512]))]

    return server


def test_lying_tsize_is_no_file_either_way():
    """R-TFTP-45: more than announced (ERROR 3) and less (ERROR 0); nothing is kept."""
    for tsize, code in ((999, 3), (1001, 0), (0, 3), (5000, 0)):
        run = Run(rom("standard"), _lying(tsize, 1000))
        same((run.code(), run.sink.committed), ("PXE-E39", False), tsize)
        same(run.packets()[-1][:4], b"\0\5\0" + bytes([code]))
        same(run.result["transfers"][0]["outcome"], "refused")
        assert "announced" in run.result["status"]["detail"]
    _whole(Run(rom("standard"), _lying(1000, 1000)), pattern(1000))


def test_size_of_the_probe_binds_the_transfer():
    """R-TFTP-45: the blksize RRQ carries no tsize, the file changed in between."""
    first = FileServer(pattern(700))
    second = FileServer(pattern(5000))

    def server(packet, local_port, port):
        return (first if local_port == 2070 else second)(packet, local_port, port)

    run = Run(rom("intel-undi"), server)
    same((run.code(), run.sink.committed), ("PXE-E39", False))


def test_tsize_beyond_max_bytes_is_refused_before_the_first_block():
    """R-TFTP-27, R-TFTP-58, R-SEC-9: ERROR 3 to the OACK, on the probe as well."""
    for name in ("standard", "intel-undi"):
        run = Run(rom(name), FileServer(pattern(4000)), max_bytes=3999)
        same(run.packets()[1:], [error(3, "Disk full or allocation exceeded")], name)
        same((run.code(), run.result["status"]["side"]), ("PXE-E3A", "ours"))
        same(run.result["transfers"][0]["outcome"], "refused")
        _whole(Run(rom(name), FileServer(pattern(4000)), max_bytes=4000), pattern(4000))


def test_max_bytes_holds_without_tsize():
    """R-SEC-9: before a byte too many is stored, however many full blocks were to follow."""
    for size in (4000, 40000):
        run = Run(rom("os-client"), FileServer(Long(size)), max_bytes=3999)
        same((run.code(), len(run.sink.data)), ("PXE-E3A", 3584))
        same(run.packets()[-1], error(3, "Disk full or allocation exceeded"))


def test_tsize_beyond_the_free_space_is_refused_before_the_first_block():
    """R-TFTP-27: the smaller of room and --max-bytes counts."""
    for free, most in ((3999, None), (3999, 9999), (9999, 3999)):
        run = Run(rom("standard"), FileServer(pattern(4000)), sink=Tape(free=free), max_bytes=most)
        same((run.code(), len(run.net.sent), run.sink.data), ("PXE-E3A", 2, b""))


# --- order of storing and acknowledging ---------------------------------------------------------


def test_blocks_are_acknowledged_then_stored_and_the_last_one_the_other_way_round():
    """R-TFTP-58: so that a full disk can still be told to the server."""
    run = Run(rom("os-client"), FileServer(pattern(1100)))
    same(
        run.net.order,
        ["open", rrq("x"), ack(1), "write", ack(2), "write", "write", "commit", ack(3)],
    )


def test_full_disk_is_told_to_the_server_with_error_3():
    """R-TFTP-58: at a block in the middle, and at the last one, whose ACK is not sent then."""
    for call, last_ack in (("write", 1), ("commit", 2)):
        full = Failure("PXE-E3A", "Cannot write y: no space left", "ours", "cannot_write")
        run = Run(rom("os-client"), FileServer(pattern(1100)), sink=Tape(full_at=(call, full)))
        same(
            (run.code(), run.result["status"]["detail"]),
            ("PXE-E3A", "Cannot write y: no space left"),
        )
        same(run.packets()[-2:], [ack(last_ack), error(3, "Disk full or allocation exceeded")])
        same(run.result["transfers"][0]["outcome"], "refused")
        same((run.result["image"], run.net.closed), (None, True))


def test_block_for_which_there_is_no_memory_is_refused_like_a_full_disk():
    """R-TFTP-58: the server hears ERROR 3, the result says what happened."""
    run = Run(
        rom("os-client"), FileServer(pattern(1100)), sink=Tape(full_at=("write", MemoryError()))
    )
    same((run.code(), run.result["status"]["side"]), ("PXE-E3A", "ours"))
    same(run.packets()[-1], error(3, "Disk full or allocation exceeded"))
    same(run.result["transfers"][0]["outcome"], "refused")


def test_lost_final_ack_is_sent_again_while_dallying():
    """R-TFTP-55: the file is stored and renamed before; the ROM without dallying leaves."""
    content = pattern(1100)
    lost = []

    def lose(towards, packet, count):
        if towards == "in" and packet == ack(3) and not lost:
            lost.append(count)
            return True
        return False

    flat = rom("os-client", tftp__dally_ms=1500)
    server = FileServer(content, lose=lose)
    run = Run(flat, server)
    _whole(run, content)
    same(run.packets()[-2:], [ack(3), ack(3)])
    same(server.sessions[45140]["over"], True)
    assert run.net.order.index("commit") < run.net.order.index(ack(3))
    lost.clear()
    server = FileServer(content, lose=lose)
    run = Run(rom("os-client"), server)
    _whole(run, content)
    same((run.packets()[-2:], server.sessions[45140]["over"]), ([ack(2), ack(3)], False))


def test_dallying_ends_after_its_time_whatever_comes():
    """R-TFTP-55: junk, an ERROR, the final block for ever."""
    flat = rom("standard")
    for packet in (data(1, b"end"), b"", b"\0\7ab", error(0, "late")):

        def server(sent, local_port, port, packet=packet):
            if port != 69:
                return ()
            return [(1, 45140, data(1, b"end"))] + [(100 * i, 45140, packet) for i in range(1, 30)]

        run = Run(flat, server)
        _whole(run, b"end")
        assert run.net.clock <= 1101, run.net.clock


# --- time and Ctrl-C ----------------------------------------------------------------------------


def test_bench_ends_a_boot_in_time_and_says_what_would_have_come():
    """R-TFTP-74."""
    run = Run(rom("intel-undi"), silence, max_time_ms=35000)
    ended = run.result["ended"]
    same((ended["by"], run.code()), ("bench", "PXE-E32"))
    assert 35000 <= ended["after_ms"] <= 35100, ended
    assert "UDP port 2076" in run.next() and "request 7" in run.next(), run.next()
    assert "31.0 s" in run.next() or "30.9 s" in run.next(), run.next()
    same((run.net.closed, run.sink.committed), (True, False))
    run = Run(rom("intel-undi"), silence, max_time_ms=25000)
    assert "next request from UDP port 2075" in run.next(), run.next()
    run = Run(rom("os-client"), silence, max_time_ms=29000)
    assert "given up with PXE-E32" in run.next(), run.next()


def test_bench_ends_a_transfer_that_drips():
    """R-TFTP-74: a block each half second for ever; the server hears of the end (R-TFTP-58)."""

    def drip(packet, local_port, port):
        if packet[1] == 5:
            return ()
        block = 1 if port == 69 else packet[3] + 1
        return [(500, 45140, data(block, bytes(512)))]

    run = Run(rom("standard"), drip, max_time_ms=10000)
    same((run.result["ended"]["by"], run.code()), ("bench", "PXE-E35"))
    assert 10000 <= run.net.clock <= 10600, run.net.clock
    same(run.packets()[-1], _ABORTED)
    same(run.result["transfers"][0]["outcome"], "aborted")
    assert "ACK of block" in run.next() and "again" in run.next(), run.next()


def test_limit_of_time_holds_for_a_rom_whose_waits_have_grown():
    """R-TFTP-74: iPXE goes on with the wait that its lost RRQs came to, block by block."""
    asked = []

    def slow(packet, local_port, port):
        asked.append(port)
        if asked.count(69) < 4 or packet[1] == 5:
            return ()
        if port == 69:
            return [(1, 45140, oack(("blksize", 1432)))]
        return [(1, 45140, data(packet[3] + 1, bytes(1432)))] if packet[3] < 3 else ()

    run = Run(rom("ipxe"), slow, max_time_ms=2200)
    same((run.result["ended"]["by"], run.result["transfers"][0]["blocks"]), ("bench", 3))
    assert 2200 <= run.net.clock <= 2310, run.net.clock


def test_limit_of_time_does_not_end_what_is_over():
    run = Run(rom("os-client"), FileServer(pattern(9)), max_time_ms=10000)
    same((run.result["ended"], run.result["outcome"]), (None, "ok"))


def test_watchdog_is_fed_at_least_once_a_second():
    """on_wait comes through waits of two minutes, transfers and dallying."""
    silent = Run(rom("intel-undi"), silence)
    content = Long(400000)
    server = FileServer(content, delay_ms=30, retry_ms=None)
    busy = Run(rom("standard"), server, sink=Check(content), keep=False, told=False)
    assert busy.sink.whole(), busy.result["status"]
    for run in (silent, busy):
        assert 0 < run.longest_ms <= 1100, run.longest_ms
        assert run.waits <= run.net.clock // 100 + 3


def test_progress_comes_about_ten_times_a_second_and_at_the_end():
    content = Long(1456 * 700)
    server = FileServer(content, delay_ms=7, retry_ms=None)
    run = Run(rom("intel-undi"), server, sink=Check(content), keep=False)
    events = run.named("progress")
    times = [each["at_ms"] for each in events]
    assert 40 <= len(events) <= 55, times
    assert all(b - a >= 100 for a, b in zip(times, times[1:-1])), times
    same((events[-1]["bytes"], events[-1]["total"]), (1456 * 700, 1456 * 700))
    sizes = [each["bytes"] for each in events]
    same(sizes, sorted(sizes))


def test_interrupt_at_any_step_leaves_no_trace():
    """R-SEC-7, R-TFTP-58: sockets closed, nothing half stored, one ERROR 0 to a known peer."""
    flat = rom("intel-undi")
    content = pattern(4000)
    steps = Run(flat, FileServer(content)).net.steps
    assert steps > 20
    for step in range(1, steps + 1):
        net = FakeNet(flat, FileServer(content))
        run = Run(flat, None, net=net, interrupt_at=step)
        same(run.result["ended"]["by"], "user", step)
        same((net.closed, net.opened or step < 4), (True, True), step)
        same(
            run.result["outcome"], "ok" if run.sink.committed and run.result["image"] else "failed"
        )
        errors = [packet for packet in run.packets() if packet == _ABORTED]
        assert len(errors) <= 2, run.packets()


def test_interrupt_before_the_first_request_promises_no_wait():
    """The timer has not begun, so there is nothing that the ROM would have waited for."""
    for step in range(1, 6):
        net = FakeNet(rom("intel-undi"), silence)
        run = Run(rom("intel-undi"), None, net=net, interrupt_at=step)
        if not net.sent:
            same(run.next(), None, step)


# --- failures that are nobody's packet ----------------------------------------------------------


def test_rom_whose_last_request_meets_data_and_goes_on_to_nothing_fails_in_good_order():
    """R-TFTP-21: on.no_oack = next has no next request after the last one."""
    flat = rom("standard")
    flat["tftp"]["requests"] = flat["tftp"]["requests"][:1]
    flat["tftp"]["requests"][0]["on"]["no_oack"] = "next"
    run = Run(flat, FileServer(pattern(10), grant=()))
    same((run.code(), run.result["outcome"]), ("PXE-E38", "failed"))


def test_error_to_the_last_request_is_what_the_boot_fails_with():
    """R-TFTP-36, R-TFTP-56: on.error = next has nowhere to go after the last request."""
    flat = rom("standard")
    flat["tftp"]["requests"][1]["on"]["error"] = "next"

    def refuse(packet, local_port, port):
        return [(7, 45140, error(8, "no options" if b"tsize" in packet else "none at all"))]

    run = Run(flat, refuse)
    same((run.code(), len(run.requests())), ("PXE-E36", 2))
    same(run.result["status"]["detail"], "The server answered with ERROR 8: none at all")
    same([each["elapsed_ms"] for each in run.result["transfers"]], [7, 7])


def test_time_out_on_which_a_rom_speaks_is_still_a_time_out():
    """R-TFTP-73: on.give_up sends the ROM's ERROR, the outcome stays what it is."""
    flat = rom("os-client")
    flat["tftp"]["requests"][0]["on"]["give_up"] = {"error": 0, "message": "timeout"}

    def dying(packet, local_port, port):
        return [(1, 45140, data(1, bytes(512)))] if port == 69 else ()

    run = Run(flat, dying)
    same(run.packets()[-1], error(0, "timeout"))
    same((run.code(), run.result["transfers"][0]["outcome"]), ("PXE-E35", "timeout"))
    mute = Run(flat, silence)
    same(mute.packets(), [rrq("x")] * 6, "nobody to tell")


def test_refusal_within_the_last_wait_is_no_time_out():
    """The server's nonsense ends it, not the timer that happened to be at its last wait."""
    flat = rom("os-client")
    flat["tftp"]["requests"][0]["on"]["oversize_data"] = "fail"

    def late(packet, local_port, port):
        return [(1, 45140, data(1, bytes(600)))] if len(net.sent) == 6 else ()

    net = FakeNet(flat, late)
    run = Run(flat, late, net=net)
    same((run.code(), run.result["transfers"][0]["outcome"]), ("PXE-E3F", "refused"))


def test_failing_stack_ends_in_a_code_and_repeats_no_ack():
    """A send that the stack refuses: PXE-E38 on our side; no stale ACK follows it."""

    def refuse(packet):
        if packet == ack(2):
            raise Failure("PXE-E38", "Sending failed: operation not permitted", "ours")

    flat = rom("os-client")
    net = FakeNet(flat, FileServer(pattern(2000)))
    net.refuse = refuse
    run = Run(flat, None, net=net)
    same((run.code(), run.result["status"]["side"]), ("PXE-E38", "ours"))
    same(run.packets(), [rrq("x"), ack(1)])
    same((net.closed, run.result["transfers"][0]["outcome"]), (True, "refused"))


def test_name_that_cannot_be_asked_for_is_refused_before_anything_is_sent():
    """R-TFTP-2, R-TFTP-3."""
    for file in ("", "a\nb", "n" * 600):
        net = FakeNet(rom("intel-undi"), silence)
        refusal = raises(Refused, _refused, net, file)
        same((refusal.exit_code, net.sent, net.closed), (2, [], True))


def _refused(net, file):
    Run(rom("intel-undi"), silence, file, net=net)


# --- events -------------------------------------------------------------------------------------


def test_events_tell_the_whole_story_in_order():
    run = Run(rom("intel-undi"), FileServer(pattern(2000)), "x")
    same(
        [(each["event"], each["transfer"]) for each in run.events],
        [
            ("request", 0),
            ("oack", 0),
            ("aborted", 0),
            ("request", 1),
            ("oack", 1),
            ("data", 1),
            ("progress", 1),
            ("image", 1),
        ],
    )
    request = run.events[3]
    same(
        request,
        {
            "event": "request",
            "transfer": 1,
            "at_ms": 1,
            "purpose": "data",
            "attempt": 1,
            "source_port": 2071,
            "server": HOST,
            "server_port": 69,
            "file": "x",
            "options": [["blksize", "1456"]],
        },
    )
    same(run.events[1]["options"], {"tsize": "2000"})
    same(run.events[5]["blksize"], 1456)


def test_octet_is_the_only_mode():
    """R-TFTP-4, R-TFTP-75: netascii is never offered, so never sent."""
    for name in ("intel-undi", "intel-undi-plain", "os-client", "standard"):
        for _, _, packet in Run(rom(name), silence).requests():
            same(packet.split(b"\0")[2], b"octet")


def test_all_closes_come_from_one_place():
    """R-SEC-7: closed once more it stays closed; the sink's abort leaves what is whole."""
    run = Run(rom("os-client"), FileServer(pattern(9)))
    run.net.close()
    run.sink.abort()
    same((run.net.closed, run.sink.data), (True, pattern(9)))


def test_interrupt_at_any_step_of_a_failing_boot_ends_it_in_good_order():
    """R-SEC-7: also while the parting ERROR goes out, or the last wait runs."""
    cases = (
        (rom("standard"), _lying(999, 1000)),
        (rom("os-client"), _lying(5000, 1000)),
        (rom("intel-undi"), lambda packet, local_port, port: [(1, 45140, error(1, "no"))]),
        (rom("os-client"), silence),
    )
    for flat, server in cases:
        steps = Run(flat, server).net.steps
        for step in range(1, steps + 1):
            run = Run(flat, server, interrupt_at=step)
            same((run.result["ended"]["by"], run.result["outcome"]), ("user", "failed"), step)
            same((run.net.closed, run.sink.committed), (True, False), step)
