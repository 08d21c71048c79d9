"""The files that a command was told to write: looked at before the work, written after it.

1. What cannot be written is refused before anything is sent.
2. `-` is standard output, for `--json` alone.
"""

import errno
import os
import sys

from pxebench.job import EXIT_BENCH, Refused, show


def check(targets):
    """Refuse before the work what could not be written after it; `targets`: option -> path."""
    taken = {}
    for option, path in targets.items():
        if path is None or (path == "-" and option == "--json"):
            continue
        place = os.path.abspath(path)
        if place in taken and not place.startswith("/dev/"):
            raise Refused(f"{taken[place]} and {option} both name {show(path)}.")
        taken[place] = option
        if option == "--out":
            continue  # the firmware's sink knows best what it needs
        if os.path.isdir(path):
            raise Refused(f"Cannot write {show(path)} for {option}: Is a directory.", EXIT_BENCH)
        target = path if os.path.exists(path) else os.path.dirname(place)
        if not os.path.exists(target):
            raise Refused(
                f"Cannot write {show(path)} for {option}: there is no folder {show(target)}.",
                EXIT_BENCH,
            )
        if not os.access(target, os.W_OK):
            raise Refused(f"Cannot write {show(path)} for {option}: no permission.", EXIT_BENCH)


def store(option, path, write):
    """Call `write()`, which writes `path` for `option`; a failure becomes a sentence."""
    try:
        write()
    except OSError as error:
        reason = error.strerror or error
        path = "standard output" if path == "-" else path
        raise Refused(f"Cannot write {show(path)} for {option}: {reason}.", EXIT_BENCH) from None


def store_json(path, result):
    """Write a result where --json says."""
    store("--json", path, lambda: _write_json(path, result))


def _write_json(path, result):
    from pxebench.record import as_text

    text = as_text(result)
    if path == "-":
        if sys.stdout is None:
            raise OSError(errno.EBADF, "standard output is closed")
        sys.stdout.write(text)
        sys.stdout.flush()
        return
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
