"""What a boot waits for before its first TFTP request, in words: DHCP, INFORM, port 4011, a boot
server, DNS, ARP, a pause of the ROM.

1. How long the ROM waits is read from the `dhcp` of its file, as the firmware does; the events say
   what was sent last.  Of a ROM whose file is not at hand only the time that passed is told.
2. When the ROM gives up is told only where no answer can change it any more than an end of the
   wait: an offer, another server to ask or a new round make it unknown.
"""

# The part of a ROM's `dhcp` that has the waits of a packet: by its `purpose`, but for a lease,
# where the message says more.
_PARTS = {"DISCOVER": "discover", "REQUEST": "request"}


class DhcpWait:
    """`spec`: the flat `dhcp` of a ROM, or None."""

    def __init__(self, spec):
        self.spec = spec
        self._last = None  # the event that says what is waited for
        self._since = 0.0  # when it came, in seconds
        self._answers = 0  # to the packet that was sent last

    def event(self, event, now):
        """Take an event in; True while there is something of this kind to wait for."""
        kind = event["event"]
        if kind == "offer":
            self._answers += 1
        elif kind in ("dhcp", "nak", "lease", "boot"):
            self._last, self._since, self._answers = event, now, 0
        return self._last is not None and self._last.get("message") != "RELEASE"

    def text(self, now):
        """(what is waited for and what comes next, seconds until the ROM gives up, or None)."""
        last, waited = self._last, now - self._since
        kind = last["event"]
        if kind == "nak" or last.get("message") == "DECLINE":
            again = (self._part("nak") or {}).get("wait_ms", 0) / 1000 - waited
            head = "the lease was refused (NAK)" if kind == "nak" else "the address was declined"
            return f"{head}; DISCOVER again in {_seconds(again)}", None
        if kind == "lease":
            return self._leased(last, waited), None
        if kind == "boot":
            left = (self._part("pauses") or {}).get("file_ms", 0) / 1000 - waited
            return f"{last['server']} has the file; the ROM asks for it in {_seconds(left)}", None
        return self._sent(last, waited)

    def _part(self, name):
        return (self.spec or {}).get(name)

    def _leased(self, last, waited):
        head = f"has the address {last['ip']}"
        pause = (self._part("pauses") or {}).get("ready_ms", 0) - last["at_ms"]
        if pause / 1000 > waited:
            return f"{head}; the ROM goes on in {_seconds(pause / 1000 - waited)}"
        tries_ms = (self._part("arp") or {}).get("tries_ms")
        if tries_ms:
            return f"{head}; ARP for the boot server or the gateway, {len(tries_ms)} times at most"
        return f"{head}; nothing since, for {waited:.0f} s"

    def _sent(self, last, waited):
        purpose, attempt = last["purpose"], last["attempt"]
        part = self._part(_PARTS.get(last["message"]) if purpose == "lease" else purpose)
        name = last["message"]
        where = "" if purpose in ("lease", "inform") else f" to {last['to']}"
        if not part:
            return f"{name} {attempt}{where}; {waited:.0f} s without an answer", None
        waits_ms = part["waits_ms"]
        left_s = waits_ms[attempt - 1] / 1000 - waited
        head = f"{name} {attempt} of {len(waits_ms)}{where}; "
        if self._answers:
            came = f"{self._answers} answer{'s' * (self._answers > 1)}"
            return f"{head}{came}; waits {_seconds(left_s)} more for others", None
        about = "about " * bool(part.get("jitter_ms"))
        if purpose not in ("lease", "inform"):
            end = "over"  # another server may be asked, or the ROM goes on without
        else:
            end = "DISCOVER again" if part.get("then") == "discover" else "gives up"
        then = "next" if attempt < len(waits_ms) else end
        rest_s = left_s + sum(waits_ms[attempt:]) / 1000
        return f"{head}{then} in {about}{_seconds(left_s)}", rest_s if end == "gives up" else None


def _seconds(count):
    return f"{max(0, count):.0f} s"
