"""What is written about the boards holds together: board.json, manifests, the mip package."""

import ast
import hashlib
import json
import os
from pathlib import Path

import mip_packages
import pytest
from pxebench.board import deploy, kinds
from pxerom import rom_check, rom_check_dhcp, rom_file

_ROOT = Path(__file__).resolve().parent.parent.parent
_BOARDS = _ROOT / "boards"
_FIRMWARE = _ROOT / "firmware"
_MPY = 6  # the .mpy version of MicroPython 1.19 and later
_EVIDENCE = {"observed", "source", "derived", "assumed"}
_PATHS = sorted(_BOARDS.glob("*/board.json"))

_IDS = {"rpi_pico_w", "rpi_pico2_w", "esp32_wifi", "esp32_eth", "w5500_evb_pico", "host"}
# The fields, and the type of each.
_SHAPE = {
    "id": str,
    "name": str,
    "about": str,
    "port": str,
    "chip": list,
    "micropython": list,
    "machine": list,
    "usb": list,
    "flash": dict,
    "link": dict,
    "modules": dict,
    "memory": dict,
    "tested": str,
}


@pytest.fixture(params=_PATHS, ids=[path.parent.name for path in _PATHS])
def board(request):
    return json.loads(request.param.read_text("utf-8"))


def test_boards_are_those_of_the_readme():
    assert {path.parent.name for path in _PATHS} == _IDS
    text = (_BOARDS / "README.md").read_text("utf-8")
    for name in _IDS - {"host"}:
        assert f"({name}/README.md)" in text


def test_board_has_the_shape_of_all(board):
    extra = {"endpoints"} if board["id"] == "host" else set()
    assert set(board) == set(_SHAPE) | extra
    for name, kind in _SHAPE.items():
        assert isinstance(board[name], kind), name
    assert board["port"] in ("rp2", "esp32", "linux")
    assert board["flash"].keys() == {"method", "enter"}
    assert board["flash"]["method"] in ("uf2", "esptool", None)
    assert board["link"].keys() == {"type", "hardware", "note"}
    assert board["link"]["type"] in ("wifi", "ethernet", "host")
    for device in board["usb"]:
        assert device.keys() == {"vid", "pid", "what"}
        assert all(len(device[key]) == 4 and int(device[key], 16) for key in ("vid", "pid"))


def test_figures_carry_their_evidence(board):
    assert list(board["memory"]) == board["micropython"]
    for figures in board["memory"].values():
        assert figures.keys() == {"flash_bytes", "filesystem_bytes", "heap_free_bytes"}
        for figure in figures.values():
            assert figure.keys() <= {"value", "evidence", "note"}
            assert figure["evidence"] in _EVIDENCE
            assert figure["value"] is None or figure["value"] > 0
        # No board was ever measured: nothing here may look as if one had been.
        assert figures["heap_free_bytes"]["evidence"] == "assumed"


def test_what_never_ran_on_hardware_says_so(board):
    text = (_BOARDS / board["id"] / "README.md").read_text("utf-8")
    if board["id"] != "host":
        assert "Nothing has run on th" in board["tested"]
        assert "nothing here has run on this hardware" in text.lower()
        for word in ("## Wiring", "## Known", "## Tested"):
            assert word in text, word


class _Manifest:
    """Runs a manifest.py as MicroPython's `tools/manifestfile.py` does: paths are relative to the
    manifest that names them, a package is all of its .py files. `files`: {file: name frozen}."""

    def __init__(self, path, port):
        self.files = {}
        self.port = port
        self.include(path)

    def include(self, path):
        path = Path(str(path).replace("$(PORT_DIR)", str(self.port))).resolve()
        verbs = {name: getattr(self, name) for name in ("include", "module", "package")}
        before = os.getcwd()
        os.chdir(path.parent)
        try:
            exec(compile(path.read_text("utf-8"), path, "exec"), {**verbs, "metadata": dict})
        finally:
            os.chdir(before)

    def module(self, name, base_path=".", opt=None):
        assert opt == 3, "assertions and line numbers have no place in a firmware"
        self.files[Path(base_path, name).resolve()] = name

    def package(self, name, base_path=".", opt=None):
        for path in Path(base_path, name).rglob("*.py"):
            self.module(str(path.relative_to(base_path)), base_path, opt)


def test_manifest_freezes_what_deploying_copies(board, tmp_path):
    if board["id"] == "host":
        assert board["modules"] == {}
        return
    port = tmp_path / "boards" / "manifest.py"  # MicroPython's own for the port
    port.parent.mkdir()
    port.write_text("")
    frozen = _Manifest(_BOARDS / board["id"] / "manifest.py", tmp_path).files
    expected = {
        (_BOARDS / path).resolve(): name + ".py" for name, path in board["modules"].items()
    }
    for path in (*_FIRMWARE.glob("pxerom/*.py"), _FIRMWARE / "main.py", _FIRMWARE / "powerup.py"):
        expected[path] = str(path.relative_to(_FIRMWARE))
    assert frozen == expected
    assert all(path.is_file() for path in frozen)


def test_boards_modules_import_nothing_that_is_not_deployed(board):
    carried = {"pxerom", *board["modules"]}
    port = {"network", "machine", "socket"}
    for path in board["modules"].values():
        for node in ast.walk(ast.parse((_BOARDS / path).read_text("utf-8"))):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [node.module]
            for name in names:
                assert name.split(".")[0] in carried | port, (path, name)


def test_mip_packages_are_up_to_date():
    home = mip_packages.home_of(_FIRMWARE.parent / "boards/rpi_pico_w/package.json")
    for path, text in mip_packages.packages(home).items():
        assert path.read_text("utf-8") == text, f"{path} is not: run `make packages`"
    version = mip_packages.packages()[_FIRMWARE / "package.json"].split('"')[3]
    assert f'version="{version}"' in (_FIRMWARE / "manifest.py").read_text("utf-8")


def test_mip_package_of_a_board_is_what_deploying_copies(board):
    """Target and source of each file, from mip's words and from the deployment's own. mip has no
    PC beside it: what a deployment leaves there comes along."""
    if board["id"] == "host":
        assert not (_BOARDS / "host" / "package.json").exists()
        return
    folder = _BOARDS / board["id"]
    package = json.loads((folder / "package.json").read_text("utf-8"))
    installed = {os.path.normpath("/lib/" + to): folder / source for to, source in package["urls"]}
    roms = [path.stem for path in (_FIRMWARE / "pxerom" / "roms").glob("*.json")]
    deployed = deploy.plan(0, kinds.kind(board["id"]), roms, compiled=False).files
    left = {f"/lib/pxerom/{name}.py" for name in deploy.STAYS}
    assert set(installed) == set(deployed) | left and not left & set(deployed)
    assert list(installed)[-1] == "/main.py", "an interrupted installation must not run"
    for target, source in installed.items():
        if target.endswith(".json"):  # ROMs are deployed flat
            assert json.loads(source.read_text("utf-8"))["id"] == Path(target).stem
            assert json.loads(deployed[target])["id"] == Path(target).stem
        elif target not in left:
            assert source.read_bytes() == deployed[target], target
    assert package["deps"] == []


def test_stubs_say_that_they_must_not_go_to_a_board():
    for path in sorted((_ROOT / "host_tests" / "shim").rglob("*.py")):
        first = path.read_text("utf-8").split("\n", 1)[0]
        assert "Do not copy this to a board" in first or path.name == "__init__.py", path
    assert "may go to a board" in (_ROOT / "host_tests" / "shim" / "__init__.py").read_text()


def test_all_but_the_roms_takes_at_most_72_kib_of_flash(board):
    """All that `pxebench board deploy` copies, but ROMs and config.json; `test_power_on.py` counts
    the blocks that it takes."""
    if board["id"] == "host":
        return
    files = deploy.plan(_MPY, kinds.kind(board["id"]), ()).files
    assert {"/main.py", "/lib/powerup.mpy", "/lib/link.mpy", "/lib/nic.mpy"} < set(files)
    assert "/lib/pxerom/boot.mpy" in files and "/lib/pxerom/tftp.mpy" in files
    sizes = {path: len(data) for path, data in files.items()}
    assert 48 << 10 < sum(sizes.values()) <= 72 << 10, sizes


def test_deployed_modules_import_nothing_that_stays_on_the_pc():
    """But for the places that say what it means when it is not there, or that a bench asks."""
    stays = deploy.STAYS
    asked_for = {
        ("rom_load", "rom_check"),
        ("rom_load", "rom_check_dhcp"),
        ("runtime", "runtime_cpython"),
        ("runtime", "runtime_unix"),
        ("icmp", "runtime_cpython"),
        ("agent", "port_probe"),
        ("dhcp_client", "dhcp_remarks"),
        ("dhcp_client", "dhcp_advice"),
        ("pxe_discovery", "dns"),
        ("pxe_discovery", "pxelinux_cfg"),
        ("pxe_discovery", "boot_url"),
        ("boot", "pxelinux_cfg"),
    }
    asked_for |= {("agent", "faults"), ("agent", "trace"), ("boot", "trace")}
    found = set()
    for path in (*_FIRMWARE.glob("pxerom/*.py"), _FIRMWARE / "powerup.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module.startswith("pxerom"):
                names = [node.module.partition(".")[2], *(alias.name for alias in node.names)]
                found.update((path.stem, name) for name in names if name in stays)
    assert {pair for pair in found if pair[0] not in stays} == asked_for


def test_flat_form_has_another_number_when_its_shape_has():
    """A board keeps a ROM of the user's own over a new deployment: with an old shape it must be
    refused. Where this fails, count `rom_file.FLAT` up and note the new digest here."""
    shapes = (rom_check._SHAPE, rom_check._ON, rom_check_dhcp._SHAPE, rom_check_dhcp._SCREEN)
    digest = hashlib.sha256("\n".join(shapes).encode()).hexdigest()[:16]
    assert (rom_file.FLAT, digest) == (4, "352ebf27ec1fa0dc")


def test_mip_packages_name_the_forge_that_they_are_published_on(tmp_path):
    for home in ("github:an-owner/a.repo", "codeberg:o/r"):
        (text,) = [
            text
            for path, text in mip_packages.packages(home).items()
            if path.parent.name == "rpi_pico_w"
        ]
        (tmp_path / "package.json").write_text(text)
        assert mip_packages.home_of(tmp_path / "package.json") == home
        assert all(url.startswith(home + "/") for _, url in json.loads(text)["urls"])
    for wrong in ("OWNER/REPO", "github:REPO", "https://example.org/o/r", "github:o/r/boards"):
        with pytest.raises(SystemExit, match="HOME_URL is"):
            mip_packages.main(wrong)
