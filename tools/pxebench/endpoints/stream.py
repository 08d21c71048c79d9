"""JSON text sequences (RFC 7464) out of a stream that also carries other text.

A record is 0x1E, one line of JSON, LF. Everything between records, as a ROM's screen or an
interpreter's error, is text; a cut or garbled record is skipped.

1. A 0x1E always begins a record: one that was open is lost, never joined with the next.
2. Memory is bounded by a record's limit, and no input raises.
"""

import json

_RECORD_SEPARATOR = 0x1E
_LINE_FEED = 0x0A
_MAX_RECORD = 1 << 20
_TAIL = 2000


class Sequence:
    """Takes bytes as they come; gives the events in them."""

    def __init__(self):
        self.record = None  # the bytes of the open record, or None between records
        self.text = b""  # the end of the text between records, for an error message
        self.garbled = 0

    def feed(self, data):
        """The events (dicts with a name under "event") that `data` completes."""
        events = []
        position = 0
        while position < len(data):
            if self.record is None:
                start = data.find(_RECORD_SEPARATOR, position)
                end = len(data) if start < 0 else start
                self.text = (self.text + data[position:end])[-_TAIL:]
                if start < 0:
                    break
                self.record = bytearray()
                position = start + 1
                continue
            end = data.find(_LINE_FEED, position)
            restart = data.find(_RECORD_SEPARATOR, position, end if end >= 0 else len(data))
            if restart >= 0:
                self._lost()
                position = restart
                continue
            self.record += data[position : end if end >= 0 else len(data)]
            if end < 0:
                if len(self.record) > _MAX_RECORD:
                    self._lost()
                break
            position = end + 1
            self._close(events)
        return events

    def _close(self, events):
        try:
            event = json.loads(self.record)
        except (ValueError, RecursionError):
            self._lost()
            return
        self.record = None
        if isinstance(event, dict) and isinstance(event.get("event"), str):
            events.append(event)
        else:
            self.garbled += 1

    def _lost(self):
        self.record = None
        self.garbled += 1
