"""The verdict's table without a network: observations in, one cause and the rest out."""

import copy
import json
import subprocess
import sys

import pytest
from pxebench import icmp, job
from pxebench.diagnose import anomalies, causes, diagnosis, observe, rules, signs
from pxebench.job import show
from pxebench.sweep import rom_ports

from host_tests.lab.programs import ROOT

_SEEN = {
    "requests": 20,
    "answers": 20,
    "unreachable": 0,
    "foreign": [],
    "low": {"asked": 8, "answered": 8, "ports": [2070, 2071, 2072, 2073], "silent": []},
    "high": {"asked": 4, "answered": 4, "ports": [50001, 50002, 50003, 50004], "silent": []},
    "low_silent": [],
    "rom_works": True,
    "rom_status": None,
    "rom_moved_works": None,
    "image": "ipxe-nbp",
    "image_wrong": False,
    "file_error": None,
    "options_error": None,
    "probe_fails": False,
    "after_probe": False,
    "options_ignored": False,
    "sizes": {512: True, 1456: True, 1468: True, 8192: True},
    "own_size": 1456,
    "several": True,
    "by_order": None,
    "stuck": False,
    "stuck_refused": False,
    "lockstep": {"acked": 128, "median_ms": 0.2},
    "lost": 0,
    "answer_ms": 1.5,
    "first_wait_ms": 2032,
    "alive": None,
    "server_ports": {"least": 33000, "most": 60000, "count": 20, "different": 20},
    "border": None,
}
_LOW = {"low_silent": [2070, 2071, 2072, 2073], "rom_works": False}
_NOTHING = {
    "answers": 0,
    "rom_works": False,
    "image": None,
    "sizes": {},
    "several": None,
    "lockstep": None,
    "answer_ms": None,
    "server_ports": None,
}


def _result(**changes):
    return {
        "rom_ports": [2070, 2078],
        "rom_counts": "retry",
        "server": "10.254.52.26",
        "server_port": 69,
        "client": "10.55.32.175",
        "file": "x\x1b[2J",
        "experiments": [{"id": "rom", "cut": None, "asks": [{"port": 2070}]}],
        "ended": None,
        "observations": {**copy.deepcopy(_SEEN), **changes},
    }


def _judged(on_path=None, **changes):
    return diagnosis.judge(_result(**changes), on_path)["verdict"]


def test_nothing_wrong_is_healthy_and_needs_no_rule():
    verdict = _judged()
    assert (verdict["cause"], verdict["also_possible"]) == ("healthy", [])
    assert verdict["rules"]["items"] == []
    assert verdict["decide"] is None


def test_rom_that_fails_without_any_sign_is_not_called_healthy():
    assert _judged(rom_works=False)["cause"] is None


def test_two_troubles_at_once_are_not_squeezed_into_one_cause():
    """A filter does not lose packets at ports that it lets through."""
    verdict = _judged(**_LOW, lost=20)
    assert verdict["cause"] is None
    assert len(verdict["explains"]) == 2
    assert "more than one thing may be wrong" in verdict["text"]


def test_a_cause_that_explains_only_most_of_it_is_ruled_out_with_what_it_leaves():
    verdict = _judged(**_LOW, lost=20)
    because = {entry["cause"]: entry["because"] for entry in verdict["ruled_out"]}
    assert because["client-port-filter"].startswith("It does not explain this: 20 packets")
    assert because["loss"].startswith(
        "It does not explain this: None of the requests from 2070-2073"
    )


def test_silence_alone_names_no_single_culprit():
    verdict = _judged(**_NOTHING, alive=False)
    assert verdict["cause"] == "request-blocked"
    assert verdict["also_possible"] == ["no-tftp-helper", "nat-port"]
    assert "tcpdump" in verdict["decide"]["command"]


@pytest.mark.parametrize(
    "on_path, cause, also",
    [
        ({"requests": 0, "answers": 0, "client_ports": [2070]}, "request-blocked", []),
        ({"requests": 6, "answers": 6, "client_ports": [2070]}, "no-tftp-helper", []),
        ({"requests": 6, "answers": 0, "client_ports": [2070]}, "request-blocked", []),
        ({"requests": 6, "answers": 6, "client_ports": [40001]}, "nat-port", []),
    ],
)
def test_capture_at_the_other_end_tells_the_silent_causes_apart(on_path, cause, also):
    verdict = _judged(on_path, **_NOTHING, alive=False)
    assert (verdict["cause"], verdict["also_possible"]) == (cause, also)
    assert verdict["decide"] is None


def _icmp(sender, code, kind=3, errno=113, count=5):
    row = {"errno": errno, "type": kind, "code": code, "from": sender, "count": count}
    return {**row, "meaning": icmp.meaning(row, "10.254.52.26")}


@pytest.mark.parametrize(
    "row, cause, also",
    [
        (_icmp("10.254.52.26", 3), "port-unreachable", []),
        (_icmp("10.55.32.1", 3), "rejected", []),
        (_icmp("10.55.32.1", 13), "rejected", []),
        (_icmp("10.254.52.26", 10), "rejected", []),
        (_icmp("10.55.32.1", 1), "host-unreachable", []),
        (_icmp("10.55.32.175", 1), "host-unreachable", []),
        (_icmp(None, None, None, 111), "port-unreachable", ["rejected"]),
        (_icmp(None, None, None, 113), "host-unreachable", ["rejected"]),
        (_icmp("10.55.32.1", 4), None, []),
    ],
)
def test_unreachable_is_not_one_thing(row, cause, also):
    """Who sent it counts as much as its code; of a bare errno no more is said than it tells."""
    verdict = _judged(**_NOTHING, unreachable=5, icmp=[row])
    assert (verdict["cause"], verdict["also_possible"]) == (cause, also)
    cannot = [text for text in verdict["unknown"] if "cannot be seen" in text]
    assert bool(cannot) == (row["from"] is None)


def test_forged_icmp_changes_no_verdict_while_answers_come():
    verdict = _judged(icmp=[_icmp("192.0.2.9", 3)], unreachable=0)
    assert verdict["cause"] == "healthy"
    assert any("192.0.2.9" in fact["text"] for fact in verdict["facts"])


@pytest.mark.parametrize(
    "changes, cause",
    [
        ({"rom_works": False, "rom_status": "PXE-E99", "options_ignored": True},
         "options-refused"),
        ({"silent": 5}, None),
        ({"rom_works": False, "rom_status": "PXE-E99"}, None),
        ({"at_once": 2, "several": None}, "few-at-once"),
        ({"by_order": True, "same_again": False, "silent": 9}, "rate-limit"),
        ({"by_order": True, "same_again": True}, "one-expectation"),
        ({"unasked": {"name": "x", "value": "1"}, "rom_works": False, "probe_fails": True},
         "unasked-option"),
        ({"oversize": True, "rom_works": False}, "oversize-data"),
        ({"pieces": {512: False, 1456: True}}, "fragments"),
        ({"pieces": {512: False, 1456: False, 8192: True}}, "healthy"),
    ],
)  # fmt: skip
def test_verdict_never_contradicts_an_experiment(changes, cause):
    assert _judged(**changes)["cause"] == cause


def test_blksize_that_is_in_effect_without_an_oack_is_told_from_longer_blocks():
    """tftp4j#2: the server takes the option and does not say so."""
    for unsaid in (None, "1456"):
        verdict = _judged(oversize=True, unsaid_blksize=unsaid, rom_works=False)
        assert verdict["cause"] == "oversize-data"
        (why,) = verdict["explains"]
        assert ("takes the blksize of the RRQ, 1456, and sends no OACK" in why) == bool(unsaid)


def test_unsaid_blksize_is_seen_in_the_transfer_that_was_refused():
    def by(oack, options):
        transfer = {"oack": oack, "requests": [{"options": options}]}
        result = {"status": {"reason": "oversize_data"}, "transfers": [transfer]}
        return {"rom": [{"result": result}]}

    assert signs.unsaid_blksize(by(None, [["tsize", "0"], ["blksize", "1456"]])) == "1456"
    assert signs.unsaid_blksize(by({"blksize": "512"}, [["blksize", "1456"]])) is None
    assert signs.unsaid_blksize(by(None, [])) is None
    assert signs.unsaid_blksize({}) is None


@pytest.mark.parametrize(
    "end, cause",
    [
        ({"blocks": 40, "bytes": 58240, "tsize": 58240, "full": True}, "no-final-block"),
        ({"blocks": 40, "bytes": 58240, "tsize": 58241, "full": True}, None),
        ({"blocks": 65535, "bytes": 65535 * 512, "tsize": None, "full": True}, "no-rollover"),
        ({"blocks": 65536, "bytes": 65536 * 512, "tsize": 1 << 26, "full": True}, "no-rollover"),
        ({"blocks": 60000, "bytes": 60000 * 512, "tsize": 1 << 26, "full": True}, None),
    ],
)
def test_where_a_transfer_stands_still_tells_why(end, cause):
    end = {"blksize": 512, **end}
    assert _judged(rom_works=False, image=None, end=end)["cause"] == cause


def test_size_that_the_server_tells_wrong_is_told_where_the_rom_did_not_ask_for_it():
    verdict = _judged(wrong_tsize={"tsize": 5, "bytes": 74213})
    assert verdict["cause"] == "healthy"
    (fact,) = [fact for fact in verdict["facts"] if fact["id"] == "tsize"]
    assert "says 5 bytes, and the file has 74213" in fact["text"]


def test_file_that_takes_long_on_a_healthy_path_is_told_why():
    far = {"acked": 33, "median_ms": 45.4}
    boot = {"size": 7399773, "blksize": 512, "windowsize": 1}
    verdict = _judged(lockstep=far, boot_blocks=boot)
    assert verdict["cause"] == "healthy"
    (fact,) = [fact for fact in verdict["facts"] if fact["id"] == "pace"]
    assert "7399773 bytes take about 10 min 56 s, in blocks of 1468 bytes" in fact["text"]
    for seen in ({"lockstep": far}, {"lockstep": far, "boot_blocks": boot, "rom_works": False}):
        assert "pace" not in [fact["id"] for fact in _judged(**seen)["facts"]]


@pytest.mark.parametrize(
    "answered, cause, also",
    [
        (None, "one-expectation", ["few-at-once"]),
        ([50001], "few-at-once", []),
        ([50001, 50002], "one-expectation", []),
    ],
)
def test_server_of_one_transfer_at_a_time_looks_like_such_a_path(answered, cause, also):
    """What the server answered tells them apart; from the client's side nothing does."""
    ports = [50001, 50002]
    on_path = {"requests": 9, "answers": 5, "client_ports": ports, "asked_ports": ports}
    on_path = answered and {**on_path, "answered_ports": answered}
    verdict = _judged(on_path, by_order=True, same_again=True)
    assert (verdict["cause"], verdict["also_possible"]) == (cause, also)
    assert bool(verdict["decide"]) == bool(also)


@pytest.mark.parametrize(
    "asked, answered, way, said, cure",
    [
        ([2070, 2071, 50001], [2070, 50001], "in", "drops the answers", "ports"),
        ([50001], [50001], "out", "drops the requests", "request"),
        ([2070, 50001], [50001], "server", "does not answer requests", "ports"),
    ],
)
def test_capture_at_the_server_says_which_way_is_filtered(asked, answered, way, said, cure):
    on_path = {"requests": 9, "answers": 5, "client_ports": asked, "asked_ports": asked}
    verdict = _judged({**on_path, "answered_ports": answered}, **_LOW)
    assert (verdict["cause"], verdict["way"]) == ("client-port-filter", way)
    assert said in verdict["text"]
    assert any("The capture at the server" in text for text in verdict["explains"])
    assert not any("cannot be seen from this end" in text for text in verdict["unknown"])
    assert verdict["rules"]["items"][0]["cure"] == cure


def test_chain_of_the_nft_rules_is_called_a_guess_unless_it_was_given():
    result = _result(**_LOW)
    guessed = rules.advise("client-port-filter", [], result)["items"][0]
    given = rules.advise("client-port-filter", [], result, "ip fw forward")["items"][0]
    assert "is a guess" in guessed["note"] and "guess" not in (given["note"] or "")
    assert guessed["text"].startswith("nft insert rule inet filter forward ")
    assert given["text"].startswith("nft insert rule ip fw forward ")


def test_what_nothing_came_to_tell_is_open_and_not_ruled_out():
    verdict = _judged(**_NOTHING, alive=False)
    out = {entry["cause"] for entry in verdict["ruled_out"]}
    assert not out & {"mtu", "loss", "wrong-image", "file-missing", "slow-server"}
    assert any(text.startswith("Not looked at") for text in verdict["unknown"])


def test_file_that_the_rom_does_not_start_is_told_beside_what_keeps_it_back():
    """Moved to high ports the ROM gets it: two faults, and the firewall is the first to mend."""
    wrong = {"image": "efi-x64", "image_wrong": True}
    verdict = _judged(**_LOW, **wrong)
    assert verdict["cause"] == "client-port-filter"
    assert [fact["id"] for fact in verdict["facts"] if fact["id"] == "wrong-image"]
    assert "wrong-image" not in [entry["cause"] for entry in verdict["ruled_out"]]
    verdict = _judged(**wrong)
    assert verdict["cause"] == "wrong-image"
    assert "wrong-image" not in [fact["id"] for fact in verdict["facts"]]


def test_port_that_opens_and_closes_is_told_from_one_where_nobody_listens():
    """As xinetd, whose server ends at once, was seen to do it (cps)."""
    said = {"errno": 111, "type": 3, "code": 3, "from": "10.254.52.26", "count": 4}
    row = {**said, "meaning": "port-unreachable"}
    for silent, told in ((0, False), (8, True)):
        verdict = _judged(**_NOTHING, alive=True, icmp=[row], silent=silent)
        assert verdict["cause"] == "port-unreachable"
        assert any("opens and closes" in text for text in verdict["unknown"]) == told


def test_file_name_of_the_user_cannot_write_to_the_terminal():
    verdict = _judged(file_error={"code": 1, "message": "no\x1b[31m such"})
    assert verdict["cause"] == "file-missing"
    assert "\x1b" not in verdict["text"] + "".join(verdict["explains"])


@pytest.mark.parametrize(
    "error, cause",
    [
        ({"code": 1, "message": ""}, "file-missing"),
        ({"code": 0, "message": "File not found"}, "file-missing"),
        ({"code": 2, "message": "Only absolute filenames allowed"}, "file-denied"),
        ({"code": 0, "message": "Permission denied"}, "file-denied"),
        ({"code": 4, "message": "Illegal TFTP operation"}, "server-error"),
    ],
)
def test_servers_differ_in_codes_and_words_for_the_same_thing(error, cause):
    assert _judged(file_error=error, rom_works=False, image=None)["cause"] == cause


@pytest.mark.parametrize("cause", causes.IDS)
def test_rules_of_every_cause_are_filled_in_to_the_last_word(cause):
    result = _result()
    found = rules.advise(cause, ["no-tftp-helper"], result)
    for item in found["items"]:
        assert item["text"] and "$" not in item["text"] + (item["note"] or "")
    for text in (found["least"], found["advice"], *found["notes"]):
        assert "$" not in (text or "")
    if cause != "healthy":
        assert found["items"] or found["advice"]


def test_client_is_spoken_of_only_where_a_rule_names_it():
    for cause in causes.IDS:
        result = _result()
        found = rules.advise(cause, [], result)
        named = any(result["client"] in item["text"] for item in found["items"])
        said = any(note.startswith("For more clients") for note in found["notes"])
        assert said == (named and cause != "other-address"), cause


def test_cause_of_an_icmp_error_is_one_sentence_after_the_other():
    values = {"port": 69, "server": "10.0.0.1", "icmp": "A firewall (10.0.0.254) rejects it."}
    assert causes.text("rejected", values) == (
        "The requests to UDP port 69 of 10.0.0.1 come back with an ICMP error. "
        "A firewall (10.0.0.254) rejects it."
    )
    said = causes.text("host-unreachable", {**values, "icmp": "The router says so."})
    assert said == "The requests do not reach 10.0.0.1. The router says so."


def test_no_port_rule_is_offered_where_none_would_help():
    for cause in ("loss", "slow-server", "wrong-image", "file-missing", "server-error"):
        assert rules.advise(cause, [], _result())["items"] == []


def test_one_boot_of_each_rom_counts_as_far_as_its_file_says():
    flat = {name: job.flat(job.load_rom(name)) for name in ("intel-undi", "intel-undi-plain")}
    assert rom_ports.ports_of_boot(flat["intel-undi"]) == (2070, 2078)
    assert rom_ports.ports_of_boot(flat["intel-undi-plain"]) == (2070, 2073)
    os_client = job.flat(job.load_rom("os-client"))
    assert rom_ports.ports_of_boot(os_client) == (32768, 60999)
    assert not rom_ports.counts(os_client)


@pytest.mark.parametrize(
    "rom, ports, counts",
    [
        ("edk2", (1024, 2048), "draw"),  # begins at 1024 to 2047, one more for the file
        ("grub", (25300, 25300), "file"),
        ("u-boot", (1024, 4095), "draw"),
        ("slof", (2001, 2001), "one"),
    ],
)
def test_ports_of_a_rule_are_those_of_every_boot(rom, ports, counts):
    flat = job.flat(job.load_rom(rom))
    assert rom_ports.ports_of_boot(flat) == ports
    assert rom_ports.how_it_counts(flat) == counts


def test_rom_that_takes_a_port_for_each_packet_until_data_counts_with_every_retry():
    flat = job.flat(job.load_rom("etherboot"))
    count = len(flat["tftp"]["retry"]["open"]["waits_ms"])
    assert count > 10 and rom_ports.how_it_counts(flat) == "retry"
    assert rom_ports.ports_of_boot(flat) == (2001, 2001 + count - 1)


def test_every_rom_there_is_can_be_diagnosed():
    """Its ports, its first wait, what it may start: none of them is missing in any file."""
    paths = sorted(ROOT.glob("firmware/pxerom/roms/*.json"))
    assert len(paths) > 20
    for path in paths:
        flat = job.flat(job.load_rom(path.stem))
        first, last = rom_ports.ports_of_boot(flat)
        assert first <= rom_ports.rom_ports(flat, 4)[0] <= last
        assert observe._first_wait(flat) > 0 and observe._own_size(flat) >= 512


def test_loader_that_fetches_more_files_needs_more_ports_and_the_notes_say_so():
    result = {**_result(**_LOW), "rom_ports": [25300, 25300], "rom_counts": "file"}
    notes = rules.advise("client-port-filter", [], result)["notes"]
    assert any("Each further file takes the next port" in note for note in notes)
    assert not any("too narrow" in note for note in notes)


def test_what_an_end_by_the_user_left_open_is_not_called_alike():
    result = {**_result(**_NOTHING, alive=False), "ended": {"by": "user", "after_ms": 9}}
    verdict = diagnosis.judge(result)["verdict"]
    assert verdict["cause"] is None
    assert not any("look the same" in text for text in verdict["unknown"])
    assert any("what was not run could tell" in text for text in verdict["unknown"])
    nothing = {**_result(**_NOTHING, requests=0), "ended": {"by": "user", "after_ms": 9}}
    verdict = diagnosis.judge(nothing)["verdict"]
    assert verdict["also_possible"] == []
    assert verdict["explains"] == ["No RRQ was waited for to its end."]


def _cut_boot(last_ms, blocks=40, outcome="aborted"):
    transfer = {"blocks": blocks, "outcome": outcome, "error": {"code": 0, "message": "x"}}
    result = {"image": None, "transfers": [transfer], "ended": {"by": "bench", "after_ms": 12500}}
    return {"result": result, "blocks": {"last_ms": last_ms, "median_ms": 60}}


def test_long_boot_that_the_bench_cut_off_while_blocks_came_is_no_failure():
    """A file of 1 MB over a way of 60 ms takes longer than the bench waits."""
    assert observe._works(_cut_boot(12440))
    assert not observe._works(_cut_boot(9000))  # it stood still
    assert not observe._works(_cut_boot(12440, outcome="error"))
    assert not observe._works(_cut_boot(12440, blocks=3))


def test_each_anomaly_is_needed_by_a_cause_or_brought_along_by_one():
    covered = set()
    for _, needs, along in causes._CAUSE.values():
        covered.update(along, *needs)
    assert set(anomalies._OF_SILENCE) <= covered
    seen = {**_SEEN, **_LOW, "lost": 9, "image": "iso", "stuck": True}
    assert set(anomalies.among(seen, show)) <= covered


def _packet(t_us, way, port, data, host="10.0.0.1"):
    return {
        "event": "packet",
        "t_us": t_us,
        "dir": way,
        "host": host,
        "port": port,
        "local_port": 50000,
        "len": len(data) // 2,
        "data": data,
    }


def _transfer(times_ms):
    t_us, packets = 1000, [_packet(0, "out", 69, "0001"), _packet(1000, "in", 7, "00030001")]
    for number, took_ms in enumerate(times_ms, 1):
        packets.append(_packet(t_us, "out", 7, f"0004{number:04x}"))
        if took_ms > 600:  # the ROM's own timer: the ACK again, shortly before the block comes
            packets.append(_packet(t_us + took_ms * 1000 - 100, "out", 7, f"0004{number:04x}"))
        t_us += int(took_ms * 1000)
        packets.append(_packet(t_us, "in", 7, f"0003{number + 1:04x}"))
        packets.append(_packet(t_us + 10, "in", 7, f"0003{number + 1:04x}"))  # and once more
    return observe.blocks(packets, "10.0.0.1")


@pytest.mark.parametrize(
    ("lost", "packets", "cause"),
    [(3, 280, "loss"), (2, 280, "healthy"), (3, 131000, "healthy"), (300, 131000, "loss")],
)
def test_loss_is_judged_by_its_share(lost, packets, cause):
    """Three late blocks of a file of 65,535, on a busy machine, made the verdict undecided."""
    assert _judged(lost=lost, packets=packets)["cause"] == cause


def test_lost_block_is_seen_whoever_sent_it_again():
    found = _transfer([1, 1, 1000, 1, 1, 700, 1])
    assert (found["stalls"], found["repeats"], found["median_ms"]) == (2, 2, 1)


@pytest.mark.parametrize(
    ("oack", "padded"),
    [
        ("0006" + b"blksize\0008192\0".hex(), False),
        ("0006" + b"multicast\0\0".hex(), False),  # an empty value is no padding
        ("0006" + (b"blksize\0008192\0" + bytes(5)).hex(), True),
        ("0006" + (b"blksize\0008192\0tsize\00012\0" + bytes(1)).hex(), True),
    ],
)
def test_nuls_behind_an_oack_are_told(oack, padded):
    events = [{"event": "packet", "dir": "in", "data": oack}]
    by = {"high": [{"asks": [], "events": events}]}
    assert signs.padded_oack(by) is padded
    facts = {fact["id"] for fact in _judged(padded_oack=padded)["facts"]}
    assert ("padded-oack" in facts) is padded


def test_slow_way_loses_nothing():
    assert _transfer([300, 310, 290, 305])["stalls"] == 0


@pytest.mark.parametrize(
    ("answer_ms", "first_wait_ms", "slow"),
    [
        (80.6, 100, False),
        (101, 100, True),
        (240, 250, False),
        (1200, 4000, True),
        (900, 4000, False),
    ],
)
def test_answer_within_the_rom_s_first_wait_is_not_slow(answer_ms, first_wait_ms, slow):
    """BusyBox asks again after 0.1 s: 80 ms of round trip cost it nothing."""
    found = _judged(answer_ms=answer_ms, first_wait_ms=first_wait_ms)
    assert found["cause"] == ("slow-server" if slow else "healthy")


def test_slow_first_answer_is_no_loss():
    packets = [_packet(0, "out", 69, "0001"), _packet(1600000, "in", 7, "00030001")]
    assert observe.blocks(packets, "10.0.0.1")["stalls"] == 0


def test_server_that_repeats_its_first_packet_though_acknowledged_is_stuck():
    packets = [
        _packet(0, "out", 69, "0001"),
        _packet(1000, "in", 7, "00030001"),
        _packet(1100, "out", 7, "00040001"),
        _packet(1001000, "in", 7, "00030001"),
    ]
    assert observe.blocks(packets, "10.0.0.1")["stuck"]


def _again(tmp_path, result):
    path = tmp_path / "result.json"
    path.write_text(json.dumps(result))
    argv = [sys.executable, "-m", "pxebench", "diagnose", "--again", str(path)]
    return subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60)


def _kept(**changes):
    result = {**_result(**_LOW), "schema": 1, "kind": "diagnose", "rom": "intel-undi"}
    result["experiments"][0]["events"] = []
    return {**result, **changes}


def test_earlier_result_is_judged_anew(tmp_path):
    done = _again(tmp_path, _kept())
    assert done.returncode == 1 and "Verdict: client-port-filter." in done.stdout, done.stderr
    assert "\x1b" not in done.stdout  # the file's name has one


@pytest.mark.parametrize(
    "changes",
    [
        {"server": "10.0.0.1; reboot #"},
        {"client": "$(reboot)"},
        {"server_port": "69 accept; flush"},
        {"rom_ports": [2070, "2078 accept"]},
        {"observations": {**_SEEN, **_LOW, "foreign": ["`reboot`"]}},
    ],
)
def test_nobody_else_writes_into_a_rule_that_is_to_be_copied(tmp_path, changes):
    """A result that came by mail is judged, and its addresses stand in commands."""
    done = _again(tmp_path, _kept(**changes))
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.endswith("is no result of `pxebench diagnose --json`.\n")


@pytest.mark.parametrize(
    "changes",
    [
        {"experiments": [{}]},
        {"experiments": None},
        {"observations": {**_SEEN, **_LOW, "lockstep": "x"}},
        {"observations": {**_SEEN, **_LOW, "own_size": "x"}},
        {"observations": {**_SEEN, **_LOW, "border": "x"}},
    ],
)
def test_damaged_result_is_one_sentence_and_no_bug(tmp_path, changes):
    done = _again(tmp_path, _kept(**changes))
    assert done.returncode == 2, done.stderr
    assert "is damaged, or of another version" in done.stderr and done.stderr.count("\n") == 1


def _experiment(name, *asks):
    """{id: [an experiment]} of (client port, server's TID, options asked for, options granted)."""
    names = ("port", "server_port", "options", "granted")
    return {name: [{"asks": [dict(zip(names, ask, strict=True)) for ask in asks]}]}


_DATA_RRQ, _SIZE_RRQ = [["tsize", "0"], ["blksize", "1456"]], [["tsize", "0"]]


def test_repeated_oack_of_an_earlier_transfer_grants_what_that_one_asked_for():
    """A server that never hears the end of a transfer repeats its OACK to the same client port,
    where the next RRQ may wait by then. Seen behind a translator that changes ports."""
    oack = {"tsize": "74213", "blksize": "1456"}
    before = _experiment("rom", (2071, 40001, _DATA_RRQ, oack))
    assert signs.unasked(before) is None
    late = {**before, **_experiment("low-again", (2071, 40001, _SIZE_RRQ, oack))}
    assert signs.unasked(late) is None
    own = {**before, **_experiment("low-again", (2071, 40002, _SIZE_RRQ, oack))}
    assert signs.unasked(own) == {"name": "blksize", "value": "1456", "asked": None}
    other_port = {**before, **_experiment("high", (50001, 40001, _SIZE_RRQ, oack))}
    assert signs.unasked(other_port) == {"name": "blksize", "value": "1456", "asked": None}
    third = {"windowsize": "4", **oack}
    odd = {**before, **_experiment("low-again", (2071, 40001, _SIZE_RRQ, third))}
    assert signs.unasked(odd) == {"name": "windowsize", "value": "4", "asked": None}
