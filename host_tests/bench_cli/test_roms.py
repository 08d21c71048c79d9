"""The ROMs on the host: shown with their evidence, adjusted only where they allow it."""

import json
import re
import sys

import pytest
from pxebench import job
from pxebench.roms import known
from pxebench.settings import adjust

from host_tests.lab import terminal

_TABLE = [1000, 2000, 4000, 8000, 8000, 8000]


def _adjusted(**settings):
    return job.flat(adjust(job.load_rom("standard"), settings))["tftp"]


def test_settings_left_alone_change_nothing():
    rom = job.load_rom("intel-undi")
    assert adjust(rom, {"blksize": None, "tsize": None}) is rom


def test_adjusting_leaves_the_rom_that_was_given_as_it_is():
    rom = job.load_rom("standard")
    before = json.dumps(rom)
    adjust(rom, {"blksize": 512, "retries": 1, "timeout": 9, "tsize": False})
    assert json.dumps(rom) == before


def test_longest_timeout_stays_within_what_a_rom_file_may_state():
    assert _adjusted(timeout=3600)["retry"]["open"]["waits_ms"] == [3600000] * 6


def test_timeout_scales_every_table_and_is_said_when_it_can_be():
    """R-TIM-7: the ROM waits as long as it asks the server to."""
    for seconds, said in ((2, "2"), (255, "255"), (0.5, None), (1.5, None), (256, None)):
        tftp = _adjusted(timeout=seconds)
        expected = [round(wait * seconds) for wait in _TABLE]
        assert tftp["retry"]["open"]["waits_ms"] == expected
        assert tftp["retry"]["read"]["waits_ms"] == expected
        assert dict(tftp["requests"][0]["options"]).get("timeout") == said


@pytest.mark.parametrize("retries", [0, 1, 5, 9])
def test_retries_are_the_sends_after_the_first(retries):
    for phase in ("open", "read"):
        waits = _adjusted(retries=retries)["retry"][phase]["waits_ms"]
        assert waits == (_TABLE + [8000] * 9)[: retries + 1]


def test_option_keeps_its_place_and_a_new_one_comes_last():
    options = _adjusted(windowsize=4, blksize=1000)["requests"][0]["options"]
    assert options == [["blksize", "1000"], ["tsize", "0"], ["windowsize", "4"]]
    assert _adjusted(tsize=False)["requests"][0]["options"] == [["blksize", "1468"]]


def test_only_what_the_file_offers_is_taken():
    rom = job.bare(job.load_rom("intel-undi"))
    rom["tftp"]["adjustable"] = ["retries"]
    assert len(adjust(rom, {"retries": 2})["tftp"]["retry"]["size"]["waits_ms"]) == 3
    with pytest.raises(job.Refused, match="--blksize"):
        adjust(rom, {"retries": 2, "blksize": 512})


def test_waits_that_carry_their_own_evidence_are_adjusted_too():
    rom = job.bare(job.load_rom("standard"))
    marked = [{"value": wait, "evidence": "source"} for wait in (1000, 3000)]
    rom["tftp"]["retry"]["open"]["waits_ms"] = marked
    retry = job.flat(adjust(rom, {"timeout": 2, "retries": 2}))["tftp"]["retry"]
    assert retry["open"]["waits_ms"] == [2000, 6000, 6000]


def test_job_carries_no_evidence():
    text = json.dumps(job.fetch_job(job.load_rom("standard"), "10.0.0.1", 69, "x"))
    assert '"evidence"' not in text
    assert '"note"' not in text


def test_list_names_every_rom(bench):
    run = bench("roms")
    assert run.returncode == 0
    ids = [line.split()[0] for line in run.stdout.splitlines()[1:]]
    assert ids == known.ids()
    assert {"intel-undi", "intel-undi-plain", "os-client", "standard"} <= set(ids)
    row = next(line for line in run.stdout.splitlines() if line.startswith("intel-undi "))
    assert "2070, +1 per request" in row
    assert "tsize 0; then blksize 1456" in row
    assert run.stdout.splitlines()[0].split()[-2:] == ["assumed", "name"]
    as_json = json.loads(bench("roms", "--json").stdout)["roms"]
    assert [rom["id"] for rom in as_json] == ids
    assert all(sum(rom["evidence"].values()) > 0 for rom in as_json)


def test_list_loses_nothing_on_a_narrow_terminal():
    for columns in (40, 80, 200):
        text = _on_a_terminal(columns, "roms")
        lines = text.splitlines()
        assert all(len(line) <= columns for line in lines)
        shown = "".join(text.split())
        for rom_id in known.ids():
            assert any(line.strip().split(" ")[0] == rom_id for line in lines), rom_id
            words = known.port_words(job.load_rom(rom_id)).split()
            if columns == 80:
                assert all(word in shown for word in words), words
        if columns == 80:
            for word in ("2.x", "(LANDesk,", "HP)", "windowsize", "49152-65535,"):
                assert word in shown


def _on_a_terminal(columns, *words):
    """What `pxebench` shows on a terminal of so many columns, without its colours."""
    argv = [sys.executable, "-m", "pxebench", *words]
    code, shown, _ = terminal.run(argv, columns=columns)
    assert code == 0
    return re.sub(r"\x1b\[[0-9;]*m", "", shown.decode())


def test_every_fact_is_shown_with_its_mark_its_note_and_the_sources(bench):
    for rom_id in known.ids():
        rom = job.load_rom(rom_id)
        shown = bench("roms", "show", rom_id).stdout
        flowed = " ".join(shown.split())
        facts = list(known.facts(rom))
        for fact in facts:
            content = json.dumps(fact.content, ensure_ascii=False)
            assert f"{fact.path} {fact.mark} {' '.join(content.split())}" in flowed
            if fact.note:
                assert " ".join(fact.note.split()) in flowed
        assert sum(known.counts(rom).values()) == len(facts)
        for source in rom["sources"]:
            assert " ".join(source.split()) in flowed
        assert json.loads(bench("roms", "show", rom_id, "--json").stdout) == rom


def test_mark_of_a_whole_counts_for_its_parts():
    rom = {
        "udp": {"value": {"a": 1, "b": {"value": 2, "evidence": "source"}}, "evidence": "assumed"}
    }
    marks = {fact.path: fact.mark for fact in known.facts(rom)}
    assert marks == {"udp.a": "assumed", "udp.b": "source"}


def test_rom_file_of_the_users_own_is_shown_and_booted(bench, served):
    rom = job.load_rom("intel-undi")
    rom["id"] = "mine"
    rom["udp"]["source_port"]["first"] = 3000
    (bench.folder / "mine.json").write_text(json.dumps(rom))
    assert bench("roms", "show", "mine.json").stdout.startswith("mine: ")
    for endpoint in ("local", "micropython"):
        words = ("--rom", "mine.json", "--endpoint", endpoint, "--json", "-")
        result = json.loads(bench.fetch(served.url("small.bin"), *words).stdout)
        assert result["rom"] == "mine"
        assert job.source_ports(result) == [3000, 3001]


def test_unknown_rom_is_one_sentence(bench):
    for words in (["show", "nosuch"], ["show", "nosuch", "--json"]):
        run = bench("roms", *words)
        assert run.returncode == 2
        assert run.stderr == (
            "pxebench: There is no ROM called nosuch; `pxebench roms` lists them.\n"
        )
