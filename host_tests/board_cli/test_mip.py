"""`mpremote mip install` of our packages on the pseudo-terminal board: it boots afterwards."""

import contextlib
import functools
import http.server
import json
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from host_tests.board_cli.conftest import BOARD, IMAGE, config, mpremote

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools"))
import mip_packages

_ROOT = mip_packages.ROOT


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *words):
        pass


@contextlib.contextmanager
def _serving(handler):
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


@contextlib.contextmanager
def _file_server():
    """The address of a server that has this checkout."""
    with _serving(functools.partial(_Quiet, directory=_ROOT)) as server:
        yield f"http://127.0.0.1:{server.server_port}"


class _RawHost(_Quiet):
    """GitHub's raw host: /OWNER/REPO/HEAD/PATH, and no path with `..` in it."""

    def do_GET(self):
        prefix = "/OWNER/REPO/HEAD/"
        if ".." in self.path or not self.path.startswith(prefix):
            self.send_error(400)
            return
        path = self.path.removeprefix(prefix)
        text = self.server.packages.get(path)
        content = (text or (_ROOT / path).read_text("utf-8")).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


# mpremote as it is; the name of the host alone leads to the test's.
_MPREMOTE = """
import sys
from mpremote import main, mip
host, sys.argv[1:] = sys.argv[1], sys.argv[2:]
real = mip._rewrite_url
mip._rewrite_url = lambda url, branch=None: real(url, branch).replace(
    "https://raw.githubusercontent.com", host)
sys.exit(main.main())
"""


@pytest.mark.parametrize("home", ["github:OWNER/REPO", None])
def test_package_is_installed_from_githubs_raw_host(desk, home):
    packages = {
        str(path.relative_to(_ROOT)): text for path, text in mip_packages.packages(home).items()
    }
    listed = json.loads(packages["boards/rpi_pico_w/package.json"])["urls"]
    with contextlib.ExitStack() as stack:
        board = stack.enter_context(desk.board())
        server = stack.enter_context(_serving(_RawHost))
        server.packages = packages
        words = ("connect", board.port, "mip", "install", "github:OWNER/REPO/boards/rpi_pico_w")
        done = subprocess.run(
            [sys.executable, "-c", _MPREMOTE, f"http://127.0.0.1:{server.server_port}", *words],
            capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        if home is None:  # the raw host takes no `..`: that is what HOME is for
            assert done.returncode and "Error 400" in done.stdout + done.stderr
            return
        assert done.returncode == 0, done.stdout + done.stderr
        assert len(_sizes(board)) == len(listed)


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
