"""INFORM, where there is an address already (RFC 2131 §4.4.3): static, or the stack's own.

1. No INFORM where the job names whom to ask.
2. The best answer counts, of the first window that had one: PXE options, PXEClient, a file's name.
"""

from pxerom import dhcp_packet
from pxerom.failure import Failure, Refused
from pxerom.runtime import const

_SERVER = const(67)
_CLIENT = const(68)
# What an answer is worth (rule 2); then comes one with a file's name, then any other.
_RANKS = {"pxe10": 0, "binl": 1}


def answers(client, by):
    """[the answer that counts] for a `DhcpClient`, or [] when the job names whom to ask. `by`:
    "static" or "stack". Raises Failure, Refused."""
    job = client.job
    _use_address(client, by)
    if job.get("proxy") or job.get("server") and job.get("file"):
        return []
    client.open(_CLIENT)
    seen = []

    def take(offer):
        if offer.reply.type == dhcp_packet.ACK:
            client.note(offer, seen)
        else:
            client.drop("not the answer to an INFORM")
        return False

    waits_ms = client.spec["inform"]["waits_ms"]
    for number, wait_ms in enumerate(waits_ms):
        packet = client.packets.ask("inform", client.lease["ip"], None, client.ms())
        client.send("INFORM", "inform", packet, "255.255.255.255", _SERVER, number + 1)
        last = number + 1 == len(waits_ms)
        then = "given up" if last else "sent INFORM %d" % (number + 2)
        client.gather(wait_ms, take, (client.packets.xid,), "inform", then)
        good = [offer for offer in seen if not offer.reason]
        if good:
            return [_best(good)]
    raise Failure("PXE-E53", "No server answered an INFORM with a boot file's name")


def _use_address(client, by):
    nic = client.nic
    address = client.job.get("address")
    if by == "static" and address:
        nic.take(address["ip"], address["mask"], address.get("gateway"))
        client.leased(by, address["ip"], address["mask"], address.get("gateway"))
        return
    if not nic.ip:
        nic.find_address()
    if not nic.ip or nic.ip == "0.0.0.0":
        raise Refused("The interface %s has no IPv4 address to boot with." % nic.name, 3)
    client.leased(by, nic.ip, nic.mask, nic.gateway)


def _best(good):
    # With the reason of each.
    ranks = [_RANKS.get(offer.kind, 2 if offer.file()[0] else 3) for offer in good]
    best = good[ranks.index(min(ranks))]
    for offer in good:
        offer.chosen = offer is best
        offer.reason = "the answer to the INFORM"
        if offer is not best:
            offer.reason = "the answer of %s says more, or came first" % best.server
    return best
