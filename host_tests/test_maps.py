"""The maps are true: each file is named in its folder's README, and each name there is a file.

Also the lines of `pxebench -h`, which stand apart from the commands that they describe.
"""

import fnmatch
import re
from pathlib import Path

import click
import pytest
from pxebench.cli import _COMMANDS, pxebench

_ROOT = Path(__file__).resolve().parent.parent
_BENCH = _ROOT / "tools/pxebench"


def _modules(folder):
    return {path.stem for path in folder.glob("*.py")} - {"__init__"}


def _folders(folder):
    return {path.name for path in folder.iterdir() if path.is_dir() and list(path.glob("*.*"))}


def _rows(readme):
    """{folder: the rest of its row} of a README's tables."""
    rows = re.findall(r"^\| `(\w+)/` \|(.*)", readme.read_text("utf-8"), re.M)
    assert len(rows) == len(dict(rows)), "a folder has two rows"
    return dict(rows)


def test_firmware_readme_names_each_module_and_no_other():
    text = (_ROOT / "firmware/README.md").read_text("utf-8")
    there = _modules(_ROOT / "firmware/pxerom") | _modules(_ROOT / "firmware")
    assert set(re.findall(r"`(\w+)\.py`", text)) == there


def test_each_folder_of_the_bench_and_of_the_tests_has_one_row():
    folders = {name for name in _folders(_BENCH) if (_BENCH / name / "__init__.py").exists()}
    assert set(_rows(_BENCH / "README.md")) == folders
    tests = _ROOT / "host_tests"
    assert set(_rows(tests / "README.md")) == _folders(tests) - {"__pycache__"}


def test_bench_readme_names_each_shared_module_and_no_other():
    text = (_BENCH / "README.md").read_text("utf-8")
    shared = text.partition("| what they share | |")[2].partition("\n\n")[0]
    named = re.findall(r"`(\w+)\.py`", shared)
    assert len(named) == len(set(named))
    assert set(named) == _modules(_BENCH)


@pytest.mark.parametrize("name", ["tools", "host_tests/lab"])
def test_readme_of_a_folder_names_each_module(name):
    text = (_ROOT / name / "README.md").read_text("utf-8")
    modules = {one for one in _modules(_ROOT / name) if not one.startswith("test_")}
    assert modules - set(re.findall(r"`(\w+)\.py`", text)) == set()


@pytest.mark.parametrize("name, row", _rows(_BENCH / "README.md").items())
def test_row_of_a_folder_names_each_module_and_no_other(name, row):
    """A name with a star stands for several."""
    modules = _modules(_BENCH / name) - {"cli"}
    named = {word for word in re.findall(r"`([\w*]+)`", row) if not word.startswith("pxe")}
    assert [one for one in named if not fnmatch.filter(modules, one)] == []
    assert [one for one in modules if not any(fnmatch.fnmatch(one, word) for word in named)] == []


@pytest.mark.parametrize("name, text", _COMMANDS.items())
def test_line_of_a_command_in_the_help_is_the_commands_own(name, text):
    command = pxebench.get_command(click.Context(pxebench), name)
    assert command.short_help == text
