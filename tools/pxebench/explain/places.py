"""Where each source was made: at the client, at the server, between them, or not known.

    {"where": "client" | "server" | "between" | null, "because": a sentence}

There are several signs in a capture; the first that is found decides.
1. Linux's cooked captures mark the packets that the machine itself sent.
2. A TTL that is still a usual initial value has passed no router.
3. A client's frames that carry its own MAC were taken on its network (DHCP names that MAC).
4. A capture with answers but no reaction of the client was made on the server's side of whatever
   drops them.
"""

import statistics

_BEGIN = (20, 32, 60, 64, 128, 255)
_MANY = 3  # least number of answers without a reaction, for rule 4


def place(source, machines):
    """(where, because) of a `sources.Source` that `machines` were made of."""
    kind = source.kind
    if kind == "sockets":
        return _of_sockets(source)
    if kind in ("server-log", "tftpd64", "wds"):
        return "server", "it is the log of a TFTP server"
    if kind == "dhcp-log":
        return "server", "it is the log of a DHCP server"
    if kind == "firewall-log":
        return "between", "it is what a firewall logged"
    if kind == "pxebench":
        return "client", "it is what pxebench, the client, printed"
    if kind == "screen":
        return "client", "it is what a boot client's screen says"
    views = [view for machine in machines for view in machine.views if view.source is source]
    if not views:
        return None, "it holds no packet of a boot"
    return _of_packets(source, machines, views)


def _of_sockets(source):
    from pxebench.explain.machines import is_server

    local = is_server(source)
    if local is None:
        return None, "no line tells which end is the server's"
    if local:
        return "server", "these are the sockets of the machine on which the TFTP server runs"
    return "client", "these are the sockets of a machine that asks a TFTP server"


def _of_packets(source, machines, views):
    clients = {
        machine.ip for machine in machines if any(v.source is source for v in machine.views)
    }
    servers = {talk.server for view in views for talk in view.client.conversations}
    sent_here = source.file.sent_here if source.file is not None else source.sent_here
    if sent_here & servers:
        return "server", "the capturing machine sent the server's packets itself"
    if sent_here & clients:
        return "client", "the capturing machine sent the client's packets itself"
    if source.file is not None and source.file.copies > len(source.file.packets) // 8:
        return "between", "most packets are in it twice: the capturing machine forwards them"
    talks = [talk for view in views for talk in view.client.conversations]
    hops = _hops(talks)
    if hops["client"] is not None and hops["server"] is not None:
        away_c, away_s = hops["client"], hops["server"]
        if away_c and not away_s:
            return (
                "server",
                f"the client's packets have passed {_routers(away_c)}, the server's none",
            )
        if away_s and not away_c:
            return (
                "client",
                f"the server's packets have passed {_routers(away_s)}, the client's none",
            )
        if away_s and away_c:
            return (
                "between",
                (
                    f"the client's packets have passed {_routers(away_c)}, the server's"
                    f" {_routers(away_s)}"
                ),
            )
    unheard = [talk for talk in talks if talk.tids and talk.tid is None]
    heard = [talk for talk in talks if talk.tid is not None]
    if len(unheard) >= _MANY and len(unheard) > len(heard):
        return (
            "server",
            "answers leave in it and the client reacts to none: it was made before they are lost",
        )
    foreign = _foreign_mac(views)
    if foreign:
        return "server", f"the client's frames carry {foreign}, a router's MAC, not its own"
    return None, "client and server are on one network in it, so nothing tells the place"


def _routers(number):
    return f"{number} router{'s' * (number != 1)}"


def _hops(talks):
    # How many routers each side's packets have passed, or None where it cannot be told.
    found = {}
    for side, out in (("client", True), ("server", False)):
        ttls = [
            packet.ttl
            for talk in talks[:50]
            for packet in talk.packets[:50]
            if packet.ttl and packet.out == out and not packet.icmp
        ]
        found[side] = None
        if ttls:
            ttl = statistics.multimode(ttls)[0]
            begin = next((one for one in _BEGIN if one >= ttl), 255)
            away = begin - ttl
            found[side] = away if away < 16 else None
    return found


def _foreign_mac(views):
    # The MAC of the client's frames, where DHCP says that its own is another one.
    for view in views:
        for boot in view.client.boots:
            macs = {m.mac for p, m in boot.dhcp if not m.reply and m.giaddr == "0.0.0.0"}
            for talk in boot.conversations:
                seen = talk.requests[0].src_mac
                if macs and seen and seen not in macs:
                    return seen
    return None


def tcpdump(client, where="server"):
    """The one line for who can capture there."""
    from pxebench.hops.path import tcpdump as line

    return line(client, f"{where}.pcap")
