"""One fact from a line of a text or a record of a log: the common shape of all readers.

Captures give `captures.packets.Packet`s; all other sources are text, and each reader turns a line
into `Observation`s. Those of a packet become `Packet`s too (`as_packet`), so that the same code
finds conversations, waits and reactions for all sources.

1. What a line does not say is None; a port that is not known is 0 in the Packet, or below it:
   where a list shows no ports, each request has a number of its own.
2. A payload is built from the words of the line.  Where only the length is printed (`UDP, length
   14`), it is a cut Packet: `size` is true, `payload` has what is certain.
3. `evidence` is the line, unchanged; it is made safe where it is shown (`job.show`).
"""

from pxebench.captures.packets import Packet

_MOST_EVIDENCE = 240  # characters of a line that are kept

# What an observation may be of.
PACKET = "packet"  # a datagram or an ICMP error: `payload`, `size`, `icmp`
SOCKET = "socket"  # netstat, ss: `program`, `state`, `remote`
ASKED = "asked"  # a server's log: a request arrived; `file`
SENT = "sent"  # a server's log: the file was sent, to the last ACK
FAILED = "failed"  # a server's log: it gave up sending; `file`
HEARD = "heard"  # a server's log: the client sent an ERROR; `code`, `text`
REFUSED = "refused"  # a server's log: it sent an ERROR, or has no such file; `file`, `text`
DROPPED = "dropped"  # a firewall's log: this packet was dropped, or rejected (`rejected` True)
PASSED = "passed"  # a firewall's log: this packet was seen, and let through as far as it says
DHCP = "dhcp"  # a DHCP server's log: `kind` DISCOVER..NAK, `ip`, `mac`, further facts
CODE = "code"  # what a screen says: `code`, an id of `codes`


class Observation:
    """One fact from a line.  `what`: one of the words above; `time`: seconds, in the clock
    of its source, or None; `src`, `dst`: IPv4 as text or None; `sport`, `dport`: or None; `facts`:
    dict of further facts; `source`: name of the file; `line`: its number, from 1; `evidence`:
    the line itself."""

    __slots__ = (
        *("what", "time", "src", "sport", "dst", "dport", "facts", "source", "line", "evidence"),
    )

    def __init__(self, what, time=None, src=None, sport=None, dst=None, dport=None, **facts):
        self.what = what
        self.time = time
        self.src = src
        self.sport = sport
        self.dst = dst
        self.dport = dport
        self.facts = facts
        self.source = None
        self.line = 0
        self.evidence = ""

    def __repr__(self):
        return (
            f"<{self.what} {self.src}:{self.sport} > {self.dst}:{self.dport} {self.facts} "
            f"line {self.line}>"
        )

    def get(self, name, default=None):
        """A further fact, or None."""
        return self.facts.get(name, default)

    def told_by(self, source, number, line):
        """Note source and line; returns itself."""
        self.source = source
        self.line = number
        self.evidence = line.strip()[:_MOST_EVIDENCE]
        return self

    def as_packet(self):
        """The `Packet` of an observation of a packet."""
        payload = self.facts.get("payload", b"")
        icmp = self.facts.get("icmp")
        epoch_ns = round(self.time * 1e9) if self.time is not None else 0
        packet = Packet(
            number=self.line,
            time=self.time or 0.0,
            epoch_ns=epoch_ns,
            src=self.src,
            dst=self.dst,
            sport=self.sport or 0,
            dport=self.dport or 0,
            src_mac=self.facts.get("src_mac"),
            dst_mac=self.facts.get("dst_mac"),
            vlans=[],
            ttl=self.facts.get("ttl"),
            ip_id=self.facts.get("ip_id"),
            size=self.facts.get("size", len(payload)),
            payload=payload,
            fragment=False,
            out=False,
        )
        if icmp:
            kind, code, src, sport, dst, dport = icmp
            quoted = Packet(
                src=src,
                sport=sport,
                dst=dst,
                dport=dport,
                payload=b"",
                size=0,
                vlans=[],
                out=False,
            )
            packet.icmp = (kind, code, quoted)
        return packet


def rrq(file, mode="octet", options=(), opcode=1):
    """The payload of a read request (RFC 1350, 2347)."""
    parts = [file, mode]
    for name, text in options:
        parts += [name, text]
    return bytes((0, opcode)) + b"".join(_bytes(part) + b"\0" for part in parts)


def oack(options):
    """The payload of an OACK (RFC 2347)."""
    return b"\0\6" + b"".join(_bytes(part) + b"\0" for pair in options for part in pair)


def data(block):
    """The first four bytes of a DATA packet; its size is the line's."""
    return b"\0\3" + (block & 0xFFFF).to_bytes(2, "big")


def ack(block):
    """The payload of an ACK."""
    return b"\0\4" + (block & 0xFFFF).to_bytes(2, "big")


def error(code, text):
    """The payload of an ERROR."""
    return b"\0\5" + (code & 0xFFFF).to_bytes(2, "big") + _bytes(text) + b"\0"


def _bytes(text):
    return text.encode(
        "utf-8",
        "surrogateescape" if "\udc80" <= max(text, default="") <= "\udcff" else "backslashreplace",
    )
