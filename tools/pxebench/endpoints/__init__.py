"""Where a ROM runs: in this process, in a MicroPython interpreter, later on a board.

An endpoint is a module with `run(job, on_event, ...) -> result`.  It hands every event to
`on_event` as it comes, the last one excepted, and returns the result with "endpoint" and "lease"
in it; it raises `job.Refused` when the job could not be run at all.  Ctrl-C ends a run in good
order: the result then says `"ended": {"by": "user", ...}`.
"""

import importlib

from pxebench.job import EXIT_BENCH, EXIT_USAGE, Refused, one_sentence, ordered, show, whole

KINDS = ("local", "micropython")


def open_endpoint(name, interpreter=None):
    """`run(job, on_event) -> result` of the endpoint that `--endpoint` names."""
    kind, _, detail = name.partition(":")
    if kind not in KINDS or detail:
        raise Refused(f"There is no endpoint {show(name)}; there are {' and '.join(KINDS)}.")
    if interpreter and kind != "micropython":
        raise Refused("--interpreter goes with --endpoint micropython.")
    # Each kind brings imports of its own, and a fetch needs one of them.
    module = importlib.import_module("pxebench.endpoints." + kind)
    if kind == "micropython":
        binary = module.find(interpreter)
        return lambda job, on_event: module.run(job, on_event, binary)
    return module.run


class Listener:
    """Takes a firmware's events one by one: passes them on, and keeps the last one.

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

    @property
    def done(self):
        return self.result is not None or self.refused is not None


def completed(result, kind, start):
    """The result as `--json` gives it: the firmware's, with what only the host knows."""
    result = whole(result)
    result["endpoint"] = {
        "kind": kind,
        "runtime": start.get("runtime"),
        "board": start.get("board"),
        "mac": start.get("mac"),
    }
    result.setdefault("lease", None)
    return ordered(result)
