"""The process in which the ROMs of a storm run: one event loop, the firmware's own code in each.

gevent lets the blocking sockets and waits of `pxerom` share one thread, so that each ROM is the
very same code as everywhere (500 ROMs take a third of the CPU time that threads take, and no lock
changes a ROM's times).  The parent writes one JSON line, the storm, and then nothing; rows go out
as JSON lines, the last one is {"end": ...}.

1. When the parent is gone (end of standard input), every ROM is ended and what the parent has put
   on the interface is removed.
2. What this process itself adds to the times is measured: how late it woke up, and its CPU.
"""

from gevent import monkey

monkey.patch_all()

import contextlib  # noqa: E402
import json  # noqa: E402
import os  # noqa: E402
import resource  # noqa: E402
import sys  # noqa: E402
import time  # noqa: E402

import gevent  # noqa: E402
import gevent.fileobject  # noqa: E402
import gevent.pool  # noqa: E402
import gevent.subprocess  # noqa: E402

_BEAT_S = 0.02
_BUCKET_MS = 100


class Rom:
    """One machine: its job, and what came of it as a row."""

    def __init__(self, storm, machine, began):
        self.storm = storm
        self.machine = machine
        self.began = began
        self.bytes = 0
        self.last = 0  # bytes that the curve has
        self.asks = []  # [ms since the storm began, ms until the answer or None]
        self.row = {
            "id": machine["number"], "rom": machine["rom"], "address": machine["address"],
            "mac": machine.get("mac"), "outcome": "failed", "code": None, "text": None,
            "at_ms": None, "first_ms": None, "ms": None, "requests": 0, "retransmits": 0,
            "bytes": 0, "sha256": None, "error": None, "served_ms": None, "asks": self.asks,
        }  # fmt: skip

    def ms(self):
        return round((time.monotonic() - self.began) * 1000)

    def event(self, event):
        kind = event["event"]
        row = self.row
        if kind == "request":
            row["requests"] += 1
            self.asks.append([self.ms(), None])
        elif kind in ("oack", "data", "error", "aborted"):
            if self.asks and self.asks[-1][1] is None:
                self.asks[-1][1] = self.ms() - self.asks[-1][0]
            if row["first_ms"] is None:
                row["first_ms"] = self.ms() - row["at_ms"]
            if kind == "error":
                row["error"] = event["error"]
        elif kind == "lease":
            row["address"] = event["ip"]
        elif kind == "progress":
            self.note_bytes(event["bytes"])

    def note_bytes(self, count):
        if count > self.bytes:
            self.storm.curve_add(self.ms(), count - self.bytes)
            self.bytes = count

    def run(self):
        try:
            self.boot()
        except KeyboardInterrupt:  # before the firmware was there to take it
            self.row["outcome"] = "ended"
        say(self.row)

    def boot(self):
        from pxerom import agent

        row = self.row
        gevent.sleep(max(0, self.machine["at_ms"] / 1000 - (time.monotonic() - self.began)))
        row["at_ms"] = self.ms()
        last = agent.run(dict(self.machine["job"]), self.event)
        row["ms"] = self.ms() - row["at_ms"]
        if last["event"] == "refused":
            row["outcome"], row["text"] = "bench", last["message"]
        else:
            status = last.get("status") or {}
            row["outcome"] = last["outcome"]
            if (last.get("ended") or {}).get("by"):
                row["outcome"] = "ended"
            row["code"], row["text"] = status.get("code"), status.get("detail")
            row["retransmits"] = sum(one["retransmits"] for one in last.get("transfers", ()))
            image = last.get("image") or {}
            transfers = last.get("transfers") or [{}]
            row["served_ms"] = transfers[-1].get("elapsed_ms")
            row["bytes"], row["sha256"] = image.get("bytes", 0), image.get("sha256")
            self.note_bytes(row["bytes"])


class Storm:
    """All of them. `wanted`: the parent's line: {"machines": [...], "cleanup": {...} or null}."""

    def __init__(self, wanted):
        self.machines = wanted["machines"]
        self.began = time.monotonic()
        self.curve = {}
        self.lags = []
        self.over = False

    def curve_add(self, ms, count):
        at = ms // _BUCKET_MS
        self.curve[at] = self.curve.get(at, 0) + count

    def beat(self):
        # How late this process wakes up: a ROM's reply cannot be sent sooner.
        while not self.over:
            before = time.monotonic()
            gevent.sleep(_BEAT_S)
            self.lags.append(time.monotonic() - before - _BEAT_S)

    def run(self):
        gevent.spawn(self.beat)
        used = resource.getrusage(resource.RUSAGE_SELF)
        self.running = [gevent.spawn(Rom(self, one, self.began).run) for one in self.machines]
        gevent.joinall(self.running)
        self.over = True
        now = resource.getrusage(resource.RUSAGE_SELF)
        wall = time.monotonic() - self.began
        cpu = now.ru_utime + now.ru_stime - used.ru_utime - used.ru_stime
        lags = sorted(self.lags) or [0]
        say({
            "end": {
                "wall_s": round(wall, 3), "cpu_s": round(cpu, 3), "cpu": round(cpu / wall, 3),
                "lag_ms": round(lags[len(lags) * 95 // 100] * 1000, 1),
                "memory_mb": now.ru_maxrss // 1024,
                "curve": [self.curve.get(at, 0) for at in range(max(self.curve, default=-1) + 1)],
                "curve_ms": _BUCKET_MS,
            }
        })  # fmt: skip

    def stop(self):
        for one in self.running:
            if not one.dead:
                one.kill(KeyboardInterrupt, block=False)


def say(line):
    with contextlib.suppress(OSError):  # nobody reads any more: the parent is gone
        sys.stdout.write(json.dumps(line) + "\n")
        sys.stdout.flush()


def _watch(stdin, storm):
    """Until the parent says more: "stop" is its Ctrl-C, the end of the pipe its own end. True when
    it is gone."""
    said = stdin.readline()
    if said != b"done\n":
        storm.stop()
    return not said


def _clean(cleanup):
    from pxebench.storm import interfaces

    if cleanup["kind"] == "addresses":
        interfaces.Addresses(cleanup["name"], cleanup["what"], 0).__exit__()
    else:
        interfaces.Macs(cleanup["name"], 0, cleanup["what"]).__exit__()


def main():
    # The PC's link calls `ip` by os.system, which would stop every other ROM meanwhile.
    os.system = lambda command: gevent.subprocess.call(command, shell=True)
    stdin = gevent.fileobject.FileObject(sys.stdin.buffer, "rb")
    wanted = json.loads(stdin.readline())
    sys.path[:0] = wanted["path"]
    # A time-out of the kernel's own is one that the event loop never sees.
    from pxerom import runtime_cpython

    runtime_cpython.set_timeout = lambda sock, wait_ms: sock.settimeout(wait_ms / 1000)
    # Among hundreds a block takes its time: waits of 10 ms would cost more than they spare.
    runtime_cpython.recvfrom_into = lambda sock: None
    storm = Storm(wanted)
    storm.running = []
    watch = gevent.spawn(_watch, stdin, storm)
    storm.run()
    if watch.ready() and watch.value and wanted["cleanup"]:
        _clean(wanted["cleanup"])


if __name__ == "__main__":
    main()
