"""Which captures are replayed by which ROM, what differs and why: the table of `README.md`.

`python -m host_tests.fidelity` prints it, `--write` puts it into the README; `test_fidelity` holds
both against what the replay finds at that moment.

1. A verdict comes from `pxebench.compare` (times within 5 % or 60 ms) and from a comparison, byte
   for byte, of what the client sent.
2. What differs stands in the table with its reason. A reason names packets; a difference that no
   reason names, and a reason that no difference needs, fail the test.
3. A wait of a guest that was held up is told from a wrong table by a witness: the same wait, as
   long as ours, in another capture of that client.
"""

import collections
import functools
from pathlib import Path

from pxebench import settings
from pxebench.captures import conversations
from pxebench.captures.messages import tftp
from pxebench.compare import differences
from pxerom import rom_check

from host_tests.fidelity import replay

CAPTURES = Path(__file__).resolve().parent.parent / "captures"
README = Path(__file__).with_name("README.md")

# The programs of each captured client, in the order in which it ran them.
PROGRAMS = {
    "ipxe": ("ipxe",),
    "ipxe_script": ("ipxe",),
    "ovmf": ("edk2",),
    "ubootarm64": ("u-boot",),
    "pxelinux": ("ipxe", "pxelinux"),
    "grubpc": ("ipxe", "grub"),
    "tftphpa": ("tftp-hpa",),
    "atftp": ("atftp",),
    "curl": ("curl",),
    "busybox": ("busybox",),
    "ipxe200": ("ipxe-2",),
    "ovmf26": ("edk2",),
    "edk2": ("edk2",),
    "grub214efi": ("edk2", "grub"),
    "slof": ("slof",),
    "s390": ("s390x",),
    "ub25arm64": ("u-boot-2025",),
    "ublwip": ("u-boot-lwip-2025",),
    "ubnlwip": ("u-boot-lwip",),
    "tftphpa73": ("tftp-hpa-7",),
    "tftphpa73N": ("tftp-hpa-7",),
    "atftp081": ("atftp",),
    "atftp081opt": ("atftp",),
    "curl823": ("curl-8",),
    "busybox138": ("busybox",),
    "busybox138blk": ("busybox",),
}
# What a guest under emulation may be late by, where it is more than compare's own 60 ms.
LATE_MS = {"ovmf": 500}
# Environment of a captured client that its ROM file has as settings.
SETTINGS = {
    "ubootarm64-win4": {"blksize": 1024, "timeout": 2, "windowsize": 4},
    "ubootarm64-win4drop1": {"blksize": 1024, "timeout": 2, "windowsize": 4},
}
# Options that a captured client was given on its command line, in the order of the wire.
OPTIONS = {
    "atftp081opt": [["tsize", "0"], ["timeout", "3"], ["blksize", "1428"], ["windowsize", "4"]],
    "busybox138blk": [["blksize", "1428"], ["tsize", "0"]],
    "tftphpa73N": [],
}
# What a client that was given options does otherwise than its ROM file, which has none.
ON = {"atftp081opt": {"late_oack": {"error": 0, "message": "Undefined error code"}}}
# Clients that fetched file after file in one boot: not each capture begins with the first port.
SESSIONS = {"ublwip", "ubnlwip"}
# (capture, number of the transfer): why it is not played.
NOT_PLAYED = {
    ("ublwip-d-66only", 0): "its RRQ has an empty name, which ours never sends",
}
# How much slower than real time a guest's clock ran, all through its capture, and how that shows.
CLOCKS = {
    ("grubpc-firewall", "grub"): 1.065,
    ("grubpc-noopt", "grub"): 1.139,
}
# Captures that end before the client gives up: what it would have sent is not in them.
CUT = {
    ("curl-dropall", "curl"),
    ("curl823-blackhole", "curl-8"),
    ("pxelinux-blackhole", "pxelinux"),
    ("pxelinux-firewall", "pxelinux"),
}


def _because(reason, *words):
    return [(word, reason) for word in words]


_OTHER_ADDRESS = [
    (
        "its end: never answered",
        "the server answers from another of its addresses, so the reader counts no answer",
    )
]
_ERROR_THEN_ACK = _because(
    "lwIP sends ERROR 4 and then ACK 0, which leads nowhere; here the ERROR",
    "ACK 0 is missing",
    "3 packets of the client",
)
# (capture, ROM): [(words that the differences hold, reason)]
REASONS = {
    ("curl-blackhole", "curl"): [
        (
            "packet 29: after 6.022 s",
            "curl counts whole seconds of the clock: one of its 42 waits was 6.0 s, not 7.0 s",
        )
    ],
    ("curl823-drop1", "curl-8"): _because(
        "its timer of 6 s and the server's second DATA 1 fall together: the timer was first",
        "ACK 0 is missing",
        "packet 3 of the client",
        "148 packets of the client",
    ),
    ("curl823-py-oackmid", "curl-8"): [
        (
            "packet 20: after 0.000 s",
            "curl counts the 6 s from its ACK of block 4, ours from the ACK 0 after it",
        )
    ],
    ("ipxe200-py-biggerblk", "ipxe-2"): _because(
        "granted a larger blksize, iPXE goes on until tsize is full; here the first short block "
        "ends it, as a failure",
        "its end: broken off",
        "21 packets of the client",
    ),
    ("slof-d-43c8", "slof"): _OTHER_ADDRESS,
    ("slof-py-garbage", "slof"): _because(
        "after a stray ACK the last block does not end it in SLOF; here it does",
        "ACK 52 is missing",
        "56 packets of the client",
    ),
    ("slof-d-66only", "slof"): _OTHER_ADDRESS,
    ("tftphpa73-acklost", "tftp-hpa-7"): _because(
        "its timer of 1 s and the server's second DATA 20 fall together: the DATA was first",
        "packet 46 of ours: ACK 20",
        "packet 24 of the client",
        "54 packets of the client",
    ),
    ("ublwip-py-biggerblk", "u-boot-lwip-2025"): _ERROR_THEN_ACK,
    ("ubnlwip-py-biggerblk", "u-boot-lwip"): _ERROR_THEN_ACK,
    ("ublwip-py-dup", "u-boot-lwip-2025"): [
        (
            "57 packets of the client",
            "a second copy of the last DATA gets ERROR 2 'No connection' from lwIP: not imitated",
        )
    ],
    ("ubnlwip-py-dup", "u-boot-lwip"): [
        (
            "57 packets of the client",
            "a second copy of the last DATA gets ERROR 2 'No connection' from lwIP: not imitated",
        )
    ],
    ("grubpc-noopt", "grub"): [
        (
            "packet 659: after 0.359 s",
            "GRUB's first wait counts from its request: 0.458 s in the capture, 0.456 s in ours; "
            "the guest took 0.1 s for the data between, ours takes none",
        )
    ],
}

Row = collections.namedtuple("Row", "client case rom transfers verdict differences reasons notes")
Row.__doc__ = """One program in one capture. `verdict`: "equal", "explained" or "differs";
`differences`: those without a reason; `reasons`: sentences."""


def names():
    """The captures, by name."""
    return sorted(path.name.removesuffix(".pcap.gz") for path in CAPTURES.glob("*.pcap.gz"))


@functools.cache
def read(name):
    """A capture, as `conversations` reads it."""
    return conversations.read(CAPTURES / f"{name}.pcap.gz")


def programs(name):
    """(ROM id, conversations) of each program of a capture that asked for a file."""
    ids = PROGRAMS[name.split("-")[0]]
    found = []
    for client in read(name).clients:
        for boot in client.boots:
            found += zip(ids, boot.stages(), strict=False)
    return [each for number, each in enumerate(found) if (name, number) not in NOT_PLAYED]


def rom(name, rom_id):
    """The flat ROM that plays in a capture."""
    wanted = rom_check.read(rom_id)
    if rom_id == PROGRAMS[name.split("-")[0]][-1]:
        wanted = settings.adjust(wanted, SETTINGS.get(name, {}))
    flat = rom_check.flatten(wanted)
    client = name.split("-")[0]
    if client in OPTIONS:
        flat["tftp"]["requests"][-1]["options"] = OPTIONS[client]
        flat["tftp"]["requests"][-1]["on"].update(ON.get(client, {}))
    if client in SESSIONS:
        flat["udp"]["source_port"]["first"] = programs(name)[0][1][0].source_ports[0]
    return flat


def judge(name, rom_id, talks, flat):
    """The Row of one program, played by a flat ROM."""
    factor = CLOCKS.get((name, rom_id), 1.0)
    cut_s = read(name).file.packets[-1].time if (name, rom_id) in CUT else None
    played = replay.play(talks, flat, cut_s, factor)
    tolerance = differences.Tolerance(ms=LATE_MS.get(name.split("-")[0], 60))
    found = differences.compare(played.theirs, played.ours, tolerance, flat)
    left, reasons = [], []
    if factor != 1:
        reasons.append(f"the guest's clock ran {(factor - 1) * 100:.1f} % slow; ours was given it")
    if (name, rom_id) in CUT:
        reasons.append("the capture ends before the client gives up, and so does the comparison")
    texts = [(each.kind, each.text) for each in found]
    texts += [("bytes", text) for text in played.strict]
    texts += [("port", text) for text in _out_of_range(talks, flat["udp"]["source_port"])]
    for kind, text in texts:
        reason = _reason(name, rom_id, text) or (
            kind == "time" and _witness(name, rom_id, text, found)
        )
        if reason:
            if reason not in reasons:
                reasons.append(reason)
        else:
            left.append(text)
    verdict = "differs" if left else "explained" if reasons else "equal"
    client, _, case = name.partition("-")
    return Row(client, case, rom_id, len(talks), verdict, left, reasons, found.notes)


def _out_of_range(talks, spec):
    # What a ROM file calls random has to hold the captured client's ports as well.
    ports = [port for talk in talks for port in talk.source_ports]
    begin = [port for port in ports[:1] if not spec["first"] <= port <= spec["last"]]
    if spec.get("first_max") and ports[0] > spec["first_max"]:
        begin = ports[:1]
    outside = begin or [port for port in ports if not spec["first"] <= port <= spec["last"]]
    for port in outside[:1]:
        yield f"the captured port {port} is none that the ROM file allows"


def _reason(name, rom_id, text):
    for words, reason in REASONS.get((name, rom_id), ()):
        if words in text:
            return reason
    return None


@functools.cache
def _waits(rom_id):
    # {(kind, place in its retry table): [(capture, seconds)]} of all captured waits of a program.
    found = {}
    for name in names():
        for each, talks in programs(name):
            if each != rom_id:
                continue
            for talk in talks:
                for event, rung in _retry_table(talk):
                    found.setdefault(rung, []).append((name, event.since_out))
    return found


def _retry_table(talk):
    # The client's packets that repeat the one before, nothing having come in between.
    before, rung = None, 0
    for event in differences.events(talk):
        if not event.out or event.icmp:
            before = None if not event.out else before
            continue
        rung = rung + 1 if before == event.token else 0
        before = event.token
        if rung:
            yield event, (tftp(event.packet).kind, rung)


def _witness(name, rom_id, text, found):
    # A sentence, where the same wait was as long as ours in another capture.
    for _, rows in found.sections:
        for theirs, ours, mark in rows:
            if mark != "time" or f"packet {theirs.packet.number}:" not in text:
                continue
            for rung, waits in _waits(rom_id).items():
                if not any(at == (name, theirs.since_out) for at in waits):
                    continue
                for other, seconds in waits:
                    alike = differences.Tolerance().alike(seconds, ours.since_out)
                    if other != name and alike and theirs.since_out > seconds:
                        return (
                            f"the guest was held up: {rung[0]} {rung[1] + 1} after "
                            f"{theirs.since_out:.2f} s, in {other} after {seconds:.2f} s "
                            f"(ours {ours.since_out:.2f} s)"
                        )
    return None


@functools.cache
def rows():
    """Every Row, for all captures that hold TFTP."""
    found = []
    for name in names():
        for rom_id, talks in programs(name):
            found.append(judge(name, rom_id, talks, rom(name, rom_id)))
    return found


def without_tftp():
    """The captures in which no file is asked for."""
    return [name for name in names() if not programs(name)]


# ---- the table


def markdown(found):
    """The table, as it stands in the README: one line for each client, case and ROM."""
    merged = {}
    for row in found:
        merged.setdefault((row.client, row.case, row.rom), []).append(row)
    lines = ["| client | case | ROM | transfers | verdict |", "|---|---|---|---|---|"]
    for (client, case, rom_id), same in merged.items():
        verdicts = [row.verdict for row in same]
        verdict = max(verdicts, key=("equal", "explained", "differs").index)
        said = list(dict.fromkeys(text for row in same for text in row.reasons + row.differences))
        text = verdict + (": " + "; ".join(said) if said else "")
        count = sum(row.transfers for row in same)
        lines.append(f"| {client} | {case} | {rom_id} | {count} | {text.replace('|', '/')} |")
    return "\n".join(lines) + "\n"


def summary(found):
    """One sentence over all rows."""
    counts = collections.Counter(row.verdict for row in found)
    total = sum(row.transfers for row in found)
    return (
        f"{total} transfers of {len({row.rom for row in found})} ROMs in "
        f"{len({(row.client, row.case) for row in found})} captures, as {len(found)} programs ran "
        f"them: {counts['equal']} equal, {counts['explained']} with a difference that is "
        f"explained, {counts['differs']} with one that is not.\n"
    )
