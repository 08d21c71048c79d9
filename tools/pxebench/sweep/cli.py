"""The command `pxebench sweep`: which client ports get an answer from a server."""

import sys

import click

from pxebench import headings, outputs
from pxebench.job import Refused
from pxebench.options import Time, all_of, span
from pxebench.sweep import port_names
from pxebench.target import TARGET, finish, open_target

_BISECT = "1024-65535"


@headings.command(short_help="Which client ports get an answer.")
@all_of(TARGET)
@click.option(
    "--ports", metavar="LIST", help=f"Client ports to ask from (default {port_names.DEFAULT})."
)
@click.option(
    "--bisect",
    is_flag=True,
    help=f"Find the border port between the ends of --ports (default {_BISECT}) in few RRQs.",
)
@click.option(
    "--rate",
    type=click.FloatRange(0.1, 100),
    default=10,
    show_default=True,
    metavar="N",
    help="RRQs a second, most.",
)
@click.option(
    "--most",
    type=click.IntRange(1),
    default=512,
    show_default=True,
    metavar="N",
    help="Ports in all, at most.",
)
@click.option(
    "--wait",
    type=Time(),
    help="For an answer (default: three times what a first one took, 0.2 to 1 s).",
)
@click.option("--plain", is_flag=True, help="Ask without any option (default: tsize, as ROMs do).")
def sweep(json_path, quiet, **given):
    """Send one RRQ from each client port, and see which get an answer, how fast, and from where.

    Each conversation is ended with an ERROR; a port that is silent is asked once more. Exit code
    0: every port got an answer, 1: not every one.

    \b
    pxebench sweep tftp://10.0.0.1/undionly.kpxe
    pxebench sweep tftp://10.0.0.1/undionly.kpxe --ports 2070-2078,49152
    pxebench sweep tftp://10.0.0.1/undionly.kpxe --bisect
    """
    from pxebench.live import Line
    from pxebench.sweep import sweep
    from pxebench.view import Writer

    bisect, rate = given["bisect"], given["rate"]
    text = given["ports"] or (_BISECT if bisect else port_names.DEFAULT)
    ports = port_names.parse(text, None if bisect else given["most"])
    if bisect and len(ports) < 2:
        raise Refused("--bisect needs a range: --ports takes its two ends, as 1024-65535.")
    wait_ms = given["wait"]
    outputs.check({"--json": json_path})
    options = [] if given["plain"] else [["tsize", "0"]]
    line = Line(Writer(sys.stderr), quiet)
    target = open_target(given, line)
    counter = _Counter(line, ports, bisect)
    try:
        result = sweep.sweep(*(target, ports, options, wait_ms, rate, bisect), on_ask=counter.ask)
    finally:
        line.hide()
    result["settings"]["ports"] = text
    if json_path != "-":
        _show(result, Writer(sys.stdout), quiet)
    return finish(result, json_path)


def _show(result, out, quiet):
    from pxebench.job import show
    from pxebench.sweep import strip

    if not quiet:
        out.line(f"RRQs for {show(result['file'])} to {result['server']}:{result['server_port']}")
        for line in strip.lines(result["ports"], out.stream):
            out.line(line)
    for sentence in result["summary"]:
        out.line(sentence)
    if result["ended"]:
        out.line("It was ended before every port had been asked.")


class _Counter:
    """The progress of a sweep and the time left, on one line of a terminal."""

    def __init__(self, line, ports, bisect):
        self.line = line
        self.ports = frozenset(ports)
        self.total = None if bisect else len(ports)
        self.seen = set()
        self.silent = set()

    def ask(self, ask, left_ms):
        port, answer = ask["port"], ask["answer"]
        if self.total is None or port in self.ports:
            self.seen.add(port)
        (self.silent.add if answer == "silent" else self.silent.discard)(port)
        of = f" of {self.total}" if self.total else ""
        words = f"{len(self.seen)}{of} ports: {port_names.named(port)} {answer}"
        if self.total:
            again = f", {len(self.silent)} silent" if self.silent else ""
            words += f"{again}; about {span(max(1000, round(left_ms, -3)))} more"
        self.line.show(words)

    def pause(self):
        words = "the server serves few at once: waiting until it is done with some"
        self.line.show(f"{len(self.silent)} silent; {words}", "Ctrl-C says what is known")
