"""Keys on a terminal, for the prompt and the menu of a ROM that boots.

    with keys.from_terminal() as pressed:      # None when standard input is no terminal
        ... pressed() ...                      # one key, "" when none was pressed; never waits

The firmware knows letters: "m" the menu (F8, Ctrl-M), "u" and "d" up and down, "\\r" the marked
entry, "1".."9" an entry, "q" the end (ESC). The bytes that a terminal sends for a key are
translated here.

1. The terminal is as it was when the block ends, however it ends.
2. Ctrl-C stays Ctrl-C.
"""

import contextlib
import os
import select
import sys

# ECMA-48 and xterm: an escape alone is ESC, with more bytes after it another key.
_SEQUENCES = {
    b"\x1b[19~": "m",  # F8
    b"\x1b[A": "u",
    b"\x1bOA": "u",
    b"\x1b[B": "d",
    b"\x1bOB": "d",
}
_LETTERS = {
    "\r": "\r",
    "\n": "\r",
    "m": "m",
    "M": "m",
    "k": "u",
    "j": "d",
    "q": "q",
    **{str(digit): str(digit) for digit in range(1, 10)},
}
_ESCAPE = 0x1B
_LONGEST = 8


def parse(data):
    """The keys in a terminal's bytes: a string of the firmware's letters."""
    found = []
    while data:
        if data[0] != _ESCAPE:
            found.append(_LETTERS.get(chr(data[0]), ""))
            data = data[1:]
            continue
        sequence = next((s for s in _SEQUENCES if data.startswith(s)), None)
        if sequence:
            found.append(_SEQUENCES[sequence])
            data = data[len(sequence) :]
        elif len(data) == 1 or data[1] == _ESCAPE:
            found.append("q")
            data = data[1:]
        else:  # another key: skipped, up to its last byte
            end = 2
            while end < min(len(data), _LONGEST) and not 0x40 <= data[end] <= 0x7E:
                end += 1
            data = data[end + 1 :]
    return "".join(found)


def _in_front(stream):
    """Whether this is a terminal's foreground process: others may not change the terminal."""
    try:
        return stream.isatty() and os.tcgetpgrp(stream.fileno()) == os.getpgrp()
    except (AttributeError, OSError, ValueError):  # closed, or not this session's terminal
        return False


@contextlib.contextmanager
def from_terminal(stream=None):
    """Yield a function that gives the next key pressed, or None where there is no terminal."""
    stream = sys.stdin if stream is None else stream
    if not _in_front(stream):
        yield None
        return
    import termios
    import tty

    fd = stream.fileno()
    before = termios.tcgetattr(fd)
    waiting = []

    def pressed():
        if not waiting and select.select([fd], [], [], 0)[0]:
            waiting.extend(parse(os.read(fd, 64)))
        return waiting.pop(0) if waiting else ""

    try:
        tty.setcbreak(fd)
        yield pressed
    finally:
        termios.tcsetattr(fd, termios.TCSADRAIN, before)
