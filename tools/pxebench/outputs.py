"""The files that a command is to write: checked before the work, written after it.

1. What cannot be written is refused before anything is sent.
2. `-` is standard output, for the file and for JSON, and for one of them at a time.
3. Two runs never write one file: each locks its FILE.part while its firmware writes there, and
   checks whether another has FILE as its part, or FILE.part as its file.
"""

import contextlib
import errno
import os
import sys

from pxebench.job import EXIT_BENCH, Refused, show

_STDOUT = ("--json", "--out", "-o")  # the options that take `-`
STDOUT_NAME = "standard output"


def check(targets):
    """Refuse now what could not be written later; `targets`: option -> path."""
    taken = {}
    for option, path in targets.items():
        if path is None:
            continue
        if not path:
            raise Refused(f"{option} names no file.")
        if path == "-" and option not in _STDOUT:
            raise Refused(f"{option} takes a file: there is no standard output for it.")
        place = os.path.abspath(path) if path != "-" else path
        if place in taken and not place.startswith("/dev/"):
            raise Refused(f"{taken[place]} and {option} both name {show(path)}.")
        taken[place] = option
        if option == "--out" or path == "-":
            continue  # checked by the firmware's sink
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


@contextlib.contextmanager
def claimed(path):
    """A context that locks `path`.part against other runs; `Refused` when one has it. The firmware
    opens it by name and renames it to `path`; what a killed run leaves of it is removed here. None
    for no path.
    """
    part = f"{path}.part"
    handle = None if path is None else _claim(path, part)
    try:
        yield
    finally:
        if handle is not None:
            if _is_at(handle, part):
                with contextlib.suppress(OSError):
                    os.remove(part)
            os.close(handle)


def _claim(path, part):
    # A locked descriptor of `part`; None where it cannot be opened: the firmware will say why.
    try:
        import fcntl
    except ImportError:  # no Unix
        return None
    if os.path.exists(path) and not os.path.isfile(path):
        return None
    if os.path.isdir(part):
        raise Refused(f"Cannot write {show(path)}: {show(part)} is a folder.", EXIT_BENCH)
    while True:
        handle = None
        try:
            if os.path.islink(part):
                os.remove(part)  # never write through a link
            flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK
            handle = os.open(part, flags, 0o666)
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            raise _busy(path) from None
        except OSError:  # or a file system without locks
            if handle is not None:
                os.close(handle)
            return None
        if not _is_at(handle, part):
            os.close(handle)  # the other run has just ended and renamed it
            continue
        if _is_held(fcntl, path) or _is_held(fcntl, part + ".part"):
            with contextlib.suppress(OSError):
                os.remove(part)
            os.close(handle)
            raise _busy(path)
        return handle


def _is_held(fcntl, path):
    # True when another run writes there now.
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    finally:
        os.close(handle)
    return False


def _busy(path):
    return Refused(
        f"Cannot write {show(path)}: another run is writing it; wait for that one, or name "
        f"another file.",
        EXIT_BENCH,
    )


def _is_at(handle, path):
    try:
        return os.path.samestat(os.fstat(handle), os.lstat(path))
    except OSError:
        return False


@contextlib.contextmanager
def to_stdout(job):
    """A context with the job, whose sink writes to a temporary file where its path is `-`; after a
    success that file goes to standard output. Any other job is not changed."""
    if job["sink"].get("path") != "-":
        yield job
        return
    if sys.stdout is None:
        raise Refused("Cannot write standard output for --out: it is closed.", EXIT_BENCH)
    import tempfile  # a fetch that needs none starts sooner without it

    with tempfile.TemporaryDirectory(prefix="pxebench-") as folder:
        path = os.path.join(folder, "image")
        yield {**job, "sink": {"kind": "file", "path": path}}
        if os.path.exists(path):
            store("--out", "-", lambda: _copy(path))


def _copy(path):
    import shutil

    with open(path, "rb") as file:
        shutil.copyfileobj(file, sys.stdout.buffer)
    sys.stdout.buffer.flush()


def store(option, path, write):
    """Call `write()`, which writes `path` for `option`; an OSError becomes a `Refused`."""
    try:
        write()
    except OSError as error:
        reason = error.strerror or error
        path = STDOUT_NAME if path == "-" else path
        raise Refused(f"Cannot write {show(path)} for {option}: {reason}.", EXIT_BENCH) from None


def store_json(path, result):
    """Write a result where --json says."""
    from pxebench.record import as_text

    store_text("--json", path, as_text(result))


def store_text(option, path, text):
    """Write `text` where an option says; `-` is standard output."""
    store(option, path, lambda: _write_text(path, text))


def _write_text(path, text):
    if path == "-":
        if sys.stdout is None:
            raise OSError(errno.EBADF, "standard output is closed")
        sys.stdout.write(text)
        sys.stdout.flush()
        return
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
