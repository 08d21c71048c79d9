"""A boot server that DHCP gives as a name (option 66, sname): the DNS query, for ROMs that make
one.

Whether a ROM asks, and how often: `dhcp.dns` of its ROM file; most take an address only. Follows
RFC 1035 §4.1; the order is that of SLOF's lib/libnet (dhcp.c, dns.c).

1. The first DNS server of the lease is asked (option 6); only its answer to this very question
   counts.
2. An error, or no address after the last query: the ROM goes on to the next field that can name a
   boot server.
3. Every length and pointer is checked, and the pointers followed are limited (R-SEC-17).

A board does not carry this module: the bench sends it for one boot.
"""

from pxerom.dhcp_packet import ip_text
from pxerom.failure import printable
from pxerom.runtime import const, is_ipv4, random_below, ticks_add, ticks_diff

_PORT = const(53)
_A = const(1)
_CNAME = const(5)
_HEAD = const(12)
_MOST = const(128)  # labels and pointers of one name


class _Bad(Exception):
    pass


def host_of(text):
    """The host in a name that may be a URL: scheme, user, port and path are left out."""
    text = text.rpartition("://")[2].partition("/")[0].rpartition("@")[2]
    return text.partition(":")[0].rstrip(".")


def question(name, number):
    """The packet that asks for the address of `name` (text), or None where no name of DNS is that
    long. `number`: its id, 0..65535."""
    packet = bytearray((number >> 8, number & 255, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0))
    for label in name.encode().split(b"."):
        if not 0 < len(label) < 64:
            return None
        packet.append(len(label))
        packet += label
    return bytes(packet) + b"\0\0\1\0\1" if len(packet) < _HEAD + 255 else None


def answer(data, name, number):
    """What an answer says of `name`: (address or None, the name to ask for next); (None, "")
    where the server says that there is none; None where this is no answer to that question."""
    try:
        if data[0] << 8 | data[1] != number or data[2] & 0xF8 != 0x80:
            return None
        if data[3] & 15:
            return None, ""
        at = _HEAD
        for _ in range(data[4] << 8 | data[5]):
            at = _name(data, at)[1] + 4
        wanted = name.lower()
        for _ in range(data[6] << 8 | data[7]):
            owner, at = _name(data, at)
            kind, size = data[at] << 8 | data[at + 1], data[at + 8] << 8 | data[at + 9]
            if owner == wanted and data[at + 2 : at + 4] == b"\0\1":
                if kind == _A and size == 4:
                    return ip_text(data, at + 10), wanted
                if kind == _CNAME:
                    wanted = _name(data, at + 10)[0]
            at += 10 + size
        return None, wanted
    except (IndexError, _Bad):
        return None


def _name(data, at):
    # (the name at `at` in small letters, where what follows it begins)
    labels = []
    after = 0
    for _ in range(_MOST):
        size = data[at]
        if size >= 0xC0:
            after = after or at + 2
            at = (size & 0x3F) << 8 | data[at + 1]
            continue
        at += 1
        if not size:
            return ".".join(labels), after or at
        if size > 63 or at + size > len(data):
            raise _Bad()
        labels.append(printable(data[at : at + size]).lower())
        at += size
    raise _Bad()


def next_server(client, offer):
    """(address, where it stands) of the boot server that `offer` names, each name asked of DNS on
    the way; (None, "") where there is none. `client`: a `DhcpClient` that has its lease."""
    from pxerom.dhcp_offer import label

    for field in offer.rules["server"]:
        named = offer.named(field)
        if named and not is_ipv4(named):
            address = _asked(client, label(field), named)
            if address:
                return address, "%s (%s), by DNS" % (label(field), named)
        elif named:
            return named, label(field)
    return None, ""


def _asked(client, where, named):
    # The address that DNS knows, or None, with a warning that says why.
    spec = client.spec["dns"]
    hosts = client.lease["dns"]
    name = host_of(named)
    number = random_below(65536) if spec["id"] is None else spec["id"]
    what = "%s (%s) is a name, and" % (where[0].upper() + where[1:], named)
    if not question(name, number):
        client.warn("%s none that DNS can be asked for." % what)
        return None
    if not hosts:
        client.warn("%s the lease has no DNS server (option 6) to ask." % what)
        return None
    client.open(spec["source_port"])
    for sent, wait_ms in enumerate(spec["waits_ms"]):
        said = _ask(client, hosts[0], name, number, wait_ms, sent + 1)
        if said and said[0]:
            return said[0]
        if said and not said[1]:
            client.warn("%s the DNS server %s does not know it." % (what, hosts[0]))
            return None
        if said:
            name = said[1]
    client.warn(
        "%s the DNS server %s gave no address for it to %d questions."
        % (what, hosts[0], len(spec["waits_ms"]))
    )
    return None


def _ask(client, host, name, number, wait_ms, attempt):
    # One question; what came within its wait, as `answer` says it, or None.
    net = client.net
    net.send(question(name, number), host, _PORT)
    sent = {
        "at_ms": client.ms(),
        "message": "DNS QUERY",
        "purpose": "dns",
        "to": "%s:%d" % (host, _PORT),
        "source_port": net.port,
        "attempt": attempt,
        "xid": "%04x" % number,
        "secs": 0,
    }
    client.messages.append(sent)
    client.event("dhcp", sent)
    client.then = "asked the DNS server %s again, or gone on" % host
    end = ticks_add(net.now(), wait_ms)
    said = None
    while True:
        left_ms = ticks_diff(end, net.now())
        if left_ms <= 0:
            return said
        data = net.receive(min(left_ms, client.tick()))
        if data is None or net.host != host or net.peer_port != _PORT:
            continue
        came = answer(data, name, number)
        if came and (came[0] or not came[1]):
            return came
        said = said or came
