"""The ROM's screen of a boot: client, lease, prompt and menu, then all that `screen` shows.

Which words stand there is the ROM file's `screen.boot`: lines in which {mac}, {ip} and so on stand
for what the events bring, {text} for a menu's entry that was not chosen by hand, {menu} for
nothing, where there was a menu. A line of which nothing is known is left out; one that begins
with + goes on where the last one ended.

1. Text from the network was made harmless before it came here (`failure.printable`).
2. A count-down is drawn again only where it can be drawn over (`live`).
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
        """Show what an event of the boot shows."""
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
            known["text"] = None  # who has seen the menu knows what was chosen
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
