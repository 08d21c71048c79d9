"""The receive engine, one datagram at a time: what is taken, what is answered, what ends it."""

from pxerom import tftp
from pxerom.failure import Failure
from pxerom.runtime import address, ticks_add
from pxerom.sink import Null
from pxerom.tftp_hazards import last_packet

from host_tests.core.check import raises, rom, same
from host_tests.core.fakenet import HOST
from host_tests.core.packets import ack, data, error, oack

_PEER = address(HOST, 45140)
_OTHER = address(HOST, 45141)
_FOREIGN = address("10.254.52.27", 45140)
_FULL = b"\xaa" * 512
_WINDOW = [["windowsize", "4"]]


def _transfer(options=(), rollover=0, limit=None, tsize=None, purpose="data", finish=None, **on):
    request = {
        "purpose": purpose,
        "mode": "octet",
        "options": options,
        "padding": 0,
        "finish": finish,
        "on": dict(rom("standard")["tftp"]["requests"][1]["on"], **on),
    }
    return tftp.Transfer("x", request, rollover, HOST, limit, tsize)


def _feed(transfer, packet, sender=_PEER, now=0):
    """(verdict, reply as bytes or None)"""
    verdict = transfer.feed(packet, sender, now)
    return verdict, None if transfer.reply is None else bytes(transfer.reply)


def _ended(transfer, packet, sender=_PEER):
    """(PXE code, last packet or None) of a datagram that must end the transfer."""
    failure = raises(Failure, transfer.feed, packet, sender, 0)
    return failure.code, None if transfer.reply is None else bytes(transfer.reply)


def _opened(options=(), granted=(), **more):
    transfer = _transfer(options, **more)
    if granted:
        same(_feed(transfer, oack(*granted)), (tftp.OPENED, ack(0)))
    return transfer


def _running(blocks=1, **more):
    transfer = _opened(**more)
    for block in range(1, blocks + 1):
        same(_feed(transfer, data(block, _FULL)), (tftp.BLOCK, ack(block)))
    return transfer


# --- binding ------------------------------------------------------------------------------------


def test_first_good_reply_fixes_the_peer():
    """R-TFTP-7, R-TFTP-12: the second server transfer gets ERROR 5 and changes nothing."""
    transfer = _running()
    same(transfer.peer, _PEER)
    late = _feed(transfer, data(2, _FULL), _OTHER)
    same(late, (tftp.ANSWER, error(5, "Unknown transfer ID")))
    same(transfer.reply_to, _OTHER)
    same((transfer.blocks, transfer.foreign, transfer.peer), (1, 1, _PEER))
    same(_feed(transfer, data(2, _FULL)), (tftp.BLOCK, ack(2)))
    same(transfer.reply_to, _PEER)


def test_malformed_or_foreign_datagram_does_not_bind():
    """R-TFTP-8, R-TFTP-51: short, DATA that is not block 1, an opcode that is no answer."""
    transfer = _transfer()
    for packet in (
        b"",
        b"\0",
        b"\0\3",
        b"\0\3\0",
        b"\0\6",
        data(2, _FULL),
        data(0, _FULL),
        ack(0),
    ):
        same(_feed(transfer, packet), (tftp.DROP, None), packet[:8])
        same(transfer.peer, None)
    same(_feed(transfer, data(1, _FULL), _FOREIGN), (tftp.DROP, None))
    same((transfer.peer, transfer.state < tftp.RECEIVING), (None, True))
    same(_feed(transfer, data(1, _FULL), _OTHER), (tftp.BLOCK, ack(1)))
    same(transfer.peer, _OTHER)


def test_oversize_first_data_does_not_bind():
    """R-TFTP-8, R-TFTP-50: nor does it stop the RRQ from being sent again."""
    transfer = _transfer(oversize_data="ignore")
    same(_feed(transfer, data(1, bytes(513))), (tftp.DROP, None))
    same((transfer.peer, transfer.state < tftp.RECEIVING), (None, True))
    assert transfer.expire() is transfer.request


def test_other_host_is_never_answered():
    """R-TFTP-11: an answer would make us a reflector."""
    transfer = _running()
    for packet in (data(2, _FULL), error(0, "die"), oack(("tsize", 1)), b""):
        same(_feed(transfer, packet, _FOREIGN), (tftp.DROP, None))
    same(transfer.foreign, 4)
    same(_feed(transfer, data(2, _FULL)), (tftp.BLOCK, ack(2)))


def test_error_of_an_unknown_tid_is_neither_believed_nor_answered():
    """R-TFTP-10, R-SEC-25, R-TFTP-9."""
    transfer = _running()
    same(_feed(transfer, error(1, "no"), _OTHER), (tftp.DROP, None))
    same(transfer.error, None)
    for packet in (b"", b"\0"):
        same(_feed(transfer, packet, _OTHER), (tftp.DROP, None))
    same(_feed(transfer, data(2, b"end")), (tftp.LAST, ack(2)))


def test_unknown_tids_get_ten_errors_a_second_and_no_more():
    """R-SEC-25."""
    transfer = _running()
    answered = [_feed(transfer, ack(9), _OTHER, 500)[0] for _ in range(1000)]
    same(answered, [tftp.ANSWER] * 10 + [tftp.DROP] * 990)
    same(_feed(transfer, ack(9), _OTHER, 1499)[0], tftp.DROP)
    same(_feed(transfer, ack(9), _OTHER, 1500)[0], tftp.ANSWER)
    same(transfer.foreign, 1002)


def test_reactions_to_an_unknown_tid_are_the_rom_files():
    """R-TFTP-9 (ROM note)."""
    same(_feed(_running(unknown_tid="ignore"), data(2, _FULL), _OTHER), (tftp.DROP, None))
    own = _running(unknown_tid={"error": 2, "message": "who"})
    same(_feed(own, data(2, _FULL), _OTHER), (tftp.ANSWER, error(2, "who")))
    accepting = _running(unknown_tid="accept")
    same(_feed(accepting, data(2, _FULL), _OTHER), (tftp.BLOCK, ack(2)))
    same(accepting.reply_to, _PEER)
    following = _running(unknown_tid="follow")
    same(_feed(following, data(2, _FULL), _OTHER), (tftp.BLOCK, ack(2)))
    same(following.reply_to, _OTHER)


# --- options ------------------------------------------------------------------------------------


def test_oack_is_acknowledged_with_ack_0_and_data_begins_at_1():
    """R-TFTP-22, R-TFTP-20, R-TFTP-24."""
    transfer = _opened([["blksize", "1024"]], [("blksize", 1024)])
    same(_feed(transfer, data(1, bytes(1024))), (tftp.BLOCK, ack(1)))
    same(_feed(transfer, data(2, bytes(1023))), (tftp.LAST, ack(2)))


def test_data_instead_of_oack_means_no_option_holds():
    """R-TFTP-21: blocks of 512 again, whatever was asked."""
    transfer = _transfer([["blksize", "1456"], ["windowsize", "8"], ["tsize", "0"]])
    same(_feed(transfer, data(1, _FULL)), (tftp.BLOCK, ack(1)))
    same((transfer.blksize, transfer.windowsize, transfer.tsize), (512, 1, None))
    same(_feed(transfer, data(2, b"end")), (tftp.LAST, ack(2)))


def test_option_that_is_not_acknowledged_is_not_used():
    """R-TFTP-24: an OACK of tsize alone leaves blksize at 512."""
    transfer = _opened([["blksize", "1456"], ["tsize", "0"]], [("tsize", 700)])
    same(_feed(transfer, data(1, _FULL)), (tftp.BLOCK, ack(1)))
    same(_feed(transfer, data(2, bytes(188))), (tftp.LAST, ack(2)))


def test_unrequested_option_ends_it_with_error_8():
    """R-TFTP-23, R-TFTP-29, R-TFTP-35: also when no option at all was asked for."""
    refusal = ("PXE-E38", error(8, "Option negotiation failed"))
    same(_ended(_transfer([["blksize", "512"]]), oack(("tsize", 1))), refusal)
    same(_ended(_transfer(), oack(("blksize", 512))), refusal)
    multicast = oack(("multicast", "239.255.0.1,1758,1"))
    same(_ended(_transfer([["tsize", "0"]]), multicast), refusal)


def test_grant_out_of_range_ends_it_with_error_8():
    """R-TFTP-25, R-TFTP-26, R-TFTP-28, R-TFTP-33, R-SEC-5: also one that 16 bits would hide."""
    refusal = error(8, "Option negotiation failed")
    asked = [["blksize", "1456"], ["windowsize", "4"], ["timeout", "3"], ["tsize", "0"]]
    for name, value in (
        ("blksize", "0"),
        ("blksize", "7"),
        ("blksize", "1457"),
        ("blksize", "65465"),
        ("blksize", "66048"),
        ("blksize", "-512"),
        ("blksize", ""),
        ("blksize", "1e3"),
        ("blksize", "00000001456"),
        ("windowsize", "0"),
        ("windowsize", "5"),
        ("windowsize", "65537"),
        ("timeout", "2"),
        ("timeout", "4"),
        ("timeout", "0"),
        ("tsize", "-1"),
        ("tsize", "18446744073709551616"),
        ("tsize", "0x10"),
    ):
        transfer = _transfer(asked)
        same(_ended(transfer, oack((name, value)))[1], refusal, name + " " + value)
    for name, value in (("blksize", 8), ("blksize", 1456), ("windowsize", 1), ("timeout", 3)):
        _opened(asked, [(name, value)])


def test_malformed_oack_ends_it_with_error_8():
    """R-TFTP-31."""
    transfer = _transfer([["tsize", "0"]])
    same(_ended(transfer, b"\0\6tsize\0005")[1], error(8, "Option negotiation failed"))
    transfer = _transfer([["tsize", "0"]])
    same(_ended(transfer, b"\0\6tsize\0005\0tsize\0005\0")[1][3], 8)


def test_oack_that_is_ignored_leaves_nothing_behind():
    """R-TFTP-21, R-SEC-2: blksize of an OACK that did not count is not the size of a block."""
    asked = [["blksize", "1456"], ["windowsize", "4"], ["tsize", "0"]]
    transfer = _transfer(asked, malformed_oack="ignore")
    bad = oack(("blksize", 1024), ("windowsize", 2), ("tsize", 9), ("timeout", 1))
    transfer.on["unrequested_option"] = "accept"
    same(_feed(transfer, bad[:-2] + b"x\0"), (tftp.DROP, None))
    same((transfer.state < tftp.RECEIVING, transfer.peer), (True, None))
    same((transfer.blksize, transfer.windowsize, transfer.tsize), (512, 1, None))
    same(_feed(transfer, data(1, _FULL)), (tftp.BLOCK, ack(1)))
    same(_feed(transfer, data(2, b"")), (tftp.LAST, ack(2)))


def test_smaller_grant_is_used():
    """R-TFTP-25, R-TFTP-28."""
    transfer = _opened([["blksize", "1456"]], [("blksize", 8)])
    same(_feed(transfer, data(1, bytes(8))), (tftp.BLOCK, ack(1)))
    same(_ended(transfer, data(2, bytes(9)))[0], "PXE-E3F")


def test_oack_without_a_pair_is_dropped():
    """R-TFTP-37: two bytes are no packet of a read."""
    same(_feed(_transfer([["tsize", "0"]]), b"\0\6"), (tftp.DROP, None))


def test_second_oack_means_that_ack_0_was_lost():
    """R-TFTP-34: ACK 0 again, nothing negotiated anew; after DATA 1 it is ignored."""
    transfer = _opened([["blksize", "1456"]], [("blksize", 1024)])
    same(_feed(transfer, oack(("blksize", 8))), (tftp.ANSWER, ack(0)))
    same(transfer.blksize, 1024)
    same(_feed(transfer, data(1, bytes(1024))), (tftp.BLOCK, ack(1)))
    same(_feed(transfer, oack(("blksize", 8))), (tftp.DROP, None))
    same(transfer.blksize, 1024)


def test_receive_buffer_holds_512_even_when_less_was_asked():
    """R-SEC-1, R-SEC-2, R-TFTP-50: and one byte more, so that a larger datagram shows."""
    same(_transfer([["blksize", "8"]]).recv_size, 517)
    same(_transfer().recv_size, 517)
    same(_transfer([["blksize", "1456"]]).recv_size, 1461)
    transfer = _transfer([["blksize", "8"]])
    same(_feed(transfer, data(1, _FULL)), (tftp.BLOCK, ack(1)))
    larger = _opened([["blksize", "1456"]], [("blksize", 4096)], larger_blksize="accept")
    same((larger.blksize, larger.recv_size), (4096, 4101))


def test_reactions_to_options_are_the_rom_files():
    """R-TFTP-23, R-TFTP-25."""
    granted = [("windowsize", 2), ("blksize", 1024), ("timeout", 9)]
    generous = _opened([["tsize", "0"]], granted, unrequested_option="accept")
    same((generous.windowsize, generous.blksize), (2, 1024))
    asked = [["blksize", "512"], ["tsize", "0"]]
    ignoring = _opened(asked, [("timeout", 5), ("tsize", 9)], unrequested_option="ignore")
    same(ignoring.tsize, 9)
    silent = _transfer(asked, unrequested_option="fail")
    same(_ended(silent, oack(("timeout", 5))), ("PXE-E38", None))
    larger = _opened(asked, [("blksize", 1024)], larger_blksize="ignore")
    same(larger.blksize, 512)
    own = _transfer(asked, larger_blksize={"error": 4, "message": "too big"})
    same(_ended(own, oack(("blksize", 1024))), ("PXE-E3F", error(4, "too big")))


# --- the size probe -----------------------------------------------------------------------------


def test_size_probe_is_ended_by_the_roms_error():
    """R-TFTP-38: to the TID of the OACK; the tsize is known then."""
    finish = {"error": 0, "message": "TFTP Aborted"}
    transfer = _transfer([["tsize", "0"]], purpose="size", finish=finish)
    same(_feed(transfer, oack(("tsize", 74213))), (tftp.END, error(0, "TFTP Aborted")))
    same((transfer.reply_to, transfer.tsize), (_PEER, 74213))
    quiet = _transfer([["tsize", "0"]], purpose="size")
    same(_feed(quiet, oack(("tsize", 1))), (tftp.END, None))


def test_data_or_error_to_the_probe_leads_on_where_the_rom_says_so():
    """R-TFTP-36 (ROM note), R-TFTP-56 (ROM note)."""
    finish = {"error": 0, "message": "TFTP Aborted"}
    probe = _transfer([["tsize", "0"]], purpose="size", finish=finish, no_oack="next")
    same(_feed(probe, data(1, _FULL)), (tftp.END, error(0, "TFTP Aborted")))
    probe = _transfer([["tsize", "0"]], purpose="size", finish=finish, error="next")
    same(_feed(probe, error(2, "no")), (tftp.END, None))
    same(probe.error, {"code": 2, "message": "no"})


def test_refused_options_are_asked_again_without_after_0_4_and_8_only():
    """R-TFTP-36."""
    for code in range(9):
        transfer = _transfer([["tsize", "0"]], error="next_if_refused")
        if code in (0, 4, 8):
            same(_feed(transfer, error(code, "no")), (tftp.END, None), code)
        else:
            raises(Failure, transfer.feed, error(code, "no"), _PEER, 0)


# --- DATA ---------------------------------------------------------------------------------------


def test_blocks_come_one_after_the_other_and_are_echoed():
    """R-TFTP-40, R-TFTP-41, R-TFTP-42."""
    transfer = _running(300)
    same((transfer.blocks, transfer.bytes), (300, 300 * 512))
    same(bytes(transfer.payload(data(301, _FULL))), _FULL)


def test_short_block_is_the_end_and_a_full_one_never():
    """R-TFTP-43, R-TFTP-44: at tsize with a full block, the empty one is waited for."""
    transfer = _opened([["tsize", "0"]], [("tsize", 1024)])
    same(_feed(transfer, data(1, _FULL)), (tftp.BLOCK, ack(1)))
    same(_feed(transfer, data(2, _FULL)), (tftp.BLOCK, ack(2)))
    same(transfer.state, tftp.RECEIVING)
    same(_feed(transfer, data(3, b"")), (tftp.LAST, ack(3)))
    same((transfer.state, transfer.bytes, transfer.blocks), (tftp.COMPLETE, 1024, 3))


def test_empty_file_is_one_empty_block():
    """R-TFTP-43."""
    transfer = _transfer()
    same(_feed(transfer, data(1, b"")), (tftp.LAST, ack(1)))
    same((transfer.blocks, transfer.bytes), (1, 0))


def test_blocks_of_256_n_bytes_and_of_odd_length_are_whole():
    """R-SEC-13."""
    for blksize in (8, 255, 256, 257, 511, 768, 1024, 1280, 1455, 1456):
        transfer = _opened([["blksize", "1456"]], [("blksize", blksize)])
        for block in (1, 2):
            packet = data(block, bytes([block]) * blksize)
            same(_feed(transfer, packet), (tftp.BLOCK, ack(block)))
            same(bytes(transfer.payload(packet)), packet[4:])
        for size in (0, 1, blksize - 1):
            packet = data(3, bytes(size))
            same(bytes(transfer.payload(packet)), packet[4:], size)


def test_duplicate_data_is_acknowledged_again_and_never_stored():
    """R-TFTP-46: once in each time-out (ack_once), each time (ack), never (ignore)."""
    transfer = _running(2)
    same(_feed(transfer, data(2, _FULL)), (tftp.ANSWER, ack(2)))
    same(_feed(transfer, data(2, _FULL)), (tftp.DROP, None))
    same(bytes(transfer.expire()), ack(2))
    same(_feed(transfer, data(2, _FULL)), (tftp.ANSWER, ack(2)))
    same((transfer.blocks, transfer.bytes, transfer.duplicates), (2, 1024, 3))
    always = _running(2, duplicate_data="ack")
    same([_feed(always, data(2, _FULL))[1] for _ in range(3)], [ack(2)] * 3)
    never = _running(2, duplicate_data="ignore")
    same(_feed(never, data(2, _FULL)), (tftp.DROP, None))


def test_new_block_allows_a_new_re_ack():
    """R-TFTP-46: the limit is one per block and time-out, not one per transfer."""
    transfer = _running(1)
    same(_feed(transfer, data(1, _FULL))[1], ack(1))
    same(_feed(transfer, data(2, _FULL)), (tftp.BLOCK, ack(2)))
    same(_feed(transfer, data(2, _FULL)), (tftp.ANSWER, ack(2)))


def test_future_old_and_zero_blocks_are_never_stored():
    """R-TFTP-48, R-TFTP-49."""
    transfer = _running(3)
    for block in (5, 6, 1, 2, 0, 30000, 40000, 65535):
        same(_feed(transfer, data(block, _FULL)), (tftp.DROP, None), block)
    same((transfer.blocks, transfer.bytes), (3, 1536))
    same(_feed(transfer, data(4, b"end")), (tftp.LAST, ack(4)))


def test_block_0_before_block_1_is_no_duplicate():
    """R-TFTP-49: nothing has come yet that it could repeat."""
    transfer = _opened([["tsize", "0"]], [("tsize", 5)], duplicate_data="ack")
    same(_feed(transfer, data(0, _FULL)), (tftp.DROP, None))
    same((transfer.duplicates, transfer.bytes), (0, 0))


def test_packet_of_a_blocks_size_is_not_data_for_that():
    """R-TFTP-52, R-TFTP-56: length and number fit, the opcode does not."""
    padded = b"\0\5\0\2" + b"text\0" + bytes(507)
    same(_ended(_running(1), padded), ("PXE-E3C", None))
    for opcode in (b"\1\3", b"\0\4", b"\0\6"):
        transfer = _running(1, stray_opcode="ignore")
        same(_feed(transfer, opcode + b"\0\2" + bytes(512)), (tftp.DROP, None))
        same(transfer.bytes, 512)


def test_reactions_to_misplaced_blocks_are_the_rom_files():
    """R-TFTP-48, R-TFTP-49."""
    illegal = error(4, "Illegal TFTP operation")
    for hazard, block in (("future_data", 5), ("old_data", 1), ("block_zero", 0)):
        same(_feed(_running(3, **{hazard: "ack"}), data(block, _FULL)), (tftp.ANSWER, ack(3)))
        strict = _running(3, **{hazard: "error"})
        same(_ended(strict, data(block, _FULL)), ("PXE-E39", illegal), hazard)
        same(_ended(_running(3, **{hazard: "fail"}), data(block, _FULL)), ("PXE-E39", None))
    for hazard, block in (("old_data", 1), ("block_zero", 0)):
        that = _running(3, **{hazard: "ack_that"})
        same(_feed(that, data(block, _FULL)), (tftp.ANSWER, ack(block)))
        same(bytes(that.expire()), ack(3))


def test_oversize_data_is_not_stored_even_in_part():
    """R-TFTP-50, R-SEC-6: the datagram was cut at blksize + 5, which is one byte too many."""
    transfer = _running(1)
    same(
        _ended(transfer, data(2, bytes(513))),
        ("PXE-E3F", error(4, "Illegal TFTP operation")),
    )
    same((transfer.blocks, transfer.bytes), (1, 512))
    ignoring = _running(1, oversize_data="ignore")
    same(_feed(ignoring, data(2, bytes(513))), (tftp.DROP, None))
    same(ignoring.bytes, 512)


def test_short_packets_are_dropped():
    """R-TFTP-51: below four bytes nothing is read."""
    transfer = _running(1)
    for packet in (b"", b"\0", b"\0\3", b"\0\3\0", b"\0\5", b"\0\5\0", b"\0\4\0", b"\0\6"):
        same(_feed(transfer, packet), (tftp.DROP, None))
    same(_feed(transfer, data(2, b"")), (tftp.LAST, ack(2)))


def test_opcodes_that_are_no_part_of_a_read_end_it_with_error_4():
    """R-TFTP-52, R-SEC-4: an ACK, an RRQ, a WRQ never turn the direction round."""
    illegal = error(4, "Illegal TFTP operation")
    for packet in (
        ack(1),
        b"\0\1x\0octet\0",
        b"\0\2x\0octet\0",
        b"\0\7ab",
        b"\1\3\0\2",
        b"\xff" * 9,
    ):
        same(_ended(_running(1), packet), ("PXE-E33", illegal), packet)
        ignoring = _running(1, stray_opcode="ignore")
        same(_feed(ignoring, packet), (tftp.DROP, None))
        same(_feed(ignoring, data(2, b"")), (tftp.LAST, ack(2)))


def test_stray_opcodes_are_ignored_256_times_at_most():
    """R-TFTP-52: ignored with a cap."""
    transfer = _running(1, stray_opcode="ignore")
    for _ in range(255):
        same(_feed(transfer, ack(1)), (tftp.DROP, None))
    same(_ended(transfer, ack(1)), ("PXE-E33", error(4, "Illegal TFTP operation")))


def test_ack_in_answer_to_the_request_does_not_make_us_send():
    """R-SEC-4, R-TFTP-52."""
    transfer = _transfer()
    same(_feed(transfer, ack(0)), (tftp.DROP, None))
    same(_feed(transfer, data(1, b"")), (tftp.LAST, ack(1)))


# --- the server's ERROR -------------------------------------------------------------------------


def test_error_ends_it_at_once_with_nothing_sent():
    """R-TFTP-56, R-TFTP-10: code and text are kept."""
    for code, pxe in (
        (0, "PXE-E36"),
        (1, "PXE-E3B"),
        (2, "PXE-E3C"),
        (7, "PXE-E36"),
        (9, "PXE-E36"),
    ):
        for transfer in (_transfer(), _running(1)):
            same(_ended(transfer, error(code, "why not")), (pxe, None))
            same(transfer.error, {"code": code, "message": "why not"})


def test_error_text_without_nul_or_with_control_bytes_is_made_harmless():
    """R-TFTP-56, R-SEC-22: no NUL, no text at all, escape sequences, bytes beyond ASCII."""
    for packet, message in (
        (b"\0\5\0\1no such", "no such"),
        (b"\0\5\0\1", ""),
        (b"\0\5\0\1a\0hidden", "a"),
        (b"\0\5\0\1\x1b[2J\r\n\x9b\xff%s{0}\0", ".[2J....%s{0}"),
    ):
        transfer = _transfer()
        same(_ended(transfer, packet)[0], "PXE-E3B")
        same(transfer.error["message"], message)


# --- sizes --------------------------------------------------------------------------------------


def test_more_than_tsize_ends_it_with_error_3():
    """R-TFTP-45: before the block is stored."""
    transfer = _opened([["tsize", "0"]], [("tsize", 700)])
    same(_feed(transfer, data(1, _FULL)), (tftp.BLOCK, ack(1)))
    code, reply = _ended(transfer, data(2, bytes(189)))
    same((code, reply[:4]), ("PXE-E39", b"\0\5\0\3"))
    same(transfer.bytes, 512)


def test_less_than_tsize_is_no_file():
    """R-TFTP-45."""
    transfer = _opened([["tsize", "0"]], [("tsize", 700)])
    same(_feed(transfer, data(1, _FULL)), (tftp.BLOCK, ack(1)))
    code, reply = _ended(transfer, data(2, bytes(187)))
    same((code, reply[:4]), ("PXE-E39", b"\0\5\0\0"))
    same(transfer.state, tftp.RECEIVING)


def test_tsize_beyond_the_limit_is_refused_before_the_first_block():
    """R-TFTP-27, R-SEC-9."""
    disk_full = error(3, "Disk full or allocation exceeded")
    transfer = _transfer([["tsize", "0"]], limit=1000)
    same(_ended(transfer, oack(("tsize", 1001))), ("PXE-E3A", disk_full))
    _opened([["tsize", "0"]], [("tsize", 1000)], limit=1000)


def test_limit_holds_per_block_where_tsize_is_absent():
    """R-SEC-9: the block that goes beyond it is not stored."""
    transfer = _running(1, limit=1000)
    same(_ended(transfer, data(2, bytes(489)))[0], "PXE-E3A")
    same(transfer.bytes, 512)
    same(_feed(_running(1, limit=1000), data(2, bytes(488))), (tftp.LAST, ack(2)))


# --- roll-over ----------------------------------------------------------------------------------


def _at_65535(**more):
    transfer = _opened([["blksize", "8"]], [("blksize", 8)], **more)
    packet = bytearray(12)
    packet[1] = 3
    for block in range(1, 65535):
        packet[2] = block >> 8
        packet[3] = block & 255
        assert transfer.feed(packet, _PEER, 0) == tftp.BLOCK
    return transfer


def test_block_after_65535_is_0_or_1_as_the_rom_has_it():
    """R-TFTP-53, R-TFTP-54: the ACK carries the wrapped number, duplicates are still known."""
    for rollover in (0, 1):
        transfer = _at_65535(rollover=rollover)
        same(_feed(transfer, data(65535, bytes(8))), (tftp.BLOCK, ack(65535)))
        same(_feed(transfer, data(1 - rollover, bytes(8)))[0], tftp.DROP, "the other number")
        same(_feed(transfer, data(65535, bytes(8))), (tftp.ANSWER, ack(65535)))
        same(_feed(transfer, data(rollover, bytes(8))), (tftp.BLOCK, ack(rollover)))
        same(_feed(transfer, data(rollover, bytes(8))), (tftp.ANSWER, ack(rollover)))
        same(bytes(transfer.expire()), ack(rollover))
        same(_feed(transfer, data(rollover + 1, b"end")), (tftp.LAST, ack(rollover + 1)))
        same((transfer.blocks, transfer.bytes), (65537, 65536 * 8 + 3))


def test_file_of_more_than_65535_blocks_fails_where_the_rom_cannot_count_on():
    """R-TFTP-53: block 65535 itself may still be the last."""
    transfer = _at_65535(rollover="fail")
    same(_feed(transfer, data(65535, bytes(7))), (tftp.LAST, ack(65535)))
    transfer = _at_65535(rollover="fail")
    code, reply = _ended(transfer, data(65535, bytes(8)))
    same((code, reply[:4]), ("PXE-E3A", b"\0\5\0\3"))


def _streamed(transfer, *datagrams, into=False):
    """(numbers of the ACKs, bytes that were stored, what was left to `feed`) of the loop."""
    waiting = [(packet, _PEER) for packet in datagrams]
    acks, stored = [], []

    def receive(taken):
        if not waiting:
            raise OSError(110)
        data, sender = waiting.pop(0)
        if not into:
            return data, sender
        taken[: len(data)] = data
        return len(data), sender

    left, sender, error = transfer.stream(
        transfer.streams(),
        (receive, into or None, lambda packet, to: acks.append((packet[2] << 8 | packet[3], to))),
        lambda view: stored.append(bytes(view)),
        Null(),
        None,
        lambda: 0,
        ticks_add(0, 1000),
    )
    same([to for _, to in acks], [_PEER] * len(acks))
    same((sender is None, error is None), (left is None, not waiting and left is not None))
    return [number for number, _ in acks], b"".join(stored), left


def test_loop_over_full_blocks_stops_before_65535_and_goes_on_after_it():
    """R-TFTP-53, R-TFTP-54: `feed` alone decides what follows 65535."""
    for rollover, into in ((0, False), (1, False), (0, True), (1, True)):
        transfer = _at_65535(rollover=rollover)
        same(transfer.streams(), 0)
        same(_feed(transfer, data(65535, bytes(8))), (tftp.BLOCK, ack(65535)))
        same(transfer.streams() > 60000, True)
        blocks = [data(rollover + n, bytes((n,)) * 8) for n in range(4)]
        acks, stored, left = _streamed(transfer, *blocks[:3], blocks[3] + b"x", into=into)
        same(acks, [rollover, rollover + 1, rollover + 2])
        same((stored, left), (bytes(8) + b"\1" * 8 + b"\2" * 8, blocks[3] + b"x"))
        same((transfer.blocks, transfer.bytes), (65538, 65538 * 8))
        same(_feed(transfer, blocks[3]), (tftp.BLOCK, ack(rollover + 3)))


def test_block_whose_ack_cannot_be_sent_is_left_to_feed():
    """R-TFTP-47: neither taken nor acknowledged; the last ACK stays the one that is repeated."""
    transfer = _running(2)

    def refuse(packet, to):
        raise OSError(111)

    stored = []
    left, sender, error = transfer.stream(
        9,
        (lambda size: (data(3, _FULL), _PEER), None, refuse),
        stored.append,
        Null(),
        None,
        int,
        ticks_add(0, 9),
    )
    same((left, sender, isinstance(error, OSError)), (data(3, _FULL), _PEER, True))
    same((stored, transfer.blocks, bytes(transfer.expire())), ([], 2, ack(2)))
    same(_feed(transfer, data(3, _FULL)), (tftp.BLOCK, ack(3)))


# --- windows ------------------------------------------------------------------------------------


def _windowed(**more):
    return _opened(_WINDOW, [("windowsize", 4)], **more)


def test_last_block_of_each_window_is_acknowledged():
    """R-TFTP-61: and the final block at once, wherever it falls."""
    transfer = _windowed()
    replies = [_feed(transfer, data(block, _FULL))[1] for block in range(1, 9)]
    same(replies, [None, None, None, ack(4), None, None, None, ack(8)])
    same(_feed(transfer, data(9, _FULL)), (tftp.BLOCK, None))
    same(_feed(transfer, data(10, b"end")), (tftp.LAST, ack(10)))


def test_gap_is_answered_once_with_the_last_block_in_order():
    """R-TFTP-62: the later blocks are discarded, the next window starts after that ACK."""
    transfer = _windowed()
    _feed(transfer, data(1, _FULL))
    same(_feed(transfer, data(3, _FULL)), (tftp.ANSWER, ack(1)))
    same(_feed(transfer, data(4, _FULL)), (tftp.DROP, None))
    same(transfer.blocks, 1)
    replies = [_feed(transfer, data(block, _FULL))[1] for block in range(2, 6)]
    same(replies, [None, None, None, ack(5)])


def test_time_out_in_a_window_acknowledges_the_last_block_in_order():
    """R-TFTP-63, R-TFTP-71: and a new window begins there."""
    transfer = _windowed()
    _feed(transfer, data(1, _FULL))
    _feed(transfer, data(2, _FULL))
    same(bytes(transfer.expire()), ack(2))
    replies = [_feed(transfer, data(block, _FULL))[1] for block in range(3, 7)]
    same(replies, [None, None, None, ack(6)])


def test_re_ack_in_a_window_begins_a_new_window():
    """R-TFTP-62: the server goes on after any ACK, so blocks are counted from there."""
    transfer = _windowed()
    _feed(transfer, data(1, _FULL))
    _feed(transfer, data(2, _FULL))
    same(_feed(transfer, data(2, _FULL)), (tftp.ANSWER, ack(2)))
    replies = [_feed(transfer, data(block, _FULL))[1] for block in range(3, 7)]
    same(replies, [None, None, None, ack(6)])


def test_window_that_comes_again_gets_its_ack_again():
    """R-TFTP-61, R-TFTP-46: the ACK of the window was lost."""
    transfer = _windowed()
    for block in range(1, 5):
        _feed(transfer, data(block, _FULL))
    replies = [_feed(transfer, data(block, _FULL))[1] for block in range(1, 5)]
    same(replies, [None, None, None, ack(4)])
    same(transfer.bytes, 4 * 512)


def test_window_survives_the_roll_over():
    """R-TFTP-64: a gap and an old block are told apart across the wrap, both ways of it."""
    for rollover in (0, 1):
        transfer = _opened(
            [["blksize", "8"], ["windowsize", "4"]],
            [("blksize", 8), ("windowsize", 4)],
            rollover=rollover,
        )
        packet = bytearray(12)
        packet[1] = 3
        for block in range(1, 65533):
            packet[2] = block >> 8
            packet[3] = block & 255
            transfer.feed(packet, _PEER, 0)
        full = bytes(8)
        same(_feed(transfer, data(65533, full)), (tftp.BLOCK, None))
        same(_feed(transfer, data(65534, full)), (tftp.BLOCK, None))
        same(_feed(transfer, data(rollover, full)), (tftp.ANSWER, ack(65534)), "a gap")
        same(_feed(transfer, data(65535, full)), (tftp.BLOCK, None))
        same(_feed(transfer, data(rollover, full)), (tftp.BLOCK, None))
        same(_feed(transfer, data(65534, full)), (tftp.DROP, None), "an old block")
        same(_feed(transfer, data(rollover + 1, full)), (tftp.BLOCK, None))
        same(_feed(transfer, data(rollover + 2, full)), (tftp.BLOCK, ack(rollover + 2)))


# --- the end ------------------------------------------------------------------------------------


def test_final_data_again_is_acknowledged_again():
    """R-TFTP-55: whatever the ROM does with other duplicates."""
    transfer = _running(1, duplicate_data="ignore")
    same(_feed(transfer, data(2, b"end")), (tftp.LAST, ack(2)))
    for _ in range(3):
        same(_feed(transfer, data(2, b"end")), (tftp.ANSWER, ack(2)))
    same(_feed(transfer, data(3, b"more")), (tftp.DROP, None))
    same(_feed(transfer, data(1, _FULL)), (tftp.DROP, None))
    same((transfer.bytes, transfer.blocks), (515, 2))


def test_request_is_resent_until_the_first_reply_and_the_last_ack_after_it():
    """R-TFTP-71: noise before the first reply changes nothing."""
    transfer = _transfer([["tsize", "0"]])
    request = b"\0\1x\0octet\0tsize\x000\0"
    same(bytes(transfer.expire()), request)
    _feed(transfer, data(7, _FULL))
    same(bytes(transfer.expire()), request)
    _feed(transfer, oack(("tsize", 600)))
    same(bytes(transfer.expire()), ack(0))
    _feed(transfer, data(1, _FULL))
    same(bytes(transfer.expire()), ack(1))


def test_parting_error_needs_a_peer():
    """R-TFTP-57, R-TFTP-58."""
    same(last_packet(_transfer(), KeyboardInterrupt())[1], None)
    aborted = last_packet(_running(1), KeyboardInterrupt())
    same(aborted, ("aborted", error(0, "TFTP Aborted"), _PEER))
    full = last_packet(_running(1), Failure("PXE-E3A", "x", None, "cannot_write"))
    same(full[:2], ("refused", error(3, "Disk full or allocation exceeded")))
    giving_up = _running(1, give_up={"error": 0, "message": "timeout"})
    stopped = Failure("PXE-E35", "x", None, "stopped")
    same(last_packet(giving_up, stopped), ("timeout", error(0, "timeout"), _PEER))
    same(last_packet(_running(1), stopped)[1], None)
