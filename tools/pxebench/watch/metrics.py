"""`watch --metrics FILE`: the last boot for Prometheus, by the node exporter's textfile collector.

The text is https://prometheus.io/docs/instrumenting/exposition_formats, without timestamps, which
that collector refuses.

1. The file is replaced by a rename, so the collector never reads a part of it.
2. The collector reads `*.prom` only, and so the path must end so; the temporary file does not.
3. It is readable for others, as far as the umask allows: the collector is another user.
"""

import calendar
import os
import tempfile
import time

from pxebench import __version__
from pxebench.job import EXIT_BENCH, Refused, show

_LABELS = ("server", "file", "rom", "endpoint")


def check(path):
    """Refuse a path that the collector would not read."""
    if path is not None and not path.endswith(".prom"):
        raise Refused(
            f"--metrics {show(path)}: the node exporter's textfile collector reads only files "
            f"whose names end in .prom."
        )


def text(entry):
    """The metrics of an entry of `memory`."""
    tried = entry["outcome"] != "bench"
    began = calendar.timegm(time.strptime(entry["started"], "%Y-%m-%dT%H:%M:%SZ"))
    rows = [
        (
            "tried",
            "Whether the last boot could be tried (1), or the bench was not in order.",
            tried,
        ),
        ("timestamp_seconds", "When the last boot began, in seconds since 1970.", began),
    ]
    if tried:
        rows += [
            ("up", "Whether the last boot went well (1) or failed (0).", entry["outcome"] == "ok"),
            ("duration_seconds", "How long the last boot took.", entry["elapsed_ms"] / 1000),
            ("size_bytes", "Bytes of the file that came.", entry["bytes"]),
            ("requests", "Read requests that the last boot sent.", len(entry["ports"])),
            ("retransmits", "Packets that the last boot sent again.", entry["retransmits"]),
            ("changes", "What was different from the boots before.", len(entry["changes"])),
        ]
    labels = {name: entry[name] for name in _LABELS}
    lines = [line for row in rows for line in _metric(*row, labels)]
    told = {**labels, "code": entry["code"] or "", "version": __version__}
    lines += _metric("info", "The code with which the last boot failed.", 1, told)
    return "\n".join(lines) + "\n"


def _metric(name, about, value, labels):
    named = ",".join(f'{label}="{_escaped(content)}"' for label, content in labels.items())
    name = f"pxebench_boot_{name}"
    value = int(value) if isinstance(value, bool) else value
    return f"# HELP {name} {about}", f"# TYPE {name} gauge", f"{name}{{{named}}} {value}"


def _escaped(content):
    content = str(content).encode("utf-8", "replace").decode()
    return content.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def store(path, entry):
    """Replace `path` by the metrics of an entry."""
    place = os.path.abspath(path)
    part = None
    try:
        handle, part = tempfile.mkstemp(
            prefix=os.path.basename(place) + ".", dir=os.path.dirname(place)
        )
        with open(handle, "w", encoding="utf-8") as file:
            file.write(text(entry))
            umask = os.umask(0)
            os.umask(umask)
            os.chmod(part, 0o644 & ~umask)
        os.replace(part, place)
    except OSError as error:
        if part is not None and os.path.exists(part):
            os.remove(part)
        reason = error.strerror or error
        raise Refused(f"Cannot write {show(path)} for --metrics: {reason}.", EXIT_BENCH) from None
