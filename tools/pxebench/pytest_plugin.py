"""A pytest plugin: your own tests boot a real board against your own server.

    def test_the_lab_boots(board):
        boot = board.boot("tftp://10.0.0.1/undionly.kpxe", rom="intel-undi")
        assert boot.ok, boot.why
        assert boot.source_ports == [2070, 2071]

    pytest --pxerom-port auto        # or /dev/ttyACM0, id:..., rfc2217://..., place:board00

pytest loads it wherever pxebench is installed. A test that uses `board` or is marked `hardware` is
deselected, not skipped, without --pxerom-port. What `boot` runs is a job like any other
(`endpoints.serial`).
"""

import pytest


def pytest_addoption(parser):
    group = parser.getgroup("pxerom", "boards that boot like a PC (pxerom)")
    group.addoption(
        "--pxerom-port", metavar="PORT", help="The board: a device, auto, id:SERIAL, URL, place."
    )
    group.addoption("--pxerom-config", metavar="FILE", help="Its settings (config.json).")
    group.addoption("--pxerom-board", metavar="ID", help="Its kind, else it is asked.")
    group.addoption(
        "--pxerom-mount", action="store_true", help="Run pxerom from this PC, not from its flash."
    )
    group.addoption("--pxerom-server", metavar="IP", help="The TFTP server to boot from.")
    group.addoption("--pxerom-file", metavar="NAME", help="A file that the server has.")


def pytest_configure(config):
    config.addinivalue_line("markers", "hardware: needs a board on a serial port (--pxerom-port)")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config, items):
    for item in items:
        if "board" in getattr(item, "fixturenames", ()) and _ours(item):
            item.add_marker("hardware")
    if config.getoption("--pxerom-port"):
        return
    left = [item for item in items if not item.get_closest_marker("hardware")]
    if len(left) < len(items):
        config.hook.pytest_deselected(
            items=[item for item in items if item.get_closest_marker("hardware")]
        )
        items[:] = left


def _ours(item):
    # A test suite may well have a fixture `board` of its own.
    found = item._fixtureinfo.name2fixturedefs.get("board")
    return found is not None and found[-1].func.__module__ == __name__


class Boot:
    """The outcome of a boot. `result`: as `--json` gives it; `events`: all of them, in order."""

    def __init__(self, result, events):
        self.result = result
        self.events = events

    @property
    def ok(self):
        return self.result["outcome"] == "ok"

    @property
    def code(self):
        """The PXE code of a failure, as "PXE-E32"; None of a success."""
        return (self.result["status"] or {}).get("code")

    @property
    def why(self):
        """What happened, in words: for an assertion's message."""
        status = self.result["status"] or {}
        return " ".join(
            str(status[name]) for name in ("code", "text", "detail") if status.get(name)
        )

    @property
    def source_ports(self):
        """The UDP source ports of all requests, in order."""
        return [r["source_port"] for t in self.result["transfers"] for r in t["requests"]]

    @property
    def image(self):
        """{"kind", "bytes", "sha256"} of what was booted, or None."""
        return self.result["image"]


class Board:
    """A board that tests boot. `who`: what it says of itself, e.g. who["machine"]."""

    def __init__(self, port, config=None, kind=None, mount=False):
        from pxebench.board import connection

        self._config = config
        self._kind = kind
        self._mount = mount
        with connection.Board(port) as found:
            # A place is looked up at each boot: it may have been released meanwhile.
            self.port = port if port.startswith("place:") else found.port
            self.who = found.who

    def boot(self, url, rom="intel-undi", out=None, max_time_s=None):
        """Boot `url` as `rom` (an id, a file or a dict); a Boot. Raises job.Refused when the board
        or the job is not in order."""
        from pxebench.board import booting

        settings = (self._config, self._kind, self._mount)
        result, events = booting.boot(self.port, url, rom, out, max_time_s, *settings)
        return Boot(result, events)


@pytest.fixture(scope="session")
def board(pytestconfig):
    """The board on --pxerom-port, with pxerom on it (`pxebench board deploy`), or mounted."""
    from pxebench.job import Refused
    from pxebench.options import read_config

    try:
        return Board(
            pytestconfig.getoption("--pxerom-port"),
            read_config(pytestconfig.getoption("--pxerom-config")),
            pytestconfig.getoption("--pxerom-board"),
            pytestconfig.getoption("--pxerom-mount"),
        )
    except Refused as refusal:
        pytest.fail(refusal.message, pytrace=False)
