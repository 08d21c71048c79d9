"""DHCP learned from captures: the rule is found, and the ROM then sends what the client sent."""

import json
import pathlib
import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pxebench.captures import conversations, packets
from pxebench.compare.dhcp import compare_dhcp
from pxebench.compare.differences import Comparison, Tolerance
from pxebench.job import Refused, bare, flat
from pxebench.learn import learner
from pxerom import rom_check_dhcp

from host_tests.captures_cli.frames import back, data, dhcp, ethernet, out, pcap
from host_tests.core.fakelan import FakeLan, Run
from host_tests.core.packets import ack, rrq

CAPTURES = pathlib.Path(__file__).parents[1] / "captures"
# The guests ran on emulation, and were late: OVMF by more than a second.
_LATE = Tolerance(10, 250)


def _learn(*names):
    return learner.learn([learner.sample(CAPTURES / f"{n}.pcap.gz") for n in names], "mine")


def _replayed(boot, spec, **job):
    # The boot once more, by a ROM with `spec`, the captured server answering as it did.
    mac = boot.dhcp[0][1].mac
    asked = [(p, m) for p, m in boot.dhcp if not m.reply]
    replies = {index: [] for index in range(len(asked))}
    for packet, message in boot.dhcp:
        if message.reply:
            before = [i for i, (p, _) in enumerate(asked) if p.time <= packet.time]
            replies[before[-1]].append((packet, packet.time - asked[before[-1]][0].time))
    sent_so_far = []

    def server(sent):
        sent_so_far.append(sent)
        for packet, delay_s in replies.get(len(sent_so_far) - 1, ()):
            payload = packet.payload[:4] + sent.data[4:8] + packet.payload[8:]
            yield max(1, round(delay_s * 1000)), packet.src, packet.sport, payload

    lan = FakeLan(server, mac)
    Run(spec, lan=lan, **job)
    made = []
    for number, sent in enumerate(lan.sent, 1):
        made.append(packets.Packet(
            number=number, time=sent.at_ms / 1000, epoch_ns=sent.at_ms * 10**6, src="0.0.0.0",
            dst=sent.host, sport=sent.source, dport=sent.port, payload=sent.data,
            size=len(sent.data), ttl=asked[0][0].ttl, vlans=[], out=True,
        ))  # fmt: skip
    file = packets.File("ours")
    file.packets = made
    file.epoch_ns = 0
    return conversations.group(file).clients[0].boots[0]


@pytest.mark.parametrize("names, boots", [
    (("ipxe-boot1", "ipxe-nodhcp"), ("ipxe-boot1", "ipxe-boot2", "ipxe-nodhcp", "ipxe-uuid")),
    (("ipxe-boot1",), ("ipxe-boot1",)),
    (("ovmf-blackhole", "ovmf-nodhcp"), ("ovmf-blackhole", "ovmf-nodhcp", "ovmf-boot2")),
    (("ubootarm64-boot1", "ubootarm64-nodhcp"),
     ("ubootarm64-boot1", "ubootarm64-boot2", "ubootarm64-nodhcp")),
])  # fmt: skip
def test_learned_rom_sends_the_dhcp_packets_of_the_capture(names, boots):
    spec = rom_check_dhcp.flatten(_learn(*names).rom)
    for name in boots:
        boot = conversations.read(CAPTURES / f"{name}.pcap.gz").client().boots[0]
        found = Comparison()
        ours = _replayed(boot, spec, server="10.77.0.1", file="x")
        compare_dhcp(boot.dhcp, ours.dhcp, _LATE, found)
        assert found.equal, (name, found.differences)


def test_learned_rom_asks_port_4011_as_the_capture_did():
    """EDK2: options in an order of their own, no 54, a new xid, secs 0, 256, 512, 768."""
    path = CAPTURES / "edk2-4011.pcap.gz"
    spec = rom_check_dhcp.flatten(learner.learn([learner.sample(path)], "mine").rom)
    boot = conversations.read(path).client().boots[0]
    ours = _replayed(boot, spec)
    asked = [(m.xid, m.secs) for p, m in ours.dhcp if p.dport == 4011]
    assert [secs for _, secs in asked] == [0, 256, 512, 768]
    assert len({xid for xid, _ in asked}) == 1
    found = Comparison()
    compare_dhcp(boot.dhcp, ours.dhcp, _LATE, found)
    assert found.equal, found.differences


def test_secs_of_ipxe_are_understood_once_there_is_a_boot_without_a_server():
    secs = bare(_learn("ipxe-boot1", "ipxe-nodhcp").rom["dhcp"]["secs"])
    assert secs == {
        "rule": "count", "first": 4, "step": 4, "offer": 2, "skip": 1, "request": "next"
    }  # fmt: skip


@pytest.mark.parametrize("names, expected", [
    (("ipxe-boot1",), {"gather": "complete", "arch": 0, "flags": 0, "xid": "random"}),
    (("ovmf-boot1",), {"gather": "window", "arch": 7, "flags": 32768, "xid": "random"}),
    (("ubootarm64-boot1",), {"gather": "first", "arch": 22, "flags": 0, "xid": "mac_ms"}),
])  # fmt: skip
def test_rules_of_real_clients(names, expected):
    spec = bare(_learn(*names).rom["dhcp"])
    found = {"gather": spec["discover"]["gather"], "arch": spec["arch"], "flags": spec["flags"],
             "xid": spec["xid"]["rule"]}  # fmt: skip
    assert found == expected


@pytest.fixture
def learn(tmp_path):
    def go(*boots):
        samples = []
        for number, steps in enumerate(boots):
            path = tmp_path / f"{number}.pcap"
            talk = [(60, out(rrq())), (60.01, back(data(1, 3))), (60.02, out(ack(1), to=4000))]
            path.write_bytes(pcap([(at, ethernet(step)) for at, step in [*steps, *talk]]))
            samples.append(learner.sample(path, "02:00:00:00:00:02"))
        return learner.learn(samples, "mine")

    return go


def test_what_no_rule_explains_is_told_and_the_rom_still_loads(learn):
    steps = [(n, dhcp(1, xid=n + 5, secs=secs)) for n, secs in enumerate((900, 7, 41))]
    learned = learn(steps)
    assert "secs of the DHCP packets follow no rule" in learned.beyond[0]
    rom_check_dhcp.flatten(learned.rom)


def test_options_that_are_the_machines_own_become_words(learn):
    options = [(97, b"\0" + b"u" * 16), (61, b"\1\2\0\0\0\0\2"), (93, b"\0\6"), (57, b"\5\xc0"),
               (60, b"PXEClient:Arch:00006:UNDI:002001"), (77, b"<x>"), (43, b"")]  # fmt: skip
    learned = learn([(0, dhcp(1, options=options))])
    spec = bare(learned.rom["dhcp"])
    assert spec["options"] == [
        [53, "<type>"], [97, "<uuid>"], [61, "<mac>"], [93, "<arch>"], [57, 1472],
        [60, "PXEClient:Arch:{arch}:UNDI:002001"], [77, [60, 120, 62]], [43, []],
    ]  # fmt: skip
    assert spec["arch"] == 6
    rom_check_dhcp.flatten(learned.rom)


def test_intels_xid_from_the_mac_is_recognized(learn):
    xids = [0x01000002 + (n << 24) for n in range(2)]
    learned = learn([(n * 4, dhcp(1, xid=xid, secs=4)) for n, xid in enumerate(xids)])
    assert bare(learned.rom["dhcp"]["xid"]) == {"rule": "mac"}


def test_capture_without_dhcp_makes_a_rom_without_it_and_says_so(tmp_path):
    learned = _learn("tftphpa-normal")
    assert "dhcp" not in learned.rom
    assert ("dhcp", "a whole boot, from the first DISCOVER on") in learned.assumed
    json.dumps(learned.rom)


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 1 << 30), hits=st.integers(0, 30))
def test_whatever_dhcp_a_capture_holds_the_learned_rom_loads(tmp_path_factory, seed, hits):
    chance = random.Random(seed)
    steps = []
    for _ in range(chance.randrange(1, 12)):
        code = chance.randrange(1, 255)
        options = [(93, b"\0\7"), (60, b"PXEClient"), (code, chance.randbytes(code % 40))]
        reply = chance.random() < 0.3
        kind = chance.choice((2, 5)) if reply else chance.choice((1, 1, 3))
        step = bytearray(ethernet(dhcp(
            kind, xid=chance.randrange(1 << 32), secs=chance.randrange(70), reply=reply,
            yiaddr="10.0.0.2" if reply else "0.0.0.0", options=options[: chance.randrange(4)],
        )))  # fmt: skip
        for _ in range(hits // 8):
            step[chance.randrange(42, len(step))] = chance.randrange(256)
        steps.append((chance.random() * 40, bytes(step)))
    steps += [(50, ethernet(out(rrq()))), (60, ethernet(out(rrq())))]
    path = tmp_path_factory.getbasetemp() / "learn-dhcp.pcap"
    path.write_bytes(pcap(sorted(steps)))
    try:
        learned = learner.learn([learner.sample(path, "10.0.0.2")], "mine")
    except Refused:
        return
    flat(learned.rom)
    if "dhcp" in learned.rom:
        rom_check_dhcp.flatten(learned.rom)
