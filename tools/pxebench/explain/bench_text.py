"""What `pxebench ... -v` prints, `packet_lines`: read again, from a terminal's copy or a CI log.

    10.77.0.108 > 10.77.0.1 as intel-undi, 2026-11-30T21:50:11Z
    +0.000  2070 (ah-esp-encap) > 69  RRQ undionly.kpxe octet tsize=0
    +0.002  45140 > 2070 (ah-esp-encap)  OACK tsize=74213

The line of the addresses may be missing; then they are called `client` and `server`.
"""

import re

from pxebench.explain import observation
from pxebench.explain.names import clock
from pxebench.explain.observation import PACKET, Observation

_END = r"(?:((?:\d{1,3}\.){3}\d{1,3}):)?(\d{1,5})(?: \([\w+.-]{1,40}\))?"
_PACKET = re.compile(rf"^\s*\+(\d{{1,9}}\.\d{{3}})  {_END} > {_END}  (.+)$")
_ICMP = re.compile(r"^\s*\+(\d{1,9}\.\d{3})  ICMP (.*)$")
_CODE = re.compile(r"\(type 3, code (\d{1,2})\)(?: from (?:the server )?((?:\d{1,3}\.){3}\d+))?")
_HEAD = re.compile(
    r"((?:\d{1,3}\.){3}\d{1,3}) > ((?:\d{1,3}\.){3}\d{1,3})(?: as [\w.-]+)?, "
    r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ)$"
)
_PAIR = re.compile(r"(\S+?)=(\S*)")
_PORT_UNREACHABLE = 3


class BenchLines:
    """A reader: `line` for each line, `end` at the end; both return Observations."""

    kind = "pxebench"

    def __init__(self):
        self.client, self.server = "client", "server"
        self._began = 0.0
        self._asked = set()  # the client's ports
        self._server_port = 69
        self._last_port = 0

    def takes(self, text):
        """True when a line is this reader's."""
        return bool(_PACKET.match(text) or _ICMP.match(text) or _HEAD.search(text))

    def line(self, text):
        head = _HEAD.search(text)
        if head:
            # Several jobs have one clock, which began with the first.
            self._began = self._began or clock(head[3]) or 0.0
            self.client, self.server = head[1], head[2]
            return []
        icmp = _ICMP.match(text)
        if icmp:
            return [self._icmp(icmp)]
        found = _PACKET.match(text)
        at, src, sport, dst, dport, words = found.groups()
        payload, size = _payload(words)
        sport, dport = int(sport), int(dport)
        if payload is None or not (0 < sport < 65536 and 0 < dport < 65536):
            return []
        if payload[:2] == b"\0\1":
            self._asked.add(sport)
            self._server_port, self._last_port = dport, sport
        out = sport in self._asked
        ends = (src or (self.client if out else self.server), sport)
        ends += (dst or (self.server if out else self.client), dport)
        made = Observation(PACKET, self._began + float(at), *ends)
        made.facts["payload"] = payload
        made.facts["size"] = size
        return [made]

    def _icmp(self, found):
        told = _CODE.search(found[2])
        sender = (told and told[2]) or self.server
        made = Observation(PACKET, self._began + float(found[1]), sender, 0, self.client, 0)
        code = int(told[1]) if told else _PORT_UNREACHABLE
        about = (self.client, self._last_port, self.server, self._server_port)
        made.facts["icmp"] = (3, code, *about)
        return made

    def end(self):
        """No line is held back, so there is nothing more."""
        return []


def _payload(words):
    # (payload, its true size) of a packet's words; (None, 0) where they are no TFTP.
    kind, _, rest = words.partition(" ")
    if kind in ("RRQ", "WRQ"):
        quoted = re.match(r'"(.*?)" ?', rest)
        name = quoted[1] if quoted else rest.partition(" ")[0]
        rest = rest[quoted.end() :] if quoted else rest.partition(" ")[2]
        mode = rest.partition(" ")[0]
        mode = "octet" if "=" in mode or not mode else mode
        payload = observation.rrq(name, mode, _PAIR.findall(rest), 1 if kind == "RRQ" else 2)
    elif kind == "OACK":
        payload = observation.oack(_PAIR.findall(rest))
    elif kind == "ERROR" and (found := re.match(r'(\d{1,5}) "(.*)"$', rest)):
        payload = observation.error(int(found[1]), found[2])
    elif kind == "ACK" and (found := re.match(r"(\d{1,5})$", rest)):
        payload = observation.ack(int(found[1]))
    elif kind == "DATA" and (found := re.match(r"(\d{1,5}), (\d{1,5}) bytes$", rest)):
        return observation.data(int(found[1])), int(found[2]) + 4
    else:
        return None, 0
    return payload, len(payload)
