"""What a result's JSON keeps of a run: its command line, and its events, bounded in size.

A result has the outcome of a boot, the events how it came about; the report draws its picture from
them. Shapes: `job`; all packets: `captures.pcap`; writing: `outputs`.

1. Bounded for any transfer: where there are too many progress events, every second one is dropped;
   of a long run of packets the first and the last are kept, and one event says how many were left
   out.
2. Requests, answers, timeouts, errors and images are always kept.
3. A command line is kept without its secrets: the value after a name such as --password, and the
   user in a URL.
"""

import json
import os
import re
import socket
import sys
import time

from pxebench import __version__
from pxebench.job import SCHEMA

MOST_EVENTS = 1500
_PROGRESS = 200  # at most; a curve needs no more points
_ENDS = 24  # packets kept at each end of a run of DATA and ACK
_HEX = 1200  # characters of a packet's bytes; no RRQ of a ROM is longer
_LONGEST = 1000  # characters of any other text in an event
_MOST_ITEMS = 64  # options in a list, or names in an object
_DATA, _ACK = "0003", "0004"
_SECRET = re.compile(r"^--?[\w-]*(pass|secret|psk|token|key|credential)[\w-]*$", re.I)
_HIDDEN = "***"
_BEGAN = time.time()


class Record:
    """A listener: `event` takes each event of one run (or of several), `events` gives the few."""

    def __init__(self, client=None):
        """`client`: the address that packets leave from, for the `start` of a PC; or None."""
        self.client = client
        self._kept = []
        self._told = 0
        self._progress = []  # places of the progress events in _kept
        self._run = []  # the last packets of the open run of DATA and ACK, once it is long
        self._run_length = 0
        self._left_out = 0  # packets of that run that are gone

    def event(self, event):
        """Take an event in."""
        kind = event["event"]
        if kind == "packet":
            self._packet(event)
            return
        if kind in ("request", "start", "timeout", "result"):
            self._close_run()
        if kind == "start" and self.client and not event.get("ip"):
            event = {**event, "ip": self.client}
        if kind == "progress":
            if len(self._progress) >= _PROGRESS:
                self._thin_progress()
            self._progress.append(len(self._kept))
        if len(self._kept) >= MOST_EVENTS:
            self._told += 1
            return
        self._kept.append(_cut(event))

    def events(self):
        """The events kept, in the order in which they came."""
        self._close_run()
        kept = list(self._kept)
        if self._told:
            kept.append({"event": "left_out", "events": self._told})
        return kept

    def _packet(self, event):
        data = event["data"]
        if data[:4] not in (_DATA, _ACK):
            self._close_run()
        else:
            self._run_length += 1
            if self._run_length > _ENDS:
                self._run.append(event)
                if len(self._run) > _ENDS:
                    self._run.pop(0)
                    self._left_out += 1
                return
        self._keep_packet(event)

    def _close_run(self):
        run, left_out = self._run, self._left_out
        self._run, self._run_length, self._left_out = [], 0, 0
        if left_out:
            self._kept.append({"event": "left_out", "packets": left_out})
        for event in run:
            self._keep_packet(event)

    def _keep_packet(self, event):
        if len(self._kept) >= MOST_EVENTS:
            self._told += 1
        else:
            self._kept.append(_cut(event))

    def _thin_progress(self):
        for place in self._progress[1::2]:
            self._kept[place] = None
        kept = [event for event in self._kept if event is not None]
        self._progress = [i for i, event in enumerate(kept) if event["event"] == "progress"]
        self._kept = kept


def _cut(event):
    # A hostile server may send long texts: they are cut.
    if event["event"] == "packet":
        return {**event, "data": event["data"][:_HEX]}
    return _shorter(event)


def _shorter(part):
    if isinstance(part, str):
        return part[:_LONGEST]
    if isinstance(part, dict):
        return {name: _shorter(part[name]) for name in list(part)[:_MOST_ITEMS]}
    if isinstance(part, (list, tuple)):
        return [_shorter(item) for item in part[:_MOST_ITEMS]]
    return part


def command(words=None):
    """The command line (a list of words) without its secrets; of this process if none is given."""
    words = [os.path.basename(sys.argv[0]), *sys.argv[1:]] if words is None else list(words)
    if words[:1] == ["__main__.py"]:
        words[0] = "pxebench"
    clean = []
    hide = False
    for word in words:
        word = str(word)
        name, equals, _ = word.partition("=")
        if hide:
            word, hide = _HIDDEN, False
        elif _SECRET.match(name):
            word, hide = (name + "=" + _HIDDEN, False) if equals else (word, True)
        clean.append(re.sub(r"://[^/@\s]*@", f"://{_HIDDEN}@", word))
    return clean


def headed(kind, result, server=None, started=None):
    """A result with what every one of them has: `docs/json.md`.  `server`: the address of the TFTP
    server, where there is one; `started`: seconds since 1970 (else when this process began)."""
    head = {
        "schema": SCHEMA,
        "kind": kind,
        "pxebench": __version__,
        "started": stamp(_BEGAN if started is None else started),
        "server": server,
    }
    return {**head, **{name: part for name, part in result.items() if name not in head}}


def stamp(seconds):
    """Seconds since 1970 as text, ISO 8601 in UTC: the form of all dates here."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def as_text(result):
    """A result as JSON text, a line for each event."""
    if not result.get("events"):
        return json.dumps(result, indent=2) + "\n"
    whole = {name: part for name, part in result.items() if name != "events"}
    lines = ",\n    ".join(json.dumps(event) for event in result["events"])
    head = json.dumps({**whole, "events": []}, indent=2)
    return f"{head[: -len('[]' + chr(10) + '}')]}[\n    {lines}\n  ]\n}}\n"


def client_address(server, bind=None):
    """The local IPv4 address that a packet to `server` leaves from; sends nothing. None where
    the server is not known before the boot."""
    if bind and bind != "0.0.0.0":
        return bind
    if server is None:
        return None
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((server, 9))
        except OSError:  # no route: the RRQs will fail too, but the capture is still wanted
            return "0.0.0.0"
        return probe.getsockname()[0]
