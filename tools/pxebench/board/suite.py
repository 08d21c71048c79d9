"""`pxebench board test`: the core's own tests, run on the board itself.

The tests (`host_tests/core`) and the firmware are compiled and mounted; only the tests of the sink
write to the board's flash, into a folder that goes with them.

1. Each test module runs on a board that was just restarted: a board's memory does not hold all of
   them at once, and no test can spoil another.
2. A test that is over gives its memory back. One that lacks memory is run once more, alone on a
   board that was just restarted; that outcome counts.
3. A long test says every 2048 packets that it lives.
4. A file of the PC's is read as a whole, for `json.load` would ask over the line for each letter;
   but in small pieces: a piece for which there is no memory stays on the line, unread.
"""

import json
import re
import time
from pathlib import Path

from pxebench import places
from pxebench.board import deploy
from pxebench.endpoints.stream import Sequence
from pxebench.job import EXIT_BENCH, Refused, bare, show

_SILENCE_S = 60.0
_TEST = re.compile(r"^def (test_\w+)\(", re.MULTILINE)

# NAMES, tests of one module in ROOT: each with its outcome; what does not fit into the memory says
# so, and so does a boot that ended for want of it.
_RUN = """\
import gc, io, json, os, sys, time
os.chdir('/')
sys.path.insert(0, ROOT + '/lib')
sys.path.insert(0, ROOT)
import builtins
_open = builtins.open
def _whole(path, *mode):
    file = _open(path, *mode)
    if mode or not path.startswith(ROOT):
        return file
    with file:
        whole = io.StringIO(os.stat(path)[6] + 1)  # room for all of it, in one piece
        while True:
            part = file.read(256)
            if not part:
                break
            whole.write(part)
        whole.seek(0)
        return whole
builtins.open = _whole
def _say(event, **more):
    more['event'] = event
    sys.stdout.write('\\x1e' + json.dumps(more) + '\\n')
def _text(error):
    text = io.StringIO()
    sys.print_exception(error, text)
    return text.getvalue()
def _module(name):
    try:
        module = __import__('host_tests.core.' + name, None, None, ('*',))
    except MemoryError:
        return _say('module', outcome='no memory')
    except Exception as error:
        return _say('module', outcome='failed', text=_text(error))
    for test in dir(module):
        if test.startswith('test_') and test not in NAMES:
            delattr(module, test)
    net = sys.modules.get('host_tests.core.fakenet')
    if net:
        old = net.FakeNet.step
        def step(self):
            old(self)
            if not self.steps & 2047:
                _say('alive')
        net.FakeNet.step = step
    from pxerom.failure import Failure
    made = Failure.__init__
    lacking = []
    def init(self, code, detail, side=None, reason=None):
        if reason == 'no_memory':
            lacking.append(detail)
        made(self, code, detail, side, reason)
    Failure.__init__ = init
    for test in NAMES:
        lacking.clear()
        gc.threshold(-1)
        gc.collect()
        began = time.ticks_ms()
        outcome, text = 'ok', None
        try:
            getattr(module, test)()
        except MemoryError as error:
            outcome, text = 'no memory', _text(error)
        except Exception as error:
            outcome, text = 'failed', _text(error)
            if lacking:
                outcome = 'no memory'
            elif type(error).__name__ == 'NoLoopback':
                outcome = 'no loopback'
        delattr(module, test)
        _say('test', name=test, outcome=outcome, text=text,
            took_ms=time.ticks_diff(time.ticks_ms(), began))
    _say('module', outcome='ok')
"""


OUTCOMES = ("ok", "failed", "no memory", "no loopback")
FIELDS = ("name", "outcome", "text", "took_ms")


class Outcome:
    """What came of a test: `name`, `outcome` (one of OUTCOMES), `text` of a failure, `took_ms`."""

    def __init__(self, name, outcome, text=None, took_ms=0):
        self.name = name
        self.outcome = outcome
        self.text = text
        self.took_ms = took_ms


def modules():
    """{module: its tests} of the core's suite, read from the sources."""
    found = {}
    for path in sorted(places.core_tests().glob("test_*.py")):
        found[path.stem] = sorted(_TEST.findall(path.read_text(encoding="utf-8")))
    if not found:
        raise Refused("The core's tests are not here: this pxebench is incomplete.", EXIT_BENCH)
    return found


def check(names):
    """Refuse names that are no module's."""
    known = modules()
    for name in names:
        if name not in known:
            there = ", ".join(known)
            raise Refused(f"There is no test module {show(name)}; there are: {there}.")


def stage(folder, board):
    """Put the firmware and the tests into a folder that is to be mounted."""
    compiled = deploy.plan(board.who["mpy"], None, (), main=False).files
    for path in sorted(places.pxerom().glob("roms/*.json")):
        # The tests load ROMs again and again, and the line is slow: as a board carries them,
        # without evidence or prose, but unchecked, for the tests change them.
        rom = bare(json.loads(path.read_text(encoding="utf-8")))
        rom.pop("sources", None)
        compiled[f"/lib/pxerom/roms/{path.name}"] = json.dumps(
            dict(rom, about=""), ensure_ascii=False, separators=(",", ":")
        ).encode()
    translate = deploy.compiler(board.who["mpy"])
    for path in sorted(places.core_tests().glob("*.py")):
        name, data = translate(path, f"core/{path.name}", "-O0")  # -O3 has no assert
        compiled[f"/host_tests/core/{name}"] = data
    for path, data in compiled.items():
        target = Path(folder, path[1:])
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)


def program(name, tests, root="/remote"):
    """What a board runs: `tests` of the module `name`, staged in its folder `root`. It prints
    records: "test" with name, outcome, text and took_ms, "alive", and at the end "module"."""
    return f"ROOT = {root!r}\nNAMES = {tests!r}\n{_RUN}\n_module({name!r})\n"


def run(board, folder, names, on_outcome, on_module):
    """Run the modules `names`; `on_outcome` gets each Outcome, `on_module` each module first."""
    check(names)
    known = modules()
    for name in names or known:
        on_module(name)
        for outcome in _module(board, folder, name, known[name]):
            on_outcome(outcome)


def _module(board, folder, name, tests):
    lacking = []
    for outcome in _run(board, folder, name, tests):
        if outcome.outcome == "no memory" and outcome.text:  # else the module did not load
            lacking.append(outcome.name.partition(".")[2])
        else:
            yield outcome
    for test in lacking:
        yield from _run(board, folder, name, [test])


def _run(board, folder, name, tests):
    board.enter(soft_reset=True)
    board.mount(folder)
    sequence = Sequence()
    seen = {}
    last = {}

    def take(data):
        for event in sequence.feed(data):
            if event["event"] == "test":
                seen[event["name"]] = event
            elif event["event"] == "module":
                last.update(event)

    began = time.monotonic()
    trouble = board.run(program(name, tests), take, _SILENCE_S)
    took_ms = round((time.monotonic() - began) * 1000)
    for test in tests:
        event = seen.get(test)
        if event:
            yield Outcome(f"{name}.{test}", event["outcome"], event["text"], event["took_ms"])
        elif last.get("outcome") == "no memory":
            yield Outcome(f"{name}.{test}", "no memory")
        else:
            text = last.get("text") or trouble or "the module ended before this test"
            yield Outcome(f"{name}.{test}", "failed", text, took_ms)
