"""Options of `sweep`, `diagnose`, `watch` and `compat`: file, server, and where RRQs leave."""

import click

from pxebench import job, options, outputs
from pxebench.job import EXIT_FAILED, EXIT_INTERRUPTED, EXIT_OK, Refused, show

FILE = [
    click.argument("url", metavar="tftp://HOST[:PORT]/FILE", required=False),
    click.option("--server", metavar="HOST[:PORT]", help="The TFTP server, instead of a URL."),
    click.option("--file", metavar="NAME", help="The file, instead of a URL."),
]
TARGET = [
    *FILE,
    *options.ENDPOINT,
    click.option("--bind", type=options.IPv4(), help="The local address to send from."),
    click.option(
        "--json",
        "json_path",
        metavar="FILE|-",
        help="Write the result as JSON; with - nothing else goes to stdout.",
    ),
    *options.VERBOSE,
    click.option("-q", "--quiet", is_flag=True, help="Print the outcome only."),
]


def take_url(given):
    """Replace the URL in `given` by its server and file, as --server and --file. `Refused` when
    they are named twice, or not at all."""
    url = given.pop("url", None)
    if url is not None:
        if given["server"] is not None or given["file"] is not None:
            raise Refused(
                f"{show(url)} names the server and the file: leave --server and --file out."
            )
        host, port, given["file"] = job.parse_url(url)
        given["server"] = host if port == 69 else f"{host}:{port}"
    if given["server"] is None and given["file"] is None:
        raise Refused("Missing the file and its server: write tftp://HOST/FILE.")
    for name in ("server", "file"):
        if given[name] is None:
            raise Refused(f"Missing option --{name}.")


def open_target(given, line=None):
    """The `asking.Target` that these options name; takes them out of `given`.  `line`: the
    `live.Line` above which -v prints each packet."""
    from pxebench.endpoints import open_endpoint
    from pxebench.sweep.asking import Target

    take_url(given)
    file = given.pop("file")
    size = len(file.encode("utf-8", "surrogateescape"))
    if not 0 < size <= job.FILE_NAME_MAX or "\0" in file:
        raise Refused(f"--file takes a name of 1 to {job.FILE_NAME_MAX} bytes, not {show(file)}.")
    server = given.pop("server")
    host, _, port = server.partition(":")
    if not host or host != host.strip() or "/" in server:
        raise Refused(f"--server takes HOST or HOST:PORT, not {show(server)}.")
    if port and not (port.isascii() and port.isdigit() and 0 < int(port[:6]) < 65536):
        raise Refused(f"{show(port)} in --server is not a port (1 to 65535).")
    run = open_endpoint(
        *(
            given.pop("endpoint"),
            given.pop("interpreter"),
            options.read_config(given.pop("config")),
        ),
        *(given.pop("mount"), given.pop("kind")),
    )
    bind = given.pop("bind")
    address = job.resolve(host, 20000)
    target = Target(run, address, int(port or 69), file, bind)
    if given.pop("verbose"):
        from pxebench.packet_lines import PacketLines

        target.on_event = PacketLines(line.above, target.client).event
    return target


def finish(result, json_path):
    """Write the result where --json says; the exit code of the command."""
    from pxebench.record import command

    if json_path:
        result = {**result, "command": command()}
        outputs.store_json(json_path, result)
    if (result["ended"] or {}).get("by") == "user":
        return EXIT_INTERRUPTED
    return EXIT_OK if result["outcome"] == "ok" else EXIT_FAILED
