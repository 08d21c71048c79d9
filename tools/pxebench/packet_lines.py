"""`-v`: each packet of a job as one line, as it passes; `explain.bench_text` reads them again.

    10.77.0.108 > 10.77.0.1 as intel-undi, 2026-11-30T21:50:11Z
    +0.000  2070 (ah-esp-encap) > 69  RRQ undionly.kpxe octet tsize=0
    +0.002  45140 > 2070 (ah-esp-encap)  OACK tsize=74213
    +0.003  2070 (ah-esp-encap) > 45140  ERROR 0 "TFTP Aborted"

The names behind the ports are those that tcpdump prints instead; 69 is printed without.

1. Times are in seconds since the first packet of all jobs.
2. The two addresses are printed once, above the first request; any other address before its port.
3. Text from the network is made safe for the terminal (`job.show`).
"""

import time

from pxebench import icmp
from pxebench.captures.messages import Dhcp, Tftp
from pxebench.job import show
from pxebench.record import stamp
from pxebench.sweep import port_names

_DHCP_PORTS = {67, 68, 4011}
_BARE = set("\"' =")  # a name with one of these is quoted


class PacketLines:
    """A listener: gives each packet's line to `say`.  `client`: the address that packets leave
    from, where it is known before the job is."""

    def __init__(self, say, client=None):
        self.say = say
        self.client = client
        self._rom = None
        self._epoch_us = 0
        self._began_us = None
        self._asked_us = None  # the first RRQ of the job: `at_ms` counts from there
        self._pair = None

    def event(self, event):
        """Take an event in."""
        kind = event["event"]
        if kind == "packet":
            self._packet(event)
        elif kind == "start":
            self._rom = event.get("rom")
            self._epoch_us = event.get("epoch_us") or time.time_ns() // 1000
            self._asked_us = None
            self.client = event.get("ip") or self.client
        elif kind == "lease":
            self.client = event["ip"]
        elif kind == "unreachable":
            self._icmp(event, event)
        elif kind == "answer":
            for row in event.get("icmp") or ():
                self._icmp(event, row)

    def _packet(self, event):
        at_us = self._epoch_us + event["t_us"]
        if self._began_us is None:
            self._began_us = at_us
        payload, size = bytes.fromhex(event["data"]), event["len"]
        out, host, port = event["dir"] == "out", event["host"], event["port"]
        there, here = _named(port), _named(event["local_port"])
        if _DHCP_PORTS & {port, event["local_port"]}:
            here = f"{event.get('local') or self.client or '0.0.0.0'}:{here}"
            there, text = f"{host}:{there}", _dhcp(payload, size)
        else:
            text = tftp_words(Tftp(payload, size))
            if out and payload[:2] == b"\0\1":
                self._asked_us = at_us if self._asked_us is None else self._asked_us
                self._head(event.get("local") or self.client or "0.0.0.0", host, at_us)
            if self._pair and host != self._pair[1]:
                there = f"{host}:{there}"
        ends = (here, there) if out else (there, here)
        self.say(f"{self._time(at_us)}  {ends[0]} > {ends[1]}  {show(text)}")

    def _head(self, client, server, at_us):
        if self._pair != (client, server):
            self._pair = client, server
            who = "" if self._rom == "ask" else f" as {show(str(self._rom))}"
            self.say(f"{client} > {server}{who}, {stamp(at_us // 1000000)}")

    def _icmp(self, event, row):
        at_us = (self._asked_us or self._began_us or 0) + event["at_ms"] * 1000
        self.say(f"{self._time(at_us)}  {icmp.words({'count': 1, **row})}")

    def _time(self, at_us):
        return f"+{max(0, at_us - (self._began_us or at_us)) / 1000000:.3f}"


def _named(port):
    return "69" if port == 69 else port_names.named(port)


def tftp_words(message):
    """A `Tftp` as text: `RRQ undionly.kpxe octet tsize=0`, `DATA 1, 1456 bytes`."""
    kind = message.kind
    if kind in ("RRQ", "WRQ"):
        named = [_word(message.file or ""), message.mode or "", *_options(message)]
        return " ".join([kind, *filter(None, named)])
    if kind == "OACK":
        return " ".join([kind, *_options(message)])
    if kind == "DATA" and message.block is not None:
        return f"DATA {message.block}, {message.length} bytes"
    if kind == "ACK" and message.block is not None:
        return f"ACK {message.block}"
    if kind == "ERROR" and message.code is not None:
        return f'ERROR {message.code} "{message.text or ""}"'
    return kind


def _options(message):
    return [f"{name}={text}" for name, text in message.options or ()]


def _word(text):
    return f'"{text}"' if not text or _BARE & set(text) else text


def _dhcp(payload, size):
    if len(payload) < 240:
        return f"{size} bytes"
    message = Dhcp(payload, size)
    words = [f"DHCP {message.kind}", f"xid={message.xid:08x}"]
    for name in ("yiaddr", "siaddr", "giaddr"):
        if getattr(message, name) != "0.0.0.0":
            words.append(f"{name}={getattr(message, name)}")
    if message.file:
        words.append(f"file={_word(message.file)}")
    return " ".join(words)
