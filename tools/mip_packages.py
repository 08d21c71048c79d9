#!/usr/bin/env python3
"""Write what `mip` installs: firmware/package.json, and boards/ID/package.json for each board.

`firmware/package.json` is pxerom with its ROMs, for other programs; a board's has all that a boot
at power-up needs except config.json, as `pxebench board deploy` copies it, but as sources. mip
knows files by URLs relative to package.json, and no relative `deps`: so each package lists all of
its files. `make packages` runs this; a test fails while a file is missing.

Where the files are above package.json, such a URL has `..` in it. A path and most web servers
accept that, GitHub's raw host does not: to publish on a forge, set HOME to the repository, and the
URLs begin there (`mpremote mip install github:OWNER/REPO/boards/ID`).
"""

import json
import os
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FIRMWARE = ROOT / "firmware"
BOARDS = ROOT / "boards"
_HOME = re.compile(r"((?:github|gitlab|codeberg):[\w.-]+/[\w.-]+)(?:/|$)")


def home_of(package):
    """The forge that the URLs of a package (its path) begin with, as "github:OWNER/REPO", or None
    where they are relative."""
    named = _HOME.match(json.loads(package.read_text("utf-8"))["urls"][-1][1])
    return named and named[1]


def packages(home=None):
    """{path of package.json: its text}. `home`: "github:OWNER/REPO", or gitlab: or codeberg:, of
    the published repository; None: URLs relative to each package."""
    init = (FIRMWARE / "pxerom/__init__.py").read_text("utf-8")
    version = re.search(r'^__version__ = "(.+)"$', init, re.M)[1]
    files = sorted((FIRMWARE / "pxerom").glob("*.py"))
    files += sorted((FIRMWARE / "pxerom/roms").glob("*.json"))
    pxerom = [str(path.relative_to(FIRMWARE)) for path in files]
    found = {FIRMWARE / "package.json": _text(version, [(name, name) for name in pxerom])}
    for path in sorted(BOARDS.glob("*/board.json")):
        modules = json.loads(path.read_text("utf-8"))["modules"]
        if not modules:
            continue  # the PC
        files = [(name, FIRMWARE / name) for name in pxerom]
        files += [(f"{name}.py", BOARDS / source) for name, source in modules.items()]
        files.append(("powerup.py", FIRMWARE / "powerup.py"))
        # mip's place is /lib, and a board runs /main.py; last, so that it never runs a part.
        files.append(("../main.py", FIRMWARE / "main.py"))
        urls = [(name, _url(source, path.parent, home)) for name, source in files]
        found[path.with_name("package.json")] = _text(version, urls)
    return found


def _url(file, folder, home):
    if home is None:
        return os.path.relpath(file, folder)
    return f"{home}/{file.relative_to(ROOT)}"


def _text(version, urls):
    lines = ",\n".join("    " + json.dumps(url) for url in urls)
    return f'{{\n  "version": "{version}",\n  "deps": [],\n  "urls": [\n{lines}\n  ]\n}}\n'


def main(home=""):
    """Write the packages. `home`: a forge, "none", or "" for the one that they name."""
    if home not in ("", "none") and not _HOME.fullmatch(home):
        sys.exit(f"HOME_URL is github:, gitlab: or codeberg:OWNER/REPO, not {home!r}.")
    home = home or home_of(BOARDS / "rpi_pico_w/package.json")
    for path, text in packages(None if home == "none" else home).items():
        path.write_text(text, "utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
