"""`python -m host_tests.fidelity [--write]`: print the table, or put it into the README."""

import sys

from host_tests.fidelity import table

_MARK = "<!-- the table: python -m host_tests.fidelity --write -->\n"


def readme(found):
    """The README's text with the table as it is now."""
    head, mark, _ = table.README.read_text().partition(_MARK)
    assert mark, f"{table.README} has no line {_MARK.strip()}"
    return head + mark + "\n" + table.summary(found) + "\n" + table.markdown(found)


def main(words):
    found = table.rows()
    if words == ["--write"]:
        table.README.write_text(readme(found))
    else:
        print(table.markdown(found))
    print(table.summary(found), end="")
    return 1 if any(row.verdict == "differs" for row in found) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
