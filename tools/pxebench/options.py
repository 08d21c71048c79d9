"""Options that more than one command takes: the same name, the same words, the same checks.

    @options.all_of(options.ROM, options.ENDPOINT, options.OUTPUT)
    def command(rom, endpoint, interpreter, mount, config, kind, out, ...)

Each list below is one of click decorators, in the order in which `-h` shows them.
"""

import ipaddress
import json
import re

import click

from pxebench.job import Refused, show

# ---- types of values, each with the sentence for what is none


class Size(click.ParamType):
    """A number of bytes, as `65536`, `64K` or `16M`."""

    name = "N[K|M|G]"
    _FACTORS = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}

    def convert(self, value, param, ctx):
        if isinstance(value, int):
            return value
        factor = self._FACTORS.get(value[-1:].upper(), 1)
        digits = value if factor == 1 else value[:-1]
        if not (digits.isascii() and digits.isdigit()):
            self.fail(f"{show(value)} is no number of bytes; write it as 65536, 64K or 16M.")
        return int(digits) * factor


class Seconds(click.ParamType):
    """A time in seconds, up to a week, as the whole number of milliseconds that a job takes."""

    name = "SECONDS"

    def convert(self, value, param, ctx):
        try:
            seconds = float(value)
        except ValueError:
            self.fail(f"{show(value)} is no number of seconds.", param, ctx)
        if not 0 < seconds <= 86400 * 7:
            self.fail(f"it takes seconds, more than 0, not {seconds:g}.", param, ctx)
        return max(1, round(seconds * 1000))


class IPv4(click.ParamType):
    """An IPv4 address with four numbers, as text."""

    name = "IP"

    def convert(self, value, param, ctx):
        try:
            return str(ipaddress.IPv4Address(value))
        except ValueError:
            self.fail(f"{show(value)} is no IPv4 address.", param, ctx)


class Mac(click.ParamType):
    """The MAC address of one machine, as `02:00:00:12:34:56`; dashes are understood."""

    name = "MAC"

    def convert(self, value, param, ctx):
        mac = value.lower().replace("-", ":")
        if not re.fullmatch(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}", mac):
            self.fail(f"{show(value)} is no MAC address; write 02:00:00:12:34:56.", param, ctx)
        if int(mac[:2], 16) & 1:
            self.fail(f"{show(value)} is the address of a group, not of a machine.", param, ctx)
        return mac


class Uuid(click.ParamType):
    """A UUID as dmidecode prints it, in small letters."""

    name = "UUID"

    def convert(self, value, param, ctx):
        if not re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", value, re.I):
            self.fail(
                f"{show(value)} is no UUID; write 12345678-1234-5678-9abc-def012345678, as "
                f"dmidecode prints it.",
                param,
                ctx,
            )
        return value.lower()


PORT = click.IntRange(1, 65535)

# ---- what a shell completes


def complete_rom(ctx, param, incomplete):
    """The ids of ROMs that begin so; where none does, the shell completes a file."""
    from pxebench.roms import known

    return [each for each in known.ids() if each.startswith(incomplete)]


def complete_board(ctx, param, incomplete):
    """The ids of the kinds of boards that begin so."""
    from pxebench.board import kinds

    return [kind.id for kind in kinds.kinds() if kind.id.startswith(incomplete)]


# ---- options


CONFIG = click.option(
    "--config", metavar="FILE", help="The board's settings, its link's above all."
)
KIND = click.option(
    "--board",
    "kind",
    metavar="ID",
    shell_complete=complete_board,
    help="The kind of board (else it is asked itself).",
)
ROM = [
    click.option(
        "--rom",
        default="intel-undi",
        show_default=True,
        metavar="ID|FILE.json",
        shell_complete=complete_rom,
        help="The ROM to be; `pxebench roms` lists them.",
    )
]
ENDPOINT = [
    click.option(
        "--endpoint",
        default="local",
        show_default=True,
        metavar="local|micropython|serial:PORT",
        help="Where the ROM runs: in this Python, in a MicroPython interpreter, or on a board "
        "(serial:place:NAME: a place of labgrid).",
    ),
    click.option(
        "--interpreter",
        metavar="PATH",
        help="The MicroPython binary (else PXEROM_MICROPYTHON, .tools/bin, PATH).",
    ),
    click.option(
        "--mount", is_flag=True, help="Board: run pxerom from this PC, not from its flash."
    ),
    CONFIG,
    KIND,
]
OUTPUT = [
    click.option("-o", "--out", metavar="FILE|-", help="Store the file (else it is only hashed)."),
    click.option("--max-bytes", type=Size(), help="Refuse a file that is larger."),
    click.option(
        "--max-time",
        type=Seconds(),
        help="End the boot after so long (default 3600).",
    ),
    click.option(
        "--json",
        "json_path",
        metavar="FILE|-",
        help="Write the result as JSON; with - nothing else goes to stdout.",
    ),
    click.option("--pcap", metavar="FILE", help="Write the packets as a capture for Wireshark."),
    click.option("-q", "--quiet", is_flag=True, help="No ROM screen, no progress, no summary."),
]
SERVER_PCAP = [
    click.option(
        "--server-pcap",
        metavar="FILE",
        multiple=True,
        help="A capture made at the server or a firewall meanwhile; several: from here on.",
    )
]


def all_of(*lists):
    """A decorator that gives a command the options of all these lists, in their order."""

    def decorate(command):
        for option in reversed([option for options in lists for option in options]):
            command = option(command)
        return command

    return decorate


def read_config(path):
    """The settings in a config file; checked no further. None for no file."""
    if path is None:
        return None
    try:
        with open(path, encoding="utf-8") as file:
            config = json.load(file)
    except OSError as error:
        raise Refused(f"Cannot read {show(path)}: {error.strerror}.") from None
    except ValueError as error:
        # Not the text around the place: a password may stand there.
        line = f" (line {error.lineno})" if isinstance(error, json.JSONDecodeError) else ""
        raise Refused(f"{show(path)} is no JSON{line}.") from None
    if not isinstance(config, dict):
        raise Refused(f"{show(path)} holds no JSON object in braces.")
    return config
