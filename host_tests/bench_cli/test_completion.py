"""`pxebench completion`: what a shell is told, and a real bash at a terminal that completes."""

import os
import select
import subprocess
import sys
import time
from pathlib import Path

import pytest
from pxebench import cli
from pxebench.board import kinds
from pxebench.roms import known

_BIN = Path(sys.executable).parent
_ROM_OPTION = ["fetch", "h/f", "--rom"]


def _asked(bench, *words, shell="bash"):
    """What `pxebench` answers to a shell that completes the last of these words."""
    environment = {
        "_PXEBENCH_COMPLETE": f"{shell}_complete",
        "COMP_WORDS": " ".join(("pxebench", *words)),
        # fish hands over the word itself, the others its place.
        "COMP_CWORD": words[-1] if shell == "fish" else str(len(words)),
    }
    run = bench(env=environment)
    assert (run.returncode, run.stderr) == (0, "")
    return run.stdout.splitlines()


def _plain(names):
    return [f"plain,{name}" for name in names]


def test_commands_complete_without_loading_them(bench):
    assert _asked(bench, "dia") == ["plain,diagnose"]
    assert _asked(bench, "re") == ["plain,report"]
    environment = {
        "_PXEBENCH_COMPLETE": "bash_complete",
        "COMP_WORDS": "pxebench ",
        "COMP_CWORD": "1",
        "PYTHONPROFILEIMPORTTIME": "1",
    }
    run = bench(env=environment)
    assert run.stdout.splitlines() == _plain(cli._COMMANDS)
    loaded = {line.rpartition("|")[2].strip() for line in run.stderr.splitlines()}
    assert "pxebench.completion.shells" in loaded
    assert not loaded & {"pxebench.fetch.cli", "pxebench.board.cli", "rich", "dpkt"}


@pytest.mark.parametrize(
    "words",
    [
        _ROM_OPTION,
        ["boot", "--rom"],
        ["diagnose", "h/f", "--rom"],
        ["watch", "h/f", "--rom"],
        ["compat", "h/f", "--rom", "grub", "--rom"],
        ["storm", "h/f", "--rom"],
        ["compare", "a", "b", "--rom"],
        ["board", "deploy", "--rom"],
        ["board", "run", "h/f", "--rom"],
        ["roms", "show"],
    ],
    ids=" ".join,
)
def test_ids_of_roms_complete_wherever_one_is_taken(bench, words):
    assert _asked(bench, *words, "intel") == _plain(["intel-undi", "intel-undi-plain"])
    assert _asked(bench, *words, "mine.j") == ["file,mine.j"]


def test_every_rom_and_every_board_completes(bench):
    assert _asked(bench, *_ROM_OPTION, "") == _plain(known.ids())
    ids = [kind.id for kind in kinds.kinds()]
    for words in (
        ["board", "flash", "--board"],
        ["board", "deploy", "--board"],
        ["fetch", "h/f", "--board"],
    ):
        assert _asked(bench, *words, "") == _plain(ids)
        assert _asked(bench, *words, "rpi") == _plain(i for i in ids if i.startswith("rpi"))


@pytest.mark.parametrize(
    "words",
    [["explain", "ne"], ["report", "res"], ["learn", "boot."], ["fetch", "h/f", "--out", "im"]],
)
def test_what_is_none_of_ours_completes_as_a_file(bench, words):
    assert _asked(bench, *words) == [f"file,{words[-1]}"]


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells_get_the_same_in_their_own_form(bench, shell):
    answer = "\n".join(_asked(bench, *_ROM_OPTION, "grub", shell=shell))
    assert "plain" in answer and "grub" in answer
    assert "Why a boot fails" in "\n".join(_asked(bench, "diag", shell=shell))


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_script_names_the_command_and_asks_by_the_variable_that_is_answered(bench, shell):
    run = bench("completion", shell)
    assert (run.returncode, run.stderr) == (0, "")
    assert f"_PXEBENCH_COMPLETE={shell}_complete" in run.stdout
    refused = bench("completion", "tcsh")
    assert refused.returncode == 2 and "'bash', 'zsh', 'fish'" in refused.stderr


@pytest.mark.parametrize(
    ("typed", "whole"),
    [
        (b"pxebench diag", b"pxebench diagnose "),
        (b"pxebench fetch h/f --rom intel-undi-", b"--rom intel-undi-plain "),
        (b"pxebench board flash --board w55", b"--board w5500_evb_pico "),
        (b"pxebench explain netst", b"explain netstat.txt "),
    ],
)
def test_bash_at_a_terminal_completes(tmp_path, typed, whole):
    (tmp_path / "netstat.txt").write_text("")
    terminal, end = os.openpty()
    process = subprocess.Popen(
        ["bash", "--norc", "--noprofile", "-i"],
        stdin=end,
        stdout=end,
        stderr=end,
        cwd=tmp_path,
        start_new_session=True,
        env={**os.environ, "PATH": f"{_BIN}:{os.environ['PATH']}", "PS1": "$ ", "TERM": "dumb"},
    )
    os.close(end)
    try:
        os.write(terminal, b'eval "$(pxebench completion bash)"; echo re""ady\n')
        _until(terminal, b"\nready")
        os.write(terminal, typed + b"\t")
        assert whole in _until(terminal, whole)
    finally:
        process.kill()
        process.wait()
        os.close(terminal)


def _until(terminal, wanted, timeout_s=20):
    """What the terminal showed, as soon as `wanted` stands in it; all of it after the time."""
    shown = b""
    deadline = time.monotonic() + timeout_s
    while wanted not in shown and time.monotonic() < deadline:
        if select.select([terminal], [], [], 0.2)[0]:
            shown += os.read(terminal, 65536)
    return shown
