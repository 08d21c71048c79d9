"""`pxebench report`: results of any command as one page."""

import sys

import click

from pxebench import headings, outputs
from pxebench.job import EXIT_BENCH, Refused, show
from pxebench.options import SERVER_PCAP, all_of


@headings.command(short_help="Results as one page to forward.")
@click.argument("results", nargs=-1, required=True, metavar="RESULT.json...")
@click.option(
    "-o", "--out", default="report.html", show_default=True, metavar="FILE|-", help="The page."
)
@click.option("--title", metavar="TEXT", help="The page's heading, instead of the verdict.")
@click.option("--note", metavar="TEXT", help="Words of your own below it: a ticket, a place.")
@all_of(SERVER_PCAP)
@click.option("-q", "--quiet", is_flag=True, help="Say nothing when all is well.")
def report(results, out, title, note, server_pcap, quiet):
    """Make one page of RESULT.json files: the verdict, the packets, and how to repeat it.

    It takes what --json wrote, of explain, diagnose, sweep, compat, fetch, boot, storm and
    compare, and the history of watch. The page is one file that asks nobody for anything.

    \b
    pxebench report result.json -o report.html
    pxebench report history.jsonl diagnosis.json --note "INC-4711, room 4"
    pxebench report result.json --server-pcap fw.pcap --server-pcap server.pcap
    """
    from pxebench.captures import packets
    from pxebench.report import document
    from pxebench.view import Writer

    if out != "-":
        outputs.check({"-o": out})
        for path in results:
            if out == path:
                raise Refused(f"The page would overwrite {show(path)}; give another --out.")
    captures = [packets.read(path) for path in server_pcap]
    sections = [document.section(path, captures) for path in results]
    unused = [
        path for path, one in zip(results, sections, strict=True) if captures and not one["path"]
    ]
    if unused and len(unused) == len(results):
        raise Refused(_unused(unused, sections))
    text = document.page(sections, title, note)
    try:
        if out == "-":
            sys.stdout.write(text)
            sys.stdout.flush()
            return
        with open(out, "w", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise Refused(f"Cannot write {show(out)}: {error.strerror}.", EXIT_BENCH) from None
    if unused:
        Writer(sys.stderr).line(_unused(unused, sections))
    if not quiet:
        words = f"{len(sections)} result{'' if len(sections) == 1 else 's'}"
        Writer(sys.stderr).line(f"{show(out)}: {words}, {len(text) // 1024 + 1} KiB.")


def _unused(paths, sections):
    # --server-pcap shows how far each packet of a result came; some results keep none.
    kinds = " and ".join(sorted({one["kind"] for one in sections if not one["path"]}))
    return (
        f"--server-pcap is of no use for {', '.join(map(show, paths))}: a result of {kinds} keeps "
        "no packets to look for in it. `pxebench explain CAPTURE` reads the capture by itself."
    )
