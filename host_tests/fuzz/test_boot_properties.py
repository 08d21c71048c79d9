"""Whole boots against an adversary, in virtual time: 6,000 of them, each twice.

A boot is played once with a trace and once without one: `rom` takes full blocks in a tight loop
of its own when nobody traces, and both ways must lead to the same packets, events and file. Then:

1. Either the sink holds the right file, committed, or the outcome is "failed" with a code and a
   printable sentence, the sink is aborted and was never committed.
2. The right file is what the peer's in-order blocks said, put together here from the datagrams
   that were heard; it is the server's own when nobody forged the server.
3. Only progress buys time: between two steps forward lies no more than the phase's table allows.
4. Each packet sent answers one that came, or is a request, a timer's, or the one parting ERROR;
   none goes to another host.
"""

import heapq
import json

import pytest
from pxerom.failure import Failure
from pxerom.fetch import Fetch
from pxerom.tftp_packet import oack_options
from pxerom.udp import SourcePorts

from host_tests.core.fakenet import Functions
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
from host_tests.fuzz.verdicts import check_status, is_printable

CASES = 6000
_MOST_STEPS = 6000  # without progress, beside one for each second of the ROM's retry table
_MOST_HEARD = 2000  # beyond it the server is dead
_MOST_HELD = 4  # blocks that came early
_SERVER_RETRY_MS = 1000
_SERVER_RETRIES = 3


class Net(Functions):
    """`udp.Udp` in virtual time; `heard` and `sent` are what passed."""

    def __init__(self, case, tape, trace):
        self.case = case
        self.tape = tape
        self.trace = trace
        self.ports = SourcePorts(case.rom["udp"]["source_port"])
        self.port = None
        self.sender = None
        self.errors = []
        self.unreachable = 0
        self.clock_us = 5_000_000
        self.heard = []  # (transfer, datagram, sender)
        self.sent = []
        self.closed = False
        self.steps = 0
        self.owed = 0  # packets that may be sent now
        self.progress_ms = self.now()
        self._queue = []
        self._order = 0
        self._epoch = 0

    def now(self):
        return self.clock_us // 1000

    def step(self):
        self.steps += 1
        longest_s = max(self.case.open_ms, self.case.read_ms) // 1000
        assert self.steps < _MOST_STEPS + longest_s, "this boot does not end"

    def open(self, new_transfer):
        self.step()
        self.owed = 1
        self.progress(new_transfer)
        self.port = self.ports.take(new_transfer)
        return self.port

    def progress(self, is_progress=True):
        if is_progress:  # nobody's progress is without end: transfers and bytes have theirs
            self.progress_ms = self.now()
            self.steps = 0

    def send(self, packet, to):
        self.step()
        assert not self.closed, "sent after the end"
        assert to[0] == SERVER, "sent to another host"
        assert self.owed > 0 or packet[1] == 5, "a packet that nothing asked for"
        self.owed -= 1
        if self.case.send_fails_at == len(self.sent):
            raise Failure("PXE-E38", "Sending failed: no route to that host", "ours")
        self.sent.append((self.clock_us, self.port, bytes(packet), to[1]))
        adversary = self.case.adversary
        if len(self.heard) < _MOST_HEARD and not adversary.loses():
            self._arrive(self.case.server.receive(bytes(packet), to[1]))
            self._epoch += 1
            self._later(_SERVER_RETRIES)

    def _arrive(self, datagrams):
        for datagram, sender in datagrams:
            for delay, data, source in self.case.adversary.meddle(datagram, sender):
                if len(self._queue) >= LINE_HOLDS:
                    continue
                # One turn is 0.2 ms; the longest delays are longer than a ROM's first waits.
                delay_us = 200 if delay == 1 else 200 + delay * delay * 2
                self._post(delay_us, data, source)

    def _post(self, delay_us, data, source):
        self._order += 1
        heapq.heappush(
            self._queue, (self.clock_us + delay_us, self._order, self.port, data, source)
        )

    def _later(self, left):
        # The server's own timer, while nothing comes from the client.
        if left:
            self._post(_SERVER_RETRY_MS * 1000, (self._epoch, left), None)

    def receive(self, size, wait_ms):
        self.step()
        assert wait_ms > 0, "a receive without a wait would spin"
        assert not self.closed
        self.case.check_longest_wait(self.now())
        until = self.clock_us + min(wait_ms, 1000) * 1000
        while self._queue and self._queue[0][0] <= until:
            at_us, _, port, data, source = heapq.heappop(self._queue)
            self.clock_us = max(self.clock_us, at_us)
            if source is None:
                epoch, left = data
                if epoch == self._epoch and len(self.heard) < _MOST_HEARD:
                    self._arrive(self.case.server.late())
                    self._later(left - 1)
                continue
            if port != self.port:
                continue  # to a port that the ROM has left
            if data is None:
                self.unreachable += 1
                self.errors.append((111, 3, 3, None, None))
                return None
            if self.case.receive_fails_at == len(self.heard):
                raise Failure("PXE-E39", "Receiving failed: errno 5", "ours")
            self.sender = source
            data = data[:size]
            self.heard.append((self.case.transfers, data, source))
            self.owed = 1
            return data
        self.clock_us = until
        return None

    def functions(self, wait_ms):
        return None if self.trace else super().functions(wait_ms)

    def close(self):
        self.closed = True


class Trace:
    """The least that a boot needs of `trace.Trace`."""

    def flush(self):
        pass


class Sink:
    """Keeps what it is told; gives out where the tape wants it to."""

    def __init__(self, case):
        self.case = case
        self.data = bytearray()
        self.opened = self.committed = self.aborted = 0

    def room(self):
        return self.case.room

    def open(self):
        self.opened += 1

    @property
    def writer(self):
        return self.write

    def write(self, view):
        assert self.opened and not self.committed and not self.aborted
        self.case.net.progress()
        if self.case.full_at == "write" and len(self.data) > 1000:
            raise Failure("PXE-E3A", "Cannot write x: no space left", "ours", "cannot_write")
        self.data += view

    def commit(self):
        assert not self.committed and not self.aborted
        if self.case.full_at == "commit":
            raise Failure("PXE-E3A", "Cannot write x: no space left", "ours", "cannot_write")
        self.committed += 1

    def abort(self):
        self.aborted += 1


class Case:
    """One boot; all that is random about it comes from the tape."""

    def __init__(self, tape, trace, rom=None):
        tape = Tape(tape)
        self.hostile = tape.byte() % 3 != 0
        self.rom = rom or roms.draw(tape)
        self.spec = self.rom["tftp"]
        asked = {name.lower(): value for name, value in self.spec["requests"][-1]["options"]}
        blksize = int(asked.get("blksize", 512))
        size = tape.byte() % 8 * blksize + tape.pick((0, 0, 1, -1, blksize // 2, 511, 512, 513))
        size = max(0, min(size, len(CONTENT)))
        self.room = tape.pick((None, None, None, None, 1 << 30, size, max(0, size - 1)))
        self.full_at = tape.pick((None,) * 14 + ("write", "commit"))
        self.max_bytes = tape.pick((None, None, None, None, None, size, 600))
        self.max_time_ms = tape.pick((None, None, None, None, 1, 900, 30000, 600000))
        self.send_fails_at = tape.pick((None,) * 14 + (1, 3))
        self.receive_fails_at = tape.pick((None,) * 14 + (1, 4))
        self.server = Server(tape, CONTENT[:size], 1 if self.spec["rollover"] == 1 else 0)
        self.adversary = Adversary(tape, self.hostile)
        self.transfers = -1
        self.events = []
        self.net = Net(self, tape, Trace() if trace else None)
        self.sink = Sink(self)
        self.began_ms = self.net.now()
        self.done_ms = None
        self.opened = False
        self.timeouts = 0
        retry = self.spec["retry"]
        self.open_ms = max(sum(phase["waits_ms"]) for phase in retry.values() if phase)
        self.read_ms = sum(retry["read"]["waits_ms"])
        if self.spec.get("timer") == "round_trips":
            # It doubles from wherever the round trips brought it, while that is at most 10 s: the
            # last such wait, half of it before, a quarter before that.
            self.read_ms = self.open_ms = 20000

    def emit(self, event):
        self.events.append(event)
        name = event["event"]
        if name == "request":
            if event["attempt"] == 1:
                self.transfers += 1
                self.opened = False
        elif name in ("oack", "data"):
            self.opened = True
            self.net.progress()
        elif name == "timeout":
            self.net.owed = 1
        elif name == "image":
            self.done_ms = self.net.now()

    def check_longest_wait(self, now):
        if self.max_time_ms is not None:
            assert now - self.began_ms <= self.max_time_ms + 1100, "the bench's time was up"
        if self.done_ms is not None:
            assert now - self.done_ms <= self.spec["dally_ms"] + 100
            return
        allowed = self.read_ms if self.opened else self.open_ms
        assert now - self.net.progress_ms <= allowed + 100, (
            "a longer wait than the retry table has"
        )

    def run(self):
        boot = Fetch(self.rom, self.net, self.emit)
        self.result = boot.fetch(SERVER, 69, "f", self.sink, self.max_bytes, self.max_time_ms)
        self.judge()
        return self.result

    def told(self):
        # Progress is by the clock, not by the packet.
        return [event for event in self.events if event["event"] != "progress"]

    # --- the result --------------------------------------------------------------------------

    def judge(self):
        result = self.result
        sink = self.sink
        assert self.net.closed
        assert sink.aborted, "the sink was never released"
        check_text(json.loads(json.dumps([self.events, result])))
        if result["outcome"] == "ok":
            assert result["status"] is None
            assert sink.committed == 1
            self.judge_file(result)
        else:
            assert result["outcome"] == "failed"
            assert result["image"] is None
            assert not sink.committed
            if result["ended"] is None:
                check_status(result["status"])
        names = [event["event"] for event in self.events]
        assert ("failed" in names) == (result["status"] is not None)
        assert ("image" in names) == (result["image"] is not None)
        if result["status"] and not result["ended"]:
            code = result["status"]["code"]
            timed_out = code in ("PXE-E32", "PXE-E35")
            assert (result["transfers"][-1]["outcome"] == "timeout") == timed_out, code
        if result["ended"]:
            assert result["ended"]["by"] == "bench"
            assert self.max_time_ms is not None
        for record in result["transfers"]:
            assert record["outcome"] in ("ok", "aborted", "timeout", "error", "refused")
            assert (record["outcome"] == "error") == (record["error"] is not None) or record[
                "outcome"
            ] in ("aborted", "refused", "ok", "timeout")
        last_error = [packet for _, _, packet, _ in self.net.sent if packet[1] == 5]
        # Four bytes are curl's answer to an ERROR.
        assert all(packet[-1] == 0 or len(packet) == 4 for packet in last_error)

    def judge_file(self, result):
        record = result["transfers"][-1]
        data = bytes(self.sink.data)
        assert record["outcome"] == "ok"
        assert record["bytes"] == len(data) == result["image"]["bytes"]
        assert data == self.said(record), "not what the peer's blocks said"
        if not self.hostile:
            assert data == self.server.content, "a wrong file"
        announced = [each for each in result["transfers"] if "tsize" in (each["oack"] or ())]
        for each in announced[-1:]:
            if "tsize" in [name.lower() for name, _ in each["requests"][0]["options"]]:
                assert int(each["oack"]["tsize"]) == len(data)
        for most in (self.room, self.max_bytes):
            assert most is None or len(data) <= most

    def early(self, datagram, wire, blksize, block):
        # A DATA that the ROM has held until it is expected.
        if datagram[:2] != b"\x00\x03" or not 4 <= len(datagram) <= blksize + 4:
            return False
        number = datagram[2] << 8 | datagram[3]
        last = wire_number(block - 1, self.spec["rollover"]) if block > 1 else None
        ahead = (number - wire) % (65535 if self.spec["rollover"] == 1 else 65536)
        return number != last and number != 0 and ahead < 0x8000

    def said(self, record):
        # The file that the bound peer's datagrams tell, taken strictly in order.
        reaction = self.spec["requests"][len(self.result["transfers"]) - 1]["on"]["unknown_tid"]
        anyone = reaction in ("accept", "follow")
        on = self.spec["requests"][len(self.result["transfers"]) - 1]["on"]
        holds = on["future_data"] == "hold" and record["windowsize"] == 1
        held = {}
        opened = False  # by an OACK; DATA 1 opens it as well
        blksize = record["blksize"]
        rollover = self.spec["rollover"]
        block = 1
        said = b""
        for transfer, datagram, sender in self.net.heard:
            if transfer != self.transfers or sender[0] != SERVER:
                continue
            if sender[1] != record["server_tid"] and not anyone:
                continue
            wire = wire_number(block, rollover)
            if datagram[:4] == bytes((0, 3, wire >> 8, wire & 255)):
                if len(datagram) - 4 > blksize:
                    continue
                while datagram:
                    said += datagram[4:]
                    if len(datagram) - 4 < blksize:
                        return said  # what is held behind the end is no part of the file
                    block += 1
                    datagram = held.pop(wire_number(block, rollover), None)
            elif datagram[:2] == b"\x00\x06":
                opened = opened or (
                    record["oack"] is not None and oack_options(datagram) is not None
                )
            elif not opened and block == 1:
                continue  # no answer to the request
            elif holds and len(held) < _MOST_HELD and self.early(datagram, wire, blksize, block):
                held[datagram[2] << 8 | datagram[3]] = datagram
        return said


def check_text(value):
    # Every text in every event and in the result is harmless to a terminal.
    if isinstance(value, str):
        assert is_printable(value), value
    elif isinstance(value, dict):
        check_text(list(value))
        check_text(list(value.values()))
    elif isinstance(value, list):
        for item in value:
            check_text(item)


def _play(tape):
    plain = Case(tape, trace=False)
    traced = Case(tape, trace=True)
    if plain.net.ports.spec["policy"] in ("random", "clock"):
        plain.net.ports.take = traced.net.ports.take = lambda new_transfer: 50000
    traced.net.ports.next = plain.net.ports.next  # where a counter's start is drawn
    result = plain.run()
    again = traced.run()
    assert plain.sink.data == traced.sink.data
    assert [sent[1:] for sent in plain.net.sent] == [sent[1:] for sent in traced.net.sent]
    if plain.send_fails_at is None and not result["ended"]:
        # Else they may differ on whether a block counts whose ACK did not go out, and by the
        # millisecond in which the bench's time is up.
        assert plain.net.sent == traced.net.sent
        assert result == again
        assert plain.told() == traced.told()
    return result["status"]["code"] if result["status"] else result["outcome"]


def test_boot_ends_right_or_with_a_code_whatever_comes(record_property):
    seen = tapes.play(_play, CASES, shortest=32)
    record_property("cases", sum(seen.values()))
    codes = ["PXE-" + end for end in ("E32", "E33", "E35", "E36", "E38", "E39", "E3A", "E3F")]
    tapes.check_variety(seen, CASES, *codes)


@pytest.mark.soak
def test_boot_with_new_tapes_each_time():
    tapes.play(_play, 100000, shortest=32, always_the_same=False)
