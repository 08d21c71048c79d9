"""What a probe remembers and what it calls a change; no clock, no network."""

import json
import random

import pytest
from pxebench.job import Refused
from pxebench.watch import memory

WHAT = {
    "server": "tftp.example", "address": "10.0.0.1", "port": 69, "file": "undionly.kpxe",
    "rom": "intel-undi", "endpoint": "local",
}  # fmt: skip


def _boot(elapsed_ms=100, outcome="ok", number=0, **more):
    good = outcome == "ok"
    return {
        "schema": 1, "kind": "watch", "when": f"2026-11-23T00:{number // 60:02}:{number % 60:02}Z",
        **WHAT, "outcome": outcome, "code": None if good else "PXE-E32",
        "text": None if good else "TFTP open timeout", "elapsed_ms": elapsed_ms,
        "bytes": 74213 if good else 0, "sha256": "f0" * 32 if good else None,
        "ports": [2070, 2071], "oack": {"blksize": "1456"}, "retransmits": 0, "foreign": 0,
        "changes": [], **more,
    }  # fmt: skip


def _ids(new, earlier):
    return [change["id"] for change in memory.changes(new, earlier)]


def _steady(count=20, seed=1, base=100, jitter=10):
    dice = random.Random(seed)
    return [_boot(base + dice.randint(-jitter, jitter), number=n) for n in range(count)]


def test_first_boot_and_a_usual_one_change_nothing():
    assert _ids(_boot(), []) == []
    assert _ids(_boot(outcome="failed"), []) == []
    assert _ids(_boot(105), _steady()) == []


def test_no_false_alarm_in_a_thousand_usual_boots():
    entries = _steady(1000, seed=7)
    for number in range(1, 1000):
        assert _ids(entries[number], entries[:number]) == [], number


def test_failure_is_told_once_with_when_it_still_went_well_and_its_end_too():
    entries = _steady(5)
    first = _boot(31000, "failed", 5)
    assert memory.changes(first, entries) == [
        {
            "id": "failed",
            "text": "It fails: PXE-E32, TFTP open timeout. The boot before, at "
            "2026-11-23T00:00:04Z, went well.",
        }
    ]
    entries.append(first)
    assert _ids(_boot(31000, "failed", 6), entries) == []
    other = _boot(31000, "failed", 6, code="PXE-E35")
    assert _ids(other, entries) == ["fails-otherwise"]
    entries.append(_boot(31000, "failed", 6))
    again = memory.changes(_boot(number=7), entries)
    assert [change["id"] for change in again] == ["recovered"]
    assert "after 2 boots failed since 2026-11-23T00:00:05Z" in again[0]["text"]


def test_slow_is_what_is_far_from_the_median_whatever_single_boots_did():
    entries = _steady(20)
    assert _ids(_boot(400), entries) == ["slower"]
    # Three slow boots among twenty hide nothing; a mean and its deviation would be of no use.
    spoilt = entries + [_boot(20000, number=n) for n in (21, 22, 23)]
    assert _ids(_boot(400), spoilt) == ["slower"]
    assert _ids(_boot(120), spoilt) == []
    # Of a way whose times differ much, much is usual.
    rough = _steady(40, base=600, jitter=500)
    assert _ids(_boot(1300), rough) == []
    # Failed boots last long and are no measure of the others.
    failed = [_boot(31000, "failed", n) for n in range(30)]
    assert _ids(_boot(400), failed + entries) == ["slower"]


def test_few_boots_make_no_usual_time_and_a_few_ms_are_nobodys_trouble():
    assert _ids(_boot(60000), _steady(7)) == []
    quick = [_boot(2, number=n) for n in range(20)]
    assert _ids(_boot(40), quick) == []
    assert _ids(_boot(80), quick) == ["slower"]


@pytest.mark.parametrize(
    ("more", "name", "words"),
    [
        ({"address": "10.0.0.2"}, "server", "10.0.0.2, it was 10.0.0.1"),
        ({"oack": {"blksize": "512"}}, "options", "blksize 512, it was blksize 1456"),
        ({"oack": None}, "options", "no options"),
        ({"bytes": 74214, "sha256": "aa"}, "size", "74214 bytes, it had 74213"),
        ({"sha256": "aa"}, "content", "of the same size"),
        ({"retransmits": 3}, "resent", "3, none the time before"),
        ({"foreign": 2}, "stranger", "2 packets"),
    ],
)
def test_each_change_of_server_or_file_is_named(more, name, words):
    (change,) = memory.changes(_boot(**more), _steady(3))
    assert change["id"] == name and words in change["text"]
    assert name in memory.WARNINGS


def test_size_in_the_oack_is_the_files_and_no_other_server():
    assert _ids(_boot(oack={"blksize": "1456", "tsize": "9"}), _steady(3)) == []


@pytest.mark.parametrize("name", ["server", "port", "file", "rom", "endpoint"])
def test_boots_of_something_else_are_no_measure(name):
    others = [{**one, name: "other"} for one in _steady()]
    assert _ids(_boot(9000, bytes=1, sha256="aa"), others) == []


def test_bench_out_of_order_is_neither_a_failure_nor_a_recovery():
    entries = [*_steady(3), memory.entry(WHAT, "2026-11-23T01:00:00Z", refused="Port in use.")]
    assert entries[-1]["outcome"] == "bench"
    assert _ids(_boot(), entries) == []
    assert [*_ids(_boot(outcome="failed"), entries)] == ["failed"]
    assert memory.changes(entries[-1], entries[:-1]) == []


# ---- the file


def test_history_is_bounded_and_keeps_the_latest(tmp_path):
    kept = memory.History(tmp_path / "h.jsonl", keep=10)
    for number in range(100):
        kept.add(_boot(number=number))
        assert len((tmp_path / "h.jsonl").read_text().splitlines()) <= 12
    again = memory.History(tmp_path / "h.jsonl", keep=10)
    assert again.entries[-1]["when"].endswith("01:39Z") and len(again.entries) == 10


def test_cut_and_foreign_lines_are_passed_over_and_never_joined_with_the_next(tmp_path):
    path = tmp_path / "h.jsonl"
    good = json.dumps(_boot())
    odd = ["{}", "null", "[", '{"kind": "watch", "schema": 1}', "[" * 5000, "\x00\xff", '"x"']
    odd.append(json.dumps({**_boot(), "elapsed_ms": "soon"}))
    odd.append(json.dumps({**_boot(), "outcome": "odd"}))
    path.write_text("\n".join([good, *odd, good[:40]]), errors="surrogateescape")
    kept = memory.History(path)
    assert len(kept.entries) == 1
    kept.add(_boot(number=7))
    again = memory.History(path).entries
    assert [one["when"][-3:] for one in again] == ["00Z", "07Z"]


def test_two_probes_can_keep_one_history(tmp_path):
    one, two = (memory.History(tmp_path / "h.jsonl", keep=10) for _ in range(2))
    for number in range(40):
        (one if number % 2 else two).add(_boot(number=number))
    lines = (tmp_path / "h.jsonl").read_text().splitlines()
    assert all(json.loads(line)["kind"] == "watch" for line in lines)
    assert json.loads(lines[-1])["when"].endswith("39Z")


def test_history_that_cannot_be_kept_is_said_before_the_first_boot(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(Refused) as refused:
        memory.History(tmp_path / "file" / "h.jsonl")
    assert refused.value.exit_code == 3


def test_place_of_the_history_is_xdgs_and_holds_no_slash_of_the_file_name(monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", "/state")
    path = memory.default_path({**WHAT, "file": "../../etc/passwd\n"})
    assert path.startswith("/state/pxebench/watch/tftp.example-69-.._.._etc_passwd_-intel-undi")
    other = memory.default_path({**WHAT, "file": ".._.._etc_passwd_"})
    assert path != other and path.count("/") == 4
    monkeypatch.setenv("XDG_STATE_HOME", "relative")  # not to be used, says XDG
    monkeypatch.setenv("HOME", "/home/me")
    assert memory.default_path(WHAT).startswith("/home/me/.local/state/pxebench/watch/")


# ---- the line


def test_line_for_monitoring_has_its_code_its_words_and_its_figures():
    code, line = memory.check(_boot(123))
    assert (code, line) == (
        0,
        "PXE OK: undionly.kpxe from 10.0.0.1 as intel-undi in 0.123 s | "
        "time=0.123s;;;0 size=74213B requests=2 resent=0",
    )
    assert memory.check(_boot(123), 0.1, 5)[0] == 1
    code, line = memory.check(_boot(123), 0.05, 0.1)
    assert code == 2 and line.startswith("PXE CRITICAL: ") and "time=0.123s;0.05;0.1;0" in line
    code, line = memory.check(_boot(31000, "failed"))
    assert code == 2 and "failed with PXE-E32, TFTP open timeout" in line
    slow = {**_boot(900), "changes": memory.changes(_boot(900), _steady())}
    code, line = memory.check(slow)
    assert code == 1 and "Slower than usual: 900 ms" in line.partition("|")[0]
    code, line = memory.check(memory.entry(WHAT, "now", refused="Port 2070 is in use."))
    assert code == 3 and line.startswith("PXE UNKNOWN: ") and "|" not in line


def test_recovery_is_no_warning():
    entries = [_boot(), _boot(outcome="failed")]
    new = {**_boot(), "changes": memory.changes(_boot(), entries)}
    assert memory.check(new)[0] == 0


def test_text_of_a_server_can_neither_end_the_line_nor_forge_figures():
    new = _boot(outcome="failed", text="x | time=0s\nPXE OK\x1b[2J", file="a|b")
    _, line = memory.check(new)
    assert "\n" not in line and "\x1b" not in line
    assert line.count("|") == 1 and line.partition("|")[2].startswith(" time=0.100s")
