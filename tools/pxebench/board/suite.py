"""`pxebench board test`: the core's own tests, run on the board itself.

The tests (`host_tests/core`) and the firmware are compiled, and copied in one piece into a folder
of the board's flash, which is removed afterwards: each module loads them again, and over the line
that takes many times as long. Where the flash has no room, the folder of the PC is mounted.

1. Each test module runs on a board that was just restarted: its memory does not hold all of them
   at once, and modules cannot affect each other.
2. A finished test's memory is freed. A test that lacks memory is run once more, alone on a board
   that was just restarted; that outcome counts.
3. A long test reports every 2048 packets that it runs.
"""

import contextlib
import hashlib
import json
import re
import time
import zlib
from pathlib import Path

from pxebench import places
from pxebench.board import deploy
from pxebench.board.connection import last_line
from pxebench.endpoints.stream import Sequence
from pxebench.job import EXIT_BENCH, Refused, bare, one_sentence, show

_SILENCE_S = 60.0
_TEST = re.compile(r"^def (test_\w+)\(", re.MULTILINE)

# What a board runs: `suite_on_board`, staged in the folder ROOT.
_PROGRAM = """\
import gc, os, sys
gc.threshold(4096)
os.chdir('/')
sys.path[:0] = [{root!r} + '/lib', {root!r}]
import suite_on_board
suite_on_board.{call}
"""
_FLASH = "/pxebench-tests"  # the folder of the board's flash, for as long as the tests run
# Removes that folder, also one of a run that was cut off; reports the free room, 0 for firmware
# before 1.21, which cannot unpack the bundle.
_CLEAR = f"""\
import json, os
def clear(folder):
    for entry in list(os.ilistdir(folder)):
        path = folder + '/' + entry[0]
        if entry[1] == 0x4000:
            clear(path)
        else:
            os.remove(path)
    os.rmdir(folder)
try:
    clear({_FLASH!r})
except OSError:
    pass
free = os.statvfs('/')
try:
    import deflate
    free = free[1] * free[4]
except ImportError:
    free = 0
print('\\x1e' + json.dumps({{'event': 'room', 'is': free}}))
"""
_FOLDER_BYTES = 4 * 4096
_SPARE_BYTES = 128 << 10  # for the files of the sink's tests

OUTCOMES = ("ok", "failed", "no memory", "no loopback")
FIELDS = ("name", "outcome", "text", "took_ms")


class Outcome:
    """The outcome of a test: `name`, `outcome` (one of OUTCOMES), `text` of a failure,
    `took_ms`."""

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


def stage(folder, board, names=()):
    """Put the firmware and the tests (of the modules `names`; of all) into a folder, as the board
    is to see it."""
    compiled = deploy.plan(board.who["mpy"], None, (), main=False).files
    for path in sorted(places.pxerom().glob("roms/*.json")):
        # Without evidence, as on a board, but unchecked: the tests change them.
        rom = bare(json.loads(path.read_text(encoding="utf-8")))
        rom.pop("sources", None)
        compiled[f"/lib/pxerom/roms/{path.name}"] = json.dumps(
            dict(rom, about=""), ensure_ascii=False, separators=(",", ":")
        ).encode()
    translate = deploy.compiler(board.who["mpy"])
    name, data = translate(Path(__file__).with_name("suite_on_board.py"), "suite_on_board")
    compiled[f"/{name}"] = data
    for path in sorted(places.core_tests().glob("*.py")):
        if names and path.stem.startswith("test_") and path.stem not in names:
            continue
        name, data = translate(path, f"core/{path.name}", "-O0")  # -O3 has no assert
        compiled[f"/host_tests/core/{name}"] = data
    for path, data in compiled.items():
        target = Path(folder, path[1:])
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)


def bundle(folder):
    """The staged files in one piece: for each a line with its size here and its path, and its
    bytes as zlib's, whose window of 4 KiB a board has room for."""
    parts = []
    for path in sorted(Path(folder).rglob("*")):
        if path.is_file():
            packer = zlib.compressobj(9, wbits=12)
            data = packer.compress(path.read_bytes()) + packer.flush()
            name = path.relative_to(folder).as_posix()
            parts.append(f"{len(data)} {name}\n".encode() + data)
    return b"".join(parts)


def program(name, tests, root):
    """What a board runs: `tests` of the module `name`, staged in its folder `root`. It prints
    records: "test" with name, outcome, text and took_ms, "alive", and at the end "module"."""
    return _program(f"run({name!r}, {tests!r})", root)


def _program(call, root="/remote"):
    return _PROGRAM.format(call=call, root=root)


def run(board, folder, names, on_outcome, on_module):
    """Run the modules `names`, staged in `folder`; `on_outcome` gets each Outcome, `on_module`
    each module first."""
    check(names)
    known = modules()
    with _lent(board, folder) as enter:
        for name in names or known:
            on_module(name)
            for outcome in _module(board, enter, name, known[name]):
                on_outcome(outcome)


@contextlib.contextmanager
def _lent(board, folder):
    # Yields a function that restarts the board and returns the program for `tests` of a module.
    if not _has_room(board, folder):

        def mounted(name, tests):
            board.enter(soft_reset=True)
            board.mount(folder)
            return _program(f"read_whole('/remote')\nsuite_on_board.run({name!r}, {tests!r})")

        yield mounted
        return

    def copied(name, tests):
        board.enter(soft_reset=True)
        return program(name, tests, _FLASH)

    _copy(board, folder)
    try:
        yield copied
    finally:
        board.enter(soft_reset=True)
        board.ask(_CLEAR, 60)


def _has_room(board, folder):
    there = board.ask(_CLEAR, 60)
    paths = [path for path in Path(folder).rglob("*") if path.is_file()]
    blocks = sum(-(-path.stat().st_size // 4096) for path in paths)
    folders = {path.parent for path in paths}
    return there[0]["is"] >= blocks * 4096 + len(folders) * _FOLDER_BYTES + _SPARE_BYTES


def _copy(board, folder):
    staged = {
        f"{_FLASH}/{path.relative_to(folder).as_posix()}": path.read_bytes()
        for path in Path(folder).rglob("*")
        if path.is_file()
    }
    Path(folder, "bundle").write_bytes(bundle(folder))
    board.enter(soft_reset=True)
    board.mount(folder)
    call = f"unpack('/remote/bundle', {_FLASH!r})"
    trouble = board.run(_program(call), lambda data: None, _SILENCE_S)
    if trouble:
        words = f"The tests could not be copied to {board.name}: {last_line(trouble)}"
        raise Refused(one_sentence(words), EXIT_BENCH)
    board.enter(soft_reset=True)
    there = board.hashes(staged)
    for path, data in staged.items():
        if there.get(path) != hashlib.sha256(data).hexdigest():
            raise Refused(f"{show(path)} came out garbled on {board.name}: try again.", EXIT_BENCH)


def _module(board, enter, name, tests):
    lacking = []
    for outcome in _run(board, enter, name, tests):
        if outcome.outcome == "no memory" and outcome.text:  # else the module did not load
            lacking.append(outcome.name.partition(".")[2])
        else:
            yield outcome
    for test in lacking:
        yield from _run(board, enter, name, [test])


def _run(board, enter, name, tests):
    lent = enter(name, tests)
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
    trouble = board.run(lent, take, _SILENCE_S)
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
