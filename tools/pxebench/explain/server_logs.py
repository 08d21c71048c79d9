"""What TFTP servers log: in.tftpd (tftp-hpa), atftpd, dnsmasq, tftpd32/tftpd64, Windows WDS.

    in.tftpd[4242]: RRQ from 10.55.32.175 filename undionly.kpxe
    atftpd[9.17]: Serving undionly.kpxe to 10.55.32.175:2070
    dnsmasq-tftp[7]: failed sending /srv/undionly.kpxe to 10.55.32.175
    Connection received from 10.55.32.175 on port 2070 [30/11 18:00:01.120]      (tftpd64)

1. A request in a log has arrived.  Its options are not known, except from tftpd64's OACK.
2. A line names the client; the server is the machine that logs, its address is not in the line:
   `SERVER`.
"""

import re

from pxebench.explain import observation
from pxebench.explain.names import IPV4, clock, is_ipv4
from pxebench.explain.observation import (
    ASKED,
    FAILED,
    HEARD,
    PACKET,
    REFUSED,
    SENT,
    Observation,
)

SERVER = "SERVER"  # in place of its address, where that is not known
_IP = rf"(?:::ffff:)?({IPV4})"
# pattern, what it is, and the names of its groups
_LINES = (
    (rf"\bRRQ from {_IP} filename (.+?)(?: remapped to (.+))?$", ASKED, ("ip", "file", "became")),
    (rf"\bWRQ from {_IP} filename (.+?)$", "wrote", ("ip", "file")),
    (rf"\bsending NAK \((\d+), (.*?)\) to {_IP}", REFUSED, ("code", "text", "ip")),
    (rf"\bClient {_IP} finished (.+?)$", SENT, ("ip", "file")),
    (rf"\bClient {_IP} (?:timed out|aborted)\b(.*)$", FAILED, ("ip", "text")),
    (rf"\bServing (.+?) to {_IP}:(\d+)", ASKED, ("file", "ip", "port")),
    (rf"\bdnsmasq-tftp\S* sent (.+?) to {_IP}", SENT, ("file", "ip")),
    (rf"\bdnsmasq-tftp\S* failed sending (.+?) to {_IP}", FAILED, ("file", "ip")),
    (rf"\bdnsmasq-tftp\S* error (\d+) (.*?) received from {_IP}", HEARD, ("code", "text", "ip")),
    (rf"\bdnsmasq-tftp\S* file (.+?) not found for {_IP}", REFUSED, ("file", "ip")),
    (rf"\bdnsmasq-tftp\S* cannot (?:read|access) (.+?):? .*?{_IP}", REFUSED, ("file", "ip")),
    (r"\bdnsmasq-tftp\S* (?:file )?(.+?) not found", REFUSED, ("file",)),
    # Red Hat's tftp-server.
    (r"\bin\.tftpd\S* Error code (\d+): (.*)$", HEARD, ("code", "text")),
    (r"\bdnsmasq-tftp\S* cannot (?:read|access) (.+?): (.*)$", REFUSED, ("file", "text")),
    # dnsmasq's other languages that have these lines: German, French, Polish. A dot is a letter
    # that a log may hold in Latin-1.
    (rf"\bdnsmasq-tftp\S* envoy. (.+?) . {_IP}", SENT, ("file", "ip")),
    (rf"\bdnsmasq-tftp\S* konnte (.+?) nicht an {_IP} senden", FAILED, ("file", "ip")),
    (rf"\bdnsmasq-tftp\S* impossible d'envoyer (.+?) . {_IP}", FAILED, ("file", "ip")),
    (rf"\bdnsmasq-tftp\S* b..d wysy.ania pliku (.+?) do komputera {_IP}", FAILED, ("file", "ip")),
    (rf"\bdnsmasq-tftp\S* (?:plik )?(.+?) (?:an|przes.+?ano do) {_IP}", SENT, ("file", "ip")),
    (rf"\bdnsmasq-tftp\S* Fehler (\d+) (.*?) von {_IP}", HEARD, ("code", "text", "ip")),
    (rf"\bdnsmasq-tftp\S* erreur (\d+) (.*?) re.u de {_IP}", HEARD, ("code", "text", "ip")),
    (rf"\bdnsmasq-tftp\S* b..d (\d+) (.*?) odebrano od {_IP}", HEARD, ("code", "text", "ip")),
    (rf"\bdnsmasq-tftp\S* fichier (.+?) non trouv. pour {_IP}", REFUSED, ("file", "ip")),
    (rf"\bdnsmasq-tftp\S* plik (.+?) nie zosta. znaleziony dla {_IP}", REFUSED, ("file", "ip")),
    (
        rf"\bdnsmasq-tftp\S* Datei (.+?) nicht gefunden(?: f\w{{1,2}}r {_IP})?",
        REFUSED,
        ("file", "ip"),
    ),
    (r"\bdnsmasq-tftp\S* [Kk]ann (?:auf )?(.+?) nicht \w+: (.*)$", REFUSED, ("file", "text")),
    (r"\bdnsmasq-tftp\S* Ne peut pas lire (.+?) : (.*)$", REFUSED, ("file", "text")),
    (r"\bdnsmasq-tftp\S* brak dost.pu do (.+?): (.*)$", REFUSED, ("file", "text")),
    (r"\bdnsmasq-tftp\S* b..d odczytu z pliku (.+?): (.*)$", REFUSED, ("file", "text")),
    (r"\bin\.tftpd\S* tftpd?: (?:read\(ack\)|read|write|oack): (.*)$", "trouble", ("text",)),
    (r"\bin\.tftpd\S* (?:oack|nak|tftpd): (.*)$", "trouble", ("text",)),
    (r"\bin\.tftpd\S* tftp: client does not accept options", HEARD, ()),
)
_KNOWN = [(re.compile(pattern), what, names) for pattern, what, names in _LINES]
_WORTH = re.compile(
    r"tftp|Serving |RRQ from|WRQ from|sending NAK|finished|timed out|TFTP|Client ", re.IGNORECASE
)
_DAEMON = re.compile(r"\b(in\.tftpd|atftpd|dnsmasq-tftp)\b")
_TFTPD64 = re.compile(
    rf"Connection received from (?P<ip>{IPV4}) on port (?P<port>\d{{1,5}})"
    r"|Read request for file <(?P<file>.*?)>\. Mode (?P<mode>\w+)"
    r"|OACK: <(?P<oack>.*?)>"
    r"|Using local port (?P<tid>\d{1,5})"
    r"|Peer returns ERROR <(?P<error>.*?)>"
    r"|<(?P<sent>.*?)>\s*: sent (?P<blocks>\d+) blks?, (?P<bytes>\d+) bytes"
    r"|(?P<timeout>TIMEOUT waiting for Ack block #?(?P<block>\d+))"
    r"|File <(?P<missing>.*?)>\s*: error (?P<code>\d+) in system call (?P<text>.*)"
)
_WDS = re.compile(r"client (started|completed|failed) TFTP download", re.IGNORECASE)
_WDS_FIELD = re.compile(
    r"(Client IP|Filename|ErrorCode|Error Code|Client Port|Server Port|File Size)\s*:\s*(.*?)"
    r"(?=\s*(?:,|;|\bClient IP\b|\bFilename\b|\bErrorCode\b|\bFile Size\b|\bClient Port\b|\bServer"
    r" Port\b|\bVariable)|\s*$)"
)


class ServerLogs:
    """A reader of the logs that have one event a line."""

    kind = "server-log"

    def __init__(self):
        self.daemons = set()

    def takes(self, text):
        """True when a line is this reader's."""
        return bool(_WORTH.search(text)) and any(known.search(text) for known, _, _ in _KNOWN)

    def line(self, text):
        found, what, names = next(
            (
                (match, what, names)
                for known, what, names in _KNOWN
                if (match := known.search(text))
            ),
            (None, None, ()),
        )
        if found is None:
            return []
        daemon = _DAEMON.search(text)
        if daemon:
            self.daemons.add(daemon[1])
        facts = dict(zip(names, found.groups(), strict=True))
        ip = facts.pop("ip", None)
        if ip is not None and not is_ipv4(ip):
            return []
        sport = int(facts.pop("port", "0")[:6])
        facts["daemon"] = daemon[1] if daemon else None
        if facts.get("code") is not None:
            facts["code"] = int(facts["code"][:6])
        return [Observation(what, clock(text[:60]), ip, sport, SERVER, 69, **facts)]

    def end(self):
        return []


class Tftpd64:
    """A reader of tftpd32's and tftpd64's log: several lines for each transfer."""

    kind = "tftpd64"

    def __init__(self):
        self._ip = self._port = self._tid = None
        self._asked = None

    def takes(self, text):
        """True when a line is this reader's."""
        return bool(_TFTPD64.search(text)) and "dnsmasq" not in text

    def line(self, text):
        found = _TFTPD64.search(text)
        if not found:
            return []
        at = clock(text[found.end() :]) or clock(text)
        if found["ip"]:
            told = self.end()
            self._ip, self._port, self._tid = found["ip"], int(found["port"]), None
            return told
        if self._ip is None:
            return []
        if found["file"] is not None:
            told = self.end()
            made = Observation(PACKET, at, self._ip, self._port, SERVER, 69)
            made.facts.update(file=found["file"], mode=found["mode"], options=None)
            self._asked = made
            return told
        if found["oack"] is not None:
            pairs = [part.split("=", 1) for part in found["oack"].split(",") if "=" in part]
            if self._asked is not None:
                # It grants what was asked for, and nothing else.
                self._asked.facts["options"] = [
                    [name, "0" if name.lower() == "tsize" else text] for name, text in pairs
                ]
            answer = self._packet(at, True, observation.oack(pairs))
            return [*self.end(), answer]
        if found["tid"]:
            self._tid = int(found["tid"])
            return []
        if found["error"] is not None:
            return [*self.end(), self._packet(at, False, observation.error(0, found["error"]))]
        if found["timeout"]:
            made = Observation(FAILED, at, self._ip, self._port, SERVER, 69)
            made.facts.update(block=int(found["block"][:6]), text=found["timeout"])
            return [*self.end(), made]
        if found["sent"] is not None:
            made = Observation(SENT, at, self._ip, self._port, SERVER, 69)
            made.facts.update(file=found["sent"], bytes=int(found["bytes"][:12]))
            return [*self.end(), made]
        made = Observation(REFUSED, at, self._ip, self._port, SERVER, 69)
        made.facts.update(file=found["missing"], text=found["text"])
        return [*self.end(), made]

    def _packet(self, at, back, payload):
        ends = [(SERVER, self._tid or 0), (self._ip, self._port)]
        (src, sport), (dst, dport) = ends if back else ends[::-1]
        return Observation(PACKET, at, src, sport, dst, dport, payload=payload)

    def end(self):
        """The request, once it is known whether options came with it."""
        made, self._asked = self._asked, None
        if made is None:
            return []
        options = made.facts.pop("options")
        payload = observation.rrq(made.get("file"), made.get("mode") or "octet", options or [])
        # Without an OACK nothing says whether there were options: the request is a cut one.
        made.facts.update(payload=payload, size=len(payload) + (options is None))
        return [made]


class Wds:
    """A reader of the events that Windows Deployment Services logs of its TFTP server."""

    kind = "wds"

    def __init__(self):
        self._what = None
        self._fields = {}
        self._time = None
        self._lines = 0
        self._begun = set()  # (client, port) whose request is told

    def takes(self, text):
        """True when a line is this reader's."""
        return bool(_WDS.search(text)) or (
            self._what is not None and bool(_WDS_FIELD.search(text))
        )

    def line(self, text):
        told = []
        begins = _WDS.search(text)
        if begins:
            told = self.end()
            self._what = begins[1].lower()
            self._time = clock(text)
        self._lines += 1
        for name, content in _WDS_FIELD.findall(text[begins.end() if begins else 0 :]):
            self._fields[name.replace(" ", "").lower()] = content.strip().rstrip(".")
        return told

    def end(self):
        what, fields = self._what, self._fields
        self._what, self._fields = None, {}
        ip = fields.get("clientip", "")
        if what is None or not is_ipv4(ip):
            return []
        port = fields.get("clientport", "0")
        kind = {"started": ASKED, "completed": SENT, "failed": FAILED}[what]
        made = Observation(
            kind, self._time, ip, int(port[:6]) if port.isdigit() else 0, SERVER, 69
        )
        made.facts.update(file=fields.get("filename"), text=fields.get("errorcode"), daemon="wds")
        ends = ip, made.sport
        told = [made]
        if kind != ASKED and made.sport and ends not in self._begun:
            # The end names the port of a request whose own event is not in this.
            asked = Observation(ASKED, None, *ends, SERVER, 69)
            asked.facts.update(file=fields.get("filename"), daemon="wds")
            told = [asked, made]
        self._begun.add(ends)
        return told
