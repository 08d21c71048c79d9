"""The table of condition and verdict in `host_tests/bench/README.md`, made from the conditions."""

from host_tests.diagnose.conditions import CONDITIONS
from host_tests.lab.programs import ROOT

README = ROOT / "host_tests" / "bench" / "README.md"
BEGIN = "<!-- conditions: made by `python -m host_tests.diagnose` -->\n"
END = "<!-- end of conditions -->\n"


def text():
    """The table as Markdown."""
    rows = ["| condition | set up as | verdict | the same from this end | it also tells |"]
    rows.append("|---|---|---|---|---|")
    for one in CONDITIONS:
        also = ", ".join(f"`{cause}`" for cause in one.also)
        facts = ", ".join(f"`{fact}`" for fact in one.facts)
        rows.append(f"| {one.name} | {one.built} | `{one.cause}` | {also} | {facts} |")
    return "\n".join(rows) + "\n"


def in_readme():
    """The table that stands in the README; "" when none does."""
    whole = README.read_text("utf-8")
    return whole.partition(BEGIN)[2].partition(END)[0]


def write():
    """Bring the README up to date."""
    whole = README.read_text("utf-8")
    before, begin, rest = whole.partition(BEGIN)
    _, end, after = rest.partition(END)
    README.write_text(before + BEGIN + text() + END + after if end else whole, "utf-8")
