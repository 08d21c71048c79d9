"""What a build adds to pyproject.toml: the addresses of this clone, and the manual page.

1. The project's address is that of the clone's `origin`, without what may be secret in it; a
   clone that has none makes a package without addresses. In an sdist it stands in PKG-INFO.
2. Links of README.md lead into the clone; in the package's text they lead to that address.
3. The manual page is made from the commands (`tools/man_page.py`).
"""

import re
import subprocess
import sys
from pathlib import Path

from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from hatchling.metadata.plugin.interface import MetadataHookInterface

_ORIGIN = re.compile(
    r"(?:(?:https?|ssh)://(?:[^/@]*@)?|git@)([\w.-]+)(?::\d+)?[:/](.+?)(?:\.git)?/?"
)
_LINK = re.compile(r"\]\((?![a-z]+:|#)([^)\s]+)\)")


class Addresses(MetadataHookInterface):
    """Fills `readme` and `urls`."""

    PLUGIN_NAME = "custom"

    def update(self, metadata):
        root = Path(self.root)
        text = (root / "README.md").read_text("utf-8")
        home = _home(root)
        if home:
            text = _LINK.sub(rf"]({home}/blob/HEAD/\1)", text)
            metadata["urls"] = {
                "Homepage": home,
                "Documentation": f"{home}/blob/HEAD/README.md",
                "Changelog": f"{home}/blob/HEAD/CHANGELOG.md",
                "Issues": f"{home}/issues",
            }
        metadata["readme"] = {"content-type": "text/markdown", "text": text}


class ManualPage(BuildHookInterface):
    """Puts share/man/man1/pxebench.1 into a wheel."""

    PLUGIN_NAME = "custom"

    def initialize(self, version, build_data):
        if self.target_name != "wheel":
            return
        root = Path(self.root)
        sys.path[:0] = [str(root / name) for name in ("tools", "firmware")]
        import man_page

        path = root / "build/pxebench.1"
        path.parent.mkdir(exist_ok=True)
        path.write_text(man_page.page(), "utf-8")
        build_data["shared_data"][str(path)] = "share/man/man1/pxebench.1"


def _home(root):
    """`https://HOST/OWNER/REPO` of this clone, or of the clone that an sdist was made from."""
    if (root / "PKG-INFO").is_file():
        text = (root / "PKG-INFO").read_text("utf-8")
        found = re.search(r"^Project-URL: Homepage, (\S+)$", text, re.M)
        return found and found[1]
    command = ["git", "-C", str(root), "remote", "get-url", "origin"]
    try:
        said = subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
    except OSError:  # no git
        return None
    found = _ORIGIN.fullmatch(said)
    return found and f"https://{found[1]}/{found[2]}"
