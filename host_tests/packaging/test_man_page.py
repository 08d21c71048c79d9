"""pxebench(1): every command and every option is in it, and groff has nothing to say about it."""

import shutil
import subprocess
import sys

import click
from pxebench import cli

from host_tests.lab import programs

sys.path.insert(0, str(programs.ROOT / "tools"))
import man_page


def test_every_command_and_every_option_is_in_the_page():
    text = man_page.page().replace("\\-", "-")
    context = click.Context(cli.pxebench)
    for name in cli.pxebench.list_commands(context):
        assert f".SS pxebench {name}" in text
        for option in cli.pxebench.get_command(context, name).params:
            if isinstance(option, click.Option) and not option.hidden:
                assert max(option.opts, key=len) in text
    lines = text.splitlines()
    assert lines.count(".nf") == lines.count(".fi") >= 10
    assert "\n\n" not in text and "\x08" not in text and "`" not in text


def test_no_line_of_it_is_a_request_that_roff_does_not_know():
    known = (".TH", ".SH", ".SS", ".PP", ".TP", ".B ", ".I ", ".nf", ".fi")
    for line in man_page.page().splitlines():
        assert not line.startswith("'") and (line[:1] != "." or line.startswith(known)), line
    groff = shutil.which("groff")
    if groff:  # where there is one, it has the last word
        command = [groff, "-man", "-Tutf8", "-ww", "-z"]
        said = subprocess.run(command, input=man_page.page(), capture_output=True, text=True)
        assert said.stderr == ""
