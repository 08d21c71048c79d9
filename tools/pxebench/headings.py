"""`-h` of a command: its options under headings, the same heading for an option in every command.

click's own formatter writes the lines. rich-click would double the start time of `fetch`, which a
test limits.

1. A command with few options has one list, without headings.
2. How a time and a size are written is shown once, below the options that take one.
"""

import functools

import click

_FEW = 7  # options, -h among them
_REST = "Options"
_COLUMN = 26  # a longer option has its text below it
_HEADINGS = {
    "The target": ("server", "file"),
    "The boards": ("tags", "coordinator", "need"),
    "The ROM": ("rom", "roms", "arch", "mac", "uuid"),
    "What a ROM may let you change": ("blksize", "windowsize", "timeout", "retries", "no_tsize"),
    "The machines": ("together", "spread", "ramp", "where", "dhcp"),
    "The rack": ("tags", "coordinator", "need", "run"),
    "Which ports": ("ports", "bisect", "rate", "most", "wait", "plain"),
    "Which boot": ("client", "boot", "stage", "file_name"),
    "How exact": ("percent", "ms"),
    "How many, how often": ("count", "every", "history", "keep"),
    "The lease": ("lease", "static", "proxy", "allow", "release"),
    "The menu": ("menu", "no_menu"),
    "The experiments": ("quick", "again"),
    "Where it runs": (
        *("endpoint", "interpreter", "port", "mount", "config", "kind", "interface", "bind"),
    ),
    "Faults on purpose": ("faults", "seed"),
    "Limits": ("max_time", "max_bytes"),
    "For a monitoring system": ("check", "warning", "critical", "metrics"),
    "What you get": (
        *("verbose", "quiet", "out", "json_path", "as_json", "html_path", "pcap", "server_pcap"),
        *("nft_chain", "all_rules"),
    ),
}
_HEADING_OF = {name: title for title, names in _HEADINGS.items() for name in names}


def heading(name):
    """The heading of the option of that name."""
    return _HEADING_OF.get(name, _REST)


class Command(click.Command):
    """A command whose `-h` has its options under headings."""

    def format_options(self, ctx, formatter):
        params = [
            param
            for param in self.get_params(ctx)
            if isinstance(param, click.Option) and param.get_help_record(ctx)
        ]
        if len(params) <= _FEW:
            super().format_options(ctx, formatter)
        else:
            _sections(params, ctx, formatter)
        notes = {param.type.words for param in params if hasattr(param.type, "words")}
        if notes:
            formatter.write_paragraph()
            with formatter.indentation():
                formatter.write_text(" ".join(sorted(notes, reverse=True)))


def _sections(params, ctx, formatter):
    rows = {title: [] for title in (*_HEADINGS, _REST)}
    for param in params:
        rows[heading(param.name)].append(param.get_help_record(ctx))
    # One column for all headings, as wide as the longest option that has its text beside it.
    widths = [len(words) for section in rows.values() for words, _ in section]
    width = max((each for each in widths if each <= _COLUMN), default=0)
    for title, section in rows.items():
        if section:
            with formatter.section(title):
                lines = [(words.ljust(width), text) for words, text in section]
                formatter.write_dl(lines, col_max=width)


class Group(click.Group):
    """A group of such commands."""

    command_class = Command


command = functools.partial(click.command, cls=Command)
group = functools.partial(click.group, cls=Group)
