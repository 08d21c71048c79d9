"""iproute2's program `ip`: what changes an interface of this PC, and what reads it. Linux only."""

import json
import os
import shutil
import subprocess

from pxebench.job import EXIT_BENCH, Refused


def program():
    """The path of `ip`."""
    found = shutil.which("ip", path=os.environ.get("PATH", os.defpath) + ":/sbin:/usr/sbin")
    if found is None:
        raise Refused("The program ip is not here: install iproute2.", EXIT_BENCH)
    return found


def ip(*words, given=None):
    """Run `ip` with these words; what it printed, or None when it failed. `given`: commands."""
    source = {"input": given} if given else {"stdin": subprocess.DEVNULL}
    done = subprocess.run(
        [program(), *words], capture_output=True, text=True, check=False, **source
    )
    return done.stdout if done.returncode == 0 else None


def shown(*words):
    """The objects that `ip -json` prints for these words; [] when it failed."""
    return json.loads(ip("-json", *words) or "[]")


def addresses(*words):
    """The IPv4 addresses of this PC, as `ip` describes them: "local", "prefixlen" and more.
    `words`: which of them, as `dev`, NAME."""
    links = shown("-4", "addr", "show", *words)  # an empty object where the filter left nothing
    return [one for link in links for one in link.get("addr_info", []) if "local" in one]
