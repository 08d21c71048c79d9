"""The command `pxebench explain`: netstat, a trace, a log, a code; and what it means.

1. Exit codes: 0 a boot that went well, 1 a failure explained, 2 nothing of a boot in it or not
   readable, 3 a result that cannot be written.
2. Progress of large files goes to stderr, on a terminal only.
"""

import os
import sys

import click

from pxebench import colour, headings, outputs
from pxebench.job import show

_LARGE = 50 << 20  # bytes from which on progress is shown
_STEP = 4 << 20


@headings.command(short_help="A trace, a netstat, a log, a code: who, how far, why.")
@click.argument("given", nargs=-1, required=True, metavar="FILE|-|WORDS...")
@click.option("--client", metavar="IP|MAC", help="Of several clients, this one alone.")
@click.option("--all-rules", is_flag=True, help="The rule in every product's words.")
@click.option(
    "--json", "json_path", metavar="FILE|-", help="Write the result as JSON; with - nothing else."
)
@click.option("-q", "--quiet", is_flag=True, help="The verdict alone, no progress.")
def explain(given, client, all_rules, json_path, quiet):
    """Explain what you already have: which boot client that is, how far it came, why it stops.

    FILE is a capture (pcap, pcapng), netstat's or ss's table, text of tcpdump or Wireshark, a
    server's or a firewall's log: told from its content. WORDS are a code or what a screen says.
    Several together are put together.

    \b
    pxebench explain netstat.txt
    pxebench explain server.pcap firewall.pcap
    journalctl -u tftpd-hpa | pxebench explain -
    pxebench explain PXE-E32
    pxebench explain "TFTP open timeout"
    """
    from pxebench.explain import explanation, words
    from pxebench.view import Writer

    outputs.check({"--json": json_path})
    bar = _Bar(given, quiet)
    try:
        result = explanation.explain(given, client, bar.more)
    finally:
        bar.close()
    if json_path:
        outputs.store_json(json_path, result)
    if json_path != "-":
        out = Writer(sys.stdout)
        for line in (
            _quiet(result) if quiet else words.lines(result, all_rules, colour.Paint(sys.stdout))
        ):
            out.line(line)
    return explanation.exit_code(result)


def _quiet(result):
    for entry in result["clients"]:
        rom = entry["candidates"][0]["rom"] if entry["known"] else "none of the known"
        cause = entry["verdict"]["cause"] or "undecided"
        yield show(f"{entry['ip'] or entry['mac']}: {rom}, {cause}. {entry['verdict']['text']}")
    for code in result["codes"]:
        yield show(f"{code['code']}: {code['text']} {code['first']}")


class _Bar:
    """The progress of reading large files, on a terminal."""

    def __init__(self, given, quiet):
        self.total = sum(os.path.getsize(name) for name in given if name != "-" and _is_file(name))
        self.stream = sys.stderr
        self.done = self.shown = 0
        piped = any(name == "-" for name in given)
        terminal = self.stream is not None and self.stream.isatty()
        self.on = terminal and not quiet and (self.total >= _LARGE or piped)

    def more(self, count):
        self.done += count
        if (
            not self.on
            or self.done < _LARGE
            and self.total < _LARGE
            or self.done - self.shown < _STEP
        ):
            return
        self.shown = self.done
        share = (
            f" of {self.total >> 20} MiB, {min(100, self.done * 100 // self.total)} %"
            if self.total
            else " MiB"
        )
        self.stream.write(f"\rread {self.done >> 20}{share}\x1b[K")
        self.stream.flush()

    def close(self):
        if self.shown:
            self.stream.write("\r\x1b[K")
            self.stream.flush()


def _is_file(name):
    try:
        return os.path.isfile(name)
    except ValueError:
        return False
