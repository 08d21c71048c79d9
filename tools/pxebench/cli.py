"""The command `pxebench`: its commands, and the one place where an error is reported.

The options of a command are in `<command>/cli.py`, which imports what it needs when it runs.

1. Exit codes: 0 booted, 1 the boot failed, 2 wrong usage or a bad input file, 3 the bench is not
   in order, 130 Ctrl-C.
2. stdout carries what was asked for (the ROM's screen, or JSON), stderr what the bench says.
3. A user sees no traceback; PXEBENCH_DEBUG=1 shows it, for a bug report.
"""

import errno
import importlib
import os
import signal
import sys

import click

from pxebench import __version__
from pxebench.job import EXIT_BENCH, EXIT_INTERRUPTED, EXIT_OK, EXIT_USAGE, Refused, nearest, show

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)
_ASKED_BY_A_SHELL = "_PXEBENCH_COMPLETE"  # for completions: `completion.shells`
_EXIT_PIPE = 128 + 13  # a shell's exit code for a writer whose reader has ended (SIGPIPE)


# The commands as `-h` groups them, with its line for each. A command is imported when it runs:
# importing all of them takes longer than most commands.
_GROUPS = {
    "Find out why": {
        "explain": "A trace, a netstat, a log, a code: who, how far, why.",
        "diagnose": "Why a boot fails, and the rule to change.",
        "sweep": "Which client ports get an answer.",
        "compat": "Boot as every ROM against one server: a table.",
        "watch": "Boot again and again, and tell what changes.",
    },
    "Boot": {
        "fetch": "Fetch one file over TFTP, as a ROM does.",
        "boot": "Boot over the network as a ROM does: DHCP first, then the file.",
        "storm": "Many ROMs at once from this PC, and the server's limit.",
        "serve": "Serve a folder over TFTP, for the bench.",
    },
    "ROMs": {
        "roms": "List the ROMs; show one and its evidence.",
        "learn": "Make a ROM file from captures of a machine.",
        "compare": "Compare two captures, packet by packet.",
    },
    "Boards": {
        "board": "Find, flash, fill, use and test boards.",
        "fleet": "A rack of boards through labgrid: fill them, boot them together.",
    },
    "Results": {"report": "Results as one page to forward."},
    "This PC": {
        "doctor": "What this PC has for the bench, and what is missing.",
        "completion": "Let bash, zsh or fish complete commands, ROMs and boards.",
    },
}
_COMMANDS = {name: text for group in _GROUPS.values() for name, text in group.items()}


def groups():
    """{heading: names of its commands}, as `-h` shows them."""
    return {title: list(group) for title, group in _GROUPS.items()}


class _Commands(click.Group):
    """The commands of `_COMMANDS`: NAME stands in `NAME/cli.py` as `NAME`, or `NAME_command`."""

    def list_commands(self, ctx):
        return list(_COMMANDS)

    def get_command(self, ctx, cmd_name):
        if cmd_name not in _COMMANDS:
            near = nearest(cmd_name, _COMMANDS)
            if near and not ctx.resilient_parsing:
                ctx.fail(f"There is no command {show(cmd_name)}; the nearest is {near}.")
            return None
        module = importlib.import_module(f"pxebench.{cmd_name}.cli")
        return getattr(module, f"{cmd_name}_command", None) or getattr(module, cmd_name)

    def shell_complete(self, ctx, incomplete):
        # From the table: click would import every command for its help line.
        from click.shell_completion import CompletionItem

        names = [name for name in _COMMANDS if name.startswith(incomplete)]
        items = [CompletionItem(name, help=_COMMANDS[name]) for name in names]
        return items + click.Command.shell_complete(self, ctx, incomplete)

    def format_commands(self, ctx, formatter):
        # One column for all groups: as wide as the longest name.
        width = max(map(len, _COMMANDS))
        for title, group in _GROUPS.items():
            with formatter.section(title):
                formatter.write_dl([(name.ljust(width), text) for name, text in group.items()])


@click.group(
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit codes: 0 booted, 1 the boot failed, 2 wrong usage or a bad input file, "
    "3 the bench is not in order, 130 Ctrl-C.",
)
@click.version_option(__version__, message="%(prog)s %(version)s")
def pxebench():
    """Boot over the network as a PXE ROM does, and see what went wrong on the way.

    PXE-E32? `pxebench diagnose tftp://HOST/FILE`, from the clients' side of the firewall.
    """


# ---- the guard


def main(arguments=None):
    """The entry point: runs the command line and leaves with its exit code."""
    # SIGTERM and SIGHUP end the program in order; Windows has no SIGHUP.
    for number in {signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM)}:
        if signal.getsignal(number) == signal.SIG_DFL:
            signal.signal(number, _terminated)
    while os.open(os.devnull, os.O_RDWR) < 3:  # else a socket takes a closed stream's number
        pass
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # for the C locale
    code = _guarded(arguments)
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError as error:
        from pxebench.view import let_go

        let_go(sys.stdout)
        if code == EXIT_OK and isinstance(error, BrokenPipeError):
            code = _EXIT_PIPE
        elif code == EXIT_OK:
            _say(f"Cannot write to standard output: {error.strerror}.")
            code = EXIT_BENCH
    sys.exit(code)


def _terminated(*_):
    raise KeyboardInterrupt


def _guarded(arguments):
    try:
        if _ASKED_BY_A_SHELL in os.environ:
            from pxebench.completion import shells

            return shells.answer(pxebench)
        return pxebench.main(arguments, "pxebench", standalone_mode=False) or EXIT_OK
    except Refused as error:
        _say(error.message)
        return error.exit_code
    except click.ClickException as error:
        if type(error).__name__ == "NoArgsIsHelpError":  # click 8.2 and later
            error.show()
            return EXIT_USAGE
        place = f" (see `{error.ctx.command_path} -h`)" if getattr(error, "ctx", None) else ""
        _say(show(error.format_message()).rstrip(".") + place + ".")
        return EXIT_USAGE
    except (click.Abort, KeyboardInterrupt):
        _say("Interrupted.")
        return EXIT_INTERRUPTED
    except (BrokenPipeError, SystemExit):  # click's form of a broken pipe
        return _EXIT_PIPE
    except OSError as error:
        if error.errno not in _NO_ROOM or os.environ.get("PXEBENCH_DEBUG"):
            return _bug(error)
        _say(f"Cannot write to standard output: {error.strerror}.")
        return EXIT_BENCH
    except Exception as error:  # noqa: BLE001 - reported to the user here
        return _bug(error)


def _bug(error):
    if os.environ.get("PXEBENCH_DEBUG"):
        raise error
    _say(
        f"This is a bug in pxebench: {type(error).__name__}: {show(str(error))} "
        f"(set PXEBENCH_DEBUG=1 to see where, and please report it)."
    )
    return EXIT_BENCH


def _say(sentence):
    from pxebench.view import Writer

    Writer(sys.stderr).line("pxebench: " + sentence)
