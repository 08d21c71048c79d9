"""The command `pxebench`: what it takes, and the one place where an error becomes a sentence.

Every command imports what it needs when it runs.  What a command does stands elsewhere: `job`
makes jobs, `endpoints` run them, `view` and `capture` show them, `roms` and `serve` do their own.

1. Exit codes: 0 booted, 1 the boot failed, 2 wrong usage or a bad input file, 3 the bench is not
   in order, 130 Ctrl-C.
2. stdout carries what was asked for (the ROM's screen, or JSON), stderr what the bench says.
3. No traceback reaches a user; PXEBENCH_DEBUG=1 shows it to whoever wants to report a bug.
"""

import errno
import os
import signal
import sys

import click

from pxebench import __version__, job
from pxebench.board_cli import board, read_config
from pxebench.boot_cli import boot
from pxebench.compare_cli import compare
from pxebench.compat_cli import compat
from pxebench.diagnose_cli import diagnose
from pxebench.faults import fault_options
from pxebench.faults import parse as parse_faults
from pxebench.job import (
    EXIT_BENCH,
    EXIT_FAILED,
    EXIT_INTERRUPTED,
    EXIT_OK,
    EXIT_USAGE,
    Refused,
    show,
)
from pxebench.learn_cli import learn
from pxebench.options import ENDPOINT, OUTPUT, ROM, SERVER_PCAP, address, all_of, milliseconds
from pxebench.report_cli import report
from pxebench.settings import adjust
from pxebench.sweep_cli import sweep

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)
_EXIT_PIPE = 128 + signal.SIGPIPE  # what a shell shows for a writer whose reader went away


@click.group(
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit codes: 0 booted, 1 the boot failed, 2 wrong usage or a bad input file, "
    "3 the bench is not in order, 130 Ctrl-C.",
)
@click.version_option(__version__, message="%(prog)s %(version)s")
def pxebench():
    """Boot over the network as a PXE ROM does, and see what went wrong on the way."""


@pxebench.command(short_help="Fetch one file over TFTP, as a ROM does.")
@click.argument("url", metavar="tftp://HOST[:PORT]/FILE")
@all_of(ROM, ENDPOINT)
@click.option("--bind", metavar="IP", help="The local address to send from.")
@all_of(OUTPUT, SERVER_PCAP)
@click.option("--blksize", type=int, metavar="N", help="Block size to ask for (8..65464). *")
@click.option("--windowsize", type=int, metavar="N", help="Blocks per ACK (1..65535). *")
@click.option("--timeout", type=float, metavar="SECONDS", help="First wait before a retry. *")
@click.option("--retries", type=int, metavar="N", help="How often to send again. *")
@click.option("--no-tsize", is_flag=True, help="Do not ask for the size. *")
@fault_options
def fetch(
    url, rom, endpoint, interpreter, mount, config, kind, out, json_path, pcap, quiet, **given
):
    """Fetch FILE from HOST as a ROM does: its ports, its options, its retries, its screen.

    Options marked * change a ROM that allows it, as `--rom standard` does.

    \b
    pxebench fetch tftp://10.0.0.1/undionly.kpxe
    pxebench fetch tftp://10.0.0.1/undionly.kpxe --rom os-client --out image
    pxebench fetch tftp://10.0.0.1/undionly.kpxe --endpoint micropython --pcap boot.pcap
    pxebench fetch tftp://10.0.0.1/undionly.kpxe --fault lose-ack:20 --fault double-ack --seed 7
    """
    host, port, file = job.parse_url(url)
    wanted = job.load_rom(rom)
    settings = {name: given[name] for name in ("blksize", "windowsize", "timeout", "retries")}
    settings["tsize"] = False if given["no_tsize"] else None
    adjusted = adjust(wanted, settings)
    options = {
        "bind": address(given["bind"], "--bind"),
        "out": out,
        "max_bytes": given["max_bytes"],
        "max_time_ms": milliseconds("--max-time", given["max_time"]),
        "trace": bool(pcap or given["server_pcap"]),
        "faults": parse_faults(given["faults"], given["seed"]),
    }
    check_targets({"--out": out, "--json": json_path, "--pcap": pcap})

    from pxebench.endpoints import open_endpoint

    run = open_endpoint(endpoint, interpreter, read_config(config), mount, kind)
    server = job.resolve(host, options["max_time_ms"])
    by_id = adjusted is wanted and rom == job.value(wanted["id"])
    fetch_job = job.fetch_job(rom if by_id else adjusted, server, port, file, **options)
    kind, flat = endpoint.partition(":")[0], job.flat(adjusted)
    return run_job(run, kind, fetch_job, flat, json_path, pcap, quiet, given["server_pcap"])


@pxebench.group(
    invoke_without_command=True, short_help="List the ROMs; show one and its evidence."
)
@click.option("--json", "as_json", is_flag=True, help="The list as JSON.")
@click.pass_context
def roms(context, as_json):
    """List the ROMs that pxebench can be, with how well each is known."""
    if context.invoked_subcommand is None:
        from pxebench import roms as known

        known.list_all(as_json)


@roms.command("show", short_help="Every fact of one ROM, with its evidence.")
@click.argument("rom", metavar="ID|FILE.json")
@click.option("--json", "as_json", is_flag=True, help="The ROM file, as JSON.")
def roms_show(rom, as_json):
    """Show every fact that a ROM file states, how well it is known, and from where."""
    from pxebench import roms as known

    known.show_one(rom, as_json)


@pxebench.command(short_help="Serve a folder over TFTP, for the bench.")
@click.argument("directory", metavar="DIR")
@click.option("--bind", default="0.0.0.0", metavar="IP", help="The local address to listen on.")
@click.option("--port", type=int, default=69, show_default=True, metavar="N", help="UDP port.")
@click.option("--json", "json_lines", is_flag=True, help="Each transfer as one line of JSON.")
def serve(directory, bind, port, json_lines):
    """Serve the files below DIR over TFTP until Ctrl-C, with a line for each transfer.

    It reads only, knows blksize and tsize, and is meant for a desk; in production use in.tftpd.
    """
    if not 0 < port < 65536:
        raise Refused(f"--port takes a whole number from 1 to 65535, not {port}.")
    from pxebench import serve as server

    server.run(directory, address(bind, "--bind"), port, json_lines)


pxebench.add_command(board)
pxebench.add_command(boot)
pxebench.add_command(compare)
pxebench.add_command(compat)
pxebench.add_command(diagnose)
pxebench.add_command(sweep)
pxebench.add_command(learn)
pxebench.add_command(report)


# ---- running a job


def run_job(run, kind, fetch_job, rom, json_path, pcap, quiet, server_pcap=()):
    """Run a job and show it; the exit code. `run`: of `open_endpoint`; `rom`: flat, its screen;
    `server_pcap`: captures made further on, to be read when the boot is over."""
    from pxebench.endpoints import completed
    from pxebench.record import Record, client_address, command
    from pxebench.view import View, Writer, summary

    to_stdout = json_path == "-"
    view = View(None if quiet or to_stdout else rom, progress=not quiet)
    known = job.Witness()
    listeners = [known.event, view.event]
    client = None  # a ROM that boots has no address yet
    if fetch_job["job"] == "fetch":
        client = client_address(fetch_job["server"], fetch_job.get("bind"))
    kept = Record(client) if json_path or server_pcap else None
    if kept:
        listeners.append(kept.event)
    capture = None
    if pcap:
        from pxebench.capture import Capture

        capture = Capture(client or "0.0.0.0", rom)
        listeners.append(capture.event)

    def on_event(event):
        for listener in listeners:
            listener(event)

    try:
        result = run(fetch_job, on_event)
    except KeyboardInterrupt:  # a second Ctrl-C, or one before the ROM was ready for it
        result = known.result({"by": "user", "after_ms": known.at_ms, "next": None})
        result["rom"] = result["rom"] or job.rom_id(fetch_job)
        result = completed(result, kind, known.start)
    finally:
        view.close()
    if fetch_job.get("faults") and not result["faults"]:  # it was ended before it could say
        result["faults"] = {"asked": dict(fetch_job["faults"])}
        result["faults"]["seed"] = result["faults"]["asked"].pop("seed")

    # A success is in the JSON already; a failure is explained in any case.
    code = job.exit_code(result)
    if code != EXIT_OK or not (quiet or to_stdout):
        say = Writer(sys.stderr)
        for line in summary(result, fetch_job["sink"].get("path")):
            say.line(line)
    if capture:
        _store("--pcap", pcap, lambda: capture.write(pcap))
    client = client or (result["lease"] or {}).get("ip")
    silent = code == EXIT_FAILED and (result["status"] or {}).get("code") in ("PXE-E32", "PXE-E18")
    if silent and client and not server_pcap and not client.startswith("127."):
        from pxebench.path import tcpdump

        say.line(f"  decide   {tcpdump(client)}")
        say.line("           run at the server during a boot with --server-pcap server.pcap, it")
        say.line("           says whether the requests arrive there and the answers are dropped.")
    events = kept.events() if kept else []
    unread = None
    if server_pcap:
        from pxebench import path, path_words

        server = fetch_job.get("server") or (result.get("boot") or {}).get("server")
        try:
            result["path"] = path.of_run(events, server_pcap, client, server)
        except Refused as refused:  # the boot is worth its JSON all the same
            unread = refused
        else:
            for line in path_words.lines(result["path"]) if not to_stdout else ():
                Writer(sys.stderr).line(line)
    if json_path:
        result = {**result, "command": command(), "events": job.ordered(events)}
        _store("--json", json_path, lambda: _write_json(json_path, result))
    if unread:
        raise unread
    return code


def _write_json(path, result):
    from pxebench.record import as_text

    text = as_text(result)
    if path == "-":
        if sys.stdout is None:
            raise OSError(errno.EBADF, "standard output is closed")
        sys.stdout.write(text)
        sys.stdout.flush()
        return
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def _store(option, path, write):
    try:
        write()
    except OSError as error:
        reason = error.strerror or error
        path = "standard output" if path == "-" else path
        raise Refused(f"Cannot write {show(path)} for {option}: {reason}.", EXIT_BENCH) from None


def check_targets(targets):
    """Refuse before the boot what could not be written after it."""
    taken = {}
    for option, path in targets.items():
        if path is None or (path == "-" and option == "--json"):
            continue
        place = os.path.abspath(path)
        if place in taken and not place.startswith("/dev/"):
            raise Refused(f"{taken[place]} and {option} both name {show(path)}.")
        taken[place] = option
        if option == "--out":
            continue  # the firmware's sink knows best what it needs
        if os.path.isdir(path):
            raise Refused(f"Cannot write {show(path)} for {option}: Is a directory.", EXIT_BENCH)
        target = path if os.path.exists(path) else os.path.dirname(place)
        if not os.path.exists(target):
            raise Refused(
                f"Cannot write {show(path)} for {option}: there is no folder {show(target)}.",
                EXIT_BENCH,
            )
        if not os.access(target, os.W_OK):
            raise Refused(f"Cannot write {show(path)} for {option}: no permission.", EXIT_BENCH)


# ---- the guard


def main(arguments=None):
    """The entry point: runs the command line and leaves with its exit code."""
    for number in (signal.SIGTERM, signal.SIGHUP):  # to be ended is to be ended in good order
        if signal.getsignal(number) == signal.SIG_DFL:
            signal.signal(number, _terminated)
    while os.open(os.devnull, os.O_RDWR) < 3:  # else a socket would take a closed stream's place
        pass
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # a C locale is no reason to fail
    code = _guarded(arguments)
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError as error:
        # The interpreter would flush once more on its way out, and complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        if code == EXIT_OK and not isinstance(error, BrokenPipeError):
            _say(f"Cannot write to standard output: {error.strerror}.")
            code = EXIT_BENCH
    sys.exit(code)


def _terminated(*_):
    raise KeyboardInterrupt


def _guarded(arguments):
    try:
        return pxebench.main(arguments, "pxebench", standalone_mode=False) or EXIT_OK
    except Refused as error:
        _say(error.message)
        return error.exit_code
    except click.ClickException as error:
        if type(error).__name__ == "NoArgsIsHelpError":  # click 8.2 and later
            error.show()
            return EXIT_USAGE
        place = f" (see `{error.ctx.command_path} -h`)" if getattr(error, "ctx", None) else ""
        _say(show(error.format_message()).rstrip(".") + place + ".")
        return EXIT_USAGE
    except (click.Abort, KeyboardInterrupt):
        _say("Interrupted.")
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        return _EXIT_PIPE
    except OSError as error:
        if error.errno not in _NO_ROOM or os.environ.get("PXEBENCH_DEBUG"):
            return _bug(error)
        _say(f"Cannot write to standard output: {error.strerror}.")
        return EXIT_BENCH
    except Exception as error:  # noqa: BLE001 - the one place where a user is told
        return _bug(error)


def _bug(error):
    if os.environ.get("PXEBENCH_DEBUG"):
        raise error
    _say(
        f"This is a bug in pxebench: {type(error).__name__}: {show(str(error))} "
        f"(set PXEBENCH_DEBUG=1 to see where, and please report it)."
    )
    return EXIT_BENCH


def _say(sentence):
    from pxebench.view import Writer

    Writer(sys.stderr).line("pxebench: " + sentence)
