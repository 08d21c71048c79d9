"""What the core's tests need beside `assert`, on every interpreter: no pytest in here."""

import os

from pxerom import runtime


def raises(kind, function, *arguments):
    """The exception of `kind` that the call raises; anything else fails the test."""
    try:
        function(*arguments)
    except kind as error:
        return error
    raise AssertionError("%s was not raised" % kind.__name__)


def same(got, expected, what=""):
    """`assert got == expected` that shows both, where no pytest rewrites the assertion."""
    assert got == expected, "%s\n     got %r\nexpected %r" % (what, got, expected)


def rom_ids():
    """The id of each ROM file."""
    from pxerom import rom_file  # not at the top, as in `rom`

    folder = rom_file.folder()
    return sorted(name[:-5] for name in os.listdir(folder) if name.endswith(".json"))


class NoLoopback(Exception):
    """lwIP on rp2 is built without 127.0.0.1: what needs it cannot be tested there."""


def needs_loopback(sock):
    """Raise NoLoopback where nothing can be sent to this machine itself."""
    try:
        sock.sendto(b"?", runtime.address("127.0.0.1", 9))  # an empty one fails on an ESP32
    except OSError as error:
        if error.errno in runtime.UNREACHABLE and error.errno != 111:  # 111: port 9 is closed
            raise NoLoopback()
        raise


class Folder:
    """An empty folder to write in, gone with all it holds when the `with` is left."""

    def __enter__(self):
        name = "pxerom-%x" % runtime.random_below(1 << 30)
        # A board has no environment and no /tmp: there it is a folder of its flash.
        place = (os.getenv("TMPDIR") or "/tmp") if hasattr(os, "getenv") else ""
        self.path = place + "/" + name
        os.mkdir(self.path)
        return self

    def __exit__(self, kind, error, trace):
        for name in os.listdir(self.path):
            try:
                os.remove(self.at(name))
            except OSError:
                os.rmdir(self.at(name))
        os.rmdir(self.path)

    def at(self, name):
        return self.path + "/" + name

    def names(self):
        return sorted(os.listdir(self.path))

    def put(self, name, data):
        with open(self.at(name), "wb") as file:
            file.write(data)
        return self.at(name)

    def read(self, name):
        with open(self.at(name), "rb") as file:
            return file.read()


class Patch:
    """An attribute replaced while the `with` runs."""

    def __init__(self, owner, name, value):
        self._owner = owner
        self._name = name
        self._value = value

    def __enter__(self):
        self._old = getattr(self._owner, self._name)
        setattr(self._owner, self._name, self._value)

    def __exit__(self, kind, error, trace):
        setattr(self._owner, self._name, self._old)


def rom(name, **changes):
    """A flat ROM with other values at some paths: rom("standard", tftp__rollover=1)."""
    from pxerom import rom_check  # not at the top: the agent forgets that module

    runtime.tidy()  # the file is read in one piece
    tree = rom_check.read(name)
    for path, value in changes.items():
        node = tree
        steps = [int(step) if step.isdigit() else step for step in path.split("__")]
        for step in steps[:-1]:
            node = node[step]
            if isinstance(node, dict) and "value" in node:  # on a PC, with its evidence
                node = node["value"]
        node[steps[-1]] = value
    return rom_check.flatten(tree)
