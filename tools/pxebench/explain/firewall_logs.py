"""What firewalls log of a packet: netfilter (LOG, NFLOG), nft trace, Cisco ASA, pf, pfSense's
filterlog, Windows' pfirewall.log, FortiGate, Juniper SRX.

    IN=eth1 OUT=eth0 SRC=10.254.52.26 DST=10.55.32.175 LEN=42 ... PROTO=UDP SPT=50303 DPT=2070
    %ASA-4-106023: Deny udp src outside:10.254.52.26/50303 dst inside:10.55.32.175/2070 by ...
    rule 3/0(match): block in on em1: 10.254.52.26.50303 > 10.55.32.175.2070: UDP, length 14

1. netfilter does not log a packet's verdict; the rule's prefix may name it (DROP, REJECT, DENY,
   BLOCK). Otherwise all that is known is that the packet passed there.
"""

import re

from pxebench.explain.names import IPV4, clock, is_ipv4, port
from pxebench.explain.observation import DROPPED, PASSED, Observation

_NETFILTER = re.compile(
    rf"\bSRC=(?P<src>{IPV4}) DST=(?P<dst>{IPV4})"
    r" LEN=(?P<len>\d{1,5})\b.*?(?:TTL=(?P<ttl>\d+).*?)?"
    r"PROTO=(?P<proto>\w+)(?: SPT=(?P<sport>\d{1,5}) DPT=(?P<dport>\d{1,5}))?"
)
_BLOCKED = re.compile(r"drop|reject|den(?:y|ied)|block|discard|\bufw\b", re.IGNORECASE)
_REJECTED = re.compile(r"reject", re.IGNORECASE)
_ALLOWED = re.compile(r"accept|allow|permit|pass", re.IGNORECASE)
_TRACE = re.compile(r"^\s*trace id (?P<id>[0-9a-f]{1,8}) (?P<rest>.*)$")
_TRACE_PACKET = re.compile(
    rf"ip saddr (?P<src>{IPV4}).*?ip daddr (?P<dst>{IPV4})(?:.*?ip ttl (?P<ttl>\d+))?(?:.*?ip"
    r" length (?P<len>\d+))?.*?udp sport (?P<sport>[\w-]+) udp dport (?P<dport>[\w-]+)"
)
_TRACE_END = re.compile(
    r"\(verdict (?P<verdict>drop|accept|reject)\)|(?:policy|verdict) (?P<policy>drop|accept)"
)
_ASA = re.compile(
    rf"%(?:ASA|FTD|PIX)-\d-(?P<id>\d{{6}}): (?P<words>.*?)[ :](?P<src>{IPV4})/(?P<sport>\w+)"
    rf"(?: \([^)]*\))*.*?[ :](?P<dst>{IPV4})/(?P<dport>\w+)"
)
_PF = re.compile(
    rf"\b(?:rule )?\S*\(match\): (?P<words>block|pass)\b.*?: (?P<src>{IPV4})\.(?P<sport>[\w-]+) > "
    rf"(?P<dst>{IPV4})\.(?P<dport>[\w-]+): .*?(?:length (?P<udp>\d+))?"
)
_FILTERLOG = re.compile(
    rf"filterlog\S*\s+(?:[^,]*,){{6}}(?P<words>block|pass|reject),(?:in|out),4,[^,]*,[^,]*,"
    rf"(?P<ttl>\d+),"
    rf"(?:[^,]*,){{3}}17,udp,(?P<len>\d+),(?P<src>{IPV4}),(?P<dst>{IPV4}),"
    rf"(?P<sport>\d+),(?P<dport>\d+)"
)
_WINDOWS = re.compile(
    rf"^\d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d (?P<words>DROP|ALLOW) UDP (?P<src>{IPV4})"
    rf" (?P<dst>{IPV4}) "
    r"(?P<sport>\d+) (?P<dport>\d+) (?P<len>\d+)"
)
_FORTI = re.compile(
    rf"\bsrcip=(?P<src>{IPV4}) srcport=(?P<sport>\d+)\b.*?\bdstip=(?P<dst>{IPV4})"
    r" dstport=(?P<dport>\d+)\b.*?"
    r'\baction="?(?P<words>\w+)"?'
)
_SRX = re.compile(
    rf"RT_FLOW_SESSION_(?P<words>DENY|CREATE|CLOSE):? .*?(?P<src>{IPV4})/(?P<sport>\d+)->"
    rf"(?P<dst>{IPV4})/(?P<dport>\d+)"
)
# Its access lists' own message (106100): outside/10.254.52.26(50310) -> inside/...
_ASA_LIST = re.compile(
    rf"%(?:ASA|FTD|PIX)-\d-106100: (?P<words>.*?) udp \S*?/(?P<src>{IPV4})\((?P<sport>\w+)\)"
    rf"(?:\([^)]*\))* -> \S*?/(?P<dst>{IPV4})\((?P<dport>\w+)\)"
)
_OTHERS = (_ASA_LIST, _ASA, _PF, _FILTERLOG, _WINDOWS, _FORTI, _SRX)
_WORTH = re.compile(
    r"SRC=|trace id|%(?:ASA|FTD|PIX)-|\(match\)|filterlog|^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d"
    r" (?:DROP|ALLOW)|srcip=|RT_FLOW|\budp\s+17 .*\bsrc="
)
# conntrack -L and /proc/net/nf_conntrack: a flow that the firewall let through.
_CONNTRACK = re.compile(
    rf"\budp\s+17 .*?\bsrc=(?P<src>{IPV4}) dst=(?P<dst>{IPV4}) sport=(?P<sport>\d{{1,5}})"
    r" dport=(?P<dport>\d{1,5})"
)
_HEADERS = 28
_MOST_TRACES = 256


class FirewallLogs:
    """A reader: `line` for each line, `end` at the end; both return Observations."""

    kind = "firewall-log"

    def __init__(self):
        self._traces = {}

    def takes(self, text):
        """True when a line is this reader's."""
        return bool(_WORTH.search(text))

    def line(self, text):
        trace = _TRACE.match(text)
        if trace:
            return self._trace(trace["id"], trace["rest"])
        found = _NETFILTER.search(text)
        if found:
            if found["proto"] not in ("UDP", "17") or not found["sport"]:
                return []
            # Its own words, before the fields: the host's name may be anything.
            prefix = text[: text.find("SRC=")].rpartition("kernel:")[2].partition("IN=")[0]
            return _made(found, text, prefix)
        flow = _CONNTRACK.search(text)
        if flow:
            return _made(flow, "", "accept")
        for pattern in _OTHERS:
            found = pattern.search(text)
            if found:
                return _made(found, text, found["words"])
        return []

    def _trace(self, number, rest):
        packet = _TRACE_PACKET.search(rest)
        if packet and number not in self._traces:
            if len(self._traces) >= _MOST_TRACES:
                self._traces.pop(next(iter(self._traces)))
            self._traces[number] = packet
        end = _TRACE_END.search(rest)
        if end and number in self._traces:
            word = end["verdict"] or end["policy"]
            if word != "accept":
                return _made(self._traces.pop(number), "", word)
            # Another chain may still drop it: an accept counts at the end only.
        return []

    def end(self):
        left, self._traces = self._traces, {}
        return [made for packet in left.values() for made in _made(packet, "", "accept")]


def _made(found, text, words):
    fields = found.groupdict()
    sport, dport = port(fields["sport"] or ""), port(fields["dport"] or "")
    if sport is None or dport is None or not (is_ipv4(fields["src"]) and is_ipv4(fields["dst"])):
        return []
    blocked = _BLOCKED.search(words) and not (
        _ALLOWED.search(words) and not _REJECTED.search(words)
    )
    made = Observation(
        DROPPED if blocked else PASSED,
        clock(text[:60]),
        fields["src"],
        sport,
        fields["dst"],
        dport,
    )
    size = fields.get("udp") or fields.get("len")
    if size:
        made.facts["size"] = max(0, int(size) - (0 if fields.get("udp") else _HEADERS))
    if fields.get("ttl"):
        made.facts["ttl"] = int(fields["ttl"][:4])
    made.facts["said"] = words.strip()[:60]
    made.facts["rejected"] = bool(_REJECTED.search(words))
    made.facts["known"] = bool(blocked or _ALLOWED.search(words))
    return [made]
