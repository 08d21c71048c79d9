"""What DHCP servers log: dnsmasq, ISC dhcpd, Kea, tftpd64.

    dnsmasq-dhcp[7]: DHCPACK(eth0) 10.55.32.175 52:54:00:12:34:56
    dhcpd[7]: DHCPOFFER on 10.55.32.175 to 52:54:00:12:34:56 via eth0
    DHCP4_LEASE_ALLOC [hwtype=1 52:54:00:12:34:56], cid=[...], tid=0x...: lease 10.55.32.175 ...

1. Each line is an `Observation` of DHCP: `kind`, `mac`, `ip` where it stands there, and with
   dnsmasq's log-dhcp the vendor class, the user class, the boot file and the boot server.
"""

import re

from pxebench.explain.names import IPV4, clock, is_ipv4, mac
from pxebench.explain.observation import DHCP, Observation

_MAC = r"((?:[0-9a-fA-F]{1,2}[:-]){5}[0-9a-fA-F]{1,2})"
_DNSMASQ = re.compile(
    rf"\bDHCP(?P<kind>DISCOVER|OFFER|REQUEST|ACK|NAK|DECLINE|RELEASE|INFORM)"
    rf"\((?P<interface>[\w.:@-]{{1,32}})\)"
    rf"\s+(?:(?P<ip>{IPV4})\s+)?(?P<mac>{_MAC[1:-1]})(?P<rest>.*)$"
)
_PXE = re.compile(
    rf"\bPXE\([\w.:@-]{{1,32}}\)\s+(?:(?P<ip>{IPV4})\s+)?(?P<mac>{_MAC[1:-1]})\s*(?P<rest>.*)$"
)
_ISC = re.compile(
    rf"\bDHCP(?P<kind>DISCOVER|OFFER|REQUEST|ACK|NAK|DECLINE|RELEASE|INFORM)\s+"
    rf"(?:(?:on|for|of)\s+(?P<ip>{IPV4})(?:\s+\((?P<server>{IPV4})\))?\s+)?(?:from|to)\s+"
    rf"(?P<mac>{_MAC[1:-1]})(?P<rest>.*)$"
)
_KEA = re.compile(
    r"\b(?P<id>DHCP4_[A-Z0-9_]+)\s+\[hwtype=\d+"
    rf" (?P<mac>{_MAC[1:-1]})\].*?tid=(?P<xid>0x[0-9a-f]+)(?P<rest>.*)$"
)
_KEA_KIND = re.compile(r"\bDHCP(DISCOVER|OFFER|REQUEST|ACK|NAK|DECLINE|RELEASE|INFORM)\b")
_TFTPD64 = re.compile(
    rf"Rcvd DHCP (?P<kind>Discover|Rqst|Request|Inform)\w* Msg for IP (?P<ip>{IPV4}), Mac"
    rf" (?P<mac>{_MAC[1:-1]})",
    re.IGNORECASE,
)
_FACTS = (
    ("vendor", re.compile(r"dnsmasq-dhcp\S* \d+ \"?[Vv]endor class\"?: (.*)$")),
    ("user_class", re.compile(r"dnsmasq-dhcp\S* \d+ \"?[Uu]ser class\"?: (.*)$")),
    ("file", re.compile(r"dnsmasq-dhcp\S* \d+ bootfile name: (.*)$")),
    ("next_server", re.compile(rf"dnsmasq-dhcp\S* \d+ next server: ({IPV4})")),
    ("requested", re.compile(r"dnsmasq-dhcp\S* \d+ requested options: (.*)$")),
)
_WORTH = re.compile(r"DHCP|PXE\(", re.IGNORECASE)


class DhcpLogs:
    """A reader: `line` for each line, `end` at the end; both return Observations."""

    kind = "dhcp-log"

    def __init__(self):
        self._last = None  # what dnsmasq's further lines are about

    def takes(self, text):
        """True when a line is this reader's."""
        if not _WORTH.search(text):
            return False
        return any(
            pattern.search(text)
            for pattern in (_DNSMASQ, _PXE, _ISC, _KEA, _TFTPD64, *(known for _, known in _FACTS))
        )

    def line(self, text):
        at = clock(text[:60])
        for name, known in _FACTS:
            found = known.search(text)
            if found:
                return self._fact(name, found[1].strip())
        for pattern in (_DNSMASQ, _ISC, _TFTPD64):
            found = pattern.search(text)
            if found:
                return self._made(at, found, found["kind"].upper().replace("RQST", "REQUEST"))
        found = _PXE.search(text)
        if found:
            made = self._made(at, found, "PXE")
            word = found["rest"].strip()
            if word and word != "proxy":
                made[0].facts["file"] = word
            return made
        found = _KEA.search(text)
        return self._kea(at, found) if found else []

    def _made(self, at, found, kind):
        address = mac(found["mac"])
        ip = (
            found["ip"]
            if found["ip"] and is_ipv4(found["ip"]) and found["ip"] != "0.0.0.0"
            else None
        )
        made = Observation(DHCP, at, None, None, None, None, kind=kind, mac=address, ip=ip)
        rest = found.groupdict().get("rest") or ""
        trouble = re.search(
            r"no (?:address|free lease|address range)[\w ]*|network .*?: no .*|ignored|unknown .*",
            rest,
        )
        if trouble:
            made.facts["trouble"] = trouble[0]
        self._last = made
        return [made]

    def _fact(self, name, content):
        # log-dhcp prints the client's facts before and the answer's after the message itself:
        # a line of its own, which `clients` gives to the message around it.
        made = Observation(DHCP, None, None, None, None, None, kind=None)
        made.facts[name] = content
        if self._last is not None:
            made.facts["mac"] = self._last.get("mac")
        return [made]

    def _kea(self, at, found):
        rest, name = found["rest"], found["id"]
        kind = _KEA_KIND.search(rest)
        kind = (
            kind[1]
            if kind
            else {
                "DHCP4_LEASE_ADVERT": "OFFER",
                "DHCP4_LEASE_OFFER": "OFFER",
                "DHCP4_LEASE_ALLOC": "ACK",
            }.get(name)
        )
        if kind is None:
            return []
        ips = [ip for ip in re.findall(IPV4, rest) if is_ipv4(ip)]
        lease = re.search(rf"lease ({IPV4})", rest)
        made = Observation(DHCP, at, None, None, None, None, kind=kind, mac=mac(found["mac"]))
        made.facts.update(ip=lease[1] if lease and ips else None, xid=found["xid"])
        return [made]

    def end(self):
        return []
