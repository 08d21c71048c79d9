"""Mutated inputs of each kind: each is read to its end and gives a result that can be told.

1,000 of each kind in `make test`, every tenth of them on to the verdict and its words; `make soak`
takes 10,000 of each kind, with other seeds each time, and all of them all the way.
"""

import io
import json
import os
import random

import pytest
from pxebench.explain import explanation, machines, sources, words

from host_tests.explain import played, told, wire

INPUTS = 10_000
SHORT = 1_000
_WHOLE = 10  # every so many go all the way
_HEAD = 900  # bytes of a text that are mutated
_PIECES = (
    *(b"\0", b"\xff", b"\n", b"\r", b"\t", b" ", b":", b".", b"=", b"<", b">", b'"', b"\x1b[2J"),
    *(b"69", b"2070", b"65536", b"999999999999", b"-1", b"0x", b"\xe2\x86\x92", b"\xd8\x00"),
    *(b"10.0.0.1", b"999.1.1.1", b"::", b"RRQ", b"ICMP", b"DHCP", b"UDP", b"SRC=", b"PXE-E"),
)


def _text(name):
    raw = (told.INPUTS / name).read_bytes()
    return raw[: raw.rfind(b"\n", 0, _HEAD) + 1 or _HEAD]


def _captures():
    boot = wire.Boot()
    boot.rrq(2070, 0.0, tsize="0")
    boot.oack(2070, 0.001, tsize="612")
    boot.error(2070, 0.002, 0, "TFTP Aborted", by_client=True)
    boot.whole(2071, 0.003)
    boot.icmp(0.5, boot.rrq(2072, 0.4, blksize="1456"))
    return boot.frames


WDS = (
    b"The Following Client failed TFTP Download:\nClient IP: 10.0.0.5\nFilename: \\boot\\x.com\n"
    b"ErrorCode: 1460\nFile Size: 31124\nClient Port: 2071\nServer Port: 64001\n"
)
SCREEN = (
    b"CLIENT MAC ADDR: 00 0C 29 12 34 56\nPXE-E32: TFTP open timeout\nPXE-M0F: Exiting\n"
    b"https://ipxe.org/4c126035\nLoading: T T T T\nRetry count exceeded; starting again\n"
)
TABLES = (
    b"in.tftpd 25115 nobody 0u IPv4 1 0t0 UDP 10.254.52.26:45140->10.55.32.175:2073\n"
    b"udp 17 27 src=10.55.32.175 dst=10.254.52.26 sport=2072 dport=69 [UNREPLIED] src=1.2.3.4\n"
)
FIREWALLS = (
    b"kernel: DROP IN=a SRC=10.0.0.1 DST=10.0.0.5 LEN=42 TTL=63 PROTO=UDP SPT=50303 DPT=2070\n"
    b"%ASA-4-106023: Deny udp src o:10.0.0.1/50303 dst i:10.0.0.5/2070 by access-group\n"
    b"rule 3/0(match): block in on em1: 10.0.0.1.50303 > 10.0.0.5.2070: UDP, length 14\n"
    b"2026-11-30 18:00:00 DROP UDP 10.0.0.1 10.0.0.5 50303 2070 42 - - - - - - - RECEIVE\n"
)

KINDS = {
    "pcap": wire.pcap(_captures()),
    "pcapng": wire.pcapng(_captures()),
    "tcpdump": _text("tcpdump-n.txt")[:600],
    "tcpdump -v": (told.INPUTS / "tcpdump-v.txt").read_bytes()[300:1500],
    "tcpdump -X": _text("tcpdump-x.txt"),
    "tshark": _text("tshark.txt"),
    "tshark -V": (told.INPUTS / "tshark-v.txt").read_bytes()[:1800],
    "sockets": _text("netstat.txt")[-300:] + _text("ss.txt")[:200],
    "in.tftpd, atftpd, dnsmasq": (
        _text("in.tftpd.log")[:170] + _text("atftpd.log")[90:270] + _text("dnsmasq.log")[-220:]
    ),
    "tftpd64": _text("traces/u6.txt")[:500],
    "wds": WDS,
    "dhcp logs": (
        _text("dnsmasq-dhcp.log")[180:600] + (told.INPUTS / "kea.log").read_bytes()[-500:]
    ),
    "firewalls": FIREWALLS + _text("nft-trace.txt")[:500],
    "screens": SCREEN,
    "broken lines": (told.INPUTS / "reports" / "broken-lines.txt").read_bytes(),
    "lsof, conntrack, German": TABLES
    + (told.INPUTS / "reports" / "dnsmasq-german.txt").read_bytes()[-300:],
    "Wireshark's export": (told.INPUTS / "reports" / "wireshark-names.txt").read_bytes(),
}


def mutated(content, rng):
    """A few changes to `content`: bits, pieces taken out, doubled, moved, or put in."""
    raw = bytearray(content)
    for _ in range(rng.choice((1, 1, 2, 3, 8))):
        if not raw:
            break
        at = rng.randrange(len(raw))
        way = rng.randrange(6)
        if way == 0:
            raw[at] ^= 1 << rng.randrange(8)
        elif way == 1:
            raw[at] = rng.randrange(256)
        elif way == 2:
            del raw[at : at + rng.choice((1, 2, 4, 16, 200))]
        elif way == 3:
            raw[at:at] = rng.choice(_PIECES)
        elif way == 4:
            size = rng.choice((4, 16, 80))
            raw[at:at] = raw[at : at + size]
        else:
            del raw[at:]
    return bytes(raw)


def _look(content, whole):
    source = sources.from_stream(io.BytesIO(content), "input")
    for machine in machines.gather([source]):
        machines.programs(machine)
    if not whole:
        return
    result = explanation.of_sources([source])
    assert result["outcome"] in ("ok", "failed", "nothing")
    json.dumps(result)
    for line in words.lines(result):
        assert line.isprintable(), line


@pytest.mark.parametrize("kind", KINDS)
def test_whatever_is_done_to_an_input_it_ends_in_a_result(kind):
    rng = random.Random(f"explain {kind}")
    for number in range(SHORT):
        _case(KINDS[kind], rng, number % _WHOLE == 0)


@pytest.mark.soak
@pytest.mark.parametrize("kind", KINDS)
def test_so_it_does_with_other_seeds_and_all_the_way(kind):
    rng = random.Random(os.urandom(16))
    for _ in range(INPUTS):
        _case(KINDS[kind], rng, True)


def _case(content, rng, whole):
    content = mutated(content, rng)
    try:
        _look(content, whole)
    except Exception as error:
        raise AssertionError(f"{type(error).__name__}: {error} for {content!r}") from error


def test_several_at_once_end_in_a_result_too():
    rng = random.Random("explain several")
    kept = [played.stored(name) for name in ("translator that reads TFTP", "a rule too narrow")]
    for _ in range(150):
        files = {name: raw[:6000] for name, raw in rng.choice(kept).items()}
        files = {n: mutated(raw, rng) if rng.random() < 0.7 else raw for n, raw in files.items()}
        result = told.of_named(files)
        json.dumps(result)
        assert all(line.isprintable() for line in words.lines(result))


@pytest.mark.parametrize("seed", range(50))
def test_noise_is_nothing_of_a_boot(seed):
    rng = random.Random(seed)
    content = rng.randbytes(rng.choice((0, 1, 3, 24, 500, 70_000)))
    assert told.of_bytes(content)["outcome"] in ("nothing", "failed")


def test_one_line_without_an_end_is_read_in_pieces():
    content = b"IP 10.0.0.5.2070 > 10.0.0.1.69: " + b"x" * 3_000_000
    assert told.of_bytes(content)["outcome"] == "nothing"
