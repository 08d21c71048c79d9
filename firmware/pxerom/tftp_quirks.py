"""The packets of rare reactions: loaded when a ROM file names one and it happens.

What a hazard is, when it is one, and which state follows: see `tftp`. Nothing here changes a
Transfer.

1. ack_that, ack_due, ack_zero: the ACK of the block that came, of the expected one, of 0;
   ack_zero_go_on leaves the state as it is.
2. hold: the last ACK again, and the block is held until it is expected (four of them at most); one
   ACK then acknowledges them all.
3. ack_and_lose: the last ACK again, but the ROM now counts from 1, and any other block ends it.
   After ack_zero it counts from 1 as well, and waits for block 1, which a server that is in
   mid-file never sends.
4. swallow: DATA without an OACK is acknowledged and thrown away; the request still waits for its
   OACK.
5. error_block: an ERROR of four bytes, with the last block's number in the place of the code.
"""

from pxerom import tftp_packet
from pxerom.runtime import const, ticks_diff

_MAX_ERRORS = const(10)
_MAX_HELD = const(4)


class Held:
    """Out-of-order blocks that wait until they are expected."""

    def __init__(self):
        self._blocks = {}

    def keep(self, data, sender):
        """Keep a DATA, unless there are four."""
        if len(self._blocks) < _MAX_HELD:
            self._blocks[data[2] << 8 | data[3]] = bytes(data), sender

    def has(self, block):
        """True when the block of this number is held."""
        return block in self._blocks

    def take(self, block):
        """(DATA, sender) of this number, or None."""
        return self._blocks.pop(block, None)

    def __len__(self):
        return len(self._blocks)


def reply(transfer, reaction, data):
    """The packet that `reaction` sends, or None. `data`: the datagram that caused it."""
    if isinstance(reaction, dict):  # an ERROR that does not end the transfer
        return tftp_packet.error(reaction["error"], reaction["message"])
    if reaction == "ack_that":
        return b"\0\4" + bytes(data[2:4])
    if reaction == "ack_due":
        due = transfer.expected
        return bytes((0, 4, due >> 8 & 255, due & 255))
    if reaction == "error_block":
        return b"\0\5" + bytes(transfer.ack[2:])
    if reaction == "swallow":
        # An old block is acknowledged again, one further ahead is ignored.
        block = data[2] << 8 | data[3]
        return b"\0\4" + bytes(data[2:4]) if block <= transfer.unread + 1 else None
    if reaction in ("ack_zero", "ack_zero_go_on"):
        return bytearray(b"\0\4\0\0")
    return transfer.ack  # ack_and_lose


def to_unknown_tid(told, reaction, now):
    """(told, ERROR): the ERROR for an unknown TID, None after ten in one second (R-SEC-25).
    `told`: as the last call returned it, or None."""
    began, count = told or (now, 0)
    if ticks_diff(now, began) >= 1000:
        began, count = now, 0
    if count == _MAX_ERRORS:
        return (began, count), None
    if reaction == "error":
        packet = tftp_packet.error(5, "Unknown transfer ID")
    else:
        packet = tftp_packet.error(reaction["error"], reaction["message"])
    return (began, count + 1), packet


def last_sent(ack, in_window):
    """The last ACK that went out, not `ack`, that of the last block: `in_window` blocks of a
    window that is not full have none yet. The window is not restarted."""
    last = (ack[2] << 8 | ack[3]) - in_window
    return bytes((0, 4, last >> 8 & 255, last & 255))


def digits(name, text):
    """The digits that an option's value begins with, after blanks and a sign: for a ROM that reads
    numbers as C does, 5.0 is 5. A tsize below 0 is None, no known size."""
    text = text.lstrip(" +")
    if name == "tsize" and text[:1] == "-":
        return None
    end = 0
    while text[end : end + 1].isdigit():
        end += 1
    return text[:end]


def named(filename, slash):
    """The name with (`add`) or without (`drop`) the slash at its begin; text, or bytes of DHCP."""
    mark = filename[:0] + ("/" if isinstance(filename, str) else b"/")
    while filename[:1] == mark:
        filename = filename[1:]
    return mark + filename if slash == "add" else filename


def within(queue, request, warnings):
    """The request, whose windowsize is more than the `queue` datagrams that a board keeps, with
    that one: of a larger window the rest is lost, each time (RFC 7440 section 4 leaves the choice
    to us)."""
    options = []
    for name, value in request["options"]:
        if name.lower() == "windowsize":
            warnings.append(
                "This board keeps %d datagrams at a time: windowsize %s was asked for as %d."
                % (queue, value, queue)
            )
            value = str(queue)
        options.append([name, value])
    return dict(request, options=options)
