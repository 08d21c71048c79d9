"""What a shell gets when it asks for completions: click's own, and files where there are none.

1. A shell asks by an environment variable (`VARIABLE`), as the script of `pxebench completion` has
   it; `cli` answers before anything else is done.
2. Where a word is none of ours, it is completed as a file: the shell would do so itself, had it
   not been told to ask here.
"""

import os

from click import shell_completion
from click.shell_completion import CompletionItem

VARIABLE = "_PXEBENCH_COMPLETE"  # as `cli` has it, which imports this only when it is set
_NAME = "pxebench"


def _with_files(base):
    class WithFiles(base):
        def get_completions(self, args, incomplete):
            found = super().get_completions(args, incomplete)
            return found or [CompletionItem(incomplete, type="file")]

    return WithFiles


SHELLS = {
    base.name: _with_files(base)
    for base in (
        shell_completion.BashComplete,
        shell_completion.ZshComplete,
        shell_completion.FishComplete,
    )
}


def script(group, shell):
    """The text that a shell reads to complete the commands of `group`."""
    return SHELLS[shell](group, {}, _NAME, VARIABLE).source()


def answer(group):
    """Answer the shell that asked; the exit code."""
    for shell in SHELLS.values():
        shell_completion.add_completion_class(shell)
    asked = os.environ[VARIABLE]
    return shell_completion.shell_complete(group, {}, _NAME, VARIABLE, asked)
