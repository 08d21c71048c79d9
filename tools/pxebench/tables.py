"""Tables: one style on a terminal, plain columns everywhere else.

In a pipe a row is one line with two spaces between columns, for grep and awk.
"""

from pxebench import colour


def show(head, rows, stream, right=(), folded=()):
    """Write a table to a stream.  `head`: titles; `rows`: of cells, each text or (text, style)
    with a style of `colour`; `right`: titles of columns with numbers; `folded`: those that may
    wrap on a narrow terminal (else the last one only)."""
    rows = [[cell if isinstance(cell, tuple) else (cell, None) for cell in row] for row in rows]
    if stream is not None and stream.isatty():
        _drawn(head, rows, stream, right, folded or head[-1:])
        return
    texts = [list(head), *([text for text, _ in row] for row in rows)]
    widths = [max(len(row[column]) for row in texts) for column in range(len(head))]
    for row in texts:
        cells = [
            text.rjust(width) if title in right else text.ljust(width)
            for title, text, width in zip(head, row, widths, strict=True)
        ]
        stream.write("  ".join(cells).rstrip() + "\n")


def _drawn(head, rows, stream, right, folded):
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1), pad_edge=False)
    for title in head:
        table.add_column(
            title,
            justify="right" if title in right else "left",
            overflow="fold",  # a narrow terminal wraps cells, it loses none
            no_wrap=title not in folded,
        )
    for row in rows:
        table.add_row(*(Text(text, style=style or "") for text, style in row))
    system = "auto" if colour.wanted(stream) else None  # None: no bold either
    console = Console(
        file=stream, width=colour.width(stream), color_system=system, highlight=False
    )
    console.print(table)
