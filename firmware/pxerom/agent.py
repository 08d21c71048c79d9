"""Runs a job of the bench: a job goes in, events come out, the last event is the result.

The same function runs in the bench's process, in a child (`agent_stdio`) and on a board. The last
two print the events as RFC 7464 JSON text sequences (0x1E, JSON, LF), so that the bench can tell
them from other output. The shapes of jobs and events are in `pxebench/job.py`.

1. A job that cannot be run ends in one `refused` event with a sentence, never in a traceback.
2. What all jobs have in common is in `job`.
"""

from pxerom import sink
from pxerom.failure import Refused
from pxerom.job import load_rom, local_address, max_time_ms, start, unicast
from pxerom.udp import Udp


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
        last = {
            "event": "refused",
            "exit": refusal.exit_code,
            "message": refusal.message,
            "reason": refusal.reason,
        }
    emit(last)
    return last


def _fetch(job, emit, on_wait, loaded):
    if job.get("job") != "fetch":
        raise Refused("A job is fetch, boot or ask, not %s." % job.get("job"))
    host = job.get("server")
    unicast(host)
    # Not imported at the top: a boot imports it after DHCP. Before the ROM is loaded: compiling
    # needs memory in one piece.
    from pxerom.fetch import Fetch

    rom = (loaded or load_rom(job.get("rom")))[0]
    target = sink.make(job.get("sink") or {})
    trace = None
    if job.get("trace"):
        from pxerom.trace import Trace

        trace = Trace(emit)
    emit(start(job, rom["id"]))
    net = Udp(rom["udp"]["source_port"], local_address(job), trace)
    limit_ms = max_time_ms(job)
    faults = job.get("faults")
    if faults:
        from pxerom.faults import Faults

        net = Faults(net, faults, limit_ms, on_wait)
    name = job.get("file") or ""
    last = Fetch(rom, net, emit, on_wait).fetch(
        host,
        job.get("port") or 69,
        name if isinstance(name, str) else bytes(name),  # a name that is not text: its bytes
        target,
        job.get("max_bytes"),
        limit_ms,
    )
    if faults:
        last["faults"] = net.report  # pyright: ignore
    return last
