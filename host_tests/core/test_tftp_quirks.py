"""What only some ROMs do: each named choice of a ROM file, with the bytes it puts on the wire.

Most of them are hazards to a server, some to the file: where a real client would take a wrong
file for right, the wire is the same here, and the result says that it failed.
"""

from pxerom import tftp
from pxerom.failure import Failure
from pxerom.retry_rtt import RttRetry
from pxerom.rom_check import RomFileError
from pxerom.runtime import address, ticks_add

from host_tests.core.check import raises, rom, same
from host_tests.core.fakenet import (
    HOST,
    UNREACHABLE,
    Check,
    FakeNet,
    FileServer,
    Long,
    Run,
    pattern,
    silence,
)
from host_tests.core.packets import ack, data, error, oack, rrq

_PEER = address(HOST, 45140)
_OTHER = address(HOST, 45141)
_FULL = b"\xaa" * 512


def _transfer(name="standard", rollover=0, limit=None, tsize=None, asked=None, **on):
    request = dict(rom(name)["tftp"]["requests"][-1])
    request["on"] = dict(request["on"])
    request["on"].update(on)
    if asked is not None:
        request["options"] = asked
    return tftp.Transfer("x", request, rollover, HOST, limit, tsize)


def _feed(transfer, packet, sender=_PEER):
    verdict = transfer.feed(packet, sender, 0)
    return verdict, None if transfer.reply is None else bytes(transfer.reply)


def _ended(transfer, packet):
    failure = raises(Failure, transfer.feed, packet, _PEER, 0)
    return failure.code, None if transfer.reply is None else bytes(transfer.reply)


def _running(blocks, *granted, **more):
    transfer = _transfer(**more)
    if granted:
        same(_feed(transfer, oack(*granted)), (tftp.OPENED, ack(0)))
    for block in range(1, blocks + 1):
        same(_feed(transfer, data(block, bytes(transfer.blksize))), (tftp.BLOCK, ack(block)))
    return transfer


def _sent(run, since=0):
    return [(at_ms, port, packet) for at_ms, _, port, packet in run.net.sent][since:]


# --- DATA that comes early, late or twice --------------------------------------------------------


def test_block_that_came_early_is_held_and_acknowledged_with_the_missing_one():
    """iPXE: one ACK for both, which a lockstep server does not expect (R-TFTP-48, ROM note)."""
    transfer = _running(4, future_data="hold")
    same(_feed(transfer, data(6, b"b" * 512)), (tftp.ANSWER, ack(4)))
    same((transfer.due(), transfer.streams()), (None, 0))
    same(_feed(transfer, data(5, b"a" * 512)), (tftp.BLOCK, None))
    held = transfer.due()
    same(held, (data(6, b"b" * 512), _PEER))
    same(_feed(transfer, *held), (tftp.BLOCK, ack(6)))
    same((transfer.blocks, transfer.bytes, transfer.due()), (6, 6 * 512, None))
    same(_feed(transfer, data(7, b"end")), (tftp.LAST, ack(7)))


def test_held_block_waits_until_all_before_it_have_come():
    """The capture: DATA 8 while 5 is expected; 5 and 6 get their ACKs, 7 gets the ACK of 8."""
    content = pattern(512 * 11 + 7)
    files = FileServer(content, grant=(), retry_ms=None)
    early = data(8, content[7 * 512 : 8 * 512])

    def server(packet, local_port, port):
        replies = list(files(packet, local_port, port))
        if packet == ack(4) and run_of[0]:
            run_of[0] = False
            replies.insert(0, (0, 45140, early))
        if packet == ack(8):
            return list(files(ack(7), local_port, port)) + list(files(ack(8), local_port, port))
        return replies

    run_of = [True]
    run = Run(rom("ipxe"), server)
    same((run.result["outcome"], run.sink.data), ("ok", content))
    blocks = [packet[3] for packet in run.packets() if packet[1] == 4]
    same(blocks, [1, 2, 3, 4, 4, 5, 6, 8, 8, 9, 10, 11, 12], "the second 8 is for the second 8")


def test_held_block_may_be_the_last_one():
    transfer = _running(2, future_data="hold")
    same(_feed(transfer, data(4, b"end")), (tftp.ANSWER, ack(2)))
    same(_feed(transfer, data(3, _FULL)), (tftp.BLOCK, None))
    same(_feed(transfer, *transfer.due()), (tftp.LAST, ack(4)))
    same((transfer.state, transfer.bytes), (tftp.COMPLETE, 3 * 512 + 3))


def test_blocks_that_came_early_in_any_order_get_one_ack_with_the_missing_one():
    """iPXE keeps all that comes and names the first that it lacks."""
    transfer = _running(1, future_data="hold")
    for block in (5, 3, 4):
        same(_feed(transfer, data(block, bytes([block]) * 512)), (tftp.ANSWER, ack(1)))
    same(_feed(transfer, data(2, _FULL)), (tftp.BLOCK, None))
    for block, reply in ((3, None), (4, None), (5, ack(5))):
        held = transfer.due()
        same(held, (data(block, bytes([block]) * 512), _PEER))
        same(_feed(transfer, *held), (tftp.BLOCK, reply))
    same((transfer.due(), transfer.bytes, transfer.streams() > 0), (None, 5 * 512, True))


def test_only_a_few_blocks_are_held_and_none_that_is_too_long():
    """A server that sends far ahead costs four blocks of memory, not a file."""
    transfer = _running(1, future_data="hold", oversize_data="ignore")
    same(_feed(transfer, data(9, bytes(513))), (tftp.DROP, None))
    same(transfer.held, None)
    for block in (5, 6, 7, 8, 9):
        same(_feed(transfer, data(block, _FULL)), (tftp.ANSWER, ack(1)))
    same([transfer.held.has(block) for block in (5, 6, 7, 8, 9)], [True] * 4 + [False])


def test_old_block_is_acknowledged_by_its_own_number_where_grub_does_so():
    transfer = _running(4, old_data="ack_that", block_zero="ack_that")
    same(_feed(transfer, data(2, _FULL)), (tftp.ANSWER, ack(2)))
    same(_feed(transfer, data(0, _FULL)), (tftp.ANSWER, ack(0)))
    same(bytes(transfer.expire()), ack(4))


def test_duplicate_may_be_acknowledged_as_the_next_block():
    """The Pi 4's bug: ACK N + 1 for a second N; the last one of all is not said wrongly."""
    transfer = _running(3, duplicate_data="ack_due")
    same(_feed(transfer, data(3, _FULL)), (tftp.ANSWER, ack(4)))
    same((transfer.blocks, bytes(transfer.expire())), (3, ack(3)))
    same(_feed(transfer, data(4, b"end")), (tftp.LAST, ack(4)))
    same(_feed(transfer, data(4, b"end")), (tftp.ANSWER, ack(4)))


def test_u_boot_answers_a_copy_of_the_last_block_that_is_already_there():
    """And half a second later nobody is there any more."""
    content = pattern(1000)

    def server(packet, local_port, port):
        if port == 69:
            return [(1, 45140, oack(("timeout", 5), ("blksize", 1468)))]
        if packet == ack(0):
            last = data(1, content)
            return [(1, 45140, last), (1, 45140, last), (501, 45140, last)]
        return ()

    run = Run(rom("u-boot"), server)
    same([packet for _, _, packet in _sent(run, 1)], [ack(0), ack(1), ack(1)])
    same((run.sink.data, run.net.clock < 100), (content, True))


# --- no OACK, or one that is not understood ------------------------------------------------------


def test_grub_swallows_a_file_without_oack_and_asks_the_servers_tid_for_it_again():
    """The capture: every DATA acknowledged, then the RRQ to the TID, and a time-out on opening."""
    content = pattern(1200)
    request = rrq("/x", ("blksize", 1024), ("tsize", 0))

    def server(packet, local_port, port):
        if port == 69:
            return [(1, 45140, data(1, content[:512]))]
        if packet[1] == 1:
            return [(1, 45140, UNREACHABLE)]
        block = packet[3] + 1
        if block > 3:
            return ()
        return [(1, 45140, data(block, content[512 * (block - 1) : 512 * block]))]

    run = Run(rom("grub"), server)
    expected = [(0, 69, request), (1, 45140, ack(1)), (2, 45140, ack(2)), (3, 45140, ack(3))]
    same(_sent(run)[:4], expected)
    asked = [entry for entry in _sent(run, 1) if entry[2] == request]
    same(asked[:3], [(400, 45140, request), (820, 45140, request), (1260, 45140, request)])
    same((len(asked), run.code(), run.sink.data), (39, "PXE-E32", b""))
    assert error(0, "closed") not in run.packets(), "nothing was open"


def test_swallowed_block_that_is_old_is_acknowledged_again_and_an_early_one_is_not():
    transfer = _transfer("grub")
    same(_feed(transfer, data(1, _FULL)), (tftp.ANSWER, ack(1)))
    same(_feed(transfer, data(1, _FULL)), (tftp.ANSWER, ack(1)))
    same(_feed(transfer, data(3, _FULL)), (tftp.DROP, None))
    same(_feed(transfer, data(2, _FULL)), (tftp.ANSWER, ack(2)))
    same((transfer.state < tftp.RECEIVING, transfer.blocks, transfer.bytes), (True, 0, 0))
    same((bytes(transfer.expire())[:2], transfer.peer), (b"\0\1", _PEER))
    same(_feed(transfer, data(3, _FULL), _OTHER), (tftp.DROP, None), "an unknown TID by now")


def test_tftp_hpa_takes_no_oack_and_sends_its_request_to_the_new_tid():
    """The capture: every 5 s, until 25 s have passed."""

    def server(packet, local_port, port):
        return [(2, 45140, oack(("tsize", 5)))] if port == 69 else ()

    run = Run(rom("tftp-hpa"), server)
    same(
        _sent(run),
        [(0, 69, rrq("x"))] + [(5000 * n, 45140, rrq("x")) for n in range(1, 5)],
    )
    same((run.code(), run.net.clock), ("PXE-E32", 25000))


def test_following_rom_answers_whoever_wrote_last():
    """tftp-hpa: the unknown TID's block is taken and the unknown TID gets the ACK."""
    transfer = _running(4, name="tftp-hpa")
    same(_feed(transfer, data(5, _FULL), _OTHER), (tftp.BLOCK, ack(5)))
    same(transfer.reply_to, _OTHER)
    same(_feed(transfer, data(5, _FULL)), (tftp.ANSWER, ack(5)))
    same(transfer.reply_to, _PEER)


def test_block_from_another_port_is_taken_on_the_wire_and_never_reported_as_right():
    """RFC 1350 section 4 (R-TFTP-9): these ROMs do not look who sends DATA; the result fails."""
    content = pattern(512 * 3 + 9)
    takers = ("barebox", "curl", "etherboot", "freebsd", "openbsd", "pxelinux", "redboot")
    for name in takers + ("slof", "tftp-hpa"):

        def server(packet, local_port, port):
            if packet[1] == 5 or (port == 69 and b"tsize" in packet):
                return [(1, 45140, oack(("tsize", len(content))))] if port == 69 else ()
            block = 1 if port == 69 else packet[3] + 1
            payload = content[512 * block - 512 : 512 * block]
            return [(1, 45141 if block == 2 else 45140, data(block, payload))] if block < 5 else ()

        run = Run(rom(name), server)
        acks = [packet for packet in run.packets() if packet[1] == 4 and packet[3]]
        same(acks, [ack(1), ack(2), ack(3), ack(4)], name)
        same((run.code(), run.sink.committed, run.result["image"]), ("PXE-E39", False, None), name)
        status = run.result["status"]
        same(status["reason"], "unknown_tid", name)
        same(
            status["detail"], "DATA 2 came from port 45141 of the server, not from its port 45140"
        )
        same(run.sink.data, content)


def test_oack_in_mid_file_makes_u_boot_lose_count_and_leave():
    """The capture: ACK 4 again, then `First block is not block 1`, and nothing is sent."""
    transfer = _running(4, name="u-boot")
    same(_feed(transfer, oack(("timeout", 5))), (tftp.ANSWER, ack(4)))
    same(_ended(transfer, data(5, _FULL)), ("PXE-E39", None))


def test_oack_in_mid_file_makes_curl_acknowledge_0_and_hang():
    transfer = _running(4, name="curl")
    same(_feed(transfer, oack(("tsize", 5000))), (tftp.ANSWER, ack(0)))
    for block in (4, 5, 1, 0):
        same(_feed(transfer, data(block, _FULL)), (tftp.DROP, None), block)
    same((bytes(transfer.expire()), transfer.blocks), (ack(0), 4))


def test_oack_after_the_last_block_changes_nothing():
    """What is whole stays whole, however the ROM counts."""
    for reaction in ("ack_zero", "ack_and_lose"):
        transfer = _running(1, late_oack=reaction)
        same(_feed(transfer, data(2, b"end")), (tftp.LAST, ack(2)))
        same(_feed(transfer, oack(("tsize", 515))), (tftp.ANSWER, ack(2)))
        same(_feed(transfer, data(2, b"end")), (tftp.ANSWER, ack(2)))


# --- options -------------------------------------------------------------------------------------


def test_blksize_below_the_roms_least_is_refused_with_its_own_error():
    """Etherboot 512, PXELINUX 64."""
    low = _transfer("etherboot")
    same(_ended(low, oack(("blksize", 511))), ("PXE-E38", error(8, "RFC1782 error")))
    same(_feed(_transfer("etherboot"), oack(("blksize", 512)))[0], tftp.OPENED)
    low = _transfer("pxelinux")
    same(_ended(low, oack(("blksize", 63))), ("PXE-E38", error(8, "TFTP protocol error")))


def test_other_timeout_is_taken_only_by_those_who_do_not_look():
    """RFC 2349 asks for the same value: U-Boot minds, barebox does not."""
    other = oack(("timeout", 9), ("blksize", 1432))
    same(_feed(_transfer("barebox"), other), (tftp.OPENED, ack(0)))
    odd = oack(("timeout", "5.0"), ("blksize", "1432"))  # as py3tftp writes it
    same(_feed(_transfer("barebox"), odd), (tftp.OPENED, ack(0)))
    refused = error(8, "Option Negotiation Failed")
    same(_ended(_transfer("u-boot"), other), ("PXE-E38", refused))


def test_number_with_a_tail_counts_up_to_there_where_the_rom_reads_so():
    """A server that says `timeout 5.0`: U-Boot goes on, a strict client does not."""
    tail = oack(("timeout", "5.0"), ("blksize", "1468 bytes"))
    transfer = _transfer("u-boot")
    same((_feed(transfer, tail), transfer.blksize), ((tftp.OPENED, ack(0)), 1468))
    refused = error(8, "Option Negotiation Failed")
    for text in ("", ".5", "-5", "x"):
        strange = oack(("timeout", text))
        same(_ended(_transfer("u-boot"), strange), ("PXE-E38", refused), text)
    strict = _transfer("standard", asked=[["timeout", "5"]])
    same(_ended(strict, oack(("timeout", "5.0")))[0], "PXE-E38")


def test_busybox_refuses_with_an_error_of_five_bytes():
    """0005000800: a code and an empty text."""
    transfer = _transfer("busybox", asked=[["blksize", "1428"], ["tsize", "0"]])
    same(_ended(transfer, oack(("blksize", 4096))), ("PXE-E3F", b"\0\5\0\x08\0"))


def test_edk2_says_malformatted_to_what_it_did_not_ask_for():
    """Byte for byte as captured, the odd word included; its probe takes the same OACK."""
    text = b"\0\5\0\4Malformatted OACK packet\0"
    for options in ((("blksize", 4096),), (("tsize", 9),), (("windowsize", 5),)):
        same(_ended(_transfer("edk2"), oack(*options))[1], text, options)
    probe = rom("edk2")["tftp"]["requests"][0]
    transfer = tftp.Transfer("x", probe, 0, HOST)
    aborted = error(8, "User aborted the transfer")
    same(_feed(transfer, oack(("blksize", 4096), ("tsize", 9))), (tftp.END, aborted))


def test_freebsd_calls_an_oack_malformed_that_says_more_than_was_asked():
    """A blksize above 1428, or an option that it did not name: ERROR 8 and the end."""
    for options in ((("blksize", 1432),), (("tsize", 9), ("timeout", 2))):
        parting = _ended(_transfer("freebsd"), oack(*options))[1]
        same(parting, error(8, "Malformed OACK"), options)


def test_etherboot_passes_over_an_option_that_it_did_not_ask_for():
    """It looks for blksize, and for nothing else."""
    transfer = _transfer("etherboot")
    same(_feed(transfer, oack(("tsize", 9), ("blksize", 1024))), (tftp.OPENED, ack(0)))
    same(transfer.blksize, 1024)


def test_etherboot_answers_whatever_comes_with_its_last_ack():
    """Old, early and long DATA, a late OACK, any opcode: only an ERROR is not answered."""
    transfer = _running(4, ("blksize", 512), name="etherboot")
    odd = (data(2, _FULL), data(8, _FULL), data(5, bytes(520)), oack(("blksize", 512)))
    for packet in odd + (b"\0\x09\0\1", ack(4)):
        same(_feed(transfer, packet), (tftp.ANSWER, ack(4)), packet[:4])
    same(_ended(transfer, error(0, "died")), ("PXE-E36", None))


# --- ERROR ---------------------------------------------------------------------------------------


def test_tftp_hpa_acknowledges_an_error():
    """The capture: ACK 1 after the ERROR to its request, ACK 5 after one that came for block 5."""
    run = Run(rom("tftp-hpa"), lambda *_: [(3, 45140, error(1, "no"))])
    same(_sent(run), [(0, 69, rrq("x")), (3, 45140, ack(1))])
    same(run.code(), "PXE-E3B")
    same(_ended(_running(4, name="tftp-hpa"), error(0, "died")), ("PXE-E36", ack(5)))


def test_curl_answers_an_error_in_mid_file_with_four_bytes():
    """An ERROR without text, the last block as its code; to the first ERROR it says nothing."""
    same(_ended(_running(4, name="curl"), error(0, "died")), ("PXE-E36", b"\0\5\0\4"))
    same(_ended(_transfer("curl"), error(1, "no")), ("PXE-E3B", None))


def test_error_is_answered_once_and_by_nobody_else():
    """R-TFTP-10: not by any other ROM."""
    for name in ("ipxe", "edk2", "u-boot", "pxelinux", "grub", "busybox", "atftp", "slof"):
        run = Run(rom(name), lambda *_: [(3, 45140, error(1, "no"))] * 3)
        same(len(run.net.sent), 1, name)
    run = Run(rom("tftp-hpa"), lambda *_: [(3, 45140, error(1, "no"))] * 3)
    same(run.packets(), [rrq("x"), ack(1)])


# --- a file that is not to be trusted ------------------------------------------------------------


def test_oversize_data_is_cut_on_the_wire_and_never_reported_as_right():
    """busybox, curl, atftp and tftp-hpa go on with the first 512 bytes; the result fails. SLOF and
    FreeBSD take all of it, which looks the same from outside."""
    content = pattern(2000)
    for name in ("busybox", "curl", "atftp", "tftp-hpa", "slof", "freebsd"):

        def server(packet, local_port, port):
            if port == 69 and b"tsize" in packet:
                return [(1, 45140, oack(("tsize", 2000)))]
            if packet[1] != 4 and port != 69:
                return ()
            block = 1 if port == 69 else packet[3] + 1
            tail = b"8 bytes." if block == 2 else b""
            payload = content[512 * block - 512 : 512 * block] + tail
            return [(1, 45140, data(block, payload))] if block < 5 else ()

        run = Run(rom(name), server)
        acks = [packet for packet in run.packets() if packet[1] == 4 and packet[3]]
        same(acks, [ack(1), ack(2), ack(3), ack(4)], name)
        same((run.code(), run.sink.committed, run.result["image"]), ("PXE-E3F", False, None), name)
        same(run.sink.data, content, "cut, as the client does")


def test_larger_blksize_that_ends_the_file_early_is_no_file():
    """iPXE takes 4096, the server sends what was asked: short, so the last; PXE-E39, no ERROR."""

    def server(packet, local_port, port):
        if port == 69:
            return [(1, 45140, oack(("blksize", 4096), ("tsize", 74213)))]
        return [(1, 45140, data(1, bytes(1468)))] if packet == ack(0) else ()

    run = Run(rom("ipxe"), server)
    same([packet for _, _, packet in _sent(run, 1)], [ack(0), ack(1)])
    same((run.code(), run.sink.committed), ("PXE-E39", False))
    same(run.result["status"]["detail"], "74213 bytes were announced, 1468 came")


def test_more_than_tsize_is_taken_on_the_wire_and_fails_in_the_result():
    """ROMs that never compare: ACKs to the end; EDK2 has a buffer of that size and says so."""
    transfer = _running(2, ("tsize", 700), name="ipxe")
    same(_feed(transfer, data(3, b"end")), (tftp.LAST, ack(3)))
    same((transfer.doubt.code, transfer.bytes), ("PXE-E39", 1027))
    known = _transfer("edk2", tsize=700)
    same(_feed(known, data(1, _FULL))[0], tftp.BLOCK)
    full = error(3, "User provided memory block is too small")
    same(_ended(known, data(2, _FULL)), ("PXE-E39", full))


def test_limit_of_the_target_holds_where_the_rom_minds_no_tsize():
    """R-SEC-9: a doubtful ROM does not write beyond what there is room for."""
    transfer = _transfer("ipxe", limit=1000)
    same(_feed(transfer, oack(("tsize", 700))), (tftp.OPENED, ack(0)))
    same(_feed(transfer, data(1, _FULL))[0], tftp.BLOCK)
    same(_ended(transfer, data(2, _FULL))[0], "PXE-E3A")


# --- ICMP ----------------------------------------------------------------------------------------


def _unreachable_to_rrq(packet, local_port, port):
    return [(4, 69, UNREACHABLE)]


def test_icmp_to_the_request_ends_it_for_edk2_and_slof_alone():
    """R-SEC-18 (ROM note): one RRQ, PXE-E99 on EDK2's screen; all others keep their schedule."""
    for name in ("edk2", "slof"):
        run = Run(rom(name), _unreachable_to_rrq)
        same((len(run.net.sent), run.net.clock, run.result["outcome"]), (1, 4, "failed"))
        same(run.result["transfers"][0]["unreachable"], 1)
    for name, sends in (("ipxe", 6), ("u-boot", 11), ("busybox", 12), ("atftp", 6), ("curl", 43)):
        same(len(Run(rom(name), _unreachable_to_rrq).net.sent), sends, name)


def _dies_after(last):
    def server(packet, local_port, port):
        if packet[1] == 5:
            return ()
        if port == 69:
            options = [("tsize", 9999)] if b"tsize" in packet else []
            if b"windowsize" in packet:
                options.append(("windowsize", 1))
            return [(1, 45140, oack(*options) if options else data(1, _FULL))]
        if packet[3] >= last:
            return [(1, 45140, UNREACHABLE)]
        return [(1, 45140, data(packet[3] + 1, _FULL))]

    return server


def test_icmp_to_an_ack_ends_it_for_edk2_slof_busybox_and_atftp():
    """The captures: ERROR 0 `read error` of BusyBox, silence of the others; who believes no ICMP
    sends its ACK again."""
    leaves = (("edk2", None), ("slof", None), ("busybox", error(0, "read error")), ("atftp", None))
    for name, parting in leaves:
        flat = rom(name)
        run = Run(flat, _dies_after(3))
        expected = [ack(3)] if parting is None else [ack(3), parting]
        same(run.packets()[-len(expected) :], expected, name)
        same(run.packets().count(ack(3)), 1, name)
        assert run.net.clock < 100, name
    for name, times in (("ipxe", 6), ("u-boot", 11), ("tftp-hpa", 5)):
        same(Run(rom(name), _dies_after(3)).packets().count(ack(3)), times, name)


# --- timers --------------------------------------------------------------------------------------


def test_window_that_is_not_full_at_a_time_out_hears_the_last_ack_that_was_sent():
    """EDK2, captured: two of four blocks had come, and the ACK before them went out again."""
    transfer = _transfer("edk2")
    same(_feed(transfer, oack(("blksize", 512), ("windowsize", 4))), (tftp.OPENED, ack(0)))
    for block in range(1, 5):
        verdict = _feed(transfer, data(block, _FULL))
    same(verdict, (tftp.BLOCK, ack(4)))
    same(_feed(transfer, data(5, _FULL)), (tftp.BLOCK, None))
    same(_feed(transfer, data(6, _FULL)), (tftp.BLOCK, None))
    same(bytes(transfer.expire()), ack(4))
    same(_feed(transfer, data(5, _FULL)), (tftp.ANSWER, ack(6)), "the server begins anew")
    same(bytes(transfer.expire()), ack(6))


def test_gap_in_a_window_is_told_once_by_u_boot_and_with_each_block_by_edk2():
    """The captures: DATA 21 of 21..24 lost; ACK 20 once, or three times."""
    for name, replies in (("u-boot", [ack(4), None, None]), ("edk2", [ack(4)] * 3)):
        transfer = _transfer(name, asked=[["windowsize", "4"]])
        same(_feed(transfer, oack(("windowsize", 4))), (tftp.OPENED, ack(0)))
        for block in range(1, 5):
            _feed(transfer, data(block, _FULL))
        same([_feed(transfer, data(block, _FULL))[1] for block in (6, 7, 8)], replies, name)
        again = [_feed(transfer, data(block, _FULL))[1] for block in (5, 6, 7, 8)]
        same(again, [None, None, None, ack(8)], name)


def test_timer_that_follows_the_round_trips_waits_four_of_them():
    """R-TIM-2, iPXE's retry.c: t := 7/8 t + r/2, so it comes to 4 r; never below the table's."""
    timer = RttRetry([250, 550, 1040, 2030, 4070, 8160])
    now = ticks_add(0, 0)
    timer.sent(now)
    same(timer.waited_ms(), 250)
    for _ in range(60):
        now = ticks_add(now, 200)
        timer.restart(now)
    assert 780 <= timer.waited_ms() <= 860, timer.waited_ms()
    for _ in range(60):
        now = ticks_add(now, 2)
        timer.restart(now)
    same(timer.waited_ms(), 250)


def test_wait_that_was_doubled_stays_so_until_replies_have_used_it_up():
    """Karn: a reply after a resend says nothing about the round trip."""
    timer = RttRetry([250, 500, 1000, 2000, 4000, 8000])
    timer.sent(0)
    timer.sent(250)
    timer.sent(750)
    same((timer.waited_ms(), timer.left_ms(750)), (1000, 1000))
    timer.restart(800)
    same(timer.waited_ms(), 1000)
    timer.restart(801)
    same(timer.waited_ms(), 1000)
    timer.restart(802)
    same(timer.waited_ms(), 875)
    same((timer.sends, timer.exhausted()), (1, False))


def test_timer_ends_where_twice_its_wait_is_beyond_the_table():
    """From a long round trip there are fewer sends: iPXE's limit is 10 s."""
    for trip, least, most, expected in ((1000, 3700, 4100, 2), (1400, 5100, 5700, 1)):
        timer = RttRetry([250, 500, 1000, 2000, 4000, 8000])
        timer.sent(0)
        for n in range(1, 60):
            timer.restart(n * trip)
        first = timer.waited_ms()
        assert least <= first <= most, first
        sends = 1
        while not timer.exhausted():
            timer.sent(60 * trip)
            sends += 1
        same(sends, expected)
    for n in range(1, 200):
        timer.restart(60 * trip + n * 60000)
    same(timer.waited_ms(), 10000)


def test_path_that_turns_fast_amid_a_stream_shortens_the_wait_at_once():
    """The wait after a block is that block's, also where many are taken in a row."""
    content = Long(1432 * 90)
    files = FileServer(content, retry_ms=None)
    lost = []

    def server(packet, local_port, port):
        block = packet[3] if packet[1] == 4 else 0
        if block == 70 and not lost:
            lost.append(net.clock)
            return ()
        slow = 300 if block < 12 else 1
        return [(slow, source, what) for _, source, what in files(packet, local_port, port)]

    net = FakeNet(rom("ipxe"), server)
    run = Run(rom("ipxe"), None, sink=Check(content), net=net, keep="sent", told=False)
    again = [at_ms for at_ms, _, _, packet in net.sent if packet == ack(70)]
    assert 250 <= again[1] - lost[0] <= 260, (lost, again)
    assert run.sink.whole(), run.result["status"]


def test_slow_path_makes_ipxe_patient_and_the_table_alone_would_not():
    """200 ms each way: after the first blocks no ACK goes out twice."""
    content = Long(1432 * 30)
    server = FileServer(content, delay_ms=400, retry_ms=None)
    run = Run(rom("ipxe"), server, sink=Check(content), keep="sent")
    assert run.sink.whole(), run.result["status"]
    late = [packet for packet in run.packets() if packet[1] == 4 and packet[3] > 12]
    same(len(late), len(set(late)), "an ACK was repeated")
    flat = rom("ipxe")
    del flat["tftp"]["timer"]
    server = FileServer(content, delay_ms=400, retry_ms=None)
    impatient = Run(flat, server, sink=Check(content), keep="sent")
    assert impatient.packets().count(ack(20)) > 1


# --- ports and names -----------------------------------------------------------------------------


def test_counter_with_a_drawn_start_counts_on_from_there():
    """EDK2: probe n, download n + 1, the probe's retries at n."""
    for _ in range(30):
        run = Run(rom("edk2"), FileServer(pattern(10)))
        probe, download = [port for _, port, _ in run.requests()]
        assert 1024 <= probe <= 2047, probe
        same(download, probe + 1)


def test_first_max_outside_the_ports_is_refused():
    for first_max in (1023, 2001):
        message = str(raises(RomFileError, _with_first_max, first_max))
        assert message.startswith("udp.source_port.first_max: expected"), message


def _with_first_max(first_max):
    spec = {"policy": "counter", "first": 1024, "last": 2000, "first_max": first_max}
    return rom("edk2", udp__source_port=spec)


def test_ack_0_that_is_repeated_leaves_etherboot_from_a_new_port():
    """lport++ while no block has come; later ACKs keep the port."""

    def server(packet, local_port, port):
        if port == 69:
            return [(1, 45140, oack(("blksize", 1432)))] if local_port == 2002 else ()
        if packet == ack(0) and local_port == 2004:
            return [(1, 45140, data(1, bytes(1432)))]
        return ()

    net = FakeNet(rom("etherboot"), server)
    run = Run(rom("etherboot"), None, net=net, max_time_ms=200000)
    sent = [(local, packet) for _, local, _, packet in net.sent]
    request = rrq("x", ("blksize", 1432))
    expected = [(2001, request), (2002, request), (2002, ack(0)), (2003, ack(0)), (2004, ack(0))]
    same(sent[:6], expected + [(2004, ack(1))])
    same({local for local, packet in sent if packet == ack(1)}, {2004})
    same(run.result["ended"]["by"], "bench")


def test_slash_is_added_or_dropped_as_the_rom_does():
    """GRUB's names begin with one, barebox's never do, iPXE's as they are given (seen with iPXE
    1.0.0 of 2019: DHCP's "/boot/x" is asked for with its slash); bytes from DHCP likewise."""
    for name, given, wanted in (
        ("grub", "boot/x", "/boot/x"),
        ("grub", "//x", "/x"),
        ("grub", b"boot/x", "/boot/x"),
        ("ipxe", "/x", "/x"),
        ("ipxe-2", b"/x", "/x"),
        ("ipxe", "x", "x"),
        ("barebox", "/x", "x"),
        ("barebox", b"/x", "x"),
        ("u-boot", "/x", "/x"),
    ):
        packet = Run(rom(name), silence, given).packets()[0]
        same(packet[2:].split(b"\0")[0], wanted.encode(), name)
