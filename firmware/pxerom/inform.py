"""A boot with an address that is there already: what servers say to an INFORM (RFC 2131 §4.4.3).

For a network where no lease is to be taken, and for a board that keeps its stack's own DHCP
client. Sending and gathering are `lease`'s, what follows from an answer is `bootserver`'s.

1. Nothing but INFORM goes out from here, and not even that where the job names whom to ask.
2. The best answer of the first window that had one counts: PXE options, PXEClient, a file's name.
"""

from pxerom import dhcp_packet
from pxerom.failure import Failure, Refused
from pxerom.runtime import const

_BROADCAST = "255.255.255.255"
_SERVER = const(67)
_CLIENT = const(68)


def answers(lease, by):
    """[the answer that counts] for a `lease.Lease`, or [] when the job names whom to ask. `by`:
    "static" or "stack". Raises Failure, Refused."""
    job = lease.job
    _address(lease, by)
    if job.get("proxy") or job.get("server") and job.get("file"):
        return []
    lease.open(_CLIENT)
    seen = []

    def take(offer):
        if offer.reply.type == dhcp_packet.ACK:
            lease.note(offer, seen)
        else:
            lease.drop("not the answer to an INFORM")
        return False

    waits_ms = lease.spec["inform"]["waits_ms"]
    for number, wait_ms in enumerate(waits_ms):
        packet = lease.client.ask("inform", lease.lease["ip"], None, lease.ms())
        lease.next = "sent INFORM %d" % (number + 2)
        if number + 1 == len(waits_ms):
            lease.next = "given up"
        lease.send("INFORM", "inform", packet, _BROADCAST, _SERVER, number + 1)
        lease.gather(wait_ms, take, (lease.client.xid,), "inform")
        good = [offer for offer in seen if not offer.reason]
        if good:
            return [_best(good)]
    raise Failure("PXE-E53", "No server answered an INFORM with a boot file's name")


def _address(lease, by):
    nic = lease.nic
    address = lease.job.get("address")
    if by == "static" and address:
        nic.take(address["ip"], address["mask"], address.get("gateway"))
        lease.leased(by, address["ip"], address["mask"], address.get("gateway"))
        return
    if not nic.ip:
        nic.find_address()
    if not nic.ip or nic.ip == "0.0.0.0":
        raise Refused(3, "The interface %s has no IPv4 address to boot with." % nic.name)
    lease.leased(by, nic.ip, nic.mask, nic.gateway)


def _best(good):
    ranks = {"pxe10": 0, "binl": 1}
    best = good[0]
    for offer in good:
        rank = ranks.get(offer.kind, 2 if offer.file()[0] else 3)
        if rank < ranks.get(best.kind, 2 if best.file()[0] else 3):
            best = offer
    for offer in good:
        offer.chosen = offer is best
        offer.reason = "the answer to the INFORM"
        if offer is not best:
            offer.reason = "the answer of %s says more, or came first" % best.server
    return best
