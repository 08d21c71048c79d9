"""The half of `pxebench board test` that runs on the board: compiled by `suite.stage`.

It prints records (RFC 7464): for each test {"event": "test", "name", "outcome", "text",
"took_ms"}, "alive" amid a long one, and "module" at the end.
"""

import builtins
import gc
import io
import json
import os
import sys
import time

_PIECE = 256
_ALIVE_STEPS = 2047


def say(event, **more):
    """Print a record."""
    more["event"] = event
    sys.stdout.write("\x1e" + json.dumps(more) + "\n")


def unpack(bundle, to):
    """Make the files of `bundle` (`suite.bundle`) below the folder `to`."""
    import deflate

    piece = bytearray(1024)
    with open(bundle, "rb") as packed:
        while True:
            head = packed.readline()
            if not head:
                break
            size, path = head.decode().split()
            held = memoryview(bytearray(int(size)))
            at = 0
            while at < len(held):
                at += packed.readinto(held[at : at + _PIECE])
            _folders(to, path)
            data = deflate.DeflateIO(io.BytesIO(held), deflate.ZLIB)
            with open(to + "/" + path, "wb") as file:
                while True:
                    got = data.readinto(piece)
                    if not got:
                        break
                    file.write(memoryview(piece)[:got])
            say("alive")


def _folders(to, path):
    names = path.split("/")[:-1]
    for count in range(len(names) + 1):
        try:
            os.mkdir("/".join([to] + names[:count]))
        except OSError:
            pass  # it is there


def read_whole(root):
    """Make files below `root`, which come over the line, be read completely: `json.load` would
    request each character. In small pieces: one that does not fit into memory would stay on the
    line."""
    plain = builtins.open

    def whole(path, *mode):
        file = plain(path, *mode)
        if mode or not path.startswith(root):
            return file
        with file:
            text = io.StringIO(os.stat(path)[6] + 1)  # room for all of it, in one piece
            while True:
                part = file.read(_PIECE)
                if not part:
                    break
                text.write(part)
            text.seek(0)
            return text

    builtins.open = whole


def run(name, tests):
    """Run `tests` of the module `name`, one after another."""
    try:
        module = __import__("host_tests.core." + name, None, None, ("*",))
    except MemoryError:
        say("module", outcome="no memory")
        return
    except Exception as error:  # noqa: BLE001
        say("module", outcome="failed", text=_text(error))
        return
    for test in dir(module):
        if test.startswith("test_") and test not in tests:
            delattr(module, test)
    _say_alive()
    lacking = _note_lack_of_memory()
    for test in tests:
        lacking.clear()
        gc.threshold(-1)
        gc.collect()
        began = time.ticks_ms()
        outcome, text = "ok", None
        try:
            getattr(module, test)()
        except MemoryError as error:
            outcome, text = "no memory", _text(error)
        except Exception as error:  # noqa: BLE001
            outcome, text = "failed", _text(error)
            if lacking:
                outcome = "no memory"
            elif type(error).__name__ == "NoLoopback":
                outcome = "no loopback"
        delattr(module, test)
        took_ms = time.ticks_diff(time.ticks_ms(), began)
        say("test", name=test, outcome=outcome, text=text, took_ms=took_ms)
    say("module", outcome="ok")


def _text(error):
    text = io.StringIO()
    sys.print_exception(error, text)
    return text.getvalue()


def _say_alive():
    net = sys.modules.get("host_tests.core.fakenet")
    if net:
        old = net.FakeNet.step

        def step(self):
            old(self)
            if not self.steps & _ALIVE_STEPS:
                say("alive")

        net.FakeNet.step = step


def _note_lack_of_memory():
    # A boot without enough memory ends in a Failure: a list of these, for each test.
    from pxerom.failure import Failure

    made = Failure.__init__
    lacking = []

    def init(self, code, detail, side=None, reason=None):
        if reason == "no_memory":
            lacking.append(detail)
        made(self, code, detail, side, reason)

    Failure.__init__ = init
    return lacking
