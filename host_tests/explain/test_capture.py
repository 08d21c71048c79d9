"""Captures of other people's networks: any wrapping, any size, damage, many clients."""

import gzip
import io
import struct
import time
import tracemalloc

import pytest
from pxebench.explain import capture, sources

from host_tests.explain import told, wire
from host_tests.explain.wire import CLIENT, Boot

_QINQ = ((0x88A8, 7), (0x8100, 12))


def _vlan(packet):
    return wire.ethernet(packet, ((0x8100, 12),))


def _qinq(packet):
    return wire.ethernet(packet, _QINQ)


@pytest.mark.parametrize(
    ("wrap", "linktype"),
    [
        (wire.ethernet, 1),
        (_vlan, 1),
        (_qinq, 1),
        (wire.cooked, 113),
        (wire.cooked2, 276),
        (lambda packet: packet, 101),
        (lambda packet: b"\2\0\0\0" + packet, 0),
    ],
    ids=["ethernet", "vlan", "qinq", "sll", "sll2", "raw", "loopback"],
)
def test_a_boot_is_found_in_every_wrapping(wrap, linktype):
    frames = wire.intel(Boot()).frames
    for make in (wire.pcap, wire.pcapng):
        (client,) = told.of_bytes(make(frames, wrap, linktype))["clients"]
        assert client["ip"] == CLIENT
        assert told.best(client) == ["intel-undi"]
        assert client["boot"]["ports"] == list(range(2070, 2076))


def test_a_big_endian_file_and_a_gzipped_one_are_read_alike():
    frames = wire.intel(Boot()).frames
    for raw in (wire.pcap(frames, order=">"), gzip.compress(wire.pcap(frames))):
        assert told.best(told.of_bytes(raw)["clients"][0]) == ["intel-undi"]


def test_frames_that_are_cut_short_keep_their_ports_and_claim_no_options():
    (client,) = told.of_bytes(wire.pcap(wire.intel(Boot()).frames, snap=60))["clients"]
    assert client["boot"]["ports"] == list(range(2070, 2076))
    assert not any("asks with" in fact for fact in client["candidates"][0]["for"])


def test_many_clients_in_one_file_are_told_apart_and_one_can_be_chosen():
    frames = []
    for number in range(40):
        boot = Boot(client=f"10.55.32.{number + 1}")
        if number % 2:
            boot.whole(40000 + number, number * 0.1)
        else:
            wire.intel(boot, at=number * 0.1)
        frames += boot.frames
    raw = wire.pcap(frames)
    clients = told.of_bytes(raw)["clients"]
    assert len({client["ip"] for client in clients}) == 40
    assert sum(client["boot"]["outcome"] == "ok" for client in clients) == 20
    (one,) = told.of_bytes(raw, client="10.55.32.3")["clients"]
    assert told.best(one) == ["intel-undi"]


def test_a_request_to_another_port_than_69_is_found_by_its_words():
    boot = Boot()
    boot.out(2070, 6969, 0.0, wire.request("undionly.kpxe", [("tsize", "0")]))
    (client,) = told.of_bytes(wire.pcap(boot.frames))["clients"]
    assert client["boot"]["ports"] == [2070]


def test_fragments_belong_to_their_datagram():
    boot = Boot()
    boot.rrq(2071, 0.0, blksize="1456")
    boot.oack(2071, 0.001, blksize="1456")
    boot.ack(2071, 0.002, 0)
    block = (
        struct.pack(">HHHH", wire.TID, 2071, 8 + 1460, 0) + struct.pack(">HH", 3, 1) + bytes(1456)
    )
    first = wire.datagram(
        wire.SERVER, 0, CLIENT, 0, block[:1200], ip_id=9, more=True, proto=17, offset=0
    )
    # Its UDP header is in `block` itself: no second one is put before it.
    first = first[:20] + block[:1200]
    first = first[:2] + struct.pack(">H", len(first)) + first[4:]
    rest = wire.datagram(wire.SERVER, 0, CLIENT, 0, block[1200:], ip_id=9, offset=1200)
    whole = capture.read(
        io.BytesIO(wire.pcap([*boot.frames, (0.003, first), (0.0031, rest)])), "x"
    )
    assert whole.halves == 0
    assert [p.size for p in whole.packets if p.fragment] == [1460]
    half = capture.read(io.BytesIO(wire.pcap([*boot.frames, (0.003, first)])), "x")
    assert half.halves == 1


def test_a_routers_capture_has_each_packet_twice_and_shows_what_it_keeps_back():
    boot = wire.intel(Boot(), answered=True)
    frames = []
    for at, packet in boot.frames:
        frames.append((at, packet))
        if packet[12:16] == bytes(map(int, CLIENT.split("."))):  # the requests go on
            frames.append((at + 0.00001, packet[:8] + bytes((packet[8] - 1,)) + packet[9:]))
    result = told.of_bytes(wire.pcap(frames))
    (client,) = result["clients"]
    assert client["boot"]["requests"] == 6
    assert any("sends none of them on" in sentence for sentence in client["verdict"]["explains"])


def test_the_place_is_read_from_ttls_and_from_who_sent_it_himself():
    def where(boot, **wrapping):
        return told.of_bytes(wire.pcap(boot.frames, **wrapping))["sources"][0]["where"]

    assert where(wire.intel(Boot(ttl=62, server_ttl=64), True)) == "server"
    assert where(wire.intel(Boot(ttl=64, server_ttl=62), True)) == "client"
    assert where(wire.intel(Boot(ttl=63, server_ttl=62), True)) == "between"
    boot = wire.intel(Boot(ttl=64), True)

    def seen_at_the_server(packet):
        return wire.cooked(packet, packet[12:16] == bytes(map(int, wire.SERVER.split("."))))

    assert where(boot, wrap=seen_at_the_server, linktype=113) == "server"


# ---- damage


def test_a_file_that_ends_anywhere_gives_what_stands_before():
    raw = wire.pcap(wire.intel(Boot()).frames)
    for end in range(4, len(raw), 7):
        result = told.of_bytes(raw[:end])
        assert result["outcome"] in ("failed", "nothing")
    assert told.of_bytes(raw[:-5])["clients"][0]["boot"]["requests"] == 5


def test_a_broken_record_ends_the_reading_and_is_said():
    raw = bytearray(wire.pcap(wire.intel(Boot()).frames))
    at = 24
    for _ in range(3):
        at += 16 + struct.unpack_from("<I", raw, at + 8)[0]
    raw[at + 8 : at + 12] = b"\xff\xff\xff\x7f"
    result = told.of_bytes(bytes(raw))
    assert result["clients"][0]["boot"]["requests"] == 3
    assert any("damaged at its record 4" in note for note in result["sources"][0]["notes"])


def test_files_of_other_programs_are_named():
    result = told.of_bytes(b"snoop\0\0\0" + bytes(100))
    assert result["outcome"] == "nothing"
    assert "snoop" in result["sources"][0]["notes"][0]
    assert "editcap" in result["sources"][0]["notes"][0]


def test_an_upload_is_no_boot():
    boot = Boot()
    boot.out(40001, 69, 0.0, wire.request("config.txt", [], opcode=2))
    result = told.of_bytes(wire.pcap(boot.frames))
    assert result["clients"] == []
    assert any("write request" in note for note in result["notes"])


# ---- size


def _other_traffic(count):
    frames = []
    for number in range(200):
        proto = (6, 6, 6, 17, 17, 1)[number % 6]
        payload = bytes((60, 200, 1400)[number % 3])
        packet = wire.datagram("10.1.2.3", 1024 + number * 311, "10.1.9.9", 2000 + number * 97,
                               payload, proto=17)  # fmt: skip
        frames.append(wire.ethernet(packet[:9] + bytes((proto,)) + packet[10:]))
    raw = bytearray(wire.pcap([]))
    for number in range(count):
        frame = frames[number % 200]
        raw += struct.pack(
            "<IIII", 1_000_000_000 + number // 1000, number % 1000 * 1000, len(frame), len(frame)
        )
        raw += frame
    return bytes(raw)


def test_other_traffic_is_passed_over_at_100_000_packets_a_second():
    raw = _other_traffic(100_000)
    best = 0
    for _ in range(3):
        began = time.process_time()
        file = capture.read(io.BytesIO(raw), "large")
        best = max(best, file.frames / (time.process_time() - began))
    assert file.frames == 100_000 and not file.packets
    assert best >= 100_000


def test_memory_is_bounded_by_what_is_kept_not_by_the_file():
    boot = Boot()
    boot.rrq(40000, 0.0)
    for block in range(1, 6_001):
        boot.data(40000, block * 0.001, block & 0xFFFF)
        boot.ack(40000, block * 0.001 + 0.0001, block & 0xFFFF)
    raw = wire.pcap(boot.frames)
    tracemalloc.start()
    source = sources.from_stream(io.BytesIO(raw), "long")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert source.file.frames == 12_001
    assert len(source.file.packets) < 4500
    assert peak < 20 << 20
    assert any("middle was left out" in note for note in source.notes)


def test_gigabytes_of_other_text_are_read_at_the_speed_of_a_search():
    line = b"Nov 30 18:00:00 host systemd[1234]: Started Session 42 of user root.\n"
    content = line * 200_000
    began = time.process_time()
    source = sources.from_stream(io.BytesIO(content), "log")
    took = time.process_time() - began
    assert (source.kind, source.lines) == ("unknown", 200_000)
    assert len(content) / took > 5_000_000  # bytes a second
