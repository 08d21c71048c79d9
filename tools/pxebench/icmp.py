"""What an ICMP error means for the path to a server: a closed port, a firewall, no such host.

The firmware keeps each as data (`job`: {"errno", "type", "code", "from", "count"}). What it means
is decided here, once, and put into words.

1. Who sent it counts as much as its code: a firewall answers with "port unreachable" as well.
2. Where only the errno is known (MicroPython, a board), nothing more is concluded.

Codes: RFC 792, RFC 1122 section 3.2.2.1, RFC 1812 section 5.2.7.1 (13: administratively
prohibited). errno: how Linux maps them.
"""

PORT, REJECTED, HOST, OTHER = "port-unreachable", "rejected", "host-unreachable", "other"

_FIELDS = ("errno", "type", "code", "from")
_UNREACHABLE, _TIME_EXCEEDED = 3, 11
_PROHIBITED = (9, 10, 13)
_NO_ROUTE = (0, 5, 6, 11)
_NO_HOST = (1, 7, 8, 12)
_REFUSED = (111,)  # ECONNREFUSED, of Linux
_NAMES = {
    0: "net unreachable",
    1: "host unreachable",
    2: "protocol unreachable",
    3: "port unreachable",
    4: "fragmentation needed",
    5: "source route failed",
    6: "net unknown",
    7: "host unknown",
    9: "net prohibited",
    10: "host prohibited",
    11: "net unreachable for this service",
    12: "host unreachable for this service",
    13: "administratively prohibited",
}


def count(rows, one):
    """Count an ICMP error in `rows`, as the firmware does. `one`: an `unreachable` event or a row;
    earlier firmware sends no fields: then nothing is known of it."""
    fields = {name: one.get(name) for name in _FIELDS}
    for row in rows:
        if all(row[name] == fields[name] for name in _FIELDS):
            row["count"] += one.get("count", 1)
            return
    rows.append({**fields, "count": one.get("count", 1)})


def total(rows):
    """All of several lists of rows as one list."""
    found = []
    for row in rows:
        count(found, row)
    return found


def of_result(result):
    """The ICMP errors of all transfers of a result, as rows."""
    return total([row for one in result["transfers"] for row in one.get("icmp") or ()])


def meaning(row, server):
    """Which situation a row stands for: PORT, REJECTED, HOST or OTHER."""
    kind, code, sender = row["type"], row["code"], row["from"]
    if kind is None:
        if row["errno"] is None:
            return PORT  # earlier firmware knew no other
        return PORT if row["errno"] in _REFUSED else HOST
    if kind == _TIME_EXCEEDED:
        return HOST
    if kind != _UNREACHABLE or code == 4:
        return OTHER
    if code in _PROHIBITED:
        return REJECTED
    if code in (*_NO_ROUTE, *_NO_HOST):
        return HOST
    return PORT if sender == server else REJECTED


def name(row):
    """`host prohibited (type 3, code 10)`; of an errno alone, what that says."""
    kind, code = row["type"], row["code"]
    if kind is None:
        known = {111: "connection refused", 113: "no route to host", 101: "network is unreachable"}
        number = row["errno"]
        return "unreachable" if number is None else known.get(number, f"errno {number}")
    if kind == _UNREACHABLE:
        words = _NAMES.get(code, "destination unreachable")
    else:
        words = {_TIME_EXCEEDED: "time exceeded", 12: "parameter problem"}.get(kind, "an error")
    return f"{words} (type {kind}, code {code})"


def words(row, server=None, client=None):
    """One row: `ICMP host prohibited (type 3, code 10) from 10.0.0.1, 3 times`."""
    times = f", {row['count']} times" if row.get("count", 1) > 1 else ""
    return f"ICMP {name(row)}{_sender(row, server, client)}{times}"


def _sender(row, server, client):
    sender = row["from"]
    if sender is None:
        return ""
    if sender == client:
        return " from this machine itself"
    return f" from the server {sender}" if sender == server else f" from {sender}"


def most(rows):
    """The row that represents all: the most frequent."""
    return max(rows, key=lambda row: row["count"]) if rows else None


def sentence(rows, server, client=None, begun=False):
    """What the ICMP errors of a boot mean, as one sentence; the most frequent kind speaks.
    `begun`: True when the server had answered, so that its transfer's port is meant."""
    row = most(rows)
    if row is None:
        return None
    what, sender = meaning(row, server), row["from"]
    if what == PORT and sender and begun:
        return (
            f"{server} had answered, and then itself says that nothing listens on this transfer's"
            " port any more: the server, or its part for this transfer, has ended."
        )
    if what == PORT and sender:
        return (
            f"{server} itself says that nothing listens on that port: no TFTP server runs there, "
            "or not on this address."
        )
    if what == PORT:
        return "Nothing listens on that port, or a firewall says so: who sent it is not known."
    if what == REJECTED:
        whose = "The firewall of the server" if sender == server else f"A firewall ({sender})"
        return f"{whose} rejects the requests."
    if what == OTHER:
        return f"{sender or 'Something'} says: {name(row)}."
    if sender is None:
        return "There is no route to the server, no such host, or a firewall rejects the requests."
    if row["type"] == _TIME_EXCEEDED:
        return f"There is a routing loop on the way to {server}, reported by {sender}."
    if sender == client:
        return f"No host answers to {server} on this network (no ARP reply)."
    if row["code"] in _NO_ROUTE:
        return f"The router {sender} has no route to {server}."
    return f"The router {sender} says that there is no host {server}."


def advice(rows, server, port=69, begun=False):
    """What to do about the ICMP errors of a boot, as one sentence; None where they say nothing.
    `begun`: as for `sentence`."""
    row = most(rows)
    if row is None or server is None:
        return None
    what, sender = meaning(row, server), row["from"]
    if what == PORT and begun:
        return (
            f"Look in the TFTP server's log on {server} for why it ended this transfer: a crash, a"
            " limit of its own, a restart."
        )
    if what == PORT:
        return (
            f"Start the TFTP server on {server}, and see that it listens on this address: "
            f"`ss -uln` there shows UDP port {port}."
        )
    if what == REJECTED:
        where = (
            f"the firewall {sender}" if sender and sender != server else "the server's firewall"
        )
        return f"Let the requests pass {where}: UDP port {port}. `pxebench diagnose` has its rule."
    if what == HOST:
        return f"Check the address {server}, that the host is up, and the route to it."
    return None
