"""A network with DHCP servers in virtual time, in the place of `dhcp_socket.DhcpSocket` and of a
link.

A server is a function `(sent) -> replies`; `sent` is a `Sent`, a reply `(delay_ms, host, port,
bytes)`. `answer` makes the bytes of one, `dhcpd` a plain server.

1. As on a socket, only what arrives at the port that is open is heard.
2. The clock begins just before the tick counter wraps: every test runs across the wrap.
"""

import sys

from pxerom import dhcp_client, dhcp_packet
from pxerom.failure import Ended, Failure, Refused
from pxerom.runtime import forget, ticks_add, tidy

MAC = "20:6a:8a:0f:74:75"
SERVER = "10.0.0.1"
PROXY = "10.0.0.2"
CLIENT = "10.0.0.77"
EVERYONE = "255.255.255.255"
_BEFORE_WRAP = 2500


def option(code, *data):
    """The bytes of an option; its data as bytes, text or numbers 0..255."""
    body = b""
    for part in data:
        if isinstance(part, int):
            part = bytes((part,))
        body += part.encode() if isinstance(part, str) else part
    return bytes((code, len(body))) + body


def ip(text):
    return dhcp_packet.ip_bytes(text)


def answer(
    request, kind, yiaddr=None, siaddr=None, server=SERVER, options=b"", file=b"", **fields
):
    """A server's packet for `request` (bytes). `kind`: of option 53, 0 for BOOTP; `server`: option
    54, or None; `fields`: giaddr, sname, xid, mac, op, end."""
    head = bytearray(236)
    head[0:4] = bytes((fields.get("op", 2), 1, 6, 0))
    head[4:8] = fields.get("xid") or request[4:8]
    for at, address in ((16, yiaddr), (20, siaddr), (24, fields.get("giaddr"))):
        if address:
            head[at : at + 4] = ip(address)
    head[28:34] = fields.get("mac") or request[28:34]
    sname = fields.get("sname", b"")
    head[44 : 44 + len(sname)] = sname
    head[108 : 108 + len(file)] = file
    body = option(53, kind) if kind else b""
    if server:
        body += option(54, ip(server))
    return bytes(head) + dhcp_packet.COOKIE + body + options + fields.get("end", b"\xff")


LEASE = option(1, ip("255.255.255.0")) + option(3, ip(SERVER)) + option(51, b"\0\0\x0e\x10")
PXECLIENT = option(60, "PXEClient")
# Where a ROM looks for server and file, unless its file says otherwise.
RULES = {
    "server": ["43.8", "siaddr", 66, 54, "sender"],
    "file": [67, "file"],
    "name": None,
    "recognises": None,
    "name_tail": "",
}


class Sent:
    """A packet of ours: at_ms, `source` (our port), host, port, data, kind, options."""

    def __init__(self, at_ms, source, host, port, data):
        self.at_ms = at_ms
        self.source = source
        self.host = host
        self.port = port
        self.data = data
        self.options = {}
        self.kind = None
        if port == 53:  # a question to DNS
            return
        at = 240
        while data[at] != 255:
            self.options[data[at]] = data[at + 2 : at + 2 + data[at + 1]]
            at += 2 + data[at + 1]
        self.kind = self.options[53][0]
        self.codes = list_of_codes(data)


def list_of_codes(data):
    codes = []
    at = 240
    while data[at] != 255:
        codes.append(data[at])
        at += 2 + data[at + 1]
    return codes


def dhcpd(server=SERVER, yiaddr=CLIENT, options=LEASE, delay_ms=1, nak=0, **more):
    """A plain DHCP server: OFFER and ACK with `options`; the first `nak` REQUESTs get a NAK."""
    refused = []

    def serve(sent):
        if sent.port != 67:
            return ()
        if sent.kind == dhcp_packet.DISCOVER:
            data = answer(
                sent.data, dhcp_packet.OFFER, yiaddr, server=server, options=options, **more
            )
        elif sent.kind == dhcp_packet.REQUEST and sent.options.get(54) == ip(server):
            if len(refused) < nak:
                refused.append(1)
                data = answer(sent.data, dhcp_packet.NAK, server=server, options=option(56, "no"))
            else:
                data = answer(
                    sent.data, dhcp_packet.ACK, yiaddr, server=server, options=options, **more
                )
        elif sent.kind == dhcp_packet.INFORM:
            data = answer(sent.data, dhcp_packet.ACK, server=server, options=options, **more)
        else:
            return ()
        return ((delay_ms, server, 67, data),)

    return serve


def proxy(options=PXECLIENT, server=PROXY, delay_ms=1, reply=None, **more):
    """A proxyDHCP: an OFFER without an address; `reply`: what a request to port 4011 gets."""

    def serve(sent):
        if sent.kind == dhcp_packet.DISCOVER:
            data = answer(sent.data, dhcp_packet.OFFER, server=server, options=options, **more)
            return ((delay_ms, server, 67, data),)
        if sent.port == 4011 and sent.host == server and reply:
            return ((delay_ms, server, 4011, reply(sent.data)),)
        return ()

    return serve


def together(*servers):
    """Servers on one network: each hears everything."""

    def serve(sent):
        replies = []
        for server in servers:
            replies += list(server(sent))
        return replies

    return serve


class FakeLan:
    """The surface of `dhcp_socket.DhcpSocket` and of a link's Nic, with servers at the other end.
    `sent`: every packet; `log`: what was done to the interface."""

    mac = MAC
    mask = gateway = device = None
    name = "eth0"

    def __init__(self, server=None, mac=MAC):
        self.server = server or (lambda sent: ())
        self.mac = mac
        self.ip = None
        self.clock = 0
        self.sent = []
        self.log = []
        self.port = None
        self.bound = None
        self.host = None
        self.peer_port = None
        self.arps = {}  # address: whether a machine answers for it (None: cannot be seen)
        self.taken = ()  # ports that something else holds
        self.life_s = None  # for how long the interface keeps its address at the most
        self.interrupt_at = None
        self._queue = []

    # as a DhcpSocket

    def now(self):
        return ticks_add(ticks_add(0, -_BEFORE_WRAP), self.clock)

    def open(self, port, address=None):
        if port in self.taken:
            raise Refused("UDP port %d is in use" % port, 3)
        self.port = port
        self.bound = address

    def send(self, packet, host, port):
        assert self.port is not None, "sent before a port was open"
        sent = Sent(self.clock, self.port, host, port, bytes(packet))
        self.sent.append(sent)
        for delay_ms, source, source_port, data in self.server(sent):
            due = self.clock + delay_ms
            at = len(self._queue)
            while at and self._queue[at - 1][0] > due:
                at -= 1
            self._queue.insert(at, (due, self.port, source, source_port, data))

    def receive(self, wait_ms):
        assert wait_ms > 0, "a receive without a wait would spin"
        until = self.clock + min(wait_ms, 1000)
        if self.interrupt_at is not None and until >= self.interrupt_at:
            self.clock = self.interrupt_at
            raise KeyboardInterrupt
        while self._queue and self._queue[0][0] <= until:
            due, port, source, source_port, data = self._queue.pop(0)
            self.clock = max(self.clock, due)
            if port == self.port:
                self.host, self.peer_port = source, source_port
                return data
        self.clock = until
        return None

    def sleep(self, wait_ms):
        assert wait_ms > 0
        self.clock += wait_ms

    def flush(self):
        pass

    def close(self):
        self.port = None

    def prepare(self, sock):
        pass

    # the link

    def limits(self):
        return []

    def released(self):
        self.log.append(("released",))

    def find_address(self):
        pass

    def take(self, address, mask, gateway):
        self.ip, self.mask, self.gateway = address, mask, gateway
        self.log.append(("take", address, mask, gateway))

    def arp(self, address, own_ip, tries_ms, on_wait=None):
        answers = self.arps.get(address, None if own_ip is None else True)
        if not answers:
            self.clock += sum(tries_ms)
        self.log.append(("arp", address, own_ip))
        return answers

    def announce(self, address):
        self.log.append(("announce", address))

    def route(self, host, gateway):
        self.log.append(("route", host, gateway))

    def restore(self):
        self.log.append(("restore",))


def dhcp_of(rom, **changes):
    """The flat `dhcp` of a ROM, with other values at some paths: dhcp_of("ipxe", flags=0)."""
    from pxerom import rom_file

    # On a board, the file is read before the checker needs memory, which is given back.
    tidy()
    tree = {"dhcp": rom_file.read(rom).get("dhcp")}
    spec = _flatten(tree)
    for path, value in changes.items():
        node = spec
        steps = path.split("__")
        for step in steps[:-1]:
            node = node[step]
        node[steps[-1]] = value
    return spec


def _flatten(tree):
    loaded = "pxerom.rom_check" in sys.modules
    from pxerom import rom_check_dhcp

    try:
        return rom_check_dhcp.flatten(tree)
    finally:
        if not loaded:
            forget("rom_check_dhcp")
            forget("rom_check")


class Run:
    """The DHCP of one boot of `rom` (an id, or a flat `dhcp`) against `network`. `failure`: what
    it ended with; `lan`, `lease`, `events`."""

    def __init__(self, rom, network=None, keys=None, lan=None, uefi=False, **job):
        self.lan = lan or FakeLan(network)
        self.events = []
        spec = rom if isinstance(rom, dict) else dhcp_of(rom)
        net = self.lan
        self.client = dhcp_client.DhcpClient(
            spec, job, net, net, self.events.append, None, keys, uefi
        )
        self.failure = None
        self.ended = None
        try:
            self.client.run()
        except Failure as failure:
            self.failure = failure
        except Ended:
            self.ended = self.client.ended("bench")
        except KeyboardInterrupt:
            self.ended = self.client.ended("user")
        if sys.modules.get("pxerom.dhcp_advice"):
            forget("dhcp_advice")

    def code(self):
        return self.failure and self.failure.code

    def sent_at(self, kind=dhcp_packet.DISCOVER):
        """When the packets of a kind went out, in ms."""
        return [sent.at_ms for sent in self.lan.sent if sent.kind == kind]

    def named(self, event):
        return [each for each in self.events if each["event"] == event]

    def reasons(self):
        return [offer.reason for offer in self.client.offers]
