"""The fences of a page: what it shows as commands, and what they print.

A fence (``` to ```) that has lines `$ COMMAND` shows what COMMAND prints; `...` there stands for
what was left out. `<!-- seen: WHERE -->` above a fence says that it was seen elsewhere, in a demo
of minutes, say: it is not run here.
"""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGES = [
    ROOT / "README.md",
    *sorted((ROOT / "docs").glob("*.md")),
    ROOT / "boards/README.md",
]
_FENCE = re.compile(r"(<!-- seen: [^\n]*-->\n)?^```(\w*)\n(.*?)^```$", re.M | re.S)
_INLINE = re.compile(r"`([^`\n]+(?:\n[^`\n]+)?)`")


def fences(page):
    """[(language, text, whether it is said to be seen elsewhere)] of a page."""
    return [(m[2], m[3], bool(m[1])) for m in _FENCE.finditer(page.read_text("utf-8"))]


def shown(page):
    """[[(command, what it prints), ...], ...]: of each fence with commands to run, those of one
    fence in their order."""
    found = []
    for _, text, seen in fences(page):
        if seen or not re.search(r"^\$ ", text, re.M):
            continue
        parts = re.split(r"^\$ (.*)\n", text, flags=re.M)
        found.append(list(zip(parts[1::2], parts[2::2], strict=True)))
    return found


def commands(page):
    """Each line of a page that may be a command: of its fences, and of `...` in its text."""
    text = page.read_text("utf-8")
    for _, fence, _ in fences(page):
        yield from fence.replace("\\\n", " ").splitlines()
    for match in _INLINE.finditer(_FENCE.sub("", text)):
        yield " ".join(match[1].split())
