"""The process in which the ROMs of a storm run: one event loop, the firmware's own code in each.

gevent lets the blocking sockets and waits of `pxerom` share one thread, so that each ROM runs the
same code as everywhere (500 ROMs take a third of the CPU time of threads, and no lock delays a
ROM). The parent writes one JSON line, the storm, and then nothing; rows go out as JSON lines, the
last one is {"end": ...}.

1. When the parent is gone (end of standard input), every ROM is ended.
2. The delay that this process adds is measured: how late it woke up, and its CPU time.
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

from pxebench.storm.row import BUCKET_MS, Curve, Row  # noqa: E402

_BEAT_S = 0.02


class Rom:
    """One machine: its job, run by the firmware, and its row."""

    def __init__(self, storm, machine):
        self.machine = machine
        told = {"id": machine["number"], "rom": machine["rom"], "address": machine["address"]}
        self.kept = Row(storm.ms, storm.curve, mac=machine.get("mac"), **told)
        self.storm = storm

    def run(self):
        try:
            self.boot()
        except KeyboardInterrupt:  # before the firmware was loaded
            self.kept.row["outcome"] = "ended"
        say(self.kept.row)

    def boot(self):
        from pxerom import agent

        gevent.sleep(max(0, self.machine["at_ms"] - self.storm.ms()) / 1000)
        self.kept.start()
        self.kept.end(agent.run(dict(self.machine["job"]), self.kept.event))


class Storm:
    """All of them. `wanted`: the parent's line: {"machines": [...], "path": [...]}."""

    def __init__(self, wanted):
        self.machines = wanted["machines"]
        self.began = time.monotonic()
        self.curve = Curve()
        self.lags = []
        self.over = False

    def ms(self):
        return round((time.monotonic() - self.began) * 1000)

    def beat(self):
        # How late this process wakes up: a ROM's reply cannot be sent sooner.
        while not self.over:
            before = time.monotonic()
            gevent.sleep(_BEAT_S)
            self.lags.append(time.monotonic() - before - _BEAT_S)

    def run(self):
        gevent.spawn(self.beat)
        used = resource.getrusage(resource.RUSAGE_SELF)
        self.running = [gevent.spawn(Rom(self, one).run) for one in self.machines]
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
                "curve": self.curve.steps(),
                "curve_ms": BUCKET_MS,
            }
        })  # fmt: skip

    def stop(self):
        for one in self.running:
            if not one.dead:
                one.kill(KeyboardInterrupt, block=False)


def say(line):
    with contextlib.suppress(OSError):  # no reader: the parent has ended
        sys.stdout.write(json.dumps(line) + "\n")
        sys.stdout.flush()


def _watch(stdin, storm):
    # Wait for the parent: "stop" is its Ctrl-C, the end of the pipe its own end.
    if stdin.readline() != b"done\n":
        storm.stop()


def main():
    # The PC's link calls `ip` by os.system, which would stop every other ROM meanwhile.
    os.system = lambda command: gevent.subprocess.call(command, shell=True)
    stdin = gevent.fileobject.FileObject(sys.stdin.buffer, "rb")
    wanted = json.loads(stdin.readline())
    sys.path[:0] = wanted["path"]
    # SO_RCVTIMEO would block the whole event loop.
    from pxerom import runtime_cpython

    runtime_cpython.set_timeout = lambda sock, wait_ms: sock.settimeout(wait_ms / 1000)
    # With hundreds of ROMs a block takes longer: waits of 10 ms would cost more than they save.
    runtime_cpython.recvfrom_into = lambda sock: None
    storm = Storm(wanted)
    storm.running = []
    gevent.spawn(_watch, stdin, storm)
    storm.run()


if __name__ == "__main__":
    main()
