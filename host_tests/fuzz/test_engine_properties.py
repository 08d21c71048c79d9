"""The receive engine against an adversary: 16,000 transfers, each packet of each judged.

`tftp.Transfer` is driven directly; no socket, no clock. What holds for every packet:

1. A block is taken if and only if it is the expected one, from the peer, and fits; what was
   taken, in order, is the file, and it is the server's own whenever nobody forged the server.
2. An unknown TID changes nothing, unless the ROM's table says `fail`; another host is never
   answered, an ERROR is never answered.
3. An ACK names only a block that came (or the OACK), unless the ROM's table says `ack_that`,
   `ack_due`, `ack_zero`, `ack_zero_go_on` or `swallow`. A file that a ROM's table makes doubtful
   is marked so.
4. What ends a transfer early is a Failure with a PXE code and a printable sentence; nothing else
   leaves the engine, and it ends within what its table of waits and the tape allow.
5. `feed` and the loop over full blocks (`stream`) judge every datagram alike.
"""

import copy
import heapq
import re

import pytest
from pxerom import tftp, tftp_hazards
from pxerom.failure import Failure
from pxerom.sink import Null

from host_tests.fuzz import roms, tapes
from host_tests.fuzz.adversary import (
    CONTENT,
    LINE_HOLDS,
    SERVER,
    Adversary,
    Server,
    Tape,
    wire_number,
)
from host_tests.fuzz.verdicts import check_status

CASES = 16000
_RETRIES = 6
_MOST_FED = 4000  # beyond it the server is dead: a storm must not make a case endless
_TELEPORT = 65530
_RECOUNTS = ("ack_and_lose", "ack_zero")


class Case:
    """One transfer. `outcome` is "ok", a PXE code, "next" or "timeout" when it is over."""

    def __init__(self, tape):
        self.tape = tape = Tape(tape)
        self.hostile = tape.byte() % 3 != 0
        self.rom = roms.draw(tape)
        self.request = tape.pick(self.rom["tftp"]["requests"][::-1])
        self.on = self.request["on"]
        self.rollover = self.rom["tftp"]["rollover"]
        asked = dict(self.request["options"])
        self.asked = {name.lower(): value for name, value in asked.items()}
        blksize = int(self.asked.get("blksize", 512))
        self.teleport = tape.byte() % 8 == 7 and self.asked.get("blksize") in ("8", "9")
        blocks = tape.byte() % 10
        size = blocks * blksize + tape.pick((0, 0, 1, -1, blksize // 2, 511, 512, 513))
        if self.teleport:
            size = (_TELEPORT + blocks) * blksize + tape.byte() % blksize
        size = max(0, min(size, len(CONTENT)))
        content = CONTENT[:size]
        self.limit = None if self.teleport else tape.pick((None, None, None, size, size - 1, 700))
        if self.limit is not None:
            self.limit = max(0, self.limit)
        told = None if self.teleport else tape.pick((None,) * 6 + (size, size + 1))
        if told is not None and self.limit is not None:
            told = min(told, self.limit)  # a probe that told more has ended the boot
        self.strict = not self.hostile
        self.server = Server(tape, content, 1 if self.rollover == 1 else 0)
        self.adversary = Adversary(tape, self.hostile)
        self.transfer = tftp.Transfer("f", self.request, self.rollover, SERVER, self.limit, told)
        self.came = set()  # numbers on the wire of what was taken; 0 for the OACK
        self.file = bytearray()
        self.blocks = 0
        self.queue = []
        self.turn = 0
        self.fed = 0
        self.order = 0
        self.outcome = None
        self.streamed = 0  # datagrams that the loop took

    def run(self):
        transfer = self.transfer
        self.send(transfer.request, (SERVER, 69))
        idle = 0
        while self.outcome is None:
            if not self.queue:
                idle += 1
                if idle >= _RETRIES:
                    self.outcome = "timeout"
                    reason = "no_reply" if transfer.state < tftp.RECEIVING else "stopped"
                    end = Failure("PXE-E35", "", None, reason)
                    self.parting(tftp_hazards.last_packet(transfer, end)[1])
                    break
                packet = transfer.expire()
                if transfer.state >= tftp.RECEIVING:
                    self.check_ack(packet, b"")
                    self.send(packet, transfer.peer)
                else:
                    assert packet == transfer.request
                    self.send(packet, (SERVER, 69))
                if self.fed < _MOST_FED:
                    self.arrive(self.server.late())
                continue
            self.turn, _, datagram, sender = heapq.heappop(self.queue)
            if datagram is None:
                continue  # an ICMP error is not the engine's
            self.fed += 1
            verdict = self.feed(datagram[: transfer.recv_size], sender)
            held = transfer.due() if self.outcome is None else None
            if held is not None:
                verdict = self.feed(*held)
            if verdict in (tftp.BLOCK, tftp.LAST, tftp.OPENED):
                idle = 0
            if self.teleport and transfer.state >= tftp.RECEIVING and self.outcome is None:
                self.jump()
        return self.outcome

    def send(self, packet, to):
        assert to[0] == SERVER, "sent to another host"
        if self.fed < _MOST_FED and not self.adversary.loses():
            self.arrive(self.server.receive(bytes(packet), to[1]))

    def arrive(self, datagrams):
        for datagram, sender in datagrams:
            for delay, data, source in self.adversary.meddle(datagram, sender):
                if len(self.queue) >= LINE_HOLDS:
                    continue
                self.order += 1
                heapq.heappush(self.queue, (self.turn + delay, self.order, data, source))

    def jump(self):
        # Over the 65,500 dull blocks in the middle, to see the roll-over.
        transfer = self.transfer
        self.teleport = False
        session = self.server.sessions.get(transfer.peer[1])
        if session is None or str(transfer.blksize) != self.asked["blksize"]:
            return
        skipped = _TELEPORT - transfer.blocks
        self.file = bytearray(CONTENT[: _TELEPORT * transfer.blksize])
        transfer.blocks += skipped
        transfer.bytes += skipped * transfer.blksize
        transfer.expected += skipped
        last = wire_number(_TELEPORT, 0)
        transfer.ack[2] = last >> 8
        transfer.ack[3] = last & 255
        self.came.add(last)
        self.blocks = session.base = _TELEPORT
        self.adversary.seen.clear()
        self.queue.clear()
        self.arrive(self.server.late())

    # --- one packet ----------------------------------------------------------------------------

    def state(self, transfer=None):
        t = transfer or self.transfer
        opened, done = t.state >= tftp.RECEIVING, t.state == tftp.COMPLETE
        return (t.peer, opened, done, t.expected, t.blocks, t.bytes, t.blksize, t.windowsize,
                t.tsize, bytes(t.ack), t.oack, t.error)  # fmt: skip

    def feed(self, data, sender):
        transfer = self.transfer
        before = self.state()
        peer = transfer.peer
        elsewhere = sender[0] != SERVER
        unknown_tid = elsewhere or (
            peer is not None
            and sender != peer
            and self.on["unknown_tid"] not in ("accept", "follow")
        )
        due = not unknown_tid and self.is_due(data)
        streamed = self.stream(data, sender)
        try:
            verdict = transfer.feed(data, sender, self.turn)
        except Failure as failure:
            ends = self.on["unknown_tid"] == "fail" and not elsewhere
            assert not unknown_tid or ends, "an unknown TID ended the transfer"
            assert not streamed, "the loop took what ends the transfer"
            self.fail(failure, data)
            return None
        reply = transfer.reply if verdict != tftp.DROP else None
        if elsewhere:
            assert verdict == tftp.DROP, "another host was answered"
        if unknown_tid:
            assert verdict in (tftp.DROP, tftp.ANSWER)
            assert self.state() == before, "an unknown TID changed the transfer"
        self.check_stream(streamed, verdict, data, sender == peer)
        if verdict in (tftp.BLOCK, tftp.LAST):
            self.take(data, verdict)
        else:
            assert not due, "the block that was due was not taken"
            assert (transfer.blocks, transfer.bytes) == before[4:6]
        lost_count = data[:2] == b"\x00\x06" and self.on["late_oack"] in _RECOUNTS
        if verdict in (tftp.DROP, tftp.ANSWER) and data[:2] != b"\x00\x05" and not lost_count:
            followed = self.on["unknown_tid"] == "follow" or self.on["no_oack"] == "swallow"
            assert self.state()[followed:] == before[followed:], "dropped, but not without trace"
        if verdict == tftp.OPENED:
            assert transfer.state >= tftp.RECEIVING and not before[1]
            if data[1] == 6:
                self.check_oack(data)
        if verdict == tftp.END:
            assert not self.blocks, "the next request would double the file"
            self.outcome = "next"
        if reply is not None:
            self.check_reply(reply, data)
            if unknown_tid:
                assert reply[1] == 5 and transfer.reply_to == sender
            elif reply[1] == 4:
                assert transfer.reply_to == transfer.peer
            self.send(reply, transfer.reply_to)
        if verdict == tftp.LAST:
            self.finish()
        return verdict

    def stream(self, data, sender):
        # What the loop over full blocks makes of this datagram, on a twin of the transfer: None
        # where it has no say, False where it leaves it to `feed`; else the twin, and what it did.
        transfer = self.transfer
        if transfer.streams() < 1:
            return None
        into = self.turn % 2 == 0  # both ways to receive have to judge alike

        def receive(taken):
            if not into:
                return data[:taken], sender
            size = min(len(data), len(taken))
            taken[:size] = data[:size]
            return size, sender

        twin = copy.copy(transfer)
        twin.ack = bytearray(transfer.ack)
        sent, stored = [], []
        came, source, error = twin.stream(
            1,
            (receive, into, lambda packet, to: sent.append((bytes(packet), to))),
            lambda view: stored.append(bytes(view)),
            Null(),
            None,
            lambda: self.turn,
            self.turn + 1000,
        )
        assert error is None
        if came is not None:
            assert (came, source, sent, stored) == (data, sender, [], [])
            assert self.state(twin) == self.state(), "the loop changed what it left to feed"
            return False
        return twin, sent, stored

    def check_stream(self, streamed, verdict, data, from_peer):
        # `feed` and the loop judge alike: the same block, ACK, bytes and state, or none.
        transfer = self.transfer
        if streamed is False:
            full = from_peer and len(data) == transfer.blksize + 4
            assert verdict != tftp.BLOCK or not full, "a block that the loop did not see"
        if streamed:
            twin, sent, stored = streamed
            assert verdict == tftp.BLOCK, "the loop took what feed did not"
            reply = transfer.reply  # none amid a window
            assert sent == ([] if reply is None else [(bytes(reply), transfer.reply_to)])
            assert stored == [bytes(transfer.payload(data))]
            assert self.state(twin) == self.state()
            assert twin._in_window == transfer._in_window
            self.streamed += 1

    def is_due(self, data):
        # The RFC's view of what must be taken; only where it leaves no doubt.
        t = self.transfer
        if t.state == tftp._LOST:
            return False  # an OACK in mid-transfer made the ROM lose count
        number = wire_number(self.blocks + 1, self.rollover)
        if t.state < tftp.RECEIVING or self.rollover == "fail" and self.blocks >= 65534:
            return False
        if len(data) < 4 or data[:2] != b"\x00\x03" or data[2] << 8 | data[3] != number:
            return False
        size = len(data) - 4
        total = len(self.file) + size
        if size > t.blksize or (self.limit is not None and total > self.limit):
            return False
        if t.tsize is not None and (total > t.tsize or (size < t.blksize and total != t.tsize)):
            return False
        return t.state != tftp.COMPLETE

    def take(self, data, verdict):
        transfer = self.transfer
        self.blocks += 1
        number = data[2] << 8 | data[3]
        assert data[:2] == b"\x00\x03"
        assert number == wire_number(self.blocks, self.rollover), "not the block that was due"
        assert not (self.rollover == "fail" and self.blocks > 65535)
        payload = bytes(transfer.payload(data))
        if self.on["oversize_data"] == "cut" and len(data) - 4 > transfer.blksize:
            assert transfer.doubt, "cut, and taken for right"
            data = data[: 4 + transfer.blksize]
        assert payload == data[4:], "not what the datagram holds"
        assert len(payload) <= transfer.blksize
        assert (
            (verdict == tftp.LAST)
            == (len(payload) < transfer.blksize)
            == (transfer.state == tftp.COMPLETE)
        )
        if "blksize" not in self.asked and self.on["unrequested_option"] != "accept":
            assert transfer.blksize == 512
        self.came.add(number)
        self.file += payload
        if self.limit is not None:
            assert len(self.file) <= self.limit, "more than the target can take"
        assert transfer.bytes == len(self.file)
        assert transfer.blocks == self.blocks
        if transfer.held and verdict == tftp.BLOCK and transfer.reply is None:
            assert transfer.held.has(transfer.expected)
        elif verdict == tftp.LAST or transfer.windowsize == 1:
            reply = transfer.reply
            assert bytes(reply) == b"\x00\x04" + data[2:4]

    def check_oack(self, data):
        # What an OACK grants is in effect, what it does not name is not (R-TFTP-24).
        transfer = self.transfer
        self.came.add(0)
        assert data[-1] == 0, "an OACK without its last NUL"
        fields = data[2:-1].split(b"\x00")
        while not fields[-1]:
            fields.pop()
        names = [name.lower() for name in fields[::2]]
        assert all(names) and len(set(names)) == len(names) == len(fields) // 2, "malformed"
        granted = dict(zip(names, fields[1::2], strict=True))
        asked = int(self.asked.get("blksize", 0))
        value = granted.get(b"blksize", b"512")
        if "odd_number" in self.on:
            value = re.match(rb"[ +]*([0-9]*)", value).group(1)
        if value.isdigit() and 8 <= int(value) <= asked:
            assert transfer.blksize == int(value)
        elif asked and self.on["larger_blksize"] != "accept":
            assert transfer.blksize == 512
        assert 8 <= transfer.blksize <= 65464
        assert (
            1
            <= transfer.windowsize
            <= max(
                int(self.asked.get("windowsize", 1)),
                65535 if self.on["unrequested_option"] == "accept" else 1,
            )
        )

    def check_reply(self, reply, data):
        if data[:2] == b"\x00\x05":
            answer = self.on.get("error_reply")
            assert answer, "an ERROR was answered"
            due = (self.transfer.expected & 0xFFFF).to_bytes(2, "big")
            last = bytes(self.transfer.ack[2:])
            expected = b"\x00\x04" + due if answer == "ack_due" else b"\x00\x05" + last
            assert bytes(reply) == expected
            return
        if reply[1] == 4:
            self.check_ack(reply, data)
        else:
            assert bytes(reply[:2]) == b"\x00\x05"
            assert reply[-1] == 0 and len(reply) <= 512

    def check_ack(self, packet, data):
        assert len(packet) == 4 and packet[0] == 0 and packet[1] == 4
        number = packet[2] << 8 | packet[3]
        if number in self.came:
            return
        if self.on["duplicate_data"] == "ack_due" and number == self.transfer.expected:
            return
        if self.on["no_oack"] == "swallow" and data[2:4] == bytes(packet[2:4]):
            return
        if self.on["late_oack"] == "ack_zero" and number == 0:
            return
        zero = (self.on["late_oack"], self.on.get("stray_ack"))
        if "ack_zero_go_on" in zero and number == 0 and data[:2] in (b"\x00\x06", b"\x00\x04"):
            return
        reactions = (self.on["old_data"], self.on["block_zero"])
        assert "ack_that" in reactions and data[2:4] == bytes(packet[2:4]), (
            f"ACK {number} names a block that never came"
        )

    def parting(self, packet):
        if packet is not None:
            assert bytes(packet[:2]) == b"\x00\x05"
            assert self.transfer.peer[0] == SERVER

    def fail(self, failure, data):
        check_status(failure.status())
        self.outcome = failure.code
        reply = self.transfer.reply
        if reply is not None:
            self.check_reply(reply, data)
            assert self.transfer.reply_to[0] == SERVER

    def finish(self):
        transfer = self.transfer
        if transfer.doubt:
            check_status(transfer.doubt.status())
            self.outcome = "doubt"
            return
        self.outcome = "ok"
        if self.strict:
            assert bytes(self.file) == self.server.content, "a wrong file"
        if transfer.tsize is not None:
            assert len(self.file) == transfer.tsize
        # Dallying: whatever else comes, nothing more is taken and only the last ACK is said again.
        for _ in range(4):
            before = self.state()
            last = self.server.sessions.get(transfer.peer[1])
            datagrams = [(d, transfer.peer) for d in last.window()] if last else []
            datagrams.append((self.adversary._forged(b"\x00\x03\x00\x01"), transfer.peer))
            for datagram, sender in datagrams:
                try:
                    verdict = transfer.feed(datagram, sender, self.turn)
                except Failure:
                    return
                assert verdict in (tftp.DROP, tftp.ANSWER, tftp.END)
                assert self.state()[1:-1] == before[1:-1]
                if verdict == tftp.ANSWER and transfer.reply[1] == 4:
                    self.check_ack(transfer.reply, datagram)


_STREAMED = []


def _play(tape):
    case = Case(tape)
    outcome = case.run()
    _STREAMED.append(case.streamed)
    return outcome


def test_engine_ends_right_or_with_a_code_whatever_comes(record_property):
    seen = tapes.play(_play, CASES, shortest=24)
    record_property("cases", sum(seen.values()))
    assert sum(_STREAMED) > CASES, "the loop had hardly a say"
    codes = ["PXE-" + end for end in ("E33", "E36", "E38", "E39", "E3A", "E3B", "E3C", "E3F")]
    tapes.check_variety(seen, CASES, *codes, "timeout", "next", "doubt")


@pytest.mark.soak
def test_engine_with_new_tapes_each_time():
    tapes.play(_play, 200000, shortest=24, always_the_same=False)
