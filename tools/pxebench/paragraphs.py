"""Sentences as lines of a terminal's width, and titles above lists of them."""

import textwrap

from pxebench.job import show

WIDTH = 79


def wrapped(text, indent=""):
    """`text` as lines; those after the first stand two further in, where the first is indented."""
    more = indent + ("  " if indent == "  " else "")
    return textwrap.wrap(
        text, WIDTH, initial_indent=indent, subsequent_indent=more, break_on_hyphens=False
    ) or [indent]


def listed(title, sentences):
    """The lines of a title and of the sentences under it; none without a sentence."""
    sentences = list(sentences)
    if sentences:
        yield ""
        yield f"{title}:"
    for sentence in sentences:
        yield from wrapped(show(sentence), "  ")
