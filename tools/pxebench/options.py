"""Options that more than one command takes: the same name, the same words, the same checks.

    @options.all_of(options.ROM, options.ENDPOINT, options.OUTPUT)
    def command(rom, endpoint, interpreter, mount, config, kind, out, ...)

Each list below is one of click decorators, in the order in which `-h` shows them.
"""

import json
import re

import click

from pxebench.job import Refused, show

# ---- types of values, each with the sentence for a wrong one

_NUMBER = r"([0-9]{1,15}(?:\.[0-9]{1,9})?|\.[0-9]{1,9})"
_PART = _NUMBER + " ?(ms|[smhd])"


class Size(click.ParamType):
    """A number of bytes: `65536`, `64K`, `1.5M` or `64KiB`; K, M and G count in 1024s."""

    name = "SIZE"
    words = "SIZE is 65536 (bytes), 64K or 1.5M (of 1024 each)."
    _FACTORS = {"": 1, "b": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}

    def convert(self, value, param, ctx):
        if isinstance(value, int):
            return value
        # Not KB or MB: to some they are 1000s.
        found = re.fullmatch(_NUMBER + " ?(b|[kmg](?:ib)?|)", value.strip().lower())
        if not found:
            wrong = show(value) or "nothing"
            self.fail(f"{wrong} is no size; write it as 65536, 64K or 16M.", param, ctx)
        return round(float(found[1]) * self._FACTORS[found[2][:1]])


class Time(click.ParamType):
    """A time as `90` (seconds), `1.5s`, `500ms`, `5m` or `1h30m`, as whole milliseconds.

    `least_ms`, `most_ms`: what is taken; a week unless another is given.
    """

    name = "TIME"
    words = "TIME is 90 (seconds), 1.5s, 500ms, 5m or 1h30m."
    _MS = {"ms": 1, "s": 1000, "m": 60000, "h": 3600000, "d": 86400000}

    def __init__(self, least_ms=1, most_ms=7 * 86400000):
        self.least_ms = least_ms
        self.most_ms = most_ms

    def convert(self, value, param, ctx):
        if isinstance(value, int):
            return value
        text = value.strip().lower()
        if re.fullmatch(_NUMBER, text):
            text += "s"
        if not re.fullmatch(f"({_PART})+", text):
            wrong = show(value) or "nothing"
            self.fail(f"{wrong} is no time; write it as 90, 1.5s, 5m or 1h30m.", param, ctx)
        parts = re.findall(_PART, text)
        wait_ms = sum(float(number) * self._MS[unit] for number, unit in parts)
        if wait_ms <= 0 or not self.least_ms <= max(1, round(wait_ms)) <= self.most_ms:
            least, most = span(self.least_ms), span(self.most_ms)
            self.fail(f"{show(value)} is not a time from {least} to {most}.", param, ctx)
        return max(1, round(wait_ms))


def span(wait_ms):
    """A time in the largest unit that fits, as `Time` reads it: `1h30m`, `5m`, `12.5s`, `1ms`."""
    text = ""
    for unit, size in (("d", 86400000), ("h", 3600000), ("m", 60000)):
        if wait_ms >= size:
            text += f"{wait_ms // size:.0f}{unit}"
            wait_ms %= size
    if 0 < wait_ms < 1000 and not text:
        return f"{wait_ms:g}ms"
    return text + (f"{wait_ms / 1000:g}s" if wait_ms or not text else "")


class IPv4(click.ParamType):
    """An IPv4 address with four numbers, as text."""

    name = "IP"

    def convert(self, value, param, ctx):
        import ipaddress

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

# ---- completion


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
VERBOSE = [
    click.option(
        "-v",
        "--verbose",
        is_flag=True,
        help="Each packet as a line on stderr, as it passes; `explain` reads them.",
    )
]
OUTPUT = [
    click.option("-o", "--out", metavar="FILE|-", help="Store the file (else it is only hashed)."),
    click.option("--max-bytes", type=Size(), help="Refuse a file that is larger."),
    click.option(
        "--max-time",
        type=Time(),
        help="End the boot after so long (default 1h).",
    ),
    click.option(
        "--json",
        "json_path",
        metavar="FILE|-",
        help="Write the result as JSON; with - nothing else goes to stdout.",
    ),
    click.option("--pcap", metavar="FILE", help="Write the packets as a capture for Wireshark."),
    *VERBOSE,
    click.option("-q", "--quiet", is_flag=True, help="No ROM screen, no progress, no summary."),
]
SERVER_PCAP = [
    click.option(
        "--server-pcap",
        metavar="FILE",
        multiple=True,
        help="A capture made at the server or firewall during this run. Repeatable: nearest to "
        "this PC first.",
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
        # Not the text around that place: it may hold a password.
        line = f" (line {error.lineno})" if isinstance(error, json.JSONDecodeError) else ""
        raise Refused(f"{show(path)} is no JSON{line}.") from None
    if not isinstance(config, dict):
        raise Refused(f"{show(path)} holds no JSON object in braces.")
    return config
