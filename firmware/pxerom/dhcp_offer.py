"""Offers: the class of each, the choice among them, why the others were refused; and option 43:
boot servers, menu and prompt. No socket, no clock.

Follows PXE 2.1 §2.2 and its table of priorities as EDK2 cites it, and table 2-1 for option 43.

1. An offer with an address is DHCP's or BOOTP's, one without is a proxyDHCP's (R-PXE-21).
2. Within a class the first that came wins (R-PXE-23).
3. Each offer that is refused has its reason, in words (R-SEC-27).
4. A list is read entry by entry, each length checked against what is left (R-SEC-17). If the
   lengths do not add up, the whole list is BAD.
"""

from binascii import unhexlify

from pxerom import dhcp_packet
from pxerom.failure import NAME, printable
from pxerom.runtime import const, is_ipv4

BAD = False  # a list whose lengths do not add up; a missing one is None

# Bits of 43.6
NO_BROADCAST = const(1)
NO_MULTICAST = const(2)
LISTED_ONLY = const(4)
FILE_AT_ONCE = const(8)

_WORDS = {
    "pxe10": "PXE options",
    "wfm": "MTFTP options",
    "binl": "PXEClient and no PXE options",
    "plain": "no PXEClient",
    "bootp": "BOOTP",
}
# The priorities of PXE (R-PXE-23), without those of MTFTP: class of the offer with the address,
# class of the proxy's, whether the former must name a file.
_PRIORITIES = (
    ("pxe10", None, False),
    ("plain", "pxe10", False),
    ("binl", None, False),
    ("plain", "binl", False),
    ("plain", None, True),
    ("bootp", None, True),
)


class Offer:
    """A reply that counts, with what it says about booting. `reply`: a `dhcp_packet.Reply`;
    `host`: its sender; `at_ms`: when it came; `rules`: the ROM's `boot`; `purpose`: what it
    answers."""

    def __init__(self, reply, host, at_ms, rules, purpose="lease"):
        self.reply = reply
        self.host = host
        self.at_ms = at_ms
        self.rules = rules
        self.purpose = purpose
        self.reason = ""
        self.chosen = False
        self.proxy = reply.yiaddr is None
        self.server = reply.server_id() or reply.siaddr or host
        found = dhcp_packet.tags(reply.options.get(43, b""))
        if found is None and not rules["recognises"]:  # to a Pi it is a text
            reply.flaws.append("a sub-option of option 43 runs past its end")
        self.tags = found or {}
        self.kind = self._kind()

    def _kind(self):
        # R-PXE-22
        if self.reply.type == 0:
            return "bootp"
        if self.rules["recognises"]:
            return "pxe10" if self._recognised() else "plain"
        if not self.reply.pxe():
            return "plain"
        if any(tag in self.tags for tag in (6, 7, 8, 9, 10)):
            return "pxe10"
        if all(tag in self.tags for tag in (1, 2, 3, 4, 5)):
            return "wfm"
        return "binl"

    def _recognised(self):
        text = self.rules["recognises"]
        return not text or text.encode() in self.reply.options.get(43, b"")

    def file(self):
        """(name, where it stands), as this ROM looks for it (R-PXE-31); (b"", "") without one."""
        for field in self.rules["file"]:
            name = self.reply.file or b""
            if field == 67:
                option = self.reply.options.get(67, b"")
                name = option.split(b"\x00", 1)[0]
                if name and b"\x00" not in option:  # some ROMs read on
                    name += unhexlify(self.rules["name_tail"])
            if name:
                return name, label(field)
        own = self.rules["name"]
        return (own.encode(), "ROM") if own and self._recognised() else (b"", "")

    def next_server(self):
        """(address, where it stands) of the server that has the file, as this ROM looks for it
        (R-PXE-32); (None, "") where it finds none."""
        for field in self.rules["server"]:
            address = self.named(field)
            if address and is_ipv4(address):
                return address, label(field)
        return None, ""

    def named(self, field):
        """What a place of the ROM file's `boot.server` says, as text; None where it says nothing
        that counts."""
        reply = self.reply
        if field == "43.8":
            if control(self.tags) & FILE_AT_ONCE:
                for _, addresses in servers(self.tags) or ():
                    if addresses:
                        return addresses[0]
            return None
        if field == "siaddr":
            return reply.siaddr
        if field == 54:
            return reply.server_id()
        if field == 150:
            listed = reply.addresses(150)
            return listed[0] if listed else None
        if field == "sender":
            return self.host
        text = reply.sname if field == "sname" else reply.options.get(66, b"")
        text = printable((text or b"").split(b"\x00", 1)[0])
        return text if text != "0.0.0.0" and text else None

    def message(self):
        """What the server says in words (option 56)."""
        return printable(self.reply.options.get(56, b"").split(b"\x00", 1)[0])

    def record(self):
        """The entry of the result's `offers`."""
        reply = self.reply
        name = self.file()[0]
        return {
            "at_ms": self.at_ms,
            "kind": dhcp_packet.NAMES[reply.type],
            "purpose": self.purpose,
            "server": self.server,
            "from": self.host,
            "relay": reply.giaddr,
            "ip": reply.yiaddr,
            "class": self.kind,
            "proxy": self.proxy,
            "next_server": reply.siaddr,
            "file": printable(name, NAME) if name else None,
            "chosen": self.chosen,
            "reason": self.reason,
        }


def label(field):
    """A field of an offer as people write it: "option 66", "siaddr"."""
    return "option %s" % field if field == "43.8" or isinstance(field, int) else field


# --- the choice ----------------------------------------------------------------------------------


def allowed(offer, allow):
    """True when this offer may count; otherwise its reason is set (R-SEC-27)."""
    if allow and offer.server not in allow:
        offer.reason = "its server is not among those allowed"
    elif offer.reply.yiaddr and not unicast(offer.reply.yiaddr):
        offer.reason = "the address it offers is none for a machine"
    return not offer.reason


def choose(offers, needs_file=True):
    """(offer with the address, proxies in the order in which they are tried) by PXE's priorities,
    or (None, []). `needs_file`: False for a ROM that takes a lease without a file's name."""
    usable = [offer for offer in offers if not offer.reason]
    leases = [offer for offer in usable if not offer.proxy]
    proxies = [offer for offer in usable if offer.proxy]
    for kind, proxy_kind, with_file in _PRIORITIES:
        first = _first(leases, kind, with_file)
        others = [offer for offer in proxies if offer.kind == proxy_kind]
        if first and (others or proxy_kind is None):
            return first, others if proxy_kind == "binl" else others[:1]
    return (None if needs_file else _first(leases, "plain", False)), []


def _first(offers, kind, with_file):
    for offer in offers:
        if offer.kind == kind and (not with_file or offer.file()[0]):
            return offer
    return None


def complete(offers):
    """True when there is an address and all that PXE can add to it."""
    lease, proxies = choose(offers)
    return lease is not None and (lease.kind in ("pxe10", "binl") or len(proxies) > 0)


def explain(offers, lease, proxies):
    """Give every offer its reason, now that the choice is made."""
    for offer in offers:
        if offer is lease or offer in proxies:
            offer.chosen = True
            offer.reason = "%s, %s" % (
                "proxyDHCP" if offer.proxy else "the lease",
                _WORDS[offer.kind],
            )
        elif not offer.reason:
            offer.reason = _lost(offer, lease, proxies)


def _lost(offer, lease, proxies):
    if offer.kind == "wfm":
        return "it is for MTFTP, which this ROM does not do"
    if offer.proxy and offer.kind in ("plain", "bootp"):
        return "it has no address and is no PXE server's for this ROM"
    if offer.proxy and lease is None:
        return "there is no lease to go with it"
    for winner in [lease] + list(proxies):
        if winner and winner.proxy == offer.proxy and winner.kind == offer.kind:
            if offer.file()[0] or not winner.file()[0]:
                return "one of the same kind, from %s, came first" % winner.server
            return "it names no boot file"
    if not offer.proxy and offer.kind in ("plain", "bootp") and not offer.file()[0]:
        return "it names no boot file, and no proxyDHCP offer goes with it"
    if lease is None:
        return "it cannot boot this ROM"
    winner = proxies[0] if proxies else lease
    return "PXE prefers that of %s (%s)" % (winner.server, _WORDS[winner.kind])


# --- option 43 -----------------------------------------------------------------------------------


def control(tags):
    """43.6, the discovery control bits; 0 when it is not there (R-PXE-40)."""
    value = tags.get(6, b"")
    return value[0] if len(value) == 1 else 0


def multicast(tags):
    """43.7, the group that is asked, or None."""
    value = tags.get(7, b"")
    return dhcp_packet.ip_text(value) if len(value) == 4 and 224 <= value[0] < 240 else None


def _entries(data, size):
    # [(type, the bytes that follow)] of a list whose entries count units of `size` bytes; None
    # when there is none, BAD when it does not add up.
    if data is None:
        return None
    found = []
    at = 0
    while at < len(data):
        stop = at + 3 + size * data[at + 2] if at + 3 <= len(data) else len(data) + 1
        if stop > len(data):
            return BAD
        found.append((data[at] << 8 | data[at + 1], data[at + 3 : stop]))
        at = stop
    return found or BAD


def servers(tags):
    """43.8, the boot servers: [(type, [addresses])], None or BAD. Without an address any server of
    that type may answer."""
    found = _entries(tags.get(8), 4)
    if not found:
        return found
    listed = []
    for kind, data in found:
        addresses = [dhcp_packet.ip_text(data, each) for each in range(0, len(data), 4)]
        listed.append((kind, [each for each in addresses if each]))
    return listed


def menu(tags):
    """43.9, the boot menu: [(type, text)], None or BAD."""
    found = _entries(tags.get(9), 1)
    return [(kind, printable(text)) for kind, text in found] if found else found


def prompt(tags):
    """43.10, the prompt: (timeout_s, text), None or BAD."""
    data = tags.get(10)
    if data is None:
        return None
    return (data[0], printable(data[1:])) if data else BAD


def item_of(tags):
    """43.71, the type of boot server that a reply is for, or None."""
    value = tags.get(71, b"")
    return value[0] << 8 | value[1] if len(value) == 4 else None


def not_a_host(ip, mask):
    """ "network" or "broadcast" where `ip` is that address of its network, else None."""
    host, ones = 0, 0
    for part, bits in zip(dhcp_packet.ip_bytes(ip), dhcp_packet.ip_bytes(mask)):
        host = host << 8 | part & ~bits & 255
        ones = ones << 8 | ~bits & 255
    if ones < 3:  # /31 and /32 have neither
        return None
    return "network" if host == 0 else "broadcast" if host == ones else None


def unicast(text):
    """True for the address of a machine."""
    first = int(text.split(".")[0]) if is_ipv4(text) else 0
    return 0 < first < 224 and first != 127
