"""`pxebench compare REFERENCE OURS`: two captures side by side, and whether they are equal.

`differences` decides what counts as one; here the boots are chosen and the picture is drawn. On a
terminal the packets are side by side, equal ones folded; elsewhere there is a line for each
difference.

1. Exit codes: 0 equal, 1 different, 2 a file that is no capture, or nothing to compare in it.
2. A boot, a program or a file that is chosen and not in a capture is a `Refused`.
"""

import sys
from itertools import groupby

import click

from pxebench import colour, headings, outputs, record
from pxebench.job import EXIT_FAILED, EXIT_OK, Refused, flat, load_rom, one_sentence, show
from pxebench.options import complete_rom

_KEPT = 2  # equal rows shown on either side of a difference
_LONG_RUN = 12  # rows of one difference that the JSON keeps
_NOTES = 12
_COLOURS = {"same": "dim", "server": "yellow", "time": "magenta"}


@headings.command(short_help="Compare two captures, packet by packet.")
@click.argument("reference", metavar="REFERENCE")
@click.argument("ours", metavar="OURS")
@click.option(
    "--rom",
    metavar="ID|FILE.json",
    shell_complete=complete_rom,
    help="The ROM: what it calls random may differ.",
)
@click.option("--client", metavar="MAC|IP", help="The client, where there are several.")
@click.option(
    "--boot",
    type=click.IntRange(1),
    metavar="N",
    help="Which boot of each file (default: the 1st).",
)
@click.option(
    "--stage", type=click.IntRange(1), metavar="N", help="Only the Nth program of the boot."
)
@click.option("--file", "file_name", metavar="NAME", help="Only the transfers of this file.")
@click.option("--percent", type=click.FloatRange(0, 1000), default=5, show_default=True,
              metavar="P",
              help="How far times may be apart, in percent,")  # fmt: skip
@click.option("--ms", type=click.FloatRange(0, 3_600_000), default=60, show_default=True,
              metavar="MS",
              help="or in milliseconds, whichever is more.")  # fmt: skip
@click.option("--json", "json_path", metavar="FILE|-", help="Write the differences as JSON.")
def compare(reference, ours, rom, client, boot, stage, file_name, percent, ms, json_path):
    """Compare OURS with REFERENCE (pcap or pcapng): what could a server or a firewall tell apart?

    Ports, requests, order, missing and extra packets, ERRORs, retry times, the end, and the
    DHCP packets. What only the servers did differently is noted and does not count.

    \b
    pxebench compare machine.pcap ours.pcap --rom mine.json
    pxebench compare machine.pcapng ours.pcap --client 52:54:00:12:34:56 --stage 2
    """
    from pxebench.compare import differences

    outputs.check({"--json": json_path})
    wanted = flat(load_rom(rom)) if rom else None
    notes = []
    sides = [_side(path, client, boot, stage, file_name, notes) for path in (reference, ours)]
    if stage is not None and stage > max(side.programs for side in sides):
        raise Refused(f"Neither capture has a program number {stage} (--stage).")
    tolerance = differences.Tolerance(percent, ms)
    found = differences.compare(sides[0], sides[1], tolerance, wanted)
    found.notes = notes + found.notes
    if json_path:
        result = _as_json(found, (reference, ours), sides, tolerance)
        result = record.headed("compare", result)
        outputs.store_json(json_path, {**result, "command": record.command()})
    if json_path != "-":
        _show(found, (reference, ours), sides)
    return EXIT_OK if found.equal else EXIT_FAILED


class Side:
    """The part of one capture that is compared, like a `conversations.Boot`. `programs`: how many
    the boot has."""

    def __init__(self, dhcp, conversations, client, programs):
        self.dhcp = dhcp
        self.conversations = conversations
        self.client = client
        self.programs = programs


def _side(path, client_name, boot_number, stage, file_name, notes):
    from pxebench.captures import conversations

    capture = conversations.read(path)
    place = show(path)
    known = [client for client in capture.clients if client_name and client.is_(client_name)]
    one = len([client for client in capture.clients if client.conversations]) == 1
    client = capture.client(None if one and not known else client_name)
    notes += [f"{place}: {note}" for note in capture.notes_on(client)]
    boots = [programs for programs in client.power_ons() if any(talks for _, talks in programs)]
    boots = boots or client.power_ons()
    number = boot_number or 1
    if not 1 <= number <= len(boots):
        raise Refused(f"{place} has {_count(len(boots), 'boot')}, no boot {number} (--boot).")
    if len(boots) > 1 and boot_number is None:
        notes.append(f"{place} has {len(boots)} boots; the first is compared (--boot).")
    programs = boots[number - 1]
    count = len(programs)
    if stage is not None and len(programs) > 1:
        if not 1 <= stage <= len(programs):
            there = _count(len(programs), "program")
            raise Refused(f"{place} has {there} in that boot, no number {stage} (--stage).")
        before = programs[stage - 2][0] if stage > 1 else None
        programs = programs[stage - 1 : stage]
        dhcp = programs[0][0].dhcp if programs[0][0] is not before else []
    else:
        dhcp = [pair for boot in dict.fromkeys(boot for boot, _ in programs) for pair in boot.dhcp]
        if len(programs) > 1:
            names = ", ".join(show(str(part[0].file)) for _, part in programs if part)
            notes.append(
                f"{place} has {len(programs)} programs in turn, whose first files are {names}; "
                f"compare one with --stage."
            )
    talks = [talk for _, part in programs for talk in part]
    if file_name is not None:
        talks = [talk for talk in talks if talk.file == file_name]
        if not talks:
            raise Refused(f"{place} has no request for {show(file_name)}.")
    return Side(dhcp, talks, client, count)


def _as_json(found, paths, sides, tolerance):
    return {
        "equal": found.equal,
        "tolerance": {"percent": tolerance.percent, "ms": tolerance.ms},
        **{
            name: {
                "file": path,
                "client": {"macs": side.client.macs, "ips": side.client.ips},
                "transfers": len(side.conversations),
                "packets": sum(len(talk.packets) for talk in side.conversations),
                "dhcp": sum(not message.reply for _, message in side.dhcp),
            }
            for name, path, side in zip(("reference", "ours"), paths, sides, strict=True)
        },
        "differences": [difference.as_json() for difference in found.differences],
        "sections": [
            {"title": title, "rows": list(_rows_as_json(rows))} for title, rows in found.sections
        ],
        "notes": found.notes,
    }


def _rows_as_json(rows):
    # Both captures' packet for each row of the picture, or the number of rows left out: of equal
    # rows all but a few, of different ones the middle of a long run.
    kept = _LONG_RUN // 2  # at each end of a long run
    for mark, run in groupby(_folded(rows), key=lambda row: row[2]):
        run = list(run)
        if mark is None:
            yield {"left_out": run[0][3], "mark": "same"}
        elif len(run) <= _LONG_RUN:
            yield from map(_row_as_json, run)
        else:
            yield from map(_row_as_json, run[:kept])
            yield {"left_out": len(run) - 2 * kept, "mark": mark}
            yield from map(_row_as_json, run[-kept:])


def _row_as_json(row):
    reference, ours, mark, _ = row
    return {"reference": _event_as_json(reference), "ours": _event_as_json(ours), "mark": mark}


def _event_as_json(event):
    return event and {"at_s": round(event.at, 6), "out": event.out, "text": event.label}


# ---- output


def _show(found, paths, sides):
    from pxebench.view import Writer

    out = Writer(sys.stdout)
    if out.is_terminal():
        _side_by_side(found, paths)
    for difference in found.differences:
        out.line(f"{difference.kind:<8} {show(difference.text)}")
    for note in found.notes[:_NOTES]:
        out.line("note     " + one_sentence(note))
    if len(found.notes) > _NOTES:
        out.line(f"note     ... and {len(found.notes) - _NOTES} more; --json has them all.")
    out.line(_verdict(found, sides))


def _verdict(found, sides):
    if found.differences:
        return f"Different: {_count(len(found.differences), 'difference')}."
    talks = len(sides[0].conversations)
    packets = sum(len(talk.packets) for talk in sides[0].conversations)
    dhcp = sum(not message.reply for _, message in sides[0].dhcp)
    more = f" and {_count(dhcp, 'DHCP packet')}" if dhcp and sides[1].dhcp else ""
    return f"Equal: {_count(talks, 'transfer')} with {_count(packets, 'packet')}{more}."


def _count(number, noun):
    return f"{number} {noun}{'s' * (number != 1)}"


def _side_by_side(found, paths):
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    system = "auto" if colour.wanted(sys.stdout) else None
    console = Console(color_system=system, highlight=False)
    for title, rows in found.sections:
        table = Table(box=box.SIMPLE_HEAD, title=Text(show(title)), title_justify="left")
        for path in paths:
            table.add_column("s", justify="right", style="dim")
            table.add_column(Text(show(path)), overflow="fold")
        for left, right, mark, folded in _folded(rows):
            if folded:
                text = Text(f"... {folded} alike", style="dim")
                table.add_row("", text, "", text)
                continue
            style = _COLOURS.get(mark, "bold red")
            cells = []
            for event in (left, right):
                cells.append(f"{event.at:.3f}" if event else "")
                cells.append(Text(_label(event), style=style))
            table.add_row(*cells)
        console.print(table)


def _label(event):
    if event is None:
        return "-"
    arrow = "->" if event.out else "  <-"
    return f"{arrow} {show(event.label)}"


def _folded(rows):
    # (left, right, mark, 0) to show, or (None, None, None, number) for equal ones left out.
    shown = set()
    for index, row in enumerate(rows):
        if row[2] != "same":
            shown.update(range(index - _KEPT, index + _KEPT + 1))
    shown.update(range(_KEPT))
    shown.update(range(len(rows) - _KEPT, len(rows)))
    left_out = 0
    for index, row in enumerate(rows):
        if index not in shown:
            left_out += 1
            continue
        if left_out:
            yield None, None, None, left_out
            left_out = 0
        yield *row, 0
