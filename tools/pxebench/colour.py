"""Colours of a terminal (a verdict is bold, its word red or green), and its width.

No colour in a pipe or a file, with NO_COLOR (https://no-color.org: set, and not empty), and on a
terminal that knows none (TERM=dumb).
"""

import os

_CODES = {"bold": 1, "dim": 2, "red": 31, "green": 32, "yellow": 33}


def wanted(stream):
    """Whether what is written to a stream may have colours."""
    if stream is None or os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return False
    return stream.isatty()


def width(stream):
    """Columns of the terminal behind a stream; COLUMNS takes precedence."""
    given = os.environ.get("COLUMNS", "")
    if given.isascii() and given.isdigit() and 20 <= int(given) <= 1000:
        return int(given)
    try:
        return os.get_terminal_size(stream.fileno()).columns or 80
    except (OSError, ValueError, AttributeError):
        return 80


class Paint:
    """Gives text its colours, for one stream: `paint(text, "red", "bold")`."""

    def __init__(self, stream=None):
        self.on = wanted(stream)

    def __call__(self, text, *styles):
        if not self.on or not text or not styles:
            return text
        return f"\x1b[{';'.join(str(_CODES[style]) for style in styles)}m{text}\x1b[0m"

    def verdict(self, lines, word, good):
        """The lines of a verdict in bold, `word` in the first of them green or red (None: no
        colour)."""
        colour = {True: "green", False: "red", None: "yellow"}[good]
        for number, line in enumerate(lines):
            before, found, after = line.partition(word)
            if number or not found:
                yield self(line, "bold")
            else:
                yield self(before, "bold") + self(found, "bold", colour) + self(after, "bold")


PLAIN = Paint()
