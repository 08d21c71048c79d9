"""The step `axe`: npm's axe-core, the accessibility rules that Lighthouse uses too.

One file of JavaScript, which the report's tests load into each page in the headless Chromium; node
is used only to run npm. Only `make test` needs this step.
"""

import shutil

from provisioning import folder, npm

LOCK = folder.HERE / "host_tests/report/axe"
PLACE = folder.TOOLS / "axe"


def provide_axe():
    """axe-core, for the tests of the report."""
    digest = folder.digest_of(__file__, npm.recipe(LOCK))
    if folder.is_done("axe", digest, PLACE / "axe.min.js"):
        return None
    with folder.replacing(PLACE) as (new, work):
        npm.install(LOCK, work)
        shutil.copy(work / "node_modules/axe-core/axe.min.js", new)
    folder.set_done("axe", digest)
    return "axe-core in .tools/axe"
