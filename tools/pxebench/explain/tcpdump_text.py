"""What tcpdump prints: with -n or with names, -e, -v, -q, -X, of versions from 3.9 to 4.99.

    17:46:10.852633 IP 10.77.0.108.2070 > 10.77.0.1.69: TFTP, length 27, RRQ "x" octet tsize 0
    IP client.ah-esp-encap > server.tftp:  27 RRQ "pxelinux.0" octet tsize 0

A packet may take several lines: -v puts the IP header on a line of its own and DHCP's options
below, -X the bytes.  Where the bytes are printed, they are used instead of the words.
"""

import re
import struct

from pxebench.captures import packets
from pxebench.explain import observation
from pxebench.explain.dhcp_text import DhcpLines
from pxebench.explain.lengths import Transfers
from pxebench.explain.names import clock, is_ipv4, mac, port
from pxebench.explain.observation import PACKET, Observation

_FLOW = re.compile(
    r"(?P<src>[A-Za-z0-9_-][\w.-]{0,200})\.(?P<sport>[\w+-]{1,40}) > "
    r"(?P<dst>[A-Za-z0-9_-][\w.-]{0,200})\.(?P<dport>[\w+-]{1,40}): *(?P<rest>.*)"
)
_ICMP = re.compile(
    r"(?P<src>[A-Za-z0-9_-][\w.-]{0,200}) > (?P<dst>[A-Za-z0-9_-][\w.-]{0,200}): *ICMP:?"
    r" (?P<rest>.*)"
)
_HEADER = re.compile(r"\bIP \(tos ")
_VERBOSE = re.compile(r"\bttl (\d{1,3}), id (\d{1,5})")
_LINK = re.compile(
    r"((?:[0-9a-fA-F]{1,2}:){5}[0-9a-fA-F]{1,2}) > ((?:[0-9a-fA-F]{1,2}:){5}[0-9a-fA-F]{1,2})"
)
_REQUEST = re.compile(
    r'(?:TFTP, length (?P<n1>\d+), |(?P<n2>\d+) )?(?P<op>RRQ|WRQ) "(?P<file>.*?)"(?P<rest>.*)'
)
_TFTP = re.compile(
    r"(?:TFTP, length (?P<n1>\d+), |^(?P<n2>\d+) )(?P<op>DATA|ACK|ERROR|OACK)\b(?P<rest>.*)"
)
_LENGTH = re.compile(r"(?:UDP|TFTP),? (?:bad length [^,]*)?length:? (\d+)")
_OLD_LENGTH = re.compile(r"^(?:\[[^\]]*\] *)?udp (\d+)$")
_HEX = re.compile(r"^\s*0x[0-9a-f]{3,5}:\s+((?:[0-9a-f]{2,4}\s?){1,8})(?:\s|$)")
_BARE_HEX = re.compile(r"^[0-9a-fA-F]{4,8}\s{1,3}((?:[0-9a-fA-F]{2}\s){1,16})")
_OUT = re.compile(r"\sOut\s+IP\b")
_EPOCH = re.compile(r"^\s*(\d{9,11}\.\d{1,9})\s")
# A request that ends before its file, its mode, or within an option.
_BROKEN = re.compile(
    r'\b(?:RRQ|WRQ)\s*(?:"[^"]*"\s*)?$'
    r'|\b(?:RRQ|WRQ) "[^"]*" (?:octet|netascii)(?: \S+ \S+)* (?:tsize|blksize|timeout|windowsize)$'
)
_REST = 200  # characters of what such a line may go on with
_MOST_HEX = 4096
_MODES = ("octet", "netascii", "mail")
# What tcpdump calls the ICMP codes of type 3.
_UNREACHABLE = (
    (re.compile(r"udp port (\S+) unreachable"), 3),
    (re.compile(r"unreachable - need to frag"), 4),
    (re.compile(r"host \S+ unreachable - admin prohibited"), 10),
    (re.compile(r"net \S+ unreachable - admin prohibited"), 9),
    (re.compile(r"unreachable - admin prohibited filter"), 13),
    (re.compile(r"net \S+ unreachable"), 0),
    (re.compile(r"protocol \S+ .*unreachable"), 2),
    (re.compile(r"host \S+ unreachable"), 1),
)
_ABOUT = re.compile(r"(?:ICMP:? )?(?:host |net )?((?:\d{1,3}\.){3}\d{1,3}|[\w.-]+) ")


class Tcpdump:
    """A reader: `line` for each line, `end` at the end; both return Observations."""

    kind = "tcpdump"

    def __init__(self):
        self._transfers = Transfers()
        self._head = None  # the time and the header that the next line belongs to
        self._open = None  # the packet whose further lines are awaited
        self._broken = None  # a line that a mail client has wrapped: the next one is its rest
        self._dhcp = None
        self._hex = b""
        self._last_mac = None
        self.sent_here = set()  # with -i any, newer versions say which way a packet went
        self._last_port = {}  # client and server: the port of its last request

    def takes(self, text):
        """True when a line is this reader's."""
        if self._broken is not None:
            return True
        if self._open is not None and text[:1] in " \t" and text.strip():
            return True
        if " > " in text:
            return bool(_FLOW.search(text) or _ICMP.search(text))
        return bool(_HEADER.search(text))

    def line(self, text):
        if self._broken is not None:
            broken, self._broken = self._broken, None
            whole = _FLOW.search(text) or _ICMP.search(text) or _HEADER.search(text)
            if whole or len(text) > _REST:
                return self._line(broken) + self._line(text)
            return self._line(f"{broken} {text.strip()}")
        if _BROKEN.search(text) and _FLOW.search(text):
            self._broken = text
            return []
        return self._line(text)

    def _line(self, text):
        found = []
        if self._open is not None and _HEX.match(text):
            if len(self._hex) < _MOST_HEX:
                digits = re.sub(r"\s", "", _HEX.match(text)[1])
                self._hex += bytes.fromhex(digits[: len(digits) & ~1])
            return found
        icmp = _ICMP.search(text) if ": ICMP" in text else None
        flow = None if icmp else _FLOW.search(text)
        if self._dhcp is not None and not flow and not _HEADER.search(text):
            self._dhcp.line(text)
            return found
        if _HEADER.search(text) and not flow and not icmp:
            found += self.end()
            self._head = text
            return found
        if not flow and not icmp:
            return found
        if self._open is not None and self._open.get("icmp") and text[:1] in "\t ":
            # What an ICMP error quotes stands below it.
            self._quoted(text, flow)
            return found
        found += self.end()
        head = self._head if self._head and text[:1] in "\t " else text
        self._head = None
        made = self._packet(head, flow) if flow else self._icmp(head, icmp)
        if made is None:
            return found
        if _OUT.search(head[:60]):
            self.sent_here.add(made.src)
        link = _LINK.search(head)
        if link:
            made.facts["src_mac"], made.facts["dst_mac"] = mac(link[1].zfill(17)), mac(link[2])
        verbose = _VERBOSE.search(head)
        if verbose:
            made.facts["ttl"], made.facts["ip_id"] = int(verbose[1]), int(verbose[2])
        self._open = made
        return found

    def end(self):
        """The observations that no further line can change."""
        if self._broken is not None:
            broken, self._broken = self._broken, None
            return self._line(broken) + self.end()
        made, self._open = self._open, None
        dhcp, self._dhcp = self._dhcp, None
        raw, self._hex = self._hex, b""
        if made is None:
            return []
        if raw:
            _from_bytes(made, raw)
        elif dhcp is not None:
            made.facts["payload"] = dhcp.payload()
        return [made]

    # --- one packet

    def _packet(self, head, flow):
        sport, dport = port(flow["sport"]), port(flow["dport"])
        if sport is None or dport is None:
            return None
        rest = flow["rest"].strip()
        made = Observation(PACKET, _time(head), flow["src"], sport, flow["dst"], dport)
        if "BOOTP/DHCP" in rest or (rest.startswith("bootp") and 67 in (sport, dport)):
            self._dhcp = DhcpLines(rest)
            if self._dhcp.request:
                self._last_mac = self._dhcp.fields.get("mac")
            elif self._last_mac:
                # Without -v an answer does not say whose it is: the last who asked.
                self._dhcp.fields.setdefault("mac", self._last_mac)
            made.facts["payload"] = self._dhcp.payload()
            return made
        request = _REQUEST.search(rest)
        if request:
            return self._request(made, request)
        known = _TFTP.search(rest)
        if known:
            return self._tftp(made, known)
        length = _LENGTH.search(rest) or _OLD_LENGTH.search(rest)
        if not length:
            return None
        size = int(length[1][:6])
        if dport == 69:
            payload = b"\0\1"  # an old tcpdump, or -q: its words are not there
            self._transfers.asked(made.src, sport, payload, None)
            self._last_port[made.src, made.dst] = sport
        else:
            payload = self._transfers.payload(made.src, sport, made.dst, dport, size)
        if payload is None:
            return None
        made.facts["payload"] = payload
        made.facts["size"] = max(size, len(payload))
        made.facts["guessed"] = True
        return made

    def _request(self, made, request):
        words = request["rest"].split()
        mode = words[0] if words and words[0].lower() in _MODES else None
        pairs = _pairs(words[1:] if mode else words)
        opcode = 1 if request["op"] == "RRQ" else 2
        payload = observation.rrq(request["file"], mode or "octet", pairs, opcode)
        made.facts["payload"] = payload
        # tcpdump's text of a packet is complete unless it says otherwise; a length may be
        # mistyped.
        made.facts["size"] = len(payload) + ("[|tftp]" in request["rest"] or mode is None)
        self._transfers.asked(made.src, made.sport, payload, pairs)
        self._last_port[made.src, made.dst] = made.sport
        return made

    def _tftp(self, made, known):
        words = known["rest"].split()
        numbers = [int(word[:6]) for word in words if word.isascii() and word.isdigit()]
        kind = known["op"]
        if kind == "ERROR":
            text = re.search(r'"(.*)"', known["rest"])
            name = " ".join(words[:2]).upper()
            code = numbers[0] if numbers else _ERROR_NAMES.get(name.split()[0] if name else "", 0)
            payload = observation.error(code, text[1] if text else "")
        elif kind == "OACK":
            payload = observation.oack(_pairs(words))
        elif kind == "ACK":
            payload = observation.ack(numbers[0] if numbers else 0)
        else:
            payload = observation.data(numbers[0] if numbers else 0)
        size = int((known["n1"] or known["n2"] or "0")[:6])
        made.facts["payload"] = payload
        made.facts["size"] = max(size, len(payload))
        self._transfers.heard(made.src, made.sport, made.dst, made.dport, payload)
        return made

    def _icmp(self, head, found):
        rest = found["rest"]
        code = next((number for known, number in _UNREACHABLE if known.search(rest)), None)
        if code is None:
            return None
        about = _ABOUT.match(rest)
        server = about[1] if about and is_ipv4(about[1]) else found["src"]
        client = found["dst"]
        udp = re.search(r"udp port (\S+) unreachable", rest)
        dport = port(udp[1].rstrip(",")) if udp else 69
        sport = self._last_port.get((client, server), 0)
        made = Observation(PACKET, _time(head), found["src"], 0, client, 0)
        made.facts["icmp"] = (3, code, client, sport, server, dport or 0)
        return made

    def _quoted(self, text, flow):
        if not flow:
            return
        kind, code = self._open.facts["icmp"][:2]
        sport, dport = port(flow["sport"]), port(flow["dport"])
        if sport is not None and dport is not None:
            self._open.facts["icmp"] = (kind, code, flow["src"], sport, flow["dst"], dport)


_ERROR_NAMES = {
    "EUNDEF": 0,
    "ENOTFOUND": 1,
    "EACCESS": 2,
    "ENOSPACE": 3,
    "EBADOP": 4,
    "EBADID": 5,
    "EEXISTS": 6,
    "ENOUSER": 7,
}


def _pairs(words):
    # [[name, value]] of `tsize 0 blksize 1456`, or `tsize=0`; what is left over is dropped.
    flat = []
    for word in words:
        name, equals, text = word.partition("=")
        flat += [name, text] if equals else [word]
    return [list(pair) for pair in zip(flat[::2], flat[1::2], strict=False)]


def _time(text):
    epoch = _EPOCH.match(text)
    if epoch:
        return float(epoch[1])
    # The addresses of -e look like times: the time is before them.
    return clock(text[:40].split(" IP", 1)[0]) if ":" in text[:40] else None


def _from_bytes(made, raw):
    # The bytes of a packet instead of its words.
    for linktype in (packets.RAW[0], packets.ETHERNET):
        try:
            packet = packets.packet_of(linktype, raw, lambda what: None)
        except (struct.error, IndexError, ValueError):
            continue
        if packet is None:
            continue
        made.src, made.dst = packet.src, packet.dst
        if packet.icmp:
            kind, code, quoted = packet.icmp
            there = (quoted.src, quoted.sport, quoted.dst, quoted.dport)
            made.facts["icmp"] = (kind, code, *there)
            return
        made.sport, made.dport = packet.sport, packet.dport
        made.facts.update(
            payload=packet.payload, size=packet.size, ttl=packet.ttl, ip_id=packet.ip_id
        )
        return
