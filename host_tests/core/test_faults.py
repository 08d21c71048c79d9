"""Misbehaving on purpose: what a fault puts on the wire, and that nothing else changes."""

from pxerom.failure import Refused
from pxerom.faults import Faults
from pxerom.fetch import Fetch

from host_tests.core.check import raises, rom, same
from host_tests.core.fakenet import HOST, Check, FakeNet, FileServer, Long, Run, Tape, pattern
from host_tests.core.packets import ack, error

_SIZE = 12 * 512 + 100  # 13 blocks of 512
_ABORTED = error(0, "TFTP Aborted")
_HOUR_MS = 3600000
# When which ACK gets through with lose-ack:40 and seed 7: the server asks again after 1 s, 2 s ...
_SEED_7 = [(2003, 1), (3005, 2), (3006, 3), (4008, 4), (5010, 5), (5011, 6), (8015, 7)]
_SEED_7 += [(12020, 8), (13022, 9), (13023, 10), (14025, 11), (14026, 12), (14027, 13)]


class UnknownTid:
    """The second port of wrong-tid: answers each packet with `answer`."""

    def __init__(self, port, answer):
        self.port = port
        self.answer = answer
        self.sent = []
        self.waiting = []
        self.closed = False

    def open(self, new_transfer):
        pass

    def send(self, packet, to):
        self.sent.append(bytes(packet))
        self.waiting.append(self.answer)

    def receive(self, size, wait_ms):
        return self.waiting.pop(0) if self.waiting else None

    def close(self):
        self.closed = True


class Faulty:
    """A boot of os-client, or of the ROM given, with faults; what was on the wire is in `net`."""

    def __init__(
        self, spec, flat=None, server=None, answer=b"\0\5\0\5\0", keep=True, sink=None, **limits
    ):
        flat = flat or rom("os-client")
        self.content = Long(_SIZE)
        self.server = server or FileServer(self.content)
        self.net = FakeNet(flat, self.server)
        self.net.keep = keep
        self.sink = sink or (Tape() if server else Check(self.content))
        self.sink.net = self.net
        self.unknown_tids = []
        self.events = []
        faults = Faults(self.net, spec, limits.get("max_time_ms", _HOUR_MS))

        def other(port):
            self.unknown_tids.append(UnknownTid(port, answer))
            return self.unknown_tids[-1]

        faults._other = other
        boot = Fetch(flat, faults, self.events.append)
        self.result = boot.fetch(HOST, 69, "x", self.sink, **limits)
        self.report = faults.report

    def acks(self):
        """The block numbers of the ACKs on the wire, in order."""
        return [p[2] << 8 | p[3] for _, _, _, p in self.net.sent if p[1] == 4]

    def timed(self):
        """(at_ms, block) of the ACKs on the wire."""
        return [(at, p[2] << 8 | p[3]) for at, _, _, p in self.net.sent if p[1] == 4]

    def whole(self):
        same(self.result["outcome"], "ok", self.result["status"])
        assert self.sink.whole()


def _all():
    return list(range(1, 14))


def test_lost_acks_are_the_same_for_the_same_seed_on_every_interpreter():
    """The blocks that are acknowledged, as they stand here for CPython and MicroPython alike."""
    run = Faulty({"seed": 7, "lose-ack": 40})
    run.whole()
    same(run.timed(), _SEED_7)
    same(Faulty({"seed": 7, "lose-ack": 40}).timed(), _SEED_7)
    assert Faulty({"seed": 8, "lose-ack": 40}).timed() != _SEED_7


def test_share_of_lost_acks_is_about_what_was_asked():
    flat = rom("standard", tftp__requests__0__options=[["blksize", "8"]])
    content = Long(8 * 400)
    server = FileServer(content, retry_ms=5)
    run = Faulty({"seed": 1, "lose-ack": 20}, flat, server, keep=False, sink=Check(content))
    run.whole()
    share = run.report["lost"] * 100 // run.report["acks"]
    assert 17 <= share <= 23, run.report
    same(run.report["acks"] - run.report["lost"], server.acked)


def test_lost_ack_of_100_percent_ends_as_a_silent_client_does():
    run = Faulty({"seed": 1, "lose-ack": 100}, rom("standard"))
    same(run.result["status"]["code"], "PXE-E35")
    same(run.acks(), [])


def test_each_ack_goes_out_twice_and_nothing_else_does():
    run = Faulty({"seed": 1, "double-ack": 1}, rom("standard"))
    run.whole()
    same(run.acks(), [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5])
    same([p for _, _, _, p in run.net.sent if p[1] != 4], [run.net.sent[0][3]])
    same(run.report["doubled"], 6)


def test_late_ack_is_late_by_what_was_asked_and_the_final_one_still_goes_out():
    run = Faulty({"seed": 1, "late-ack": 300})
    run.whole()
    same(run.acks(), _all())
    came = [at for at, _, _, packet in run.net.heard if packet[1] == 3]
    went = [at for at, _, _, packet in run.net.sent if packet[1] == 4]
    same([out - into for into, out in zip(came, went)], [300] * 13)
    same(run.net.closed, True)


def test_ack_that_is_later_than_the_servers_timeout_meets_a_second_copy_of_the_data():
    run = Faulty({"seed": 1, "late-ack": 1500})
    run.whole()
    # The server sent each block again after 1 s: os-client answers that copy too, as late.
    assert run.acks().count(1) > 1, run.acks()
    same(run.server.acks[:2], [1, 1])


def test_final_late_ack_ends_with_the_benchs_time():
    run = Faulty({"seed": 1, "late-ack": 60000}, max_time_ms=2000)
    same(run.acks(), [])
    assert run.net.clock < 4000, run.net.clock


def test_silence_begins_after_the_ack_of_that_block_and_has_no_end():
    run = Faulty({"seed": 1, "silent-after": 5})
    same(run.acks(), [1, 2, 3, 4, 5])
    same([packet for _, _, _, packet in run.net.sent][-1], ack(5))
    same(run.result["status"]["code"], "PXE-E35")
    assert run.report["withheld"] > 1  # the ROM's own retries among them
    # The ROM goes on listening for all of its waits: the silence is the wire's alone.
    waits = rom("os-client")["tftp"]["retry"]["read"]["waits_ms"]
    assert run.net.clock >= sum(waits), run.net.clock


def test_silence_after_block_0_lets_the_options_be_agreed_and_no_more():
    same(Faulty({"seed": 1, "silent-after": 0}).acks(), [])  # no options: no ACK 0
    run = Faulty({"seed": 1, "silent-after": 0}, rom("standard"))
    same(run.acks(), [0])
    same(len(run.net.sent), 2)


def test_no_error_breaks_the_silence():
    flat = rom("os-client", tftp__on__give_up={"error": 0, "message": "closed"})
    loud = Run(flat, FileServer(pattern(_SIZE), lose=lambda way, packet, count: packet[1] == 4))
    same(loud.packets()[-1], error(0, "closed"))
    run = Faulty({"seed": 1, "silent-after": 3}, flat)
    same(run.net.sent[-1][3], ack(3))


def test_each_ack_comes_from_an_unknown_tids_port_first():
    run = Faulty({"seed": 1, "wrong-tid": 1})
    run.whole()
    same(run.acks(), _all())
    same(len(run.unknown_tids), 1)
    unknown_tid = run.unknown_tids[0]
    same(unknown_tid.sent, [ack(block) for block in _all()])
    same([unknown_tid.port != run.net.sent[0][1], unknown_tid.port >= 16384], [True, True])
    same(unknown_tid.closed, True)
    same([run.report[name] for name in ("strange", "answers", "errors_5")], [13, 13, 13])
    run = Faulty({"seed": 1, "wrong-tid": 1}, answer=b"\0\3\0\1data")
    same([run.report[name] for name in ("answers", "errors_5")], [13, 0])


def test_unknown_tid_speaks_even_where_the_rightful_ack_is_lost():
    run = Faulty({"seed": 1, "wrong-tid": 1, "lose-ack": 100})
    assert ack(1) in run.unknown_tids[0].sent
    same(run.acks(), [])


def test_final_ack_never_goes_out_however_often_the_server_asks():
    for flat, last in ((rom("os-client"), 13), (rom("standard"), 5)):
        run = Faulty({"seed": 1, "no-final-ack": 1}, flat)
        run.whole()
        same(run.acks()[-1], last - 1)
    # `standard` stays for a second: the server's second copy of the last block came meanwhile.
    assert run.report["withheld"] >= 1


def test_empty_last_block_is_a_final_one():
    content = pattern(1024)
    run = Faulty({"seed": 1, "no-final-ack": 1}, server=FileServer(content))
    same(run.sink.data, content)
    same(run.acks(), [1, 2])


def test_abort_takes_the_place_of_the_ack():
    run = Faulty({"seed": 1, "abort-at": 4})
    same([packet for _, _, _, packet in run.net.sent][1:], [ack(1), ack(2), ack(3), _ABORTED])
    same(run.result["outcome"], "failed")
    same((run.result["ended"]["by"], run.result["status"]), ("fault", None))
    transfer = run.result["transfers"][0]
    same((transfer["outcome"], transfer["error"]["code"]), ("aborted", 0))
    same((run.sink.committed, run.net.closed), (False, True))


def test_abort_at_0_answers_the_oack_with_an_error():
    run = Faulty({"seed": 1, "abort-at": 0}, rom("standard"))
    same([packet for _, _, _, packet in run.net.sent][1:], [_ABORTED])


def test_probe_of_a_rom_is_not_hurt_by_faults_of_acks():
    run = Faulty({"seed": 1, "double-ack": 1, "wrong-tid": 1}, rom("intel-undi"))
    run.whole()
    same([packet for _, _, _, packet in run.net.sent][1], _ABORTED)


def test_faults_add_up_in_their_order():
    spec = {"seed": 3, "lose-ack": 30, "double-ack": 1, "late-ack": 40, "abort-at": 9}
    run = Faulty(spec)
    report = run.report
    same(run.net.sent[-1][3], _ABORTED)
    same(len(run.acks()), 2 * (report["late"]))
    same(report["acks"], report["lost"] + report["late"] + 1)  # the last one was the abort
    same(report["doubled"], report["late"])
    same(report["asked"], {"lose-ack": 30, "double-ack": 1, "late-ack": 40, "abort-at": 9})
    same(report["seed"], 3)


def test_rom_with_windows_is_silent_and_aborts_at_the_first_ack_that_covers_the_block():
    flat = rom("standard", tftp__requests__0__options=[["windowsize", "4"]])
    run = Faulty({"seed": 1, "abort-at": 6}, flat)
    same([packet for _, _, _, packet in run.net.sent][1:], [ack(0), ack(4), _ABORTED])
    run = Faulty({"seed": 1, "silent-after": 6}, flat)
    same(run.acks(), [0, 4])


def test_fault_that_is_none_is_refused_by_the_firmware_too():
    net = FakeNet(rom("os-client"), {})
    for spec in ({"lose-acks": 3}, {"lose-ack": "3"}, {"lose-ack": -1}, {"double-ack": True}):
        refusal = raises(Refused, Faults, net, spec, 1000)
        same(refusal.exit_code, 2)
        assert "no fault" in refusal.message
