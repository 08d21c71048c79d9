"""Text wrapped to lines: of the terminal's width, at most `_MOST`; of that width anywhere else."""

import sys
import textwrap

from pxebench import colour
from pxebench.job import show

_MOST = 79  # most terminals, mails and tickets do not wrap such a line


def room():
    """The columns of a line on standard output."""
    terminal = sys.stdout is not None and sys.stdout.isatty()
    return min(_MOST, colour.width(sys.stdout)) if terminal else _MOST


def wrapped(text, indent="", more=None, columns=None):
    """The lines of a text, at least one. `more`: the indent from the second one on (else two
    more); `columns`: the width, else `room()`. Words are never broken: a user copies them."""
    if more is None:
        more = indent + ("  " if indent else "")
    return textwrap.wrap(
        text,
        columns or room(),
        initial_indent=indent,
        subsequent_indent=more,
        break_long_words=False,
        break_on_hyphens=False,
    ) or [indent]


def listed(title, sentences):
    """A title and its sentences below it; nothing where there are none."""
    sentences = list(sentences)
    if sentences:
        yield ""
        yield f"{title}:"
    for sentence in sentences:
        yield from wrapped(show(sentence), "  ")
