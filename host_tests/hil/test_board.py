"""Our own suite on a real board: `make hil PORT=... SERVER=... FILE=...`.

The board has pxerom on it, with settings that bring its link up; the server has the file. What a
board's own stack, radio and clock change shows here and nowhere else.
"""

import hashlib
import socket

import pytest

pytestmark = pytest.mark.hardware

_MISSING = "no-such-file-of-pxerom"


@pytest.fixture(scope="session")
def server(pytestconfig):
    return _wanted(pytestconfig, "--pxerom-server", "SERVER=IP")


@pytest.fixture(scope="session")
def file(pytestconfig):
    return _wanted(pytestconfig, "--pxerom-file", "FILE=NAME")


def _wanted(pytestconfig, option, words):
    given = pytestconfig.getoption(option)
    if not given:
        pytest.fail(f"{option} is missing: make hil {words}", pytrace=False)
    return given


def _url(server, file):
    return f"tftp://{server}/{file}"


def test_board_says_what_it_is(board):
    assert board.who["machine"] and board.who["version"]
    assert board.who["heap_bytes"] > 60000


def test_intel_rom_boots_from_its_own_ports(board, server, file):
    boot = board.boot(_url(server, file))
    assert boot.ok, boot.why
    assert boot.source_ports == [2070, 2071]
    assert boot.result["endpoint"]["kind"] == "serial"


def test_second_boot_uses_the_very_same_ports(board, server, file):
    for _ in range(2):
        boot = board.boot(_url(server, file))
        assert boot.ok, boot.why
        assert boot.source_ports == [2070, 2071]


def test_image_is_byte_for_byte_what_a_stored_one_is(board, server, file, tmp_path):
    hashed = board.boot(_url(server, file))
    stored = board.boot(_url(server, file), out=str(tmp_path / "image"))
    assert hashed.ok and stored.ok, hashed.why + stored.why
    content = (tmp_path / "image").read_bytes()
    assert len(content) == hashed.image["bytes"] == stored.image["bytes"]
    assert hashlib.sha256(content).hexdigest() == hashed.image["sha256"] == stored.image["sha256"]


@pytest.mark.parametrize("rom", ["os-client", "standard", "intel-undi-plain"])
def test_other_roms_boot_too(board, server, file, rom):
    boot = board.boot(_url(server, file), rom=rom)
    assert boot.ok, boot.why


def test_missing_file_is_told_as_a_rom_tells_it(board, server):
    boot = board.boot(_url(server, _MISSING))
    assert boot.code in ("PXE-E3B", "PXE-E36"), boot.why
    assert boot.result["status"]["side"] == "server"


def test_silent_server_gets_the_first_retry_from_the_next_port(board, server):
    boot = board.boot(f"tftp://{server}:{_closed_port()}/x", max_time_s=5)
    assert not boot.ok and boot.result["ended"]["by"] == "bench"
    assert boot.source_ports == [2070, 2071]
    first, second = [r["at_ms"] for t in boot.result["transfers"] for r in t["requests"]]
    assert 1900 < second - first < 4600


def _closed_port():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("", 0))
        return probe.getsockname()[1]
