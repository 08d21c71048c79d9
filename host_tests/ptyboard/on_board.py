"""The inside of the pseudo-terminal board: real MicroPython that behaves as if it were a board.

Runs on the unix port, started by `ptyboard.Board`, which speaks the REPL's protocol with the PC
and hands over whole pieces of code. Not for a real board.

    micropython -X heapsize=N on_board.py TAKE GIVE FLASH BLOCKS SETTINGS

TAKE, GIVE and FLASH are file descriptors: pieces of code come in by TAKE (`single` or `exec`, a
space, the length, LF, then the code); by GIVE go lines of JSON: {"ready"}, {"done": traceback or
null, "exit": true when it asked for a reset}, {"kbd": code}.

1. The file system is littlefs2 on FLASH, BLOCKS blocks of 4096 bytes: a full flash is full.
2. Names that a board lacks (`os.getenv`) are not there, those that it has (`os.uname`) are.
3. `__main__` lives as long as this process; a soft reset is another process.
"""

import io
import json
import os
import sys

import machine
import micropython
import network_of_pc as network
import vfs

TAKE, GIVE, FLASH, BLOCKS = [int(word) for word in sys.argv[1:5]]
SETTINGS = json.loads(sys.argv[5])
BLOCK = 4096

take = open(TAKE, "rb")
give = open(GIVE, "wb")


def tell(message):
    give.write(json.dumps(message) + "\n")


class Flash:
    """A block device in a file of the PC."""

    def __init__(self):
        self._file = open(FLASH, "r+b")

    def readblocks(self, block, buffer, offset=0):
        self._file.seek(block * BLOCK + offset)
        self._file.readinto(buffer)

    def writeblocks(self, block, buffer, offset=0):
        self._file.seek(block * BLOCK + offset)
        self._file.write(buffer)

    def ioctl(self, operation, argument):
        return {4: BLOCKS, 5: BLOCK, 6: 0}.get(operation)


class Over:
    """A built-in module with some names replaced, added or (None) taken away."""

    def __init__(self, module, **names):
        self._module = module
        self._names = names

    def __getattr__(self, name):
        if name in self._names:
            found = self._names[name]
            if found is None:
                raise AttributeError(name)
            return found
        return getattr(self._module, name)


def kbd_intr(code):
    # The PC's side has to know before the next byte: it is the one that sees a Ctrl-C.
    tell({"kbd": code})
    take.readline()


class Reset(SystemExit):
    """`machine.reset()`."""


def reset():
    raise Reset()


class Bootloader(SystemExit):
    """`machine.bootloader()`."""


def bootloader():
    raise Bootloader()


def soft_reset():
    raise SystemExit


class Pin:
    IN = OUT = PULL_UP = IRQ_FALLING = 0

    def __init__(self, *given, **named):
        pass

    def __call__(self, *value):
        return 0

    value = init = on = off = __call__


class WDT:
    def __init__(self, id=0, timeout=5000):
        pass

    def feed(self):
        pass


def dress():
    """Put the names of a board over those of the unix port."""
    real = sys.implementation
    name = SETTINGS["machine"]
    # As on a board: attributes, and a tuple by index.
    implementation = Over(real, _machine=name)
    modules = sys.modules
    version = ".".join([str(number) for number in real.version[:3]])
    uname = (SETTINGS["platform"], SETTINGS["platform"], version, "v" + version, name)
    modules["os"] = Over(os, uname=lambda: uname, getenv=None, system=None)
    modules["machine"] = Over(
        machine,
        unique_id=lambda: bytes.fromhex(SETTINGS["id"]),
        reset=reset,
        soft_reset=soft_reset,
        bootloader=bootloader,
        freq=lambda *_: 125000000,
        Pin=Pin,
        SPI=Pin,
        WDT=WDT,
    )
    modules["micropython"] = Over(micropython, kbd_intr=kbd_intr)
    network.ADDRESS = SETTINGS["address"]
    network.NETWORKS = SETTINGS["networks"]
    modules["network"] = network
    del modules["network_of_pc"]
    modules["sys"] = Over(
        sys, implementation=implementation, platform=SETTINGS["platform"], argv=[]
    )


def mount():
    device = Flash()
    try:
        files = vfs.VfsLfs2(device, progsize=256)
    except OSError:
        vfs.VfsLfs2.mkfs(device, progsize=256)
        files = vfs.VfsLfs2(device, progsize=256)
    vfs.umount("/")
    vfs.mount(files, "/")
    os.chdir("/")
    sys.path[:] = ["", ".frozen", "/lib"]


def run(kind, code, space):
    """Run a piece of code; (its traceback or None, whether it asked for a reset)."""
    try:
        exec(compile(code, "<stdin>", kind), space)
    except Reset:
        return None, "hard"
    except Bootloader:
        return None, "bootloader"
    except SystemExit:
        return None, "soft"
    except BaseException as error:  # noqa: BLE001 - a traceback, as the REPL has it
        text = io.StringIO()
        sys.print_exception(error, text)
        lines = text.getvalue().split("\n")
        return "\n".join([line for line in lines if '/on_board.py"' not in line]), None
    return None, None


def run_file(name, space):
    try:
        with open(name) as file:
            code = file.read()
    except OSError:
        return None, None
    return run("exec", code, space)


def main():
    dress()
    mount()
    space = {"__name__": "__main__"}
    tell({"ready": 1})
    answer = None
    while True:
        # A Ctrl-C may come when the code has just ended. Whoever gave it has to hear so all the
        # same; heard twice, its number tells.
        try:
            if answer is None:
                kind, length, number = str(take.readline(), "utf-8").split()
                code = take.read(int(length))
                answer = {"done": "KeyboardInterrupt: \n", "exit": None, "number": int(number)}
                if kind == "file":
                    trouble, end = run_file(code, space)
                else:
                    trouble, end = run(kind, str(code, "utf-8"), space)
                answer = {"done": trouble, "exit": end, "number": int(number)}
            tell(answer)
            answer = None
        except KeyboardInterrupt:
            pass
        except UnicodeError:
            answer["done"] = "UnicodeError: \n"


main()
