"""The strip of ports as a picture on a terminal: one mark a port, a row for each run of numbers.

    2070  ·········
   49152  ■■■■■■■■■
          ■ answered   · silent
   tcpdump says ah-esp-encap for 2070, acp-port for 2071, ...

Drawn with rich: in colour where the terminal has it, in ASCII where its encoding has no more.
"""

import io

from pxebench import prose

_WIDTH = 64
_MOST_NAMES = 12
_MARKS = {
    "answered": ("■", "#", "green"),
    "silent": ("·", ".", "red"),
    "unreachable": ("×", "x", "red"),
    "foreign": ("!", "!", "yellow"),
    "busy": ("-", "-", "dim"),
}
_LEGEND = {
    "answered": "answered",
    "silent": "silent",
    "unreachable": "ICMP unreachable",
    "foreign": "answered by another address",
    "busy": "not usable at this end",
}


def lines(strip, stream):
    """The picture's lines as text for `stream` (colour only when it is a terminal)."""
    from rich.console import Console
    from rich.text import Text

    from pxebench import colour
    from pxebench.sweep import port_names
    from pxebench.sweep.asking import answered

    fared = {e["port"]: "answered" if answered(e) else e["answer"] for e in strip}
    encoding = getattr(stream, "encoding", None) or "ascii"
    plain = not _can_show("■·×", encoding)
    terminal = colour.wanted(stream)
    out = io.StringIO()
    console = Console(file=out, force_terminal=terminal, width=200, highlight=False)
    for first, count in port_names.rows(sorted(fared)):
        for at in range(first, first + count, _WIDTH):
            row = range(at, min(at + _WIDTH, first + count))
            text = Text(f"  {at:>5}  ")
            for port in row:
                mark = _MARKS[fared[port]]
                text.append(mark[1] if plain else mark[0], style=mark[2])
            console.print(text)
    seen = [name for name in _MARKS if name in fared.values()]
    marks = [f"{_MARKS[name][1 if plain else 0]} {_LEGEND[name]}" for name in seen]
    if marks:
        console.print("         " + "   ".join(marks), style="dim")
    for line in _names(sorted(fared), port_names):
        console.print(line, style="dim")
    return out.getvalue().splitlines()


def _names(asked, ports):
    # The names that tcpdump prints; of many ports, those that ROMs ask from.
    shown, more = ports.worth_naming(asked, _MOST_NAMES)
    if not shown:
        return []
    words = ", ".join(f"{ports.name(port)} for {port}" for port in shown)
    words += f"; {more} more have names, which --json has." if more else "."
    return prose.wrapped(f"tcpdump says {words}", " " * 9, " " * 9, 80)


def _can_show(text, encoding):
    try:
        text.encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return False
    return True
