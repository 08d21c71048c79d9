"""What `-h` shows of each command, and how a time and a size are written: without a process."""

import click
import pytest
from pxebench import cli, headings, options


def _commands(group, path=("pxebench",)):
    # (its words, the command) of the whole tree.
    context = click.Context(group)
    for name in group.list_commands(context):
        found = group.get_command(context, name)
        yield (*path, name), found
        if isinstance(found, click.Group):
            yield from _commands(found, (*path, name))


COMMANDS = dict(_commands(cli.pxebench))
IDS = [" ".join(words) for words in COMMANDS]


def _help(words, command):
    settings = {**cli.pxebench.context_settings, "terminal_width": 80}
    parent = click.Context(cli.pxebench, info_name="pxebench", **settings)
    name = " ".join(words[1:])
    return command.get_help(click.Context(command, parent, name, terminal_width=80))


@pytest.mark.parametrize(("words", "command"), COMMANDS.items(), ids=IDS)
def test_help_fits_a_terminal_of_80_columns_and_a_long_one_has_headings(words, command):
    text = _help(words, command)
    assert [line for line in text.splitlines() if len(line) > 80] == []
    given = [one for one in command.params if isinstance(one, click.Option)]
    if len(given) > 6:
        assert {one.name for one in given if headings.heading(one.name) == "Options"} == set()
        assert text.count("\nOptions:\n  -h, --help") == 1


def test_first_page_says_of_each_command_what_the_command_says_itself():
    for name, text in cli._COMMANDS.items():
        assert COMMANDS["pxebench", name].short_help == text


@pytest.mark.parametrize(
    ("text", "wait_ms"),
    [("90", 90000), ("1.5s", 1500), ("5m", 300000), ("1h30m", 5400000), ("200ms", 200)]
    + [(".5", 500), ("1.5 S", 1500), ("1d", 86400000), ("0.0001", 1)],
)  # fmt: skip
def test_time_is_as_a_hand_writes_it(text, wait_ms):
    assert options.Time().convert(text, None, None) == wait_ms


@pytest.mark.parametrize(
    "text", ["", "m5", "5m30", "1,5s", "-1", "0", "nan", "inf", "1e3", "8d", "5x", "\u0665s"]
)
def test_what_is_no_time_is_refused_with_a_sentence(text):
    with pytest.raises(click.BadParameter, match="is no(t a)? time"):
        options.Time().convert(text, None, None)


@pytest.mark.parametrize("wait_ms", [1, 200, 1500, 12500, 30000, 300000, 5400000, 86400000])
def test_time_that_is_shown_can_be_typed(wait_ms):
    assert options.Time().convert(options.span(wait_ms), None, None) == wait_ms


@pytest.mark.parametrize(
    ("text", "count"),
    [("65536", 65536), ("64K", 65536), ("1.5M", 1572864), ("64KiB", 65536), ("1 g", 1 << 30)],
)
def test_size_is_as_a_hand_writes_it(text, count):
    assert options.Size().convert(text, None, None) == count


@pytest.mark.parametrize("text", ["", "64KB", "-1", "10Q", "1e6"])
def test_what_is_no_size_or_means_two_is_refused(text):
    with pytest.raises(click.BadParameter, match="is no size"):
        options.Size().convert(text, None, None)


@pytest.mark.parametrize(("words", "command"), COMMANDS.items(), ids=IDS)
def test_every_time_and_every_size_is_read_by_the_one_parser(words, command):
    for one in command.params:
        text = (getattr(one, "help", None) or "").lower()
        if one.name in ("rate", "ms"):  # a number a second; --ms has its unit in its name
            continue
        if any(word in text for word in ("so long", "seconds", "slower", " wait ", "heap")):
            assert isinstance(one.type, (options.Time, options.Size)), one.name
