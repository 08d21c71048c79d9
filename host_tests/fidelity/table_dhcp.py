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
    return wanted


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


def judge(name, rom):
    """The Row of a capture, its DHCP played by `rom` (as in its file)."""
    client, _, case = name.partition("-")
    rom_id = table.PROGRAMS[client][0]
    left, reasons = [], []
    if client in CARDS:
        reasons.append(f"option 175 names the network card, here an {CARDS[client]}")
    for boot in boots(name):
        for _, text in replay_dhcp.differences(boot, rom, _tolerance(name)):
            reason = _witness(name, rom_id, text)
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
