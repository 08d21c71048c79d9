"""`pxebench serve`: the options of the bench's TFTP server; the server itself is in `server`."""

import click

from pxebench import headings
from pxebench.options import PORT, IPv4


@headings.command(short_help="Serve a folder over TFTP, for the bench.")
@click.argument("directory", metavar="DIR")
@click.option("--bind", type=IPv4(), default="0.0.0.0", help="The local address to listen on.")
@click.option("--port", type=PORT, default=69, show_default=True, metavar="N", help="UDP port.")
@click.option("--json", "json_lines", is_flag=True, help="Each transfer as one line of JSON.")
def serve(directory, bind, port, json_lines):
    """Serve the files below DIR over TFTP until Ctrl-C, with a line for each transfer.

    It reads only, knows blksize and tsize, and is meant for a desk; in production use in.tftpd.
    """
    from pxebench.serve import server

    server.run(directory, bind, port, json_lines)
