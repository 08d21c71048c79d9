"""The commands `pxebench board ...`: their options; the other modules here do the work.

1. PORT and --port take what mpremote takes; without one there must be one board only.
2. stdout has what was asked for, stderr the progress.
"""

import json
import sys

import click

from pxebench import headings, images, outputs
from pxebench.job import EXIT_BENCH, EXIT_FAILED, EXIT_OK, Refused, show
from pxebench.options import CONFIG, KIND, VERBOSE, Size, Time, all_of, complete_rom, read_config
from pxebench.record import headed

_PORT = "The board's port: a device, auto, id:SERIAL, rfc2217://HOST:PORT or place:NAME."


def port_option(command):
    """--port, the same for every command."""
    return click.option(
        "-p", "--port", default="auto", show_default=True, metavar="PORT", help=_PORT
    )(command)


@headings.group(short_help="Find, flash, fill, use and test boards.")
def board():
    """Work with boards on serial ports: an ESP32, a Pico W, a W5500-EVB-Pico.

    \b
    pxebench board list
    pxebench board flash --firmware RPI_PICO_W-20250911-v1.26.1.uf2
    pxebench board deploy --config config.json --rom intel-undi
    pxebench board run tftp://10.0.0.1/undionly.kpxe
    """


@board.command("list", short_help="The ports, and what board is on each.")
@click.argument("ports", nargs=-1, metavar="[PORT]...")
@click.option("--no-ask", is_flag=True, help="Go by the USB ids; leave the boards in peace.")
@click.option("--json", "as_json", is_flag=True, help="The list as JSON.")
def list_boards(ports, no_ask, as_json):
    """List the boards on USB serial ports, or on the PORTs named.

    A board is asked what it is, which ends the program that it runs; with --no-ask it is not.
    Only ports whose USB ids are those of a board are asked, and those that are named. Exit code
    3: on a PORT that was named there is no board that answers.
    """
    from pxebench.board import listing

    rows = listing.rows(ports, not no_ask)
    # A port that was named and has no board is an error.
    code = EXIT_BENCH if ports and any(row["trouble"] for row in rows) else EXIT_OK
    if as_json:
        click.echo(json.dumps(headed("board-list", {"boards": rows}), indent=2))
        return code
    for line in listing.lines(rows):
        click.echo(line)
    return code


@board.command("flash", short_help="Put MicroPython on a board.")
@port_option
@KIND
@click.option("--firmware", metavar="FILE", help="A .uf2 or .bin file (else the cached one).")
@click.option("--drive", metavar="DIR", help="Where the boot drive of an RP2 is mounted.")
@click.option("--erase", is_flag=True, help="ESP32: erase all of the flash first.")
@click.option("--dry-run", is_flag=True, help="Check the file and say what would be done.")
def flash_command(port, kind, firmware, drive, erase, dry_run):
    """Put MicroPython on a board, by its own boot loader.

    The file is checked first: its shape, its chip, its version, and that it was made for the
    board. A board that runs no MicroPython yet has to be named with --board.
    """
    from pxebench.board import flash, kinds
    from pxebench.board.connection import Board

    if kind:
        wanted = kinds.kind(kind)
    else:
        with Board(port) as found:
            wanted = found.kind
            if wanted is None:
                raise Refused(
                    f"{show(found.who['machine'])} is a board not known here: name its kind with "
                    f"--board."
                )
    chosen = flash.choose(wanted, firmware)
    _say(
        f"{show(str(chosen.path))}: MicroPython {chosen.version} for the {chosen.chip}, fit for "
        f"{wanted.name}."
    )
    if dry_run:
        return
    if chosen.format == "uf2":

        def restart():
            # A board that runs MicroPython can start its own boot loader.
            try:
                with Board(port) as running:
                    running.restart("import machine\nmachine.bootloader()")
            except Refused:
                return False
            return True

        flash.write_uf2(chosen, wanted, drive, restart, _say)
    else:
        flash.write_esp(chosen, kinds.find(port), erase, _say)
    flash.keep(chosen, wanted)
    _say("The board restarts by itself; next: `pxebench board deploy`.")


@board.command("deploy", short_help="Copy pxerom to a board.")
@port_option
@KIND
@CONFIG
@click.option(
    "--rom",
    "roms",
    multiple=True,
    metavar="ID|FILE.json",
    shell_complete=complete_rom,
    help="A ROM to take along, may be given several times; without it, those that are there stay.",
)
@click.option("--no-compile", is_flag=True, help="Copy sources, not .mpy files.")
@click.option("--dry-run", is_flag=True, help="Say what would be done, and do nothing.")
def deploy_command(port, kind, config, roms, no_compile, dry_run):
    """Copy pxerom, the board's link module, main.py and ROMs to a board: only what changed.

    config.json stays as it is on the board, unless --config gives another. --dry-run with --board
    needs no board.
    """
    from pxebench.board import kinds
    from pxebench.board.connection import Board
    from pxebench.board.deploy import Plans, deploy, foresee

    plans = Plans(read_config(config), config, roms, kind, not no_compile)
    if dry_run and plans.kind and port == "auto" and not kinds.ports():
        foresee(plans, click.echo)
        return
    with Board(port) as target:
        deploy(target, plans.of(target), dry_run, click.echo)


@board.command(short_help="Run a job on a board.")
@click.argument("wanted", metavar="tftp://HOST[:PORT]/FILE|JOB.json")
@port_option
@KIND
@CONFIG
@click.option(
    "--rom",
    default="intel-undi",
    show_default=True,
    metavar="ID|FILE.json",
    shell_complete=complete_rom,
)
@click.option("--mount", is_flag=True, help="Take pxerom from this PC; leave the flash alone.")
@click.option("-o", "--out", metavar="FILE", help="Store the file, on this PC.")
@click.option("--max-time", type=Time(), help="End the boot after so long.")
@click.option("--json", "json_path", metavar="FILE|-", help="Write the result as JSON.")
@click.option("--pcap", metavar="FILE", help="Write the packets as a capture for Wireshark.")
@all_of(VERBOSE)
@click.option("-q", "--quiet", is_flag=True, help="No ROM screen, no progress, no summary.")
def run(wanted, port, kind, config, rom, mount, out, max_time, json_path, pcap, verbose, quiet):
    """Fetch a file on a board, as `pxebench fetch --endpoint serial:PORT` does, or run a job.

    The ROM's screen is live, the result and the capture are written on this PC.
    """
    from pxebench import job
    from pxebench.boot import boot_job
    from pxebench.endpoints import open_endpoint
    from pxebench.running import run_job

    max_time_ms = max_time
    outputs.check({"--out": out, "--json": json_path, "--pcap": pcap})
    settings = read_config(config)
    if wanted.endswith(".json") and "://" not in wanted:
        todo = _read_job(wanted)
        rom = job.rom_id(todo)
        loaded = todo["rom"] if isinstance(todo["rom"], dict) else job.load_rom(rom)
        boots = todo["job"] == "boot" and job.value(loaded.get("dhcp"))
        flat = (boot_job if boots else job).flat(loaded)  # else the board says what is missing
        for name, given in (("max_time_ms", max_time_ms), ("trace", pcap is not None or None)):
            if given is not None:
                todo[name] = given
        if out:
            todo["sink"] = {"kind": "file", "path": out}
    else:
        host, number, file = job.parse_url(wanted)
        loaded = job.load_rom(rom)
        flat = job.flat(loaded)
        server = job.resolve(host, max_time_ms)
        by_id = rom == job.value(loaded["id"])
        todo = job.fetch_job(
            rom if by_id else loaded,
            server,
            number,
            file,
            out=out,
            max_time_ms=max_time_ms,
            trace=pcap is not None,
        )
    endpoint = open_endpoint("serial:" + port, config=settings, mount=mount, kind=kind)
    return run_job(
        endpoint,
        todo,
        flat,
        json_path,
        pcap,
        quiet,
        starts=images.Starts(loaded, todo["job"] == "boot"),
        verbose=verbose,
        words=["--rom", rom, "--endpoint", f"serial:{port}"],
    )


def _read_job(path):
    todo = read_config(path)
    for name, kind in (("server", str), ("file", str), ("rom", (str, dict))):
        if not isinstance(todo.get(name), kind):
            raise Refused(f"{show(path)} is no job: its {name} is missing, or of another kind.")
    todo.setdefault("job", "fetch")
    todo.setdefault("port", 69)
    sink = todo.setdefault("sink", {"kind": "null"})
    if not isinstance(sink, dict) or sink.get("kind") == "file" and not sink.get("path"):
        raise Refused(f"{show(path)} is no job: its sink must be an object, a file has a path.")
    return todo


@board.command(short_help="Run the core's tests on a board.")
@click.argument("modules", nargs=-1, metavar="[MODULE]...")
@port_option
@click.option("--json", "as_json", is_flag=True, help="The outcomes as JSON.")
def test(modules, port, as_json):
    """Run pxerom's own tests on the board: all of them, or those of the MODULEs named.

    They lie in a folder of the board's flash as long as they run, where it has room. A test that
    needs more memory than the board has, or the address 127.0.0.1 where there is none, is counted,
    and is no failure.
    """
    import tempfile

    from pxebench.board import suite
    from pxebench.board.connection import Board

    outcomes = []

    def outcome(one):
        outcomes.append(one)
        if one.outcome == "failed":
            _say(f"FAILED {one.name}")
            for line in (one.text or "").rstrip().splitlines():
                _say("    " + show(line))

    def module(name):
        count = len(suite.modules()[name])
        _say(f"{name}: {count} tests")

    with tempfile.TemporaryDirectory(prefix="pxebench-") as folder, Board(port) as target:
        suite.check(modules)
        suite.stage(folder, target, modules)
        suite.run(target, folder, modules, outcome, module)
        machine = show(target.who["machine"])
    counts = {kind: sum(o.outcome == kind for o in outcomes) for kind in suite.OUTCOMES}
    if as_json:
        tests = [{name: getattr(o, name) for name in suite.FIELDS} for o in outcomes]
        result = {"board": machine, "counts": counts, "tests": tests}
        click.echo(json.dumps(headed("board-test", result), indent=2))
    else:
        lacking = counts["no memory"]
        more = f", {lacking} need more memory than it has" if lacking else ""
        alone = counts["no loopback"]
        more += f", {alone} need 127.0.0.1, which it has not" if alone else ""
        click.echo(f"{counts['ok']} passed, {counts['failed']} failed{more} on {machine}.")
    return EXIT_FAILED if counts["failed"] else EXIT_OK


@board.command(short_help="Start a board that is not there, and print its port.")
@click.option(
    "--board",
    "kind",
    type=click.Choice(["w5500_evb_pico"]),
    help="That board's own firmware, on an emulated RP2040.",
)
@click.option("--flash", metavar="DIR", help="Keep its flash there (else it is gone at the end).")
@click.option("--tap", metavar="IF", help="Its cable: this TAP interface, in place of QEMU's NAT.")
@click.option("--heap", type=Size(), help="MicroPython's heap (190K).")
@click.option("--slow-flash", is_flag=True, help="45 ms for an erased block, 0.5 ms for a page.")
@click.option("--micropython", "version", metavar="VERSION", help="1.25, or 1.26.")
def emulate(kind, flash, tap, heap, slow_flash, version):
    """Start an emulated board: MicroPython on a Cortex-M3, with the network stack of an RP2.

    It is built in a clone of pxerom, and is a board for every command here: deploy to the port
    that this one prints (as --board w5500_evb_pico, or rpi_pico_w), run, test, fetch. Ctrl-C
    switches it off.

    Without --tap it is behind QEMU's NAT: this PC is 10.0.2.2, and every server that this PC can
    reach is reached, by its own address.

    With --board w5500_evb_pico it is MicroPython's firmware for that board, on an emulated RP2040.
    There is no NAT: without --tap its cable leads nowhere.
    """
    import tempfile

    if kind:
        if heap or slow_flash or version:
            raise Refused("--heap, --slow-flash and --micropython do not go with --board.")
        return _emulate_rp2040(flash, tap)
    from pxebench.board.emulator import Emulator

    nic = f"tap,ifname={tap},script=no,downscript=no" if tap else "user"
    with (
        tempfile.TemporaryDirectory(prefix="pxebench-") as folder,
        Emulator(flash or folder, nic, version) as emulated,
    ):
        if heap:
            emulated.set(heap_bytes=heap)
        emulated.set(erase_us=45000 if slow_flash else 0, program_us=500 if slow_flash else 0)
        emulated.power_on()
        click.echo(emulated.port)
        _say(f"It is on. Try: pxebench board deploy --board w5500_evb_pico -p {emulated.port}")
        try:
            emulated.wait()
        except KeyboardInterrupt:
            _say("It is off.")
            return EXIT_OK
    _say("QEMU has ended by itself.")
    return EXIT_BENCH


def _emulate_rp2040(flash, tap):
    import os
    import tempfile

    from pxebench.board import rp2040js

    def on_port(port):
        click.echo(port)
        _say(f"It is on. Try: pxebench board deploy -p {port}")

    with tempfile.TemporaryDirectory(prefix="pxebench-") as folder:
        if flash:
            os.makedirs(flash, exist_ok=True)
        try:
            rp2040js.run(os.path.join(flash or folder, "rp2040.img"), tap, on_port)
        except KeyboardInterrupt:
            _say("It is off.")
            return EXIT_OK
    _say("The emulator has ended by itself.")
    return EXIT_BENCH


def _say(text):
    from pxebench.view import Writer

    Writer(sys.stderr).line(text)
