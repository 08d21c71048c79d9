"""Writes `REQUIREMENTS.md`: the numbers, their sources, and the tests whose docstrings name them.

`make requirements` runs this. What a person writes stays: the line of a number (its words and its
source) and the notes below it (`weaker: ...`, `not here: ...`). The list of tests below them is
made from the tests themselves: a test carries a requirement when its docstring names the number.
"""

import ast
import re
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
INDEX = HERE / "REQUIREMENTS.md"
NUMBER = re.compile(r"\bR-(?:TFTP|TIM|PXE|SEC|IMG)-\d+\b")
HEAD = re.compile(r"- \*\*(R-[A-Z]+-\d+)\*\* (\S.*) \((.+)\)")


def carried():
    """{number: names of the tests that carry it, sorted}."""
    found = {}
    for path in sorted(HERE.rglob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                for number in NUMBER.findall(ast.get_docstring(node) or ""):
                    found.setdefault(number, set()).add(node.name)
    return {number: sorted(names) for number, names in found.items()}


def index(text, tests):
    """The text of the index, with `tests` ({number: names}) in it."""
    lines, names = [], []
    for line in text.splitlines():
        if line.startswith("  - `"):
            continue  # made anew
        if not line.startswith("  - "):  # the next number, or a heading: what was before is done
            lines += names
            match = HEAD.fullmatch(line)
            names = [f"  - `{name}`" for name in tests.get(match[1], ())] if match else []
        lines.append(line)
    return "\n".join(lines + names) + "\n"


def main():
    INDEX.write_text(index(INDEX.read_text("utf-8"), carried()), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
