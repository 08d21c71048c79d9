"""Wheel and sdist as somebody else gets them: built, installed into an empty environment, used.

`make package-test` runs it, and CI does; it needs what pip fetches, and so no `make test` waits
for it.
"""

import email
import importlib.metadata
import json
import os
import re
import subprocess
import sys
import tarfile
import zipfile

import pytest
from pxebench import places

from host_tests.lab import programs

pytestmark = pytest.mark.package
_ROOT = programs.ROOT
_IMAGE = bytes(range(256)) * 300
_VERSION = importlib.metadata.version("pxerom")


def _build(folder, into, target):
    command = [sys.executable, "-m", "hatchling", "build", "-t", target, "-d", str(into)]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    (made,) = into.iterdir()
    return made


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """(sdist, wheel): the wheel is made from the sdist, and from nothing else."""
    folder = tmp_path_factory.mktemp("build")
    sdist = _build(_ROOT, folder / "sdist", "sdist")
    with tarfile.open(sdist) as archive:
        archive.extractall(folder / "source", filter="data")
    (source,) = (folder / "source").iterdir()
    return sdist, _build(source, folder / "wheel", "wheel")


@pytest.fixture(scope="module")
def installed(built, tmp_path_factory):
    """The folder of an environment with the wheel in it, and what it depends on."""
    folder = tmp_path_factory.mktemp("empty") / "venv"
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    pip = [folder / "bin/python", "-m", "pip", "--disable-pip-version-check", "-q", "install"]
    subprocess.run([*pip, built[1]], check=True)
    return folder


def _run(installed, *words, cwd, **more):
    # Nothing of the clone: no PYTHONPATH, no .tools, its own folder.
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(cwd), "COLUMNS": "80", **more}
    return subprocess.run(
        [installed / "bin/pxebench", *map(str, words)],
        cwd=cwd, env=environment, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip


def test_wheel_carries_firmware_roms_boards_and_the_page(built):
    names = zipfile.ZipFile(built[1]).namelist()
    roms = sorted((_ROOT / "firmware/pxerom/roms").glob("*.json"))
    for rom in roms:
        assert f"pxerom/roms/{rom.name}" in names
    for name in (
        "pxerom/tftp.py", "pxebench/data/firmware/main.py", "pxebench/data/boards/host/link.py",
        "pxebench/data/boards/rpi_pico_w/board.json", "pxebench/data/core_tests/run.py",
        "pxebench/report/templates/report.html", "pxebench/report/templates/report.css",
        "pxebench/explain/codes.json", "pxebench/sweep/iana_ports.txt", "pxebench/py.typed",
    ):  # fmt: skip
        assert name in names
    assert any(name.endswith("data/share/man/man1/pxebench.1") for name in names)
    assert not [name for name in names if "node_modules" in name or "host_tests" in name]
    # Whatever lies beside the modules is data that one of them reads.
    package = _ROOT / "tools/pxebench"
    for path in package.rglob("*"):
        inside = path.relative_to(package.parent)
        if path.is_file() and path.suffix in (".json", ".txt", ".html", ".css"):
            assert str(inside) in names


def test_metadata_say_what_an_index_shows(built):
    wheel = zipfile.ZipFile(built[1])
    (name,) = [name for name in wheel.namelist() if name.endswith("/METADATA")]
    said = email.message_from_string(wheel.read(name).decode())
    assert said["Requires-Python"] == ">=3.10" and said["Description-Content-Type"]
    assert "Topic :: System :: Networking :: Firewalls" in said.get_all("Classifier")
    assert "PXE-E32" in said.get_payload()
    for address in said.get_all("Project-URL", []):
        assert "@" not in address  # whatever `origin` has for a password


@pytest.mark.parametrize(
    ("origin", "home"),
    [
        ("https://user:s3cret@example.org/a/b.git", "https://example.org/a/b"),
        ("git@example.org:a/b.git", "https://example.org/a/b"),
        ("ssh://git@example.org:22/a/b", "https://example.org/a/b"),
        ("/srv/git/b.git", None),
        ("file:///srv/git/b.git", None),
    ],
)
def test_address_of_the_clone_becomes_the_packages(tmp_path, origin, home):
    sys.path.insert(0, str(_ROOT))
    import hatch_build

    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    subprocess.run(["git", "-C", tmp_path, "remote", "add", "origin", origin], check=True)
    assert hatch_build._home(tmp_path) == home


def test_every_command_shows_its_help_and_names_no_make(installed, tmp_path):
    said = _run(installed, "-h", cwd=tmp_path)
    assert said.returncode == 0, said.stderr
    names = re.findall(r"^  ([a-z]+)  ", said.stdout, re.M)
    assert len(names) >= 16
    for name in names:
        told = _run(installed, name, "-h", cwd=tmp_path)
        assert told.returncode == 0 and "make " not in told.stdout, told.stdout + told.stderr


def test_a_file_is_fetched_from_its_own_server(installed, tmp_path):
    (tmp_path / "files").mkdir()
    (tmp_path / "files/image.bin").write_bytes(_IMAGE)
    port = 20000 + os.getpid() % 20000
    words = ["serve", "files", "--bind", "127.0.0.1", "--port", str(port)]
    with subprocess.Popen(
        [installed / "bin/pxebench", *words], cwd=tmp_path, stderr=subprocess.PIPE, text=True
    ) as server:
        try:
            assert "Serving" in server.stderr.readline()
            url = f"127.0.0.1:{port}/image.bin"
            done = _run(installed, "fetch", url, "-o", "x", "--json", "r.json", cwd=tmp_path)
            assert done.returncode == 0, done.stderr
            assert (tmp_path / "x").read_bytes() == _IMAGE
            table = _run(
                installed, "compat", url, "--rom", "grub", "--json", "c.json", cwd=tmp_path
            )
            assert table.returncode == 0, table.stderr
            page = _run(installed, "report", "r.json", "c.json", "-o", "p.html", cwd=tmp_path)
            assert page.returncode == 0 and (tmp_path / "p.html").stat().st_size > 10_000
        finally:
            server.terminate()
    assert json.loads((tmp_path / "r.json").read_text())["outcome"] == "ok"


def test_what_is_missing_is_named_without_a_makefile(installed, tmp_path):
    told = _run(installed, "fetch", "127.0.0.1/x", "--endpoint", "micropython", cwd=tmp_path)
    assert told.returncode == 3
    assert "a `micropython` on PATH, or --interpreter" in told.stderr
    assert "make" not in told.stderr
    told = _run(installed, "board", "emulate", cwd=tmp_path)
    assert told.returncode == 3 and "built in a clone of pxerom" in told.stderr
    told = _run(installed, "doctor", cwd=tmp_path)
    assert "make " not in told.stdout


def test_interpreter_runs_the_installed_firmware(installed, tmp_path):
    micropython = _ROOT / ".tools/bin/micropython"
    told = _run(
        installed, "fetch", "127.0.0.1:9/x", "--endpoint", "micropython", "--interpreter",
        micropython, "--max-time", "1s", cwd=tmp_path,
    )  # fmt: skip
    assert told.returncode == 1 and "TFTP" in told.stdout + told.stderr


def test_deployment_is_planned_without_a_board_and_without_a_clone(installed, tmp_path):
    words = ("board", "deploy", "--board", "rpi_pico_w", "--rom", "intel-undi", "--dry-run")
    told = _run(installed, *words, cwd=tmp_path)
    assert told.returncode == 0, told.stderr
    assert "/lib/pxerom/tftp.mpy" in told.stdout + told.stderr


def test_manual_page_is_found_and_reads_well(installed):
    page = installed / "share/man/man1/pxebench.1"
    text = page.read_text("utf-8")
    assert ".SH EXIT STATUS" in text and ".SS pxebench fetch" in text
    assert places.boards().is_dir()


@pytest.fixture(scope="module")
def pipx(tmp_path_factory):
    """(the command pipx, its environment): its own folders, nothing of the user's."""
    folder = tmp_path_factory.mktemp("pipx")
    subprocess.run([sys.executable, "-m", "venv", folder / "venv"], check=True)
    pip = [folder / "venv/bin/python", "-m", "pip", "--disable-pip-version-check", "-q"]
    subprocess.run([*pip, "install", "pipx>=1.4"], check=True)
    places_of = {f"PIPX_{name}": str(folder / name.lower()) for name in ("HOME", "BIN_DIR")}
    environment = os.environ | places_of | {"PIPX_MAN_DIR": str(folder / "man")}
    return folder / "venv/bin/pipx", environment


def _pipx(pipx, *words):
    return subprocess.run(
        [pipx[0], *map(str, words)], env=pipx[1], capture_output=True, text=True, timeout=300,
        check=False,
    )  # fmt: skip


def test_pipx_runs_the_wheel_without_keeping_it(built, pipx):
    told = _pipx(pipx, "run", "--spec", built[1], "pxebench", "--version")
    assert told.returncode == 0, told.stdout + told.stderr
    assert _VERSION in told.stdout
    # By the project's name alone, as `pipx run pxerom` would from an index: pypa/pipx#725.
    told = _pipx(pipx, "run", "--spec", built[1], "pxerom", "--version")
    assert told.returncode == 0, told.stdout + told.stderr
    assert _VERSION in told.stdout


def test_pipx_installs_the_wheel_with_its_command_and_its_manual_page(built, pipx):
    told = _pipx(pipx, "install", built[1])
    assert told.returncode == 0, told.stdout + told.stderr
    command = os.path.join(pipx[1]["PIPX_BIN_DIR"], "pxebench")
    said = subprocess.run([command, "--version"], capture_output=True, text=True, check=True)
    assert _VERSION in said.stdout
    assert os.path.exists(os.path.join(pipx[1]["PIPX_MAN_DIR"], "man1/pxebench.1"))
