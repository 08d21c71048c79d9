"""How a transfer fails: each hazard's PXE code, the ERROR that an RFC client sends, the words.

Loaded when a transfer has failed, and not before. What a hazard is, and when it is one: `tftp`.
"""

from pxerom.failure import Failure, printable

# PXE-E.., code of the RFC's ERROR, hazards: what happened. too_long and rollover are in no ROM
# file: they end a transfer with any ROM.
_HAZARDS = """
38 8 no_oack: The server sent DATA where an OACK is needed
38 8 malformed_oack unrequested_option unrequested_blksize: The server's OACK %s
3F 8 larger_blksize: The server's OACK %s
39 4 duplicate_oack late_oack: An OACK came again
3F 4 oversize_data: DATA is longer than the blksize %d%s
39 4 duplicate_data old_data block_zero future_data window_gap: DATA %d came where %d was due
39 0 unknown_tid: DATA %d came from port %d of the server, not from its port %d
33 4 stray_opcode stray_ack: Packets that are no part of a read came
39 0 wrong_size: %d bytes were announced, %d came
39 3 longer_than_tsize: More than the announced %d bytes came
3A 3 too_long: The file has %d bytes or more, at most %d can be taken
3A 3 rollover: The file has more than 65535 blocks
38 0 rrq_unreachable ack_unreachable: An ICMP error came: unreachable
"""

# Texts of the ERRORs that an RFC client sends (RFC 1350 appendix, RFC 2347).
_ERRORS = {
    3: "Disk full or allocation exceeded",
    4: "Illegal TFTP operation",
    8: "Option negotiation failed",
}


def failure(hazard, values):
    """(the Failure, the RFC's ERROR as {"error", "message"}) of a hazard. `values`: for the %s and
    %d of its sentence."""
    at = _HAZARDS.index(" " + hazard)
    line = _HAZARDS[_HAZARDS.rindex("\n", 0, at) + 1 : _HAZARDS.index("\n", at)]
    names, _, detail = line.partition(": ")
    code, number, _ = names.split(" ", 2)
    detail %= values
    message = _ERRORS.get(int(number), detail)
    return Failure("PXE-E" + code, detail, None, hazard), {
        "error": int(number),
        "message": message,
    }


def server_error(transfer, data, opened):
    """(error, packet, failure) of an ERROR packet: {"code", "message"}; what the ROM answers, or
    None; the Failure, or None where the ROM goes on to its next request. `opened`: the server has
    replied before."""
    code = data[2] << 8 | data[3]
    error = {"code": code, "message": printable(bytes(data[4:]).split(b"\x00", 1)[0])}
    reaction = transfer.on["error"]
    if reaction != "fail" and not transfer.blocks:  # later, the beginning would be stored twice
        if reaction == "next" or code in (0, 4, 8):
            return error, None, None  # only these codes can mean the options (R-TFTP-36)
    answer = transfer.on.get("error_reply")
    packet = None
    if answer and (opened or answer == "ack_due"):
        from pxerom import tftp_quirks

        packet = tftp_quirks.reply(transfer, answer, data)
    return error, packet, of_error(error)


def of_error(error):
    """The Failure for an ERROR packet of the server (R-PXE-62: E3B for 1, E3C for 2, else E36)."""
    code = error["code"]
    detail = "The server answered with ERROR %d: %s" % (code, error["message"] or "no text")
    name = "PXE-E3" + ("BC"[code - 1] if 0 < code < 3 else "6")
    return Failure(name, detail, None, "server_error")


def last_packet(transfer, end):
    """(outcome, packet, peer) of a transfer that `end`, an exception, has ended: the record's
    outcome, the packet to send, or None, and where to. A local failure is sent to the peer as an
    ERROR (R-TFTP-58)."""
    reason = getattr(end, "reason", None)
    if reason == "cannot_write" or isinstance(end, MemoryError):
        outcome, error = "refused", {"error": 3, "message": _ERRORS[3]}
    elif not reason:
        outcome, error = "aborted", {"error": 0, "message": "TFTP Aborted"}
    elif reason == "stopped":
        outcome, error = "timeout", transfer.on["give_up"]
    elif reason == "no_reply":
        return "timeout", None, None
    else:
        outcome = "error" if transfer.error else "refused"
        told = transfer.sent_error or transfer.error  # else `reply` is an ACK that has gone out
        return outcome, transfer.reply if told else None, transfer.reply_to
    tell = transfer.peer and error != "silent"
    return outcome, transfer.make_error(error) if tell else None, transfer.peer
