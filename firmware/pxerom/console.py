"""The ROM's screen: events in, the lines that such a ROM prints out. A view, nothing more.

Which lines stand in the ROM file's `screen`; the error lines are the same for all legacy ROMs
(R-PXE-62): `PXE-Tnn: <the server's text>` for an ERROR packet, then the PXE code, then the exit
line.

1. Text from the network was made harmless before it came here (`status.printable`).
"""

from pxerom.status import EXIT_LINE


class Screen:
    """Screen of one boot. `rom`: a ROM as a dict; `write`: takes text."""

    def __init__(self, rom, write):
        self._screen = rom["screen"]
        self._write = write
        self._midline = False
        self._error = None

    def event(self, event):
        """Show what an event of the boot shows."""
        name = event["event"]
        if name == "start":
            for line in self._screen["banner"]:
                self._line(line)
        elif name == "request":
            if event["transfer"] == 0 and event["attempt"] == 1 and self._screen["file"]:
                self._part(self._fill(self._screen["file"], event))
        elif name in ("timeout", "progress"):
            if self._midline:
                self._part(".")
        elif name == "error":
            self._error = event["error"]  # shown only if the boot fails for it, as ROMs do
        elif name == "failed":
            status = event["status"]
            error = self._error
            own = self._screen["errors"].get(status["code"])
            if own and error:
                own = own.replace("{code}", str(error["code"])).replace("{text}", error["message"])
            elif not own:
                if error and status["code"] in ("PXE-E36", "PXE-E3B", "PXE-E3C"):
                    self._line("PXE-T%02d: %s" % (error["code"], error["message"]))
                own = "%s: %s" % (status["code"], status["text"])
            self._line(own)
            last = self._screen["exit"]
            self._line(EXIT_LINE if last is None else last)
        elif name == "image":
            self._line("")

    def _fill(self, text, event):
        return text.replace("{server}", event["server"]).replace("{file}", event["file"])

    def _part(self, text):
        self._write(text)
        self._midline = True

    def _line(self, text):
        if self._midline:
            self._write("\n")
            self._midline = False
        if text:
            self._write(text + "\n")
