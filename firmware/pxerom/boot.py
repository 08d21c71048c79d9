"""The boot job: what `lease` finds out, then the file as `rom` fetches it, as one result.

1. The interface gets back what it had, and the lease goes back when the job says so, however the
   boot ends.
2. What DHCP needed is forgotten before the file comes: a board has better uses for its memory.
3. A program larger than the memory that such a machine has for it is PXE-E79, not a full disk.
"""

from pxerom import compat, sink
from pxerom.rom import Boot
from pxerom.status import Failure, Refused
from pxerom.udp import Udp

_MODULES = ("lease", "bootserver", "offers", "dhcp")


def load_rom(rom):
    """(flat ROM, its flat `dhcp`); Refused says which field is wrong."""
    from pxerom import dhcprom, profile

    try:
        return dhcprom.load(rom)
    except profile.ProfileError as error:
        raise Refused(2, "The ROM file is not right: %s." % error)
    finally:
        compat.forget("dhcprom")
        compat.forget("profile")


def run(job, emit, on_wait=None, nic=None, keys=None, loaded=None):
    """Run a job of the kind boot; returns the result. `nic`: a link that is up, or None to bring
    the one of the job's interface up; `loaded`: what `load_rom` gave. Raises Refused."""
    rom, spec = loaded or load_rom(job.get("rom"))
    uefi = rom["screen"]["codes"] == "uefi"
    target = sink.make(job.get("sink") or {})
    _check(job)
    start = {
        "event": "start",
        "schema": 1,
        "job": "boot",
        "rom": rom["id"],
        "runtime": compat.runtime(),
        "epoch_us": compat.epoch_us(),
        "interface": job.get("interface"),
        "uuid": job.get("uuid"),
        "mac": nic.mac if nic else None,
    }
    result = _result(rom)
    if nic is None:
        import link

        try:
            nic = link.connect({"interface": job.get("interface")}, on_wait, True)
        except ValueError as error:
            raise Refused(2, "%s." % error)
        except Exception as error:
            if not hasattr(error, "status"):
                raise
            emit(start)
            status = error.status()
            result["status"] = Failure(status["code"], status["detail"]).status(uefi)
            emit({"event": "failed", "at_ms": 0, "status": result["status"]})
            return result
        start["mac"] = nic.mac
    start["ip"] = nic.ip
    emit(start)
    trace = None
    if job.get("trace"):
        from pxerom.trace import Trace

        trace = Trace(emit)
    from pxerom.port68 import Port68

    net = Port68(nic, rom["udp"]["ttl"], trace)
    try:
        found, release, used_ms = _lease(
            (spec, job, nic, net, emit, on_wait, keys, uefi), result, emit, uefi
        )
        net.close()
        if found:
            memory = spec["memory"]
            spec = None
            _fetch(job, rom, net, nic, found, used_ms, target, memory, emit, on_wait, trace, result)
        if release:
            _release(net, release, result, emit)
    finally:
        net.close()
        net.flush()
        nic.give_back()
    return result


def _check(job):
    if job.get("lease") not in (None, "dhcp", "static", "stack"):
        raise Refused(2, "The job's lease must be dhcp, static or stack.")
    menu = job.get("menu")
    if menu is not None and menu != "first" and (type(menu) is not int or menu < 1):
        raise Refused(2, "The job's menu must be a number from 1, or first.")
    uuid = job.get("uuid")
    digits = uuid.replace("-", "").lower() if isinstance(uuid, str) else "0" * 32 * (uuid is None)
    if len(digits) != 32 or not all(digit in "0123456789abcdef" for digit in digits):
        raise Refused(2, "The job's uuid must have 32 hexadecimal digits.")
    from pxerom.agent import unicast

    for name in ("server", "proxy"):
        if job.get(name) is not None:
            unicast(job[name])


def _lease(parts, result, emit, uefi):
    # ((server, name), the RELEASE to send, ms used) and what DHCP adds to the result.
    from pxerom.bootserver import Aborted, Ended
    from pxerom.lease import Lease

    compat.tidy()
    lease = Lease(*parts)
    failure = None
    try:
        lease.run()
    except Aborted as aborted:
        failure = aborted.failure
    except Failure as error:
        failure = error
    except Ended:
        result["ended"] = lease.ended("bench")
        failure = Failure("PXE-E51", "The bench's time was up before anything was fetched", "ours")
    except KeyboardInterrupt:
        result["ended"] = lease.ended("user")
    finally:
        lease.net.flush()
        result.update(lease.result())
        for module in _MODULES:
            compat.forget(module)
    if failure:
        result["status"] = failure.status(uefi)
        emit({"event": "failed", "at_ms": lease.ms(), "status": result["status"]})
    stopped = failure or result["ended"]
    return None if stopped else lease.found, lease.release(), lease.ms()


def _fetch(job, rom, net, nic, found, used_ms, target, memory, emit, on_wait, trace, result):
    server, name = found
    limit = job.get("max_bytes")
    small = memory is not None and (limit is None or memory < limit)
    max_time_ms = job.get("max_time_ms")

    def too_big(status):
        # What does not fit in the machine's memory is told apart from what we have no room for.
        if small and status and status["code"] == "PXE-E3A" and "Cannot write" not in status["detail"]:
            return Failure("PXE-E79", status["detail"]).status()
        return status

    def tell(event):
        if event["event"] == "failed":
            event["status"] = too_big(event["status"])
        emit(event)

    udp = Udp(rom["udp"]["source_port"], result["lease"]["ip"], trace, net.prepare)
    fetched = Boot(rom, udp, tell, on_wait).fetch(
        server,
        69,
        name,
        target,
        memory if small else limit,
        max(1, max_time_ms - used_ms) if max_time_ms else None,
    )
    fetched["status"] = too_big(fetched["status"])
    result.update(fetched)


def _release(net, packet, result, emit):
    lease = result["lease"]
    try:
        net.open(68, lease["ip"])
        net.send(packet, lease["server"], 67)
        lease["released"] = True
    except (Failure, Refused) as error:
        text = "The lease could not be given back: %s." % error
        result["warnings"].append(text)
        emit({"event": "warning", "text": text})


def _result(rom):
    return {
        "schema": 1,
        "outcome": "failed",
        "status": None,
        "ended": None,
        "rom": rom["id"],
        "lease": None,
        "boot": None,
        "offers": [],
        "dropped": {"count": 0, "reasons": {}},
        "dhcp": [],
        "menu": None,
        "warnings": [],
        "transfers": [],
        "image": None,
    }
