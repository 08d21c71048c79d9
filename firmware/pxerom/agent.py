"""The bench's end in the firmware: a job comes in, events go out, the last one is the result.

The same door serves in process (`run`), as a subprocess (`stdio`) and over a serial line: events
are RFC 7464 JSON text sequences (0x1E, JSON, LF), so that whatever else the console prints can be
told apart. The shapes of jobs and events are the bench's to document (`pxebench/job.py`).

1. A job that cannot be run ends in one `refused` event with a sentence, never in a traceback.
2. Only numeric unicast addresses are accepted as a server (R-TFTP-78): names are the host's work.
"""

from pxerom import runtime, sink
from pxerom.failure import Refused
from pxerom.fetch import Boot
from pxerom.runtime import const
from pxerom.udp import Udp

# No boot lasts longer than this, however slowly a server drips (R-TFTP-74).
_MAX_TIME_MS = const(3600000)


def run(job, emit, on_wait=None, nic=None, keys=None, loaded=None):
    """Run a job (a dict); `emit` takes each event. Returns the last one: a result or `refused`.
    For a boot: `nic`, a link that is up (else the job's interface is); `keys`, see `boot`.
    `loaded`: what `load_rom` gave, where the ROM is loaded already."""
    try:
        if job.get("job") == "boot":
            from pxerom import boot

            last = boot.run(job, emit, on_wait, nic, keys, loaded)
        elif job.get("job") == "ask":
            from pxerom import port_probe

            last = port_probe.run(job, emit, on_wait)
        else:
            last = _fetch(job, emit, on_wait, loaded)
        last["event"] = "result"
    except Refused as refusal:
        last = {"event": "refused", "exit": refusal.exit_code, "message": refusal.message}
    emit(last)
    return last


def _fetch(job, emit, on_wait, loaded):
    if job.get("job") != "fetch":
        raise Refused(
            2, "This agent runs jobs of the kinds fetch, boot and ask, not %s." % job.get("job")
        )
    host = job.get("server")
    unicast(host)
    rom = (loaded or load_rom(job.get("rom")))[0]
    target = sink.make(job.get("sink") or {})
    trace = None
    if job.get("trace"):
        from pxerom.trace import Trace

        trace = Trace(emit)
    emit(start(job, rom["id"]))
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


def start(job, rom):
    """The first event of a job that runs; `rom`: the ROM's id."""
    return {
        "event": "start",
        "schema": 1,
        "job": job["job"],
        "rom": rom,
        "runtime": runtime.version(),
        "epoch_us": runtime.epoch_us(),
    }


def load_rom(rom, boots=False):
    """What `romfile.load` makes of a ROM; a board gets the memory of that file back."""
    from pxerom import rom_file

    try:
        return rom_file.load(rom, boots)
    finally:
        runtime.forget("rom_file")


def unicast(host):
    """Refuse a host that is no numeric unicast address."""
    if not runtime.is_ipv4(host):
        raise Refused(2, "The server must be a numeric IPv4 address, not %s." % host)
    if not 0 < int(host.split(".")[0]) < 224:
        raise Refused(2, "The server %s is no unicast address." % host)
