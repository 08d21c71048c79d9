"""The command `pxebench diagnose`: why a boot fails, and the rule to ask for."""

import os
import re
import sys
import time

import click

from pxebench import colour, headings, job, outputs, prose
from pxebench.job import Refused, show
from pxebench.options import ROM, SERVER_PCAP, Time, all_of
from pxebench.target import TARGET, finish, open_target

_MOST_PACKETS = 6000  # of all experiments, with their path through other captures
_FAMILIES = ("ip", "inet", "bridge")
# Errors of a result that was not written by this program.
_DAMAGED = (KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError)


@headings.command(short_help="Why a boot fails, and the rule to change.")
@all_of(TARGET, ROM, SERVER_PCAP)
@click.option(
    "--max-time",
    type=Time(),
    help="For the ROM's own boot (default 12.5s: four RRQs of an Intel ROM).",
)
@click.option(
    "--quick",
    is_flag=True,
    help="In half the time: a boot of 3 s, fewer blocks, no search for the border.",
)
@click.option(
    "--nft-chain",
    metavar="'FAMILY TABLE CHAIN'",
    help="The chain that drops, for the printed nft rules (else a guess: inet filter forward).",
)
@click.option(
    "--again", metavar="RESULT.json", help="Judge an earlier result anew, with --server-pcap."
)
@click.option("--all-rules", is_flag=True, help="The rule in every product's words.")
def diagnose(json_path, quiet, **given):
    """Find out why a ROM does not get FILE from HOST, in about a minute, and what to ask for.

    Small experiments, each shown as it runs: the ROM's own sequence, the same from high ports and
    from its own again, block sizes, transfers side by side, block by block. The verdict names the
    one cause that explains all of it, what else would, what was ruled out, and what cannot be
    known from here. Exit code 0: healthy, 1: not.

    \b
    pxebench diagnose tftp://10.0.0.1/undionly.kpxe
    pxebench diagnose tftp://10.0.0.1/undionly.kpxe --all-rules --json why.json
    """
    from pxebench.diagnose import diagnosis, experiments
    from pxebench.live import Line
    from pxebench.view import Writer

    named = given["nft_chain"]
    chain = named.split() if named is not None else ["inet", "filter", "forward"]
    if len(chain) != 3 or chain[0] not in _FAMILIES or not all(map(_is_name, chain)):
        raise Refused("--nft-chain takes a family, a table and a chain: 'inet filter forward'.")
    max_time_ms = given["max_time"]
    max_time_ms = max_time_ms or (3000 if given["quick"] else experiments.ROM_MAX_MS)
    rom = job.load_rom(given["rom"])
    outputs.check({"--json": json_path})
    err, out = Writer(sys.stderr), Writer(sys.stdout)
    if given["again"]:
        result = _earlier(given["again"])
    else:
        line = Line(err, quiet)
        target = open_target(given, line)
        verbose = target.on_event is not None
        shown = out if json_path != "-" else err
        # With `--json -` the experiments are progress: on a terminal only.
        quiet_or_piped = quiet or (shown is err and not err.is_terminal())
        progress = None if quiet_or_piped else _Progress(shown, verbose)
        target.on_wait = progress.wait if progress else None
        result, _events = diagnosis.diagnose(
            *(target, rom, max_time_ms, given["quick"]), progress.say if progress else None
        )
    try:
        result, unread = _judged(result, given, " ".join(chain) if named is not None else None)
        paint = colour.Paint(sys.stdout)
        lines = list(words(result, given["all_rules"], quiet, paint))
    except _DAMAGED as error:
        if not given["again"] or os.environ.get("PXEBENCH_DEBUG"):
            raise
        raise Refused(
            f"{show(given['again'])} is damaged, or of another version ({type(error).__name__})."
        ) from None
    if json_path != "-":
        for line in lines:
            out.line(line)
    code = finish(result, json_path)
    if unread:
        raise unread
    return code


def _judged(result, given, chain):
    # (the result with its last verdict, the `Refused` of a capture that could not be read)
    from pxebench.diagnose import diagnosis, rules
    from pxebench.hops import path

    # The experiments' own events, so that a page of the result counts its runs in the same way.
    events = [event for done in result["experiments"] for event in done["events"]]
    merged = unread = None
    try:
        ends = result["client"], result["server"]
        merged = path.of_run(events, given["server_pcap"], *ends, _MOST_PACKETS)
    except Refused as refused:  # the experiments' verdict is given in any case
        unread = refused
    if merged or given["again"]:
        result = diagnosis.judge(result, path.server_saw(merged) if merged else None)
        result["path"] = merged
    verdict = result["verdict"]
    verdict["rules"] = rules.advise(verdict["cause"], verdict["also_possible"], result, chain)
    return result, unread


def _earlier(name):
    import ipaddress
    import json

    try:
        with open(name, encoding="utf-8") as file:
            result = json.load(file)
        if result["kind"] != "diagnose" or result["schema"] != job.SCHEMA:
            raise ValueError
        if not isinstance(result["observations"]["sizes"], dict):
            raise ValueError
        # These go into rules that a user pastes into a shell: only addresses and numbers.
        for host in (result["server"], result["client"] or "0.0.0.0"):
            ipaddress.IPv4Address(host)
        for host in result["observations"]["foreign"]:
            ipaddress.IPv4Address(host)
        for port in (result["server_port"], *result["rom_ports"]):
            if type(port) is not int or not 0 < port < 65536:
                raise ValueError
    except OSError as error:
        raise Refused(f"Cannot read {show(name)}: {error.strerror}.") from None
    except (ValueError, KeyError, TypeError, RecursionError):
        raise Refused(f"{show(name)} is no result of `pxebench diagnose --json`.") from None
    return result


def _is_name(word):
    return re.fullmatch(r"[A-Za-z_][\w.-]*", word) is not None


class _Progress:
    """Each experiment while it runs, and its outcome."""

    def __init__(self, stream, verbose=False):
        from pxebench.live import Line

        self.stream = stream
        self.line = Line(stream)
        self.verbose = verbose  # then the packets are below the question
        self.words = ()
        self.began = 0

    def wait(self):
        """Show again what runs, and for how long."""
        lasts = round(time.monotonic() - self.began)
        if self.words and lasts >= 2:
            name, question = self.words
            self.line.show(f"{name} {question} {lasts} s")

    def say(self, experiment, what):
        name = f"  {experiment['title']:<22}"
        if what == "begin":
            self.words = name, experiment["question"]
            self.began = time.monotonic()
            if self.verbose:
                self.words = ()
                self.stream.line(f"{name} {experiment['question']}")
            else:
                self.line.show(" ".join(self.words))
            return
        self.line.hide()
        lines = prose.wrapped(show(experiment["said"]), "", "", prose.room() - 25)
        self.stream.line(f"{name} {lines[0]}")
        for line in lines[1:]:
            self.stream.line(" " * 25 + line)


# ---- the verdict in words


def words(result, all_rules=False, quiet=False, paint=colour.PLAIN):
    """The verdict as lines of text. `paint`: of the stream that they go to."""
    from pxebench.diagnose import rule_words

    verdict = result["verdict"]
    yield ""
    also = verdict["also_possible"]
    same = f" (or {', or '.join(also)}: the same from this end)" if also else ""
    if also and result["ended"]:
        same = ""  # the candidates are printed below
    cause = verdict["cause"] or "undecided"
    lines = prose.wrapped(f"Verdict: {cause}{same}. {verdict['text']}")
    good = None if verdict["cause"] is None else cause == "healthy"
    yield from paint.verdict(lines, cause, good)
    if quiet:
        return
    for title, sentences in (
        ("Seen", verdict["explains"]),
        ("Besides", [fact["text"] for fact in verdict["facts"]]),
        (
            "Also possible",
            [f"{name}: {verdict['also_text'][name]}" for name in verdict["also_possible"]],
        ),
        ("Cannot be known from here", verdict["unknown"]),
    ):
        yield from prose.listed(title, sentences)
    out = [entry["cause"] for entry in verdict["ruled_out"]]
    if out:
        yield from prose.listed("Ruled out", [", ".join(out)])
    if result.get("path"):
        from pxebench.hops import path_words

        yield from prose.listed("On the way", path_words.lines(result["path"]))
    yield from rule_words.lines(verdict["rules"], all_rules)
    if verdict["decide"]:
        yield from prose.listed("What would decide", [verdict["decide"]["text"]])
        yield "    " + verdict["decide"]["command"]
