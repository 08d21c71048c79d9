"""What the tests here share: one lan for each file, boards on it, and a server's image."""

import hashlib
import random

import pytest
from pxebench.board import emulator

from host_tests.emulated import rig

# Of iPXE's kind for nobody, with every byte value, and its last block is not a full one.
IMAGE = random.Random(12).randbytes(300000)


def pytest_collection_modifyitems(items):
    for item in items:
        if item.path.parent.name == "emulated":
            assert emulator.firmwares(), "no emulated board here: run `make board`"


@pytest.fixture(scope="module")
def lan():
    with rig.lan() as made:
        yield made


@pytest.fixture(scope="module")
def tftpd(lan):
    with lan.tftpd({"image": IMAGE}) as server:
        yield server


@pytest.fixture(autouse=True)
def perfect_wire(request):
    """Every test begins with a cable that does nothing to its frames."""
    if "lan" in request.fixturenames:
        request.getfixturevalue("lan").behave()


@pytest.fixture(scope="session")
def image_hash():
    return hashlib.sha256(IMAGE).hexdigest()
