"""The table of `compat` as one page that needs nothing else: no script, no file beside it.

What stands in it came from a server and from ROM files: jinja2 escapes all of it, and the page's
own policy forbids whatever would not be escaped (R-SEC-22).
"""

from pathlib import Path

import jinja2

from pxebench import __version__
from pxebench.compat_cli import blksize_words, time_words, why_words
from pxebench.view import port_words

_TEMPLATE = "compat.html"


def page(found):
    """The page, as text, for what `compat.document` made."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    rows = [
        {
            **row,
            "time": time_words(row),
            "blksize_text": blksize_words(row),
            "why_text": why_words(row),
            "port_text": _ports(row),
        }
        for row in found["rows"]
    ]
    template = environment.get_template(_TEMPLATE)
    return template.render(found=found, rows=rows, version=__version__)


def _ports(row):
    sent = [{"source_port": port} for port in row["ports"]]
    return port_words({"transfers": [{"requests": sent}]})


def write(path, found):
    """Write the page; raises OSError where that cannot be done."""
    with open(path, "w", encoding="utf-8") as file:
        file.write(page(found))
