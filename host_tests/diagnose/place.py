"""Client, firewall and server of one condition, and one run of `pxebench diagnose` in them.

The addresses are those of the report: the client 10.55.32.175, the server 10.254.52.26.  The
firewall's rules are in a table `inet filter` with a chain `forward`, as many machines have them,
so that the rules that `diagnose` prints can be loaded as they stand.
"""

import contextlib
import json
import os
import sys
import tempfile
import textwrap
from pathlib import Path

from host_tests.lab import namespaces, programs, servers
from host_tests.lab.firewall import FILE, SERVER, Machines, image

OTHER = "10.254.52.27"  # a second address of the server


class Place(Machines):
    """Made by `place`."""

    def __init__(self, lab):
        super().__init__(lab)
        self.asked = SERVER  # whom the client asks

    def load(self, rules):
        """Load nft rules into the firewall, beside those that are there."""
        self.firewall.run("nft", "-f", "-", input=rules)

    def paste(self, text):
        """Paste text into a root shell on the firewall, indented as it is printed; fails where a
        line of it does."""
        text = textwrap.indent(text, "    ")
        where = {**os.environ, "PATH": programs.search_path()}
        self.firewall.run("sh", "-e", input=text, env=where)

    def diagnose(self, *words, file=FILE, timeout_s=120):
        """Run `pxebench diagnose` on the client; (its result, its exit code, what it printed)."""
        with tempfile.TemporaryDirectory() as name:
            path = Path(name, "result.json")
            done = self.client.run(
                *(sys.executable, "-m", "pxebench", "diagnose", "--server", self.asked),
                *("--file", file, "--json", path, *words),
                check=False,
                timeout_s=timeout_s,
            )
            if not path.exists():
                raise programs.LabError(f"diagnose ended with {done.returncode}: {done.stderr}")
            return json.loads(path.read_text()), done.returncode, done.stdout + done.stderr

    def boots(self, *words):
        """Tell whether the ROM gets the image through this network as it is now."""
        done = self.client.run(
            *(sys.executable, "-m", "pxebench", "fetch", f"tftp://{SERVER}/{FILE}"),
            *("--max-time", "5", "--quiet", *words),
            check=False,
        )
        return done.returncode == 0


@contextlib.contextmanager
def place(serve, rules="", prepare=None, files=None):
    """Yield a Place with the server that `serve(folder, namespace)` starts (None: none runs)."""
    with contextlib.ExitStack() as stack:
        made = Place(stack.enter_context(namespaces.lab()))
        folder = stack.enter_context(servers.folder(files or {FILE: image()}))
        if rules:
            made.load(rules)
        if prepare:
            prepare(made, folder)
        if serve:
            stack.enter_context(serve(folder, made.server))
        yield made
