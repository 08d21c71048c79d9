"""The text that a board prints on its serial port.

A read may end anywhere: between the `\\r` and the `\\n` of a line's end, or within a UTF-8
character. The text is the same.
"""

import codecs


class Screen:
    """`text`: all that was printed, with `\\n` as a line's end."""

    def __init__(self):
        self.text = ""
        self._letters = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._held = ""  # a `\r` that came last: the `\n` may follow
        self._found = 0  # where the words that were found last end

    def add(self, data):
        """Take the bytes of one read."""
        text = (self._held + self._letters.decode(data)).replace("\r\n", "\n")
        self._held = "\r" if text.endswith("\r") else ""
        self.text += text[: len(text) - len(self._held)]

    def find(self, words):
        """True when `words` came after those that were found last."""
        at = self.text.find(words, self._found)
        if at >= 0:
            self._found = at + len(words)
        return at >= 0
