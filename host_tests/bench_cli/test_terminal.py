"""Colour, tables and widths: on a terminal, in a pipe, with NO_COLOR, TERM=dumb and COLUMNS."""

import io
import re

import pytest
from pxebench import colour, prose, tables

ROWS = [
    ("ipxe", ("yes", "green"), "2 ms", ""),
    ("intel-undi", ("no", "red"), "12.1 s", "why " * 20),
]
HEAD = ("ROM", "boots", "time", "why")


class _Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture(autouse=True)
def terminal(monkeypatch):
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.delenv("NO_COLOR", raising=False)
    return monkeypatch


@pytest.mark.parametrize(
    ("stream", "name", "value", "wanted"),
    [
        (_Terminal(), "X", "", True),
        (_Terminal(), "NO_COLOR", "", True),  # no-color.org: set, and not empty
        (_Terminal(), "NO_COLOR", "0", False),
        (_Terminal(), "TERM", "dumb", False),
        (io.StringIO(), "X", "", False),
        (None, "X", "", False),
    ],
)
def test_colours_are_for_a_terminal_that_may_have_them(terminal, stream, name, value, wanted):
    terminal.setenv(name, value)
    assert colour.wanted(stream) is wanted
    if stream is not None:
        tables.show(HEAD, ROWS, stream)
        assert ("\x1b[" in stream.getvalue()) is wanted


def test_verdict_is_bold_and_its_word_alone_has_a_colour():
    paint = colour.Paint(_Terminal())
    first, second = paint.verdict(["Verdict: loss. Packets", "are lost: loss."], "loss", False)
    assert first == "\x1b[1mVerdict: \x1b[0m\x1b[1;31mloss\x1b[0m\x1b[1m. Packets\x1b[0m"
    assert second == "\x1b[1mare lost: loss.\x1b[0m"
    assert list(colour.PLAIN.verdict(["Verdict: healthy."], "healthy", True)) == [
        "Verdict: healthy."
    ]


def test_table_in_a_pipe_is_a_line_a_row_and_plain():
    pipe = io.StringIO()
    tables.show(HEAD, ROWS, pipe, right=("time",))
    lines = pipe.getvalue().splitlines()
    assert lines[0] == "ROM         boots    time  why"
    assert lines[1] == "ipxe        yes      2 ms"
    assert lines[2] == "intel-undi  no     12.1 s  " + ("why " * 20).rstrip()
    pipe.getvalue().encode("ascii")


@pytest.mark.parametrize("columns", [40, 80, 200])
def test_table_on_a_terminal_loses_nothing_and_stays_inside(terminal, columns):
    terminal.setenv("COLUMNS", str(columns))
    stream = _Terminal()
    tables.show(HEAD, ROWS, stream, right=("time",))
    text = re.sub(r"\x1b\[[\d;]*m", "", stream.getvalue())
    assert max(map(len, text.splitlines())) <= columns
    assert text.count("why") == 21 and "intel-undi" in text


def test_sentences_are_as_wide_as_the_terminal_and_79_at_most(terminal):
    text = "word " * 60
    assert 70 < max(map(len, prose.wrapped(text))) <= 79  # no terminal
    terminal.setattr("sys.stdout", _Terminal())
    terminal.setenv("COLUMNS", "60")
    assert 50 < max(map(len, prose.wrapped(text, "  "))) <= 60
    terminal.setenv("COLUMNS", "300")
    assert max(map(len, prose.wrapped(text))) <= 79
