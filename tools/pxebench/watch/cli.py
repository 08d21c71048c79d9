"""`pxebench watch`: the same boot again and again, and what changes. `memory` keeps the history.

1. A line for each boot goes to stdout, and below it what changed; --json: the entries.
2. Boots begin at fixed intervals from the first; one that takes longer skips the next.
3. An error in the first boot ends the command; a later error of the bench is an entry, and the
   watch goes on: an unplugged board may come back.
4. --check is for a monitoring system: one line on stdout, exit code 0, 1, 2 or 3.
"""

import json
import sys
import time

import click

from pxebench import colour, headings, job, options, outputs
from pxebench.job import EXIT_FAILED, EXIT_INTERRUPTED, EXIT_OK, Refused, show
from pxebench.record import stamp
from pxebench.target import FILE, TARGET, open_target, take_url
from pxebench.watch import memory

_MAX_MS = 60000  # the default for one boot: a ROM may try for minutes


class _Command(headings.Command):
    # A monitoring system takes 2 for critical: for --check, wrong usage is 3, and on stdout.

    def make_context(self, info_name, args, parent=None, **extra):
        checked = "--check" in args
        try:
            return super().make_context(info_name, args, parent, **extra)
        except click.UsageError as error:
            if not checked:
                raise
            line = memory.status_line(memory.UNKNOWN, error.format_message())
            click.echo(line)
            raise click.exceptions.Exit(memory.UNKNOWN) from None


@click.command(cls=_Command, short_help="Boot again and again, and tell what changes.")
@options.all_of(FILE, options.ROM, TARGET[len(FILE) :])
@click.option(
    "--every",
    type=options.Time(least_ms=1000),
    default="5m",
    show_default=True,
    help="From one boot to the next.",
)
@click.option("--count", type=click.IntRange(1), metavar="N", help="End after N boots.")
@click.option("--max-time", type=options.Time(), help="End a boot after so long (1m).")
@click.option("--history", metavar="FILE", help="Where the boots are kept (else a file of state).")
@click.option(
    "--keep",
    type=click.IntRange(10, 1000000),
    default=memory.KEEP,
    show_default=True,
    metavar="N",
    help="How many boots the history holds; older ones go.",
)
@click.option("--check", is_flag=True, help="One boot, for a monitoring system (Nagios).")
@click.option(
    "--metrics", metavar="FILE.prom", help="The last boot for Prometheus (textfile collector)."
)
@click.option("--warning", type=options.Time(), help="--check: slower is a warning.")
@click.option("--critical", type=options.Time(), help="--check: slower is critical.")
def watch_command(
    rom, every, count, max_time, history, keep, check, metrics, warning, critical, **given
):
    """Fetch NAME from HOST as a ROM does, again and again, and tell what changed: it fails since,
    it is slower than usual, another server answered, the file is another one.

    The boots are kept in a file of JSON lines; `pxebench report FILE` makes a page of it. --check
    boots once and exits as Nagios plugins do: 0 well, 1 changed or slow, 2 failed, 3 not tried.
    --metrics goes with either.

    \b
    pxebench watch tftp://10.0.0.1/undionly.kpxe --every 5m
    pxebench watch tftp://10.0.0.1/undionly.kpxe --endpoint serial:auto --check
    pxebench watch 10.0.0.1/undionly.kpxe --metrics /srv/prom/pxe.prom
    """
    if check:
        return _check(rom, max_time, history, keep, metrics, warning, critical, given)
    for option, value in (("--warning", warning), ("--critical", critical)):
        if value is not None:
            raise Refused(f"{option} goes with --check.")
    quiet, json_path = given.pop("quiet"), given.pop("json_path")
    probe = _Probe(rom, max_time, history, keep, metrics, given, quiet)
    lines = _Lines(json_path, quiet)
    lines.begin(probe, every)
    return _watch(probe, every, count, lines)


def _watch(probe, every_ms, count, lines):
    began = time.monotonic()
    number = failed = 0
    try:
        while True:
            new = probe.boot(first=not number)
            number += 1
            failed += new["outcome"] != "ok"
            lines.boot(new)
            if number == count:
                break
            turn = int((time.monotonic() - began) * 1000 / every_ms) + 1
            _sleep(began + turn * every_ms / 1000, probe.line)
    except KeyboardInterrupt:
        lines.end(number, failed)
        return EXIT_INTERRUPTED
    lines.end(number, failed)
    return EXIT_FAILED if failed else EXIT_OK


def _sleep(until, line):
    # Wait until then, with a live line on a terminal.
    try:
        while (left_s := until - time.monotonic()) > 0:
            if left_s > 2:
                line.show(f"next boot in {options.span(round(left_s) * 1000)}; Ctrl-C ends it")
            time.sleep(min(left_s, 1) if line.on else left_s)
    finally:
        line.hide()


def _check(rom, max_time, history, keep, metrics, warning, critical, given):
    given.pop("quiet")
    given.pop("json_path")
    try:
        new = _Probe(rom, max_time, history, keep, metrics, given, quiet=True).boot(first=False)
        code, line = memory.check(new, *(limit and limit / 1000 for limit in (warning, critical)))
    except Refused as refused:
        code, line = memory.UNKNOWN, memory.status_line(memory.UNKNOWN, refused.message)
    except KeyboardInterrupt:
        code, line = memory.UNKNOWN, memory.status_line(memory.UNKNOWN, "It was interrupted.")
    click.echo(line)
    return code


class _Probe:
    """One boot, to be repeated, and its history."""

    def __init__(self, rom, max_time, history, keep, metrics, given, quiet=False):
        from pxebench.live import Line
        from pxebench.view import Writer

        if metrics:
            from pxebench.watch.metrics import check

            check(metrics)
            outputs.check({"--metrics": metrics})
        self.metrics = metrics
        take_url(given)
        self.host = given["server"].partition(":")[0]
        server, endpoint = given["server"], given["endpoint"]
        self.max_time_ms = max_time or _MAX_MS
        wanted = job.load_rom(rom)
        by_id = rom == job.value(wanted["id"])
        self.rom = rom if by_id else wanted
        self.flat = job.flat(wanted)
        self.line = Line(Writer(sys.stderr), quiet)
        target = open_target(given, self.line)
        self.target = target
        self.what = {
            "server": server,
            "address": target.server,
            "port": target.port,
            "file": target.file,
            "rom": job.rom_id({"rom": wanted}),
            "endpoint": endpoint,
        }
        self.history = memory.History(history or memory.default_path(self.what), keep)

    def boot(self, first):
        """Boot once; the entry. Raises KeyboardInterrupt, and `Refused` in the first boot."""
        when = stamp(time.time())
        try:
            # A name may resolve to another server each time.
            self.what["address"] = job.resolve(self.host, 20000)
            result = self._fetch()
        except Refused as refused:
            if first:
                raise
            new = memory.entry(self.what, when, refused=refused.message)
        else:
            new = memory.entry(self.what, when, result)
            new["changes"] = memory.changes(new, self.history.entries)
        self.history.add(new)
        if self.metrics:
            from pxebench.watch.metrics import store

            store(self.metrics, new)
        return new

    def _fetch(self):
        from pxebench.live import Waiting

        wanted = job.fetch_job(
            self.rom,
            self.what["address"],
            self.target.port,
            self.target.file,
            bind=self.target.bind,
            max_time_ms=self.max_time_ms,
        )
        wanted["trace"] = self.target.on_event is not None
        waiting = Waiting(self.flat, self.max_time_ms)

        def on_event(event):
            waiting.event(event)
            if self.target.on_event:
                self.target.on_event(event)

        def on_wait():
            texts = waiting.texts()
            if texts:
                self.line.show(*texts)

        try:
            result = self.target.run(wanted, on_event, on_wait=on_wait)
        finally:
            self.line.hide()
        if (result["ended"] or {}).get("by") == "user":
            raise KeyboardInterrupt
        return result


class _Lines:
    """The output of a watch while it runs; with --json FILE the entries go there too."""

    def __init__(self, json_path, quiet):
        from pxebench.view import Writer

        self.quiet = quiet
        self.to_stdout = json_path == "-"
        self.out, self.err = Writer(sys.stdout), Writer(sys.stderr)
        self.path = None if self.to_stdout else json_path
        if self.path:
            outputs.check({"--json": self.path})

    def begin(self, probe, every_ms):
        if not self.quiet:
            what = probe.what
            known = len(probe.history.entries)
            plural = "" if known == 1 else "s"
            self.err.line(
                f"Watching {show(what['file'])} from {show(what['server'])} as {what['rom']}, "
                f"every {options.span(every_ms)}; Ctrl-C ends it."
            )
            self.err.line(f"History: {show(probe.history.path)} ({known} boot{plural} so far).")

    def boot(self, new):
        if self.path:
            with open(self.path, "a", encoding="utf-8") as file:
                file.write(json.dumps(new) + "\n")
        if self.to_stdout:
            self.out.line(json.dumps(new))
            return
        if self.quiet and new["outcome"] == "ok" and not new["changes"]:
            return
        paint = colour.Paint(sys.stdout)
        if new["outcome"] == "ok":
            words = f"{paint('ok', 'green')}      {new['elapsed_ms']:>6} ms  {new['bytes']} bytes"
        elif new["outcome"] == "failed":
            words = (
                f"{paint('failed', 'red')}  {new['elapsed_ms']:>6} ms  {show(new['code'] or '')}: "
            )
            words += show(memory.reason(new))
        else:
            words = f"bench              {show(new['text'])}"
        self.out.line(f"{new['when']}  {words}")
        for change in new["changes"]:
            self.out.line(f"                      ! {show(change['text'])}")

    def end(self, number, failed):
        if not self.quiet:
            plural = "" if number == 1 else "s"
            self.err.line(f"{number} boot{plural}, {number - failed} of them well.")
