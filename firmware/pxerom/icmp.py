"""ICMP errors: read from the socket, counted, believed or not. Loaded when one has come.

1. An ICMP error does not end a transfer, unless the ROM file says that this ROM believes it
   (R-SEC-18).
2. Only errors for packets of the transfer count.
3. How a socket is read for them differs between the interpreters, as in `runtime`.
"""

from pxerom.runtime import LINUX, MICROPYTHON, const

_MSG_ERRQUEUE_DONTWAIT = const(0x2040)

if MICROPYTHON:

    def errors(sock, errno):
        """The ICMP errors that wait for a socket: [(errno, ICMP type, code, who sent it, to
        whom our packet went)], None for what is not known: here all but the errno."""
        sock.setblocking(False)
        try:
            # One that is left in the queue makes the next receive return at once.
            while LINUX and sock.recv(512, _MSG_ERRQUEUE_DONTWAIT) is not None:
                pass
        except OSError:
            pass
        return [(errno, None, None, None, None)]

else:
    from pxerom.runtime_cpython import icmp_errors as errors  # noqa: F401


def tally(waiting, ours, rows):
    """Take the ICMP errors out of `waiting` (`errors` of a `Udp`) and count in `rows` those that
    came for a packet to one of `ours` (opaque addresses): {"errno", "type", "code", "from",
    "count"} each.
    Returns the new ones, as {"errno", "type", "code", "from"}."""
    taken = []
    while waiting:
        errno, kind, code, sender, to = waiting.pop(0)
        if to is not None and to not in ours:
            continue  # for a packet of another conversation
        one = {"errno": errno, "type": kind, "code": code, "from": sender}
        taken.append(one)
        for row in rows:
            if all(row[name] == one[name] for name in one):
                row["count"] += 1
                break
        else:
            rows.append(dict(one, count=1))
    return taken


def count(boot):
    """Count the ICMP errors that came for packets of the transfer that runs (of a `Fetch`);
    returns how many there were."""
    record = boot.records[-1]
    new = tally(boot.net.errors, (boot.server, boot.transfer.peer), record["icmp"])
    record["unreachable"] += len(new)
    for one in new:
        boot.event("unreachable", one)
    return len(new)


def came(boot, hazard):
    """As `count`; Failure where the ROM believes the ICMP error, as its reaction to `hazard`."""
    transfer = boot.transfer
    if count(boot) and transfer.on.get(hazard):
        transfer.fail(transfer.on[hazard], hazard)
