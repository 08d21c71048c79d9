"""The boot job: DHCP (`dhcp_client`), then the file (`fetch`), as one result.

1. However the boot ends, the interface is restored, and the lease is released if the job says so.
2. The modules of DHCP are unloaded before the fetch: a board needs their memory.
3. A program larger than the memory that such a machine has for it is PXE-E79, not a full disk.
"""

import json
import sys

from pxerom import runtime, sink
from pxerom.failure import Ended, Failure, Refused
from pxerom.job import load_rom, max_time_ms, result, start, unicast
from pxerom.runtime import ticks_diff
from pxerom.udp import Udp

_MODULES = (
    "dhcp_client",
    "pxe_menu",
    "pxe_discovery",
    "dhcp_remarks",
    "dhcp_advice",
    "dhcp_inform",
    "dns",
    "boot_url",
    "dhcp_offer",
    "dhcp_packet",
)


def pressed():
    """One key of standard input, or "" when none was pressed: a board's console, a bench's pipe.
    It never waits."""
    import select

    poll = select.poll()
    poll.register(sys.stdin, select.POLLIN)
    return sys.stdin.read(1) if poll.poll(0) else ""


def run(job, emit, on_wait=None, nic=None, keys=None, loaded=None):
    """Run a job of the kind boot; returns the result. `nic`: a link that is up, or None to bring
    the one of the job's interface up; `keys`: gives a key or ""; `loaded`: what `load_rom` gave,
    which is taken from that list. Raises Refused."""
    _check(job)
    job = dict(job, max_time_ms=max_time_ms(job))
    return _Job(job, emit, on_wait, keys, loaded or load_rom(job.get("rom"), True)).run(nic)


def _check(job):
    if job.get("lease") not in (None, "dhcp", "static", "stack"):
        raise Refused("The job's lease must be dhcp, static or stack.")
    menu = job.get("menu")
    if menu is not None and menu != "first" and (type(menu) is not int or menu < 1):
        raise Refused("The job's menu must be a number from 1, or first.")
    uuid = job.get("uuid")
    if uuid is not None and not runtime.is_uuid(uuid):
        raise Refused("The job's uuid must have 32 hexadecimal digits.")
    for name in ("server", "proxy"):
        if job.get(name) is not None:
            unicast(job[name])


class _Job:
    def __init__(self, job, emit, on_wait, keys, loaded):
        self.job = job
        self.emit = emit
        self.on_wait = on_wait
        self.keys = keys
        self.rom = rom = loaded[0]
        self.spec = spec = loaded.pop()  # the only reference: DHCP's modules can be freed (2)
        self.uefi = rom["screen"]["codes"] == "uefi"
        self.memory = spec["memory"]
        self.no_probe = spec["size_probe"] == "no_size"
        self.sink = sink.make(job.get("sink") or {})
        self.trace = None
        self.first = None  # ticks of the first packet
        self.found = None  # (server, name)
        self.configs = ()  # of `pxelinux_cfg`
        self.release = None  # the packet of that name, where one is to be sent
        self.result = result(
            rom["id"],
            lease=None,
            boot=None,
            offers=[],
            dropped={"count": 0, "reasons": {}},
            dhcp=[],
            menu=None,
        )

    def run(self, nic):
        job = self.job
        down = None
        if nic is None:
            nic, down = self._connect()
        began = start(job, self.rom["id"])
        began["interface"] = job.get("interface")
        began["uuid"] = job.get("uuid")
        began["mac"] = nic and nic.mac
        began["ip"] = nic and nic.ip
        self.emit(began)
        if down:
            self._failed(down, 0)
            return self.result
        from pxerom.dhcp_socket import DhcpSocket

        nic.life_s = job["max_time_ms"] // 1000 + 60  # pyright: ignore
        if job.get("trace"):
            from pxerom.trace import Trace

            self.trace = Trace(self.emit)
        net = DhcpSocket(nic, self.rom["udp"]["ttl"], self.trace)
        try:
            self._lease(nic, net)
            net.close()
            if self.found:
                self._fetch(net)
            if self.release:
                self._send_release(net, nic)
        finally:
            net.close()
            net.flush()
            nic.restore()
        return self.result

    def _connect(self):
        # (the link of the job's interface, None), or (None, the Failure).
        sys.modules.pop("link", None)  # the bench may have loaded another board's
        import link
        from nic import LinkDown

        try:
            return link.connect({"interface": self.job.get("interface")}, self.on_wait, True), None
        except ValueError as error:
            raise Refused("%s." % error)
        except LinkDown as down:
            return None, down

    def _failed(self, failure, at_ms):
        status = failure.status(self.uefi)
        self.result["status"] = status
        self.emit({"event": "failed", "at_ms": at_ms, "status": status})

    def _lease(self, nic, net):
        from pxerom.dhcp_client import DhcpClient

        runtime.tidy()
        client = DhcpClient(
            self.spec, self.job, nic, net, self.emit, self.on_wait, self.keys, self.uefi
        )
        self.spec = None
        failure = None
        try:
            client.run()
            self.found, self.configs = client.found, client.configs
            self.port = client.port
        except Failure as error:
            failure = error
        except MemoryError:
            failure = Failure(
                "PXE-E3A", "Not enough memory for all that servers offered", "ours", "no_memory"
            )
        except Ended:
            self.result["ended"] = client.ended("bench")
            failure = client.cut_short()
        except KeyboardInterrupt:
            self.result["ended"] = client.ended("user")
        finally:
            net.flush()
            self.first = client.first
            self.release = client.release()
            self.result.update(client.result())
            for module in _MODULES:
                if "pxerom." + module in sys.modules:
                    runtime.forget(module)
        if failure:
            self._failed(failure, client.ms())

    def _fetch(self, net):
        job = self.job
        limit = job.get("max_bytes")
        most = self.memory
        self.small = most is not None and (limit is None or most < limit)
        if self.no_probe and self.result["boot"]["size_blocks"]:
            del self.rom["tftp"]["requests"][:-1]  # all but the file's own (R-PXE-34)
        udp = Udp(
            self.rom["udp"]["source_port"], self.result["lease"]["ip"], self.trace, net.prepare
        )
        # DHCP's modules are unloaded. What they found out lies scattered over their memory and
        # would keep it in pieces: a copy is made outside of it, part by part, because no long
        # piece may be left.
        runtime.tidy()
        for name in self.result:
            self.result[name] = json.loads(json.dumps(self.result[name]))
        runtime.tidy()
        from pxerom.fetch import Fetch

        fetch = Fetch(self.rom, udp, self._fetched, self.on_wait).fetch
        server, name = self.found  # pyright: ignore
        most_bytes = most if self.small else limit
        left_ms = [max(1, job["max_time_ms"] - self._used_ms(net))]

        def get(name, to, most_of_it=None):
            time_ms = left_ms.pop() if left_ms else None  # one limit for all files
            return fetch(server, self.port, name, to, most_of_it or most_bytes, time_ms)

        if self.configs:
            from pxerom import pxelinux_cfg

            fetched = pxelinux_cfg.boot(get, name, self.configs, self.sink)
        else:
            fetched = get(name, self.sink)
        fetched["status"] = self._too_big(fetched["status"])  # pyright: ignore
        fetched["warnings"] = self.result["warnings"] + fetched["warnings"]
        self.result.update(fetched)

    def _used_ms(self, net):
        # Since the first packet, if there was one.
        return 0 if self.first is None else ticks_diff(net.now(), self.first)

    def _fetched(self, event):
        if event["event"] == "failed":
            event["status"] = self._too_big(event["status"])
        self.emit(event)

    def _too_big(self, status):
        # Too large for the machine that is imitated, or for this one?
        if self.small and status and status["code"] == "PXE-E3A":
            if status["reason"] != "cannot_write":
                return Failure("PXE-E79", status["detail"], "server").status()
        return status

    def _send_release(self, net, nic):
        lease = self.result["lease"]
        try:
            net.open(68, lease["ip"])
            net.send(self.release, lease["server"], 67)
        except (Failure, Refused) as error:
            text = "The lease could not be given back: %s." % error
            self.result["warnings"].append(text)
            self.emit({"event": "warning", "text": text})
            return
        lease["released"] = True
        net.close()
        nic.released()
        sent = dict(
            self.result["dhcp"][-1],
            message="RELEASE",
            purpose="lease",
            to=lease["server"] + ":67",
            source_port=68,
            attempt=1,
            at_ms=self._used_ms(net),
        )
        self.result["dhcp"].append(sent)
        self.emit(dict(sent, event="dhcp"))
