"""The DHCP of the captured boot ROMs: which boots are played, what differs and why.

As `table` does with TFTP: what differs has a witness, or a reason that undoes it, or a test fails.
Only the first program of a boot has DHCP of its own: PXELINUX and GRUB use what iPXE was given.
"""

import collections
import functools

from pxebench import job
from pxebench.compare import differences
from pxerom import rom_check

from host_tests.fidelity import replay_dhcp, table

# (capture, number of the boot): another program than the ROM asked.
OTHERS = {("ovmf-py-dup", 1): "the iPXE that it had loaded asks again"}
# In option 175 iPXE names the network card that it drives, by bus type and PCI id. The ROM file
# has the virtio card's; these captures are of an e1000, and their ROM is given that.
_ENCAPSULATED = 175
_CARD_IDS = ([1, 0x1A, 0xF4, 0x10, 0x00], [1, 0x80, 0x86, 0x10, 0x0E])
CARDS = {"pxelinux": "e1000", "grubpc": "e1000"}
# In the options 60 and 94 of EDK2 stands the UNDI version of the card's driver: 3.0 here.
UNDI = {"edk2-4011": 1, "edk2-decline": 16}
# Captures that end while the client goes on: what it would have sent is not in them.
CUT = {"ipxe200-d-nak", "ubnlwip-d-nak", "s390-blackhole"}
# EDK2's first wait is four ticks of a timer of 1 s that is already running.
_TICKS_S = (3.0, 4.2)
# Why a client asks for its file later than ours does, after the last answer of DHCP.
LATE_RRQ = {
    "ipxe": "iPXE of 2019 waits 13 s for an IPv6 router; ours does not",
    "ipxe_script": "iPXE of 2019 waits 13 s for an IPv6 router; ours does not",
    "pxelinux": "iPXE of 2019 waits 13 s for an IPv6 router; ours does not",
    "grubpc": "iPXE of 2019 waits 13 s for an IPv6 router; ours does not",
}

Row = collections.namedtuple("Row", "client case rom packets verdict differences reasons")


def boots(name):
    """The boots of a capture whose DHCP is its first program's."""
    found = [boot for client in table.read(name).clients for boot in client.boots if boot.dhcp]
    return [boot for number, boot in enumerate(found) if (name, number) not in OTHERS]


def _tolerance(name):
    return differences.Tolerance(ms=table.LATE_MS.get(name.split("-")[0], 60))


def rom(name):
    """The ROM that plays in a capture, as in its file, with the network card of that machine."""
    client = name.split("-")[0]
    wanted = rom_check.read(table.PROGRAMS[client][0])
    if client in CARDS:
        for pair in job.value(job.value(wanted["dhcp"])["options"]):
            code, content = job.value(pair)
            if code == _ENCAPSULATED:
                own, other = _CARD_IDS
                content = job.value(content)
                at = next(i for i in range(len(content)) if content[i : i + len(own)] == own)
                content[at : at + len(own)] = other
    return _with_undi(wanted, UNDI.get(name))


def _with_undi(node, minor):
    # The ROM file with another minor version of UNDI in all its options.
    if minor is None:
        return node
    if isinstance(node, dict):
        return {name: _with_undi(each, minor) for name, each in node.items()}
    if isinstance(node, list):
        if node == [94, [1, 3, 0]]:
            return [94, [1, 3, minor]]
        return [_with_undi(each, minor) for each in node]
    return node.replace(":UNDI:003000", f":UNDI:003{minor:03}") if isinstance(node, str) else node


def _sent(boot):
    return [(packet, message) for packet, message in boot.dhcp if not message.reply]


@functools.cache
def _waits(rom_id):
    # {(kind, number of the packet): [(capture, seconds since the packet before)]}
    found = {}
    for name in table.names():
        if table.PROGRAMS[name.split("-")[0]][0] != rom_id:
            continue
        for boot in boots(name):
            sent = _sent(boot)
            kinds = [message.kind for _, message in sent]
            for number in range(1, len(sent)):
                wait_s = sent[number][0].time - sent[number - 1][0].time
                place = tuple(kinds[: number + 1])
                found.setdefault(place, []).append((name, sent[number][0].number, wait_s))
    return found


def _witness(name, rom_id, text):
    # A sentence, where the same wait was as long as ours in another capture.
    if ", time: after " not in text:
        return None
    number = int(text.partition("packet ")[2].partition(",")[0])
    ours_s = float(text.rpartition("after ")[2].split()[0])
    for place, waits in _waits(rom_id).items():
        mine = [wait_s for other, at, wait_s in waits if (other, at) == (name, number)]
        for other, _, wait_s in waits if mine else ():
            if other != name and mine[0] > wait_s and _tolerance(name).alike(wait_s, ours_s):
                return (
                    f"the guest was held up: {place[-1]} after {mine[0]:.2f} s, in {other} after "
                    f"{wait_s:.2f} s (ours {ours_s:.2f} s)"
                )
    return None


def _in_ticks(text):
    words = text.partition(", time: after ")
    least_s, most_s = _TICKS_S
    return (
        "REQUEST" in words[0] and bool(words[2]) and least_s < float(words[2].split()[0]) < most_s
    )


@functools.cache
def _rrq_waits(rom_id):
    # [(capture, seconds from the last answer of DHCP to the request for the file)]
    found = []
    for name in table.names():
        if table.PROGRAMS[name.split("-")[0]][0] == rom_id:
            for boot in boots(name):
                wait_s = replay_dhcp.rrq_wait(boot)
                if wait_s is not None:
                    found.append((name, wait_s))
    return found


def _held_up(name, rom_id, text):
    # A sentence, where another capture's client asked for its file as soon as ours.
    theirs_s = float(text.partition("after ")[2].split()[0])
    ours_s = float(text.rpartition("after ")[2].split()[0])
    for other, wait_s in _rrq_waits(rom_id):
        if other != name and theirs_s > wait_s and _tolerance(name).alike(wait_s, ours_s):
            return (
                f"the guest was held up: RRQ {theirs_s:.2f} s after the last answer, in {other} "
                f"{wait_s:.2f} s (ours {ours_s:.2f} s)"
            )
    return None


def judge(name, rom):
    """The Row of a capture, its DHCP played by `rom` (as in its file)."""
    client, _, case = name.partition("-")
    rom_id = table.PROGRAMS[client][0]
    left, reasons = [], []
    if client in CARDS:
        reasons.append(f"option 175 names the network card, here an {CARDS[client]}")
    if name in UNDI:
        reasons.append(f"the card's UNDI is 3.{UNDI[name]}, given to ours")
    for boot in boots(name):
        cut = name in CUT
        for kind, text in replay_dhcp.differences(boot, rom, _tolerance(name), cut):
            reason = _witness(name, rom_id, text)
            if kind == "rrq":
                reason = LATE_RRQ.get(client) or _held_up(name, rom_id, text)
            if not reason and rom_id == "edk2" and _in_ticks(text):
                reason = "the first wait is 4 ticks of a timer that runs already: 3 to 4 s"
            if not reason:
                left.append(text)
            elif reason not in reasons:
                reasons.append(reason)
    verdict = "differs" if left else "explained" if reasons else "equal"
    count = sum(len(_sent(boot)) for boot in boots(name))
    return Row(client, case, rom_id, count, verdict, left, reasons)


def names():
    """The captures that hold DHCP of a program that is played."""
    return [name for name in table.names() if boots(name)]


@functools.cache
def rows():
    """Every Row."""
    return [judge(name, rom(name)) for name in names()]


def markdown(found):
    """The table, as it stands in the README."""
    lines = ["| client | case | ROM | packets | verdict |", "|---|---|---|---|---|"]
    for row in found:
        said = row.reasons + row.differences
        text = (row.verdict + (": " + "; ".join(said) if said else "")).replace("|", "/")
        lines.append(f"| {row.client} | {row.case} | {row.rom} | {row.packets} | {text} |")
    return "\n".join(lines) + "\n"


def summary(found):
    """One sentence over all rows."""
    counts = collections.Counter(row.verdict for row in found)
    return (
        f"DHCP: {sum(row.packets for row in found)} packets in {len(found)} captures: "
        f"{counts['equal']} equal, {counts['explained']} with a difference that is explained, "
        f"{counts['differs']} with one that is not.\n"
    )
