"""The commands `pxebench fleet ...`: boards of a rack, through labgrid.

1. Without `--tag`, all places; a place that another user holds is only listed in a row.
2. Acquired places are released, however it ends; after a SIGKILL: `fleet release --run NAME`.
3. Exit codes: 0 all boards that took part booted, 1 some did not, by server or path, 3 a board or
   the lab failed, 130 Ctrl-C.
"""

import contextlib
import json
import sys
import time

import click

from pxebench import headings, job, outputs
from pxebench.job import (
    EXIT_BENCH,
    EXIT_FAILED,
    EXIT_INTERRUPTED,
    EXIT_OK,
    Refused,
    show,
)
from pxebench.options import CONFIG, KIND, ROM, Size, Time, all_of, read_config
from pxebench.record import headed

_COORDINATOR = click.option(
    "-x", "--coordinator", metavar="HOST[:PORT]", help="The coordinator (else LG_COORDINATOR)."
)
_TAG = click.option(
    "--tag", "tags", multiple=True, metavar="NAME=VALUE", help="Places with this tag; repeatable."
)
_JSON = click.option("--json", "json_path", metavar="FILE|-", help="Write the result as JSON.")
_SAID = [
    click.option(
        "-v", "--verbose", is_flag=True, help="A line on stderr for each step of each board."
    ),
    click.option("-q", "--quiet", is_flag=True, help="Say only what came out of it."),
]
_TOGETHER = [
    click.option("--count", type=click.IntRange(1), metavar="N", help="So many boards at most."),
    click.option("--together", is_flag=True, help="All at once (the default)."),
    click.option(
        "--spread", type=Time(most_ms=3600000), help="They start evenly over that time."
    ),
    click.option(
        "--need", type=click.IntRange(1), metavar="N",
        help="Start nothing when fewer boards are ready.",
    ),
    click.option("--mount", is_flag=True, help="Run pxerom from this PC, not from the flash."),
    CONFIG,
    KIND,
    click.option("--max-bytes", type=Size(), help="Refuse a file that is larger."),
    click.option(
        "--max-time", type=Time(), default="5m", show_default=True,
        help="End each boot after so long.",
    ),
    click.option(
        "-o", "--out", metavar="DIR",
        help="Store what each board fetched as DIR/PLACE; over the line that takes its time.",
    ),
    click.option(
        "--pcap", metavar="DIR",
        help="Write the packets of each board as DIR/PLACE.pcap, for Wireshark.",
    ),
    _JSON,
    *_SAID,
]  # fmt: skip


@headings.group(short_help="A rack of boards through labgrid: fill them, boot them together.")
def fleet():
    """Use the boards of a rack at once; labgrid knows where they are and who holds them.

    \b
    pxebench fleet list --tag rack=1
    pxebench fleet deploy --tag rack=1 --config config.json --rom intel-undi
    pxebench fleet fetch tftp://10.0.0.1/undionly.kpxe --tag rack=1 --need 48
    pxebench fleet boot --tag rack=1 --spread 30 --json out.json
    """


@fleet.command("list", short_help="The places, and who holds them.")
@_TAG
@_COORDINATOR
@click.option("--json", "as_json", is_flag=True, help="The list as JSON.")
def list_places(tags, coordinator, as_json):
    """List the places with the tags given: free, held and by whom, or without a board."""
    from pxebench.fleet import taking
    from pxebench.lab.coordinator import session

    wanted = taking.tags_of(tags)
    with session(coordinator) as lab:
        found = taking.tagged(lab.places(), wanted)
    rows = [
        {
            "place": one.name,
            "tags": one.tags,
            "exporter": one.exporter,
            "state": "held" if one.acquired else "unready" if one.ports != 1 else "free",
            "held_by": one.acquired,
            "url": one.url,
            "trouble": one.trouble if one.told else None,
        }
        for one in found
    ]
    if as_json:
        click.echo(json.dumps(headed("fleet-list", {"places": rows}), indent=2))
        return
    width = max(len(show(row["place"])) for row in rows)
    for row in rows:
        state = f"held by {show(row['held_by'])}" if row["held_by"] else row["state"]
        words = " ".join(f"{show(name)}={show(value)}" for name, value in row["tags"].items())
        line = row["url"] or row["trouble"] or "its port comes with the acquire"
        where = f"{show(row['exporter'])} {line}" if row["exporter"] else "no exporter"
        click.echo(f"{show(row['place']):<{width}}  {state:<8}  {where}  {words}".rstrip())
    count = sum(row["state"] == "free" for row in rows)
    click.echo(f"{len(rows)} places, {count} free.")


@fleet.command(short_help="Copy pxerom to all free boards.")
@_TAG
@_COORDINATOR
@KIND
@CONFIG
@click.option("--rom", "roms", multiple=True, metavar="ID|FILE.json", help="A ROM to take along.")
@click.option("--count", type=click.IntRange(1), metavar="N", help="So many boards at most.")
@_JSON
@all_of(_SAID)
def deploy(tags, coordinator, kind, config, roms, count, json_path, verbose, quiet):
    """Copy pxerom to the free boards with the tags given, as `pxebench board deploy` does to one:
    only what changed, 16 boards at a time."""
    from pxebench.board.deploy import Plans, deploy
    from pxebench.fleet.members import Fleet
    from pxebench.fleet.progress import Progress

    outputs.check({"--json": json_path})
    plans = Plans(read_config(config), config, roms, kind)

    def fill(member, board):
        said = []
        deploy(board, plans.of(board), False, said.append)
        member.text = said[-1]
        return "deployed"

    progress = Progress(quiet, verbose)
    with _taken(tags, coordinator, count, quiet, progress) as taken:
        crew = Fleet(taken.places, fill, progress=progress)
        crew.each()
    rows = _rows(crew, taken)
    done = sum(row["state"] == "deployed" for row in rows)
    _say_unless(json_path, f"{done} of {len(crew.members)} boards have pxerom.", rows, taken)
    if json_path:
        kept = [
            {name: row[name] for name in ("place", "exporter", "state", "text")} for row in rows
        ]
        told = {"run": taken.run, "unreleased": taken.unreleased}
        outputs.store_json(json_path, headed("fleet-deploy", {**told, "boards": kept}))
    if crew.stopped:
        return EXIT_INTERRUPTED
    return EXIT_OK if crew.members and done == len(crew.members) else EXIT_BENCH


@fleet.command(short_help="Fetch one file on all free boards, together.")
@click.argument("url", metavar="tftp://HOST[:PORT]/FILE")
@_TAG
@_COORDINATOR
@all_of(ROM, _TOGETHER)
def fetch(url, tags, coordinator, rom, **given):
    """Fetch FILE from HOST on every free board with the tags given, started together.

    Each board is prepared first: its link comes up, its code is loaded. One byte starts each.
    """
    host, port, file = job.parse_url(url)
    loaded = job.load_rom(rom)
    server = job.resolve(host, 20000)
    by_id = rom == job.value(loaded["id"])
    wanted = job.fetch_job(
        rom if by_id else loaded, server, port, file,
        max_bytes=given["max_bytes"], max_time_ms=given["max_time"],
    )  # fmt: skip
    told = {"server": server, "server_port": port, "file": file}
    return _together(wanted, loaded, told, tags, coordinator, **given)


@fleet.command(short_help="Boot all free boards from nothing, DHCP first, together.")
@_TAG
@_COORDINATOR
@all_of(ROM, _TOGETHER)
def boot(tags, coordinator, rom, **given):
    """Boot every free board with the tags given by DHCP, each from its own link, started
    together; a menu takes what its time-out would take, and leases are given back."""
    from pxebench.boot import boot_job

    loaded = job.load_rom(rom)
    boot_job.flat(loaded)  # a ROM whose DHCP is not known is refused
    by_id = rom == job.value(loaded["id"])
    wanted = boot_job.boot_job(
        rom if by_id else loaded, None, release=True, menu="first",
        max_bytes=given["max_bytes"], max_time_ms=given["max_time"],
    )  # fmt: skip
    told = {"server": None, "server_port": None, "file": "what DHCP names"}
    return _together(wanted, loaded, told, tags, coordinator, **given)


@fleet.command(short_help="Give back what a run took that was killed.")
@click.option("--run", "run", required=True, metavar="NAME", help="As the run said at its start.")
@_COORDINATOR
def release(run, coordinator):
    """Release the places that the run NAME holds, and nothing else."""
    from pxebench.fleet.taking import release_run
    from pxebench.storm.summary import silent_lines

    released, failed, silent = release_run(run, coordinator)
    for name, why in failed.items():
        _say(f"{show(name)} could not be released: {show(why)}")
    for line in silent_lines(silent):
        _say(line)
    words = f": {', '.join(map(show, released))}" if released else ""
    click.echo(f"{len(released)} places released{words}.")
    return EXIT_BENCH if failed else EXIT_OK


# ---- what they share


def _together(wanted, rom, told, tags, coordinator, count, together, spread, need, **given):
    import resource

    from pxebench.board import kinds
    from pxebench.fleet import members
    from pxebench.fleet.files import Files
    from pxebench.fleet.progress import Progress
    from pxebench.fleet.taking import tags_of
    from pxebench.storm.limit import limit
    from pxebench.storm.summary import document, lines

    json_path, quiet = given["json_path"], given["quiet"]
    if together and spread:
        raise Refused("--together and --spread exclude one another.")
    outputs.check({"--json": json_path})
    kind = kinds.kind(given["kind"]) if given["kind"] else None
    config = read_config(given["config"])
    files = Files(given["out"], given["pcap"], job.flat(rom))
    work = members.boot(wanted, config, given["mount"], kind, files)
    progress = Progress(quiet, given["verbose"], given["max_time"])
    refused = None
    with _taken(tags, coordinator, count, quiet, progress) as taken:
        crew = members.Fleet(taken.places, work, job.rom_id(wanted), progress)
        used = resource.getrusage(resource.RUSAGE_SELF)
        began = time.monotonic()
        try:
            if need and len(taken.places) < need:
                raise Refused(
                    f"{len(taken.places)} of {len(taken.places) + len(taken.held)} places could "
                    f"be taken, and {need} are needed: nothing was started.", EXIT_BENCH
                )  # fmt: skip
            crew.together(need, (spread or 0) / 1000)
        except Refused as refusal:
            refused = refusal
        pc = _pc(crew, used, time.monotonic() - began)
    rows = _rows(crew, taken)
    part = [row for row in rows if row["state"] != "held"]
    asked = [row for row in part if row["requests"]]
    starts = [row["at_ms"] for row in part if row["at_ms"] is not None]
    found = document(
        rows, pc, limit(asked, {"cpu": 0, "lag_ms": 0}), "fleet", **told,
        run=taken.run, tags=tags_of(tags),
        started_within_ms=max(starts) - min(starts) if starts else None,
        unreleased=taken.unreleased, silent_exporters=taken.silent,
        ended={"by": "user"} if crew.stopped else None,
    )  # fmt: skip
    if json_path != "-":
        for line in (*lines(found), *files.lines(found["booted"])):
            click.echo(line)
        _unreleased(taken, sys.stdout)
    else:
        _unreleased(taken, sys.stderr)
    if json_path:
        from pxebench.record import command

        outputs.store_json(json_path, {**found, "command": command()})
    if crew.stopped:
        return EXIT_INTERRUPTED
    if refused:
        raise refused
    for trouble in files.troubles:
        _say(f"pxebench: {trouble}")
    return EXIT_BENCH if files.troubles else exit_code(part, need)


def exit_code(rows, need=None):
    """0, 1 or 3 for the rows of the boards that took part; with a `need` that was met, a board
    that never started takes no part."""
    states = {row["state"] for row in rows}
    if need:
        states -= {"dead", "unready"}
    if states & {"dead", "unready", "lost"}:
        return EXIT_BENCH
    return EXIT_OK if states == {"booted"} else EXIT_FAILED


@contextlib.contextmanager
def _taken(tags, coordinator, count, quiet, progress):
    """The free places with the tags, for as long as it lasts, as a `taking.Taken`."""
    from pxebench.endpoints.signals import Signals
    from pxebench.fleet.taking import Taken, tags_of

    taken = Taken(coordinator)
    try:
        progress.lab("asks the coordinator for places")
        taken.take(tags_of(tags), count)
        progress.lab(None)
        if not quiet:
            there = len(taken.places) + len(taken.held)
            progress.say(f"Run {taken.run}: {len(taken.places)} of {there} places taken.")
        yield taken
    finally:
        with Signals(lambda: None):  # a second Ctrl-C does not interrupt the release
            progress.lab(f"gives {len(taken.places)} places back")
            taken.give_back()
            progress.lab(None)


def _rows(crew, taken):
    rows = []
    for one in crew.members:
        row = one.kept.row
        state = one.state if one.over else "ended"  # it was never started
        row.update(place=one.place.name, exporter=one.place.exporter, state=state)
        if state not in ("booted", "failed"):
            row["outcome"] = state
        row["text"] = one.text or row["text"]
        row["result"] = one.result
        rows.append(row)
    from pxebench.storm.row import Row

    for place, why in taken.held:
        told = {"place": place.name, "exporter": place.exporter, "state": "held", "result": None}
        rows.append(Row(None, None, rom=crew.rom, outcome="held", text=why, **told).row)
    rows.sort(key=lambda row: row["place"])
    for number, row in enumerate(rows):
        row["id"] = number
    return rows


def _pc(crew, used, wall):
    import resource  # no Windows has it

    from pxebench.storm.row import BUCKET_MS

    now = resource.getrusage(resource.RUSAGE_SELF)
    cpu = now.ru_utime + now.ru_stime - used.ru_utime - used.ru_stime
    return {
        "cpu": round(cpu / max(wall, 0.001), 3),
        "memory_mb": now.ru_maxrss // 1024,
        "wall_s": round(wall, 3),
        "curve": crew.curve.steps(),
        "curve_ms": BUCKET_MS,
    }


def _say_unless(json_path, text, rows, taken):
    from pxebench.storm.summary import trouble_lines

    if json_path != "-":
        click.echo(text)
        for line in trouble_lines(rows):
            click.echo(line)
    _unreleased(taken, sys.stderr)


def _unreleased(taken, stream):
    from pxebench.storm.summary import silent_lines, unreleased_lines

    for line in (*silent_lines(taken.silent), *unreleased_lines(taken.unreleased, taken.run)):
        click.echo(line, file=stream)


def _say(text):
    from pxebench.view import Writer

    Writer(sys.stderr).line(text)
