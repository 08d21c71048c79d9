"""How a transfer fails: each hazard's PXE code, the ERROR that an RFC client sends, the words.

Loaded when a transfer has failed, and not before. What a hazard is, and when it is one: `tftp`.
"""

from pxerom.failure import Failure

# PXE code, code of the RFC's ERROR, hazards: what happened. What is not in a ROM file is no
# hazard but the end with any ROM: too_long, rollover.
_HAZARDS = """
E38 8 no_oack: The server sent DATA where an OACK is needed
E38 8 malformed_oack unrequested_option: The server's OACK %s
E3F 8 larger_blksize: The server's OACK %s
E39 4 duplicate_oack late_oack: An OACK came again
E3F 4 oversize_data: DATA is longer than the blksize %d%s
E39 4 duplicate_data old_data block_zero future_data window_gap: DATA %d came where %d was due
E39 0 unknown_tid: DATA %d came from port %d of the server, not from its port %d
E33 4 stray_opcode: Packets that are no part of a read came
E39 0 wrong_size: %d bytes were announced, %d came
E39 3 longer_than_tsize: More than the announced %d bytes came
E3A 3 too_long: The file has %d bytes or more, at most %d can be taken
E3A 3 rollover: The file has more than 65535 blocks
E38 0 rrq_unreachable ack_unreachable: ICMP says that nothing listens there
"""

# Texts of the ERRORs that an RFC client sends (RFC 1350 appendix, RFC 2347).
_ERRORS = {
    3: "Disk full or allocation exceeded",
    4: "Illegal TFTP operation",
    8: "Option negotiation failed",
}


def failure(hazard, values):
    """(the Failure, the RFC's ERROR as {"error", "message"}) of a hazard. `values`: what its
    sentence is filled with."""
    at = _HAZARDS.index(" " + hazard)
    line = _HAZARDS[_HAZARDS.rindex("\n", 0, at) + 1 : _HAZARDS.index("\n", at)]
    names, _, detail = line.partition(": ")
    code, number, _ = names.split(" ", 2)
    detail %= values
    message = _ERRORS.get(int(number), detail)
    return Failure("PXE-" + code, detail, None, hazard), {"error": int(number), "message": message}


def last_packet(transfer, end):
    """(outcome, packet, peer) of a transfer that `end`, an exception, has ended: what the record
    says, and what the peer is owed, or None."""
    if isinstance(end, MemoryError) or getattr(end, "reason", "") == "cannot_write":
        packet = transfer.abort(3, "Disk full or allocation exceeded")
        return "refused", packet, transfer.peer
    if not isinstance(end, Failure):
        return "aborted", transfer.abort(0, "TFTP Aborted"), transfer.peer
    outcome = "timeout" if end.reason in ("no_reply", "stopped") else "refused"
    if transfer.error:
        outcome = "error"
    elif not transfer.sent_error:
        return outcome, None, None  # `reply` is an ACK that has gone out
    return outcome, transfer.reply, transfer.reply_to
