"""What to ask for: the rule or setting for a verdict, filled with the real addresses and ports.

The texts are in `rule_texts`; here is decided which of them a cause calls for, which opens least,
how far the ROM counts, and where a rule for ports does not help.

1. Every number comes from the ROM file or from an observation; what is not known is a word in
   capitals.
2. The firewall's rule comes first; the server's setting is for users who cannot change the
   firewall.
"""

from string import Template

from pxebench.diagnose import rule_texts, signs

_NFT_CHAIN = "inet filter forward"
# cause: cures of the path in the order of preference, cures of the server
# What a rule lets through, in a few words.
CURES = {
    "ports": "the ROM's ports",
    "helper": "reading TFTP",
    "request": "the requests",
    "range": "where the answers come from",
    "single": "answers from port 69",
    "mtu": "small links",
    "blksize": "smaller blocks",
    "address": "which address answers",
    "at-once": "more transfers at the same time",
}
_FOR_CAUSE = {
    "client-port-filter": (("ports", "helper"), ("range",)),
    "no-tftp-helper": (("helper", "ports"), ("single", "range")),
    "nat-port": (("helper",), ("single",)),
    "request-blocked": (("request", "helper"), ()),
    "rejected": (("request",), ()),
    "rate-limit": (("request",), ()),
    "few-at-once": ((), ("at-once",)),
    "fragments": ((), ("blksize",)),
    "one-expectation": (("ports",), ("single",)),
    "mtu": (("mtu",), ("blksize",)),
    "other-address": (("helper",), ("address",)),  # a server behind DNAT, or one of two addresses
}
_HEADER = 32  # of IPv4, UDP and TFTP, before a block


def advise(cause, also, result, nft_chain=None):
    """The verdict's `rules`: {"least", "advice", "client_ports", "server", "server_ports",
    "notes", "items": [{"id", "where": "path|server", "product", "cure", "text", "note", "best",
    "tried" (a test loaded that text)}]}."""
    values = _values(result, nft_chain or _NFT_CHAIN)
    guess = _GUESS.format(_NFT_CHAIN) if nft_chain is None else None
    path, server = _FOR_CAUSE.get(cause, ((), ()))
    if result.get("verdict", {}).get("way") == "out":
        path = ("request",)  # the answers are not dropped
    if cause == "request-blocked" and "no-tftp-helper" not in also:
        path = ("request",)
    if cause == "one-expectation" and "few-at-once" in also:
        server = (*server, "at-once")
    items = []
    for number, cure in enumerate(path):
        items += [
            _item("path", row, values, not number, guess) for row in _of(rule_texts.PATH, cure)
        ]
    for cure in server:
        items += [_item("server", row, values, False) for row in _of(rule_texts.SERVER, cure)]
    first, last = result["rom_ports"]
    return {
        "least": _least(cause, values, result),
        "advice": _fill(rule_texts.ADVICE.get(cause), values),
        "client_ports": [first, last],
        "server": result["server"],
        "server_ports": _server_range(result),
        "notes": list(_notes(cause, values, result, items)),
        "items": items,
    }


def _of(table, cure):
    return [row for row in table if row[2] == cure]


_GUESS = "{} is a guess: `nft list ruleset` shows the chain that drops, --nft-chain names it here."


def _item(where, row, values, best, guess=None):
    name, product, cure, text, note = row
    note = _fill(note, values)
    if product == "nftables" and guess:
        note = f"{guess} {note}" if note else guess
    return {
        "id": name,
        "where": where,
        "product": product,
        "cure": cure,
        "text": _fill(text, values),
        "note": note,
        "best": best,
        "tried": product.startswith(rule_texts.TRIED),
    }


def _fill(text, values):
    return None if text is None else Template(text).substitute(values)


def _server_range(result):
    # A few ports do not show a range; port 69 itself is known.
    seen = result["observations"]["server_ports"]
    if seen and seen["least"] == seen["most"] == result["server_port"] and seen["count"] > 1:
        return [seen["least"], seen["most"]]
    return None


def _values(result, nft_chain):
    first, last = result["rom_ports"]
    sizes = [size for size, passed in result["observations"]["sizes"].items() if passed]
    blksize = max((s for s in sizes if s < result["observations"]["own_size"]), default=512)
    if any(result["observations"].get("pieces", {}).values()):
        blksize = signs.largest_whole(result["observations"])
    found = _server_range(result)
    least, most = found or (None, None)
    return {
        "server": result["server"],
        "port": result["server_port"],
        "client": result["client"] or "CLIENT",
        "first": first,
        "last": last,
        "ports": f"{first}-{last}" if last > first else f"{first}",
        "nft_chain": nft_chain,
        "foreign": ", ".join(result["observations"]["foreign"]) or "the other one",
        "blksize": blksize,
        "mtu": blksize + _HEADER,
        "sport_nft": f" udp sport {least}-{most}" if found else "",
        "sport_ipt": f" --sport {least}:{most}" if found else "",
        "sport_cisco": f" range {least} {most}" if found else "",
        "sport_srx": f" source-port {least}-{most}" if found else "",
        "sport_forti": f":{least}-{most}" if found else "",
        "sport_pf": f" port {least}:{most}" if found else "",
    }


def _least(cause, values, result):
    server, client, ports = values["server"], values["client"], values["ports"]
    if cause == "client-port-filter":
        found = _server_range(result)
        come = f"{found[0]}-{found[1]}" if found else "any port"
        return (
            f"Stateless: UDP from {server} ({come}) to {client}, ports {ports}. Less still, where "
            "the firewall keeps state: let it read TFTP (helper, inspection, ALG), which opens "
            "one port for one transfer."
        )
    if cause in ("no-tftp-helper", "nat-port"):
        return (
            f"Let the firewall read TFTP on requests from {client} to {server}, UDP port 69: it "
            "then opens the one port that was asked from, for that transfer only."
        )
    if cause in ("rejected", "rate-limit"):
        limit = ", without a limit" if cause == "rate-limit" else ""
        return f"UDP from {client} to {server}, port 69{limit}."
    if cause == "request-blocked":
        return f"UDP from {client} to {server}, port 69; and a server that listens there."
    if cause == "one-expectation":
        return f"UDP from {server} to {client}, ports {ports}, without a limit of flows."
    return None


def _span(ports):
    return f"{min(ports)}-{max(ports)}" if len(set(ports)) > 1 else f"{ports[0]}"


def _too_narrow(counts, seen, first, last):
    if counts == "retry" and seen != f"{first}-{last}":
        yield (
            f"A rule for the ports seen in one failed boot ({seen}) is too narrow: this ROM "
            f"counts on with every retry, from {first} to {last} in one boot."
        )
    if counts == "draw":
        yield (
            f"A rule for the ports seen in one failed boot ({seen}) is too narrow: this ROM takes "
            f"other ports at every boot, any from {first} to {last}."
        )


def _notes(cause, values, result, items):
    first, last = result["rom_ports"]
    if cause == "other-address":
        yield (
            f"Where {values['server']} passes requests on (DNAT: Docker, Kubernetes), "
            f"{values['foreign']} is the server behind it, and the firewall there has to read "
            "TFTP; where the server itself has both addresses, its setting is the cure."
        )
    if cause in ("client-port-filter", "one-expectation", "no-tftp-helper"):
        asked = [a["port"] for e in result["experiments"] if e["id"] == "rom" for a in e["asks"]]
        if asked and last > first:
            yield from _too_narrow(result["rom_counts"], _span(asked), first, last)
        if result["rom_counts"] == "file":
            yield (
                f"Each further file takes the next port: {values['ports']} is for one file, and a "
                "loader that fetches more (a menu, a kernel) needs as many ports."
            )
        yield (
            "What the ROM loads asks from ports of its own: iPXE from any port above 1024, "
            "PXELINUX from 49152 on. A firewall that reads TFTP covers them too."
        )
    facts = result.get("verdict", {}).get("facts", ())
    if cause == "client-port-filter" and any(f["id"] == "port-range-server" for f in facts):
        yield (
            "The server's answers come from few ports: if its admin confirms a range, the rule "
            "may name it as source ports."
        )
    if cause in ("client-port-filter", "no-tftp-helper", "nat-port"):
        single = _server_range(result) == [result["server_port"]] * 2
        if not single:
            yield (
                "A rule for source port 69 is the wrong cure: only the request goes to 69, the "
                "answer comes from a new port of the server's."
            )
    if cause in ("no-tftp-helper", "nat-port", "request-blocked"):
        yield (
            "A rule for the client's low ports is the wrong cure as long as high ports fail too."
        )
    if not any(values["client"] in item["text"] for item in items):
        return
    if not result["client"]:
        yield "CLIENT stands for the client's address, which this end could not tell."
    elif cause != "other-address":
        yield f"For more clients than {values['client']}, put their network in its place."
