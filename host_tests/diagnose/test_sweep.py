"""`pxebench sweep`: the strip, the border, what it spares the server; and on a real firewall."""

import json
import sys
import tempfile
from pathlib import Path

import pytest
from pxebench.endpoints import Endpoint
from pxebench.job import Refused
from pxebench.sweep import port_names, sweep
from pxebench.sweep import strip as strip_view

from host_tests.diagnose import conditions
from host_tests.diagnose.place import place
from host_tests.lab import programs
from host_tests.lab.firewall import FILE, SERVER


class _Path:
    """A target that answers from the ports for which `opens` is true; `lose`: every nth RRQ."""

    run = Endpoint("local", None)
    server, port, file, client, endpoint = "10.0.0.1", 69, "x", None, None

    def __init__(self, opens, lose=0):
        self.opens = opens
        self.lose = lose
        self.asked = []
        self.waits = []

    def ask(self, wanted, options, wait_ms, on_ask=None, gap_ms=0, most=1):
        self.waits.append((wait_ms, gap_ms))
        found = _Asked()
        for port in wanted:
            self.asked.append(port)
            lost = self.lose and len(self.asked) % self.lose == 0
            good = self.opens(port) and not lost
            found.asks.append(
                {
                    "port": port,
                    "name": port_names.name(port),
                    "options": options,
                    "at_ms": 0,
                    "answer": "oack" if good else "silent",
                    "ms": 2 if good else None,
                    "server_port": 40000 if good else None,
                    "from": None,
                    "error": None,
                    "granted": None,
                    "reason": None,
                    "id": None,
                    "icmp": [],
                }
            )
        return found


class _Asked:
    def __init__(self):
        self.asks = []
        self.ended = None
        self.events = []


def _bisected(opens, low=1024, high=65535, **more):
    path = _Path(opens, **more)
    return sweep.sweep(path, [low, high], [], bisect=True), path


@pytest.mark.parametrize("first", [1025, 2071, 2078, 32769, 40001, 49152, 65535])
def test_border_is_found_in_few_requests(first):
    result, path = _bisected(lambda port: port >= first)
    assert (result["border"]["low"], result["border"]["high"]) == (first - 1, first)
    assert result["border"]["monotone"] is True
    assert len(set(path.asked)) <= 2 + 16 + 2 * 4 + len(sweep.SUSPECTS) + 1


def test_hole_above_the_border_is_told():
    result, _ = _bisected(lambda port: port >= 32769 and port != 49152)
    assert result["border"]["monotone"] is False
    assert any("not the only one" in text for text in result["summary"])


def test_range_whose_ends_fare_alike_has_no_border():
    result, path = _bisected(lambda port: True)
    assert result["border"] is None
    assert any("Both ends of the range have" in text for text in result["summary"])
    assert len(path.asked) <= 3


def test_lost_packet_is_no_closed_port():
    path = _Path(lambda port: True, lose=7)
    result = sweep.sweep(path, list(range(2070, 2090)), [])
    assert result["outcome"] == "ok"
    assert {entry["asked"] for entry in result["ports"]} == {1, 2}


def test_border_is_found_on_a_path_that_loses_packets():
    result, _ = _bisected(lambda port: port >= 32769, lose=7)
    assert result["border"]["high"] == 32769


def test_silent_port_is_asked_twice_and_no_more():
    path = _Path(lambda port: False)
    sweep.sweep(path, [2070, 2071], [], wait_ms=300)
    assert path.asked == [2070, 2071, 2070, 2071]
    assert [wait for wait, _ in path.waits] == [300, 600]


class _Few(_Path):
    """A server with few places: a transfer whose answer is lost on the way holds one for 30 s."""

    def __init__(self, opens, places, hold_s=30):
        super().__init__(opens)
        self.places = places
        self.hold_s = hold_s
        self.now = 0
        self.held = []

    def sleep(self, seconds):
        self.now += seconds

    def clock(self):
        return self.now

    def ask(self, wanted, *words, gap_ms=0, **more):
        found, opens = _Asked(), self.opens
        for number, port in enumerate(wanted):
            self.now += gap_ms / 1000
            self.held = [end for end in self.held if end > self.now]
            served = len(self.held) < self.places
            if served and not opens(port):
                self.held.append(self.now + self.hold_s)
            self.opens = lambda port, served=served: served and opens(port)
            (one,) = super().ask([port], *words, gap_ms=gap_ms, **more).asks
            found.asks.append({**one, "at_ms": number * gap_ms})
        self.opens = opens
        return found


def _swept(path, monkeypatch):
    monkeypatch.setattr(sweep.Asker, "sleep", path.sleep)
    monkeypatch.setattr(sweep.Asker, "now", path.clock)
    return sweep.sweep(path, port_names.parse(port_names.DEFAULT), [])


def test_server_that_is_full_is_not_taken_for_a_closed_path(monkeypatch):
    """dnsmasq serves 50 at once, and the low ports of a default sweep alone are 87."""
    result = _swept(_Few(lambda port: port >= 32768, places=50), monkeypatch)
    heard = [entry["port"] for entry in result["ports"] if entry["answer"] == "oack"]
    assert heard == [32768, *range(49152, 49161)]
    assert result["doubted"] == []
    assert {entry["asked"] >= 2 for entry in result["ports"] if entry["port"] < 32768} == {True}


def test_server_that_stays_full_leaves_a_doubt_that_is_said(monkeypatch):
    path = _Few(lambda port: port >= 32768, places=20, hold_s=9999)
    result = _swept(path, monkeypatch)
    assert 49152 in result["doubted"] and 1024 not in result["doubted"]
    assert path.now < 300
    assert any("The silence of" in text and "few at once" in text for text in result["summary"])


def test_remaining_time_counts_the_second_questions_too():
    told = []
    path = _Path(lambda port: port >= 2074)
    asks = lambda ask, left_ms: told.append((ask["port"], left_ms))  # noqa: E731
    path_ask = path.ask

    def with_progress(wanted, *words, on_ask=None, **more):
        found = path_ask(wanted, *words, **more)
        for ask in found.asks:
            on_ask(ask)
        return found

    path.ask = with_progress
    sweep.sweep(path, [2070, 2071, 2078, 2079], [], wait_ms=1600, rate=10, on_ask=asks)
    # 16 under way: a silence of 1.6 s costs no more than the gap of 0.1 s; of 3.2 s, 0.2 s.
    assert told[0] == (2070, 3 * 100 + 4 * 200)
    assert told[3] == (2079, 2 * 200)
    assert [port for port, _ in told] == [2070, 2071, 2078, 2079, 2070, 2071, 2079]
    assert told[-1][1] == 0


def test_rate_is_what_was_asked_for():
    path = _Path(lambda port: True)
    sweep.sweep(path, [2070], [], wait_ms=300, rate=4)
    assert {gap for _, gap in path.waits} == {250}


def test_board_is_asked_in_few_jobs():
    """Each job brings a board's link up anew."""
    path = _Path(lambda port: port >= 32769)
    path.run = Endpoint("serial", None, elsewhere=True)
    result = sweep.sweep(path, [1024, 65535], [], bisect=True)
    assert result["border"]["high"] == 32769
    assert len(path.waits) <= 2 * (1 + 6 + 1) + 1


def test_ports_are_read_as_they_are_written():
    assert port_names.parse("2072, 2070-2071,2070") == [2070, 2071, 2072]
    assert port_names.words([2070, 2071, 2072, 49152]) == "2070-2072, 49152"
    for bad in ("", "x", "70000", "0", "10-5", "1-", "2070-2071-2072", "-5"):
        with pytest.raises(Refused):
            port_names.parse(bad)
    with pytest.raises(Refused, match="--most"):
        port_names.parse("1-65535", 512)


def test_ports_bear_the_names_that_tcpdump_prints():
    """serverfault.com/questions/234495 shows them for 2070 to 2075."""
    names = ["ah-esp-encap", "acp-port", "msync", "gxs-data-port", "vrtl-vmf-sa", "newlixengine"]
    assert [port_names.name(port) for port in range(2070, 2076)] == names
    assert port_names.named(2070) == "2070 (ah-esp-encap)"
    assert port_names.name(50000) is None


class _Stream:
    def __init__(self, encoding):
        self.encoding = encoding

    def isatty(self):
        return False


def test_strip_can_be_drawn_in_any_encoding():
    entries = sweep.sweep(_Path(lambda p: p > 2074), list(range(2070, 2079)), [])["ports"]
    assert "2070  ·····■■■■" in strip_view.lines(entries, _Stream("utf-8"))[0]
    plain = strip_view.lines(entries, _Stream("ascii"))
    assert "2070  .....####" in plain[0]
    "\n".join(plain).encode("ascii")


@pytest.mark.slow
def test_sweep_through_a_real_firewall_and_no_child_is_left():
    """Ports 2070-2073 silent, high ones answered; in.tftpd has no child for those."""
    with (
        place(conditions.tftpd(), conditions.HIGH_ONLY) as where,
        tempfile.TemporaryDirectory() as f,
    ):
        out = Path(f, "sweep.json")
        words = ("--server", SERVER, "--file", FILE, "--json", out)
        run = [sys.executable, "-m", "pxebench", "sweep", *words]
        done = where.client.run(*run, "--ports", "2070-2073,32768-32772", check=False)
        children = where.server.run("ss", "-H", "-uanp").stdout
        result = json.loads(out.read_text())
        bisect = where.client.run(*run, "--bisect", "--ports", "32000-34000", check=False)
        found = json.loads(out.read_text())
    assert done.returncode == 1, done.stderr
    answers = {entry["port"]: entry["answer"] for entry in result["ports"]}
    assert [answers[port] for port in range(2070, 2074)] == ["silent"] * 4
    assert [answers[port] for port in range(32768, 32773)] == ["silent"] + ["oack"] * 4
    assert all(f":{port} " not in children for port in range(32769, 32773))
    assert "32768-32772" not in done.stdout and "2070-2073" in done.stdout
    assert result["client"] == "10.55.32.175"
    assert bisect.returncode == 1
    assert (found["border"]["low"], found["border"]["high"]) == (32768, 32769)


@pytest.mark.parametrize(
    "words, sentence",
    [
        (("--server", "a/b", "--file", "x"), "--server takes HOST or HOST:PORT"),
        (("--server", "127.0.0.1:0", "--file", "x"), "is not a port"),
        (("--server", "127.0.0.1", "--file", ""), "--file takes a name"),
        (("--server", "127.0.0.1", "--file", "x", "--ports", "9-1"), "counts down"),
        (("--server", "127.0.0.1", "--file", "x", "--rate", "1000"), "0.1<=x<=100"),
        (("--server", "127.0.0.1", "--file", "x", "--bisect", "--ports", "5"), "needs a range"),
    ],
)
def test_wrong_usage_is_one_sentence(words, sentence):
    import subprocess

    done = subprocess.run(
        [sys.executable, "-m", "pxebench", "sweep", *words],
        capture_output=True,
        text=True,
        check=False,
        cwd=programs.ROOT,
    )
    assert done.returncode == 2
    assert sentence in done.stderr and done.stderr.count("\n") == 1
    assert "Traceback" not in done.stderr


class _Held(_Path):
    """Ports that another program of this machine holds."""

    held = ()

    def ask(self, wanted, *words, **more):
        found = super().ask(wanted, *words, **more)
        for ask in found.asks:
            if ask["port"] in self.held:
                ask.update({"answer": "busy", "ms": None, "reason": "in use"})
        return found


def test_port_in_use_at_this_end_is_no_border():
    """The first port that a bisection asks between 1024 and 65535 is 33279."""
    path = _Held(lambda port: port >= 40000)
    path.held = (33279, 33280)
    result = sweep.sweep(path, [1024, 65535], [], bisect=True)
    found = result["border"]
    assert (found["low"], found["high"], found["high_answer"]) == (39999, 40000, "answered")


def test_end_that_is_in_use_is_said_and_nothing_is_concluded():
    path = _Held(lambda port: port >= 40000)
    path.held = (1024,)
    with pytest.raises(Refused, match="Port 1024 cannot be used at this end"):
        sweep.sweep(path, [1024, 65535], [], bisect=True)


def test_port_that_only_set_the_wait_is_not_told():
    result, path = _bisected(lambda port: True)
    assert [entry["port"] for entry in result["ports"]] == [1024, 65535]
    assert "2 of 2 client ports" in result["summary"][0]


def test_names_that_tcpdump_prints_stand_under_the_strip():
    few = sweep.sweep(_Path(lambda p: True), list(range(2070, 2079)), [])["ports"]
    words = " ".join(" ".join(strip_view.lines(few, _Stream("utf-8"))).split())
    assert "tcpdump says ah-esp-encap for 2070, acp-port for 2071, msync for 2072" in words
    default = sweep.sweep(_Path(lambda p: True), port_names.parse(port_names.DEFAULT), [])["ports"]
    words = " ".join(" ".join(strip_view.lines(default, _Stream("utf-8"))).split())
    assert "gxs-data-port for 2073" in words and "more have names" in words
    assert strip_view.lines([], _Stream("utf-8")) == []


@pytest.mark.parametrize("command", ["sweep", "diagnose"])
def test_board_without_a_link_says_nothing_of_the_server(command):
    """It was once told that nothing answers on port 69: no RRQ had left the board."""
    import subprocess

    from host_tests import ptyboard

    with ptyboard.plugged_in() as board, tempfile.TemporaryDirectory() as folder:
        config = Path(folder, "config.json")
        config.write_text('{"link": {"ssid": "bench", "password": "not this one"}}')
        words = ("--server", "127.0.0.1:6969", "--file", "x", "--mount")
        done = subprocess.run(
            [
                *(sys.executable, "-m", "pxebench", command, *words),
                *("--endpoint", f"serial:{board.port}", "--config", str(config)),
            ],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
    assert done.returncode == 3, done.stdout + done.stderr
    assert "No RRQ could be sent: PXE-E61." in done.stderr and "password" in done.stderr
    assert "Verdict" not in done.stdout


def test_answer_that_is_an_error_is_told_as_one_and_cannot_write_to_the_terminal():
    path = _Held(lambda port: True)
    plain = path.ask

    def refused(wanted, *words, **more):
        found = plain(wanted, *words, **more)
        for ask in found.asks:
            ask.update({"answer": "error", "error": {"code": 1, "message": "no\x1b[2J such file"}})
        return found

    path.ask = refused
    result = sweep.sweep(path, [2070, 2071], [], wait_ms=300)
    (text,) = [text for text in result["summary"] if "ERROR" in text]
    assert text.startswith("To 2 of them it was ERROR 1 ") and "\x1b" not in text
    assert result["outcome"] == "ok"  # the path let them through


@pytest.mark.parametrize("command", ["sweep", "diagnose"])
def test_board_is_as_good_an_end_as_this_machine(command):
    """Over the pseudo-terminal board: the same ports, the same verdict."""
    import subprocess

    from host_tests import ptyboard
    from host_tests.lab import servers

    extra = ["--ports", "12070-12073,50001"] if command == "sweep" else ["--quick"]
    with (
        servers.folder({"x": b"x" * 20000}) as served,
        servers.in_tftpd(served) as server,
        ptyboard.plugged_in() as board,
        tempfile.TemporaryDirectory() as folder,
    ):
        config = Path(folder, "config.json")
        config.write_text('{"link": {"ssid": "bench", "password": "secret word"}}')
        words = ("--server", f"{server.host}:{server.port}", "--file", "x", "--mount")
        # A ROM whose ports nobody else of this machine's tests takes.
        rom = [] if command == "sweep" else ["--rom", "os-client"]
        done = subprocess.run(
            [
                *(sys.executable, "-m", "pxebench", command, *words, *extra, *rom, "--json", "-"),
                *("--endpoint", f"serial:{board.port}", "--config", str(config)),
            ],
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
    assert done.returncode == 0, done.stdout[-500:] + done.stderr
    result = json.loads(done.stdout)
    assert result["endpoint"]["kind"] == "serial"
    if command == "sweep":
        assert [entry["answered"] for entry in result["ports"]] == [1] * 5
    else:
        assert result["verdict"]["cause"] == "healthy"


def test_port_that_was_asked_once_when_the_user_ended_it_is_not_said_to_be_asked_twice():
    path = _Path(lambda port: False)
    plain = path.ask

    def ended(wanted, *words, **more):
        found = plain(wanted, *words, **more)
        found.ended = {"by": "user", "after_ms": 9, "next": None}
        return found

    path.ask = ended
    result = sweep.sweep(path, [2070, 2071], [], wait_ms=300)
    assert result["summary"][0] == "2 of 2 client ports got none: 2070-2071."
