"""What all jobs have in common: first event, result, ROM, server's address, time limit.

The kinds of job stand in `agent` (fetch), `boot` and `port_probe` (ask).

1. A job that cannot be run is `Refused` with a sentence, before anything is sent.
2. Only numeric unicast addresses are accepted as a server (R-TFTP-78): names are the host's work.
   None has a leading zero, which the stacks read as octal.
"""

from pxerom import runtime
from pxerom.failure import Refused
from pxerom.runtime import const

# No boot lasts longer than an hour, however slowly a server sends (R-TFTP-74).
_MAX_TIME_MS = const(3600000)


def max_time_ms(job):
    """The job's limit in ms: its own, or an hour."""
    return job.get("max_time_ms") or _MAX_TIME_MS


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


def result(rom, **known):  # type: (...) -> dict
    """A result with every field. `rom`: the ROM's id; `known`: the fields that are known already,
    and those that a boot adds. The bench states the same shape (`job.RESULT`)."""
    return dict(
        {
            "schema": 1,
            "outcome": "failed",
            "status": None,
            "ended": None,
            "rom": rom,
            "transfers": [],
            "image": None,
            "warnings": [],
            "faults": None,
        },
        **known,
    )


def load_rom(rom, boots=False):
    """What `rom_load.load` makes of a ROM; a board gets the memory of that file back."""
    from pxerom import rom_load

    try:
        return rom_load.load(rom, boots)
    finally:
        runtime.forget("rom_load")
        runtime.forget("rom_file")


def local_address(job):
    """The numeric address to send from. Raises Refused."""
    host = job.get("bind") or "0.0.0.0"
    if not runtime.is_ipv4(host):
        raise Refused("The address to send from must be a numeric IPv4 one, not %s." % host)
    return host


def unicast(host):
    """Refuse a host that is no numeric unicast address."""
    if not runtime.is_ipv4(host):
        raise Refused("The server must be a numeric IPv4 address, not %s." % host)
    if not 0 < int(host.split(".")[0]) < 224:
        raise Refused("The server %s is no unicast address." % host)
