"""`pxebench storm`: many ROMs at once; who booted, how fast, and what the server's limit is."""

import contextlib
import sys

import click

from pxebench import headings, job, outputs
from pxebench.job import EXIT_FAILED, EXIT_INTERRUPTED, EXIT_OK, Refused, show
from pxebench.options import Size, Time, complete_rom

_LIFE_S = 60  # of an address, beyond the time that the storm may take


@headings.command(short_help="Many ROMs at once from this PC, and the server's limit.")
@click.argument("url", metavar="tftp://HOST[:PORT]/FILE", required=False)
@click.option(
    "--rom", "roms", multiple=True, default=("intel-undi",), metavar="ID[:N]",
    shell_complete=complete_rom,
    help="The ROM to be, and how many of it; repeatable.",
)  # fmt: skip
@click.option("--count", type=int, metavar="N", help="How many machines (default 10).")
@click.option("--together", is_flag=True, help="All at once (the default).")
@click.option("--spread", type=Time(most_ms=3600000), help="They start evenly over that time.")
@click.option("--ramp", metavar="10,20,50", help="So many at once, step by step: where it breaks.")
@click.option(
    "--from", "where", metavar="A-B",
    help="Addresses of the machines; they are added to the interface and taken away again.",
)  # fmt: skip
@click.option("--dhcp", is_flag=True, help="The whole boot: a MAC address and a lease for each.")
@click.option("-i", "--interface", metavar="IF", help="With --dhcp: where they boot from.")
@click.option("--max-bytes", type=Size(), help="Refuse a file that is larger.")
@click.option(
    "--max-time", type=Time(), default="5m", show_default=True,
    help="End each boot after so long.",
)  # fmt: skip
@click.option("--json", "json_path", metavar="FILE|-", help="Write the result as JSON.")
@click.option("-v", "--verbose", is_flag=True, help="A line for each machine as it ends.")
@click.option("-q", "--quiet", is_flag=True, help="Say only what came out of it.")
def storm(url, roms, count, together, spread, ramp, where, dhcp, interface, **given):
    """Boot N machines from this PC as their ROMs do, each with an address, ports and timers of
    its own, and say how many booted, how long it took, and what the server's limit looks like.

    Packets go to the server given (with --dhcp: to the DHCP servers of IF) and to nobody else.

    \b
    sudo pxebench storm 10.0.0.1/boot.kpxe --count 40 --from 10.0.0.100-10.0.0.199
    sudo pxebench storm --dhcp -i eth0 --count 40
    pxebench storm 127.0.0.1:6969/boot.kpxe --rom edk2:20 --rom ipxe:20
    pxebench storm 127.0.0.1:6969/boot.kpxe --ramp 10,20,50,100
    """
    from pxebench.storm import plan, runner
    from pxebench.storm.limit import limit
    from pxebench.storm.summary import document, lines
    from pxebench.view import Writer

    _check(url, together, spread, ramp, where, dhcp, interface)
    json_path, quiet = given["json_path"], given["quiet"]
    limit_ms = given["max_time"]
    outputs.check({"--json": json_path})
    runner.check()
    rounds = plan.steps(ramp) if ramp else [None]
    mixture = plan.shares(roms, count)
    asked = [plan.scaled(mixture, number) if number else mixture for number in rounds]
    most = max(sum(one.values()) for one in asked)
    for name in asked[-1]:
        job.load_rom(name)
    err, out = Writer(sys.stderr), Writer(sys.stdout)
    told = {"server": None, "server_port": None, "file": "what DHCP names", "interface": interface}
    addresses = None
    if not dhcp:
        host, port, file = job.parse_url(url)
        server = job.resolve(host, 20000)
        told.update(server=server, server_port=port, file=file)
        addresses = _addresses(where, most, server)
        told["interface"] = _interface(server, interface)
    steps, rows, pc, stopped = [], [], None, False
    with contextlib.ExitStack() as stack:
        macs = _put(stack, told["interface"], addresses, most, dhcp, limit_ms)
        for number, one in enumerate(asked):
            machines = plan.machines(one, addresses, (spread or 0) / 1000)
            if dhcp:
                jobs = runner.boot_jobs(
                    machines, macs[: len(machines)], limit_ms, given["max_bytes"]
                )
            else:
                jobs = runner.fetch_jobs(
                    machines, server, port, file, limit_ms, given["max_bytes"]
                )
            progress = _Progress(err, len(machines), quiet, given["verbose"])
            rows, pc, stopped = runner.run(jobs, progress.row)
            progress.line.hide()
            if ramp:
                steps.append(_step(rows))
            if stopped or (
                ramp and number + 1 < len(rounds) and not any(_well(row) for row in rows)
            ):
                break
    found = document(
        rows, pc, limit(rows, pc), **told, ramp=steps or None,
        ended={"by": "user"} if stopped else None,
    )  # fmt: skip
    if json_path != "-":
        for line in lines(found):
            out.line(line)
    if json_path:
        from pxebench.record import command

        outputs.store_json(json_path, {**found, "command": command()})
    if stopped:
        return EXIT_INTERRUPTED
    if any(row["outcome"] == "bench" for row in rows):
        first = next(row for row in rows if row["outcome"] == "bench")
        raise Refused(f"{show(first['text'])}", job.EXIT_BENCH)
    return EXIT_OK if found["outcome"] == "ok" else EXIT_FAILED


def _check(url, together, spread, ramp, where, dhcp, interface):
    if dhcp and (url or where):
        raise Refused("With --dhcp, DHCP says which server, file and addresses: leave them out.")
    if not dhcp and not url:
        raise Refused("Say which file: pxebench storm tftp://HOST/FILE, or --dhcp -i IF.")
    if dhcp and not interface:
        raise Refused("--dhcp needs -i IF, the interface to boot from.")
    if sum(bool(one) for one in (together, spread, ramp)) > 1:
        raise Refused("--together, --spread and --ramp exclude one another.")


def _addresses(where, count, server):
    from pxebench.storm import plan

    if where is None and server.startswith("127."):
        where = "127.1.0.0/16"  # all of 127.0.0.0/8 is this PC's
    if where is None:
        raise Refused(
            "ROMs count their ports from the same number, so each machine needs an address of its "
            "own: --from 10.0.0.100-10.0.0.199, addresses of the server's network that are free."
        )
    return plan.addresses(where, count)


def _interface(server, interface):
    from pxebench.storm import interfaces

    return interface or interfaces.leading_to(server)


def _put(stack, name, addresses, count, dhcp, limit_ms):
    """Put the machines on the interface until the block ends; [(interface, mac)] with `dhcp`."""
    from pxebench.storm import interfaces

    if dhcp:
        from pxebench.boot import interfaces as checks

        checks.check(name)
        return stack.enter_context(interfaces.Macs(name, count))
    life_s = limit_ms // 1000 * 2 + _LIFE_S
    stack.enter_context(interfaces.Addresses(name, addresses, life_s))
    return None


def _well(row):
    return row["outcome"] == "ok"


def _step(rows):
    from pxebench.storm.limit import waited_for

    times = sorted(row["ms"] for row in rows if _well(row))
    return {
        "count": len(rows),
        "booted": len(times),
        "waited": len(waited_for(rows)),
        "median_ms": times[len(times) // 2] if times else None,
    }


class _Progress:
    """One line that replaces itself, on a terminal; with -v, one more for each machine."""

    def __init__(self, err, count, quiet, verbose):
        from pxebench.live import Line

        self.line = Line(err, quiet)
        self.verbose = verbose
        self.count = count
        self.done = self.good = 0

    def row(self, row):
        self.done += 1
        self.good += _well(row)
        failed = self.done - self.good
        if self.verbose:
            self.line.above(_row_words(row))
        self.line.show(f"{self.done} of {self.count} done, {self.good} booted, {failed} not")


def _row_words(row):
    # `+1.204  10.0.0.101 intel-undi  booted, 74213 bytes in 0.8 s`
    at = ((row["at_ms"] or 0) + (row["ms"] or 0)) / 1000
    if _well(row):
        came = f"booted, {row['bytes']} bytes in {(row['ms'] or 0) / 1000:.1f} s"
    else:
        came = f"{row['outcome']}, {row['code'] or row['text'] or 'no code'}"
    return f"+{at:.3f}  {row['address'] or row['mac'] or '-'} {row['rom']}  {show(came)}"
