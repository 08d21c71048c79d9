"""`pxebench roms` and `pxebench roms show`: the ROMs, and how well each is known."""

import click

from pxebench import headings
from pxebench.options import complete_rom


@headings.group(
    invoke_without_command=True, short_help="List the ROMs; show one and its evidence."
)
@click.option("--json", "as_json", is_flag=True, help="The list as JSON.")
@click.pass_context
def roms(context, as_json):
    """List the ROMs that pxebench can be, with how well each is known."""
    if context.invoked_subcommand is None:
        from pxebench.roms import known

        known.list_all(as_json)


@roms.command("show", short_help="Every fact of one ROM, with its evidence.")
@click.argument("rom", metavar="ID|FILE.json", shell_complete=complete_rom)
@click.option("--json", "as_json", is_flag=True, help="The ROM file, as JSON.")
def roms_show(rom, as_json):
    """Show every fact that a ROM file states, how well it is known, and from where."""
    from pxebench.roms import known

    known.show_one(rom, as_json)
