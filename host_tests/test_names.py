"""What a module takes from another is there: a name that moved is found before a user finds it.

Read from the text, held against the modules as they are: `from a import b`, and `b.c` where b is
such a module. `link` and `nic` are a board's, and no part of the packages.
"""

import ast
import importlib
import sys
import types
from pathlib import Path

import pytest

_ROOT = Path(__file__).resolve().parent.parent
_FILES = sorted([*_ROOT.glob("firmware/pxerom/*.py"), *_ROOT.glob("tools/pxebench/**/*.py")])
_OURS = ("pxerom", "pxebench")


# What imports this has a venv of its own (`tools/provisioning/rack.py`); its names are read.
_ELSEWHERE = ("attr", "grpc", "labgrid")


def _read(name):
    """A module that cannot be imported here, by its text: it has the names that it binds. None
    where `name` is no module."""
    path = _ROOT.joinpath("tools", *name.split(".")).with_suffix(".py")
    if not path.exists():
        return None
    names = []
    for node in ast.parse(path.read_text("utf-8")).body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            names += [alias.asname or alias.name for alias in node.names]
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.append(node.name)
        elif isinstance(node, ast.Assign):
            names += [target.id for target in node.targets if isinstance(target, ast.Name)]
    found = types.ModuleType(name)
    found.__dict__.update(dict.fromkeys(names))
    return found


def _module(name):
    # A module by its name, or None where `name` is no module.
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name in _ELSEWHERE:
            return _read(name)
        if error.name is None or not name.startswith(error.name):
            raise
        return None


def missing(tree):
    """The names that a file's tree takes from our modules and that are not there."""
    modules = {}
    for node in ast.walk(tree):
        if not isinstance(node, ast.ImportFrom) or node.module.partition(".")[0] not in _OURS:
            continue
        source = _module(node.module)
        for alias in node.names:
            inner = _module(f"{node.module}.{alias.name}")
            if inner is not None:
                modules[alias.asname or alias.name] = inner
            elif not hasattr(source, alias.name):
                yield f"{node.module}.{alias.name}"
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            owner = modules.get(node.value.id)
            if owner is not None and not hasattr(owner, node.attr):
                yield f"{owner.__name__}.{node.attr}"


@pytest.mark.parametrize("path", _FILES, ids=[str(p.relative_to(_ROOT)) for p in _FILES])
def test_every_name_taken_from_another_module_is_there(path):
    assert list(missing(ast.parse(path.read_text("utf-8")))) == []


def test_a_name_that_moved_is_found():
    tree = ast.parse(
        "from pxerom import tftp_packet\nfrom pxerom.job import gone\ntftp_packet.WRQX"
    )
    assert list(missing(tree)) == ["pxerom.job.gone", "pxerom.tftp_packet.WRQX"]
    assert "pxerom.job" in sys.modules
