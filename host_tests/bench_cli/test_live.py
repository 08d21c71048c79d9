"""The line that tells of a wait, and `-v`: their words, without a process and without a clock."""

import io

import pytest
from pxebench import job, live
from pxebench.explain import explanation
from pxebench.explain.bench_text import BenchLines
from pxebench.packet_lines import PacketLines
from pxebench.view import Writer

from host_tests.core.packets import ack, data, error, oack, rrq

CLIENT, SERVER = "10.77.0.108", "10.77.0.1"


class _Terminal(io.StringIO):
    def isatty(self):
        return True


class _Clock:
    now = 0.0

    def __call__(self):
        return self.now


# ---- the line


def test_line_is_one_line_however_narrow_the_terminal(monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setenv("TERM", "xterm")
    stream = _Terminal()
    line = live.Line(Writer(stream))
    line.show("request 4 from 2073; next in 6 s", "the ROM gives up in 6m23s")
    line.show("x" * 100)
    shown = stream.getvalue().split("\r\x1b[K")[1:]
    assert shown[0] == "request 4 from 2073; next in 6 s"
    assert shown[1] == "x" * 36 + "..."
    line.hide()
    assert stream.getvalue().endswith("\r\x1b[K")


def test_texts_stand_side_by_side_where_there_is_room(monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("TERM", "xterm")
    stream = _Terminal()
    live.Line(Writer(stream)).show("next in 6 s", "Ctrl-C says what is known")
    assert stream.getvalue() == "\r\x1b[Knext in 6 s; Ctrl-C says what is known"


@pytest.mark.parametrize(
    ("stream", "term", "quiet"),
    [(io.StringIO(), "xterm", False), (_Terminal(), "dumb", False), (_Terminal(), "xterm", True)],
)
def test_nothing_is_written_where_nobody_looks(monkeypatch, stream, term, quiet):
    monkeypatch.setenv("TERM", term)
    line = live.Line(Writer(stream), quiet)
    line.show("next in 6 s")
    line.hide()
    assert stream.getvalue() == ""
    line.above("+0.000  2070 > 69  RRQ x octet")
    assert stream.getvalue() == "+0.000  2070 > 69  RRQ x octet\n"


def _request(transfer, purpose, port):
    event = {"event": "request", "transfer": transfer, "purpose": purpose, "source_port": port}
    return {**event, "attempt": 1, "at_ms": 0}


def _waiting(max_time_ms=None):
    clock = _Clock()
    return live.Waiting(job.flat(job.load_rom("intel-undi")), max_time_ms, clock), clock


def test_wait_says_which_request_and_when_the_next_one_comes():
    waiting, clock = _waiting()
    for number, at in enumerate((0, 2.03, 6.04, 12.03)):
        clock.now = at
        waiting.event(_request(0, "size", 2070 + number))
    for _ in range(3):
        waiting.event({"event": "unreachable", "at_ms": 12030})
    assert waiting.texts() == ()  # an answer mostly comes sooner than anybody can read
    clock.now = 14.0
    head, end = waiting.texts()
    assert head == "request 4 from 2073; next in 6 s; ICMP unreachable 3 times"
    # 5.99 s of this wait, two more, and the same again for the request of the file itself.
    assert end == "the ROM gives up in 6m16s (--max-time: sooner); Ctrl-C says what is known"
    assert max(len(head), len(end)) < 80


def test_wait_says_when_max_time_will_end_it():
    waiting, clock = _waiting(10000)
    waiting.event(_request(0, "size", 2070))
    clock.now = 1.5
    assert waiting.texts()[1] == "--max-time ends it in 8s; Ctrl-C says what is known"


def test_wait_in_the_middle_of_the_file_names_the_block():
    waiting, clock = _waiting()
    waiting.event(_request(0, "data", 2070))
    waiting.event({"event": "data", "at_ms": 1})
    waiting.event({"event": "progress", "at_ms": 1, "bytes": 2912, "blocks": 2})
    clock.now = 1.5
    assert waiting.texts()[0].startswith("nothing after block 2; the ACK again in ")
    waiting.event({"event": "image"})
    clock.now = 9
    assert waiting.texts() == ()


# ---- a packet a line


def _events(packets, rom="intel-undi"):
    yield {"event": "start", "rom": rom, "epoch_us": 1764539411000000}
    for t_ms, way, port, here, payload in packets:
        host, _, port = f"{SERVER}:{port}".rpartition(":")
        yield {
            "event": "packet", "t_us": t_ms * 1000, "dir": way, "host": host.split(":")[-1],
            "port": int(port), "local_port": here, "len": len(payload),
            "data": bytes(payload[:64]).hex(),
        }  # fmt: skip


PACKETS = (
    (5, "out", 69, 2070, rrq("undionly.kpxe", ("tsize", 0))),
    (7, "in", 45140, 2070, oack(("tsize", 74213))),
    (8, "out", 45140, 2070, error(0, "TFTP Aborted")),
    (9, "out", 69, 2071, rrq("a b=c.kpxe", ("blksize", 1456))),
    (11, "in", 45141, 2071, data(1, bytes(512))),
    (11, "out", 45141, 2071, ack(1)),
    (12, "in", 45141, 2071, error(3, "disk\x1b[2J full")),
)
LINES = """\
10.77.0.108 > 10.77.0.1 as intel-undi, 2025-11-30T21:50:11Z
+0.000  2070 (ah-esp-encap) > 69  RRQ undionly.kpxe octet tsize=0
+0.002  45140 > 2070 (ah-esp-encap)  OACK tsize=74213
+0.003  2070 (ah-esp-encap) > 45140  ERROR 0 "TFTP Aborted"
+0.004  2071 (acp-port) > 69  RRQ "a b=c.kpxe" octet blksize=1456
+0.006  45141 > 2071 (acp-port)  DATA 1, 512 bytes
+0.006  2071 (acp-port) > 45141  ACK 1
+0.007  45141 > 2071 (acp-port)  ERROR 3 "disk\\x1b[2J full"
"""


def _lines(packets):
    said = []
    lines = PacketLines(said.append, CLIENT)
    for event in _events(packets):
        lines.event(event)
    return said


def test_packets_are_lines_with_ports_and_their_names():
    assert _lines(PACKETS) == LINES.splitlines()


def test_lines_are_read_again_with_the_same_ports_payloads_and_times():
    reader = BenchLines()
    seen = [made for text in _lines(PACKETS) if reader.takes(text) for made in reader.line(text)]
    assert len(seen) == len(PACKETS)
    for made, (t_ms, way, port, here, payload) in zip(seen[:-1], PACKETS, strict=False):
        ends = (made.src, made.sport, made.dst, made.dport)
        away, home = (SERVER, port), (CLIENT, here)
        assert ends == ((*home, *away) if way == "out" else (*away, *home))
        assert made.facts["size"] == len(payload)
        assert made.facts["payload"] == payload[: len(made.facts["payload"])]
        assert made.time == pytest.approx(1764539411 + (t_ms - 5) / 1000)


def test_icmp_is_a_line_and_is_read_again():
    said = []
    lines = PacketLines(said.append, CLIENT)
    for event in _events(PACKETS[:1]):
        lines.event(event)
    told = {"errno": 111, "type": 3, "code": 3, "from": SERVER}
    lines.event({"event": "unreachable", "at_ms": 2030, **told})
    assert said[-1] == "+2.030  ICMP port unreachable (type 3, code 3) from 10.77.0.1"
    reader = BenchLines()
    (made,) = [each for text in said for each in reader.line(text)][1:]
    assert made.facts["icmp"] == (3, 3, CLIENT, 2070, SERVER, 69)


def test_pasted_lines_are_explained(tmp_path):
    """The case: a size probe from 2070 and its retries, without an answer; in a CI log."""
    asked = [(ms, "out", 69, 2070 + n, rrq("undionly.kpxe", ("tsize", 0)))
             for n, ms in enumerate((0, 2030, 6040, 12030, 19990, 29930))]  # fmt: skip
    log = tmp_path / "log"
    log.write_text("".join(f"  {text}\n" for text in ["make: boot", *_lines(asked), "done"]))
    found = explanation.explain((str(log),))
    assert found["sources"][0]["kind"] == "pxebench"
    (client,) = found["clients"]
    assert (client["ip"], client["candidates"][0]["rom"]) == (CLIENT, "intel-undi")
