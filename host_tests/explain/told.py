"""What the tests ask of `explain`: a result for files, or for text."""

import io
from pathlib import Path

from pxebench.explain import explanation, sources

INPUTS = Path(__file__).with_name("inputs")
_FOLDER = Path(__file__).parent.parent / "captures"


def captures():
    """{name: path} of all captures of real clients, sorted."""
    return {path.name.removesuffix(".pcap.gz"): path for path in sorted(_FOLDER.glob("*.gz"))}


def capture(name):
    """The path of one of them."""
    return captures()[name]


def of(*names, client=None):
    """The result for files of `inputs`, or for paths."""
    paths = [str(INPUTS / name if isinstance(name, str) else name) for name in names]
    return explanation.explain(paths, client)


def of_bytes(*contents, client=None):
    """The result for contents, each as a file would have it."""
    given = [
        sources.from_stream(io.BytesIO(content), f"source-{number}")
        for number, content in enumerate(contents, 1)
    ]
    return explanation.of_sources(given, client)


def of_named(contents, client=None):
    """The result for {name: content}."""
    given = [sources.from_stream(io.BytesIO(raw), name) for name, raw in contents.items()]
    return explanation.of_sources(given, client)


def of_text(text, client=None):
    """The result for a text."""
    return of_bytes(text.encode(), client=client)


def best(client):
    """The ids of the highest score: one, or a tie."""
    rows = client["candidates"]
    return [one["rom"] for one in rows if one["score"] == rows[0]["score"]] if rows else []
