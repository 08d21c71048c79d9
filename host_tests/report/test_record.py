"""What stays of a run in its JSON: bounded whatever came, and without secrets."""

import json

import pytest
from pxebench import record
from pxebench.record import Record


def _packet(t_us, opcode, block, **more):
    data = f"{opcode:04x}{block:04x}"
    return {"event": "packet", "t_us": t_us, "dir": "in", "host": "10.0.0.1", "port": 4000,
            "local_port": 2070, "len": 4, "data": data, **more}  # fmt: skip


def test_long_transfer_keeps_its_two_ends_and_says_what_is_left_out():
    kept = Record()
    kept.event({"event": "start", "epoch_us": 1})
    for block in range(10000):
        kept.event(_packet(block, 3, block & 0xFFFF))
    kept.event({"event": "image", "at_ms": 9})
    events = kept.events()
    packets = [event for event in events if event["event"] == "packet"]
    times = [packet["t_us"] for packet in packets]
    assert times == [*range(24), *range(9976, 10000)]
    assert {"event": "left_out", "packets": 9952} in events


def test_a_request_in_a_flood_of_data_is_never_left_out():
    kept = Record()
    for block in range(300):
        kept.event(_packet(block, 3, block))
        if block % 100 == 50:
            kept.event(_packet(block, 1, 0))
            kept.event({"event": "request", "at_ms": block})
    events = kept.events()
    assert [e["at_ms"] for e in events if e["event"] == "request"] == [50, 150, 250]
    assert sum(e["event"] == "packet" and e["data"].startswith("0001") for e in events) == 3


def test_progress_of_an_hour_is_thinned_and_keeps_its_last():
    kept = Record()
    for number in range(36000):
        kept.event({"event": "progress", "at_ms": number * 100, "bytes": number, "blocks": number})
    points = [event["at_ms"] for event in kept.events()]
    assert len(points) <= 200
    assert points[0] == 0 and points[-1] == 3599900
    assert points == sorted(points)


def test_flood_of_errors_is_bounded_and_counted():
    kept = Record()
    for number in range(5000):
        kept.event({"event": "unreachable", "at_ms": number})
    events = kept.events()
    assert len(events) == record.MOST_EVENTS + 1
    assert events[-1] == {"event": "left_out", "events": 5000 - record.MOST_EVENTS}


def test_datagram_of_64_kib_does_not_swell_the_json():
    kept = Record()
    kept.event({"event": "error", "error": {"code": 0, "message": "x" * 65000}})
    kept.event({"event": "oack", "options": {f"o{n}": "1" for n in range(9999)}})
    kept.event(_packet(0, 6, 0, data="0006" + "41" * 65000))
    assert len(json.dumps(kept.events())) < 10000


def test_start_of_a_pc_gets_the_address_that_packets_leave_from():
    kept = Record("10.55.32.175")
    kept.event({"event": "start", "rom": "intel-undi"})
    kept.event({"event": "start", "ip": "192.0.2.9"})  # a board knows its own
    assert [event["ip"] for event in kept.events()] == ["10.55.32.175", "192.0.2.9"]


@pytest.mark.parametrize(
    ("words", "clean"),
    [
        (["fetch", "--password", "hunter2", "x"], ["fetch", "--password", "***", "x"]),
        (["--wifi-psk=hunter2"], ["--wifi-psk=***"]),
        (["--api-token", "t", "--quiet"], ["--api-token", "***", "--quiet"]),
        (["-p", "rfc2217://me:hunter2@h:1"], ["-p", "rfc2217://***@h:1"]),
        (["tftp://10.0.0.1/a@b"], ["tftp://10.0.0.1/a@b"]),
        (["--file", "monkey"], ["--file", "monkey"]),
    ],
)
def test_command_line_is_kept_without_its_secrets(words, clean):
    assert record.command(words) == clean


def test_result_of_a_fetch_tells_how_it_was_made(bench, served):
    run = bench.fetch(served.url("small.bin"), "--json", "-", "--pcap", "x.pcap")
    result = json.loads(run.stdout)
    assert result["command"][:3] == ["pxebench", "fetch", served.url("small.bin")]
    kinds = [event["event"] for event in result["events"]]
    assert kinds[0] == "start" and result["events"][0]["ip"].startswith("127.")
    assert kinds.count("request") == 2 and "packet" in kinds and "image" in kinds
    assert len(kinds) < 60  # 10 KiB are 8 blocks


def test_without_a_capture_the_events_hold_no_packets(bench, served):
    result = json.loads(bench.fetch(served.url("small.bin"), "--json", "-").stdout)
    assert "packet" not in [event["event"] for event in result["events"]]


def test_json_has_a_line_for_each_event_and_stays_json(bench, served):
    run = bench.fetch(served.url("small.bin"), "--json", "-")
    result = json.loads(run.stdout)
    assert len(result["events"]) == sum(
        line.startswith("    {") and '"event": "' in line for line in run.stdout.splitlines()
    )
    assert json.loads(record.as_text({"a": [], "events": []})) == {"a": [], "events": []}
    assert json.loads(record.as_text({"a": "[]\n}", "events": [{"event": "x"}]}))["a"] == "[]\n}"
