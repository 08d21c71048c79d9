"""What a client did at each hazard: one walk through a conversation, a sighting for each.

The names and words are those of `tftp.on` (`pxerom.rom_check`). A reaction is what the client
sends at once (before the next packet that comes); silence is "ignore", unless the client sends
nothing more, although its time-outs have passed: then it has failed.

1. A hazard that this client cannot meet (a window that it did not ask for) is not examined.
2. Silence of the client at the very end of a capture proves nothing.
"""

from pxebench.captures.events import events
from pxebench.captures.messages import tftp

_NUMBERS = ("blksize", "windowsize", "timeout", "tsize")
_ENDED_S = 1.0  # shortest silence after which a client has failed


class _Walk:
    # A conversation from the client's side: what is expected, what is answered.

    def __init__(self, talk, until, see):
        self.talk = talk
        self.see = see  # see(hazard, word, packet)
        self.until = until
        self.events = events(talk)
        self.asked = {name.lower(): text for name, text in talk.asked.options or ()}
        self.opened = False
        self.due = 1
        self.done = False
        self.goes_on = False  # another request for the same file follows
        self.last_sent = None  # the block of the last ACK
        self.refused = set()  # kinds of ICMP errors that came
        self.again = 0  # duplicates in a row
        self.answered_one = False  # the first of them
        self.gap_last = None  # the block that is acknowledged again while a gap is open
        self.gap_data = self.gap_acks = 0  # DATA beyond a gap in a window, ACKs while it is open

    def run(self):
        for index, event in enumerate(self.events):
            if event.out:
                self._sent(event)
                # A slow client answers after the gap is closed: its ACKs count, too.
                if self.gap_last is not None and not event.icmp:
                    again = self._first_ack([event]) == self.gap_last
                    self.gap_acks += again
                    self.gap_last = self.gap_last if again else None
                continue
            answers = self._answers(index)
            if event.icmp:
                self._icmp(event, index)
            elif event.packet.src != self.talk.server:
                continue
            elif self.talk.tid is not None and event.packet.sport != self.talk.tid:
                self._unknown_tid(event, answers, index)
            else:
                self._packet(event, answers, index)

    def _sent(self, event):
        # An ACK of the client: in a window that is not full, which one does a time-out repeat?
        block = None if event.icmp else self._first_ack([event])
        if block is None:
            return
        timed = not event.answer and block == self.last_sent
        if timed and self.talk.windowsize > 1 and self.opened and block != self._last():
            self.see("time_out", "last_sent", event.packet)
        self.last_sent = block

    def _answers(self, index):
        # What the client sends before the next packet comes, and at once.
        found = []
        for event in self.events[index + 1 :]:
            if not event.out:
                if not event.icmp:
                    break
                continue
            if not event.answer:
                break
            found.append(event)
        return found

    def _packet(self, event, answers, index):
        message = tftp(event.packet)
        kind = message.kind
        if kind == "DATA" and message.block is not None:
            self._data(event, message, answers, index)
        elif kind == "OACK":
            self._oack(event, message, answers, index)
        elif kind == "ERROR":
            self._error(event, answers)
        elif self.opened and kind == "ACK" and self._first_ack(answers) == 0:
            self.see("stray_ack", "ack_zero_go_on", event.packet)
        elif self.opened:
            self._reaction("stray_opcode", event, answers, index)

    # --- DATA

    def _data(self, event, message, answers, index):
        talk = self.talk
        if not self.opened:
            if message.block != 1:
                return
            if self.asked:
                self._no_oack(event, answers, index)
            acked = any(tftp(a.packet).kind == "ACK" for a in answers if not a.icmp)
            if not acked and not self._acked_later(index, 1):
                return
            self.opened = True
        if message.length > talk.blksize:
            word = self._reaction("oversize_data", event, answers, index, accepted="cut")
            if word != "cut":
                return
        ahead = (message.block - self.due) % 65536
        if ahead == 0 and not self.done:
            self.again = 0
            self._progress(message)
            if self.done:
                self._size(event, message, answers, index)
        elif self.done:
            return
        elif talk.windowsize > 1:
            # Duplicates in a window are a window that began too early; only gaps are evidence.
            if 0 < ahead < 0x8000:
                self.gap_last = self._last()
                self.gap_data += 1
        elif ahead == 65535:
            self.again += 1
            self._duplicate(event, message, answers, index)
        elif message.block == 0:
            self._reaction("block_zero", event, answers, index)
        elif ahead < 0x8000:
            self._future(event, message, answers, index)
        else:
            self._reaction("old_data", event, answers, index)

    def _progress(self, message):
        if message.block == 65535:
            after = [tftp(e.packet).block for e in self.events
                     if e.out and not e.icmp and tftp(e.packet).kind == "ACK"]  # fmt: skip
            place = after.index(65535) if 65535 in after else len(after)
            follows = [block for block in after[place:] if block != 65535][:1]
            if follows and follows[0] in (0, 1):
                self.see("rollover", follows[0], self.talk.packets[0])
                self.due = follows[0]
                return
        self.due = (self.due + 1) % 65536
        self.done = message.length is not None and message.length < self.talk.blksize

    def _size(self, event, message, answers, index):
        # The file is over: is it as long as the OACK said?
        tsize = self.talk.granted("tsize", None)
        blocks = self.talk.blocks
        if "tsize" not in self.asked or tsize is None or blocks > 65535:
            return
        if (message.block - 1) * self.talk.blksize + message.length < tsize:
            word = self._word(event, answers, index, "accept")
            if word not in (None, "ignore"):
                self.see("wrong_size", word, event.packet)

    def _duplicate(self, event, message, answers, index):
        block = self._first_ack(answers)
        if block is not None and block == self.due and block != message.block:
            self.see("duplicate_data", "ack_due", event.packet)
            return
        if self.again > 1 and not answers:
            # Answered the first time, not the second: `ack_once`.
            self.see("duplicate_data", "ack_once" if self.answered_one else "ignore", event.packet)
            return
        self.answered_one = bool(answers)
        self._reaction("duplicate_data", event, answers, index)

    def gap_word(self):
        """The word for `window_gap` after the walk, or None."""
        if not self.gap_acks:
            return None
        return "ack_once" if self.gap_data > 1 >= self.gap_acks else "ack"

    def _future(self, event, message, answers, index):
        if self._first_ack(answers) is not None and self._acks_unseen(index, message.block):
            self.see("future_data", "hold", event.packet)
            return
        self._reaction("future_data", event, answers, index)

    def _acks_unseen(self, index, block):
        # True when this out-of-order block is acknowledged later without having come again.
        for event in self.events[index + 1 :]:
            if event.icmp:
                continue
            message = tftp(event.packet)
            if message.kind == "DATA" and not event.out and message.block == block:
                return False
            if message.kind == "ACK" and event.out and message.block == block:
                return True
        return False

    def _acked_later(self, index, block):
        return any(
            tftp(e.packet).kind == "ACK" and tftp(e.packet).block == block
            for e in self.events[index + 1 :]
            if e.out and not e.icmp
        )

    def _no_oack(self, event, answers, index):
        sent = [tftp(a.packet) for a in answers if not a.icmp]
        errors = [message for message in sent if message.kind == "ERROR"]
        if errors:
            # A probe that ends with its usual ERROR here, too, just goes on.
            word = "next" if self.goes_on else error_words(errors[0])
            self.see("no_oack", word, event.packet)
        elif any(message.kind == "ACK" for message in sent) or self._acked_later(index, 1):
            again = [e for e in self.events[index + 1 :]
                     if e.out and not e.icmp and tftp(e.packet).kind == "RRQ"]  # fmt: skip
            self.see("no_oack", "swallow" if again else "accept", event.packet)
        elif self._silent_for_good(index):
            self.see("no_oack", "next" if self.goes_on else "fail", event.packet)

    # --- OACK and ERROR

    def _oack(self, event, message, answers, index):
        if self.opened:
            hazard = "late_oack" if self.due > 1 else "duplicate_oack"
            block = self._first_ack(answers)
            if hazard == "late_oack" and block == 0:
                on = self._acked_later(index, self.due)
                self.see(hazard, "ack_zero_go_on" if on else "ack_zero", event.packet)
                return
            lost = block is not None and self._lost(index)
            if hazard == "late_oack" and lost:
                self.see(hazard, "ack_and_lose", event.packet)
                return
            self._reaction(hazard, event, answers, index)
            return
        hazard = None
        for name, text in message.options:
            wanted = self.asked.get(name.lower())
            if wanted is None:
                hazard = "unrequested_option"
            elif name.lower() == "blksize" and _number(text) > _number(wanted) >= 0:
                hazard = "larger_blksize"
            elif name.lower() in _NUMBERS and _number(text) < 0:
                hazard = "odd_number" if _number(text.partition(".")[0]) >= 0 else "malformed_oack"
            elif name.lower() == "timeout" and text != wanted:
                hazard = "other_timeout"
        acked = self._first_ack(answers) == 0 or self._acked_later(index, 0)
        if hazard == "unrequested_option" and acked:
            self.see(hazard, self._takes(message), event.packet)
        elif hazard in ("other_timeout", "odd_number"):
            if acked:
                self.see(hazard, "accept", event.packet)
            else:
                self._reaction("malformed_oack", event, answers, index)
        elif hazard:
            self._reaction(hazard, event, answers, index, accepted="accept")
        elif not message.options:
            self._reaction("malformed_oack", event, answers, index)
        if acked:
            self.opened = True

    def _lost(self, index):
        # True when the expected block comes next and is the last, and the client sends nothing
        # more.
        for number, event in enumerate(self.events[index + 1 :], index + 1):
            if event.icmp or event.out:
                continue
            message = tftp(event.packet)
            return message.kind == "DATA" and self._silent_for_good(number)
        return False

    def _takes(self, message):
        # Whether an option that was not asked for is in effect: seen with windowsize and blksize.
        for name, text in message.options:
            if name.lower() == "blksize" and "blksize" not in self.asked:
                large = [tftp(e.packet).block for e in self.events if not e.out and not e.icmp
                         and (tftp(e.packet).length or 0) > 512]  # fmt: skip
                if any(self._acked_later(0, block) for block in large):
                    return "accept"
            if name.lower() == "windowsize" and _number(text) > 1:
                acks = [tftp(e.packet).block for e in self.events
                        if e.out and not e.icmp and tftp(e.packet).kind == "ACK"]  # fmt: skip
                return "accept" if 1 not in acks else "ignore"
        return "ignore"

    def _error(self, event, answers):
        sent = [tftp(a.packet) for a in answers if not a.icmp]
        code = tftp(event.packet).code
        if not self.opened:
            refused = code in (0, 4, 8)
            word = ("next_if_refused" if refused else "next") if self.goes_on else "fail"
            self.see("error", word, event.packet)
        for message in sent:
            if message.kind == "ACK":
                self.see("error_reply", "ack_due", event.packet)
            elif message.kind == "ERROR" and message.text is None:
                self.see("error_reply", "error_block", event.packet)

    # --- unknown TIDs and ICMP

    def _unknown_tid(self, event, answers, index):
        talk = self.talk
        # An ACK to the peer may belong to its DATA, which came a moment before.
        pending = None
        before = self.events[index - 1]
        if not before.out and not before.icmp and before.packet.sport == talk.tid:
            pending = tftp(before.packet).block
        if self.done and not answers:
            return
        for answer in answers:
            if answer.icmp:
                continue
            message = tftp(answer.packet)
            to_sender = answer.packet.dport == event.packet.sport
            if message.kind == "ERROR" and to_sender:
                self.see("unknown_tid", error_words(message), event.packet)
                return
            if message.kind == "ACK" and not to_sender and message.block == pending:
                continue
            if message.kind == "ACK":
                self.see("unknown_tid", "follow" if to_sender else "accept", event.packet)
                self._count(event, message)
                return
        if talk.tid is not None and self.opened:
            gone = self._silent_for_good(index)
            self.see("unknown_tid", "fail" if gone else "ignore", event.packet)

    def _count(self, event, message):
        came = tftp(event.packet)
        if came.kind == "DATA" and message.block == self.due == came.block:
            self._progress(came)

    def _icmp(self, event, index):
        quoted = event.packet.icmp[2]
        kind = tftp(quoted).kind
        if kind not in ("RRQ", "ACK") or self.done:
            return
        later = [e for e in self.events[index + 1 :] if e.out and not e.icmp]
        hazard = "rrq_unreachable" if kind == "RRQ" else "ack_unreachable"
        if hazard in self.refused:
            return  # a client that ignored the first ICMP of a kind stops for another reason
        self.refused.add(hazard)
        if later and tftp(later[0].packet).kind == "ERROR" and later[0].at - event.at < 0.5:
            self.see(hazard, error_words(tftp(later[0].packet)), event.packet)
        elif not later and self._silent_for_good(index):
            self.see(hazard, "fail", event.packet)

    # --- the word for a reaction

    def _reaction(self, hazard, event, answers, index, accepted=None):
        word = self._word(event, answers, index, accepted)
        if word:
            self.see(hazard, word, event.packet)
        return word

    def _word(self, event, answers, index, accepted):
        for answer in answers:
            if answer.icmp:
                continue
            message = tftp(answer.packet)
            if message.kind == "ERROR":
                if accepted and self.goes_on:
                    return accepted
                words = error_words(message)
                if isinstance(words, dict) and self._acks_after(answer):
                    words["then"] = "go_on"
                return words
            if message.kind == "ACK":
                came = tftp(event.packet).block
                if accepted and came in (None, message.block):
                    return accepted
                if message.block == self._last() or came is None:
                    return "ack"
                return "ack_that" if message.block == came else "ack"
        if index + 1 >= len(self.events) and self.until - event.packet.time < _ENDED_S:
            return None
        return "fail" if self._silent_for_good(index) else "ignore"

    def _acks_after(self, event):
        # An ERROR of the client that did not end its transfer.
        later = self.events[self.events.index(event) + 1 :]
        return self._first_ack([e for e in later if e.out]) is not None

    def _last(self):
        return (self.due - 1) % 65536

    def _first_ack(self, answers):
        for answer in answers:
            if not answer.icmp and tftp(answer.packet).kind == "ACK":
                return tftp(answer.packet).block
        return None

    def _silent_for_good(self, index):
        # Nothing more from the client, although the capture goes on.
        event = self.events[index]
        later = [e for e in self.events[index + 1 :] if e.out and not e.icmp]
        return not later and self.until - event.packet.time > _ENDED_S


def _number(text):
    return int(text[:20]) if text.isascii() and text.isdigit() else -1


def error_words(message):
    """An ERROR (`messages.Tftp`) as a ROM file has it; that for an unknown TID has a word."""
    if message.code == 5 and message.text == "Unknown transfer ID":
        return "error"
    text = "".join(c for c in message.text or "" if " " <= c <= "~")
    return {"error": message.code or 0, "message": text}


def look(talk, until, goes_on, see):
    """Walk through a conversation; `see(hazard, word, packet)` for each hazard met.  `until`: the
    capture's last moment in seconds; `goes_on`: another request for the same file follows."""
    walk = _Walk(talk, until, see)
    walk.goes_on = goes_on
    walk.run()
    if walk.gap_word():
        see("window_gap", walk.gap_word(), talk.packets[0])
