"""TFTP read transfers: the receive engine. No socket, no clock.

A datagram and its sender go into `Transfer.feed`; a verdict comes out, and with it `reply`, the
datagram to send, or None. The methods stand in the order in which a datagram meets them: `feed`,
`_admit` (who sent it?), `_data`, `_oack` or `_error` (what is it?), then `_accept`, `_accepts` or
`_answer` (what does the ROM do?). `stream` is `feed` for full blocks in order, nearly all of a
transfer.

What a ROM does at a hazard is not decided here: `on` of its ROM file names a reaction for each,
and this file carries it out. The words are in `rom_check`, what they mean in `roms/README.md`. How
a hazard fails a transfer stands in `tftp_hazards`. Left to others: when to send again (`retry`),
from which port (`udp`), where the bytes go (`sink`), what the reactions of few ROMs put into a
packet (`tftp_quirks`).

Follows RFC 1350, 2347 (options), 2348 (blksize), 2349 (timeout, tsize), 7440 (windowsize).

1. The first good reply from the server's address fixes the peer; any other sender is an unknown
   TID and changes nothing here (RFC 1350 section 4; R-TFTP-7, 8, 9, 11).
2. Only the expected block is ever data. Everything else is answered or ignored, never stored; an
   out-of-order block may be held until it is expected.
3. The end is a block shorter than blksize, never a byte count (R-TFTP-43, 44).
4. This is a read: no packet can make a write of it (R-TFTP-52).
5. Some clients accept data that can corrupt the file. The packets are the same here, but `doubt`
   is set, and the file is reported as failed.

What a packet of the peer meets in each state. Names in `...` are hazards:

             DATA 1      expected DATA  other DATA      OACK              ERROR  other opcode
 REQUESTED   opens (1)   -              dropped         opens (2)         ends   dropped
 SWALLOWING  `no_oack`   -              `no_oack`       opens (2)         ends   dropped
 RECEIVING   as any      accepted       a hazard (3)    `duplicate_oack`  ends   `stray_opcode`
 LOST        (4)         -              (4)             `late_oack`       ends   `stray_opcode`
 COMPLETE    as any      -              last one again: `late_oack`       ends   `stray_opcode`
                                        ACK; or dropped

 (1) where no option was asked for; else `no_oack` first
 (2) unless it is a `malformed_oack`, or an option is an `unrequested_option` or `larger_blksize`
 (3) `duplicate_data`, `old_data`, `block_zero`, `future_data`, `window_gap`; longer than blksize:
     `oversize_data`. An OACK after the first DATA is a `late_oack`.
 (4) ignored after `ack_zero`; ends the transfer after `ack_and_lose`
"""

from pxerom import tftp_packet
from pxerom.runtime import const, split, ticks_diff
from pxerom.tftp_packet import number, oack_options, rrq

# States of a Transfer; from RECEIVING on the peer and the options are fixed.
_REQUESTED = const(0)  # the RRQ is out
_SWALLOWING = const(1)  # DATA is acknowledged, never taken: an OACK is waited for (GRUB)
RECEIVING = const(2)  # block `expected` is waited for
_LOST = const(3)  # an OACK in mid-file made the ROM lose count: no block is data any more
COMPLETE = const(4)  # the final block has come

# Verdicts of Transfer.feed
DROP = const(0)  # not ours or not now: nothing to send, no progress
ANSWER = const(1)  # send `reply` to `reply_to`; no progress
OPENED = const(2)  # options agreed: send `reply`
BLOCK = const(3)  # a block of the file: send `reply` if there is one, then store `payload`
LAST = const(4)  # the final block: store it for good, then send `reply`
END = const(5)  # the ROM leaves this transfer for its next request: send `reply` if there is one

_DATA = const(3)  # opcodes
_ACK = const(4)
_ERROR = const(5)
_OACK = const(6)
_HEADER = const(4)  # bytes before the payload of a DATA
_UNLOOKED = const(7)  # blocks that a PC takes between two looks at the clock (1, 3, 7)

_DEFAULT_BLKSIZE = const(512)
_MAX_STRAY = const(256)  # stray opcodes that a ROM ignores before it fails (R-TFTP-52)

# Option: least value, greatest, and what another value than the one asked for is: more than was
# asked for windowsize (RFC 7440 section 3) and blksize (RFC 2348), any other timeout (RFC 2349).
_OPTIONS = {
    "blksize": (8, 65464, "larger_blksize"),
    "windowsize": (1, 65535, "malformed_oack"),
    "timeout": (0, 255, "other_timeout"),
}
_ANY = (0, (1 << 64) - 1, None)

_FIGURES = ("oack", "blksize", "windowsize", "blocks", "bytes", "duplicates", "foreign")

# After such a reaction the transfer is in another state, unless it is complete.
_NEXT_STATE = {"swallow": _SWALLOWING, "ack_zero": _LOST, "ack_and_lose": _LOST}


class Transfer:
    """One RRQ and what follows from it. `request`: an entry of the ROM file's `tftp.requests`,
    `rollover`: 0, 1 or "fail", `host`: the server's address, `limit`: most bytes to take or None,
    `tsize`: the file's size where an earlier probe has told it.
    """

    def __init__(self, filename, request, rollover, host, limit=None, tsize=None):
        # What is asked, and what this ROM does.
        self.request = rrq(filename, request["mode"], request["options"], request["padding"])
        self.asked = {name.lower(): value for name, value in request["options"]}
        self._spec = request
        self.on = request["on"]  # {hazard: reaction}
        self.probe = request["purpose"] == "size"
        self._rollover = rollover
        self._host = host
        self._limit = limit
        # How far it has come, and how it ended.
        self.state = _REQUESTED
        self.peer = None
        self.oack = None
        self.error = None  # the server's ERROR
        self.sent_error = None  # ours
        self.doubt = None  # why a complete file may still be corrupt: a Failure
        # What goes out after a datagram, and to whom.
        self.reply = None
        self.reply_to = None
        self.ack = bytearray((0, _ACK, 0, 0))  # of the last good block
        # What is agreed, and what has come so far.
        self.blksize = _DEFAULT_BLKSIZE
        self.windowsize = 1
        self.tsize = tsize
        self.blocks = 0
        self.bytes = 0
        self.duplicates = 0
        self.foreign = 0
        # Where we are in it.
        self.expected = 1  # number of the block that is accepted next
        self.held = None  # out-of-order blocks: tftp_quirks.Held
        self.unread = 0  # number of the last block that was swallowed
        self.acked_at = None  # ticks of the last ACK of `stream`, where it asked the clock
        self._tid = None  # the peer when the first block or the OACK came
        self._sender = None  # of the datagram that is judged
        self._full = 0  # length of a full DATA
        self._in_window = 0  # blocks since the last ACK
        self._told = None  # unknown TIDs answered in this second (tftp_quirks)
        self._reacked = False
        self._strays = 0
        self._most = limit  # bytes that are taken
        # The largest valid datagram and one byte more, so that a larger one is noticed
        # (R-TFTP-50); 512 even if less was asked, the server may not know blksize (R-SEC-1, 2).
        blksize = number(self.asked.get("blksize", "0"))
        self.recv_size = max(_DEFAULT_BLKSIZE, blksize) + _HEADER + 1

    # --- what the owner asks for -------------------------------------------------------------

    def feed(self, data, sender, now):
        """Verdict on one datagram; `reply` and `reply_to` go with it. `now`: ticks in ms.
        Raises Failure when the transfer is over; `reply` is then the ERROR to send, or None."""
        self._sender = sender
        self.reply = None
        self.reply_to = sender
        if sender != self.peer and not self._admit(data, sender, now):
            return DROP if self.reply is None else ANSWER
        size = len(data) - _HEADER
        if size < 0:
            return DROP  # too short for any packet of a read (R-TFTP-37, 51)
        opcode = data[0] << 8 | data[1]
        if opcode == _DATA:
            return self._data(data, size)
        if opcode == _OACK:
            return self._oack(data)
        if opcode == _ERROR:
            return self._error(data)
        # An opcode that has no place in a read (R-TFTP-52, R-SEC-4)
        if self.state < RECEIVING:
            return DROP
        self._strays += 1
        if self._strays == _MAX_STRAY:
            self.fail("error", "stray_opcode")
        own = opcode == _ACK and "stray_ack" in self.on
        return self._answer("stray_ack" if own else "stray_opcode", data)

    def streams(self):
        """How many full blocks `stream` may take before `feed` has to decide again: none near
        block 65535, or near the size that is allowed."""
        if self.state != RECEIVING or self.held:
            return 0
        count = 65535 - self.expected
        if self._most is not None:
            count = min(count, (self._most - self.bytes) // self.blksize)
        return count

    def stream(self, count, functions, update, sink, timed, clock, until):
        """Take up to `count` (of `streams`) full blocks in order: receive, ACK, store; nothing is
        allocated but the datagram. Ends at the ticks `until`, at a datagram that is something
        else, and at an OSError of the socket. `functions`: of `udp.Udp.functions`. Returns
        (datagram, sender, error): what `feed` has to judge, or None, and the OSError, or None.
        `update` takes each block, as the sink's `writer` does; `timed` (or None) takes the ticks
        of its ACK. Those of the last stay in `acked_at`, None where the clock was not asked."""
        receive, into, sendto = functions
        ack = self.ack
        block = first = self.expected
        last = ack[2] << 8 | ack[3]
        data = buffer = self._buffer
        left = sender = error = now = None
        full = self._full
        peer = self.peer
        taken = buffer if into else self.recv_size
        unlooked = _UNLOOKED if into and not timed else 0
        view = self._view
        write = sink.writer
        end = block + count
        window = self.windowsize
        due = block + window - 1 - self._in_window  # the block that is acknowledged next
        try:
            while block < end:
                size, sender = receive(taken)
                if not into:
                    data = size
                    size = len(data)
                if (
                    size != full
                    or data[2] << 8 | data[3] != block
                    or data[1] != _DATA
                    or data[0] != 0
                    or sender != peer
                ):
                    left = size
                    break
                ack[2] = data[2]
                ack[3] = data[3]
                if block == due:
                    sendto(ack, peer)
                    due += window
                block += 1
                if block & unlooked:
                    now = None
                else:
                    now = clock()
                    if timed:
                        timed(now)
                    if ticks_diff(now, until) >= 0:
                        end = block
                if not into:
                    buffer[:full] = data  # pyright: ignore
                    data = None  # a board has room for one, and finds it here again
                update(view)
                if write:
                    try:
                        write(view)
                    except OSError as failed:
                        sink.broken(failed)
        except OSError as failed:
            error = failed
            if ack[2] << 8 | ack[3] == block:
                left = full  # its ACK has not gone out
        finally:
            if block > first:
                self.blocks += block - first
                self.bytes += (block - first) * self.blksize
                self.expected = block
                self.acked_at = now
                self._in_window = block + window - 1 - due
                self._reacked = False
                last = block - 1
            ack[2] = last >> 8  # a block that was not acknowledged may stand there
            ack[3] = last & 255
        if left is None:
            return None, None, error
        return bytes(data[:left]) if into else data, sender, error

    def payload(self, data):
        """The file's bytes in an accepted DATA, as a memoryview that is good until the next
        one. A full block is copied into a standing buffer: slicing would leave more garbage."""
        size = len(data)
        if size == self._full:
            self._buffer[:size] = data
            return self._view
        return memoryview(data)[_HEADER : _HEADER + self.blksize]

    def due(self):
        """(DATA, sender) of the held block that is expected now; None where there is none."""
        return self.held.take(self.expected) if self.held else None

    def expire(self):
        """The packet to send again: the RRQ until the first reply, then the last ACK
        (R-TFTP-71, 63)."""
        self._reacked = False
        if self._in_window and "time_out" in self.on:
            from pxerom import tftp_quirks

            return tftp_quirks.last_sent(self.ack, self._in_window)
        self._in_window = 0
        return self.request if self.state < RECEIVING else self.ack

    def make_error(self, error):
        """The packet of `error` ({"error": code, "message": text}): it is in the figures then."""
        code = error["error"]
        self.sent_error = {"code": code, "message": error["message"]}
        return tftp_packet.error(code, error["message"])

    def figures(self):
        """What the result's entry in `transfers` says of this transfer."""
        figures = {"error": self.error or self.sent_error}
        for name in _FIGURES:
            figures[name] = getattr(self, name)
        figures["server_tid"] = self.peer and split(self.peer)[1]
        return figures

    # --- the sender ----------------------------------------------------------------------------

    def _admit(self, data, sender, now):
        # True when the datagram counts as the peer's; else `reply` is what an unknown TID gets.
        host = split(sender)[0]
        reaction = self.on["unknown_tid"]
        if host == self._host and self.peer is None:
            if reaction == "follow":
                self.peer = sender  # whatever came: a repeated request goes there, too
            return True
        self.foreign += 1
        if host != self._host or reaction == "ignore":
            return False  # another host is never answered: that would reflect (R-TFTP-11)
        if reaction == "accept":
            self.reply_to = self.peer
            return True
        if reaction == "follow":
            self.peer = sender
            return True
        if reaction == "fail":
            ports = split(sender)[1], split(self.peer)[1]
            self.fail(reaction, "unknown_tid", self.expected, *ports)
        if len(data) < 2 or data[1] == _ERROR:
            return False  # an ERROR is never answered (R-TFTP-10)
        from pxerom import tftp_quirks

        self._told, self.reply = tftp_quirks.to_unknown_tid(self._told, reaction, now)
        return False

    # --- packets of the peer -------------------------------------------------------------------

    def _data(self, data, size):
        block = data[2] << 8 | data[3]
        if self.state == _REQUESTED and block != 1:
            return DROP  # does not bind (R-TFTP-8)
        if size > self.blksize:
            if not self._accepts("oversize_data", self.blksize, ""):
                return self._answer("oversize_data", data, self.blksize, "")
            self._doubt("oversize_data", self.blksize, ", and this ROM cut it")
            size = self.blksize
        if self.state < RECEIVING:
            if self.asked and not self._accepts("no_oack"):
                return self._answer("no_oack", data)
            if self.probe:
                return self._leave()  # a probe takes no data, whatever the server knows
            self._open()
        if block == self.expected and self.state == RECEIVING:  # as in `stream`
            return self._accept(data, size)
        # Not the expected block: which hazard is it?
        ahead = (block - self.expected) % (65535 if self._rollover == 1 else 65536) < 0x8000
        if self.blocks and data[2:4] == self.ack[2:]:
            self.duplicates += 1
            hazard = "duplicate_data"
        elif self.state == COMPLETE:
            return DROP
        elif ahead and self.windowsize > 1:
            # A gap: the server must go back to the block after this ACK (R-TFTP-62).
            hazard = "window_gap"
        elif block == 0:
            hazard = "block_zero"
        elif ahead:
            hazard = "future_data"
        else:
            self.duplicates += 1
            hazard = "old_data"
        return self._answer(hazard, data, block, self.expected)

    def _accept(self, data, size):
        # The expected block. Nothing here allocates.
        total = self.bytes + size
        if self._most is not None and total > self._most:
            self._too_long(total)
        if size < self.blksize:
            if self.tsize is not None and total != self.tsize:
                self._accepts("wrong_size", self.tsize, total)
                self._doubt("wrong_size", self.tsize, total)
            self.state = COMPLETE
        elif self.expected == 65535 and self._rollover == "fail":
            self.fail("error", "rollover")
        if self._sender != self._tid:
            ports = split(self._sender)[1], split(self._tid)[1]
            self._doubt("unknown_tid", self.expected, *ports)
        self.bytes = total
        self.blocks += 1
        self.ack[2] = data[2]
        self.ack[3] = data[3]
        self._reacked = False
        self.reply = self.ack
        if self.state == COMPLETE:
            return LAST
        # No RFC says what follows 65535; most count on with 0, some with 1 (R-TFTP-53).
        self.expected = self.expected + 1 if self.expected != 65535 else self._rollover
        self._in_window += 1
        if self._in_window >= self.windowsize:
            self._in_window = 0
        else:
            self.reply = None  # only the last block of a window is acknowledged (R-TFTP-61)
        if self.held and self.held.has(self.expected):
            self.reply = None  # one ACK for both
        return BLOCK

    def _oack(self, data):
        if self.state >= RECEIVING:
            # The ACK 0 was lost (R-TFTP-34), or this is a late duplicate.
            return self._answer("late_oack" if self.blocks else "duplicate_oack", data)
        options = oack_options(data)
        if options is None:
            return self._answer("malformed_oack", data, "is malformed")
        known = self.tsize
        for name, text in options.items():
            if not self._grant(name, text, self.asked.get(name)):
                self.blksize = _DEFAULT_BLKSIZE
                self.windowsize = 1
                self.tsize = known
                return DROP
        self.oack = options
        self._open()
        if self.tsize is not None:
            if self._limit is not None and self.tsize > self._limit:
                self._too_long(self.tsize)
        if self.probe:
            return self._leave()
        self.reply = self.ack
        return OPENED

    def _grant(self, name, text, asked):
        # Put one option into effect; one that the OACK does not name is not in effect (R-TFTP-24).
        # True also for one that is skipped; False when the ROM drops the whole OACK.
        says = "says %s %s, asked was %s" % (name, text, asked or "nothing")
        if asked is None:
            own = self.on.get("unrequested_blksize")
            if own and name == "blksize" and number(text) > _DEFAULT_BLKSIZE:
                self.fail(own, "unrequested_option", says)
            if not self._accepts("unrequested_option", says):
                return self.on["unrequested_option"] != "drop"
        if "odd_number" in self.on:
            from pxerom import tftp_quirks

            text = tftp_quirks.digits(name, text)
            if text is None:
                return True
        value = number(text, 20 if name == "tsize" else 10)
        least, most, rule = _OPTIONS.get(name, _ANY)
        least = self._spec.get("least_" + name) or least
        wanted = int(asked) if asked and rule else value
        more = value > wanted
        # No ROM accepts an impossible value (R-TFTP-25, 33).
        wrong = more and rule == "malformed_oack"
        if rule == "other_timeout" and value != wanted:
            wrong = not self.on.get(rule)
        if wrong or not least <= value <= most:
            return self._accepts("malformed_oack", says)
        # A possible one is in effect, unless the ROM refuses it.
        if more and rule == "larger_blksize" and not self._accepts(rule, says):
            return True
        if name == "blksize":
            self.blksize = value
        elif name == "windowsize":
            self.windowsize = value
        elif name == "tsize":
            self.tsize = value
        return True

    def _open(self):
        # The transfer begins: the peer is fixed (R-TFTP-7), and with it the size of a block.
        self.state = RECEIVING
        self.peer = self._tid = self.reply_to
        self._full = self.blksize + _HEADER
        self.recv_size = max(self.recv_size, self._full + 1)
        if self.tsize is not None and self.on.get("longer_than_tsize") != "accept":
            self._most = self.tsize
        if not self.probe:
            self._buffer = bytearray(self.recv_size)
            self._view = memoryview(self._buffer)[_HEADER : self._full]

    def _leave(self):
        # The ROM ends this request itself (a size probe): its ERROR, then the next request.
        finish = self._spec["finish"]
        if finish:
            self.reply = self.make_error(finish)
        return END

    def _error(self, data):
        # ERROR of the server: it ends the transfer; few ROMs send anything back (R-TFTP-56, 10).
        from pxerom import tftp_hazards

        self.peer = self.reply_to
        opened = self.state >= RECEIVING
        self.error, self.reply, failure = tftp_hazards.server_error(self, data, opened)
        if failure:
            raise failure
        return END  # the ROM goes on to its next request

    # --- hazards -------------------------------------------------------------------------------

    def _accepts(self, hazard, *values):
        # Whether the ROM goes on as if nothing were wrong. Raises Failure where it ends the
        # transfer.
        return self._reaction(hazard, values) in ("accept", "cut")

    def _answer(self, hazard, data, *values):
        # The verdict on a datagram that is not stored; `reply` is what this ROM sends. Raises as
        # `_accepts` does.
        reaction = self._reaction(hazard, values)
        if reaction == "next":
            return self._leave()
        if reaction in ("ignore", "drop") or (reaction == "ack_once" and self._reacked):
            return DROP
        if reaction == "ack" and self.state < RECEIVING:
            return DROP  # there is no peer yet
        self._in_window = 0  # the server goes on after any ACK
        self.reply = self.ack
        if reaction in ("ack", "ack_once"):
            self._reacked = True
            return ANSWER
        after = not isinstance(reaction, dict) and _NEXT_STATE.get(reaction)
        if after and self.state == COMPLETE:
            return ANSWER
        from pxerom import tftp_quirks

        if reaction == "hold":
            self.held = self.held or tftp_quirks.Held()
            self.held.keep(data, self._sender)
            return ANSWER
        self.reply = tftp_quirks.reply(self, reaction, data)
        if after:
            self.state = after
        if after == _LOST:
            self.expected = -1  # no block has this number
            self.ack = bytearray(self.reply)  # pyright: ignore[reportArgumentType]
        elif after == _SWALLOWING:
            self.peer = self.reply_to
            if self.reply is None:
                return DROP
            self.unread = max(self.unread, self.reply[2] << 8 | self.reply[3])
        return ANSWER

    def _reaction(self, hazard, values):
        # What this ROM does at this hazard, as the ROM file has it.
        reaction = self.on.get(hazard) or "error"
        if hazard == "duplicate_data" and self.state == COMPLETE:
            reaction = "ack"  # the server waits for the final ACK (R-TFTP-55)
        if self.state == _LOST and hazard[-5:] in ("_data", "_zero"):
            reaction = "fail" if self.on["late_oack"] == "ack_and_lose" else "ignore"
        if reaction in ("fail", "error") or isinstance(reaction, dict) and "then" not in reaction:
            self.fail(reaction, hazard, *values)
        return reaction

    def fail(self, reaction, hazard, *values):
        """The hazard ends the transfer: Failure, with the ERROR to send in `reply`: none
        ("fail"), the RFC's ("error"), or the ROM's own."""
        from pxerom import tftp_hazards

        failure, error = tftp_hazards.failure(hazard, values)
        self.reply = None
        self.reply_to = self.peer or self.reply_to  # not the last unknown TID
        if reaction != "fail":
            self.reply = self.make_error(error if reaction == "error" else reaction)
        raise failure

    def _doubt(self, hazard, *values):
        # The ROM accepts data that can corrupt the file (rule 5).
        from pxerom import tftp_hazards

        self.doubt = self.doubt or tftp_hazards.failure(hazard, values)[0]

    def _too_long(self, size):
        if self._most == self.tsize and size > self.tsize:
            self._accepts("longer_than_tsize", self.tsize)
        self.fail("error", "too_long", size, self._limit)
