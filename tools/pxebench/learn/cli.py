"""`pxebench learn CAPTURE... -o mine.json`: a ROM file from captures, and what it rests on.

`learner` learns; here the captures are chosen, the file is written, and the command reports what
was and was not learned.

1. The file is written only when it loads: `pxebench fetch --rom mine.json` takes it as it is.
2. Exit codes: 0 learned (assumptions and contradictions are reported, and are no failure), 2 a
   file that is no capture, or no client in it, 3 the file cannot be written.
"""

import json
import os
import re
import sys

import click

from pxebench import headings, outputs
from pxebench.job import EXIT_OK, Refused, flat, show, value
from pxebench.record import headed

_WIDTH = 99


@headings.command(short_help="Make a ROM file from captures of a machine.")
@click.argument("captures", metavar="CAPTURE...", nargs=-1, required=True)
@click.option("-o", "--out", required=True, metavar="FILE.json", help="The ROM file to write.")
@click.option("--client", metavar="MAC|IP", help="The client, where there are several.")
@click.option(
    "--stage",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    metavar="N",
    help="Which program of a boot: 1 the ROM, 2 what it loaded.",
)
@click.option("--id", "rom_id", metavar="ID", help="The ROM's id (default: the file's name).")
@click.option("--name", metavar="TEXT", help="What to call it.")
@click.option("--json", "json_path", metavar="FILE|-", help="What was learned, as JSON.")
def learn(captures, out, client, stage, rom_id, name, json_path):
    """Learn a ROM from CAPTURE... (pcap or pcapng of one machine) and write it as a ROM file.

    Ports, requests, options, retry times, reactions and DHCP are what the captures show; what
    they do not show is marked as assumed, and listed with the capture that would show it.

    \b
    tcpdump -i eth0 -w boot.pcap 'udp or icmp'
    pxebench learn boot.pcap -o mine.json
    pxebench fetch tftp://10.0.0.1/undionly.kpxe --rom mine.json --pcap ours.pcap
    pxebench compare boot.pcap ours.pcap --rom mine.json
    """
    from pxebench.learn import learner

    outputs.check({"-o": out, "--json": json_path})
    for path in captures:
        if os.path.exists(out) and os.path.exists(path) and os.path.samefile(path, out):
            raise Refused(f"-o names the capture {show(path)}.")
    samples = [learner.sample(path, client, stage) for path in captures]
    learned = learner.learn(samples, rom_id or _id(out), name)
    flat(learned.rom)  # what does not load is not written
    outputs.store_text("-o", out, json.dumps(learned.rom, indent=1) + "\n")
    if json_path:
        result = {
            "rom": learned.rom["id"],
            "file": out,
            "sources": learned.rom["sources"],
            "contradictions": learned.contradictions,
            "assumed": [{"field": field, "capture": advice} for field, advice in learned.assumed],
            "beyond": learned.beyond,
            "notes": learned.notes,
        }
        outputs.store_json(json_path, headed("learn", result))
    if json_path != "-":
        _tell(learned, out, sys.stderr if out == "-" else sys.stdout)
    return EXIT_OK


def _id(path):
    # An id that is easy to type, from a file's name.
    name = os.path.basename(path)
    plain = re.sub(r"[^a-z0-9]+", "-", name.removesuffix(".json").lower()).strip("-")
    return plain if plain and path != "-" else "learned"


def _tell(learned, out, stream):
    from pxebench.roms.known import evidence_words, facts
    from pxebench.view import Writer

    say = Writer(stream)
    rom = learned.rom
    place = outputs.STDOUT_NAME if out == "-" else show(out)
    say.line(f"Learned {rom['id']} and wrote it to {place}: {evidence_words(rom)}.")
    for source in rom["sources"]:
        say.line(f"  from    {show(source)}")
    for note in learned.notes:
        say.line(f"  note    {show(note)}")
    say.line(f"  ports   {_ports(rom)}")
    say.line(f"  asks    {show(_asks(rom))}")
    for fact in facts(rom):
        if ".on." not in fact.path or fact.mark == "assumed":
            continue
        # A reaction of the size probe has its own name: requests[0].on.no_oack
        hazard = fact.path.removeprefix("tftp.").removeprefix("on.")
        say.line(f"  {hazard}: {show(json.dumps(fact.content))} ({show(fact.note or '')})")
    for title, sentences in (
        (
            "The captures contradict each other; what was seen more often counts:",
            learned.contradictions,
        ),
        ("A ROM file cannot say this, and it is left out:", learned.beyond),
        ("Not in the captures, so assumed; to learn it, capture:", _advice(learned.assumed)),
    ):
        if sentences:
            say.line()
            say.line(title)
            for sentence in sentences:
                say.line(f"- {show(sentence)}")


def _ports(rom):
    # One RRQ shows one port: an assumed rule is not printed as learned.
    from pxebench.roms.known import is_assumed, port_words

    rule = rom["udp"]["source_port"]
    if not is_assumed(rule["policy"]):
        return port_words(rom)
    seen = f"from {value(rule['first'])} on; how they go on is not known"
    known = "not known" if is_assumed(rule["first"]) else seen
    return f"{known} (assumed: {port_words(rom)})"


def _asks(rom):
    from pxebench.roms.known import is_assumed, option_words

    unknown = any(is_assumed(request["options"]) for request in rom["tftp"]["requests"])
    return f"not known (assumed: {option_words(rom)})" if unknown else option_words(rom)


def _advice(assumed):
    # One line for each capture to make, with the fields that it would show.
    wanted = {}
    for field, advice in assumed:
        wanted.setdefault(advice, []).append(field.removeprefix("tftp.").removeprefix("udp."))
    return [f"{advice}: {', '.join(dict.fromkeys(fields))}" for advice, fields in wanted.items()]
