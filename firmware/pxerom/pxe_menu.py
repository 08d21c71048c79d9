"""Prompt and menu of option 43, and the boot servers of the type that was chosen.

Follows PXE 2.1 §2.2 and its table 2-1; loaded only where an offer has such an option 43.

1. Only a server that the list allows can answer (R-PXE-42, 46).
2. A menu takes a key, the job's entry, or its time-out; without any of them the first entry.
"""

from pxerom import dhcp_offer, dhcp_packet
from pxerom.failure import Failure
from pxerom.runtime import const

_BROADCAST = "255.255.255.255"
_SERVER = const(67)
_CLIENT = const(68)
_BINL = const(4011)
_FOR_EVER = const(255)


def item(server, tags, has_file):
    """The type of boot server that is wanted; None where the offer itself says all. `server`: a
    `pxe_discovery.BootServer`; `tags`: those of option 43. Raises Failure."""
    items = dhcp_offer.menu(tags)
    said = dhcp_offer.prompt(tags)
    if items is dhcp_offer.BAD or said is dhcp_offer.BAD:
        raise Failure("PXE-E74", "The lengths in the boot menu or its prompt do not add up")
    if items is None:
        listed = dhcp_offer.servers(tags)
        if listed and server.spec["discovery"]["no_menu"] == "cancel":
            raise Failure(
                "PXE-E21",
                "Option 43 lists boot servers (43.8) and has no menu (43.9) to choose from",
                "server",
            )
        if has_file:
            return None
        if listed and said is None:
            return listed[0][0]  # one kind of server, nothing to choose
        raise Failure("PXE-E74", "The offer has PXE options, but no boot menu and no file")
    chooser = Chooser(server.client, items, said)
    index = chooser.choose(server.job.get("menu"))
    kind, text = items[index]
    if kind == 0:
        raise Failure("PXE-M0F", "The menu's entry '%s' is a local boot" % text, "ours")
    return kind


def discover(server, tags, item):
    """The answer of a boot server of the type `item` (R-PXE-42, 45, 46). Raises Failure."""
    client = server.client
    spec = server.spec["discovery"]
    bits = dhcp_offer.control(tags)
    listed = dhcp_offer.servers(tags)
    group = dhcp_offer.multicast(tags)
    no_list = not listed
    if no_list and (listed is dhcp_offer.BAD or bits & dhcp_offer.LISTED_ONLY or bits & 3 == 3):
        raise Failure("PXE-E77", "Discovery needs a list of boot servers (43.8)", "server")
    mine = [addresses for kind, addresses in listed or () if kind == item]
    known = [each for addresses in mine for each in addresses]
    ways = []
    if not bits & dhcp_offer.NO_MULTICAST:
        if group:
            ways.append((group, _BINL))
        elif spec["strict"] == "yes":
            raise Failure("PXE-E76", "Discovery by multicast needs a group (43.7)", "server")
    if not bits & dhcp_offer.NO_BROADCAST:
        ways.append((_BROADCAST, _SERVER))
    if spec["each"] == "first":
        del ways[1:]
    if not ways or spec["each"] == "all":
        ways += [(each, _BINL) for each in known if dhcp_offer.unicast(each)]
    got = []

    def take(offer):
        # An entry of the list without an address lets any server of that type answer.
        strict = bits & dhcp_offer.LISTED_ONLY and [] not in mine
        if offer.reply.type != dhcp_packet.ACK or client.net.peer_port not in (_SERVER, _BINL):
            client.drop("not the answer of a boot server", offer)
        elif dhcp_offer.item_of(offer.tags) not in (item, None):
            client.drop("another boot server type than the one asked for", offer)
        elif strict and offer.host not in known and offer.server not in known:
            client.drop("a boot server that is not in the list", offer)
        elif dhcp_offer.allowed(offer, server.job.get("allow")):
            got.append(offer)
            offer.chosen = True
            offer.reason = "the boot server that was discovered"
        client.note(offer)
        return bool(got)

    for host, port in ways:
        # To everybody it is DHCP's port, whatever the ROM has for one server.
        client.open(spec["source_port"] if port == _BINL else _CLIENT)
        if server.ask("discovery", host, port, None, item, take):
            server.packet = "discovery"
            return got[0]
    raise Failure(
        "PXE-E78",
        "No boot server of type %d answered (%s)"
        % (item, ", ".join("%s:%d" % way for way in ways) or "none is listed"),
    )


class Chooser:
    """Prompt and menu, with keys or without. `items`: [(type, text)]; `said`: (timeout_s, text) or
    None."""

    def __init__(self, client, items, said):
        self.client = client
        self.items = items
        self.timeout_s, self.text = said or (0, "")
        self.menu = {
            "prompt": self.text if said else None,
            "timeout_s": None if self.timeout_s == _FOR_EVER else self.timeout_s,
            "items": [{"type": kind, "text": text} for kind, text in items],
            "chosen": None,
            "by": None,
        }
        client.menu = self.menu

    def choose(self, wanted):
        """The index of the entry that is taken. `wanted`: the job's `menu`."""
        client = self.client
        if isinstance(wanted, int):
            if not 0 < wanted <= len(self.items):
                raise Failure(
                    "PXE-E74",
                    "The menu has %d entries, none with the number %d" % (len(self.items), wanted),
                    "ours",
                )
            return self._taken(wanted - 1, "option")
        if wanted == "first":
            return self._taken(0, "option")
        if self.timeout_s == 0:
            return self._taken(0, "rom")  # R-PXE-43
        if self.timeout_s == _FOR_EVER and client.keys is None:
            client.warn("The menu waits for a key, and nobody is here: its first entry is taken.")
            return self._taken(0, "timeout")
        index, by = self._ask()
        return self._taken(index, by)

    def _ask(self):
        client = self.client
        if self.timeout_s != _FOR_EVER:
            for left_s in range(self.timeout_s, 0, -1):
                client.event("prompt", {"text": self.text, "timeout_s": left_s})
                key = client.key(1000)
                if key == "q":
                    self._abort()
                if key in ("m", "\r"):  # EDK2: Ctrl-M, which is Enter
                    break
            else:
                return 0, "timeout"
        marked = 0
        while True:
            texts = [text for _, text in self.items]
            client.event("menu", {"items": texts, "marked": marked, "timeout_s": None})
            key = ""
            while not key:
                key = client.key(1000)
            if key == "q":
                self._abort()
            elif key in ("u", "d"):
                marked = (marked + (1 if key == "d" else -1)) % len(self.items)
            elif key == "\r":
                return marked, "key"
            elif "1" <= key <= "9" and int(key) <= len(self.items):
                return int(key) - 1, "key"

    def _abort(self):
        self.menu["by"] = "abort"
        self.client.event("menu_end", {"chosen": None})
        raise Failure("PXE-EA0", "A key ended the boot at the menu", "ours")

    def _taken(self, index, by):
        kind, text = self.items[index]
        menu = self.menu
        menu["chosen"] = {"index": index, "type": kind, "text": text}
        menu["by"] = by
        self.client.event("menu_end", {"chosen": menu["chosen"]})
        return index
