"""What tshark and Wireshark print: the list of packets, and the details of each (-V, "Export as
Plain Text").

    10  15.569308  10.77.0.108 -> 10.77.0.1  TFTP 96 Read Request, File: x, tsize=0
    Trivial File Transfer Protocol

1. The list has no ports for TFTP: each request that differs, or that follows an answer, gets a
   negative number instead, which is not compared with any rule.
2. Where a packet has details, its row of the list is not used.
"""

import re

from pxebench.explain import observation
from pxebench.explain.dhcp_text import DhcpLines
from pxebench.explain.names import IPV4, clock, mac, port
from pxebench.explain.observation import DHCP, PACKET, Observation

_ROW = re.compile(
    r"^\s*(?P<number>\d{1,9})\s+(?P<time>(?:\d{4}-\d\d-\d\d )?[\d:.,]{3,24})\s+"
    rf"(?P<src>{IPV4})\s+(?:\S{{1,3}}\s+)?(?P<dst>{IPV4})\s+"
    r"(?P<protocol>[A-Za-z0-9_./-]{2,16})\s+(?:(?P<size>\d{1,6})\s+)?(?P<info>.*)$"
)
_ROW_PORTS = re.compile(
    r"(?:Source port: |^)([\w-]+)(?: \(\d+\))?\s*(?:→|->|>|Destination"
    r" port:)\s*([\w-]+).*?(?:Len=(\d+))?"
)
_FRAME = re.compile(r"^Frame (\d{1,9})(?::|\s*\()")
_FIELD = re.compile(r"^\s{2,}(?:\[?)([A-Z][\w ()/'-]{1,48}):\s?(.*)$")
_IP = re.compile(rf"^\s*Internet Protocol(?: Version 4)?, Src: ({IPV4}).*?Dst: ({IPV4})")
_UDP = re.compile(
    r"^\s*User Datagram Protocol, Src Port: (?:[\w-]+ \()?([\w-]+)\)?, Dst Port: (?:[\w-]+"
    r" \()?([\w-]+)\)?"
)
_OPCODES = {
    "read request": 1,
    "write request": 2,
    "data packet": 3,
    "acknowledgement": 4,
    "error code": 5,
    "option acknowledgement": 6,
}
_ERRORS = {
    "not defined": 0,
    "file not found": 1,
    "access violation": 2,
    "disk full or allocation exceeded": 3,
    "illegal tftp operation": 4,
    "unknown transfer id": 5,
    "file already exists": 6,
    "no such user": 7,
    "option negotiation failed": 8,
}
_UNREACHABLE = {
    "network": 0,
    "host": 1,
    "protocol": 2,
    "port": 3,
    "fragmentation": 4,
    "communication": 13,
    "network administratively": 9,
    "host administratively": 10,
}
_DHCP_OPTION = re.compile(r"^\s+Option: \((\d{1,3})\) ?(.*)$")
_DHCP_TYPE = re.compile(r"\((Discover|Offer|Request|Decline|ACK|NAK|Release|Inform)\)")
_MAC = re.compile(r"(?<![0-9a-fA-F:])(?:[0-9a-fA-F]{2}[:-]){5}[0-9a-fA-F]{2}(?![0-9a-fA-F:])")
_LINK = 42  # bytes of Ethernet, IPv4 and UDP in a row's length


class Wireshark:
    """A reader: `line` for each line, `end` at the end; both return Observations."""

    kind = "wireshark"

    def __init__(self):
        self._open = None  # a packet of which details are being read
        self._fields = {}
        self._options = []
        self._dhcp = None
        self._icmp = None
        self._blocks = {}
        self._row_time = None
        self._asked = {}  # client: [number in the place of its port, its last request, answered]

    def takes(self, text):
        """True when a line is this reader's."""
        if self._open is not None:
            return True
        return bool(_FRAME.match(text) or _ROW.match(text))

    def line(self, text):
        text = text.replace("\\000", "")
        frame = _FRAME.match(text)
        if frame:
            found = self.end()
            self._open = Observation(PACKET, self._row_time)
            self._fields, self._options, self._dhcp, self._icmp = {}, [], None, None
            return found
        row = _ROW.match(text)
        if row:
            found = self.end()
            made = self._row(row)
            self._row_time = _time(row["time"])
            return found + ([made] if made else [])
        if self._open is not None:
            self._detail(text)
        return []

    def end(self):
        """What is known to be whole now."""
        made, self._open = self._open, None
        if made is None or made.src is None:
            return []
        if self._dhcp is not None:
            made.facts["payload"] = self._dhcp.payload()
        elif self._icmp is not None:
            kind, code, src, sport, dst, dport = self._icmp
            if kind is None or dst is None:
                return []
            made.facts["icmp"] = (kind, code, src, sport, dst, dport)
        else:
            payload = self._payload()
            if payload is None:
                return []
            made.facts["payload"] = payload
            made.facts["size"] = max(self._fields.get("udp", 8) - 8, len(payload))
        return [made]

    # --- a row of the list

    def _row(self, row):
        info, protocol = row["info"].strip(), row["protocol"].upper()
        made = Observation(PACKET, _time(row["time"]), row["src"], 0, row["dst"], 0)
        size = int(row["size"]) - _LINK if row["size"] else None
        if protocol in ("DHCP", "BOOTP"):
            found = re.match(r"DHCP (\w+)\s*- Transaction ID (0x[0-9a-f]+)", info)
            if not found:
                return None
            made.what = DHCP
            made.facts.update(kind=found[1].upper(), xid=found[2])
            return made
        if protocol == "ICMP":
            found = re.match(r"Destination unreachable \((\w+(?: administratively)?)", info)
            if not found:
                return None
            code = _UNREACHABLE.get(found[1].lower(), 1)
            number = self._asked.get(row["dst"], (0,))[0]
            made.facts["icmp"] = (3, code, row["dst"], number, row["src"], 69)
            return made
        if protocol == "UDP":
            ports = _ROW_PORTS.search(info)
            if not ports or ports[3] is None:
                return None
            made.sport, made.dport = port(ports[1]), port(ports[2])
            if made.sport is None or made.dport is None:
                return None
            made.facts.update(payload=b"\0\1" if made.dport == 69 else b"", size=int(ports[3][:6]))
            return made
        if protocol != "TFTP":
            return None
        kind, _, rest = info.partition(",")
        opcode = _OPCODES.get(kind.strip().lower())
        if opcode is None:
            return None
        fields = {"opcode": opcode}
        options = []
        # A file's name may have a comma: split only before a known word and its colon.
        for part in re.split(
            r", (?=File: |Transfer type: |Block: |Code: |Message: |[a-z0-9]+=)", rest.strip()
        ):
            name, colon, text = part.partition(": ")
            if colon and name in ("File", "Transfer type", "Block", "Code", "Message"):
                fields[name] = text
            elif "=" in part:
                options.append(list(part.partition("=")[::2]))
        payload = _tftp(fields, options, "File", "Transfer type", "Block", "Code", "Message")
        self._numbered(made, opcode, payload)
        made.facts["payload"] = payload
        made.facts["size"] = max(size, len(payload)) if size and opcode == 3 else len(payload)
        return made

    def _numbered(self, made, opcode, payload):
        # A stand-in for the port that the list does not show.
        if opcode in (1, 2):
            number, last, answered = self._asked.get(made.src, (0, None, False))
            if last != payload or answered:
                number -= 1
            self._asked[made.src] = [number, payload, False]
            made.sport, made.dport = number, 69
        elif made.dst in self._asked:
            self._asked[made.dst][2] = True
            made.sport = made.dport = self._asked[made.dst][0]
        elif made.src in self._asked:
            made.sport = made.dport = self._asked[made.src][0]

    # --- details

    def _detail(self, text):
        ip = _IP.match(text)
        if ip:
            if self._open.src is None:
                self._open.src, self._open.dst = ip[1], ip[2]
            elif self._icmp is not None:
                self._icmp[2], self._icmp[4] = ip[1], ip[2]
            return
        udp = _UDP.match(text)
        if udp:
            ports = port(udp[1]) or 0, port(udp[2]) or 0
            if self._icmp is not None:
                self._icmp[3], self._icmp[5] = ports
            else:
                self._open.sport, self._open.dport = ports
            return
        if re.match(r"^\s*(?:Dynamic Host Configuration|Bootstrap) Protocol", text):
            self._dhcp = DhcpLines("Reply" if "ACK" in text or "Offer" in text else "Request")
            return
        if re.match(r"^\s*Internet Control Message Protocol", text) and self._icmp is None:
            self._icmp = [None, 0, None, 0, None, 0]
            return
        if text.startswith("Trivial File Transfer Protocol"):
            self._fields = {"udp": self._fields.get("udp", 8)}  # until here, "Type" is Ethernet's
            return
        if self._dhcp is not None and self._dhcp_detail(text):
            return
        field = _FIELD.match(text)
        if field:
            self._field(field[1], field[2].strip())

    def _field(self, name, text):
        fields, made = self._fields, self._open
        if name == "Epoch Time" or name == "UTC Arrival Time":
            found = re.match(r"(\d{9,11}\.\d{1,9})", text)
            made.time = float(found[1]) if found else made.time
        elif name == "Arrival Time" and made.time is None:
            made.time = clock(text)
        elif name in ("Time to Live", "Time to live") and "ttl" not in made.facts:
            made.facts["ttl"] = _number(text)
        elif name == "Identification" and "ip_id" not in made.facts:
            found = re.search(r"\((\d{1,5})\)|^0x([0-9a-f]{4})", text)
            made.facts["ip_id"] = int(found[1]) if found and found[1] else None
        elif name in ("Source", "Destination") and _mac(text):
            made.facts["src_mac" if name == "Source" else "dst_mac"] = mac(_mac(text))
        elif self._icmp is not None:
            if name == "Type" and self._icmp[0] is None:
                self._icmp[0] = _number(text)
            elif name == "Code" and self._icmp[2] is None:
                self._icmp[1] = _number(text)
        elif name == "Length" and "udp" not in fields and made.sport is not None:
            fields["udp"] = _number(text)
        elif name == "Opcode":
            fields["opcode"] = _OPCODES.get(re.sub(r" \(\d+\)$", "", text).lower(), 0)
        elif name == "Option" and fields.get("opcode"):
            pair = text.split(" = ", 1)
            self._options.append(pair if len(pair) == 2 else [pair[0], ""])
        else:
            fields.setdefault(name, text)

    def _payload(self):
        if not self._fields.get("opcode"):
            return None
        names = ("Source File", "Type", "Block", "Error code", "Error message")
        return _tftp(self._fields, self._options, *names)

    def _dhcp_detail(self, text):
        dhcp = self._dhcp
        option = _DHCP_OPTION.match(text)
        if option:
            known = _DHCP_TYPE.search(option[2])
            # Where the details are collapsed, no line has a length.
            size = 1 if option[1] == "53" else 0
            dhcp.options.append([int(option[1]), size, known[1] if known else option[2]])
            dhcp.request = dhcp.request if not known else known[1] not in ("Offer", "ACK", "NAK")
            return True
        field = _FIELD.match(text)
        if not field:
            return False
        name, content = field[1], field[2].strip()
        last = dhcp.options[-1] if dhcp.options else None
        if name == "Length" and last is not None:
            last[1] = min(255, _number(content) or 0)
            if last[0] == 53 and last[1] == 0:
                last[1] = 1
        elif last is not None and name == "Parameter Request List Item":
            last[2] += " " + content
        elif last is not None and name in (
            "Vendor class identifier",
            "Host Name",
            "TFTP Server Name",
            "Bootfile name",
            "User Class Length",
        ):
            last[2] = f'"{content}"'
        elif last is not None and name in ("Requested IP Address", "DHCP Server Identifier"):
            last[2] = content.split(" ")[0]
        elif last is not None and name in (
            "Maximum DHCP Message Size",
            "Client System Architecture",
        ):
            found = re.search(r"\((\d+)\)", content)
            last[2] = found[1] if found else content
        elif last is None:
            key = {
                "Transaction ID": "xid",
                "Seconds elapsed": "secs",
                "Client MAC address": "mac",
                "Client IP address": "ciaddr",
                "Next server IP address": "siaddr",
                "Boot file name": "file",
                "Server host name": "sname",
            }.get(name)
            if name.startswith("Your (client)"):
                key = "yiaddr"
            if name == "Bootp flags":
                dhcp.fields["flags"] = "Broadcast" if content.startswith("0x8") else "none"
            elif key == "xid":
                found = re.match(r"0x([0-9a-f]{1,8})", content)
                dhcp.fields["xid"] = found[1] if found else "0"
            elif key == "secs":
                dhcp.fields["secs"] = str(_number(content) or 0)
            elif key == "mac":
                dhcp.fields["mac"] = _mac(content)
            elif key and "not given" not in content:
                dhcp.fields[key] = content.split(" ")[0]
        return True


def _tftp(fields, options, file, mode, block, code, message):
    # The payload for these words.
    opcode = fields["opcode"]
    if opcode in (1, 2):
        return observation.rrq(fields.get(file, ""), fields.get(mode, "octet"), options, opcode)
    if opcode == 6:
        return observation.oack(options)
    number = _number(fields.get(block, "0").split(" ")[0]) or 0
    if opcode == 3:
        return observation.data(number)
    if opcode == 4:
        return observation.ack(number)
    text = fields.get(code, "")
    found = re.search(r"\((\d{1,5})\)", text)
    named = _ERRORS.get(text.lower().strip())
    return observation.error(int(found[1]) if found else named or 0, fields.get(message, ""))


def _mac(text):
    # A MAC before or after its name: `Sony_a2:02:e3 (3c:07:71:a2:02:e3)`.
    found = _MAC.search(text)
    return found[0] if found else ""


def _number(text):
    found = re.match(r"\s*(\d{1,6})", text)
    return int(found[1]) if found else None


def _time(text):
    if ":" in text:
        return clock(text)
    try:
        return float(text.replace(",", "."))
    except ValueError:
        return None
