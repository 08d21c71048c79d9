"""README.md, docs/ and boards/README.md show what there is.

1. A command that a page shows is run, in a folder with the files that the page talks of, and says
   what stands there: the words between two `...`, in their order, however long a line is.
2. Times may differ, and the port of the server that the test starts is its own.
3. Commands, options, `make` targets and links of every page exist.
4. Lines fit into a terminal of 80 columns; tables do not.
"""

import gzip
import os
import re
import shlex
import socket
import subprocess
import sys
import time

import click
import pytest
from pxebench import cli

from host_tests.docs import fences

_CAPTURES = fences.ROOT / "host_tests/captures"
_IDS = [str(page.relative_to(fences.ROOT)) for page in fences.PAGES]
_TO_RUN = [
    pytest.param(fence, id=f"{name}-{number}")
    for name, page in zip(_IDS, fences.PAGES, strict=True)
    for number, fence in enumerate(fences.shown(page), 1)
]
_WAIT_S = 20


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "tftproot").mkdir()
    image = (fences.ROOT / ".tools/ipxe/undionly.kpxe").read_bytes()
    (tmp_path / "tftproot/undionly.kpxe").write_bytes(image)
    name = "ubootarm64-boot1.pcap"
    (tmp_path / name).write_bytes(gzip.decompress((_CAPTURES / f"{name}.gz").read_bytes()))
    return tmp_path


@pytest.mark.parametrize("fence", _TO_RUN)
def test_commands_print_what_the_page_shows(folder, fence):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    servers = []
    try:
        for command, printed in fence:
            command = command.replace("6969", port)
            if command.startswith("cat "):
                (folder / command.split()[1]).write_text(printed)
            elif command.endswith(" &"):
                servers.append(_start(command[:-2], folder))
                _wait_for(port)
            else:
                _says(_start(command, folder).communicate(timeout=60)[0], printed)
    finally:
        for server in servers:
            server.terminate()
            server.communicate()


def test_the_table_of_roms_has_the_columns_that_the_command_prints(folder):
    page = (fences.ROOT / "docs/roms.md").read_text("utf-8")
    table = page.partition("$ pxebench roms\n")[2].partition("```")[0]
    rows = re.split(r"\n(?=\S)", table.strip())
    printed = _start("pxebench roms", folder).communicate(timeout=60)[0]
    head, *printed = [line for line in printed.splitlines() if line[:1].strip()]
    wanted = [" ".join(line[: head.index("assumed")].split()) for line in [head, *printed]]
    assert [" ".join(row.split()) for row in rows] == wanted


def _start(command, folder):
    name, *words = shlex.split(command)
    assert name == "pxebench", command
    return subprocess.Popen(
        [sys.executable, "-m", "pxebench", *words],
        cwd=folder,
        env={**os.environ, "COLUMNS": "80"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def _wait_for(port):
    # Until somebody holds the port: an RRQ before that would cost the ROM 2 s.
    end = time.monotonic() + _WAIT_S
    while time.monotonic() < end:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as mine:
            try:
                mine.bind(("127.0.0.1", int(port)))
            except OSError:
                return
        time.sleep(0.02)
    pytest.fail("pxebench serve does not come up")


def _says(output, printed):
    # `(2070)` and `2070-2078` are words of their own; a time is none that can be held.
    output, at = _words(output), 0
    for part in re.split(r"\.\.\.(?=\s|$)", printed):
        part = _words(part)
        found = output.find(part, at)
        assert found >= 0, f"not there, or not in this place:\n{part}\n\n{output}"
        at = found + len(part)


def _words(text):
    text = re.sub(r"\b[\d.]+ (ms|s)\b", "T", text)
    return " ".join(text.replace("-\n", "-").split())


# ---- what every page names


@pytest.mark.parametrize("page", fences.PAGES, ids=_IDS)
def test_commands_and_options_exist(page):
    for line in fences.commands(page):
        try:
            words = shlex.split(line.removeprefix("$ "), comments=True)
        except ValueError:
            continue  # not a command line
        words = words[words.index("pxebench") + 1 :] if "pxebench" in words else words
        command, path = cli.pxebench, []
        while words and isinstance(command, click.Group):
            inner = command.get_command(_context(command), words[0])
            if inner is None:
                break
            command, path, words = inner, [*path, words[0]], words[1:]
        if not path:
            continue
        known = {"--help", "-h"}
        for option in command.params:
            known |= {*option.opts, *option.secondary_opts}
        for word in words:
            if word in ("|", "&", ";", "&&"):
                break
            if re.match(r"--?[a-z]", word):
                assert word.partition("=")[0] in known, f"{line}: no {word}"


def test_a_command_that_pages_call_pxebench_is_one():
    for page in fences.PAGES:
        for name in re.findall(r"`pxebench ([a-z]+)", page.read_text("utf-8")):
            assert cli.pxebench.get_command(_context(cli.pxebench), name), name


def _context(command):
    # Without the answer to a near miss, which ends a program.
    return click.Context(command, resilient_parsing=True)


@pytest.mark.parametrize("page", fences.PAGES, ids=_IDS)
def test_make_targets_and_links_exist(page):
    text = page.read_text("utf-8")
    makefile = (fences.ROOT / "Makefile").read_text("utf-8")
    targets = re.findall(r"`make ([a-z0-9-]+)", text) + re.findall(r"^make ([\w-]+)", text, re.M)
    for target in targets:
        assert re.search(rf"^{target}:", makefile, re.M), target
    for link in re.findall(r"\]\(([^)#\s]+)[^)]*\)", text):
        if "://" not in link:
            assert (page.parent / link).exists(), link


@pytest.mark.parametrize("page", fences.PAGES, ids=_IDS)
def test_lines_fit_into_a_terminal(page):
    text = re.sub(r"^[┏┃┡│└].*\n", "", page.read_text("utf-8"), flags=re.M)
    long = [line for line in text.splitlines() if len(line) > 80 and not line.startswith("|")]
    assert long == []
