"""`python -m host_tests.explain`: the tables of README.md, made anew."""

from pathlib import Path

from host_tests.explain import clients

_TABLES = (("clients", clients.table), ("independent", clients.independent_table))


def main():
    path = Path(__file__).with_name("README.md")
    text = path.read_text("utf-8")
    for name, rows in _TABLES:
        begin = f"<!-- {name}: made by `python -m host_tests.explain` -->"
        head, rest = text.split(begin)
        end = f"<!-- end of {name} -->"
        table = "\n".join(rows())
        text = f"{head}{begin}\n{table}\n{end}{rest.split(end)[1]}"
        print(table)
    path.write_text(text, "utf-8")


if __name__ == "__main__":
    main()
