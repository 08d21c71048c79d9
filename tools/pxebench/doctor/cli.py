"""The command `pxebench doctor`: runs the checks, prints the findings, gives the exit code."""

import sys

import click

from pxebench import colour, headings, outputs, prose
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
    """Check what pxebench needs on this PC: what is missing, which commands need it, and the
    command that mends it.

    CHECK is one of python, micropython, rights, port-68, firewall, namespaces, tcpdump, gevent,
    netaddr, esptool, labgrid, serial-group, boards (default: all). It changes nothing, opens no
    board and sends no packet, except to labgrid's coordinator where labgrid is installed; `?`
    means not known. Exit code 0: of what was checked nothing is missing, 3: something is.

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
            yield from prose.wrapped(finding.costs, "       costs  ", " " * 14)
        if finding.mend:  # to be copied: on one line
            yield f"       mend   {finding.mend}"
    yield ""
    unknown = [name for name, finding in found.items() if finding.state == "unknown"]
    told = f"Lacking: {', '.join(lacking)}. " if lacking else "Nothing lacks. "
    yield (told + (f"Not known: {', '.join(unknown)}." if unknown else "")).rstrip()
