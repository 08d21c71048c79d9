"""The ROM's screen of a boot: client, lease, prompt and menu, then what `screen` prints.

The lines are in the ROM file's `screen.boot`. In them {mac}, {ip} and so on are replaced by values
from the events; {text} is a menu entry that was not chosen by hand; {menu} is empty, and its line
is printed only where there was a menu. A line with an unknown value is left out. A line that
begins with + continues the last one.

1. Text from the network is already printable here (`failure.printable`).
2. The count-down of a prompt is redrawn only on a terminal (`live`).
"""

from pxerom.screen import Screen


class BootScreen(Screen):
    """Screen of one boot. `rom`: flat, of `job.load_rom`; `write`: takes text; `live`: False
    where that is no terminal."""

    def __init__(self, rom, write, live=True):
        super().__init__(rom, write)
        self._boot = self._screen["boot"]
        self._live = live
        self._known = {}
        self._known["menu"] = None
        self._width = 0  # of the count-down that stands there

    def event(self, event):
        """Print what the ROM prints at this event."""
        name = event["event"]
        known = self._known
        if self._width and name != "prompt":
            self._width = 0
            self._line("")
        if name == "start":
            super().event(event)
            mac = event.get("mac") or ""
            uuid = event.get("uuid")
            known.update(mac=mac, mac_spaced=mac.upper().replace(":", " "))
            known["guid_spaced"] = uuid and uuid.upper().replace("-", " ")
            if mac:
                self._lines("start")
        elif name == "dhcp":
            if event["message"] == "DISCOVER":
                known["attempt"] = event["attempt"]
                self._waiting("discover" if event["attempt"] == 1 else "again")
        elif name in ("lease", "boot"):
            known.update(event)
            self._lines(name)
        elif name == "menu_end" and event["chosen"]:
            known["menu"] = ""
            known.setdefault("text", event["chosen"]["text"])
            self._waiting(name)
        elif name == "prompt":
            self._prompt(event)
        elif name == "menu":
            known["text"] = None  # it was chosen in the menu, so it is on the screen
            self._line("")
            for index, text in enumerate(event["items"]):
                self._line(("> " if index == event["marked"] else "  ") + text)
        else:
            super().event(event)

    def _waiting(self, name):
        text = self._boot[name]
        if text[-1:] == "\n":
            self._line(self._filled(text[:-1]) or "")
        elif text:
            self._part(self._filled(text) or "")

    def _lines(self, name):
        for line in self._boot[name]:
            line = self._filled(line)
            if line is not None:
                if line[:1] != "+":
                    self._line("")
                self._part(line[line[:1] == "+" :])
        self._line("")

    def _filled(self, line):
        # The line with what is known in it; None when something in it is not.
        for name, value in self._known.items():
            mark = "{%s}" % name
            if mark in line:
                if value is None:
                    return None
                line = line.replace(mark, str(value))
        return line

    def _prompt(self, event):
        if self._width and not self._live:
            return
        text = "%s (%d)" % (event["text"], event["timeout_s"])
        if self._width:
            text = "\r" + text + " " * (self._width - len(text))
        else:
            self._line("")
        self._width = len(text)
        self._part(text)
