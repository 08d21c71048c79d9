"""The command `pxebench doctor`: the checks that were asked for, their words, the exit code."""

import sys
import textwrap

import click

from pxebench import colour, headings, outputs
from pxebench.job import EXIT_BENCH, EXIT_OK, Refused, nearest, show

_SIGNS = {"ok": "ok", "lacks": "LACKS", "unknown": "?"}
_COLOURS = {"ok": "green", "lacks": "red", "unknown": "yellow"}


def _names(ctx, param, incomplete):
    from pxebench.doctor.checks import CHECKS

    return [name for name in CHECKS if name.startswith(incomplete)]


@headings.command(short_help="What this PC has for the bench, and what is missing.")
@click.argument("names", nargs=-1, metavar="[CHECK]...", shell_complete=_names)
@click.option(
    "--json",
    "json_path",
    metavar="FILE|-",
    help="Write the result as JSON; with - nothing else goes to stdout.",
)
def doctor(names, json_path):
    """Look at what pxebench needs of this PC; what lacks, which commands that costs, and the
    command that mends it.

    CHECK is one of python, micropython, rights, port-68, firewall, namespaces, tcpdump, gevent,
    netaddr, esptool, labgrid, serial-group, boards (default: all). It changes nothing, opens no
    board and sends no packet, but where labgrid is installed to its coordinator; `?` is what
    cannot be told. Exit code 0: nothing lacks of what was looked at, 3: something does.

    \b
    pxebench doctor
    pxebench doctor python micropython
    """
    from pxebench.doctor.checks import CHECKS
    from pxebench.record import headed
    from pxebench.view import Writer

    for name in names:
        if name not in CHECKS:
            near = nearest(name, CHECKS)
            meant = f"the nearest is {near}; " if near else ""
            raise Refused(
                f"There is no check {show(name)}; {meant}there are: {', '.join(CHECKS)}."
            )
    outputs.check({"--json": json_path})
    found = {name: CHECKS[name]() for name in dict.fromkeys(names or CHECKS)}
    lacking = [name for name, finding in found.items() if finding.state == "lacks"]
    if json_path != "-":
        out = Writer(sys.stdout)
        for line in _lines(found, lacking, colour.Paint(sys.stdout)):
            out.line(line)
    if json_path:
        result = {
            "outcome": "failed" if lacking else "ok",
            "checks": [{"name": name, **one._asdict()} for name, one in found.items()],
        }
        outputs.store_json(json_path, headed("doctor", result))
    return EXIT_BENCH if lacking else EXIT_OK


def _lines(found, lacking, paint):
    width = max(map(len, found))
    for name, finding in found.items():
        sign = paint(f"{_SIGNS[finding.state]:<5}", _COLOURS[finding.state])
        yield f"{sign}  {name:<{width}}  {finding.found}"
        if finding.costs:
            yield from textwrap.wrap(
                finding.costs, 79, initial_indent="       costs  ", subsequent_indent=" " * 14
            )
        if finding.mend:  # to be copied: on one line
            yield f"       mend   {finding.mend}"
    yield ""
    unknown = [name for name, finding in found.items() if finding.state == "unknown"]
    told = f"Lacking: {', '.join(lacking)}. " if lacking else "Nothing lacks. "
    yield (told + (f"Not known: {', '.join(unknown)}." if unknown else "")).rstrip()
