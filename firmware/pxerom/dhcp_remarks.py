"""Warnings about an offer, a lease and a boot server that are used nevertheless.

Each function gives sentences for the result's `warnings`; nothing here changes what is sent. What
to do about a boot that failed is `dhcp_advice`'s. A board carries neither: the bench lends them to
it for a boot job.
"""

from pxerom.dhcp_offer import choose, explain, label
from pxerom.failure import NAME, Failure, printable
from pxerom.runtime import is_ipv4


def of_offer(offer):
    """What an offer says twice and differently, or in a way that some ROMs get wrong."""
    reply = offer.reply
    said = []
    name, by = offer.file()
    option = reply.options.get(67, b"")
    fields = {"option 67": option.split(b"\x00", 1)[0], "file": reply.file}
    other = "file" if by == "option 67" else "option 67"
    if by in fields and fields[other] and fields[other] != fields[by]:
        said.append(
            "%s names two files: %s says %s, %s says %s; %s counts."
            % (
                offer.server,
                "option 67",
                printable(fields["option 67"], NAME),
                "the field file",
                printable(fields["file"], NAME),
                "option 67" if by == "option 67" else "the field file",
            )
        )
    if option and reply.last == 67 and b"\x00" not in option:
        said.append(
            "Option 67 of %s ends without a NUL and is the last option: old ROMs read on and ask "
            "for a name with \\xff at its end." % offer.server
        )
    if name and printable(name, NAME).encode() != name:
        said.append(
            "The name that %s gives has bytes that are no text: %s"
            % (offer.server, printable(name, NAME))
        )
    if b"://" in name and not offer.rules.get("urls"):
        said.append(
            "The file's name is a URL (%s): this ROM sends it to its TFTP server unchanged, "
            "and iPXE takes it apart." % printable(name, NAME)
        )
    if reply.options.get(66, b"").split(b"\x00", 1)[0] == b"0.0.0.0":
        said.append(
            "Option 66 of %s says 0.0.0.0, which is nobody: a text is sent as it stands, so write "
            "the address itself." % offer.server
        )
    for flaw in reply.flaws:
        said.append("In the answer of %s %s: it was passed over." % (offer.server, flaw))
    return said


# Where an offer can name the boot server: the words of a ROM file's `boot.server`, but "sender".
_SERVER_FIELDS = ("43.8", "siaddr", 66, 54, 150, "sname")


def ignored(offer, address, by):
    """[(field, what it says)] of the boot servers that are named in an offer and were not asked.
    `address`, `by`: what was, as `Offer.next_server` gives it."""
    found = []
    for field in _SERVER_FIELDS:
        named = offer.named(field)
        if named not in (None, address) and not by.startswith(label(field)):
            found.append((label(field), named))
    return found


def of_servers(offers):
    """More than one DHCP server on a network is seldom meant."""
    known = []
    for offer in offers:
        if not offer.proxy and offer.purpose == "lease" and offer.server not in known:
            known.append(offer.server)
    if len(known) > 1:
        return ["%d DHCP servers answered: %s." % (len(known), ", ".join(known))]
    return []


def of_server(offer, address, by, others, spec):
    """What was missing or passed over, where the boot server was looked for. `others`: of
    `ignored`; `spec`: the ROM's `dhcp`."""
    rules = offer.rules["server"]
    said = []
    if by in ("option 54", "sender") and "siaddr" in rules and offer.purpose == "lease":
        who = "proxyDHCP" if offer.proxy else "DHCP"
        said.append(
            "No siaddr, so the ROM asked the %s server itself (%s); set next-server."
            % (who, address)
        )
    for field, text in others:
        if field == "option 54":
            continue  # the DHCP server's own address, filled in by default
        if field not in [label(each) for each in rules]:
            said.append("%s (%s) was there; this ROM does not read it." % (_capital(field), text))
        elif not is_ipv4(text):
            if not spec.get("dns"):  # else `dns` said what came of it
                said.append(
                    "%s (%s) is a name, and this ROM asks no DNS server: write the address there."
                    % (_capital(field), text)
                )
        else:
            said.append(
                "%s names two boot servers: %s says %s, %s says %s; %s counts."
                % (offer.server, by, address, field, text, by)
            )
    return said


def no_file(offer):
    """Why this ROM knows no file's name, as one sentence without its full stop."""
    text = offer.rules["recognises"]
    if text:
        return "%s did not say '%s' in option 43, by which this ROM knows its server" % (
            offer.server,
            text,
        )
    detail = "%s named no boot file" % offer.server
    if 67 not in offer.rules["file"] and offer.reply.options.get(67):
        detail += " in the field file; this ROM does not read option 67"
    return detail


def no_server(offer):
    """Why this ROM knows no boot server, as one sentence without its full stop."""
    read = [label(field) for field in offer.rules["server"]]
    there = [
        "%s (%s%s)" % (field, value, "" if is_ipv4(value) else ", a name and no address")
        for field, value in ignored(offer, None, "")
    ]
    text = "%s named no boot server where this ROM looks: %s" % (offer.server, ", ".join(read))
    if there:
        text += "; there was %s" % ", ".join(there)
    return text


def not_a_host(lease):
    """A lease that the ROM takes although it is the address of a network, or of all in it: its
    address, "network" or "broadcast", the mask."""
    text = "%s is the %s address of its network (mask %s), and no host's: this ROM takes it."
    return [text % lease]


def in_use(ack):
    """A lease that another machine answers ARP for."""
    text = "Another machine answers for the address %s that %s gave."
    return [text % (ack.reply.yiaddr, ack.server)]


def no_mask(ack):
    """A lease without a mask (option 1)."""
    return ["%s gave no network mask; that of the address's class is used." % ack.server]


def of_next_stage(client):
    """What a program that is loaded will read in the DHCP server's ACK, where that is not the
    boot server. Who asks a proxy or a boot server for the file is right; the next program may
    not be."""
    boot, ack = client.boot, client.ack
    if not ack or client.job.get("server") or boot["packet"] == "dhcp" or boot["file_by"] == "ROM":
        return []
    siaddr = ack.reply.siaddr
    if siaddr == boot["server"]:
        return []
    return [
        "The file came from %s, but siaddr of the DHCP server's ACK is %s: programs such as shim "
        "and GRUB ask that one for their next file." % (boot["server"], siaddr or "not set")
    ]


def cut_short(client):
    """The Failure of a boot that the bench's time ended before the file: what was missing."""
    known = "The lease was there"
    if not client.lease:
        if client.refused:
            return client.refused
        taken = [each for each in client.seen if each.chosen]
        if not taken:
            chosen, proxies = choose(client.seen, client.needs_file())
            explain(client.seen, chosen, proxies)
            if chosen is None:
                return client.nothing(", until the bench's time was up,")
            taken = (chosen,)
        known = "The offer of %s was good" % taken[0].server
    detail = "%s; the ROM would have %s when the bench's time was up" % (known, client.then)
    return Failure("PXE-E51", detail, "ours", "time_up")


def _capital(field):
    return field if field in ("siaddr", "sname") else field[0].upper() + field[1:]
