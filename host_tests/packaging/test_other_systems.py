"""What a system that is not Unix imports and runs, as far as Linux can show it."""

import subprocess
import sys
from pathlib import Path

from host_tests.bench_cli.conftest import bench, served  # noqa: F401

_PROGRAM = Path(__file__).with_name("other_systems.py")


def _run(*words, cwd=None):
    return subprocess.run(
        [sys.executable, _PROGRAM, *map(str, words)],
        cwd=cwd, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip


def test_every_module_imports_without_what_windows_has_not():
    done = _run()
    assert (done.returncode, done.stdout) == (0, ""), done.stdout + done.stderr


def test_a_file_is_fetched_and_a_history_kept(served, tmp_path):  # noqa: F811
    url = served.url("small.bin")
    done = _run("fetch", url, "-o", "x", "--json", "r.json", "-q", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "x").stat().st_size == 10240
    done = _run("watch", url, "--count", 1, "--history", "h.jsonl", cwd=tmp_path)
    assert done.returncode == 0 and (tmp_path / "h.jsonl").stat().st_size, done.stderr
    assert _run("report", "r.json", "h.jsonl", cwd=tmp_path).returncode == 0


def test_what_needs_linux_says_so():
    done = _run("boot", "-i", "eth0")
    assert done.returncode == 3
    assert "needs Linux; a board boots anywhere" in done.stderr
