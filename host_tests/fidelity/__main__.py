"""`python -m host_tests.fidelity [--write]`: print the table, or put it into the README."""

import sys

from host_tests.fidelity import table, table_dhcp

_MARK = "<!-- the table: python -m host_tests.fidelity --write -->\n"


def readme(found, dhcp):
    """The README's text with the tables as they are now."""
    head, mark, _ = table.README.read_text().partition(_MARK)
    assert mark, f"{table.README} has no line {_MARK.strip()}"
    text = head + mark + "\n" + table.summary(found) + "\n" + table.markdown(found)
    return text + "\n" + table_dhcp.summary(dhcp) + "\n" + table_dhcp.markdown(dhcp)


def main(words):
    found, dhcp = table.rows(), table_dhcp.rows()
    if words == ["--write"]:
        table.README.write_text(readme(found, dhcp))
    else:
        print(table.markdown(found))
        print(table_dhcp.markdown(dhcp))
    print(table.summary(found) + table_dhcp.summary(dhcp), end="")
    return 1 if any(row.verdict == "differs" for row in found + dhcp) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
