"""`pxebench compat`: the options, the table on a terminal, the files; `matrix` does the work."""

import sys
import time

import click

from pxebench import headings, job, outputs, prose, record
from pxebench.job import EXIT_BENCH, Refused, show
from pxebench.options import ENDPOINT, VERBOSE, IPv4, Time, all_of, complete_rom, read_config, span
from pxebench.target import FILE, take_url

_SIGNS = {"boots": ("yes", "green"), "fails": ("no", "red"), "not run": ("not run", "yellow")}


@headings.command(short_help="Boot as every ROM against one server: a table.")
@all_of(FILE)
@click.option(
    "--rom",
    "roms",
    multiple=True,
    metavar="ID|FILE.json",
    shell_complete=complete_rom,
    help="This ROM only; may be repeated (default: every ROM that there is).",
)
@click.option(
    "--max-time",
    type=Time(),
    default="30s",
    show_default=True,
    help="Stop each ROM after so long: some wait for minutes.",
)
@all_of(ENDPOINT)
@click.option("--bind", type=IPv4(), help="The local address to send from.")
@click.option("--json", "json_path", metavar="FILE|-", help="Write the table as JSON.")
@click.option("--html", "html_path", metavar="FILE", help="Write it as a page of its own.")
@all_of(VERBOSE)
@click.option("-q", "--quiet", is_flag=True, help="No progress.")
def compat(roms, max_time, endpoint, interpreter, mount, config, kind, bind, **given):
    """Boot as every ROM against a TFTP server, each in the worst form that it may have.

    That is with windowsize where the ROM may ask for it, and from a low port where it draws one.
    What fails so is tried in its milder form too. Exit code 0: every ROM boots; 1: some do not.

    \b
    pxebench compat tftp://10.0.0.1/undionly.kpxe
    pxebench compat 10.0.0.1/undionly.kpxe --rom grub --rom edk2 --html page.html
    """
    from pxebench.compat import matrix
    from pxebench.endpoints import open_endpoint
    from pxebench.live import Line
    from pxebench.roms import known
    from pxebench.view import Writer

    json_path, html_path = given["json_path"], given["html_path"]
    take_url(given)
    name, port, file = job.parse_url(f"tftp://{given['server']}/{_quoted(given['file'])}")
    wanted = [job.load_rom(each) for each in roms or known.ids()]
    options = {
        "bind": bind,
        "max_time_ms": max_time,
    }
    outputs.check({"--json": json_path, "--html": html_path})
    run_job = open_endpoint(endpoint, interpreter, read_config(config), mount, kind)
    server = job.resolve(name, options["max_time_ms"])

    told = _Progress(Line(Writer(sys.stderr), given["quiet"]), max_time)
    if given["verbose"]:
        from pxebench.packet_lines import PacketLines

        told.listener = PacketLines(told.line.above, record.client_address(server, bind)).event
    try:
        rows, interrupted = matrix.run(
            *(wanted, told.runs(run_job), server, port, file, options), told.start
        )
    finally:
        told.line.hide()
    where = endpoint.partition(":")[0]
    client = None if where == "serial" else record.client_address(server, bind)
    found = matrix.document(rows, server, port, file, where, client)
    if json_path != "-":
        _show(found)
    if json_path:
        outputs.store_json(json_path, {**found, "command": record.command()})
    if html_path:
        outputs.store("--html", html_path, lambda: _write_page(html_path, found))
    if interrupted:
        raise KeyboardInterrupt
    return matrix.exit_code(rows)


def _quoted(file):
    from urllib.parse import quote

    if not file:
        raise Refused("--file names no file.")
    return quote(file, safe="/")


class _Progress:
    """One line on stderr with the ROM that runs, and for how long."""

    def __init__(self, line, max_time_ms):
        self.line = line
        self.max_time_ms = max_time_ms
        self.listener = None
        self.words = ""
        self.began = 0

    def start(self, number, count, rom, words):
        words = f" ({words})" if words else ""
        self.words = f"{number} of {count}: {show(str(job.value(rom['id'])))}{words}"
        self.began = time.monotonic()
        self.line.show(self.words)

    def wait(self):
        lasts = round(time.monotonic() - self.began)
        if lasts >= 2:
            stops = f"{lasts} s, stopped after {span(self.max_time_ms)} (--max-time)"
            self.line.show(f"{self.words}, {stops}")

    def runs(self, endpoint):
        """The endpoint, with what shows the job while it runs."""

        def run(wanted, on_event):
            def both(event):
                on_event(event)
                self.listener(event)

            return endpoint(wanted, both if self.listener else on_event, on_wait=self.wait)

        return run


def _write_page(path, found):
    # The page of `pxebench report`, with this result alone.
    from pxebench.report import document, kinds

    section = kinds.KINDS["compat"](found, ())
    section["file"] = f"{found['file']} from {found['server']}"
    text = document.page([section])
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def _show(found):
    from pxebench import tables
    from pxebench.view import Writer

    if sys.stdout is None:
        raise Refused("Standard output is closed; --json FILE writes the table.", EXIT_BENCH)
    out = Writer(sys.stdout)
    out.line(f"{show(found['file'])} from {found['server']}:{found['port']}")
    out.line()
    rows = [
        (
            show(f"  {row['form_text']}" if row["form"] == "mild" else row["rom"]),
            _SIGNS[row["verdict"]],
            time_words(row),
            blksize_words(row),
            row["code"] or "",
            show(why_words(row)),
        )
        for row in found["rows"]
    ]
    head = ("ROM", "boots", "time", "blksize", "code", "why")
    tables.show(head, rows, sys.stdout, right=("time", "blksize"), folded=("ROM", "why"))
    out.line()
    for fact in found["server_facts"]:
        for line in prose.wrapped(show(fact)):
            out.line(line)


def time_words(row):
    """How long a ROM took: in ms below a second."""
    milliseconds = row["time_ms"]
    return f"{milliseconds} ms" if milliseconds < 1000 else f"{milliseconds / 1000:.1f} s"


def blksize_words(row):
    """The blksize in effect, and the window where there is one: `1468 x 4`."""
    if row["blksize"] is None:
        return ""
    window = row["windowsize"] or 1
    return f"{row['blksize']} x {window}" if window > 1 else str(row["blksize"])


def why_words(row):
    """The sentence of a row, with the form that its ROM had."""
    if row["form"] == "hard" and row["form_text"]:
        return f"With {row['form_text']}: {row['why'][:1].lower()}{row['why'][1:]}"
    return row["why"][:1].upper() + row["why"][1:]
