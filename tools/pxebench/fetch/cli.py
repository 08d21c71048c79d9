"""`pxebench fetch`: one file over TFTP, as a ROM does; `running` runs the job and shows it."""

import click

from pxebench import faults, headings, images, job, outputs
from pxebench.options import (
    ENDPOINT,
    OUTPUT,
    ROM,
    SERVER_PCAP,
    IPv4,
    Time,
    all_of,
    read_config,
)
from pxebench.settings import adjust


@headings.command(short_help="Fetch one file over TFTP, as a ROM does.")
@click.argument("url", metavar="tftp://HOST[:PORT]/FILE")
@all_of(ROM, ENDPOINT)
@click.option("--bind", type=IPv4(), help="The local address to send from.")
@all_of(OUTPUT, SERVER_PCAP)
@click.option(
    "--blksize",
    type=click.IntRange(8, 65464),
    metavar="N",
    help="Block size to ask for. *",
)
@click.option("--windowsize", type=click.IntRange(1, 65535), metavar="N", help="Blocks per ACK. *")
@click.option("--timeout", type=Time(most_ms=3600000), help="First wait before a retry. *")
@click.option(
    "--retries", type=click.IntRange(0, 1000), metavar="N", help="How often to send again. *"
)
@click.option("--no-tsize", is_flag=True, help="Do not ask for the size. *")
@faults.fault_options
def fetch(
    url, rom, endpoint, interpreter, mount, config, kind, out, json_path, pcap, quiet, **given
):
    """Fetch FILE from HOST as a ROM does: its ports, its options, its retries, its screen.

    Options marked * change a ROM that allows it, as `--rom standard` does.

    \b
    pxebench fetch tftp://10.0.0.1/undionly.kpxe
    pxebench fetch tftp://10.0.0.1/undionly.kpxe --rom os-client --out image
    pxebench fetch 10.0.0.1/undionly.kpxe --endpoint micropython --pcap boot.pcap
    pxebench fetch 10.0.0.1/undionly.kpxe --fault lose-ack:20 --seed 7
    """
    host, port, file = job.parse_url(url)
    wanted = job.load_rom(rom)
    settings = {name: given[name] for name in ("blksize", "windowsize", "timeout", "retries")}
    if settings["timeout"] is not None:
        settings["timeout"] /= 1000
    settings["tsize"] = False if given["no_tsize"] else None
    adjusted = adjust(wanted, settings)
    options = {
        "bind": given["bind"],
        "out": out,
        "max_bytes": given["max_bytes"],
        "max_time_ms": given["max_time"],
        "trace": bool(pcap or given["server_pcap"]),
        "faults": faults.parse(given["faults"], given["seed"]),
    }
    outputs.check({"--out": out, "--json": json_path, "--pcap": pcap})

    from pxebench.endpoints import open_endpoint
    from pxebench.running import run_job

    place = open_endpoint(endpoint, interpreter, read_config(config), mount, kind)
    server = job.resolve(host, options["max_time_ms"])
    by_id = adjusted is wanted and rom == job.value(wanted["id"])
    fetch_job = job.fetch_job(rom if by_id else adjusted, server, port, file, **options)
    flat = job.flat(adjusted)
    return run_job(
        *(place, fetch_job, flat, json_path, pcap, quiet, given["server_pcap"]),
        starts=images.Starts(adjusted),
        verbose=given["verbose"],
        words=_words(rom, endpoint, given["bind"]),
    )


def _words(rom, endpoint, bind):
    # What of this command `pxebench diagnose` takes as well, as it was typed.
    words = ["--rom", rom]
    words += ["--endpoint", endpoint] if endpoint != "local" else []
    return words + (["--bind", bind] if bind else [])
