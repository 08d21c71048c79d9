"""The way of each packet: what a capture made elsewhere proves, and what it does not."""

import json
import time

import pytest
from pxebench.captures import packets
from pxebench.hops import path
from pxebench.job import Refused
from pxebench.record import Record

from host_tests.report import wire
from host_tests.report.wire import CLIENT, EPOCH_US, SERVER


def _merge(run, *files, packets_too=True):
    events = run if isinstance(run, list) else run.events(packets_too)
    return path.merge(events, [packets.read(file) for file in files])


def _ids(merged):
    return [finding["id"] for finding in merged["findings"]]


@pytest.mark.parametrize("detailed", [True, False])
def test_answers_dropped_on_the_way_are_told_from_requests_that_never_arrived(tmp_path, detailed):
    dropped = wire.blocked()
    merged = _merge(dropped, dropped.pcap(tmp_path / "server.pcap"), packets_too=detailed)
    assert _ids(merged) == ["answer-lost"]
    finding = merged["findings"][0]
    assert finding["between"] == ["server.pcap", "the ROM"]
    assert finding["ports"] == [2070, 2071, 2072] and finding["packets"] == 6
    assert "6 answers to client ports 2070-2072 passed server.pcap" in finding["text"]
    assert path.server_saw(merged) == {
        "requests": 3, "answers": 6, "client_ports": [2070, 2071, 2072], "nat": False,
        "asked_ports": [2070, 2071, 2072], "answered_ports": [2070, 2071, 2072],
    }  # fmt: skip

    never = wire.blocked(arrives=False)
    other = wire.Run(EPOCH_US, client="10.9.9.9").out(-1000, 5000, wire.rrq("other"))
    other.out(9000, 5001, wire.rrq("other"))
    merged = _merge(never, other.pcap(tmp_path / "server.pcap"), packets_too=detailed)
    assert _ids(merged) == ["not-of-this-run", "request-lost"]
    assert not merged["findings"][1]["certain"]
    assert merged["findings"][1]["between"] == ["the ROM", "server.pcap"]
    assert path.server_saw(merged)["requests"] == 0


def test_hops_in_a_row_show_between_which_two_it_died(tmp_path):
    run = wire.blocked()
    outside = run.pcap(tmp_path / "outside.pcap", ttl=64, offset_ms=12.5)
    server = run.pcap(tmp_path / "server.pcap", ttl=64)
    inside = run.pcap(tmp_path / "inside.pcap", keep=lambda p: p[1] == CLIENT, offset_ms=-7)
    merged = _merge(run, inside, outside, server)
    assert _ids(merged) == ["answer-lost"]
    assert merged["findings"][0]["between"] == ["outside.pcap", "inside.pcap"]
    # One packet that two captures have is one packet.
    assert len(merged["packets"]) == 9
    answers = [packet for packet in merged["packets"] if packet["dir"] == "in"]
    assert all(a["hops"][0] is None and None not in a["hops"][1:] for a in answers)
    assert all(answer["client_us"] is None for answer in answers)


def test_request_that_dies_between_two_hops_is_named_there(tmp_path):
    run = wire.blocked(arrives=False)
    asked = [(t, CLIENT, port, SERVER, 69, load) for t, _, port, _, load in run.ours]
    firewall = wire.write_pcap(tmp_path / "firewall.pcap", asked)
    nothing = wire.write_pcap(tmp_path / "server.pcap", [])
    merged = _merge(run, firewall, nothing)
    # An empty capture proves nothing: it stands there as a question.
    assert _ids(merged) == ["not-of-this-run", "no-answer"]
    high = wire.Run(EPOCH_US)
    high.ours, high.theirs = list(run.ours), []
    high.out(9000, 50000, wire.rrq()).back(9003, 50000, wire.oack(tsize=1))
    firewall = wire.write_pcap(tmp_path / "firewall.pcap", asked + high.theirs)
    merged = _merge(high, firewall, high.pcap(tmp_path / "server.pcap"))
    assert _ids(merged) == ["request-lost"]
    finding = merged["findings"][0]
    assert finding["between"] == ["firewall.pcap", "server.pcap"] and finding["certain"]
    assert finding["ports"] == [2070, 2071, 2072]
    assert "1 other did" in finding["text"]


@pytest.mark.parametrize("offset_ms", [0, 3.25, -86_400_000.5, 40_000])
def test_clock_offset_is_found_with_its_bounds(tmp_path, offset_ms):
    run = wire.booted()
    merged = _merge(run, run.pcap(tmp_path / "server.pcap", offset_ms=offset_ms))
    hop = merged["hops"][0]
    # A millisecond each way: the offset is known to within one.
    assert hop["offset_ms"] == pytest.approx(offset_ms, abs=0.01)
    assert hop["offset_within_ms"] == pytest.approx(1, abs=0.01)
    assert hop["matched"] == len(merged["packets"]) == len(run.ours)
    assert _ids(merged) == ["all-seen"]
    assert (hop["note"] is not None) == (abs(offset_ms) > 60000)


def test_of_two_boots_with_the_same_ports_each_is_laid_beside_its_own(tmp_path):
    # The second boot fails where the first went well; the ROM counts from 2070 in both.
    first, second = wire.booted(), wire.blocked(EPOCH_US + 30_000_000)
    shifted = [(t + 30_000_000, *rest) for t, *rest in second.theirs]
    server = wire.write_pcap(tmp_path / "server.pcap", first.theirs + shifted)
    merged = _merge(second, server)
    assert merged["hops"][0]["offset_ms"] == pytest.approx(0, abs=1.1)
    assert merged["findings"][0]["id"] == "answer-lost"
    assert merged["findings"][0]["packets"] == 6
    both = _merge(first.events() + second.events(), server)
    assert [packet["run"] for packet in both["packets"] if packet["op"] == "RRQ"] == [
        0,
        0,
        1,
        1,
        1,
    ]
    assert both["hops"][0]["matched"] == len(first.ours) + 3


def test_same_ports_of_an_earlier_boot_are_not_taken_for_this_one(tmp_path):
    # The earlier one was heard by the server; of this one nothing arrives.
    earlier, run = wire.blocked(EPOCH_US - 4_000_000), wire.blocked(arrives=False)
    merged = _merge(run, earlier.pcap(tmp_path / "server.pcap"))
    assert merged["hops"][0]["of_this_run"] is None
    assert _ids(merged) == ["other-boot"]
    assert "4.0 s earlier by its clock" in merged["findings"][0]["text"]
    assert path.server_saw(merged) is None


def test_one_request_of_this_boot_outweighs_a_whole_earlier_one(tmp_path):
    earlier, run = wire.blocked(EPOCH_US - 30_000_000), wire.blocked(arrives=False)
    packets_seen = [(t - 30_000_000, *rest) for t, *rest in earlier.theirs]
    packets_seen.append((2_031_000, CLIENT, 2071, SERVER, 69, wire.rrq()))
    merged = _merge(run, wire.write_pcap(tmp_path / "server.pcap", packets_seen))
    assert merged["hops"][0]["matched"] == 1
    assert _ids(merged) == ["request-lost", "no-answer"]
    assert merged["findings"][0]["ports"] == [2070, 2072]


def test_one_direction_alone_says_that_the_way_is_in_its_offset(tmp_path):
    run = wire.blocked()
    merged = _merge(run, run.pcap(tmp_path / "x.pcap", keep=lambda p: p[1] == CLIENT))
    hop = merged["hops"][0]
    assert hop["offset_within_ms"] is None and hop["offset_ms"] == pytest.approx(1, abs=0.01)
    assert _ids(merged) == ["no-answer"]
    assert hop["at_server"] is None
    assert "the way there included" in next(path_lines(merged))


def path_lines(merged):
    from pxebench.hops.path_words import lines

    return lines(merged)


def test_translated_address_and_ports_are_recognised(tmp_path):
    run = wire.booted()
    nat = {(CLIENT, 2070): ("192.0.2.1", 40070), (CLIENT, 2071): ("192.0.2.1", 40071)}
    merged = _merge(run, run.pcap(tmp_path / "server.pcap", nat=nat))
    assert merged["hops"][0]["matched"] == len(run.ours)
    assert merged["hops"][0]["nat"] == [
        {"client": f"{CLIENT}:2070", "seen_as": "192.0.2.1:40070"},
        {"client": f"{CLIENT}:2071", "seen_as": "192.0.2.1:40071"},
    ]
    assert _ids(merged) == ["nat"]
    assert path.server_saw(merged)["client_ports"] == [40070, 40071]


def test_dropped_answers_to_translated_ports_are_found_too(tmp_path):
    run = wire.blocked()
    nat = {(CLIENT, 2070 + n): ("192.0.2.1", 50000 + n) for n in range(3)}
    merged = _merge(run, run.pcap(tmp_path / "server.pcap", nat=nat))
    assert _ids(merged) == ["answer-lost", "nat"]
    assert merged["findings"][0]["ports"] == [2070, 2071, 2072]


def test_port_alone_translated_is_recognised_beside_others_that_are_not(tmp_path):
    run = wire.booted()
    merged = _merge(run, run.pcap(tmp_path / "x.pcap", nat={(CLIENT, 2071): (CLIENT, 61000)}))
    assert [nat["seen_as"] for nat in merged["hops"][0]["nat"]] == [f"{CLIENT}:61000"]
    assert merged["hops"][0]["matched"] == len(run.ours)


def test_neighbour_that_boots_the_same_file_is_not_taken_for_us_translated(tmp_path):
    # Ours from 2071 on is lost; the neighbour's RRQs say the same words at the same time.
    ours = wire.Run().out(0, 2070, wire.rrq()).back(3, 2070, wire.oack(tsize=9))
    ours.out(2000, 2071, wire.rrq(), arrives=False)
    neighbour = (
        wire.Run(client="10.55.32.176").out(0, 2070, wire.rrq()).out(2001, 2071, wire.rrq())
    )
    server = wire.write_pcap(tmp_path / "server.pcap", ours.theirs + neighbour.theirs)
    merged = _merge(ours, server)
    assert merged["hops"][0]["nat"] == []
    assert _ids(merged) == ["request-lost"]
    assert merged["findings"][0]["ports"] == [2071]


def test_answer_after_the_rom_has_gone_on_is_late_and_not_dropped(tmp_path):
    run = wire.Run()
    for number, ms in enumerate((0, 2000, 6000)):
        run.out(ms, 2070 + number, wire.rrq())
    run.back(3500, 2070, wire.oack(tsize=1), 40000, heard=False)
    run.back(7000, 2071, wire.oack(tsize=1), 40001, heard=False)
    merged = _merge(run, run.pcap(tmp_path / "server.pcap"))
    assert _ids(merged)[0] == "late-answer" and "answer-lost" not in _ids(merged)
    assert merged["findings"][0]["ports"] == [2070, 2071]


def test_single_lost_block_of_a_transfer_is_no_firewall(tmp_path):
    run = wire.booted()
    run.back(30, 2071, wire.data(5, b"x"), 40002, heard=False)
    run.out(40, 2071, wire.ack(4), 40002, arrives=False)
    merged = _merge(run, run.pcap(tmp_path / "server.pcap"))
    assert sorted((f["id"], f["dir"], f["packets"]) for f in merged["findings"]) == [
        ("lost", "in", 1), ("lost", "out", 1)
    ]  # fmt: skip


def test_duplicate_records_of_a_capture_on_all_interfaces_count_once(tmp_path):
    run = wire.blocked()
    again = [(t + 20, *rest) for t, *rest in run.theirs]
    file = tmp_path / "firewall.pcap"
    run.pcap(file)
    first = file.read_bytes()
    wire.write_pcap(file, again)  # the same IP ids, as a forwarded packet has
    file.write_bytes(first + file.read_bytes()[24:])
    merged = _merge(run, str(file))
    assert merged["hops"][0]["packets"] == 9
    assert merged["findings"][0]["packets"] == 6


@pytest.mark.parametrize(("ttl", "at_server"), [(64, True), (128, True), (63, False), (61, False)])
def test_ttl_says_whether_the_capture_is_at_the_server(tmp_path, ttl, at_server):
    run = wire.blocked()
    merged = _merge(run, run.pcap(tmp_path / "x.pcap", ttl=ttl))
    assert merged["hops"][0]["at_server"] is at_server
    assert (path.server_saw(merged) is None) is (not at_server)


def test_what_is_no_capture_is_refused_with_its_name(tmp_path):
    (tmp_path / "x.pcap").write_text("hello, hello, hello")
    with pytest.raises(Refused, match="x.pcap"):
        path.of_run(wire.booted().events(), [str(tmp_path / "x.pcap")])
    assert path.of_run(wire.booted().events(), []) is None


def test_middle_of_a_long_transfer_that_was_not_kept_is_not_called_lost(tmp_path):
    run = wire.booted(blocks=20000)
    server = run.pcap(tmp_path / "server.pcap")
    kept = Record()
    for event in run.events():
        kept.event(event)
    began = time.process_time()
    merged = _merge(kept.events(), server)
    assert time.process_time() - began < 10
    assert _ids(merged) == ["all-seen"]
    assert len(json.dumps(merged)) < 600_000
    # Not even when every packet is given, and more of them than are looked for.
    began = time.process_time()
    merged = _merge(run, server)
    assert time.process_time() - began < 20
    assert _ids(merged) == ["all-seen"]
