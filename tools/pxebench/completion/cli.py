"""The command `pxebench completion`: the script that makes a shell complete pxebench's words."""

import click

from pxebench import headings


@headings.command(short_help="Let bash, zsh or fish complete commands, ROMs and boards.")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(context, shell):
    """Print the script that makes a shell complete commands, options, ROMs, boards and files.

    \b
    echo 'eval "$(pxebench completion bash)"' >> ~/.bashrc
    echo 'eval "$(pxebench completion zsh)"' >> ~/.zshrc      # below its compinit
    pxebench completion fish > ~/.config/fish/completions/pxebench.fish

    It holds in the next shell. bash has to be 4.4 or later.
    """
    from pxebench.completion import shells

    click.echo(shells.script(context.find_root().command, shell))
