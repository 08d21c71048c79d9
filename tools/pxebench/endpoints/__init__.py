"""Where a ROM runs: in this process, in a MicroPython interpreter, or on a board.

Each kind is a module with `run(job, on_event, ...) -> result`; commands see an `Endpoint`. It
passes every event but the last to `on_event` as it comes, and returns the result with "endpoint"
and "lease" in it; it raises `job.Refused` when the job could not be run at all. Ctrl-C ends a run
in order: the result then says `"ended": {"by": "user", ...}`. `keys`, of `keys.from_terminal`, is
asked while the menu of a boot is shown.
"""

import importlib
import os

from pxebench.boot import boot_job
from pxebench.job import (
    EXIT_BENCH,
    EXIT_USAGE,
    Refused,
    one_sentence,
    ordered,
    rom_id,
    show,
    whole,
)

KINDS = ("local", "micropython", "serial:PORT")


class Endpoint:
    """Where a ROM runs, for a command: `endpoint(job, on_event, keys=None, on_wait=None) ->
    result`.  `on_wait` is called at least once a second while the job runs.

    `kind`: as the result names it; only shown. `elsewhere`: packets leave another machine, with an
    address and a route of its own, by its own link; a file that the job stores is written by the
    bench when it is over, and each job costs the start of a board.
    """

    def __init__(self, kind, run, elsewhere=False):
        self.kind = kind
        self.elsewhere = elsewhere
        self._run = run

    def __call__(self, job, on_event, keys=None, on_wait=None):
        return self._run(job, on_event, keys, on_wait)


def open_endpoint(name, interpreter=None, config=None, mount=False, kind=None):
    """The `Endpoint` that `--endpoint` names.

    `interpreter` goes with micropython; `config`, `mount` and `kind` go with serial:PORT.
    """
    where, colon, detail = name.partition(":")
    if where not in ("local", "micropython", "serial") or (colon and where != "serial"):
        raise Refused(
            f"There is no endpoint {show(name)}; there are {KINDS[0]}, {KINDS[1]} and {KINDS[2]}."
        )
    if interpreter and where != "micropython":
        raise Refused("--interpreter goes with --endpoint micropython.")
    for option, given in (("--config", config), ("--mount", mount), ("--board", kind)):
        if given and where != "serial":
            raise Refused(f"{option} goes with --endpoint serial:PORT.")
    # Each kind brings imports of its own, and a fetch needs one of them.
    module = importlib.import_module("pxebench.endpoints." + where)
    if where == "micropython":
        binary = module.find(interpreter)

        def in_interpreter(job, on_event, keys, on_wait):
            return module.run(job, on_event, binary, keys, on_wait)

        return Endpoint(where, in_interpreter)
    if where == "serial":

        def on_board(job, on_event, keys, on_wait):
            words = (detail or "auto", config, mount, kind, keys)
            return module.run(job, on_event, *words, on_wait=on_wait)

        return Endpoint(where, on_board, elsewhere=True)
    return Endpoint(where, module.run)


class Listener:
    """Receives a firmware's events one by one, passes them on, and keeps the last one.

    After the last event `result` holds the result, or `refused` the `Refused` to raise.
    """

    def __init__(self, on_event):
        self.on_event = on_event
        self.start = {}
        self.result = None
        self.refused = None

    def event(self, event):
        kind = event["event"]
        if kind == "result":
            self.result = {name: value for name, value in event.items() if name != "event"}
        elif kind == "refused":
            code = EXIT_USAGE if event.get("exit") == EXIT_USAGE else EXIT_BENCH
            self.refused = Refused(one_sentence(event.get("message", "The job was refused")), code)
        else:
            if kind == "start":
                self.start = event
            self.on_event(event)

    def take_from(self, sender, event):
        """An event from another process, perhaps of another version of pxerom: `Refused` when it
        cannot be read. `sender`: "firmware" or "board", for that sentence."""
        try:
            self.event(event)
        except (KeyError, TypeError, ValueError, AttributeError):
            if os.environ.get("PXEBENCH_DEBUG"):
                raise
            raise Refused(
                f"The {sender} sent an event {show(event['event'])} that pxebench does not "
                f"understand: it is another version of pxerom.",
                EXIT_BENCH,
            ) from None

    @property
    def done(self):
        return self.result is not None or self.refused is not None


def completed(result, kind, start):
    """The result as `--json` gives it: the firmware's, with the fields that only the host
    knows."""
    result = whole(result)
    if start.get("job") == "boot":
        result = boot_job.whole(result)
    result["endpoint"] = {
        "kind": kind,
        "runtime": start.get("runtime"),
        "board": start.get("board"),
        "mac": start.get("mac"),
    }
    result.setdefault("lease", None)
    return ordered(result)


def ended_by(by, witness, job, kind):
    """The result of a job that was ended before it gave one, from its events. `by`: "user" or
    "bench"; `witness`: the `job.Witness` of its events."""
    result = witness.result({"by": by, "after_ms": witness.at_ms, "next": None})
    result["rom"] = result["rom"] or rom_id(job)
    faults = job.get("faults")
    if faults:
        asked = {name: value for name, value in faults.items() if name != "seed"}
        result["faults"] = {"asked": asked, "seed": faults["seed"]}
    return completed(result, kind, witness.start)


class Menu:
    """Passes keys to firmware that runs elsewhere, while a prompt or a menu is shown."""

    def __init__(self, keys, write):
        """`keys`: of `keys.from_terminal`, or None; `write`: takes a key, as bytes."""
        self.keys = keys
        self.write = write
        self.stands = False

    def event(self, event):
        if event["event"] in ("prompt", "menu", "menu_end"):
            self.stands = event["event"] != "menu_end"

    def pass_on(self):
        """Pass on the keys that were pressed; to be called often."""
        if self.keys and self.stands:
            key = self.keys()
            if key:
                self.write(key.encode())
