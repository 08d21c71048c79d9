"""What a person sees of a job: the ROM's screen, the progress bar, the closing words.

Everything here is made from events and from the result. The ROM's screen, made by the firmware
(`pxerom.screen`), goes to stdout; the bench's own lines go to stderr.

1. Text from the network or the command line is made safe for the terminal (`job.show`).
2. A stream without a reader is closed without a message; the job goes on.
3. The bar and the line of a wait are drawn on a terminal only, when an event comes or a wait
   lasts: no other thread can delay an ACK.
"""

import itertools
import os
import sys

from pxebench import colour, icmp, live, pace
from pxebench.images import words as image_words
from pxebench.job import show, source_ports

_SIDES = {
    "ours": "this end (the ROM or its target)",
    "server": "the server",
    "path": "the path between ROM and server",
}
_ENDERS = {"user": "Ctrl-C", "fault": "The fault that was asked for"}
_UNITS = ("bytes", "KiB", "MiB", "GiB")


class Writer:
    """Writes to one stream, at once, until that fails: then no more."""

    def __init__(self, stream):
        self.stream = stream
        self.column = 0

    def write(self, text):
        if self.stream is None or not text:
            return
        try:
            self.stream.write(text)
            self.stream.flush()
        except (OSError, ValueError):  # nobody reads it, or it is closed
            let_go(self.stream)
            self.stream = None
        self.column = len(text) - text.rfind("\n") - 1 + (0 if "\n" in text else self.column)

    def is_terminal(self):
        return self.stream is not None and self.stream.isatty()

    def line(self, text=""):
        self.write(text + "\n")

    def wrapped(self, text, indent, painted=iter):
        """A line; on a terminal as wide as that, with `indent` before what goes on below.
        `painted`: gives its lines their colours."""
        lines = [text]
        if self.is_terminal() and len(text) > colour.width(self.stream):
            from pxebench import prose

            lines = prose.wrapped(text, "", indent, colour.width(self.stream))
        for line in painted(lines):
            self.line(line)


def let_go(stream):
    """Close a stream without a reader: else what it still holds would be written, and fail, again
    at exit."""
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    except (OSError, ValueError):
        pass


class View:
    """The view of a running job.  `rom`: the ROM, flat, for its screen, or None for no screen;
    `waiting`: a `live.Waiting`, or None."""

    def __init__(self, rom=None, progress=True, waiting=None):
        self.out = Writer(sys.stdout)
        self.err = Writer(sys.stderr)
        self.screen = None
        self.bar = None
        self.waiting = waiting
        self.line = live.Line(self.err, quiet=not progress)
        self.below = 0  # the cursor's column in the screen's open line, while the bar is below it
        if rom is not None:
            if "boot" in rom["screen"]:
                from pxerom.screen_boot import BootScreen

                self.screen = BootScreen(rom, self._screen_text, self.out.is_terminal())
            else:
                from pxerom.screen import Screen

                self.screen = Screen(rom, self._screen_text)
        if progress and self.line.on:
            # Imported before the first packet leaves: later it would hold up an ACK.
            self.bar = Bar()

    def event(self, event):
        """Show what an event has to show."""
        kind = event["event"]
        if self.waiting:
            self.waiting.event(event)
        if kind == "packet":
            return
        if self.line.shown and kind != "unreachable":
            self._hide_bar()
        if kind == "progress" and self.bar:
            self._show_bar(event["bytes"], event["total"])
        elif self.screen:
            self.screen.event(event)

    def wait(self):
        """Show what is waited for; to be called several times a second."""
        texts = self.waiting.texts() if self.waiting and self.line.on else ()
        if texts and not (self.bar and self.bar.shown):
            self._below_screen(self.line.shown)
            self.line.show(*texts)
        elif texts:
            self._hide_bar()

    def say(self, text):
        """A line on stderr, above the bar."""
        self._hide_bar()
        if self.out.column:  # stdout and stderr may be the same terminal
            self.out.line()
        self.err.line(text)

    def close(self):
        """Erase the bar and end the screen's last line."""
        self._hide_bar()
        if self.out.column:
            self.out.line()

    def _screen_text(self, text):
        self._hide_bar()
        self.out.write(text)

    def _show_bar(self, done, total):
        if not self.bar.shown and done in (0, total):
            return  # too short to be seen
        self._below_screen(self.bar.shown)
        self.bar.update(done, total)

    def _below_screen(self, shown):
        # The bar is drawn below the screen's open line.
        if not shown and self.out.column and self.out.is_terminal():
            self.below = self.out.column
            self.err.line()

    def _hide_bar(self):
        if self.line.shown:
            self.line.hide()
        elif self.bar and self.bar.shown:
            self.bar.hide()
        else:
            return
        if self.below:  # back to the end of the screen's open line
            self.err.write(f"\x1b[A\x1b[{self.below + 1}G")
            self.below = 0


class Bar:
    """One line on stderr: how much has come, of how much, how fast."""

    def __init__(self):
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        self.progress = Progress(
            BarColumn(),
            TextColumn("{task.description}", markup=False),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            auto_refresh=False,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self.task = self.progress.add_task("", total=None)
        self.shown = False

    def update(self, done, total):
        speed = self.progress.tasks[0].speed
        words = size_words(done)
        words += f" of {size_words(total)}" if total else ""
        words += f", {size_words(speed)}/s" if speed else ""
        self.progress.update(self.task, completed=done, total=total, description=words)
        if not self.shown:
            self.shown = True
            self.progress.start()
        self.progress.refresh()

    def hide(self):
        if self.shown:
            self.shown = False
            self.progress.stop()


# ---- the closing words


# Failures of which an ICMP error says more; None: ended before the ROM gave up.
_SILENT = ("no_reply", "stopped", "rrq_unreachable", "ack_unreachable", None)


def summary(result, out=None):
    """The outcome of a job as lines of text, with what to do next."""
    (_, first), *rows = closing(result, out)
    return [first, *(f"  {name:<8} {text}" for name, text in rows)]


def closing(result, out=None):
    """The same as [(name of a row, text)]; the first is a whole sentence, and its name is ""."""
    rows = list(_success(result, out) if result["outcome"] == "ok" else _failure(result, out))
    if "offers" in result:
        from pxebench.boot import boot_view

        rows += boot_view.rows(result)
    else:
        rows += [("warning", show(warning)) for warning in result.get("warnings", ())]
    if result.get("faults"):
        from pxebench import faults

        rows.append(("faults", show(faults.words(result["faults"]))))
    return rows


def _success(result, out):
    image = result["image"] or {}
    transfer = result["transfers"][-1]  # the last one brought the file
    stored = f", {_place(out)}" if out else ""
    yield "", f"Fetched {show(transfer['file'])} from {transfer['server']}{stored}."
    size = image.get("bytes", transfer["bytes"])
    yield "size", "1 byte" if size == 1 else f"{size} bytes"
    yield "SHA-256", image.get("sha256") or "-"
    yield "image", image_words(image)
    yield "ports", port_words(result)
    yield "time", time_words(result)
    yield from _row_if("pace", pace.of_transfer(transfer))


def _place(out):
    return "written to standard output" if out == "-" else f"stored as {show(str(out))}"


def _failure(result, out):
    status = result["status"] or {}
    ended = result.get("ended")
    if ended:
        who = _ENDERS.get(ended["by"], "The bench (--max-time)")
        yield "", f"{who} ended the boot after {ended['after_ms'] / 1000:.1f} s."
        yield from _row_if("so far", _so_far(result))
        yield from _row_if("ROM", show(ended.get("next") or ""))
    else:
        code = show(status.get("code", "no code"))
        yield "", f"The boot failed with {code}: {show(_text(status))}."
        yield from _row_if("what", show(status.get("detail") or ""))
        yield from _row_if("side", _SIDES.get(status.get("side"), ""))
        if result["transfers"]:
            yield "ports", port_words(result)
        if result["image"] and out:
            yield "file", f"it came whole, and is {_place(out)}"
    came = icmp.of_result(result)
    yield from _row_if("seen", _icmp_words(result, came))
    if not ended or ended["by"] == "bench":
        # An ICMP error says more than a timeout.
        told = icmp.advice(came, *_server(result)) if status.get("reason") in _SILENT else None
        yield from _row_if("do", show(told or status.get("advice") or ""))


def _text(status):
    return (status.get("text") or "the firmware does not say why").rstrip(".")


def _server(result):
    # (its address, the port that was asked, whether it had answered) of the last transfer
    last = result["transfers"][-1] if result["transfers"] else {}
    return last.get("server"), last.get("server_port"), last.get("server_tid") is not None


def _icmp_words(result, rows):
    if not rows:
        return ""
    server, _, begun = _server(result)
    said = "; ".join(icmp.words(row, server) for row in rows)
    return f"{said}. {icmp.sentence(rows, server, begun=begun)}"


def _so_far(result):
    requests = source_ports(result)
    got = sum(transfer["bytes"] for transfer in result["transfers"])
    if not requests:
        return "no file was asked for" if "offers" in result else "no request was sent"
    plural = "" if len(requests) == 1 else "s"
    return f"{len(requests)} request{plural} from {port_words(result)}; {size_words(got)} came"


def _row_if(name, text):
    if text:
        yield name, text


def port_words(result):
    """The source ports of a result: `2070, 2071`, `2001 (6 times)`, a long row shortened."""
    ports = []
    for port, sent in itertools.groupby(source_ports(result)):
        times = len(list(sent))
        ports.append(str(port) if times == 1 else f"{port} ({times} times)")
    if len(ports) > 12:
        ports = ports[:10] + ["...", ports[-1]]
    return "UDP " + ", ".join(ports) if ports else "none"


def time_words(result):
    """How long it took, and how fast that was."""
    elapsed_ms = sum(transfer["elapsed_ms"] for transfer in result["transfers"])
    got = result["transfers"][-1]["bytes"]
    data_ms = result["transfers"][-1]["elapsed_ms"]
    rate = f", {size_words(got * 1000 / data_ms)}/s" if data_ms >= 10 else ""
    seconds = f"{elapsed_ms / 1000:.2f} s" if elapsed_ms >= 1000 else f"{elapsed_ms} ms"
    return seconds + rate


def size_words(count):
    """A number of bytes in the unit that suits it."""
    unit = 0
    while count >= 1024 and unit < len(_UNITS) - 1:
        count /= 1024
        unit += 1
    return f"{count:.1f} {_UNITS[unit]}" if unit else f"{count:.0f} bytes"
