"""`mpremote mip install` of our packages on the pseudo-terminal board: it boots afterwards."""

import contextlib
import functools
import http.server
import json
import threading
from pathlib import Path

import pytest

from host_tests.board_cli.conftest import BOARD, IMAGE, config, mpremote

_ROOT = Path(__file__).resolve().parents[2]


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *words):
        pass


@contextlib.contextmanager
def _file_server():
    """The address of a server that has this checkout."""
    handler = functools.partial(_Quiet, directory=_ROOT)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def _install(board, package):
    done = mpremote(board.port, "mip", "install", package, timeout_s=120)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.rstrip().endswith("Done")


def _sizes(board):
    """{path: size} of all files on the board."""
    code = (
        "import os, json\ndef d(p):\n for e in os.ilistdir(p):\n  q = p + '/' + e[0]\n"
        "  if e[1] == 0x4000: d(q)\n  else: f[q] = e[3]\nf = {}\nd('')\nprint(json.dumps(f))"
    )
    return json.loads(mpremote(board.port, "resume", "exec", code).stdout)


@pytest.mark.parametrize("version", ["1.25", "1.26"])
@pytest.mark.parametrize("way", ["path", "http"])
def test_boards_package_is_all_that_a_boot_at_power_up_needs(desk, tmp_path, way, version):
    listed = json.loads((_ROOT / "boards/rpi_pico_w/package.json").read_text())["urls"]
    with contextlib.ExitStack() as stack:
        board = stack.enter_context(desk.board(version=version))
        base = stack.enter_context(_file_server()) if way == "http" else str(_ROOT)
        _install(board, f"{base}/boards/rpi_pico_w/package.json")
        sizes = _sizes(board)
        assert len(sizes) == len(listed)
        for target, source in listed:
            path = "/main.py" if target == "../main.py" else "/lib/" + target
            assert sizes[path] == (_ROOT / "boards/rpi_pico_w" / source).stat().st_size
        words = ("fs", "cp", config(tmp_path, rom="intel-undi"), ":/config.json")
        assert mpremote(board.port, "resume", *words).returncode == 0
        done = mpremote(board.port, "soft-reset", "exec", "import powerup; powerup.run()")
        assert f"{BOARD}, mask" in done.stdout, done.stdout + done.stderr
        result = json.loads(mpremote(board.port, "resume", "cat", ":/result.json").stdout)
        assert result["outcome"] == "ok" and result["image"]["bytes"] == len(IMAGE)


def test_firmwares_package_is_pxerom_for_a_program_of_ones_own(desk):
    with desk.board() as board:
        _install(board, str(_ROOT / "firmware/package.json"))
        assert {path.split("/")[2] for path in _sizes(board)} == {"pxerom"}
        code = "from pxerom import job; print(job.load_rom('u-boot')[0]['id'])"
        assert mpremote(board.port, "resume", "exec", code).stdout.strip() == "u-boot"
