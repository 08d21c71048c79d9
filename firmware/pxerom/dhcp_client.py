"""A boot from nothing: link, DHCP, then who boots this machine, then the file.

The packets are `dhcp_packet`'s, the choice is `dhcp_offer`'s, what follows a lease (4011, boot
server discovery, menu) is `pxe_discovery`'s, the file `fetch`'s. Here they are put together, and
what happens becomes an event. All of it is loaded for a boot job and forgotten before the file
comes.

1. Waits, windows and the number of packets are the ROM file's. Other packets neither prolong a
   wait nor are answered.
2. Only a client's messages are sent: never an OFFER, never an answer to another client.
3. However it ends, the interface is restored, and the lease is released if the job says so.
4. Without DHCP (`lease` static or stack) nothing but INFORM (`dhcp_inform`) and requests to port
   4011 go out.
"""

from pxerom import dhcp_offer, dhcp_packet
from pxerom.failure import Ended, Failure, Refused
from pxerom.runtime import const, random_below, ticks_add, ticks_diff

_BROADCAST = "255.255.255.255"
_SERVER = const(67)
_CLIENT = const(68)
_SLICE_MS = const(1000)
_KEY_MS = const(100)
_MAX_OFFERS = const(32)
_MAX_MESSAGES = const(256)


_OVER = "given up"


try:
    from pxerom import dhcp_remarks as remarks
except ImportError:  # a board without the bench's files
    remarks = None


class _NoLease(Exception):
    # The server that was chosen gave no lease; `failure`: what that is where the ROM gives up;
    # `nak`: True where a NAK said so.

    def __init__(self, failure, nak=False):
        super().__init__()
        self.failure = failure
        self.nak = nak


class DhcpClient:
    """DHCP of one boot. `spec`: the ROM file's `dhcp`; `job`: of the kind boot; `nic`: the link;
    `net`: a `dhcp_socket.DhcpSocket`; `emit`: takes events; `keys`: gives a key or ""; `uefi`:
    True for a ROM with the codes of UEFI."""

    def __init__(self, spec, job, nic, net, emit, on_wait=None, keys=None, uefi=False):
        self.spec = spec
        self.uefi = uefi
        self.job = job
        self.nic = nic
        self.net = net
        self.keys = keys
        self.lease = None
        self.found = None  # (server, name) to fetch, once known
        self.configs = ()  # names that the ROM goes on to
        self.port = 69  # of the boot server
        self.offers = []
        self.warnings = []
        self.messages = []
        self.dropped = {}
        self.menu = None
        self.boot = None
        self.ack = None
        self.first = None
        self.then = ""  # what the ROM would have done next
        self.refused = None  # the Failure of the last round that gave no lease
        self._emit = emit
        self._on_wait = on_wait
        self._end = None
        self._until = None
        self.seen = []  # the offers of this round
        uuid = job.get("uuid")
        seed = random_below(1 << 32)
        mac = bytes([int(part, 16) for part in nic.mac.split(":")])
        self.packets = dhcp_packet.Packets(
            spec, mac, dhcp_packet.uuid_bytes(uuid) if uuid else bytes(16), seed
        )

    def run(self):
        """Find out what to boot: `found` is set. Raises Failure, Ended, Refused."""
        max_time_ms = self.job.get("max_time_ms")
        if max_time_ms:
            self._end = ticks_add(self.net.now(), max_time_ms)
        for limit in self.nic.limits():
            self.warn(limit)
        by = self.job.get("lease") or "dhcp"
        if by == "dhcp":
            answers = self._dora()
        else:
            from pxerom import dhcp_inform

            answers = dhcp_inform.answers(self, by)
        self._warn("of_servers", self.offers)
        from pxerom.pxe_discovery import BootServer

        server = BootServer(self, answers, remarks)
        self.boot, name = server.find()
        self.found = (self.boot["server"], name)
        self._warn("of_next_stage", self)
        server.check()
        self.event("boot", self.boot)
        self.wait(self.spec["pauses"]["file_ms"], "asked for the file")

    # --- DISCOVER, OFFER, REQUEST, ACK -----------------------------------------------------------

    def _dora(self):
        self.net.open(_CLIENT)
        again = self.spec["nak"]
        rounds = 0
        while True:
            try:
                lease, proxies = self._discover(again["resume"] if rounds else 0)
                ack = lease if lease.kind == "bootp" else self._request(lease)
                self._use(ack, proxies)
                return [ack, lease] + proxies
            except _NoLease as refused:
                self.refused = refused.failure
                if (again if refused.nak else self.spec["request"])["then"] == "fail":
                    raise refused.failure
                rounds += 1
                if refused.nak:
                    self.wait(again["wait_ms"], "sent DISCOVER again")
                if rounds == again["rounds"]:
                    raise refused.failure
                self.packets.start_again()

    def _discover(self, resume):
        # `resume`: the entry of the ROM's table of waits to begin with.
        spec = self.spec["discover"]
        seen = self.seen = []
        chosen, proxies = None, []
        waited = True
        needs_file = self.needs_file()

        def take(offer):
            if offer.reply.type not in (0, dhcp_packet.OFFER):
                self.drop("not an OFFER")
                return False
            self.note(offer, seen)
            if not offer.reason:
                self.packets.offered(offer.reply.pxe())
            if spec["gather"] == "complete":
                return dhcp_offer.complete(seen)
            return spec["gather"] == "first" and dhcp_offer.choose(seen, needs_file)[0] is not None

        waits_ms = spec["waits_ms"]
        for number in range(resume, len(waits_ms)):
            jitter_ms = spec["jitter_ms"]  # R-PXE-15
            wait_ms = waits_ms[number] + random_below(2 * jitter_ms + 1) - jitter_ms
            packet = self.packets.discover(self.ms())
            self.then = "sent DISCOVER %d" % (number + 2)
            if number + 1 == len(waits_ms):
                self.then = _OVER
            self.send("DISCOVER", "lease", packet, _BROADCAST, _SERVER, number + 1)
            early = self.gather(wait_ms, take, self.packets.asked)
            waited = not early
            chosen, proxies = dhcp_offer.choose(seen, needs_file)
            enough = early or dhcp_offer.complete(seen) or self.ms() >= spec["proxy_wait_ms"]
            if chosen and enough:
                break
        dhcp_offer.explain(seen, chosen, proxies)
        if chosen is None:
            raise self.nothing()
        chosen.waited = waited
        return chosen, proxies

    def needs_file(self):
        """Whether an offer must name a file, or come with a proxy's, to count."""
        return self.spec["discover"]["needs_file"] == "yes" and not self.job.get("file")

    def nothing(self, until=""):
        """The Failure of a boot without an offer that counts (R-PXE-24). `until`: why it ended,
        where that was not the ROM's own table of waits."""
        sent = len([each for each in self.messages if each["message"] == "DISCOVER"])
        tried = "%d DISCOVER%s in %.1f s" % (sent, "" if sent == 1 else "s", self.ms() / 1000)
        tried += until
        seen = self.seen
        good = [each for each in seen if each.kind != "plain" or not each.proxy]
        if seen and not good:
            detail = "%s brought an offer of %s, but %s" % (tried, seen[0].server, seen[0].reason)
            return Failure("PXE-E51", detail, "server", "no_use")
        if not good:
            dropped = sum(self.dropped.values())
            also = "; %d other packets did not count" % dropped if dropped else ""
            return Failure("PXE-E51", "%s brought no offer%s" % (tried, also))
        if all(each.proxy for each in good):
            return Failure("PXE-E52", "%s brought proxyDHCP offers, none with an address" % tried)
        first = [each for each in good if not each.proxy][0]
        code = "PXE-E16" if self.uefi else "PXE-E53"  # UEFI's E53 is for a lease without a file
        detail = "%s brought an offer of %s, but %s" % (tried, first.server, first.reason)
        if first.file()[0]:
            return Failure(code, detail)
        return self.advised(code, detail, "no_file", first)

    def advised(self, code, detail, reason, offer):
        """A Failure at the server, with advice of `dhcp_advice` for `offer` where that is."""
        try:
            from pxerom.dhcp_advice import Advised
        except ImportError:
            return Failure(code, detail, "server", reason)
        return Advised(code, detail, "server", reason, offer, self.spec)

    def _request(self, lease):
        # The ACK, as an Offer. Raises _NoLease.
        got = []

        def take(offer):
            reply = offer.reply
            if reply.server_id() != lease.reply.server_id():
                self.drop("an answer of another server than the one asked")
            elif reply.type == dhcp_packet.NAK:
                self.event("nak", {"server": offer.server, "message": offer.message()})
                return True
            elif reply.type == dhcp_packet.ACK and reply.yiaddr == lease.reply.yiaddr:
                self.note(offer, None)
                got.append(offer)
                return True
            else:  # R-PXE-27
                self.drop("not the ACK of what was offered")
            return False

        waits_ms = self.spec["request"]["waits_ms"]
        for number, wait_ms in enumerate(waits_ms):
            packet = self.packets.request(lease.reply, self.ms(), lease.waited)
            self.then = "sent REQUEST %d" % (number + 2) if number + 1 < len(waits_ms) else _OVER
            self.send("REQUEST", "lease", packet, _BROADCAST, _SERVER, number + 1)
            if self.gather(wait_ms, take, (self.packets.xid,)):
                if got:
                    got[0].chosen = True
                    got[0].reason = "the lease, confirmed"
                    return got[0]
                detail = "%s refused (NAK) %s" % (lease.server, lease.reply.yiaddr)
                code = self.spec["nak"]["code"]
                raise _NoLease(Failure(code, detail, "server", "nak"), True)
        detail = "%s offered %s and then answered none of %d REQUESTs" % (
            lease.server,
            lease.reply.yiaddr,
            len(waits_ms),
        )
        raise _NoLease(Failure("PXE-E51", detail, "server", "no_ack"))

    def _use(self, ack, proxies):
        # Put the lease on the interface, unless the ROM declines it. Raises _NoLease.
        reply = ack.reply
        ip = reply.yiaddr
        mask = dhcp_packet.ip_text(reply.options[1]) if 1 in reply.options else None
        routers = reply.addresses(3)
        self._check_lease(ack, mask or _class_mask(ip))
        self.ack = ack
        self.leased(
            "dhcp", ip, mask or _class_mask(ip), routers[0] if routers else None, ack, proxies
        )
        if mask is None:
            self._warn("no_mask", ack)
        lease = self.lease
        self.nic.take(ip, lease["mask"], lease["gateway"])
        if self.spec["arp"]["announce"] == "yes":
            self.nic.announce(ip)

    def _check_lease(self, ack, mask):
        # R-PXE-28, for the ROMs that ask; and EDK2 declines what is no host's address.
        ip = ack.reply.yiaddr
        own = self.spec["decline"]
        for by in (mask, _class_mask(ip)):
            kind = dhcp_offer.not_a_host(ip, by)
            if kind and own and own["not_a_host"] == "yes":
                self._decline(ack)
                detail = "%s is a %s address (mask %s): the ROM declined it" % (ip, kind, by)
                raise Failure(own["code"], detail, "server")
            if kind and by == mask:
                self._warn("not_a_host", (ip, kind, mask))
        probes_ms = self.spec["arp"]["probes_ms"]
        if probes_ms and self.nic.arp(ip, None, probes_ms, self.on_wait):
            self._warn("in_use", ack)
            self._decline(ack)
            raise _NoLease(Failure("PXE-E54", "Another machine uses %s" % ip, "server"), True)

    def _decline(self, ack):
        packet = self.packets.give_up(dhcp_packet.DECLINE, ack.reply.yiaddr, ack.server)
        self.send("DECLINE", "lease", packet, _BROADCAST, _SERVER, 1)

    def leased(self, by, ip, mask, gateway, ack=None, proxies=()):
        """Note the address that we have, for the result, and say so."""
        reply = ack and ack.reply
        self.lease = {
            "by": by,
            "ip": ip,
            "mask": mask,
            "gateway": gateway,
            "server": ack and ack.server,
            "relay": reply and reply.giaddr,
            "seconds": reply and reply.number(51),
            "dns": reply.addresses(6) if reply else [],
            "proxy": proxies[0].server if proxies else None,
            "released": False,
        }
        self.event("lease", self.lease)

    def open(self, port):
        """Listen at `port` of the address that we have; another port, with a warning, where the
        board's own DHCP client holds it."""
        try:
            self.net.open(port, self.lease["ip"])
        except Refused as refusal:
            if self.lease["by"] == "dhcp":
                raise
            self.warn("Port %d cannot be had here (%s)" % (port, refusal.message))
            self.net.open(0, self.lease["ip"])

    # --- sending and gathering -------------------------------------------------------------------

    def ms(self):
        """Milliseconds since the first packet."""
        return 0 if self.first is None else ticks_diff(self.net.now(), self.first)

    def send(self, message, purpose, packet, host, port, attempt):
        """Send a packet, and say so."""
        if self.first is None:
            self.first = self.net.now()
        self.net.send(packet, host, port)
        sent = {
            "at_ms": self.ms(),
            "message": message,
            "purpose": purpose,
            "to": "%s:%d" % (host, port),
            "source_port": self.net.port,
            "attempt": attempt,
            "xid": "%08x" % self.packets.xid,
            "secs": self.packets.secs,
        }
        if len(self.messages) < _MAX_MESSAGES:  # a ROM may ask for ever
            self.messages.append(sent)
        self.event("dhcp", sent)

    def wait(self, wait_ms, then):
        """Pass the time in which the ROM sends nothing; `then`: what it does next."""
        if wait_ms > 0:
            self.gather(wait_ms, None, (), then=then)

    def gather(self, wait_ms, take, xids, purpose="lease", then=None):
        """Hand every Offer that comes within `wait_ms` to `take`; True when that said enough.
        `then`: what the ROM does when it is over."""
        self.then = then or self.then
        net = self.net
        self._until = ticks_add(net.now(), wait_ms)
        while True:
            left_ms = ticks_diff(self._until, net.now())
            if left_ms <= 0:
                return False
            data = net.receive(min(left_ms, self.tick()))
            if data is None:
                continue
            try:
                reply = dhcp_packet.parse(data, xids, self.packets.mac)
            except dhcp_packet.Dropped as dropped:
                self.drop(str(dropped))
                continue
            if take(dhcp_offer.Offer(reply, net.host, self.ms(), self.spec["boot"], purpose)):
                return True

    def tick(self):
        """The bench's time, the watchdog; returns how long may be waited now, in ms."""
        if self._on_wait:
            self._on_wait()
        self.net.flush()
        if self._end is None:
            return _SLICE_MS
        left_ms = ticks_diff(self._end, self.net.now())
        if left_ms <= 0:
            raise Ended()
        return min(left_ms, _SLICE_MS)

    def key(self, wait_ms):
        """A key, or "" when none came within about `wait_ms`."""
        end = ticks_add(self.net.now(), wait_ms)
        while True:
            key = self.keys() if self.keys else ""
            left_ms = ticks_diff(end, self.net.now())
            if key or left_ms <= 0:
                return key
            self.net.sleep(min(left_ms, self.tick(), _KEY_MS))

    def on_wait(self):
        self.tick()

    def note(self, offer, seen=None):
        """Keep an Offer for the result, and in `seen` for the choice."""
        if len(self.offers) < _MAX_OFFERS:
            self.offers.append(offer)
        elif seen is not None and len(seen) >= _MAX_OFFERS:
            self.drop("too many offers")
            return
        if seen is not None:
            if dhcp_offer.allowed(offer, self.job.get("allow")):
                self._warn("of_offer", offer)
            seen.append(offer)
        self.event("offer", offer.record())

    def drop(self, reason, offer=None):
        """Count a packet that does not count; `offer`: what was read in it, if it is kept."""
        if offer:
            offer.reason = reason
        self.dropped[reason] = self.dropped.get(reason, 0) + 1

    # --- what is known at the end ----------------------------------------------------------------

    def _warn(self, of, what):
        # Warnings that a function of `dhcp_remarks` has for `what`, where that module is.
        if remarks:
            for text in getattr(remarks, of)(what):
                self.warn(text)

    def cut_short(self):
        """The Failure of a boot that the bench's time ended before the file: what was missing."""
        if remarks:
            return remarks.cut_short(self)
        detail = "The ROM would have %s when the bench's time was up" % self.then
        return Failure("PXE-E51", detail, "ours", "time_up")

    def release(self):
        """The RELEASE of the lease, for when the boot is over; None when there is none to send."""
        lease = self.lease
        if not lease or lease["by"] != "dhcp" or not self.ack:
            return None
        if not self.job.get("release") and self.spec["release"] == "no":
            return None
        return self.packets.give_up(dhcp_packet.RELEASE, lease["ip"], lease["server"])

    def ended(self, by):
        """The result's `ended`."""
        from pxerom.fetch_end import record

        left_ms = 0 if self._until is None else ticks_diff(self._until, self.net.now())
        return record(by, self.ms(), left_ms, self.then)

    def warn(self, text):
        """Something that the user should know and that stops nothing."""
        if text not in self.warnings:
            self.warnings.append(text)
            self._emit({"event": "warning", "text": text})

    def event(self, name, fields):
        event = {"event": name, "at_ms": self.ms()}
        event.update(fields)
        self._emit(event)

    def result(self):
        """The fields that a boot adds to the result of a fetch."""
        return {
            "lease": self.lease,
            "boot": self.boot,
            "offers": [offer.record() for offer in self.offers],
            "dropped": {"count": sum(self.dropped.values()), "reasons": self.dropped},
            "dhcp": self.messages,
            "menu": self.menu,
            "warnings": self.warnings,
        }


def _class_mask(ip):
    first = int(ip.split(".")[0])
    return "255.0.0.0" if first < 128 else "255.255.0.0" if first < 192 else "255.255.255.0"
