"""The endpoint on a board: a job goes over the serial line, its events come back on it.

The board runs `pxerom` from its flash or, mounted, from this PC; its link comes up by its own
`link` module. The line itself is `board.connection`.

1. Ctrl-C goes to the board, which ends in order; a second one does not wait for it.
2. While a job runs, a board reports every two seconds that it is alive: a silent one is given up.
3. A board that restarts, stops or disappears during a job is reported in one sentence.
4. A job can be held ready, its link up and its code loaded, until one byte starts it: many boards
   begin together.
"""

import hashlib
import json
import os
import shutil
import tempfile
import time

from pxebench import job
from pxebench.board import kinds
from pxebench.board.connection import Board, last_line
from pxebench.endpoints import Listener, Menu, completed, ended_by
from pxebench.endpoints.signals import Signals
from pxebench.endpoints.stream import Sequence
from pxebench.job import EXIT_BENCH, Refused, Witness, one_sentence, show

_LINK_S = 120.0  # from the start of a job to its first event: Wi-Fi, and a slow DHCP server
_SILENCE_S = 12.0  # the longest pause of a board that runs a job
_END_GRACE_S = 5.0  # from a Ctrl-C, or from --max-time, to the last event
# Only a board that has restarted prints one of these.
_RESTARTED = (b"MPY: soft reboot", b'Type "help()" for more', b"rst:0x")

# The program that runs a job. `link` is the board's own module; a board without it uses the
# interface that is up.
_RUN = """\
import gc, json, select, sys, time
def _say(event):
    sys.stdout.write('\\x1e' + json.dumps(event) + '\\n')
_said = time.ticks_ms()
def _alive():
    global _said
    if time.ticks_diff(time.ticks_ms(), _said) > 2000:
        _said = time.ticks_ms()
        _say({'event': 'alive'})
def _config(text):
    if text:
        return json.loads(text)
    try:
        with open('/config.json') as file:
            return json.load(file)
    except OSError:
        return {}
    except ValueError:
        raise ValueError('/config.json on the board is no JSON')
def _end(job, status, by):
    from pxerom.job import result, start
    rom = job['rom'] if isinstance(job['rom'], str) else job['rom']['id']
    _say(start(job, rom))
    if status:
        _say({'event': 'failed', 'status': status})
    ended = by and {'by': by, 'after_ms': 0, 'next': 'It had not begun.'}
    _say(dict(result(rom, status=status, ended=ended), event='result'))
def _run(job, config):
    try:
        import link
    except ImportError:
        link = None
    nic = None
    boots = job['job'] == 'boot'
    try:
        if link:
            settings = _config(config).get('link') or {}
            leases = boots and job.get('lease') in (None, 'dhcp')
            words = (settings, _alive, True) if leases else (settings, _alive)
            nic = link.connect(*words)
    except KeyboardInterrupt:
        return _end(job, None, 'user')
    except Exception as error:
        if hasattr(error, 'status'):
            return _end(job, error.status(), None)
        text = '%s' % error or error.__class__.__name__
        setting = isinstance(error, ValueError)
        what = 'The settings of the board are not right: ' if setting else 'The link fails: '
        return _say({'event': 'refused', 'exit': 2 if setting else 3, 'message': what + text})
    def say(event):
        if event['event'] == 'start':
            event['board'] = BOARD
            if nic:
                event['ip'] = nic.ip
                event['mac'] = nic.mac
            gc.collect()
            event['free_heap'] = gc.mem_free()
        _say(event)
    if nic and not boots and job.get('bind') in (None, '0.0.0.0'):
        job['bind'] = nic.ip
    from pxerom import agent
    if job.pop('stand_by', None):
        try:
            _hold()
        except KeyboardInterrupt:
            return _end(job, None, 'user')
    if boots:
        agent.run(job, say, _alive, nic, _key if job.get('keys') else None)
    else:
        agent.run(job, say, _alive)
def _hold():
    poll = select.poll()
    poll.register(sys.stdin, select.POLLIN)
    _say({'event': 'ready'})
    while not poll.poll(200):
        _alive()
    sys.stdin.read(1)
def _key():
    poll = select.poll()
    poll.register(sys.stdin, select.POLLIN)
    return sys.stdin.read(1) if poll.poll(0) else ''
"""

# Imports the modules that are not in the board's flash, for this job. The folder is unmounted at
# once: a ROM's keys come on the same line.
_BORROW = """\
import os, pxerom, sys
sys.path.append('/remote')
for name in %r:
    setattr(pxerom, name, __import__(name))
    sys.modules['pxerom.' + name] = sys.modules.pop(name)
sys.path.pop()
"""
_GIVE_BACK = "os.chdir('/')\nos.umount('/remote')\n"


def run(
    wanted, on_event, port="auto", config=None, mount=False, kind=None, keys=None, name=None,
    on_wait=None,
):  # fmt: skip
    """Run the job `wanted` on the board; see `endpoints` for the contract.

    `config`: what would stand in the board's config.json, or None for the one that does; `mount`:
    take pxerom from the PC, over the line; `kind`: the id of a `board.kinds.Kind`; `name`: what
    sentences call the board. A file that the job stores goes to the PC, over the line.
    """
    chosen = kinds.kind(kind) if kind else None
    with tempfile.TemporaryDirectory(prefix="pxebench-") as folder, Board(port, name) as board:
        made = prepared(board, folder, wanted, on_event, config, mount, chosen, keys)
        made.on_wait = on_wait or made.on_wait
        return made.run()


def prepared(
    board, folder, wanted, on_event, config=None, mount=False, kind=None, keys=None, on_ready=None
):  # fmt: skip
    """The `Job` that runs `wanted` on an open Board, which has all that it needs for it.

    `folder`: an empty one, there until the job is over; `kind`: a `board.kinds.Kind`, else the
    board's own; `on_ready`: called when the board holds the job ready, which then waits for
    `Job.go`; the other words as in `run`.
    """
    from pxebench.board import deploy

    kind = kind or board.kind
    wanted = dict(wanted)
    sink = wanted["sink"]
    out = sink.get("path") if sink["kind"] == "file" else None
    if out:
        _check_out(out)
        wanted["sink"] = {"kind": "file", "path": "/remote/image"}
    if mount:
        deploy.stage(folder, board, kind)
    else:
        _has_pxerom(board)
    rom = wanted["rom"]
    if wanted["job"] != "ask" and (mount or rom not in board.who["roms"]):
        whole = rom if isinstance(rom, dict) else job.load_rom(rom)
        wanted["rom"] = deploy.packed(whole, wanted["job"] == "boot")
    lent = [] if mount else deploy.lend(folder, board, wanted)
    board.enter(soft_reset=True)
    if mount or out or lent:
        board.mount(folder)
    if mount or out:
        keys = None  # the folder's requests come on the same line
        wanted.pop("keys", None)
    if on_ready:
        wanted["stand_by"] = True
    program = _program(wanted, config, kind, mount)
    if lent:
        program = _BORROW % (lent,) + ("" if out else _GIVE_BACK) + program
    image = (os.path.join(folder, "image"), out) if out else None
    return Job(board, wanted, program, on_event, keys, on_ready, image)


def _has_pxerom(board):
    import pxerom

    found = board.who["pxerom"]
    if found is None:
        raise Refused(
            f"There is no pxerom on the board on {board.name}: `pxebench board deploy` puts it "
            f"there, and --mount does without.",
            EXIT_BENCH,
        )
    if found != pxerom.__version__:
        raise Refused(
            f"The board on {board.name} has pxerom {show(str(found))}, and this is "
            f"{pxerom.__version__}: `pxebench board deploy` brings it up to date, and --mount "
            f"does without.",
            EXIT_BENCH,
        )


def _program(wanted, config, kind, mount):
    path = "import sys\nsys.path.insert(0, '/remote/lib')\n" if mount else ""
    text = "" if config is None else json.dumps(config)
    name = repr(kind.id) if kind else "None"
    return (
        f"{path}{_RUN}BOARD = {name}\n"
        f"_run(json.loads({ascii(json.dumps(wanted))}), {ascii(text)})\n"
    )


def _check_out(out):
    folder = os.path.dirname(os.path.abspath(out))
    if os.path.isdir(out):
        reason = "it is a folder"
    elif os.path.exists(out) and not os.path.isfile(out):
        reason = "it is no ordinary file"
    elif not os.path.isdir(folder):
        reason = f"there is no folder {show(folder)}"
    elif not os.access(folder, os.W_OK):
        reason = "no permission"
    else:
        return
    raise Refused(f"Cannot write {show(out)}: {reason}.", EXIT_BENCH)


def _store(path, out, digest):
    if _sha256(path) != digest:
        raise Refused(
            f"What came over the line for {show(out)} is not what the board fetched, it is "
            f"garbled: try again, and take rfc2217:// for a ser2net port, not socket://.",
            EXIT_BENCH,
        )
    try:
        shutil.copyfile(path, out + ".part")
        os.replace(out + ".part", out)
    except OSError as error:
        raise Refused(f"Cannot write {show(out)}: {error.strerror}.", EXIT_BENCH) from None


def _sha256(path):
    found = hashlib.sha256()
    with open(path, "rb") as file:
        while data := file.read(1 << 16):
            found.update(data)
    return found.hexdigest()


class Job:
    """One job on a board, from its program to its last event; `prepared` makes it."""

    def __init__(self, board, wanted, program, on_event, keys, on_ready, image):
        self.board = board
        self.menu = Menu(keys, board.type)
        self.on_wait = lambda: None
        self.wanted = wanted
        self.program = program
        self.on_event = on_event
        self.on_ready = on_ready
        self.image = image  # (where the board puts it, where it goes), or None
        self.witness = Witness()
        self.listener = Listener(self._seen)
        self.sequence = Sequence()
        self.interrupts = 0
        self.passed_on = 0
        self.ended_by = None  # "user" or "bench" once it was told to end
        self.give_up_at = None
        self.silent_at = time.monotonic() + _LINK_S

    def run(self):
        """Run it; the result, or `Refused`."""
        with Signals(self.interrupt):
            trouble = self.board.run(self.program, self._take, watch=self._watch)
        listener = self.listener
        if listener.refused:
            raise listener.refused
        result = listener.result
        if result is None:
            if not self.ended_by:
                raise self._died(f"stopped with {last_line(trouble)}" if trouble else "just ended")
            return ended_by(self.ended_by, self.witness, self.wanted, "serial")
        if self.image and result["image"]:
            _store(*self.image, result["image"]["sha256"])
        return completed(result, "serial", listener.start)

    def interrupt(self):
        """End it in order, as Ctrl-C does; from any thread."""
        self.interrupts += 1

    def go(self):
        """Start a job that is held ready; from any thread."""
        self.board.type(b"g")

    def _take(self, data):
        for event in self.sequence.feed(data):
            self.silent_at = time.monotonic() + _SILENCE_S
            if event["event"] == "ready" and self.on_ready:
                self.on_ready()
            elif event["event"] != "alive" and not self.listener.done:
                self.listener.take_from("board", event)
        if any(word in self.sequence.text for word in _RESTARTED):
            raise self._died("is gone: the board restarted in mid-run (look at its power)")

    def _seen(self, event):
        if event["event"] == "start" and self.wanted.get("max_time_ms"):
            max_time_s = self.wanted["max_time_ms"] / 1000
            self.give_up_at = time.monotonic() + max_time_s + _END_GRACE_S
        if event["event"] == "start" and event.get("epoch_us") is None:
            # A board does not know the time of day: the time at which its event came is close
            # enough.
            event["epoch_us"] = time.time_ns() // 1000
        self.witness.event(event)
        self.menu.event(event)
        self.on_event(event)

    def _watch(self):
        now = time.monotonic()
        self.menu.pass_on()
        self.on_wait()
        if self.interrupts > self.passed_on:
            self.passed_on = self.interrupts
            self.board.interrupt()
            if self.ended_by:
                return True  # the second one
            self.ended_by = "user"
            self.give_up_at = now + _END_GRACE_S
        if self.give_up_at is not None and now >= self.give_up_at:
            self.board.interrupt()
            self.ended_by = self.ended_by or "bench"
            return True
        if now >= self.silent_at:
            self.board.interrupt()
            raise self._died("has gone silent: the board hangs, was reset or lost its power")
        return False

    def _died(self, how):
        return Refused(one_sentence(f"pxerom on {self.board.name} {how}"), EXIT_BENCH)
