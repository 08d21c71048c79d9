"""`python -m host_tests.explain`: the table of README.md, made anew."""

from pathlib import Path

from host_tests.explain import clients

_BEGIN, _END = (
    "<!-- clients: made by `python -m host_tests.explain` -->",
    "<!-- end of clients -->",
)


def main():
    path = Path(__file__).with_name("README.md")
    text = path.read_text("utf-8")
    head, rest = text.split(_BEGIN)
    tail = rest.split(_END)[1]
    table = "\n".join(clients.table())
    path.write_text(f"{head}{_BEGIN}\n{table}\n{_END}{tail}", "utf-8")
    print(table)


if __name__ == "__main__":
    main()
