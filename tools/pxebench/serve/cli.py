"""`pxebench serve`: what the bench's TFTP server takes; the server itself is `serve`."""

import click

from pxebench.job import Refused
from pxebench.options import address


@click.command(short_help="Serve a folder over TFTP, for the bench.")
@click.argument("directory", metavar="DIR")
@click.option("--bind", default="0.0.0.0", metavar="IP", help="The local address to listen on.")
@click.option("--port", type=int, default=69, show_default=True, metavar="N", help="UDP port.")
@click.option("--json", "json_lines", is_flag=True, help="Each transfer as one line of JSON.")
def serve(directory, bind, port, json_lines):
    """Serve the files below DIR over TFTP until Ctrl-C, with a line for each transfer.

    It reads only, knows blksize and tsize, and is meant for a desk; in production use in.tftpd.
    """
    if not 0 < port < 65536:
        raise Refused(f"--port takes a whole number from 1 to 65535, not {port}.")
    from pxebench.serve import server

    server.run(directory, address(bind, "--bind"), port, json_lines)
