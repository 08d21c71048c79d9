"""A page for results of any command: one file without requests, for screen, phone and paper.

It reads results (`--json`), makes a section of each (`kinds`), and renders the template. The page
shows only what is in the results, or in the captures given with them.

1. Text from the network is never interpreted: the template escapes everything (jinja2),
   unprintable characters become escapes (`job.show`), and the page's policy forbids scripts,
   requests and other styles.
2. A file that is no result, or is damaged, is refused in one sentence, without a traceback or half
   a page.
"""

import base64
import functools
import hashlib
import json
import os
import re
from pathlib import Path

import jinja2
from markupsafe import Markup

from pxebench import __version__
from pxebench.job import Refused, show
from pxebench.report import kinds
from pxebench.report.request import sentences

_TEMPLATES = Path(__file__).with_name("templates")
_MOST_BYTES = 64 << 20
_LONGEST = 2000  # characters of one text on the page


def read(path):
    """The result in a JSON file, or the list of them in one of JSON lines; `Refused` if none."""
    try:
        with open(path, "rb") as file:  # it may be a pipe, or a device without an end
            content = file.read(_MOST_BYTES + 1)
    except OSError as error:
        raise Refused(f"Cannot read {show(path)}: {error.strerror}.") from None
    if len(content) > _MOST_BYTES:
        raise Refused(f"{show(path)} is larger than any result.")
    try:
        found = json.loads(content.decode("utf-8"))
    except (ValueError, RecursionError):
        found = _lines(content.decode("utf-8", "replace"))
    if not found or not isinstance(found, (dict, list)):
        raise Refused(f"{show(path)} is no result of pxebench: it is not the JSON of --json.")
    if isinstance(found, dict) and found.get("kind") == "watch":
        return [found]  # a history that has just begun
    return found


def _lines(text):
    # In a history the last line may be cut, and others damaged.
    found = []
    for line in text.splitlines():
        try:
            entry = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(entry, dict):
            found.append(entry)
    return found


def section(path, captures=()):
    """The section of one result, for the template. `captures`: `packets.File`s of other hops."""
    path = str(path)
    found = read(path)
    kind = kinds.kind_of(found)
    if kind is None:
        raise Refused(f"{show(path)} is no result of pxebench, or of another version of it.")
    try:
        made = kinds.KINDS[kind](found, captures)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError) as error:
        if os.environ.get("PXEBENCH_DEBUG"):
            raise
        raise Refused(
            f"{show(path)} is damaged, or of another version: as a result of {kind} it is "
            f"incomplete ({type(error).__name__})."
        ) from None
    made["file"] = os.path.basename(path)
    return made


def page(sections, title=None, note=None):
    """The page, as text. `sections`: of `section`; `title` and `note`: words of the user's own."""
    style = (_TEMPLATES / "report.css").read_text(encoding="utf-8")
    histories = [one["failing"] for one in sections if one["failing"]]
    for number, one in enumerate(sections, 1):
        one["id"] = f"result-{number}"
        if one["request"] and one["rules"]:
            server = one["request"]["server"]
            since = [each["since"] for each in histories if each["server"] == server]
            one["rules"]["summary"] = sentences(one["request"], min(since, default=None))
    return (
        _environment()
        .get_template("report.html")
        .render(
            sections=sections,
            title=title,
            note=note,
            style=Markup(style),
            style_hash=_hash(style),
            version=__version__,
            newline=Markup("\n"),
            words={"good": "well", "bad": "failed", "odd": "unclear", "plain": "result"},
        )
    )


@functools.cache
def _environment():
    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_harmless,
    )
    made.filters["unbroken"] = _unbroken
    made.filters["coded"] = _coded
    return made


def _unbroken(text):
    # Text in which no line breaks within `2070-2078`, `PXE-E32` or a date.
    whole = Markup('<span class="whole">{}</span>')
    parts = re.split(r"(PXE-E[0-9A-F]{2}|\d[\d:TZ.]*(?:-\d[\d:TZ.]*)+)", _harmless(str(text)))
    return Markup("").join(
        whole.format(part) if number % 2 else part for number, part in enumerate(parts)
    )


def _coded(text):
    # Text between backticks in the bench's own sentences is code.
    parts = re.split(r"`([^`\n]+)`", _harmless(str(text)))
    code = Markup("<code>{}</code>")
    return Markup("").join(
        code.format(part) if number % 2 else part for number, part in enumerate(parts)
    )


def _harmless(value):
    if isinstance(value, Markup) or not isinstance(value, str):
        return value
    text = show(value)
    if len(text) > _LONGEST:
        text = f"{text[:_LONGEST]} ... ({len(text) - _LONGEST} more characters)"
    return text


def _hash(style):
    # The page's policy allows this style only, by its hash.
    digest = hashlib.sha256(style.encode("utf-8")).digest()
    return Markup("sha256-" + base64.b64encode(digest).decode("ascii"))
