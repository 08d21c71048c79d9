"""TFTP read transfers: the receive engine. No socket, no clock.

A datagram and its sender go into `Transfer.feed`; a verdict comes out, and with it `reply`, the
datagram to send, or None. It meets the code in the order of this file: `feed`, then `_admit` (who
speaks?), then `_data`, `_oack` or `_error` (what is it?), then `_accept` or `_react` (what now?).

What a ROM does at an oddity is not decided here: `on` of its ROM file names a reaction for each
(the words stand in `rom_check`, what they mean in `roms/README.md`), this file carries it out.
Left to others: when to send again (`retry`), from which port (`udp`), where the bytes go (`sink`).

Follows RFC 1350, 2347 (options), 2348 (blksize), 2349 (timeout, tsize), 7440 (windowsize).

1. The first good reply from the server's address fixes the peer; whoever else writes is a
   stranger and changes nothing here (R-TFTP-7, 8, 9, 11).
2. Only the expected block is ever data. Everything else is answered or ignored, never stored; a
   block that came early may be held until it is due.
3. The end is a block shorter than blksize, never a byte count (R-TFTP-43, 44).
4. This is a read: nothing that arrives can turn it round (R-TFTP-52).
5. A ROM that takes what may make a wrong file is imitated on the wire, and `doubt` says so: such
   a file is never reported as right. What only few ROMs do stands in `tftp_quirks`.
"""

from pxerom import tftp_packet
from pxerom.failure import Failure, of_error, printable
from pxerom.runtime import const, split
from pxerom.tftp_packet import DATA, ERROR, HEADER, OACK, number, oack_options, rrq

_DEFAULT_BLKSIZE = const(512)
# Stray opcodes that are ignored before patience ends (R-TFTP-52).
_MAX_STRAY = const(256)

# Verdicts of Transfer.feed
DROP = const(0)  # not ours or not now: nothing to send, no progress
ANSWER = const(1)  # send `reply` to `reply_to`; no progress
OPENED = const(2)  # options agreed: send `reply`
BLOCK = const(3)  # a block of the file: send `reply` if there is one, then store `payload`
LAST = const(4)  # the final block: store it for good, then send `reply`
END = const(5)  # the ROM leaves this transfer for its next request: send `reply` if there is one

# Texts of the ERRORs that an RFC client sends (RFC 1350 appendix, RFC 2347).
_ERRORS = {
    3: "Disk full or allocation exceeded",
    4: "Illegal TFTP operation",
    8: "Option negotiation failed",
}


class Transfer:
    """One RRQ and what follows from it. `request`: an entry of the ROM file's `tftp.requests`,
    `rollover`: 0, 1 or "fail", `host`: the server's address, `limit`: most bytes to take or None,
    `tsize`: the file's size where an earlier probe has told it.
    """

    def __init__(self, filename, request, rollover, host, limit=None, tsize=None):
        # What was asked, and how this ROM is.
        self.request = rrq(filename, request["mode"], request["options"], request["padding"])
        self.asked = {name.lower(): value for name, value in request["options"]}
        self.on = request["on"]  # {oddity: reaction}
        self.finish = request["finish"]  # the ERROR that ends a probe, or None
        self.probe = request["purpose"] == "size"
        self._least_blksize = request.get("least_blksize") or 8
        self._rollover = rollover
        self.host = host
        self.limit = limit
        # How far it has come, and how it ended.
        self.peer = None
        self.opened = False  # by an OACK or a DATA
        self.done = False
        self.oack = None
        self.error = None  # the server's ERROR
        self.sent_error = None  # ours
        self.doubt = None  # why the file, once it is whole, is not to be trusted: a Failure
        # What goes out after a datagram, and to whom.
        self.reply = None
        self.reply_to = None
        self.ack = bytearray((0, tftp_packet.ACK, 0, 0))  # of the last good block
        # What is agreed, and what has come by it.
        self.blksize = _DEFAULT_BLKSIZE
        self.windowsize = 1
        self.tsize = tsize
        self.blocks = 0
        self.bytes = 0
        self.duplicates = 0
        self.foreign = 0
        # Where we are in it.
        self.next = 1  # number of the block that is due
        self.full = -1  # length of a full DATA; nothing has it before and after the transfer
        self.in_window = 0  # blocks since the last ACK
        self.held = None  # DATA that came early, by number
        self.unread = 0  # blocks acknowledged, but never taken
        self.told = None  # the strangers that were told so in this second
        self._last = 0
        self._reacked = False
        self._strays = 0
        self._bound()
        # The largest datagram that can be right and one byte more, so that a larger one shows
        # (R-TFTP-50); 512 even if less was asked, the server may not know blksize (R-SEC-1, 2).
        blksize = number(self.asked.get("blksize", "0"))
        self.recv_size = max(_DEFAULT_BLKSIZE, blksize) + HEADER + 1

    # --- what the owner asks for -------------------------------------------------------------

    def feed(self, data, sender, now):
        """Verdict on one datagram; `reply` and `reply_to` go with it. `now`: ticks in ms.
        Raises Failure when the transfer is over; `reply` is then the ERROR to send, or None."""
        size = len(data)
        # Nearly all of a transfer: the peer's full block that is due. No detour for it.
        if (
            sender == self.peer
            and size == self.full
            and data[2] << 8 | data[3] == self.next
            and data[1] == DATA
            and data[0] == 0
        ):
            return self._accept(data, size - HEADER)
        self.reply = None
        self.reply_to = sender
        if sender != self.peer and not self._admit(data, sender, now):
            return DROP if self.reply is None else ANSWER
        if size < 4:
            return DROP  # too short for any packet of a read (R-TFTP-37, 51)
        opcode = data[0] << 8 | data[1]
        if opcode == DATA:
            return self._data(data, size - HEADER)
        if opcode == OACK:
            return self._oack(data)
        if opcode == ERROR:
            return self._error(data)
        # An opcode that has no place in a read (R-TFTP-52, R-SEC-4)
        if not self.opened:
            return DROP
        self._strays += 1
        detail = "Packets that are no part of a read came"
        if self._strays == _MAX_STRAY:
            self.fail("error", detail, "PXE-E33", 4)
        return self._react("stray_opcode", detail, "PXE-E33", 4)

    def run(self):
        """How many full blocks the owner may take by itself, one after the other, before `feed`
        has to decide again: none in a window, near 65535, or near the size that is allowed."""
        if self.full < 0 or self.windowsize > 1 or self.held:
            return 0
        count = 65535 - self.next
        if self._most is not None:
            count = min(count, (self._most - self.bytes) // self.blksize)
        return count

    def took(self, count):
        """The owner took `count` full blocks and acknowledged each with `ack`."""
        self.blocks += count
        self.bytes += count * self.blksize
        self.next += count
        self._last = self.next - 1
        self._reacked = False

    def payload(self, data):
        """The file's bytes in an accepted DATA, as a memoryview that is good until the next
        one. A full block is copied into a standing buffer: slicing would leave more garbage."""
        size = len(data)
        if size == self.full:
            self.buffer[:size] = data
            return self.view
        return memoryview(data)[HEADER : HEADER + self.blksize]

    def due(self):
        """The held DATA, once the blocks before it have come; None otherwise."""
        return self.held.pop(self.next, None) if self.held else None

    def expire(self):
        """The packet to send again: the RRQ until the first reply, then the last ACK
        (R-TFTP-71, 63)."""
        self._reacked = False
        if self.in_window and "time_out" in self.on:
            from pxerom import tftp_quirks

            return tftp_quirks.last_sent(self)
        self.in_window = 0
        return self.ack if self.opened else self.request

    def give_up(self):
        """What the ROM sends when its timer has run out for good: an ERROR, or None."""
        reaction = self.on["give_up"]
        if reaction != "silent" and self.opened:
            return self._make_error(reaction["error"], reaction["message"])

    def abort(self, code, message):
        """The ERROR that tells the peer of a local end (R-TFTP-58); None without a peer."""
        return self._make_error(code, message) if self.peer else None

    # --- who may speak -------------------------------------------------------------------------

    def _admit(self, data, sender, now):
        # True when the datagram counts as the peer's; else `reply` is what a stranger gets.
        host = split(sender)[0]
        reaction = self.on["unknown_tid"]
        if host == self.host and self.peer is None:
            if reaction == "follow":
                self.peer = sender  # whatever it is that came: a request goes there again, too
            return True
        self.foreign += 1
        if host != self.host or reaction == "ignore":
            return False  # another host is never answered: that would reflect (R-TFTP-11)
        if reaction == "accept":
            self.reply_to = self.peer
            return True
        if reaction == "follow":
            self.peer = sender
            return True
        if len(data) < 2 or data[1] == ERROR:
            return False  # an ERROR is never answered (R-TFTP-10)
        from pxerom import tftp_quirks

        self.reply = tftp_quirks.to_stranger(self, reaction, now)
        return False

    # --- packets of the peer -------------------------------------------------------------------

    def _data(self, data, size):
        block = data[2] << 8 | data[3]
        if not self.opened and block != 1 and not self.unread:
            return DROP  # does not bind (R-TFTP-8)
        if size > self.blksize:
            detail = "DATA is longer than the blksize %d" % self.blksize
            verdict = self._react("oversize_data", detail, "PXE-E3F", 4)
            if verdict != OPENED:
                return verdict
            self.doubt = Failure("PXE-E3F", detail + ", and this ROM cut it")
            size = self.blksize
        if not self.opened:
            if self.asked:
                detail = "The server sent DATA where an OACK is needed"
                verdict = self._react("no_oack", detail, data=data)
                if verdict != OPENED:
                    return verdict
            if self.probe:
                return self._leave()  # a probe takes no data, whatever the server knows
            self._open()
        if block == self.next and not self.done:
            return self._accept(data, size)
        # Not the one that is due: which oddity is it?
        ahead = (block - self.next) % (65535 if self._rollover == 1 else 65536) < 0x8000
        if self.blocks and block == self._last:
            self.duplicates += 1
            hazard = "duplicate_data"
        elif self.done:
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
        detail = "DATA %d came where %d was due" % (block, self.next)
        return self._react(hazard, detail, "PXE-E39", 4, data)

    def _accept(self, data, size):
        # The expected block. Nothing here allocates.
        self.reply_to = self.peer  # not the last stranger: what follows may fail, and say so
        total = self.bytes + size
        if self._most is not None and total > self._most:
            self._too_long(total)
        if size < self.blksize:
            if self.tsize is not None and total != self.tsize:
                detail = "%d bytes were announced, %d came" % (self.tsize, total)
                self._react("wrong_size", detail, "PXE-E39", 0)
                self.doubt = Failure("PXE-E39", detail)
            self.done = True
            self.full = -1
        elif self.next == 65535 and self._rollover == "fail":
            self.fail("error", "The file has more than 65535 blocks", "PXE-E3A", 3)
        self.bytes = total
        self.blocks += 1
        self._last = self.next
        self.ack[2] = data[2]
        self.ack[3] = data[3]
        self._reacked = False
        self.reply = self.ack
        if self.done:
            return LAST
        # No RFC says what follows 65535; most count on with 0, some with 1 (R-TFTP-53).
        self.next = self.next + 1 if self.next != 65535 else self._rollover
        self.in_window += 1
        if self.in_window >= self.windowsize:
            self.in_window = 0
        else:
            self.reply = None  # only the last block of a window is acknowledged (R-TFTP-61)
        if self.held and self.next in self.held:
            self.reply = None  # one ACK for both
        return BLOCK

    def _oack(self, data):
        if self.opened:
            # The ACK 0 was lost (R-TFTP-34), or this comes far too late.
            hazard = "late_oack" if self.blocks else "duplicate_oack"
            return self._react(hazard, "An OACK came again", "PXE-E39", 4)
        options = oack_options(data)
        if options is None:
            return self._react("malformed_oack", "The server's OACK is malformed")
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
            if self.limit is not None and self.tsize > self.limit:
                self._too_long(self.tsize)
            self._bound()
        if self.probe:
            return self._leave()
        self.reply = self.ack
        return OPENED

    def _grant(self, name, text, asked):
        # Take over one option; one that is not named is not in effect (R-TFTP-24). True also for
        # one that is passed over; False when the ROM takes the whole OACK for no packet at all.
        detail = "The server's OACK says %s %s, asked was %s" % (name, text, asked or "nothing")
        if asked is None and self._react("unrequested_option", detail) == DROP:
            return self.on["unrequested_option"] != "drop"
        if "odd_number" in self.on:
            from pxerom import tftp_quirks

            text = tftp_quirks.digits(text)
        value = number(text, 20 if name == "tsize" else 10)
        # Can it be right? No ROM takes what is not (R-TFTP-25, 33).
        most = {"blksize": 65464, "windowsize": 65535, "timeout": 255}.get(name, (1 << 64) - 1)
        if name == "windowsize" and asked:
            most = int(asked)
        least = {"blksize": self._least_blksize, "windowsize": 1}.get(name, 0)
        other = name == "timeout" and asked and value != int(asked)
        if not least <= value <= most or (other and not self.on.get("other_timeout")):
            return self._react("malformed_oack", detail) != DROP
        # It can: it is in effect, unless the ROM minds.
        if name == "blksize":
            if asked and value > int(asked):
                if self._react("larger_blksize", detail, "PXE-E3F") == DROP:
                    return True
            self.blksize = value
        elif name == "windowsize":
            self.windowsize = value
        elif name == "tsize":
            self.tsize = value
        return True

    def _open(self):
        # The transfer begins: the peer is fixed (R-TFTP-7), and with it the size of a block.
        self.peer = self.reply_to
        self.opened = True
        self.full = self.blksize + HEADER
        self.recv_size = max(self.recv_size, self.full + 1)
        if not self.probe:
            self.buffer = bytearray(self.full)
            self.view = memoryview(self.buffer)[HEADER:]

    def _leave(self):
        # The ROM knows enough (size probe): its parting ERROR, and on to the next request.
        if self.finish:
            self.reply = self._make_error(self.finish["error"], self.finish["message"])
        return END

    def _error(self, data):
        # ERROR of the server: it ends the transfer, and hardly any ROM answers (R-TFTP-56, 10).
        code = data[2] << 8 | data[3]
        message = printable(bytes(data[4:]).split(b"\x00")[0])
        self.error = {"code": code, "message": message}
        self.peer = self.reply_to
        reaction = self.on["error"]
        if reaction != "fail" and not self.blocks:  # later, a next request would double the file
            if reaction == "next" or code in (0, 4, 8):
                return END  # only these codes can mean the options (R-TFTP-36)
        answer = self.on.get("error_reply")
        if answer and (self.opened or answer == "ack_due"):
            from pxerom import tftp_quirks

            tftp_quirks.react(self, answer, data)
        raise of_error(code, message)

    # --- reactions -----------------------------------------------------------------------------

    def _react(self, hazard, detail, code="PXE-E38", error_code=8, data=None):
        # What the ROM file says of this hazard: a verdict, or Failure.
        reaction = self.on.get(hazard) or "error"
        if hazard == "duplicate_data" and self.done:
            reaction = "ack"  # the server waits for the final ACK (R-TFTP-55)
        if reaction in ("accept", "cut"):
            return OPENED
        if reaction == "next":
            return self._leave()
        if reaction in ("ignore", "drop") or (reaction == "ack_once" and self._reacked):
            return DROP
        if reaction in ("fail", "error") or isinstance(reaction, dict):
            self.fail(reaction, detail, code, error_code)
        if reaction == "ack" and not self.opened:
            return DROP  # there is no peer yet
        self.in_window = 0  # the server goes on after any ACK
        if reaction not in ("ack", "ack_once"):
            from pxerom import tftp_quirks

            return tftp_quirks.react(self, reaction, data)
        self._reacked = True
        self.reply = self.ack
        return ANSWER

    def fail(self, reaction, detail, code, error_code):
        # "fail" says nothing to the server, "error" sends the RFC's ERROR, or it is the ROM's own.
        if reaction == "error":
            self.reply = self._make_error(error_code, _ERRORS.get(error_code, detail))
        elif reaction != "fail":
            self.reply = self._make_error(reaction["error"], reaction["message"])
        raise Failure(code, detail)

    def _bound(self):
        # The most bytes that are taken: tsize, where the ROM minds it, or the limit.
        minds = self.tsize is not None and self.on.get("longer_than_tsize") != "accept"
        self._most = self.tsize if minds else self.limit

    def _too_long(self, size):
        if self._most == self.tsize and size > self.tsize:
            detail = "More than the announced %d bytes came" % self.tsize
            self._react("longer_than_tsize", detail, "PXE-E39", 3)
        detail = "The file has %d bytes or more, at most %d can be taken" % (size, self.limit)
        self.fail("error", detail, "PXE-E3A", 3)

    def _make_error(self, code, message):
        self.sent_error = {"code": code, "message": message}
        return tftp_packet.error(code, message)
