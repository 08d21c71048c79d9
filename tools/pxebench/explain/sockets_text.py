"""What netstat, ss, sockstat and lsof print of UDP sockets, on Linux, the BSDs and Windows.

    udp   0   0 10.254.52.26:45140   10.55.32.175:2073   ESTABLISHED 4242/in.tftpd
    ESTAB 0 0 10.254.52.26:45140 10.55.32.175:2073 users:(("in.tftpd",pid=4242,fd=0))
    udp4  0   0 10.254.52.26.45140   10.55.32.175.2073
      UDP    10.254.52.26:69         *:*                                    4242

A server that makes a connected socket for each transfer (in.tftpd, atftpd, a client's own) shows
the client's port here, and nothing else: no time, no direction, no result. Headers are skipped in
any language: a line is recognised by its two addresses.
"""

import re

from pxebench.explain.names import is_ipv4, port
from pxebench.explain.observation import SOCKET, Observation

_ADDRESS = r"(?:\[?::ffff:)?(?:\d{1,3}\.){3}\d{1,3}\]?(?:%[\w.-]{1,16})?|\*|\[::\]|::|0\.0\.0\.0"
_NUMERIC = re.compile(
    rf"(?<!\S)(?P<local>{_ADDRESS})[:.](?P<lport>[\w*+-]{{1,40}})\s+"
    rf"(?P<remote>{_ADDRESS})[:.](?P<rport>[\w*+-]{{1,40}})(?!\S)(?P<rest>.*)$"
)
_NAMED = re.compile(
    r"^\s*(?P<head>udp\S*)\s+\d+\s+\d+\s+(?P<local>[\w.-]+|\*)[:.](?P<lport>[\w*+-]{1,40})\s+"
    r"(?P<remote>[\w.-]+|\*)[:.](?P<rport>[\w*+-]{1,40})(?!\S)(?P<rest>.*)$",
    re.IGNORECASE,
)
_LSOF = re.compile(
    r"^(?P<name>\S{1,40})\s+(?P<pid>\d{1,8})\s.*\bUDP\s+"
    rf"(?P<local>{_ADDRESS}):(?P<lport>[\w*+-]{{1,40}})"
    rf"(?:->(?P<remote>{_ADDRESS}):(?P<rport>[\w*+-]{{1,40}}))?\s*$"
)
_START = re.compile(r"^\s*(?:udp\w*|UDP|ESTAB|UNCONN|Netid|users?)?", re.IGNORECASE)
_LINUX = re.compile(r"(?:^|\s)(?P<pid>\d{1,8})/(?P<name>[^\s].{0,60}?)\s*$")
_SS = re.compile(r'users:\(\("(?P<name>[^"]{1,60})",(?:pid=)?(?P<pid>\d{1,8})')
_TCP = re.compile(r"^\s*tcp", re.IGNORECASE)
_WINDOWS_PROGRAM = re.compile(r"^\s*\[(?P<name>[\w. -]{1,60})\]\s*$")


class Sockets:
    """A reader: `line` for each line, `end` at the end; both return Observations."""

    kind = "sockets"

    def __init__(self):
        self._last = None  # netstat -b prints the program on the line below

    def takes(self, text):
        """True when a line is this reader's."""
        if _TCP.match(text):
            return False
        if self._last is not None and _WINDOWS_PROGRAM.match(text):
            return True
        if " UDP " in text and _LSOF.match(text):
            return True
        return " > " not in text and bool(_NUMERIC.search(text) or _NAMED.match(text))

    def line(self, text):
        program = _WINDOWS_PROGRAM.match(text)
        if program:
            if self._last is not None:
                self._last.facts["program"] = program["name"]
            return []
        lsof = _LSOF.match(text) if " UDP " in text else None
        if lsof:
            return self._lsof(lsof)
        found = _NUMERIC.search(text) or _NAMED.match(text)
        if not found:
            return []
        local, remote = _plain(found["local"]), _plain(found["remote"])
        lport, rport = port(found["lport"]), port(found["rport"])
        if lport is None and found["lport"] != "*":
            return []
        made = Observation(SOCKET, None, local, lport, remote, rport)
        rest = found["rest"].strip()
        linux, ss = _LINUX.search(rest), _SS.search(rest)
        who = ss or linux
        if who:
            made.facts["pid"] = int(who["pid"])
            made.facts["program"] = who["name"].strip().partition(":")[0].strip()
        elif re.fullmatch(r"(?:\S+\s+)?\d{1,8}", rest):  # Windows: the PID alone
            made.facts["pid"] = int(rest.split()[-1])
        made.facts["connected"] = remote is not None and rport is not None
        self._last = made
        return [made]

    def _lsof(self, found):
        lport, rport = port(found["lport"]), port(found["rport"] or "*")
        if lport is None:
            return []
        remote = _plain(found["remote"] or "*")
        made = Observation(SOCKET, None, _plain(found["local"]), lport, remote, rport)
        made.facts.update(pid=int(found["pid"]), program=found["name"])
        made.facts["connected"] = remote is not None and rport is not None
        return [made]

    def end(self):
        return []


def _plain(text):
    # An IPv4 address, or None for "any".
    text = text.strip("[]").removeprefix("::ffff:").partition("%")[0]
    if is_ipv4(text):
        return None if text == "0.0.0.0" else text
    return None if text in ("*", "::") else text
