"""TFTP read transfers: packets and the receive engine. No socket, no clock.

A datagram and its sender go into `Transfer.feed`; a verdict comes out, and with it `reply`, the
datagram to send, or None. What a ROM does at each oddity is not decided here: `on` of its ROM
file names the reaction, this file knows how to carry it out. Left to others: when to send again
(`retry`), from which port (`udp`), where the bytes go (`sink`).

Follows RFC 1350, 2347 (options), 2348 (blksize), 2349 (timeout, tsize), 7440 (windowsize).

1. The first good reply from the server's address fixes the peer; whoever else writes is a
   stranger and changes nothing here (R-TFTP-7, 8, 9, 11).
2. Only the expected block is ever data. Everything else is answered or ignored, never stored.
3. The end is a block shorter than blksize, never a byte count (R-TFTP-43, 44).
4. This is a read: nothing that arrives can turn it round (R-TFTP-52).
"""

from pxerom.compat import const, split, ticks_diff
from pxerom.status import Failure, of_error, printable

_RRQ = const(1)
_DATA = const(3)
_ACK = const(4)
_ERROR = const(5)
_OACK = const(6)

_DEFAULT_BLKSIZE = const(512)
_MAX_RRQ = const(512)
_HEADER = const(4)
# Stray opcodes that are ignored before patience ends (R-TFTP-52).
_MAX_STRAY = const(256)
# ERRORs sent to strangers in one second (R-SEC-25).
_MAX_STRANGER_ERRORS = const(10)

# Verdicts of Transfer.feed
DROP = const(0)  # not ours or not now: nothing to send, no progress
ANSWER = const(1)  # send `reply` to `reply_to`; no progress
OPENED = const(2)  # options agreed: send `reply`
BLOCK = const(3)  # a block of the file: send `reply` if there is one, then store `payload`
LAST = const(4)  # the final block: store it for good, then send `reply`
END = const(5)  # the ROM leaves this transfer for its next request: send `reply` if there is one


def rrq(filename, mode, options, padding=0):
    """Bytes of a read request (R-TFTP-1). `options`: [[name, value], ...] in wire order;
    `padding`: length to fill up to with NULs, for clients that send a fixed size.

         2 bytes   string    1  string 1   string  1   string  1
        +--------+----------+--+------+--+--------+--+--------+--+
        | 00 01  | filename | 0| mode | 0| option | 0| value  | 0| ...
        +--------+----------+--+------+--+--------+--+--------+--+

    Raises ValueError when the name cannot be sent or 512 bytes are not enough (R-TFTP-2, 3).
    """
    name = filename.encode()
    if not name:
        raise ValueError("the file name is empty")
    if min(name) < 32:
        raise ValueError("the file name holds a control character")
    packet = b"\x00\x01" + name + b"\x00" + mode.encode() + b"\x00"
    for option, value in options:
        packet += option.encode() + b"\x00" + value.encode() + b"\x00"
    if len(packet) > _MAX_RRQ:
        raise ValueError("the request would be %d bytes, TFTP allows 512" % len(packet))
    return packet + b"\x00" * (padding - len(packet))


def error(code, message):
    """Bytes of an ERROR packet: 00 05, code (2), message, 00 (R-TFTP-56)."""
    return bytes((0, _ERROR, code >> 8, code & 255)) + message.encode() + b"\x00"


def oack_options(data):
    """{name: value} of an OACK, names in lower case; None when it is malformed (R-TFTP-31).

    More NULs at the end are forgiven (R-TFTP-32): some servers pad their packets.
    """
    fields = bytes(data[2:]).split(b"\x00")
    if fields.pop() != b"":
        return None
    while fields and not fields[-1]:
        fields.pop()
    if not fields or len(fields) % 2:
        return None
    options = {}
    for i in range(0, len(fields), 2):
        name = printable(fields[i]).lower()
        if not name or name in options:
            return None
        options[name] = printable(fields[i + 1])
    return options


def number(text, digits=10):
    """Value of 1..`digits` ASCII digits, or -1 for anything else (R-TFTP-33)."""
    if not 0 < len(text) <= digits:
        return -1
    for char in text:
        if not "0" <= char <= "9":
            return -1
    return int(text)


class Transfer:
    """One RRQ and what follows from it. `request`: an entry of the ROM file's `tftp.requests`,
    `rollover`: 0, 1 or "fail", `host`: the server's address, `limit`: most bytes to take or None,
    `tsize`: the file's size where an earlier probe has told it.
    """

    def __init__(self, filename, request, rollover, host, limit=None, tsize=None):
        self.request = rrq(filename, request["mode"], request["options"], request["padding"])
        self.asked = {name.lower(): value for name, value in request["options"]}
        self.on = request["on"]
        self.finish = request["finish"]
        self.probe = request["purpose"] == "size"
        self.host = host
        self.limit = limit
        self.peer = None
        self.opened = False
        self.done = False
        self.oack = None
        self.error = None
        self.sent_error = None
        self.reply = None
        self.reply_to = None
        self.blksize = _DEFAULT_BLKSIZE
        self.windowsize = 1
        self.tsize = tsize
        self.blocks = 0
        self.bytes = 0
        self.duplicates = 0
        self.foreign = 0
        # The largest datagram that can be right and one byte more, so that a larger one shows
        # (R-TFTP-50); 512 even if less was asked, the server may not know blksize (R-SEC-1, 2).
        self.recv_size = max(_DEFAULT_BLKSIZE, number(self.asked.get("blksize", "512"))) + 5
        self._rollover = rollover
        self._ack = bytearray((0, _ACK, 0, 0))
        self._next = 1
        self._last = 0
        self._full = -1  # length of a full DATA; nothing has it before and after the transfer
        self._most = limit if tsize is None else tsize
        self._in_window = 0
        self._reacked = False
        self._strays = 0
        self._second = 0
        self._stranger_errors = 0

    # --- what comes in ---------------------------------------------------------------------

    def feed(self, data, sender, now):
        """Verdict on one datagram; `reply` and `reply_to` go with it. `now`: ticks in ms.
        Raises Failure when the transfer is over; `reply` is then the ERROR to send, or None."""
        if (
            sender == self.peer
            and len(data) == self._full
            and data[2] << 8 | data[3] == self._next
            and data[1] == _DATA
            and data[0] == 0
        ):
            return self._accept(data, self._full - _HEADER)
        self.reply = None
        self.reply_to = sender
        if sender != self.peer and not self._admit(data, sender, now):
            return DROP if self.reply is None else ANSWER
        size = len(data)
        if size < 4 or data[0] != 0:
            # Too short for any packet of a read, or an opcode above 255 (R-TFTP-51, 37)
            return DROP if size < 4 else self._stray()
        opcode = data[1]
        if opcode == _DATA:
            return self._data(data, size - _HEADER, sender)
        if opcode == _OACK:
            return self._oack(data, sender)
        if opcode == _ERROR:
            return self._error(data, sender)
        return self._stray()

    def payload(self, data):
        """The file's bytes in an accepted DATA, as a memoryview that is good until the next
        one. A full block is copied into a standing buffer: slicing would leave more garbage."""
        size = len(data)
        if size == self._full:
            self._buffer[:size] = data
            return self._view
        return memoryview(data)[_HEADER:]

    def expire(self):
        """The packet to send again: the RRQ until the first reply, then the last ACK
        (R-TFTP-71, 63)."""
        self._reacked = False
        self._in_window = 0
        return self._ack if self.opened else self.request

    def give_up(self):
        """What the ROM sends when its timer has run out for good: an ERROR, or None."""
        reaction = self.on["give_up"]
        return None if reaction == "silent" else self._make_error(reaction)

    def abort(self, code, message):
        """The ERROR that tells the peer of a local end (R-TFTP-58); None without a peer."""
        return self._make_error({"error": code, "message": message}) if self.peer else None

    # --- who may speak -----------------------------------------------------------------------

    def _admit(self, data, sender, now):
        # True when the datagram counts as the peer's; else `reply` is what a stranger gets.
        host = split(sender)[0]
        if host != self.host:
            self.foreign += 1  # never answered: that would reflect (R-TFTP-11)
            return False
        if self.peer is None:
            return True
        self.foreign += 1
        reaction = self.on["unknown_tid"]
        if reaction == "accept":
            self.reply_to = self.peer
            return True
        if reaction == "follow":
            self.peer = sender
            return True
        if reaction == "ignore" or len(data) < 2 or data[1] == _ERROR:
            return False  # an ERROR is never answered (R-TFTP-10)
        if ticks_diff(now, self._second) >= 1000 or self._stranger_errors == 0:
            self._second = now
            self._stranger_errors = 0
        if self._stranger_errors < _MAX_STRANGER_ERRORS:
            self._stranger_errors += 1
            if reaction == "error":
                self.reply = error(5, "Unknown transfer ID")
            else:
                self.reply = error(reaction["error"], reaction["message"])
        return False

    # --- packets of the peer -------------------------------------------------------------------

    def _data(self, data, size, sender):
        block = data[2] << 8 | data[3]
        if not self.opened:
            if block != 1:
                return DROP  # does not bind (R-TFTP-8)
            if self.asked:
                reaction = self.on["no_oack"]
                if reaction == "next":
                    return self._leave()
                if reaction != "accept":
                    self._fail(reaction, "PXE-E38", "The server sent DATA where an OACK is needed")
            self._agree(sender)
        if size > self.blksize:
            reaction = self.on["oversize_data"]
            if reaction == "ignore":
                return DROP
            self._fail(
                reaction,
                "PXE-E3F",
                "DATA of %d bytes or more where blksize is %d" % (size, self.blksize),
                (4, "Illegal TFTP operation"),
            )
        if block == self._next and not self.done:
            return self._accept(data, size)
        return self._unexpected(block)

    def _accept(self, data, size):
        # The expected block. Nothing here allocates.
        total = self.bytes + size
        if self._most is not None and total > self._most:
            self._too_long(total)
        last = size < self.blksize
        if last and self.tsize is not None and total != self.tsize:
            self._fail(
                "error",
                "PXE-E39",
                "The server announced %d bytes and sent %d" % (self.tsize, total),
                (0, "Wrong file size"),
            )
        self.bytes = total
        self.blocks += 1
        self._last = self._next
        self._ack[2] = data[2]
        self._ack[3] = data[3]
        self._reacked = False
        self.reply_to = self.peer
        self._in_window += 1
        if last:
            self.done = True
            self._full = -1
            self.reply = self._ack
            return LAST
        if self._next == 65535:
            self._wrap()
        else:
            self._next += 1
        if self._in_window >= self.windowsize:
            self._in_window = 0
            self.reply = self._ack
        else:
            self.reply = None
        return BLOCK

    def _wrap(self):
        # No RFC says what follows 65535; most count on with 0, some servers with 1 (R-TFTP-53).
        if self._rollover == "fail":
            self._fail(
                "error",
                "PXE-E3A",
                "The file needs more than 65535 blocks of %d bytes; this ROM cannot count on"
                % self.blksize,
                (3, "Disk full or allocation exceeded"),
            )
        self._next = self._rollover

    def _unexpected(self, block):
        if self.blocks and block == self._last:
            self.duplicates += 1
            # A repeated final DATA is always acknowledged: the server waits for it (R-TFTP-55).
            return self._answer("ack" if self.done else self.on["duplicate_data"], block)
        if self.done:
            return DROP
        if block == 0:
            return self._answer(self.on["block_zero"], block)
        modulus = 65535 if self._rollover == 1 else 65536
        if (block - self._next) % modulus < 0x8000:
            if self.windowsize > 1:
                # A gap: the server must go back to the block after this ACK (R-TFTP-62).
                self._in_window = 0
                return self._answer(self.on["window_gap"], block)
            return self._answer(self.on["future_data"], block)
        self.duplicates += 1
        return self._answer(self.on["old_data"], block)

    def _answer(self, reaction, block):
        # Carry out a reaction to a DATA or OACK that brings nothing new.
        self.reply_to = self.peer
        if reaction == "ignore" or (reaction == "ack_once" and self._reacked):
            return DROP
        if reaction == "ack" or reaction == "ack_once":
            self._reacked = True
            self.reply = self._ack
        elif reaction == "ack_that":
            self.reply = bytes((0, _ACK, block >> 8, block & 255))
        else:
            self._fail(
                reaction,
                "PXE-E39",
                "DATA %d came where DATA %d was due" % (block, self._next),
                (4, "Illegal TFTP operation"),
            )
        return ANSWER

    def _oack(self, data, sender):
        if self.opened:
            if self.blocks or self.done:
                return self._answer(self.on["late_oack"], 0)
            return self._answer(self.on["duplicate_oack"], 0)  # ACK 0 was lost (R-TFTP-34)
        options = oack_options(data)
        if options is None:
            if self.on["malformed_oack"] == "ignore":
                return DROP
            self._bad_option("The server's OACK is malformed")
        self._grant(options)
        self.oack = options
        self._agree(sender)
        if self.tsize is not None:
            if self.limit is not None and self.tsize > self.limit:
                self._too_long(self.tsize)
            self._most = self.tsize
        if self.probe:
            return self._leave()
        self.reply = self._ack
        return OPENED

    def _grant(self, options):
        # Take over what the server grants; what it does not name is not in effect (R-TFTP-24).
        for name, text in options.items():
            asked = self.asked.get(name)
            if asked is None:
                reaction = self.on["unrequested_option"]
                if reaction == "ignore":
                    continue
                if reaction != "accept":
                    self._fail(
                        reaction,
                        "PXE-E38",
                        "The server's OACK grants %s, which was not asked for" % name,
                        (8, "Option was not requested"),
                    )
            value = number(text, 20 if name == "tsize" else 10)
            if name == "blksize":
                if not 8 <= value <= 65464:
                    self._bad_option("The server's OACK says blksize %s" % text)
                if asked is not None and value > int(asked):
                    reaction = self.on["larger_blksize"]
                    if reaction == "ignore":
                        continue
                    if reaction != "accept":
                        self._fail(
                            reaction,
                            "PXE-E3F",
                            "The server's OACK says blksize %s, asked was %s" % (text, asked),
                            (8, "blksize is larger than requested"),
                        )
                self.blksize = value
            elif name == "windowsize":
                if not 1 <= value <= (65535 if asked is None else int(asked)):
                    self._bad_option("The server's OACK says windowsize %s" % text)
                self.windowsize = value
            elif name == "timeout":
                if asked is not None and value != int(asked):
                    self._bad_option("The server's OACK says timeout %s" % text)
            elif name == "tsize":
                if not 0 <= value < 1 << 64:
                    self._bad_option("The server's OACK says tsize %s" % text)
                self.tsize = value

    def _agree(self, sender):
        # The transfer begins: the peer is fixed (R-TFTP-7), and with it the size of a block.
        self.peer = sender
        self.opened = True
        self._full = self.blksize + _HEADER
        self.recv_size = max(self.recv_size, self._full + 1)
        if not self.probe:
            self._buffer = bytearray(self._full)
            self._view = memoryview(self._buffer)[_HEADER:]

    def _leave(self):
        # The ROM knows enough (size probe): its parting ERROR, and on to the next request.
        if self.finish is not None:
            self.reply = self._make_error(self.finish)
        return END

    def _error(self, data, sender):
        # ERROR of the server: it ends the transfer, nothing is answered (R-TFTP-56, 10).
        code = data[2] << 8 | data[3]
        message = printable(bytes(data[4:]).split(b"\x00")[0])
        self.peer = sender
        self.error = {"code": code, "message": message}
        reaction = self.on["error"]
        if reaction == "next" or (reaction == "next_if_refused" and code in (0, 4, 8)):
            return END
        raise of_error(code, message)

    def _stray(self):
        # An opcode that has no place in a read (R-TFTP-52, R-SEC-4).
        if not self.opened:
            return DROP
        self._strays += 1
        if self.on["stray_opcode"] == "ignore" and self._strays < _MAX_STRAY:
            return DROP
        reaction = self.on["stray_opcode"]
        self._fail(
            "error" if reaction == "ignore" else reaction,
            "PXE-E33",
            "The server sent packets that are no part of a read",
            (4, "Illegal TFTP operation"),
        )

    # --- ends ----------------------------------------------------------------------------------

    def _bad_option(self, detail):
        self._fail(self.on["malformed_oack"], "PXE-E38", detail, (8, "Bad option in OACK"))

    def _too_long(self, size):
        self.reply = error(3, "Disk full or allocation exceeded")
        self.sent_error = {"code": 3, "message": "Disk full or allocation exceeded"}
        if self.tsize is not None and size > self.tsize:
            raise Failure(
                "PXE-E39", "The server announced %d bytes and sends more" % self.tsize
            )
        raise Failure(
            "PXE-E3A", "The file has %d bytes or more, at most %d can be taken" % (size, self.limit)
        )

    def _fail(self, reaction, code, detail, default=(8, "Option negotiation failed")):
        # `reaction`: "fail" (say nothing), "error" (the RFC's ERROR), or the ROM's own ERROR.
        if reaction == "fail":
            self.reply = None
        else:
            if reaction == "error":
                reaction = {"error": default[0], "message": default[1]}
            self.reply = self._make_error(reaction)
        raise Failure(code, detail)

    def _make_error(self, parts):
        self.sent_error = {"code": parts["error"], "message": parts["message"]}
        return error(parts["error"], parts["message"])
