"""What the tests of the emulated RP2040 share.

Every file has a board of its own, switched on anew. `pxebench board deploy` puts pxerom on one of
them, and the others begin with its flash.
"""

import json
import shutil

import pytest

from host_tests.rp2040 import rig


def pytest_collection_modifyitems(items):
    for item in items:
        if item.path.parent.name == "rp2040":
            item.add_marker("rp2040")


@pytest.fixture(scope="session")
def desk():
    with rig.desk() as made, made.tftpd():
        yield made


@pytest.fixture(scope="session")
def deployed_flash(desk, tmp_path_factory):
    """A flash with pxerom in it: what `pxebench board deploy` said, and the file."""
    folder = tmp_path_factory.mktemp("deployed")
    config = folder / "config.json"
    config.write_text(json.dumps(rig.config()))
    with desk.plugged_in(folder / "flash.img") as board:
        said = board.pxebench("board", "deploy", "--port", board.port, "--config", config)
        # Plug pulled at once: what deploy has said to be there is there.
    return folder / "flash.img", said


@pytest.fixture(scope="module")
def flash(deployed_flash, tmp_path_factory):
    return shutil.copy(deployed_flash[0], tmp_path_factory.mktemp("flash"))


@pytest.fixture(scope="module")
def board_here(desk, flash):
    with desk.plugged_in(flash) as board:
        yield board
