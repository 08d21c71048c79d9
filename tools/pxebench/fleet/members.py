"""The boards of a run at work, each in a thread of its own.

    Fleet(places, work).each()                  every board by itself: a deployment
    Fleet(places, work).together(need, spread)  prepared first, then started by one byte each

`work(member, board)` gets the open Board; it raises `Refused` for what is not in order.

1. AT_ONCE boards are prepared at a time; when one is ready, the next one follows.
2. A board that fails is a row, and the others go on: `dead` when it does not answer at all,
   `unready` when it cannot be prepared, `lost` when it fails after it was ready.
3. Ctrl-C goes to every board; the rows by then are the result.
"""

import contextlib
import queue
import tempfile
import threading
import time

from pxebench.board.connection import Board
from pxebench.endpoints import completed, serial
from pxebench.job import EXIT_BENCH, Refused, one_sentence
from pxebench.storm.row import Curve, Row

AT_ONCE = 16
_TICK_S = 0.2  # a signal's handler runs between two waits
_END_S = 8.0  # from a Ctrl-C to the last row


class Member(threading.Thread):
    """One board. `state`: waiting, preparing, ready, running, or the one it ended with; `text`:
    why, in a sentence."""

    def __init__(self, place, fleet):
        super().__init__(daemon=True, name=place.name)
        self.place = place
        self.fleet = fleet
        self.state = "waiting"
        self.text = None
        self.result = None
        self.job = None
        self.stopped = False
        self.answered = False  # the board answered, and its work began
        self.kept = Row(fleet.ms, fleet.curve, rom=fleet.rom)
        self._turn = False
        self._changing = threading.Lock()

    @property
    def over(self):
        return self.state not in ("waiting", "preparing", "ready", "running")

    def run(self):
        self.fleet.room.acquire()
        self._turn = True
        try:
            self._work()
        except Refused as refused:
            self.text = refused.message
            self.kept.broken()
            started = self.state in ("ready", "running")
            if self.job and self.job.listener.refused:  # by the firmware: the line works
                started = False
            self._become("lost" if started else "unready" if self.answered else "dead")
        except Exception as error:  # noqa: BLE001 - a thread's end must be seen by someone
            self.text = f"This is a bug in pxebench: {type(error).__name__}: {error}"
            self._become("lost")
        finally:
            self.give_turn()

    def _work(self):
        if self.stopped:
            self._become("ended")
            return
        if self.place.trouble:
            raise Refused(f"{self.place.name} cannot be used: {self.place.trouble}.", EXIT_BENCH)
        self._become("preparing")
        with Board(self.place.url, self.place.name) as board:
            self.answered = True
            self._become(self.fleet.work(self, board))

    def give_turn(self):
        """Let the next board be prepared."""
        if self._turn:
            self._turn = False
            self.fleet.room.release()

    def is_ready(self):
        """The board holds its job ready."""
        self.give_turn()
        self._become("ready")

    def go(self):
        """Start the job that the board holds ready."""
        with self._changing:
            if self.state != "ready":  # it was lost meanwhile
                return
            self.state = "running"
        self.kept.start()
        self.fleet.said.put((self, "running"))
        self.job.go()

    def stop(self):
        """Ctrl-C."""
        self.stopped = True
        if self.job:
            self.job.interrupt()

    def _become(self, state):
        with self._changing:
            self.state = state
        self.fleet.said.put((self, state))


class Fleet:
    """The boards of some places. `work`: the function that is called with each; `rom`: for the
    rows; `progress`: a `progress.Progress`, or None."""

    def __init__(self, places, work, rom=None, progress=None):
        self.work = work
        self.rom = rom
        self.room = threading.Semaphore(AT_ONCE)
        self.said = queue.Queue()
        self.curve = Curve()
        self.began = None
        self.stopped = False
        self._progress = progress
        self.members = [Member(place, self) for place in places]

    def ms(self):
        """Since the first board was started."""
        return round((time.monotonic() - (self.began or time.monotonic())) * 1000)

    def each(self):
        """Work with every board, by itself, until all are done."""
        with self._ctrl_c():
            self._start()
            self._until(lambda one: one.over)

    def together(self, need=None, spread_s=0):
        """Prepare all boards, start them together or over `spread_s`; `Refused` when fewer than
        `need` are ready, and nothing was started."""
        with self._ctrl_c():
            self._start()
            self._until(lambda one: one.over or one.state == "ready")
            ready = [one for one in self.members if one.state == "ready"]
            if len(ready) < (need or 1):
                self._stop()
                few = (
                    f"{len(ready)} of {len(self.members)} boards are ready, and {need} are needed"
                )
                words = few if need else "No board is ready"
                raise Refused(f"{words}: nothing was started.", EXIT_BENCH)
            self.began = time.monotonic()
            for number, one in enumerate(ready):
                due = self.began + number * spread_s / len(ready)
                while spread_s and (left_s := due - time.monotonic()) > 0:
                    self._hear(min(_TICK_S, left_s))
                one.go()
            self._until(lambda one: one.over)

    def _start(self):
        for one in self.members:
            one.start()

    def _until(self, settled, timeout_s=None):
        end = None if timeout_s is None else time.monotonic() + timeout_s
        while not all(map(settled, self.members)):
            self._hear(_TICK_S)
            if end is not None and time.monotonic() > end:
                break
        with contextlib.suppress(queue.Empty):
            while True:
                self._heard(*self.said.get_nowait())

    def _hear(self, wait_s):
        with contextlib.suppress(queue.Empty):
            self._heard(*self.said.get(timeout=wait_s))
        if self._progress:
            self._progress.look(self.members)

    def _heard(self, member, state):
        if self._progress:
            self._progress.change(member, state)

    def _stop(self):
        for one in self.members:
            one.stop()
        self._until(lambda one: one.over, _END_S)

    @contextlib.contextmanager
    def _ctrl_c(self):
        # The first Ctrl-C ends all jobs and waits for their rows; the second does not wait.
        try:
            yield
        except KeyboardInterrupt:
            self.stopped = True
            with contextlib.suppress(KeyboardInterrupt):
                self._stop()


def boot(wanted, config=None, mount=False, kind=None, files=None):
    """A `work` that runs the job `wanted` on a board; the state it ends with. `files`: a
    `files.Files`, or None."""

    def work(member, board):
        name = member.place.name
        todo = files.job(wanted, name) if files else wanted
        capture = files.capture() if files else None

        def on_event(event):
            member.kept.event(event)
            if capture:
                capture.event(event)

        with tempfile.TemporaryDirectory(prefix="pxebench-") as folder:
            member.job = serial.prepared(
                *(board, folder, todo, on_event, config, mount, kind), on_ready=member.is_ready
            )
            if member.stopped:
                return "ended"
            try:
                member.result = member.job.run()
            except Refused as refused:
                listener = member.job.listener
                if not (files and files.out and listener.result):
                    raise
                files.troubles.append(refused.message)  # of this PC: what the board did stands
                member.result = completed(listener.result, "serial", listener.start)
            finally:
                if capture and capture.packets:
                    files.keep(name, capture)
        kept, result = member.kept, member.result
        kept.row["mac"] = result["endpoint"]["mac"]
        begun = kept.row["at_ms"] is not None
        if not begun:  # its link never came up, or it was ended before
            kept.start()
        kept.end(result)
        kept.row["address"] = kept.row["address"] or member.job.witness.start.get("ip")
        outcome = kept.row["outcome"]
        if outcome == "failed" and not begun:
            status = result["status"] or {}
            words = [status.get("code"), status.get("text"), status.get("detail")]
            member.text = one_sentence(" ".join(word for word in words if word))
            return "unready"
        return "booted" if outcome == "ok" else outcome

    return work
