"""`--pcap`: what Wireshark's own program, dpkt and scapy's shape of a packet make of the file."""

import json
import subprocess
import time

import dpkt
import pytest

from host_tests.bench_cli.conftest import ADDRESS, FILES

_STRICT = ("ip.check_checksum:TRUE", "udp.check_checksum:TRUE")


def _tshark(tshark, capture, port, *fields):
    words = [tshark, "-r", str(capture), "-d", f"udp.port=={port},tftp", "-T", "fields"]
    for preference in _STRICT:
        words += ["-o", preference]
    for field in fields:
        words += ["-e", field]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return [line.split("\t") for line in done.stdout.splitlines()]


@pytest.mark.parametrize("endpoint", ["local", "micropython"])
@pytest.mark.parametrize("name", ["small.bin", "empty.bin", "missing"])
def test_no_packet_is_malformed_and_all_are_there(bench, served, tshark, endpoint, name):
    before = time.time()
    run = bench.fetch(served.url(name), "--endpoint", endpoint, "--pcap", "x.pcap", "--json", "-")
    after = time.time()
    result = json.loads(run.stdout)
    rows = _tshark(
        tshark, bench.folder / "x.pcap", served.port,
        "frame.time_epoch", "ip.src", "ip.dst", "udp.srcport", "udp.dstport", "ip.ttl",
        "tftp.opcode", "_ws.malformed", "_ws.expert.message", "ip.checksum.status",
    )  # fmt: skip
    times = [float(row[0]) for row in rows]
    assert times == sorted(times)
    assert before - 1 < times[0] <= times[-1] < after + 1
    assert {frozenset(row[1:3]) for row in rows} == {frozenset([ADDRESS, "127.0.0.1"])}
    sent = [row for row in rows if row[1] == ADDRESS]
    assert {row[5] for row in sent} == {"20"}  # the ROM's own TTL
    assert [row[3] for row in rows if row[6] == "1"] == ["2070", "2071"]
    assert all(row[6] in "123456" for row in rows), "a packet that is not TFTP"
    assert not any(row[7] for row in rows), "malformed"
    # tshark notes an ERROR packet as an expert item, and sees a traceroute in every packet of a
    # server whose TID happens to be 33434..33534; nothing else may be noted.
    for row in rows:
        tid = int(row[3] if row[1] == "127.0.0.1" else row[4])
        traceroute = 33434 <= tid <= 33534 and row[8].startswith("Possible traceroute")
        assert row[6] == "5" or not row[8] or traceroute, row
    assert {row[9] for row in rows} == {"1"}
    data = [row for row in rows if row[6] == "3"]
    assert len(data) == sum(transfer["blocks"] for transfer in result["transfers"])
    tids = {str(transfer["server_tid"]) for transfer in result["transfers"]}
    assert {row[3] for row in rows if row[1] == "127.0.0.1"} == tids


def test_data_is_cut_and_says_how_long_it_was(bench, served):
    bench.fetch(served.url("small.bin"), "--pcap", "x.pcap")
    raw = (bench.folder / "x.pcap").read_bytes()
    lengths = []
    offset = 24
    while offset < len(raw):
        kept = int.from_bytes(raw[offset + 8 : offset + 12], "little")
        whole = int.from_bytes(raw[offset + 12 : offset + 16], "little")
        ip = dpkt.ip.IP(raw[offset + 16 : offset + 16 + kept])
        assert ip.len == whole
        if ip.data.data[:2] == b"\0\3":
            lengths.append((kept, whole))
            assert (ip.data.sum == 0) == (kept < whole)  # none can be made: RFC 768
            assert ip.data.ulen == whole - 20
        else:
            assert kept == whole
            assert ip.data.sum != 0
        offset += 16 + kept
    last = len(FILES["small.bin"]) % 1456
    assert lengths == [(28 + 64, 28 + 1460)] * 7 + [(28 + min(64, 4 + last), 28 + 4 + last)]


def test_packets_of_a_failed_and_of_an_ended_boot_are_kept(bench, script, tshark):
    silent = script()
    run = bench.fetch(silent.url, "--max-time", "2.5", "--pcap", "x.pcap")
    assert run.returncode == 1
    port = silent.socket.getsockname()[1]
    rows = _tshark(tshark, bench.folder / "x.pcap", port, "udp.srcport", "frame.time_relative")
    assert [row[0] for row in rows] == ["2070", "2071"]
    assert abs(float(rows[1][1]) - 2.032) < 0.06


def test_out_of_order_events_are_sorted_and_a_clockless_board_gets_the_hosts_time(tmp_path):
    from pxebench.captures.pcap import Capture
    from pxebench.job import flat, load_rom

    capture = Capture("10.0.0.2", flat(load_rom("standard")))
    capture.event({"event": "start", "epoch_us": None})
    for t_us, data in ((2000, "0004"), (1000, "0001")):
        packet = {"event": "packet", "t_us": t_us, "dir": "out", "host": "10.0.0.1", "port": 69}
        capture.event({**packet, "local_port": 5000, "len": 2, "data": data})
    capture.write(tmp_path / "x.pcap")
    with open(tmp_path / "x.pcap", "rb") as file:
        packets = list(dpkt.pcap.Reader(file))
    assert [dpkt.ip.IP(packet).data.data for _, packet in packets] == [b"\0\1", b"\0\4"]
    assert abs(packets[0][0] - time.time()) < 5
    assert round((packets[1][0] - packets[0][0]) * 1e6) == 1000
