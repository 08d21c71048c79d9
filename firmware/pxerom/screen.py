"""The ROM's screen: prints, for each event, the lines that this ROM prints.

The lines are in the ROM file's `screen`; `pxe_codes` makes those of a failure.

1. Text from the network is already printable here (`failure.printable`).
"""


class Screen:
    """Screen of one fetch. `rom`: a ROM as a dict; `write`: takes text."""

    def __init__(self, rom, write):
        self._screen = rom["screen"]
        self._write = write
        self._midline = False
        self._error = None

    def event(self, event):
        """Print what the ROM prints at this event."""
        name = event["event"]
        if name == "start":
            for line in self._screen["banner"]:
                self._line(line)
        elif name == "request":
            if event["transfer"] == 0 and event["attempt"] == 1 and self._screen["file"]:
                text = self._screen["file"].replace("{server}", event["server"])
                self._part(text.replace("{file}", event["file"]))
        elif name in ("timeout", "progress"):
            if self._midline:
                self._part(".")
        elif name == "error":
            self._error = event["error"]  # printed only if the boot fails by it, as in ROMs
        elif name == "failed":
            from pxerom.pxe_codes import lines_of

            for line in lines_of(self._screen, event["status"], self._error):
                self._line(line)
        elif name == "image":
            self._line("")

    def _part(self, text):
        self._write(text)
        self._midline = True

    def _line(self, text):
        if self._midline:
            self._write("\n")
            self._midline = False
        if text:
            self._write(text + "\n")
