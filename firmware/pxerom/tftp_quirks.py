"""Reactions that few ROMs have: loaded when a ROM file names one and the oddity happens.

What an oddity is, and when it is one, stands in `tftp`; here is what the rarer ROMs do then, and
what a stranger hears. None of it makes a file of what is not one: what a real client would take
wrongly is taken into `doubt`, or never taken.

1. ack_that, ack_due, ack_zero: the ACK of the block that came, of the one that is due, of 0.
2. hold: the last ACK again, and the block is held until it is due (four of them at most); one
   ACK then serves for all.
3. ack_and_lose: the last ACK again, but the ROM now counts from 1, and any other block ends it.
   After ack_zero it counts from 1 as well, and waits for that.
4. swallow: DATA without an OACK is acknowledged, and is yet no answer to the request.
5. error_block: an ERROR of four bytes, with the last block in the place of a code.
"""

from pxerom import tftp, tftp_packet
from pxerom.runtime import const, ticks_diff

_MAX_STRANGER_ERRORS = const(10)
_MAX_HELD = const(4)


def react(transfer, reaction, data):
    """Carry out `reaction` on a datagram (None where the oddity is no datagram's)."""
    ack = transfer.ack
    transfer.reply = ack
    if reaction == "ack_that":
        transfer.reply = b"\0\4" + bytes(data[2:4])
    elif reaction == "ack_due":
        transfer.reply = bytes((0, 4, transfer.next >> 8 & 255, transfer.next & 255))
    elif reaction == "error_block":
        transfer.reply = b"\0\5" + bytes(ack[2:])
    elif reaction == "hold":
        held = transfer.held = transfer.held or {}
        if len(held) < _MAX_HELD:
            held[data[2] << 8 | data[3]] = bytes(data)
    elif reaction == "swallow":
        return _swallow(transfer, data)
    elif not transfer.done:
        _count_anew(transfer, reaction)
    return tftp.ANSWER


def to_stranger(transfer, reaction, now):
    """The ERROR for whoever is not the peer; None once ten went out in a second (R-SEC-25)."""
    told = transfer.told  # [ticks of the first, how many]
    if told is None or ticks_diff(now, told[0]) >= 1000:
        told = transfer.told = [now, 0]
    if told[1] == _MAX_STRANGER_ERRORS:
        return None
    told[1] += 1
    if reaction == "error":
        return tftp_packet.error(5, "Unknown transfer ID")
    return tftp_packet.error(reaction["error"], reaction["message"])


def _swallow(transfer, data):
    # An old block is acknowledged once more, one that is not due yet is nothing.
    block = data[2] << 8 | data[3]
    transfer.peer = transfer.reply_to
    if block > transfer.unread + 1:
        transfer.reply = None
        return tftp.DROP
    if block == transfer.unread + 1:
        transfer.unread = block
    transfer.reply = b"\0\4" + bytes(data[2:4])
    return tftp.ANSWER


def _count_anew(transfer, reaction):
    # Nothing of this transfer can be block 1 any more, so nothing of it is ever taken.
    transfer.next = transfer.full = -1
    nothing = "fail" if reaction == "ack_and_lose" else "ignore"
    transfer.on = dict(transfer.on)
    for hazard in ("duplicate_data", "future_data", "old_data", "block_zero"):
        transfer.on[hazard] = nothing
    if reaction == "ack_zero":
        transfer.ack[2] = transfer.ack[3] = 0


def last_sent(transfer):
    """The last ACK that went out, not that of the last block: blocks of a window that is not full
    have none yet. The window goes on as it was."""
    last = (transfer.ack[2] << 8 | transfer.ack[3]) - transfer.in_window
    return bytes((0, 4, last >> 8 & 255, last & 255))


def digits(text):
    """The digits that an option's value begins with: for such a ROM, 5.0 is 5."""
    end = 0
    while end < len(text) and text[end].isdigit():
        end += 1
    return text[:end]


def unreachable(transfer):
    """An ICMP error came: Failure where the ROM believes it, nothing elsewhere (R-SEC-18)."""
    reaction = transfer.on.get("ack_unreachable" if transfer.opened else "rrq_unreachable")
    if reaction:
        transfer.reply = None
        transfer.reply_to = transfer.peer
        transfer.fail(reaction, "ICMP says that nothing listens there", "PXE-E38", 0)


def named(filename, slash):
    """The name with (`add`) or without (`drop`) the slash at its begin; text, or bytes of DHCP."""
    mark = filename[:0] + ("/" if isinstance(filename, str) else b"/")
    while filename[:1] == mark:
        filename = filename[1:]
    return mark + filename if slash == "add" else filename
