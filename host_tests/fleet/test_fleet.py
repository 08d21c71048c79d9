"""`pxebench fleet` on a rack of twenty boards: all of them, and each row of the table of failures.

The rack is built once.  What has to wait (a deaf board is given twelve seconds) happens in six
runs at the same time, each on boards of its own, and the tests read what came of it.
"""

import contextlib
import json
import os
import re
import signal
import threading
import time

import dpkt
import pytest
from pxebench.board.connection import Board
from pxebench.fleet import members
from pxebench.job import fetch_job
from pxebench.lab.places import Place

from host_tests.fleet import rack
from host_tests.lab import processes, terminal

pytestmark = [pytest.mark.slow]

GROUPS = {
    "trouble": ["held", "deaf", "pulled", "silent", "cut0", "cut1", "live0", "live1"],
    "stop": ["stop0", "stop1", "stop2"],
    "kill": ["kill0", "kill1"],
    "alone": ["alone0", "alone1"],
    "hang": ["hang0", "hang1"],
    "emulated": ["emu0", "emu1"],
    "spare": ["spare0", "spare1", "spare2", "spare3", "spare4"],
}
SLOW = ("--rom", "os-client")  # no size probe: one RRQ, one transfer


@pytest.fixture(scope="module")
def lab():
    tags = {
        name: {"group": group, "rack": "2" if group in ("emulated", "hang") else "1"}
        for group, names in GROUPS.items()
        for name in names
    }
    shelves = {
        "rackpc1": {name: tags[name] for name in tags if tags[name]["group"] != "trouble"},
        "rackpc2": {name: tags[name] for name in GROUPS["trouble"] if "cut" not in name},
        "rackpc3": {"cut0": tags["cut0"], "cut1": tags["cut1"]},
    }
    odd = {
        "second": GROUPS["alone"],
        "third": GROUPS["hang"],
        "raw": ["spare4"],
        "emulated": GROUPS["emulated"],
    }
    with rack.rack(shelves, **odd) as made:
        yield made


@pytest.fixture(scope="module")
def all_of_them(lab):
    """One boot of all twenty."""
    return lab.fleet("fetch", lab.url, "--tag", "rack=1", "--need", "20")


class Runs:
    """Six runs at the same time: `of(name)` is (exit code, document, what it printed)."""

    def __init__(self, lab, stack):
        self.lab = lab
        self.processes = {}
        self.stack = stack

    def start(self, name, *words, what=None, **env):
        path = self.lab.folder / f"{name}.json"
        what = what or ("fetch", self.lab.slow, *SLOW)
        argv = ("fleet", *what, "--tag", f"group={name}", *words)
        started = self.lab.start(*argv, "--json", path, **env)
        self.processes[name] = self.stack.enter_context(started)
        return self.processes[name]

    def of(self, name):
        process = self.processes[name]
        code = process.wait(90)
        path = self.lab.folder / f"{name}.json"
        said = process.output()
        assert "Traceback" not in said and "bug in" not in said, said
        return code, json.loads(path.read_text()) if path.exists() else None, said

    def until(self, *boards):
        for board in boards:
            processes.wait_until(lambda name=board: self.lab.booting(name), f"{board} to boot", 60)


@pytest.fixture(scope="module")
def runs(lab, all_of_them):
    """All that happens in mid-run; {what: when}, and the Runs."""
    with contextlib.ExitStack() as stack:
        made = Runs(lab, stack)
        bob = lab.client("-p", "held", "acquire", LG_USERNAME="bob")
        assert bob.returncode == 0, bob.stderr
        lab.boards["deaf"].make_deaf()
        made.start("trouble")
        made.start("alone", "-x", f"127.0.0.1:{rack.SECOND}", "--spread", "2")
        made.start("emulated", "-v", "--pcap", lab.folder / "packets", what=("boot",))
        hang = made.start("hang", "-x", f"127.0.0.1:{rack.THIRD}")
        stop, kill = made.start("stop"), made.start("kill")

        made.until("alone0", "alone1")
        os.killpg(lab.coordinators[1].pid, signal.SIGKILL)
        made.until("hang0", "hang1")
        os.killpg(lab.exporters["third"].pid, signal.SIGSTOP)
        os.kill(hang.pid, signal.SIGINT)
        made.until("stop0", "stop1", "stop2")
        os.kill(stop.pid, signal.SIGINT)
        made.until("kill0", "kill1")
        os.kill(kill.pid, signal.SIGKILL)
        made.held_by_the_dead = lab.places()
        made.until("pulled", "silent", "cut0", "cut1", "live0", "live1")
        lab.boards["silent"].make_deaf()
        lab.boards["pulled"].unplug()
        os.killpg(lab.ser2nets["rackpc3"].pid, signal.SIGKILL)
        os.killpg(lab.exporters["rackpc2"].pid, signal.SIGKILL)
        yield made
        os.killpg(lab.exporters["third"].pid, signal.SIGKILL)  # stopped, it takes no other one


@pytest.fixture(scope="module")
def after(lab, runs):
    """The places when all runs are over; the killed one's are given back, by its name."""
    for name in ("trouble", "alone", "stop"):
        runs.of(name)
    runs.processes["kill"].wait(10)
    runs.killed = runs.held_by_the_dead["kill0"]["held_by"].partition("/")[2]
    runs.released = lab.pxebench("fleet", "release", "--run", runs.killed)
    return lab.places()


def at_once(lab, *commands):
    """Several pxebench runs at the same time: [(exit code, what it printed)]."""
    with contextlib.ExitStack() as stack:
        started = [stack.enter_context(lab.start(*words, **env)) for words, env in commands]
        return [(one.wait(60), one.output()) for one in started]


@pytest.mark.soak
def test_sixty_boards_boot_together_in_every_one_of_three_runs():
    shelf = {f"board{number:02}": {"rack": "1"} for number in range(60)}
    with rack.rack({"rackpc1": shelf}) as sixty:
        for _ in range(3):
            done, found = sixty.fleet("fetch", sixty.url, "--need", "60", timeout_s=180)
            print(done.stdout, found["pc"])
            assert done.returncode == 0, done.stdout + done.stderr
            assert (found["booted"], found["unreleased"]) == (60, {})
            assert found["started_within_ms"] < 1000 and found["pc"]["memory_mb"] < 200


def states(found):
    return {row["place"]: row["state"] for row in found["boards"]}


def test_twenty_boards_boot_together_from_2070_and_are_given_back(lab, all_of_them):
    done, found = all_of_them
    assert done.returncode == 0, done.stdout + done.stderr
    assert (found["kind"], found["count"], found["booted"]) == ("fleet", 20, 20), found["codes"]
    assert found["started_within_ms"] < 500
    for row in found["boards"]:
        sent = [r["source_port"] for t in row["result"]["transfers"] for r in t["requests"]]
        assert sent[:2] == [2070, 2071] and row["result"]["endpoint"]["kind"] == "serial"
        assert (row["bytes"], row["exporter"][:6]) == (len(rack.IMAGE), "rackpc")
    assert len({row["address"] for row in found["boards"]}) == 20
    assert sum(found["curve"]) == 20 * len(rack.IMAGE)
    assert found["unreleased"] == {}
    there = lab.pxebench("fleet", "list", "--tag", "group=spare").stdout
    assert "spare3  free      rackpc1 rfc2217://127.0.0.1:" in there
    # labgrid's own ser2net has a port of its own at each acquire.
    assert "spare4  free      rackpc1 its port comes with the acquire" in there
    assert "20 of 20 booted image.bin." in done.stdout
    assert f"Run {found['run']}: 20 of 20 places taken." in done.stderr


def test_a_place_is_an_endpoint_for_who_acquired_it_and_never_taken(lab, runs):
    assert lab.client("-p", "spare1", "acquire").returncode == 0
    fetch = ("fetch", lab.url, "--endpoint")
    mine, his, free, none, board = at_once(
        lab,
        ((*fetch, "serial:place:spare1"), {}),
        ((*fetch, "serial:place:spare1"), {"LG_USERNAME": "bob"}),
        ((*fetch, "serial:place:spare2"), {}),
        ((*fetch, "serial:place:spre1"), {}),
        (("board", "list", "--no-ask", "place:spare2"), {}),
    )
    assert mine[0] == 0 and "2070, 2071" in mine[1], mine
    told = "Place spare1 is held by desk/alice, and this is desk/bob."
    assert his == (3, f"pxebench: {told}\n")
    told = "Place spare2 is not acquired: `labgrid-client -p spare2 acquire`."
    assert free == (3, f"pxebench: {told}\n")
    assert none[0] == 3 and "There is no place spre1; the nearest is spare1." in none[1]
    assert board[0] == 0, board


_SUITE = """
def test_by_labgrid(target):
    result = target.get_driver("PxeromDriver").boot("{url}")
    assert result["outcome"] == "ok", result["status"]
    assert [r["source_port"] for t in result["transfers"] for r in t["requests"]] == [2070, 2071]

def test_by_the_fixture(board):
    boot = board.boot("{url}")
    assert boot.ok, boot.why
"""
_ENV = """
targets:
  main:
    resources: {RemotePlace: {name: spare1}}
    drivers: {PxeromDriver: {}}
imports: [pxebench.lab.driver]
"""


def test_both_pytest_plugins_work_in_one_suite(lab, runs, tmp_path):
    (tmp_path / "test_lab.py").write_text(_SUITE.format(url=lab.url))
    (tmp_path / "env.yaml").write_text(_ENV)
    words = ("--lg-env", "env.yaml", "--pxerom-port", "place:spare1", "-p", "no:cacheprovider")
    argv = (str(rack.VENV / "python"), "-m", "pytest", *words)
    done = lab.namespace.run(*argv, check=False, timeout_s=60, env=lab.env(), cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 passed" in done.stdout


def test_the_file_of_each_board_is_kept_and_a_terminal_shows_what_happens(lab, runs):
    """The files come over the lines, from two boards at once, and have their places' names."""
    folder, path = lab.folder / "images", lab.folder / "kept.json"
    words = ("fetch", lab.url, "--tag", "group=spare", "--count", "2", "--out", folder)
    user = [f"{name}={value}" for name, value in lab.env().items() if name.startswith("LG_")]
    argv = lab.namespace.argv("env", *user, rack.VENV / "pxebench", "fleet", *words)
    code, shown, said = terminal.run([*argv, "--json", str(path)], "stderr")
    assert code == 0, (shown, said)
    found = json.loads(path.read_text())
    used = {row["place"] for row in found["boards"] if row["state"] == "booted"}
    assert len(used) == 2 and {path.name for path in folder.iterdir()} == used
    assert {path.read_bytes() for path in folder.iterdir()} == {rack.IMAGE}
    assert f"  files     2 in {folder}, each named as its place" in said.decode()
    lines = shown.decode().split("\r\x1b[K")
    steps = ("asks the coordinator", "; Ctrl-C says what is known", "gives 2 places back")
    at = [next(n for n, line in enumerate(lines) if step in line) for step in steps]
    assert at == sorted(at) and lines[-1] == ""


def test_a_deployment_fills_the_free_boards_and_says_which_it_could_not(lab, runs):
    config = lab.folder / "another.json"
    config.write_text(json.dumps({**rack.CONFIG, "every_s": 60}))
    words = ("deploy", "--tag", "group=spare", "--config", config, "--rom", "edk2")
    done, found = lab.fleet(*words)
    assert done.returncode == 0, done.stdout + done.stderr
    rows = {row["place"]: row for row in found["boards"]}
    assert rows["spare1"]["state"] == "held"  # by its user
    # spare2 is among them: to ask for it did not take it.
    assert {row["state"] for name, row in rows.items() if name != "spare1"} == {"deployed"}
    assert "4 of 4 boards have pxerom." in done.stdout
    with Board(lab.boards["spare2"].port) as board:
        assert board.who["roms"] == ["edk2"]
        assert board.ask(
            "import json; print('\\x1e' + json.dumps(dict(json.load(open('config.json')), "
            "event='config')))"
        )[0]["every_s"] == 60  # fmt: skip


def test_a_pulled_cable_is_a_lost_board_within_a_second(lab):
    name = "spare0"
    board = lab.boards[name]
    place = Place(name, {}, None, True, "rackpc1", board.port, 1)
    job = fetch_job("standard", rack.SERVER, 1069, "slow.bin")
    crew = members.Fleet([place], members.boot(job), "standard")
    thread = threading.Thread(target=crew.together)
    thread.start()
    processes.wait_until(lambda: lab.booting(name), "it to boot", 30)
    board.unplug()
    began = time.monotonic()
    thread.join(10)
    assert time.monotonic() - began < 1
    assert crew.members[0].state == "lost"


def test_a_board_without_a_repl_is_dead_and_the_rest_goes_on(runs):
    code, found, said = runs.of("trouble")
    assert code == 3
    assert states(found)["deaf"] == "dead"
    assert "does not answer" in said
    assert (states(found)["live0"], states(found)["live1"]) == ("booted", "booted")


def test_a_place_that_another_holds_is_a_row_with_his_name(runs, after):
    _, found, said = runs.of("trouble")
    row = next(row for row in found["boards"] if row["place"] == "held")
    assert (row["state"], row["text"]) == ("held", "held by desk/bob")
    assert "held      held: held by desk/bob" in said
    assert after["held"]["held_by"] == "desk/bob"  # and he keeps it
    assert found["count"] == 7


def test_fewer_than_needed_is_exit_3_before_anything_starts(runs, lab):
    runs.of("trouble")
    done, found = lab.fleet("fetch", lab.url, "--tag", "group=trouble", "--need", "8")
    assert done.returncode == 3
    assert "8 are needed: nothing was started." in done.stderr
    assert found["requests"] == 0 and found["started_within_ms"] is None


def test_a_board_that_is_unplugged_and_one_whose_ser2net_dies_are_lost_at_once(runs):
    _, found, said = runs.of("trouble")
    rows = {row["place"]: row for row in found["boards"]}
    for name in ("pulled", "cut0", "cut1"):
        assert rows[name]["state"] == "lost", rows[name]
        assert f"board on {name} is gone" in rows[name]["text"]
        # Long before the silent one, which is given twelve seconds.
        assert rows[name]["ms"] < rows["silent"]["ms"] - 8000
    assert "of them: lost" not in said


def test_a_silent_board_is_lost_after_twelve_seconds(runs):
    _, found, _ = runs.of("trouble")
    rows = {row["place"]: row for row in found["boards"]}
    assert rows["silent"]["state"] == "lost" and "has gone silent" in rows["silent"]["text"]
    assert rows["silent"]["ms"] < 12000 + max(rows[n]["ms"] for n in ("pulled", "cut0")) + 3000


def test_lines_live_on_when_the_exporter_dies(runs):
    _, found, _ = runs.of("trouble")
    assert states(found)["live0"] == "booted"  # its exporter was rackpc2


def test_lines_live_on_when_the_coordinator_dies_and_the_end_says_what_is_still_held(runs):
    code, found, said = runs.of("alone")
    assert code == 0 and found["booted"] == 2, said
    assert set(found["unreleased"]) == {"alone0", "alone1"}
    assert "NOT GIVEN BACK  alone0: The coordinator at 127.0.0.1:20409 does not answer" in said
    assert f"pxebench fleet release --run {found['run']}" in said


def test_an_exporter_that_hangs_is_named_and_the_wait_for_it_has_an_end(runs):
    """labgrid's coordinator holds one lock and waits for it, 10 s a place; it keeps the places or
    not: either way it is said which exporter it was."""
    code, found, said = runs.of("hang")
    assert code == 130, said
    assert states(found) == dict.fromkeys(GROUPS["hang"], "ended")
    assert found["silent_exporters"] == ["third"]
    assert "  SILENT    the exporter third did not answer the coordinator" in said
    assert all("exporter third" in why for why in found["unreleased"].values()), said


def test_ctrl_c_tells_all_boards_keeps_the_results_and_gives_the_places_back(runs, after):
    code, found, said = runs.of("stop")
    assert code == 130
    assert states(found) == dict.fromkeys(GROUPS["stop"], "ended"), said
    assert all(row["result"]["ended"]["by"] == "user" for row in found["boards"])
    assert all(row["requests"] == 1 for row in found["boards"])
    assert found["ended"] == {"by": "user"} and found["unreleased"] == {}
    assert all(after[name]["state"] == "free" for name in GROUPS["stop"])


def test_what_a_killed_run_took_is_given_back_by_its_name(runs, after, lab):
    assert runs.killed.startswith("alice-pxebench-")
    assert runs.released.stdout == "2 places released: kill0, kill1.\n", runs.released.stderr
    assert after["kill0"]["state"] == "free"
    done = lab.pxebench("fleet", "release", "--run", "bob")  # his own places are his
    assert done.returncode == 2 and "is no name of a run" in done.stderr


def test_emulated_boards_boot_from_nothing_by_dhcp_each_from_its_own_link(lab, runs):
    """`fleet boot`: lwIP, the W5500's link, one DHCP server for both."""
    code, found, said = runs.of("emulated")
    assert code == 0, said
    assert "2 of 2 booted what DHCP names." in said
    assert len({row["address"] for row in found["boards"]}) == 2
    for row in found["boards"]:
        result = row["result"]
        assert row["state"] == "booted" and result["lease"]["ip"] == row["address"]
        assert result["boot"]["server"] == rack.BOOT_SERVER and row["bytes"] == len(rack.IMAGE)
        assert row["address"].startswith("10.96.0.1") and row["lease_ms"] >= 0
        sent = [r["source_port"] for t in result["transfers"] for r in t["requests"]]
        assert sent == [2070, 2071]
        # Each step of each board is a line, and its packets are a file: DHCP's and TFTP's.
        for state in ("preparing", "ready", "running", "booted"):
            assert re.search(rf"^\+[0-9.]+  {row['place']}  {state}$", said, re.M), said
        with open(lab.folder / "packets" / f"{row['place']}.pcap", "rb") as file:
            packets = [dpkt.ip.IP(data).data for _, data in dpkt.pcap.Reader(file)]
        assert [packets[0].sport, packets[0].dport] == [68, 67]
        assert {2070, 2071} <= {packet.sport for packet in packets}


def test_boards_start_evenly_over_the_time_asked_for(runs):
    _, found, _ = runs.of("alone")
    starts = sorted(row["at_ms"] for row in found["boards"])
    assert 1000 <= starts[1] - starts[0] == found["started_within_ms"] < 2000
