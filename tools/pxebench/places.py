"""Where pxebench's data files are: in a checkout, or inside the installed package.

firmware/     what a board carries: main.py, pxerom/
boards/       one folder for each kind of board
tests/core/   the tests that also run on a board (in a checkout: host_tests/core)
"""

from pathlib import Path

_HERE = Path(__file__).resolve().parent
_CHECKOUT = _HERE.parents[1]
_INSTALLED = _HERE / "data"


def _place(checkout, installed):
    found = _CHECKOUT / checkout
    return found if found.is_dir() and not _INSTALLED.is_dir() else _INSTALLED / installed


def in_clone():
    """Whether this runs from a clone, which can build what a package does not bring: `make`."""
    return (boards().parent / "Makefile").is_file()


def to_build(what, target):
    """The sentence for something that is missing and that only a clone can build."""
    if in_clone():
        return f"{what} is not built: run `make {target}`."
    return f"{what} is no part of the package: it is built in a clone of pxerom."


def pxerom():
    """The folder of the firmware's package."""
    import pxerom

    return Path(pxerom.__file__).parent


def main_py():
    """The firmware's `main.py`."""
    return _place("firmware", "firmware") / "main.py"


def boards():
    """The folder with one folder for each kind of board."""
    return _place("boards", "boards")


def host_link():
    """The folders with the `link` of a PC and with what it shares with the boards' own."""
    return [boards() / "host", boards() / "common"]


def core_tests():
    """The folder of the core's tests."""
    return _place("host_tests/core", "core_tests")
