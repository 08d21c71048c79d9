"""The bench's end in the firmware: a job comes in, events go out, the last one is the result.

The same door serves in process (`run`), as a subprocess and over a serial line (`main`): events
are RFC 7464 JSON text sequences (0x1E, JSON, LF), so that whatever else the console prints can be
told apart. The shapes of jobs and events are the bench's to document (`pxebench/job.py`).

1. A job that cannot be run ends in one `refused` event with a sentence, never in a traceback.
2. Only numeric unicast addresses are accepted as a server (R-TFTP-78): names are the host's work.
"""

import json
import sys

from pxerom import compat, sink
from pxerom.compat import const
from pxerom.rom import Boot
from pxerom.status import Refused
from pxerom.udp import Udp

# No boot lasts longer than this, however slowly a server drips (R-TFTP-74).
_MAX_TIME_MS = const(3600000)


def run(job, emit, on_wait=None, nic=None, keys=None):
    """Run a job (a dict); `emit` takes each event. Returns the last one: a result or `refused`.
    For a boot: `nic`, a link that is up (else the job's interface is); `keys`, see `boot`."""
    try:
        if job.get("job") == "boot":
            from pxerom import boot

            last = boot.run(job, emit, on_wait, nic, keys)
        elif job.get("job") == "ask":
            from pxerom import ask

            last = ask.run(job, emit, on_wait)
        else:
            last = _fetch(job, emit, on_wait)
        last["event"] = "result"
    except Refused as refusal:
        last = {"event": "refused", "exit": refusal.exit_code, "message": refusal.message}
    emit(last)
    return last


def _fetch(job, emit, on_wait):
    if job.get("job") != "fetch":
        raise Refused(
            2, "This agent runs jobs of the kinds fetch, boot and ask, not %s." % job.get("job")
        )
    host = job.get("server")
    unicast(host)
    rom = load_rom(job.get("rom"))
    target = sink.make(job.get("sink") or {})
    trace = None
    if job.get("trace"):
        from pxerom.trace import Trace

        trace = Trace(emit)
    emit(
        {
            "event": "start",
            "schema": 1,
            "job": "fetch",
            "rom": rom["id"],
            "runtime": compat.runtime(),
            "epoch_us": compat.epoch_us(),
        }
    )
    net = Udp(rom["udp"]["source_port"], job.get("bind") or "0.0.0.0", trace)
    max_time_ms = job.get("max_time_ms") or _MAX_TIME_MS
    faults = job.get("faults")
    if faults:
        from pxerom.faults import Faults

        net = Faults(net, faults, max_time_ms, on_wait)
    result = Boot(rom, net, emit, on_wait).fetch(
        host,
        job.get("port") or 69,
        job.get("file") or "",
        target,
        job.get("max_bytes"),
        max_time_ms,
    )
    result["faults"] = net.report if faults else None  # pyright: ignore
    return result


def load_rom(rom):
    """The flat form of a ROM (id, path or dict); Refused says which field is wrong. The checker
    is needed once for each job: a board gets its 8 KiB back."""
    from pxerom import profile

    try:
        return profile.load(rom)
    except profile.ProfileError as error:
        raise Refused(2, "The ROM file is not right: %s." % error)
    finally:
        compat.forget("profile")


def unicast(host):
    """Refuse a host that is no numeric unicast address."""
    parts = str(host).split(".")
    if len(parts) != 4 or not all(p.isdigit() and len(p) < 4 and int(p) < 256 for p in parts):
        raise Refused(2, "The server must be a numeric IPv4 address, not %s." % host)
    if int(parts[0]) in (0, 255) or int(parts[0]) >= 224:
        raise Refused(2, "The server %s is no unicast address." % host)


def main():
    """Read one job (a line of JSON) from standard input, write its events to standard output."""

    def emit(event):
        compat.write_out("\x1e" + json.dumps(event) + "\n")

    try:
        job = json.loads(sys.stdin.readline())
        if not isinstance(job, dict):
            raise ValueError
    except ValueError:
        emit({"event": "refused", "exit": 2, "message": "The job is not a line of JSON."})
        return
    keys = None
    if job.get("keys"):
        from pxerom.boot import pressed as keys
    try:
        run(job, emit, None, None, keys)
    except OSError:
        pass  # nobody reads the events any more


if __name__ == "__main__":
    main()
