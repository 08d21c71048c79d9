"""Who has the file: the answers to DHCP, a proxy on port 4011; where option 43 has a menu or a
list of boot servers, what `pxe_menu` finds.

Begins where there is an address. Follows PXE 2.1 §2.2 and its table 2-1 (option 43); `dhcp_offer`
reads the option, `dhcp_client` sends and waits.

1. The boot file is named by the last of: the DHCP server, a proxy's offer, the answer on port
   4011, the boot server that was discovered (R-PXE-33).
2. Only a server that was asked can answer (R-PXE-26).
"""

from pxerom import dhcp_offer, dhcp_packet
from pxerom.failure import NAME, Failure, printable
from pxerom.runtime import const

_BINL = const(4011)
_NAME_MAX = const(400)  # with any ROM's options, it fits in a request of 512 bytes


class BootServer:
    """`client`: a `DhcpClient` that has an address; `answers`: [the ACK, the chosen offer, the
    chosen proxies ...] as Offers, or none with a job that names a proxy or a server; `remarks`:
    the module `dhcp_remarks`, or None."""

    def __init__(self, client, answers, remarks=None):
        self.client = client
        self.remarks = remarks
        self.spec = client.spec
        self.job = client.job
        self.answers = answers
        self.boot = None
        self.packet = "dhcp"

    def find(self):
        """(the result's `boot`, the file's name as bytes). Raises Failure."""
        job = self.job
        own = job.get("file") or ""  # text, or a list of its bytes where it is none
        own = own.encode() if isinstance(own, str) else bytes(own)
        if own and job.get("server"):
            return self._found(job["server"], "job", own, "job", None)
        best = self._best() if self.spec["proxy"] else self.answers[0]
        self.client.wait(self.spec["pauses"]["ready_ms"] - self.client.ms(), "gone on")
        tags = best.tags
        name, by = best.file()
        at_once = dhcp_offer.control(tags) & dhcp_offer.FILE_AT_ONCE and name  # R-PXE-41
        if best.kind == "pxe10" and self.spec["discovery"] and not at_once:
            from pxerom import pxe_menu

            item = pxe_menu.item(self, tags, bool(name))
            if item is not None:
                best = pxe_menu.discover(self, tags, item)
                name, by = best.file()
        if own:
            name, by = own, "job"
        if self.remarks and best.rules.get("configs"):
            from pxerom import pxelinux_cfg

            name, by = pxelinux_cfg.first(self.client, best, name, by)
        if not name:
            raise self.client.advised("PXE-E53", self._said("no_file", best), "no_file", best)
        others = []
        if self.remarks and best.rules.get("urls") and by != "job":
            from pxerom import boot_url

            url = boot_url.taken(self.client, name)
            if url:
                return self._found(url[0], "URL", url[1], by, best.reply.number(13))
        if job.get("server"):
            server, server_by = job["server"], "job"
        else:
            if self.remarks and self.spec.get("dns"):
                from pxerom import dns

                server, server_by = dns.next_server(self.client, best)
            else:
                server, server_by = best.next_server()
            if not server:
                said = self._said("no_server", best)
                raise self.client.advised("PXE-E78", said, "no_server", best)
            if self.remarks:
                others = self.remarks.ignored(best, server, server_by)
                for said in self.remarks.of_server(best, server, server_by, others, self.spec):
                    self.client.warn(said)
        return self._found(server, server_by, name, by, best.reply.number(13), others)

    def _said(self, what, offer):
        # What is missing, in the words of `dhcp_remarks` where that module is there.
        if self.remarks:
            return getattr(self.remarks, what)(offer)
        return "%s named no boot %s" % (offer.server, what[3:])

    def _found(self, server, server_by, name, by, size_blocks, ignored=()):
        text = printable(name, NAME)
        if not dhcp_offer.unicast(server):
            raise Failure("PXE-E53", "The boot server's address %s is none" % server, "server")
        if min(name) < 32 or len(name) > _NAME_MAX:
            raise Failure(
                "PXE-E53", "No request can hold the boot file's name: %s" % text, "server"
            )
        self.boot = {
            "server": server,
            "server_by": server_by,
            "file": text,
            "file_hex": None if text.encode() == name else name.hex(),
            "file_by": by,
            "packet": self.packet,
            "size_blocks": size_blocks,
            "ignored": [{"by": field, "value": value} for field, value in ignored],
        }
        return self.boot, name

    def _best(self):
        # The answer that says what to boot (R-PXE-33), port 4011 asked where it has to be.
        if self.job.get("proxy"):
            return self._ask_binl([self.job["proxy"]])
        ack, proxies = self.answers[0], [each for each in self.answers[1:] if each.proxy]
        if proxies:
            self.packet = "proxy"
            best, said = proxies[0], proxies
        else:
            # An ACK may leave out what its OFFER had: PXE reads both.
            named = [each for each in self.answers if each.kind == "pxe10" or each.file()[0]]
            best = named[0] if named else ack
            said = [best]
        if not self._asks_4011(best):
            return best
        hosts = [each.reply.siaddr or each.server for each in said]
        answer = self._ask_binl(hosts, self.spec["proxy"]["silent"] == "go_on")
        if answer:
            return answer
        self.packet = "dhcp"
        return ack

    def check(self):
        """The next hop must answer ARP, where that can be seen (R-PXE-14). Raises Failure."""
        client = self.client
        lease = client.lease
        server, gateway = self.boot["server"], lease["gateway"]
        near = _same_net(server, lease["ip"], lease["mask"])
        if not near and not gateway:
            raise Failure(
                "PXE-E11",
                "The boot server %s is in another network, and no gateway is known" % server,
                "server",
                "no_gateway",
            )
        hop = server if near else gateway
        client.nic.route(server, None if near else gateway)
        tries_ms = self.spec["arp"]["tries_ms"]
        if tries_ms and client.nic.arp(hop, lease["ip"], tries_ms, client.on_wait) is False:
            what = "The boot server" if near else "The gateway"
            raise Failure(
                "PXE-E11", "%s %s answered none of %d ARP requests" % (what, hop, len(tries_ms))
            )

    def _asks_4011(self, offer):
        # Whether this ROM takes a PXEClient offer to port 4011 (R-PXE-25).
        when = self.spec["proxy"]["binl"]
        if when == "incomplete":  # iPXE: any option 43 but a menu
            whole = offer.file()[0] and offer.reply.siaddr or 9 in offer.tags
            return offer.reply.pxe() and not whole
        return offer.kind == "binl" and (when == "always" or not offer.file()[0])

    # --- port 4011 -------------------------------------------------------------------------------

    def _ask_binl(self, hosts, may_be_silent=False):
        # The answer of the first host that gives one; None where that ROM goes on without.
        client = self.client
        spec = self.spec["proxy"]
        client.open(spec["source_port"])
        got = []
        for host in hosts:
            if not dhcp_offer.unicast(host):
                continue

            def take(offer, host=host):
                if client.net.peer_port != _BINL or offer.reply.type not in (
                    dhcp_packet.OFFER,
                    dhcp_packet.ACK,
                ):
                    client.drop("not an answer of port 4011", offer)
                elif offer.host != host and offer.server != host:
                    client.drop("an answer of another server than the one asked", offer)
                elif dhcp_offer.allowed(offer, self.job.get("allow")):
                    got.append(offer)
                client.note(offer)
                return bool(got)

            if self.ask("proxy", host, _BINL, host, None, take):
                self.packet = "4011"
                got[0].chosen = True
                got[0].reason = "the answer on port 4011"
                return got[0]
        detail = "%s said PXEClient, and then answered none of %d requests to port 4011" % (
            " and ".join(hosts),
            len(spec["waits_ms"]),
        )
        if may_be_silent:
            client.warn(detail + "; this ROM goes on without.")
            return None
        if not self.answers:
            raise Failure("PXE-E55", detail)
        raise client.advised("PXE-E55", detail, "no_binl", self.answers[-1])

    def ask(self, purpose, host, port, server, item, take):
        """Ask one server or group as often as the ROM asks; True when `take` took an answer."""
        client = self.client
        spec = self.spec[purpose]
        for number, wait_ms in enumerate(spec["waits_ms"]):
            packet = client.packets.ask(purpose, client.lease["ip"], server, client.ms(), item)
            asked_ms = client.ms()
            client.send("REQUEST", purpose, packet, host, port, number + 1)
            then = "asked %s again, or given up" % host
            if client.gather(wait_ms, take, (client.packets.xid,), purpose, then):
                if spec["gather"] == "window":
                    client.wait(asked_ms + wait_ms - client.ms(), "gone on")
                return True
        return False


def _same_net(one, other, mask):
    pairs = zip(dhcp_packet.ip_bytes(one), dhcp_packet.ip_bytes(other), dhcp_packet.ip_bytes(mask))
    return all(a & m == b & m for a, b, m in pairs)
