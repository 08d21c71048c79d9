"""Capture files: every container and link type that a user may bring, and every broken one."""

import gzip
import pathlib
import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pxebench.captures import conversations, messages, packets
from pxebench.job import Refused

from host_tests.captures_cli.frames import (
    MAC_S,
    SERVER,
    back,
    data,
    dhcp,
    enhanced,
    error,
    ethernet,
    interface,
    out,
    pcap,
    section,
    sll,
    sll2,
    udp,
    unreachable,
)
from host_tests.core.packets import ack, oack, rrq

CAPTURES = pathlib.Path(__file__).parents[1] / "captures"
TALK = [out(rrq()), back(data(1, 3)), out(ack(1), to=4000)]


@pytest.fixture
def read(tmp_path):
    def go(raw, name="x.pcap"):
        path = tmp_path / name
        path.write_bytes(raw)
        return conversations.read(path)

    return go


def _the_talk(capture):
    (talk,) = capture.client().conversations
    return talk


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("nanoseconds", [False, True])
def test_pcap_of_either_byte_order_and_resolution(read, order, nanoseconds):
    talk = _the_talk(read(pcap([ethernet(x) for x in TALK], order=order, nanoseconds=nanoseconds)))
    assert talk.outcome == "done"
    assert [round(packet.time * 1000) for packet in talk.packets] == [0, 1, 2]
    assert talk.packets[0].epoch_ns == 1000 * 10**9


@pytest.mark.parametrize("linktype, wrap", [
    (1, ethernet), (101, bytes), (12, bytes), (228, bytes), (113, sll), (276, sll2),
    (0, lambda ip: b"\2\0\0\0" + ip), (108, lambda ip: b"\0\0\0\2" + ip),
    (1, lambda ip: ethernet(ip, (0x8100, 5))),
    (1, lambda ip: ethernet(ip, (0x88A8, 9), (0x8100, 5))),
])  # fmt: skip
def test_every_link_type_gives_the_same_conversation(read, linktype, wrap):
    talk = _the_talk(read(pcap([wrap(x) for x in TALK], linktype)))
    assert (talk.source_ports, talk.tid, talk.outcome, talk.blocks) == ([2070], 4000, "done", 1)


def test_vlan_tags_and_macs_are_kept(read):
    capture = read(pcap([ethernet(x, (0x88A8, 9), (0x8100, 5)) for x in TALK]))
    assert _the_talk(capture).packets[0].vlans == [9, 5]
    assert capture.client("02-00-00-00-00-02") is capture.client("10.0.0.2")


@pytest.mark.parametrize("order", "<>")
def test_pcapng_with_two_interfaces_and_their_own_clocks(read, order):
    raw = section(order) + interface(1, order) + interface(101, order, resolution=9, offset=50)
    raw += enhanced(ethernet(TALK[0]), 60 * 10**6, order)
    raw += enhanced(TALK[2], 10 * 10**9 + 2 * 10**6, order, number=1)
    raw += enhanced(ethernet(TALK[1]), 60 * 10**6 + 1000, order)
    talk = _the_talk(read(raw))
    assert [round(packet.time * 1000) for packet in talk.packets] == [0, 1, 2]
    assert talk.outcome == "done"


def test_gzipped_capture_is_read_as_it_is(read):
    assert _the_talk(read(gzip.compress(pcap(TALK, 101)), "x.pcap.gz")).outcome == "done"


def test_cut_frame_tells_the_true_length_of_its_data(read):
    capture = read(pcap([out(rrq()), back(data(1)), back(data(2, 3))], 101, snaplen=40))
    _, first, last = _the_talk(capture).packets
    assert (first.size, len(first.payload), first.cut) == (516, 12, True)
    assert messages.tftp(first).length == 512
    assert (last.cut, messages.tftp(last).length) == (False, 3)
    assert "1 frame is cut short in the file." in capture.notes


def test_fragments_are_noted_and_the_first_one_counts(read):
    talk = [out(rrq("f", ("blksize", "4096"))), back(oack(("blksize", "4096")))]
    talk += [back(data(1, 1000), size=2004, more=True), back(b"y" * 900, offset=1008)]
    capture = read(pcap([ethernet(x) for x in talk]))
    packet = _the_talk(capture).packets[-1]
    assert packet.fragment
    assert messages.tftp(packet).length == 2000
    assert capture.notes == [
        "1 later IP fragment was passed over.", "1 packet came as IP fragments."
    ]  # fmt: skip


def test_torn_file_gives_what_is_whole_and_says_so(read):
    capture = read(pcap(TALK, 101)[:-1])
    assert len(_the_talk(capture).packets) == 2
    assert capture.notes == ["The file ends in the middle of a record."]


@pytest.mark.parametrize("raw, reason", [
    (b"", "neither a pcap nor a pcapng"),
    (b"hello, world", "neither a pcap nor a pcapng"),
    (pcap([])[:20], "ends within its header"),
    (pcap([b"x"], 127), "link type 127"),
    (pcap([])[:24] + b"\0" * 8 + b"\xff" * 8, "record 1 would be 4294967295 bytes"),
    (section()[:6], "ends within its header"),
    (section()[:8] + b"????" + section()[12:], "byte order"),
    (section() + b"\1\0\0\0\3\0\0\0", "block of 3 bytes"),
    (gzip.compress(pcap(TALK, 101))[:-20], "not a whole gzip"),
    (b"\x1f\x8b but no gzip at all", "not a whole gzip"),
])  # fmt: skip
def test_file_that_is_none_is_one_sentence(tmp_path, raw, reason):
    path = tmp_path / "x\x1b.pcap"
    path.write_bytes(raw)
    with pytest.raises(Refused, match=reason) as refused:
        packets.read(path)
    assert refused.value.exit_code == 2
    assert refused.value.message.isprintable()


def test_missing_file_and_folder_are_one_sentence(tmp_path):
    for path in (tmp_path / "none", tmp_path):
        with pytest.raises(Refused, match="Cannot read"):
            packets.read(path)


# --- what is one conversation, one boot, one client ----------------------------------------------


def test_retries_from_new_ports_are_one_conversation_until_answered(read):
    steps = [out(rrq("f", ("tsize", "0")), 2070), out(rrq("f", ("tsize", "0")), 2071)]
    steps += [back(oack(("tsize", "9")), 2071), out(error(0), 2071, 4000)]
    steps += [out(rrq("f", ("blksize", "1456")), 2072)]
    first, second = read(pcap(steps, 101)).client().conversations
    assert first.source_ports == [2070, 2071]
    assert first.outcome == "aborted"
    assert first.sent_error.code == 0
    assert second.source_ports == [2072]
    assert second.outcome == "unanswered"


def test_late_packets_of_an_old_tid_stay_with_their_conversation_on_a_reused_port(read):
    steps = [out(rrq("a"), 2001), back(data(1, 3), 2001, 4000), out(ack(1), 2001, 4000)]
    steps += [out(rrq("b"), 2001), back(data(1, 3), 2001, 4000), back(data(1, 2), 2001, 4001)]
    first, second = read(pcap(steps, 101)).client().conversations
    assert len(first.packets) == 4
    assert second.tids == [4001]


def test_request_to_the_tid_is_a_repetition(read):
    steps = [out(rrq()), back(data(1, 3)), out(ack(1), to=4000), out(rrq(), to=4000)]
    assert len(_the_talk(read(pcap(steps, 101))).requests) == 2


def test_icmp_belongs_to_the_packet_that_it_quotes(read):
    answer = back(data(1, 3))
    steps = [out(rrq()), unreachable(out(rrq())), answer, unreachable(answer, "10.0.0.2", SERVER)]
    talk = _the_talk(read(pcap(steps, 101)))
    assert [(packet.icmp[:2], packet.out) for packet in talk.icmp] == [
        ((3, 3), False), ((3, 3), True)
    ]  # fmt: skip


def test_boots_of_one_mac_are_told_apart_by_dhcp(read):
    boot = [dhcp(1), dhcp(1), dhcp(2, reply=True, yiaddr="10.0.0.2"), dhcp(3)]
    boot += [dhcp(5, reply=True, yiaddr="10.0.0.2"), *TALK]
    capture = read(pcap([ethernet(x, src=MAC_S) for x in boot * 2]))
    client = capture.client()
    assert client.macs == ["02:00:00:00:00:02"]  # from DHCP, not the router's of the frame
    assert [len(boot.dhcp) for boot in client.boots] == [5, 5]
    assert [len(boot.conversations) for boot in client.boots] == [1, 1]


def test_boots_without_dhcp_begin_where_the_first_file_is_asked_again(read):
    client = read(pcap(TALK + [out(rrq("g"), 2071)] + TALK, 101)).client()
    assert [len(boot.conversations) for boot in client.boots] == [2, 1]


def test_loaded_program_that_asks_dhcp_itself_belongs_to_the_power_on_before_it(read):
    ack = dhcp(5, reply=True, yiaddr="10.0.0.2")
    rom = [dhcp(1, options=[(60, b"PXEClient")]), ack, *TALK]
    loaded = [dhcp(1, options=[(60, b"PXEClient"), (77, b"iPXE")]), ack, *TALK]
    client = read(pcap([ethernet(step) for step in (rom + loaded) * 2])).client()
    assert len(client.boots) == 4
    assert [[len(talks) for _, talks in run] for run in client.power_ons()] == [[1, 1], [1, 1]]


def test_several_clients_must_be_chosen_among(read):
    other = udp(rrq(), 2070, 69, "10.0.0.3")
    capture = read(pcap([*TALK, other], 101))
    with pytest.raises(Refused, match="several clients.*10.0.0.2, 10.0.0.3"):
        capture.client()
    assert capture.client("10.0.0.3").ips == ["10.0.0.3"]
    with pytest.raises(Refused, match="no client 10.9.9.9; there are"):
        capture.client("10.9.9.9")
    with pytest.raises(Refused, match="no TFTP request"):
        read(pcap([], 101)).client()


def test_request_on_another_port_than_69_is_known_by_its_look(read):
    capture = read(pcap([out(rrq(), to=6969), udp(b"\0\1noise", 1, 2)], 101))
    assert [talk.server_port for talk in capture.client().conversations] == [6969]


def test_transfer_without_its_request_is_noted(read):
    capture = read(pcap([back(data(7)), out(ack(7), to=4000)], 101))
    assert "2 packets belong to a transfer whose request is not in the file." in capture.notes


def test_options_padding_and_garbage_of_a_request():
    def parse(payload):
        return messages.Tftp(payload, len(payload))

    message = parse(rrq("f", ("tsize", "0"), tail=b"\0" * 9))
    assert (message.options, message.tail, message.padded) == ([["tsize", "0"]], b"\0" * 9, True)
    message = parse(rrq("f\xff", tail=b"garbage"))
    assert (message.mode, message.tail, message.padded) == ("octet", b"garbage", False)
    message = parse(rrq("f", ("blksize", "")))
    assert message.options == [["blksize", ""]]
    message = parse(b"\0\5\0\4")  # curl's
    assert (message.code, message.text, message.text_ends) == (4, None, False)


@pytest.mark.parametrize("name, boots, stages, outcomes", [
    ("ipxe-boot1", 1, [1], ["done"]),
    ("ovmf-boot1", 1, [2], ["aborted", "done"]),
    ("ovmf-noopt", 1, [1], ["aborted"]),
    ("pxelinux-dropall", 1, [1, 1], ["done", "broken"]),
    ("grubpc-blackhole", 1, [1, 1], ["done", "unanswered"]),
    ("tftphpa-normal", 3, [1], ["done"]),
    ("busybox-nofile", 1, [1], ["refused"]),
])  # fmt: skip
def test_real_captures_fall_into_boots_and_programs(name, boots, stages, outcomes):
    client = conversations.read(CAPTURES / f"{name}.pcap.gz").client()
    assert len(client.boots) == boots
    assert [len(stage) for stage in client.boots[0].stages()] == stages
    assert [talk.outcome for talk in client.boots[0].conversations] == outcomes


# --- no file gives a traceback -------------------------------------------------------------------


def _use(path):
    # Everything that a command asks of a capture.
    try:
        capture = conversations.read(path)
    except Refused as refused:
        assert refused.exit_code == 2
        return
    for client in capture.clients:
        for boot in client.boots:
            boot.stages()
            boot.packets()
            for talk in boot.conversations:
                repr(talk)
                assert talk.outcome
                talk.sent_error, talk.error, talk.blksize, talk.windowsize, talk.oack  # noqa: B018
    assert all(isinstance(note, str) for note in capture.notes)


_WHOLE = [
    pcap([ethernet(x, (0x8100, 5)) for x in [dhcp(1), dhcp(5, reply=True), *TALK]]),
    pcap([sll(x) for x in [*TALK, unreachable(TALK[0])]], 113, order=">"),
    section() + interface(1, resolution=9) + interface(276)
    + enhanced(ethernet(TALK[0]), 1) + enhanced(sll2(TALK[1]), 2, number=1)
    + enhanced(ethernet(back(error(1))), 3),
]  # fmt: skip


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    seed=st.integers(0, 1 << 30), which=st.integers(0, len(_WHOLE) - 1), hits=st.integers(1, 12)
)
def test_damaged_capture_gives_no_traceback(tmp_path_factory, seed, which, hits):
    chance = random.Random(seed)
    raw = bytearray(_WHOLE[which])
    for _ in range(hits):
        raw[chance.randrange(len(raw))] = chance.choice((0, 1, 0x7F, 0xFF, chance.randrange(256)))
    if chance.random() < 0.3:
        del raw[chance.randrange(len(raw)) :]
    path = tmp_path_factory.getbasetemp() / "damaged.pcap"
    path.write_bytes(raw)
    _use(path)


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    bodies=st.lists(st.binary(max_size=400), max_size=8), linktype=st.sampled_from((1, 101, 113))
)
def test_frames_of_noise_give_no_traceback(tmp_path_factory, bodies, linktype):
    path = tmp_path_factory.getbasetemp() / "noise.pcap"
    path.write_bytes(pcap([*bodies, *map(ethernet, bodies), *map(out, bodies)], linktype))
    _use(path)


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(raw=st.binary(max_size=300))
def test_payloads_of_noise_give_no_traceback(tmp_path_factory, raw):
    path = tmp_path_factory.getbasetemp() / "payload.pcap"
    steps = [out(b"\0\1" + raw), back(raw), out(raw, to=4000), back(b"\0\6" + raw)]
    steps += [
        udp(b"\1" + raw, 68, 67),
        udp(b"\1" + bytes(235) + b"\x63\x82\x53\x63" + raw, 68, 67),
    ]
    path.write_bytes(pcap(steps, 101))
    _use(path)
