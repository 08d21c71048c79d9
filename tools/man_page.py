#!/usr/bin/env python3
"""The manual page pxebench(1), made from the commands themselves: `python tools/man_page.py`.

In roff's simplest man macros: the texts of `-h`, with a section for each group of commands. A
wheel includes it (`hatch_build.py`).
"""

import inspect
import re
import sys

import click
from pxebench import __version__, cli, headings

_EXIT_CODES = (
    ("0", "it booted, or the check was passed"),
    ("1", "the boot or the check failed; the result says how"),
    ("2", "wrong usage, or a bad input file"),
    ("3", "the bench is not in order: no interpreter, no board, port in use, target not writable"),
    ("130", "Ctrl-C; what was known by then is printed and written"),
)
_ENVIRONMENT = (
    ("PXEROM_MICROPYTHON", "the interpreter of --endpoint micropython"),
    ("NO_COLOR", "no colours, whatever the terminal"),
    ("PXEBENCH_DEBUG", "1: the traceback of what is called a bug in pxebench"),
)


def page():
    """The page's text."""
    lines = [
        f'.TH PXEBENCH 1 "" "pxerom {__version__}" "User Commands"',
        ".SH NAME",
        "pxebench \\- boot over the network as a PXE ROM does, and see what went wrong",
        ".SH SYNOPSIS",
        ".B pxebench",
        ".I COMMAND",
        "[OPTIONS] [ARGUMENTS]",
        ".SH DESCRIPTION",
        *_prose(cli.pxebench.help),
    ]
    context = click.Context(cli.pxebench, info_name="pxebench")
    for group, names in cli.groups().items():
        lines.append(f".SH {_text(group.upper())}")
        for name in names:
            lines += _command(cli.pxebench.get_command(context, name), f"pxebench {name}", context)
    lines += [".SH EXIT STATUS", *_pairs(_EXIT_CODES)]
    lines += [".SH ENVIRONMENT", *_pairs(_ENVIRONMENT)]
    return "\n".join(lines) + "\n"


def _command(command, path, parent):
    context = click.Context(command, info_name=path.rpartition(" ")[2], parent=parent)
    yield f".SS {_text(' '.join([path, *command.collect_usage_pieces(context)]))}"
    yield from _prose(command.help or "")
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            yield from _command(command.get_command(context, name), f"{path} {name}", context)
        return
    rows = {}
    for param in command.get_params(context):
        record = isinstance(param, click.Option) and param.get_help_record(context)
        if record and "--help" not in param.opts:
            rows.setdefault(headings.heading(param.name), []).append(record)
    for title, records in rows.items():
        yield ".PP"
        yield f".B {_text(title)}"
        yield from _pairs(records)
    notes = {param.type.words for param in command.params if hasattr(param.type, "words")}
    for note in sorted(notes, reverse=True):
        yield ".PP"
        yield _text(note)


def _pairs(rows):
    for name, text in rows:
        yield ".TP"
        yield f".B {_text(name)}"
        yield _text(" ".join(text.split()))


def _prose(text):
    # click's own rules: paragraphs, and those that begin with \b as they are.
    for paragraph in inspect.cleandoc(text).split("\n\n"):
        if paragraph.startswith("\b"):
            yield ".PP"
            yield ".nf"
            yield from map(_text, paragraph.splitlines()[1:])
            yield ".fi"
        else:
            yield ".PP"
            yield _text(" ".join(paragraph.split()))


def _text(text):
    text = text.replace("\\", "\\e").replace("-", "\\-").replace("`", "")
    return re.sub(r"^([.'])", r"\\&\1", text)


def main():
    sys.stdout.write(page())


if __name__ == "__main__":
    main()
