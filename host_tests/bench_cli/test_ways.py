"""Finding the way: the groups of `-h`, one way to name a file, near misses answered."""

import json
import re
from pathlib import Path

import pytest
from pxebench import cli, job
from pxebench.board import kinds
from pxebench.roms import known

from host_tests.bench_cli.conftest import ADDRESS

_GROUPS = {
    "Find out why": "explain diagnose sweep compat watch",
    "Boot": "fetch boot storm serve",
    "ROMs": "roms learn compare",
    "Boards": "board fleet",
    "Results": "report",
    "This PC": "doctor completion",
}
# Those that ask a server for a file, and what lets each ask for a moment only.
_SHORT = {
    "sweep": ["--ports", "40000"],
    "diagnose": ["--quick", "--max-time", "1"],
    "compat": ["--rom", "os-client", "--max-time", "2"],
    "watch": ["--count", "1", "--history", "history.jsonl"],
}


def test_commands_stand_in_groups_the_first_thing_first(bench):
    shown = bench("-h", env={"COLUMNS": "80"}).stdout
    found = re.findall(r"^(\S[^\n]*):\n((?:  \S[^\n]*\n)+)", shown, re.M)
    groups = {title: " ".join(re.findall(r"^  (\S+)", rows, re.M)) for title, rows in found}
    groups.pop("Options")
    assert list(groups.items()) == list(_GROUPS.items())
    first = shown.index("PXE-E32? `pxebench diagnose tftp://HOST/FILE`, from the clients' side")
    assert first < shown.index("Find out why:")
    rows = [line for line in shown.splitlines() if re.match(r"  \w+  +[A-Z]", line)]
    assert len({re.match(r"  \w+ +", row).end() for row in rows}) == 1  # one column for all
    assert all(len(line) <= 80 for line in shown.splitlines())


def test_every_command_is_in_a_group():
    folders = {path.parent.name for path in Path(cli.__file__).parent.glob("*/cli.py")}
    assert folders == set(cli._COMMANDS)


@pytest.mark.parametrize(
    "url",
    ["h/a/b", "tftp://h/a/b", "h:69/a/b", "h/a%2Fb"],
)
def test_scheme_may_be_left_out(url):
    assert job.parse_url(url) == ("h", 69, "a/b")


def test_name_of_a_file_may_hold_what_a_scheme_ends_with():
    assert job.parse_url("10.0.0.1:70/x://y") == ("10.0.0.1", 70, "x://y")


@pytest.mark.parametrize("url", ["h", "/a", "tftp:/h/a", "http:/h/a", "http://h/a", "", "h:69"])
def test_what_names_no_server_and_file_is_still_refused(url):
    with pytest.raises(job.Refused, match="is not a TFTP address; write it as tftp://HOST/FILE"):
        job.parse_url(url)


@pytest.mark.parametrize("command", _SHORT)
def test_url_and_options_name_the_same_file(bench, script, command):
    """Each asks the server that was named for the file that was named, whichever way."""
    server = script(lambda datagram: [b"\0\3\0\1hello"] if datagram[1] == 1 else [])
    place = server.url.split("/")[2]
    words = [*_SHORT[command], "--bind", ADDRESS]
    for form in (
        [f"tftp://{place}/a%20b"],
        [f"{place}/a%20b"],
        ["--server", place, "--file", "a b"],
    ):
        server.seen.clear()
        run = bench.when_free(lambda form=form: bench(command, *form, *words, timeout_s=60))
        assert run.returncode in (0, 1), run.stderr
        asked = {bytes(data[2:]).split(b"\0")[0] for data, _ in server.seen if data[1] == 1}
        assert asked == {b"a b"}, (form, run.stdout, run.stderr)


def test_watch_keeps_one_history_for_both_ways_of_naming(bench, script):
    server = script(lambda datagram: [b"\0\3\0\1hello"])
    place = server.url.split("/")[2]
    state = {"XDG_STATE_HOME": str(bench.folder)}
    for form in ([f"{place}/f"], ["--server", place, "--file", "f"]):
        run = bench("watch", *form, "--rom", "os-client", "--count", 1, env=state)
        assert run.returncode == 0, run.stderr
    (history,) = bench.folder.glob("**/*.jsonl")
    boots = [json.loads(line) for line in history.read_text().splitlines()]
    assert [(boot["server"], boot["file"]) for boot in boots] == [(place, "f")] * 2


@pytest.mark.parametrize("command", _SHORT)
def test_file_named_twice_or_not_at_all_is_one_sentence(bench, command):
    for words, sentence in (
        ([], "Missing the file and its server: write tftp://HOST/FILE."),
        (["--server", "h"], "Missing option --file."),
        (["--file", "f"], "Missing option --server."),
        (["h/f", "--file", "f"], "h/f names the server and the file: leave --server and --file"),
        (["h/f", "--server", "h"], "h/f names the server and the file"),
        (["h"], "h is not a TFTP address; write it as tftp://HOST/FILE."),
    ):
        run = bench(command, *words)
        assert run.returncode == 2
        assert run.stderr.startswith(f"pxebench: {sentence}"), run.stderr


@pytest.mark.parametrize(
    ("wanted", "near"),
    [
        ("intel", "intel-undi"),
        ("intel-undy", "intel-undi"),
        ("uboot", "u-boot"),
        ("Grub", "grub"),
        ("pi4", "rpi4"),
        ("lwip", "u-boot-lwip"),
        ("xyzzy", None),
    ],
)
def test_near_miss_of_a_rom_is_answered(wanted, near):
    assert job.nearest(wanted, known.ids()) == near
    with pytest.raises(job.Refused) as refused:
        job.load_rom(wanted)
    also = f"the nearest is {near}, and " if near else ""
    words = f"There is no ROM called {wanted}; {also}`pxebench roms` lists them."
    assert refused.value.message == words


def test_near_miss_of_a_board_is_answered():
    for wanted, near in (("pico_w", "rpi_pico_w"), ("w5500", "w5500_evb_pico")):
        with pytest.raises(job.Refused, match=f"no board {wanted}; the nearest is {near}; there"):
            kinds.kind(wanted)
    with pytest.raises(job.Refused, match="no board xyzzy; there are: esp32_eth, "):
        kinds.kind("xyzzy")


def test_near_miss_of_a_command_is_answered(bench):
    run = bench("diagnos")
    assert run.returncode == 2
    assert run.stderr == (
        "pxebench: There is no command diagnos; the nearest is diagnose (see `pxebench -h`).\n"
    )
    assert "No such command" in bench("xyzzy").stderr
