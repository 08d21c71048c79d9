"""The places that a run acquires and releases.

A run acquires under a name of its own, USER-pxebench-PID: so its places can be told from those of
a user or of another run, also after its end.

1. Only free places are taken, and only what this run took is released.
2. A place that another user acquires first is a row, no error.
"""

import getpass
import os
import re
import socket
from pathlib import Path

from pxebench.job import EXIT_BENCH, EXIT_USAGE, Refused, show
from pxebench.lab import coordinator

_RUN = re.compile(r"(.+)-pxebench-(\d+)")


def run_name():
    """The name of this run."""
    return f"{os.environ.get('LG_USERNAME') or getpass.getuser()}-pxebench-{os.getpid()}"


def tags_of(texts):
    """{name: value} of `--tag NAME=VALUE`, given any number of times."""
    found = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not (name and equals):
            raise Refused(f"--tag takes NAME=VALUE, as kind=rpi_pico_w, not {show(text)}.")
        found[name] = value
    return found


def tagged(places, wanted):
    """Those of `places` that have all the tags `wanted`; `Refused` where there is none."""
    found = [one for one in places if wanted.items() <= one.tags.items()]
    if not found:
        words = " ".join(f"{show(name)}={show(value)}" for name, value in wanted.items())
        what = f"No place has the tags {words}" if words else "The coordinator has no place"
        raise Refused(f"{what}; `pxebench fleet list` shows what there is.", EXIT_BENCH)
    return found


class Taken:
    """The places of one run, from `take` to `give_back`.

    `places`: those taken, as `lab.places.Place`; `held`: [(Place, who holds it, or why it cannot
    be had)]; `unreleased`: {name: why}, of what could not be given back; `silent`: the exporters
    that did not answer when they were asked for places, or to take them back.
    """

    def __init__(self, address=None):
        self.run = run_name()
        self.address = address
        self.places = []
        self.held = []
        self.unreleased = {}
        self.silent = []
        self._asked = []
        self._as = None  # HOST/USER

    def take(self, wanted, count=None):
        """Acquire the free places with the tags `wanted`, `count` of them at most."""
        with coordinator.session(self.address, self.run) as lab:
            self._as = lab.name
            there = tagged(lab.places(), wanted)
            free = [one for one in there if not one.acquired][:count]
            self._asked = [one.name for one in free]
            answers, self.silent = lab.acquire(self._asked)
            took = [name for name in self._asked if answers[name] is None]
            lab.await_ports(took)
            now = {one.name: one for one in lab.places()}
        self.places = [now[name] for name in took]
        self.held = [(one, f"held by {one.acquired}") for one in there if one.acquired]
        for one in free:
            if answers[one.name] is not None:
                by = now[one.name].acquired
                self.held.append((now[one.name], f"held by {by}" if by else answers[one.name]))

    def give_back(self):
        """Release what this run took; what could not be is in `unreleased`."""
        names, self._asked = self._asked, []
        if names:
            self.unreleased, silent = release(names, self._as, self.address)
            self.silent = sorted({*self.silent, *silent})


def release(names, holder, address=None):
    """Release the places that HOST/USER `holder` holds; ({name: why not}, [exporters that did not
    answer])."""
    try:
        with coordinator.session(address) as lab:
            answers, silent = lab.release(names, holder)
            still = {one.name for one in lab.places() if one.acquired == holder}
    except Refused as refused:
        return dict.fromkeys(names, refused.message), []
    left = {
        name: answers[name] or "it is still held" for name in names
        if answers[name] or name in still
    }  # fmt: skip
    return left, silent


def release_run(run, address=None):
    """Release all that an earlier run took; ([names released], {name: why not}, [exporters that
    did not answer])."""
    shape = _RUN.fullmatch(run)
    if not shape:
        raise Refused(
            f"{show(run)} is no name of a run: those are USER-pxebench-PID; `pxebench fleet list` "
            f"shows who holds what.", EXIT_USAGE
        )  # fmt: skip
    with coordinator.session(address) as lab:
        held = {}
        for one in lab.places():
            host, _, user = (one.acquired or "").partition("/")
            if user == run:
                held.setdefault(one.acquired, []).append(one.name)
                if host == _this_host() and _runs(int(shape[2])):
                    raise Refused(
                        f"{show(run)} still runs: end it with Ctrl-C, and it gives back what it "
                        f"took.", EXIT_BENCH
                    )  # fmt: skip
    released, failed, silent = [], {}, []
    for holder, names in held.items():
        left, mute = release(names, holder, address)
        failed.update(left)
        silent += mute
        released += [name for name in names if name not in left]
    return released, failed, silent


def _this_host():
    return os.environ.get("LG_HOSTNAME", socket.gethostname())


def _runs(pid):
    try:
        return b"fleet" in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
