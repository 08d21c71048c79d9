"""The folder .tools: its paths, the stamps of finished steps, and replacing a folder at once.

A step builds in a folder beside its place, which is then renamed; its stamp is written last. So an
interrupted run leaves nothing that looks finished. A stamp holds a digest of the recipe: of this
file, of `apt.py`, of the step's own module, and of what that names.
"""

import contextlib
import hashlib
import os
import re
import shlex
import shutil
import subprocess
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent.parent.parent
TOOLS = HERE / ".tools"
BIN = TOOLS / "bin"
VENV = HERE / ".venv"


class Failure(Exception):
    """A step failed: one sentence for the user, with what to do."""


def run(argv, failure, cwd=None, **more):
    """Run argv quietly and return its stdout; if it fails, its errors follow `failure`. cwd: the
    folder to run it in, else this one; more: environment variables."""
    env = dict(os.environ, LC_ALL="C", **more)
    try:
        done = subprocess.run(
            [str(arg) for arg in argv],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            env=env,
            cwd=cwd,
        )
    except OSError as error:
        raise Failure(f"{failure}: {argv[0]}: {error.strerror}") from error
    if done.returncode:
        said = [line.strip() for line in (done.stderr or done.stdout).splitlines()]
        errors = [line for line in said if re.match("E:|ERROR|Error", line)]
        raise Failure("\n    ".join([f"{failure}:", *(errors[:4] or said[-4:])]))
    return done.stdout


@contextlib.contextmanager
def here_for_make():
    """Yield a path of this checkout without a space: make cannot handle one in a name."""
    if not re.search(r"\s", str(HERE)):
        yield HERE
        return
    with tempfile.TemporaryDirectory(prefix="pxerom-") as folder:
        link = Path(folder, "here")
        link.symlink_to(HERE)
        yield link


def stamp_path(step):
    return TOOLS / "stamps" / step


def digest_of(module, *recipe):
    """Return what the stamp of a step must say: its module is `module` (a `__file__`)."""
    # The folder is part of every recipe: a venv and a wrapper hold absolute paths.
    here = Path(__file__)
    own = [path.read_bytes() for path in (here, here.with_name("apt.py"), Path(module))]
    return hashlib.sha256(repr((str(HERE), own, recipe)).encode()).hexdigest()


def is_done(step, digest, *products):
    stamp = stamp_path(step)
    return stamp.is_file() and stamp.read_text() == digest and all(p.exists() for p in products)


def set_done(step, digest):
    stamp_path(step).parent.mkdir(parents=True, exist_ok=True)
    stamp_path(step).write_text(digest)


def put_in_place(new, place):
    """Replace the folder `place` by the folder `new`."""
    place.parent.mkdir(parents=True, exist_ok=True)
    old = place.with_name(place.name + ".old")
    shutil.rmtree(old, ignore_errors=True)
    if place.exists():
        place.rename(old)
    new.rename(place)
    shutil.rmtree(old, ignore_errors=True)


@contextlib.contextmanager
def replacing(place):
    """Yield two empty folders beside `place`, (new, work); after the block `new` replaces `place`.
    Neither is left behind, also not by a failure."""
    folders = [place.with_name(place.name + end) for end in (".new", ".work")]
    try:
        for folder in folders:
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
        yield folders
        put_in_place(folders[0], place)
    finally:
        for folder in folders:
            shutil.rmtree(folder, ignore_errors=True)


def write_wrapper(name, argv, **environment):
    """Make .tools/bin/NAME, which execs argv with the caller's arguments behind it."""
    lines = ["#!/bin/sh", "# Made by tools/provision.py."]
    lines += [f"export {key}={shlex.quote(value)}" for key, value in environment.items()]
    lines += ["exec " + " ".join(shlex.quote(str(arg)) for arg in argv) + ' "$@"', ""]
    BIN.mkdir(parents=True, exist_ok=True)
    new = BIN / f".{name}.new"
    new.write_text("\n".join(lines))
    new.chmod(0o755)
    new.rename(BIN / name)


def megabytes(*folders):
    files = (f for folder in folders for f in folder.rglob("*") if not f.is_symlink())
    return f"{sum(f.stat().st_size for f in files if f.is_file()) / 1e6:.0f} MB"
