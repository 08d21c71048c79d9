"""`pxebench compare`: every difference that a server could see is found, and no other."""

import json
import pathlib
import random
import subprocess
import sys

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pxebench.captures import conversations, packets
from pxebench.compare.differences import Tolerance, compare
from pxebench.job import Refused, flat, load_rom

from host_tests.captures_cli.frames import (
    back,
    data,
    dhcp,
    error,
    ethernet,
    out,
    pcap,
    unreachable,
)
from host_tests.core.packets import ack, oack, rrq
from host_tests.lab import terminal

CAPTURES = pathlib.Path(__file__).parents[1] / "captures"
INPUTS = pathlib.Path(__file__).parent / "inputs"
BLK = ("blksize", "1456")
# (time, datagram): a probe, its ERROR, a transfer of two blocks.
HEALTHY = [
    (0.000, out(rrq("f", ("tsize", "0")))),
    (0.001, back(oack(("tsize", "1457")))),
    (0.002, out(error(0, "TFTP Aborted"), to=4000)),
    (0.003, out(rrq("f", BLK), 2071)),
    (0.004, back(oack(BLK), 2071, 4001)),
    (0.005, out(ack(0), 2071, 4001)),
    (0.006, back(data(1, 1456), 2071, 4001)),
    (0.007, out(ack(1), 2071, 4001)),
    (0.008, back(data(2, 1), 2071, 4001)),
    (0.009, out(ack(2), 2071, 4001)),
]


@pytest.fixture
def boot(tmp_path):
    def make(steps):
        path = tmp_path / "x.pcap"
        path.write_bytes(pcap(steps, 101))
        return conversations.read(path).client().boots[0]

    return make


def _changed(index, *instead):
    return HEALTHY[:index] + list(instead) + HEALTHY[index + 1 :]


def test_a_capture_is_equal_to_itself_and_to_one_with_other_tids_and_server_times(boot):
    other = [(at * 30, step) for at, step in HEALTHY[:4]]  # a slow server, within 60 ms
    other += [(at + 0.1, step.replace(b"\x0f\xa1", b"\x0f\xb1")) for at, step in HEALTHY[4:]]
    assert other[4][1] != HEALTHY[4][1]
    found = compare(boot(HEALTHY), boot(other))
    assert found.equal, found.differences
    assert len(found) == 0


@pytest.mark.parametrize("steps, kinds", [
    (_changed(3, (0.003, out(rrq("f", ("blksize", "1024")), 2071))), {"request"}),
    (_changed(3, (0.003, out(rrq("f", BLK, mode="OCTET"), 2071))), {"request"}),
    (_changed(3, (0.003, out(rrq("f", BLK, tail=b"\0" * 4), 2071))), {"request"}),
    (_changed(0, (0.0, out(rrq("g", ("tsize", "0"))))), {"request"}),
    (_changed(2, (0.002, out(error(8, "TFTP Aborted"), to=4000))), {"error"}),
    (_changed(2, (0.002, out(error(0, "Aborted"), to=4000))), {"error"}),
    (_changed(2), {"missing", "state"}),
    (_changed(9), {"missing", "state"}),
    (_changed(7, (0.007, out(ack(0), 2071, 4001))), {"packet"}),
    (_changed(7, HEALTHY[7], (0.0075, out(ack(1), 2071, 4001))), {"extra"}),
    (HEALTHY[:5] + [(at + 0.1, step) for at, step in HEALTHY[5:]], {"time"}),
    (HEALTHY[:3], {"missing"}),
    (HEALTHY[:3] + [(at + 0.5, step) for at, step in HEALTHY[3:]], {"time"}),
    ([(at, step.replace(b"\x08\x17", b"\x08\x20")) for at, step in HEALTHY], {"port"}),
])  # fmt: skip
def test_each_difference_of_the_client_is_found(boot, steps, kinds):
    found = compare(boot(HEALTHY), boot(steps))
    assert {difference.kind for difference in found} == kinds
    assert all(difference.text for difference in found)


def test_what_only_the_server_did_is_a_note(boot):
    twice = [*HEALTHY[:8], (0.0072, HEALTHY[6][1]), (0.0074, HEALTHY[7][1]), *HEALTHY[8:]]
    found = compare(boot(HEALTHY), boot(twice))
    assert found.equal, found.differences
    assert "only in ours did the server send DATA 1" in found.notes[0]


def test_silence_on_a_duplicate_is_not_excused_by_the_server(boot):
    doubled = [*HEALTHY[:8], (0.0072, HEALTHY[6][1]), (0.0074, HEALTHY[7][1]), *HEALTHY[8:]]
    silent = [*HEALTHY[:8], (0.0072, HEALTHY[6][1]), *HEALTHY[8:]]
    (difference,) = compare(boot(doubled), boot(silent))
    assert (difference.kind, difference.reference, difference.ours) == ("missing", "ACK 1", None)


def test_packets_that_cross_are_no_difference(boot):
    doubled = [*HEALTHY[:7], (0.0065, HEALTHY[6][1]), HEALTHY[7], (0.0075, HEALTHY[7][1])]
    orderly = [*HEALTHY[:7], HEALTHY[7], (0.0072, HEALTHY[6][1]), (0.0075, HEALTHY[7][1])]
    assert compare(boot(doubled + HEALTHY[8:]), boot(orderly + HEALTHY[8:])).equal


@pytest.mark.parametrize("first, second, alike", [
    (1.0, 1.059, True), (1.0, 1.062, False), (4.0, 4.19, True), (4.0, 4.21, False),
])  # fmt: skip
def test_retry_times_within_five_percent_or_sixty_ms(boot, first, second, alike):
    sides = [boot([(0, out(rrq())), (wait, out(rrq()))]) for wait in (first, second)]
    assert compare(*sides).equal == alike
    assert compare(*sides, Tolerance(0, 300)).equal


def test_time_since_the_servers_packet_counts_as_well(boot):
    # The client's timer starts again at each DATA, wanted or not; the servers' times differ.
    def talk(server_s):
        begin = [(0, out(rrq())), (0.001, back(data(1))), (0.002, out(ack(1), to=4000))]
        noise = (server_s, back(data(1), tid=4009))
        return boot([*begin, noise, (server_s + 2, out(ack(1), to=4000))])

    assert compare(talk(0.3), talk(0.9)).equal


def test_ports_called_random_are_compared_by_their_rule(boot):
    def talk(*ports):
        steps = [(n, out(rrq("a" if n < 2 else "b"), port)) for n, port in enumerate(ports)]
        return boot(steps)

    rom = flat(load_rom("ipxe"))
    assert not compare(talk(5000, 5000, 6000), talk(7000, 7000, 2000)).equal
    assert compare(talk(5000, 5000, 6000), talk(7000, 7000, 2000), rom=rom).equal
    assert not compare(talk(5000, 5000, 6000), talk(7000, 7001, 2000), rom=rom).equal
    assert not compare(talk(5000, 5000, 6000), talk(700, 700, 2000), rom=rom).equal


def test_icmp_of_the_system_is_a_note(boot):
    late = (0.5, HEALTHY[8][1])
    icmp = (0.51, unreachable(HEALTHY[8][1], "10.0.0.2", "10.0.0.1"))
    found = compare(boot([*HEALTHY, late, icmp]), boot([*HEALTHY, late]))
    assert found.equal
    assert "client's system" in found.notes[0]


@pytest.mark.parametrize("repeated", ["reference", "ours"])
def test_rrq_that_only_one_side_repeats_is_a_difference(boot, repeated):
    """The repetition is the second one: the first has no packet before it to be timed by."""
    ends = [(1.001, back(data(1, 3))), (1.002, out(ack(1), to=4000))]
    once = boot([(1.0, out(rrq("f"))), *ends])
    twice = boot([(0.0, out(rrq("f"))), (1.0, out(rrq("f"))), *ends])
    found = compare(twice, once) if repeated == "reference" else compare(once, twice)
    kinds = [(one.kind, one.where) for one in found]
    assert kinds == [
        ("missing", "transfer 1, packet 2")
        if repeated == "reference"
        else ("extra", "transfer 1, packet 2 of ours")
    ]


def test_pause_between_dhcp_and_the_first_request_is_compared(tmp_path):
    """EDK2 waits a second after the reply from port 4011; who waits for a person is no ROM."""

    def boot(name, pause_s):
        steps = [(0.0, dhcp(1)), (0.1, dhcp(5, reply=True, yiaddr="10.0.0.2"))]
        steps += [(0.1 + pause_s + at, packet) for at, packet in HEALTHY]
        path = tmp_path / name
        path.write_bytes(pcap(steps, 101))
        return conversations.read(path).client().boots[0]

    (found,) = compare(boot("a", 1.0), boot("b", 0.01))
    assert found.kind == "time"
    assert found.text == "transfer 1, pause between DHCP and its request: 1.000 s, ours 0.010 s"
    assert compare(boot("a", 1.0), boot("b", 1.04)).equal
    assert compare(boot("a", 9.0), boot("b", 14.0)).equal


def test_upload_is_complete_and_no_read_request_is_like_it():
    """`wrq-only.pcap`: two blocks go up; the client's DATA is what ends it."""
    paths = [INPUTS / f"{name}.pcap" for name in ("wrq-only", "rrq-then-wrq")]
    upload, both = [conversations.read(path).client().boots[0] for path in paths]
    (talk,) = upload.conversations
    assert (talk.writes, talk.outcome, talk.blocks) == (True, "done", 2)
    assert [one.writes for one in both.conversations] == [False, True]
    done = _run(INPUTS / "wrq-only.pcap", INPUTS / "one-rrq.pcap")
    assert "a complete upload, 2 blocks acknowledged, ours complete" in done.stdout
    assert "broken off" not in done.stdout


def test_dhcp_is_compared_but_for_what_is_the_machines_own(tmp_path):
    def side(*messages):
        path = tmp_path / "x.pcap"
        path.write_bytes(pcap([(at, ethernet(step)) for at, step in messages]))
        return conversations.read(path).client().boots[0]

    uuid, vendor = (97, b"\0" + b"1" * 16), (60, b"PXEClient")
    base = side((0, dhcp(1, xid=1, options=[uuid, vendor])), (4, dhcp(1, xid=1, secs=4)))
    mac, own = b"\x02\0\0\0\0\x07", (97, b"\0" + b"2" * 16)
    other = [(0, dhcp(1, xid=9, mac=mac, options=[own, vendor]))]
    other.append((4, dhcp(1, xid=9, secs=4, mac=mac)))
    assert compare(base, side(*other)).equal
    for messages, words in (
        ([(0, dhcp(1, xid=1, options=[vendor, uuid])), (4, dhcp(1, xid=1, secs=4))], "options"),
        ([(0, dhcp(1, xid=1, options=[uuid, (60, b"PXEclient")])), (4, dhcp(1, xid=1, secs=4))],
         "option 60"),
        ([(0, dhcp(1, xid=1, options=[uuid, vendor])), (5, dhcp(1, xid=1, secs=4))], "time"),
        ([(0, dhcp(1, xid=1, options=[uuid, vendor])), (4, dhcp(1, xid=2, secs=4))], "xid"),
        ([(0, dhcp(1, xid=1, options=[uuid, vendor])), (4, dhcp(1, xid=1, secs=9))], "secs"),
        ([(0, dhcp(1, xid=1, flags=0x8000, options=[uuid, vendor])), (4, dhcp(1, xid=1, secs=4))],
         "flags"),
        ([(0, dhcp(1, xid=1, options=[uuid, vendor]))], "packet 2"),
    ):  # fmt: skip
        found = compare(base, side(*messages))
        assert [difference.kind for difference in found] == ["dhcp"], words
        assert words in found[0].text


@pytest.mark.parametrize("one, other, rom", [
    ("ipxe-boot1", "ipxe-boot2", "ipxe"), ("ovmf-boot1", "ovmf-boot2", "edk2"),
    ("ubootarm64-boot1", "ubootarm64-boot2", "u-boot"), ("pxelinux-boot1", "pxelinux-boot2", None),
    ("grubpc-boot1", "grubpc-boot2", None), ("tftphpa-drop1", "tftphpa-normal", "os-client"),
])  # fmt: skip
def test_two_boots_of_one_real_client_are_equal(one, other, rom):
    # The guests' clocks run unevenly under emulation: DHCP waits are left out here.
    stages = [conversations.read(CAPTURES / f"{name}.pcap.gz").client().boots[0].stages()[-1]
              for name in (one, other)]  # fmt: skip
    found = compare(*stages, Tolerance(5, 150), flat(load_rom(rom)) if rom else None)
    assert found.equal, found.differences


def test_different_real_clients_are_told_apart():
    boots = {name: conversations.read(CAPTURES / f"{name}-py-dup.pcap.gz").client().boots[0]
             for name in ("tftphpa", "busybox", "curl")}  # fmt: skip
    assert {d.kind for d in compare(boots["curl"], boots["busybox"])} >= {
        "port",
        "request",
        "missing",
    }
    assert {d.kind for d in compare(boots["tftphpa"], boots["curl"])} >= {"port", "request"}


# --- the command ---------------------------------------------------------------------------------


def _run(*words, cwd=CAPTURES):
    done = subprocess.run(
        [sys.executable, "-m", "pxebench", "compare", *map(str, words)],
        capture_output=True, text=True, cwd=cwd, timeout=60,
    )  # fmt: skip
    assert "Traceback" not in done.stderr, done.stderr
    return done


def test_command_says_equal_with_exit_code_0():
    done = _run("curl-drop1.pcap.gz", "curl-normal.pcap.gz", "--rom", "os-client")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith("Equal: 1 transfer with 293 packets.\n")
    assert "has 3 boots; the first is compared" in done.stdout


def test_command_lists_differences_with_exit_code_1_and_as_json():
    words = ("ipxe-boot1.pcap.gz", "ipxe-drop1.pcap.gz", "--rom", "ipxe", "--ms", "200")
    done = _run(*words)
    assert done.returncode == 1
    assert done.stdout.count("extra    transfer 1, packet") == 2
    assert done.stdout.endswith("Different: 2 differences.\n")
    assert "cut short" not in done.stdout  # of DATA the header is enough
    result = json.loads(_run(*words, "--json", "-").stdout)
    assert (result["equal"], len(result["differences"])) == (False, 2)
    assert result["differences"][0]["ours"] == "ACK 19"
    assert result["reference"]["client"]["macs"] == ["52:54:00:12:34:56"]


@pytest.mark.parametrize("words, reason", [
    (("none.pcap", "ipxe-boot1.pcap.gz"), "Cannot read none.pcap: No such file"),
    (("README.md", "ipxe-boot1.pcap.gz"), "neither a pcap nor a pcapng"),
    (("grubpc-boot1.pcap.gz", "grubpc-boot2.pcap.gz", "--stage", "3"), "2 programs"),
    (("ipxe-boot1.pcap.gz", "ipxe-boot2.pcap.gz", "--stage", "2"), "Neither capture"),
    (("ipxe-boot1.pcap.gz", "ipxe-boot2.pcap.gz", "--boot", "2"), "has 1 boot, no boot 2"),
    (("ipxe-boot1.pcap.gz", "ipxe-boot1.pcap.gz", "--file", "x"), "no request for x"),
    (("ipxe-boot1.pcap.gz", "ipxe-boot1.pcap.gz", "--rom", "none"), "no ROM called none"),
    (("ipxe-boot1.pcap.gz", "ipxe-boot1.pcap.gz", "--ms", "-1"), "0<=x<=3600000"),
])  # fmt: skip
def test_command_refuses_in_one_sentence_with_exit_code_2(words, reason):
    done = _run(*words)
    assert done.returncode == 2
    assert reason in done.stderr
    assert done.stderr.count("\n") == 1


def test_packets_stand_side_by_side_on_a_terminal():
    words = ["compare", "ipxe-boot1.pcap.gz", "ipxe-drop1.pcap.gz", "--rom", "ipxe"]
    argv = [sys.executable, "-m", "pxebench", *words]
    code, shown, _ = terminal.run(argv, columns=120, cwd=CAPTURES)
    assert code == 1
    text = shown.decode()
    assert "\x1b[1;31m-> ACK 19" in text  # red, on our side
    assert "... 37 alike" in text
    both = [line for line in text.splitlines() if line.count("RRQ undionly.kpxe octet") == 2]
    assert len(both) == 1


def test_request_that_one_file_cut_short_is_compared_as_far_as_it_goes(tmp_path):
    request = rrq("f", ("blksize", "1456"), ("tsize", "0"))
    other = rrq("f", ("blksize", "1456"), ("tsize", "1"))
    shorter = rrq("f", ("blksize", "1456"))
    for name, packet, snaplen in (
        *(("whole", request, None), ("cut", request, 60), ("alike", other, 60)),
        *(("unlike", rrq("g", ("blksize", "1456"), ("tsize", "0")), 60), ("less", shorter, 60)),
    ):
        (tmp_path / name).write_bytes(pcap([ethernet(out(packet))], snaplen=snaplen))
    for name, code in (("cut", 0), ("alike", 0), ("unlike", 1), ("less", 1)):
        done = _run(str(tmp_path / "whole"), str(tmp_path / name))
        assert done.returncode == code, done.stdout
        assert f"{name}: 1 frame is cut short in the file." in done.stdout
        assert ("kept only 18 bytes of the request" in done.stdout) == (code == 0)
        assert ("ours RRQ" in done.stdout and "cut short in the file" in done.stdout) == bool(code)


def test_stage_and_file_choose_what_is_compared():
    words = ("pxelinux-boot1.pcap.gz", "pxelinux-uuid.pcap.gz")
    assert _run(*words, "--stage", "1", "--rom", "ipxe", "--ms", "500").returncode == 0
    assert _run(*words, "--file", "ldlinux.c32").returncode == 0
    assert _run(*words, "--stage", "2").returncode == 1


def test_file_names_from_the_wire_are_harmless_on_a_terminal(tmp_path):
    (tmp_path / "a.pcap").write_bytes(pcap([out(rrq("\x1b[2Jx"))], 101))
    (tmp_path / "b.pcap").write_bytes(pcap([out(rrq("y"))], 101))
    done = _run("a.pcap", "b.pcap", cwd=tmp_path)
    assert "\x1b" not in done.stdout
    assert "\\x1b[2Jx" in done.stdout


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 1 << 30), hits=st.integers(0, 30))
def test_no_damaged_capture_makes_compare_fail(tmp_path_factory, seed, hits):
    chance = random.Random(seed)
    sides = []
    for name in ("a", "b"):
        steps = [(at, bytearray(step)) for at, step in HEALTHY]
        chance.shuffle(steps)
        for _ in range(hits):
            step = chance.choice(steps)[1]
            step[chance.randrange(20, len(step))] = chance.randrange(256)
        path = tmp_path_factory.getbasetemp() / f"compare-{name}.pcap"
        path.write_bytes(pcap([(at, bytes(step)) for at, step in steps], 101))
        file = packets.read(path)
        try:
            sides.append(conversations.group(file).client().boots[0])
        except (Refused, IndexError):
            return
    found = compare(*sides)
    assert compare(sides[0], sides[0]).equal
    assert found.equal or all(difference.text for difference in found)
