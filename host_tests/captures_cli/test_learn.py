"""`pxebench learn`: what captures show becomes a ROM, and that ROM is the same client again."""

import contextlib
import json
import os
import pathlib
import random
import subprocess
import sys
import tempfile
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pxebench.job import Refused, bare, flat
from pxebench.learn import learner

from host_tests.captures_cli.frames import back, data, error, ethernet, out, pcap, udp
from host_tests.core import packets
from host_tests.core.packets import ack, oack, rrq
from host_tests.lab import programs, scripted
from host_tests.lab.scripted import NORMAL

CAPTURES = pathlib.Path(__file__).parents[1] / "captures"
INPUTS = pathlib.Path(__file__).parent / "inputs"
# ROMs have fixed source ports: an address of its own keeps a test run out of another's way.
ADDRESS = f"127.{192 + os.getpid() % 60}.{os.getpid() // 60 % 250 + 1}.1"
CONTENT = bytes(range(256)) * 40


def _learn(*names, stage=1):
    samples = [learner.sample(CAPTURES / f"{name}.pcap.gz", None, stage) for name in names]
    return learner.learn(samples, "mine")


def _all(client, *without):
    names = [path.name.removesuffix(".pcap.gz") for path in CAPTURES.glob(f"{client}-*.gz")]
    return sorted(name for name in names if name.partition("-")[2] not in ("nodhcp", *without))


def _ports(rom):
    return bare(rom["udp"]["source_port"])


# --- what real captures show ---------------------------------------------------------------------


@pytest.mark.parametrize("client, stage, port, requests", [
    ("ipxe", 1, {"policy": "random", "first": 1024, "last": 65535, "per": "transfer"},
     [[["blksize", "1432"], ["tsize", "0"]]]),
    ("ovmf", 1,
     {"policy": "counter", "first": 1024, "first_max": 2047, "step": 1, "per": "transfer"},
     [[["tsize", "0"], ["blksize", "1468"], ["windowsize", "4"]],
      [["blksize", "1468"], ["windowsize", "4"]]]),
    ("ubootarm64", 1,
     {"policy": "clock", "first": 1024, "last": 4095, "step": 1, "per": "transfer"},
     [[["timeout", "5"], ["blksize", "1468"]]]),
    ("pxelinux", 2, {"policy": "counter", "first": 49152, "step": 1, "per": "transfer"},
     [[["tsize", "0"], ["blksize", "1408"]]]),
    ("grubpc", 2, {"policy": "counter", "first": 25300, "step": 1, "per": "transfer"},
     [[["blksize", "1024"], ["tsize", "0"]]]),
    ("curl", 1, {"policy": "random", "first": 32768, "last": 60999, "per": "transfer"},
     [[["tsize", "0"], ["blksize", "512"], ["timeout", "6"]]]),
    ("tftphpa", 1, {"policy": "random", "first": 32768, "last": 60999, "per": "transfer"}, [[]]),
])  # fmt: skip
def test_ports_and_requests_of_real_clients(client, stage, port, requests):
    learned = _learn(*_all(client, "win4", "win4drop1"), stage=stage)
    assert _ports(learned.rom) == port
    assert [bare(each["options"]) for each in learned.rom["tftp"]["requests"]] == requests
    assert learned.contradictions == []


@pytest.mark.parametrize("client, stage, expected", [
    ("ipxe", 1, {"duplicate_data": "ack", "unknown_tid": "ignore", "no_oack": "accept"}),
    ("ovmf", 1, {"duplicate_data": "ack", "window_gap": "ack", "unknown_tid": "ignore"}),
    ("ubootarm64", 1, {"window_gap": "ack_once", "no_oack": "accept", "error": "fail"}),
    ("pxelinux", 2, {"unknown_tid": "accept", "duplicate_data": "ack"}),
    ("grubpc", 2, {"give_up": {"error": 0, "message": "closed"}, "no_oack": "swallow"}),
    ("tftphpa", 1, {"unknown_tid": "follow", "error_reply": "ack_due", "duplicate_data": "ack"}),
    ("busybox", 1, {"duplicate_data": "ignore", "unknown_tid": "ignore"}),
    ("curl", 1, {"unknown_tid": "accept", "error": "fail"}),
])  # fmt: skip
def test_reactions_of_real_clients(client, stage, expected):
    on = _learn(*_all(client, "win4"), stage=stage).rom["tftp"]["on"]
    assert {name: on[name]["value"] for name in expected} == expected
    assert {on[name]["evidence"] for name in expected} == {"observed"}


def test_probe_of_edk2_and_how_it_ends():
    probe, load = _learn("ovmf-boot1", "ovmf-noopt", "ovmf-nofile").rom["tftp"]["requests"]
    assert (probe["purpose"], load["purpose"]) == ("size", "data")
    assert bare(probe["finish"]) == {"error": 8, "message": "User aborted the transfer"}
    assert bare(probe["on"]) == {
        "no_oack": {"error": 4, "message": "User aborted download"}, "error": "fail"
    }  # fmt: skip


@pytest.mark.parametrize("client, phase, sends, first_ms", [
    ("ipxe", "open", 6, 250), ("ipxe", "read", 6, 244), ("pxelinux", "open", 31, 103),
    ("grubpc", "open", 40, 417), ("tftphpa", "open", 5, 5000), ("busybox", "read", 12, 100),
    ("ubootarm64", "open", 11, 5018), ("curl", "read", 6, 73324),
])  # fmt: skip
def test_retry_tables_of_real_clients(client, phase, sends, first_ms):
    learned = _learn(*_all(client, "win4"), stage=2 if client in ("pxelinux", "grubpc") else 1)
    waits = bare(learned.rom["tftp"]["retry"][phase]["waits_ms"])
    assert len(waits) == sends
    assert abs(waits[0] - first_ms) <= 15


def test_what_is_not_captured_is_assumed_and_listed_with_what_would_show_it():
    learned = _learn("ipxe-boot1")
    assumed = dict(learned.assumed)
    assert assumed["tftp.on.duplicate_data"] == "a server that sends a DATA twice"
    assert "port 69 filtered" in assumed["tftp.retry.open.waits_ms"]
    assert "second boot" in assumed["udp.source_port.policy"]
    on = learned.rom["tftp"]["on"]
    assert on["duplicate_data"]["evidence"] == "assumed"
    more = dict(_learn("ipxe-boot1", "ipxe-py-dup", "ipxe-boot2").assumed)
    assert set(assumed) - set(more) == {"tftp.on.duplicate_data", "udp.source_port.policy"}


# --- what captures made for it show --------------------------------------------------------------


@pytest.fixture
def learn(tmp_path):
    def go(*captures, **more):
        samples = []
        for number, steps in enumerate(captures):
            path = tmp_path / f"{number}.pcap"
            path.write_bytes(pcap(steps, 101))
            samples.append(learner.sample(path, **more))
        return learner.learn(samples, "mine")

    return go


def _asks(*ports, gap=10.0, files="f" * 99):
    return [(n * gap, out(rrq(files[n]), port)) for n, port in enumerate(ports)]


def _gets(*ports):
    steps = []
    for n, port in enumerate(ports):
        steps += [(n, out(rrq(f"f{n}"), port)), (n + 0.01, back(data(1, 3), port)),
                  (n + 0.02, out(ack(1), port, 4000))]  # fmt: skip
    return steps


@pytest.mark.parametrize("captures, expected", [
    ([_asks(2070, 2071, 2072)],
     {"policy": "counter", "first": 2070, "step": 1, "per": "request"}),
    ([_asks(2001, 2001, 2001), _gets(2001, 2001)],
     {"policy": "fixed", "first": 2001, "per": "transfer"}),
    ([_gets(5000, 5002, 5004)], {"policy": "counter", "first": 5000, "step": 2}),
    ([_gets(65534, 65535, 2070, 2071)],
     {"policy": "counter", "first": 65534, "last": 65535, "wrap": 2070}),
    ([_gets(2010, 3010, 4011)], {"policy": "clock", "step": 1}),
    ([_gets(40000, 50000, 33333)], {"policy": "random", "first": 32768, "last": 60999}),
    ([_gets(40001), _gets(40002), _gets(40004)],
     {"policy": "counter", "first": 40001, "first_max": 40004}),
    ([_gets(40001, 40004, 40005)], {"policy": "counter", "first": 40001}),
    ([_gets(1100), _gets(1900), _gets(1300)], {"policy": "random", "first": 1024, "last": 2047}),
    ([_gets(2070), _gets(2070)], {"policy": "counter", "first": 2070}),
])  # fmt: skip
def test_port_policy(learn, captures, expected):
    port = _ports(learn(*captures).rom)
    assert {name: port[name] for name in expected} == expected


@pytest.mark.parametrize("captures", [
    [_gets(40001)], [_gets(40001), _gets(40002), _gets(40004)], [_gets(40001, 40004, 40005)],
])  # fmt: skip
def test_policy_that_the_captures_do_not_show_is_assumed(learn, captures):
    learned = learn(*captures)
    policy = learned.rom["udp"]["source_port"]["policy"]
    assert policy["evidence"] == "assumed"
    assert "udp.source_port.policy" in dict(learned.assumed)


def test_two_ports_far_apart_are_random_only_as_far_as_two_can_tell(learn):
    two = learn(_gets(33333), _gets(50000)).rom["udp"]["source_port"]["policy"]
    assert (two["value"], two["evidence"]) == ("random", "derived")
    three = learn(_gets(33333), _gets(50000), _gets(41111)).rom["udp"]["source_port"]["policy"]
    assert (three["value"], three["evidence"]) == ("random", "observed")


def test_contradicting_captures_are_named_and_the_majority_counts(learn):
    def duplicate(answers):
        steps = [(0, out(rrq())), (0.01, back(data(1))), (0.02, out(ack(1), to=4000))]
        steps.append((0.2, back(data(1))))
        steps += [(0.21, out(ack(1), to=4000))] * answers
        return [*steps, (0.3, back(data(2, 1))), (0.31, out(ack(2), to=4000))]

    learned = learn(duplicate(1), duplicate(0), duplicate(1))
    assert bare(learned.rom["tftp"]["on"]["duplicate_data"]) == "ack"
    (sentence,) = learned.contradictions
    assert sentence == (
        "tftp.on.duplicate_data: ack in 0.pcap packet 4, 2.pcap packet 4, "
        "but ignore in 1.pcap packet 4"
    )
    assert bare(learn(duplicate(0), duplicate(0)).rom["tftp"]["on"]["duplicate_data"]) == "ignore"
    options = [[(0, out(rrq("f", ("blksize", size))))] for size in ("1024", "1468")]
    assert "blksize 1024 in 0.pcap packet 1, but octet blksize 1468" in learn(
        *options
    ).contradictions[0].replace("tftp.requests: octet ", "")


def test_captures_of_two_machines_are_learned_together_and_it_is_told():
    names = ("tftphpa-normal", "tftphpa-nofile")
    (note,) = _learn(*names).notes
    assert note.startswith("The captures are of 2 machines: ")
    assert _learn(names[0]).notes == []


def test_odd_requests_are_kept_where_a_rom_file_can_say_them(learn):
    learned = learn([(0, out(rrq("f", mode="OCTET", tail=b"\0" * 500)))])
    (request,) = learned.rom["tftp"]["requests"]
    assert bare(request["mode"]) == "OCTET"
    assert bare(request["padding"]) == 510
    learned = learn([(0, out(rrq("f", mode="netascii", tail=b"\xff")))])
    assert "netascii" in learned.beyond[0]
    assert "ff" in learned.beyond[1]


@pytest.mark.parametrize("hazard, packet, answer, word", [
    ("future_data", data(5), ack(1), "ack"), ("future_data", data(5), None, "ignore"),
    ("old_data", data(65535), ack(1), "ack"), ("old_data", data(65535), ack(65535), "ack_that"),
    ("block_zero", data(0), ack(1), "ack"), ("block_zero", data(0), ack(0), "ack_that"),
    ("oversize_data", data(2, 520), None, "ignore"),
    ("oversize_data", data(2, 520), ack(1), "ack"),
    ("stray_opcode", b"\0\x09xx", ack(1), "ack"),
    ("stray_opcode", b"\0\x09xx", None, "ignore"),
    ("stray_opcode", b"\0\x09xx", error(4, "what"), {"error": 4, "message": "what"}),
    ("late_oack", oack(("tsize", "9")), ack(0), "ack_zero_go_on"),
])  # fmt: skip
def test_reactions_one_by_one(learn, hazard, packet, answer, word):
    asked = (("tsize", "0"),) if hazard == "late_oack" else ()
    steps = [(0, out(rrq("f", *asked))), (0.01, back(data(1))), (0.02, out(ack(1), to=4000)),
             (0.1, back(packet))]  # fmt: skip
    if answer:
        steps.append((0.11, out(answer, to=4000)))
    if not answer or answer[1] == 4:
        steps += [(0.5, back(data(2, 1))), (0.51, out(ack(2), to=4000))]
    assert bare(learn(steps).rom["tftp"]["on"][hazard]) == word


def test_ack_0_for_a_late_oack_is_told_apart_by_what_follows(learn):
    """SLOF and U-Boot with lwIP go on; curl is deaf to DATA from then on."""
    steps = [(0, out(rrq("f", ("tsize", "0")))), (0.01, back(data(1))),
             (0.02, out(ack(1), to=4000)), (0.1, back(oack(("tsize", "9")))),
             (0.11, out(ack(0), to=4000)), (0.5, back(data(2, 1))),
             (0.51, out(ack(2), to=4000))]  # fmt: skip
    assert bare(learn(steps).rom["tftp"]["on"]["late_oack"]) == "ack_zero_go_on"
    assert bare(learn(steps[:-1]).rom["tftp"]["on"]["late_oack"]) == "ack_zero"


def test_ack_of_the_peers_data_is_no_answer_to_an_unknown_tid(learn):
    """tftp-hpa: two RRQs were answered by two children; the second DATA came before its ACK."""
    steps = [(0, out(rrq("f"))), (1, out(rrq("f"))), (1.0, back(data(1))),
             (1.0003, back(data(1), tid=4001)), (1.0004, out(ack(1), to=4000)),
             (1.1, back(data(2, 1))), (1.11, out(ack(2), to=4000))]  # fmt: skip
    assert bare(learn(steps).rom["tftp"]["on"]["unknown_tid"]) == "ignore"


def test_silence_for_good_after_a_fault_is_a_failure(learn):
    steps = [(0, out(rrq())), (0.01, back(data(1))), (0.02, out(ack(1), to=4000)),
             (0.1, back(data(0))), (1, back(data(2))), (9, back(data(2)))]  # fmt: skip
    assert bare(learn(steps).rom["tftp"]["on"]["block_zero"]) == "fail"


# --- learned, and then the same again ------------------------------------------------------------


def _capture(server, path, client="127.0.0.1"):
    # What the scripted server saw and sent, as a capture file.
    frames = [
        (packet.time - server.packets[0].time,
         udp(packet.payload, packet.sport, packet.dport, packet.src, packet.dst))
        for packet in server.packets
    ]  # fmt: skip
    path.write_bytes(pcap(frames, 101))


def _pxebench(*words, code=0, cwd=None):
    done = subprocess.run(
        [sys.executable, "-m", "pxebench", *map(str, words)],
        capture_output=True, text=True, cwd=cwd, timeout=120,
    )  # fmt: skip
    assert "Traceback" not in done.stderr, done.stderr
    assert done.returncode == code, done.stdout + done.stderr
    return done


def _again(folder, server, file, captures, *words, code=0):
    # Learn from captures, fetch as the ROM that was learned, compare with the first capture.
    rom, ours = folder / "mine.json", folder / "ours.pcap"
    stage = words[:2] if words and words[0] == "--stage" else ()
    _pxebench("learn", *captures, "-o", rom, *stage)
    url = server.url(file)
    _pxebench("fetch", url, "--rom", rom, "--bind", ADDRESS, "--pcap", ours, "-q", code=code)
    return _pxebench("compare", captures[0], ours, "--rom", rom, *words)


@pytest.mark.parametrize("name, stage, file, known", [
    ("ipxe-uuid", 1, "undionly.kpxe", None),
    ("pxelinux-uuid", 2, "ldlinux.c32", None),
    ("ovmf-boot2", 1, "snponly.efi", ("tsize", "blksize")),
    ("ubootarm64-boot2", 1, "x5120.bin", None),
    ("grubpc-boot2", 2, "/grub/i386-pc/normal.mod", None),
    ("tftphpa-normal", 1, "undionly.kpxe", None),
    ("busybox-normal", 1, "undionly.kpxe", None),
    ("curl-nofile", 1, "nope.bin", "none"),
])  # fmt: skip
def test_rom_learned_from_a_real_capture_boots_like_it(tmp_path, name, stage, file, known):
    capture = CAPTURES / f"{name}.pcap.gz"
    taken = learner.sample(capture, None, stage)
    talks = [talk for boot in taken.boots[:1] for talk in boot if talk.file == file]
    sizes = [p.size - 4 for p in talks[-1].packets if not p.out and p.payload[:2] == b"\0\3"]
    whole = talks[-1].blocks * talks[-1].blksize - (talks[-1].blksize - (sizes or [0])[-1])
    files = {} if known == "none" else {file: bytes(whole)}
    options = known if isinstance(known, tuple) else scripted.ALL_OPTIONS
    with scripted.serve(files, known=options) as server:
        words = ("--stage", stage, "--file", file)
        done = _again(tmp_path, server, file, [capture], *words, code=1 if known == "none" else 0)
    assert "Equal:" in done.stdout


_CLIENTS = {
    "tftp-hpa": ("tftp", "-R", "{low}:{high}", "-m", "octet", "127.0.0.1", "{port}", "-c",
                 "get", "f"),
    "busybox": ("busybox", "tftp", "-g", "-r", "f", "-b", "1000", "127.0.0.1", "{port}"),
    "atftp": ("atftp", "--option", "tsize 0", "--option", "blksize 900", "--option",
              "timeout 2", "-g", "-r", "f", "127.0.0.1", "{port}"),
}  # fmt: skip


@contextlib.contextmanager
def _served(script):
    with scripted.serve({"f": CONTENT}, script, retry_s=0.6) as server:
        yield server


@pytest.mark.parametrize("client", sorted(_CLIENTS))
@pytest.mark.parametrize("script", [
    {}, {"data 3": [NORMAL, NORMAL]}, {"data 4": []},
    {"data 3": [scripted.unknown_tid(packets.data(9, b"x")), NORMAL]},
], ids=["plain", "duplicate", "lost", "unknown TID"])  # fmt: skip
def test_rom_learned_from_a_client_that_runs_now_is_equal_to_it(tmp_path, client, script):
    capture = tmp_path / "theirs.pcap"
    low = 2000 + os.getpid() % 50 * 20
    with _served(script) as server, tempfile.TemporaryDirectory() as folder:
        words = [word.format(port=server.port, low=low, high=low + 19)
                 for word in _CLIENTS[client]]  # fmt: skip
        words[0] = programs.find(words[0])
        subprocess.run(words, cwd=folder, capture_output=True, timeout=60, check=False)
        time.sleep(0.3)  # the last ACK is under way
        _capture(server, capture)
    with _served(script) as server:
        done = _again(tmp_path, server, "f", [capture], "--ms", "250")  # a busy machine
    assert "Equal: 1 transfer" in done.stdout, done.stdout


# --- the command ---------------------------------------------------------------------------------


def test_command_tells_what_it_learned_and_what_it_did_not(tmp_path):
    done = _pxebench(
        "learn", CAPTURES / "ipxe-boot1.pcap.gz", CAPTURES / "ipxe-py-dup.pcap.gz",
        "-o", "my rom.json", "--json", "x.json", cwd=tmp_path,
    )  # fmt: skip
    assert done.stdout.startswith("Learned my-rom and wrote it to my rom.json: ")
    assert "ipxe-boot1.pcap.gz: 1 boot, 1 transfer, 1 RRQ of 52:54:00:12:34:56" in done.stdout
    assert 'duplicate_data: "ack" (3 times: ipxe-py-dup.pcap.gz packet' in done.stdout
    assert "- a server that skips a block: on.future_data\n" in done.stdout
    told = json.loads((tmp_path / "x.json").read_text())
    assert {"field": "tftp.on.future_data", "capture": "a server that skips a block"} in told[
        "assumed"
    ]
    shown = _pxebench("roms", "show", "my rom.json", cwd=tmp_path).stdout
    assert "udp.source_port.policy" in shown


def test_what_a_probe_alone_does_is_told_and_so_is_a_boot_without_a_request(tmp_path):
    captures = [CAPTURES / f"ovmf-{case}.pcap.gz" for case in ("noopt", "nodhcp", "boot1")]
    told = _pxebench("learn", *captures, "-o", "x.json", cwd=tmp_path).stdout
    assert 'requests[0].on.no_oack.message: "User aborted download" (once: ovmf-noopt' in told
    assert "ovmf-nodhcp.pcap.gz: 1 boot, 0 transfers, 0 RRQs of 52:54:00:12:34:56" in told


@pytest.mark.parametrize("words, reason, code", [
    ((INPUTS / "wrq-only.pcap", "-o", "x.json"),
     "wrq-only.pcap has only write requests (1): nothing of a boot can be learned.", 2),
    (("none.pcap", "-o", "x.json"), "Cannot read none.pcap", 2),
    ((CAPTURES / "README.md", "-o", "x.json"), "neither a pcap nor a pcapng", 2),
    ((CAPTURES / "ipxe-boot1.pcap.gz", "-o", "x.json", "--stage", "2"), "program number 2", 2),
    ((CAPTURES / "ipxe-boot1.pcap.gz", "-o", "x.json", "--client", "10.9.9.9"), "no client", 2),
    ((CAPTURES / "ipxe-boot1.pcap.gz", "-o", "no/such/x.json"), "no folder", 3),
    ((CAPTURES / "ipxe-boot1.pcap.gz",), "-o", 2),
])  # fmt: skip
def test_command_refuses_in_one_sentence(tmp_path, words, reason, code):
    done = _pxebench("learn", *words, code=code, cwd=tmp_path)
    assert reason in done.stderr
    assert not list(tmp_path.iterdir())


def test_only_reads_are_learned_and_one_shows_no_rule_of_ports(tmp_path):
    capture = INPUTS / "rrq-then-wrq.pcap"
    told = _pxebench("learn", capture, "-o", "x.json", cwd=tmp_path).stdout
    assert "rrq-then-wrq.pcap: 1 boot, 1 transfer, 1 RRQ of " in told
    assert "note    rrq-then-wrq.pcap: 1 write request is left out; a boot only reads." in told
    assert "ports   from 40001 on; how they go on is not known (assumed: 40001, +1 per" in told
    one = _pxebench("learn", INPUTS / "one-rrq.pcap", "-o", "y.json", cwd=tmp_path).stdout
    assert "ports   from 40001 on; how they go on is not known (assumed: 40001, +1 per" in one
    on = json.loads((tmp_path / "x.json").read_text())["tftp"]["on"]
    assert on["stray_opcode"]["evidence"] == "assumed"  # the answer to a WRQ is no stray packet


def test_file_that_ends_in_mid_record_is_told(tmp_path):
    whole = pcap(_gets(2070, 2071), 101)
    (tmp_path / "torn.pcap").write_bytes(whole[:-7])
    told = _pxebench("learn", "torn.pcap", "-o", "x.json", cwd=tmp_path).stdout
    assert "note    torn.pcap: The file ends in the middle of a record.\n" in told


def test_boot_that_dies_in_dhcp_is_learned_as_far_as_it_came(tmp_path):
    """EDK2 asks port 4011 four times, in vain: no TFTP, but a DISCOVER, a REQUEST and those."""
    told = _pxebench("learn", CAPTURES / "edk2-4011.pcap.gz", "-o", "x.json", cwd=tmp_path).stdout
    assert "ports   not known (assumed: " in told
    assert "asks    not known (assumed: " in told
    rom = json.loads((tmp_path / "x.json").read_text())
    spec = bare(rom["dhcp"])
    assert spec["proxy"]["source_port"] == 4011
    assert [60, "PXEClient:Arch:{arch}:UNDI:003001"] in spec["options"]
    assert rom["dhcp"]["proxy"]["options"]["evidence"] == "observed"
    assert rom["tftp"]["requests"][0]["options"]["evidence"] == "assumed"
    nothing = _pxebench(
        *("learn", CAPTURES / "ipxe-nodhcp.pcap.gz", "-o", "-", "--json", "y.json"), cwd=tmp_path
    )
    assert json.loads(nothing.stdout)["id"] == "learned"  # `-` is standard output
    assert "Learned learned and wrote it to standard output: " in nothing.stderr
    assert not (tmp_path / "-").exists()


def test_request_that_is_cut_short_is_left_out(tmp_path):
    """`tcpdump -s 60`: its options are not in the file, which does not mean that it has none."""
    steps = [ethernet(out(rrq("f", ("blksize", "1456"))))]
    (tmp_path / "x.pcap").write_bytes(pcap(steps, snaplen=60))
    done = _pxebench("learn", "x.pcap", "-o", "x.json", code=2, cwd=tmp_path)
    assert "has only 18 of the 23 bytes of a request (packet 1)" in done.stderr
    assert not (tmp_path / "x.json").exists()


def test_capture_is_not_overwritten(tmp_path):
    capture = tmp_path / "x.pcap"
    capture.write_bytes(pcap(_gets(2070), 101))
    _pxebench("learn", capture, "-o", capture, code=2)
    assert capture.read_bytes() == pcap(_gets(2070), 101)


# --- no file gives a traceback, and what is written loads ----------------------------------------


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 1 << 30), hits=st.integers(0, 40))
def test_whatever_a_capture_holds_a_learned_rom_loads(tmp_path_factory, seed, hits):
    chance = random.Random(seed)
    steps = []
    for _ in range(chance.randrange(1, 40)):
        make = chance.choice((
            lambda: out(rrq(chance.choice("fg"), *chance.choice(((), (("tsize", "0"),)))), 2070),
            lambda: out(rrq("f", ("blksize", str(chance.randrange(1 << 17)))), 2071),
            lambda: back(data(chance.choice((0, 1, 2, 3, 65535)), chance.choice((0, 512, 600)))),
            lambda: out(ack(chance.choice((0, 1, 2, 65535))), to=4000),
            lambda: back(oack((chance.choice(("blksize", "tsize", "x")), "1468"))),
            lambda: out(error(chance.randrange(70000) % 65536, "\x1b\xe9"), to=4000),
            lambda: back(error(1)),
            lambda: back(data(1), tid=4001),
        ))  # fmt: skip
        step = bytearray(make())
        for _ in range(hits // 10):
            step[chance.randrange(20, len(step))] = chance.randrange(256)
        steps.append((chance.random() * 30, bytes(step)))
    path = tmp_path_factory.getbasetemp() / "learn.pcap"
    path.write_bytes(pcap(sorted(steps), 101))
    try:
        learned = learner.learn([learner.sample(path)], "mine")
    except Refused:
        return
    flat(learned.rom)
    json.dumps(learned.rom)
