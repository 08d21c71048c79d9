"""Captures as conversations: clients, their boots, the DHCP packets and TFTP transfers of each.

    capture = conversations.read("boot.pcapng")
    client = capture.client("52:54:00:12:34:56")     # or an IP; None: the only one there is
    for boot in client.boots:
        for talk in boot.conversations:
            talk.file, talk.source_ports, talk.outcome, talk.packets

Files are read by `packets`, payloads by `messages`.

1. A client is a sender of an RRQ, a WRQ or a DISCOVER. It is identified by its IP; by its MAC too,
   where its own DHCP packets or frames have it (a MAC that several IPs share is a router's).
2. A boot begins with the DISCOVER after a boot that had asked for a file or got its lease (so a
   program that asks DHCP again begins one). Without DHCP, it begins where a finished client asks
   for its first file with the same request again.
3. A conversation is one RRQ and its repetitions (`conversation`).
4. A packet belongs to the client's port; of several conversations on one port to the one that
   knows its TID, else to the latest.
"""

from pxebench.captures import packets
from pxebench.captures.conversation import Conversation
from pxebench.captures.messages import dhcp, is_request, tftp
from pxebench.job import Refused, show


class Boot:
    """One boot.  `dhcp`: [(Packet, messages.Dhcp)] of both directions; `conversations`: in the
    order of their first RRQs."""

    def __init__(self):
        self.dhcp = []
        self.conversations = []

    @property
    def began(self):
        starts = [talk.began for talk in self.conversations[:1]]
        return min(starts + [packet.time for packet, _ in self.dhcp[:1]])

    def packets(self):
        """Every packet of the boot, in the order of time."""
        found = [packet for packet, _ in self.dhcp]
        for talk in self.conversations:
            found += talk.packets
        return sorted(found, key=lambda packet: packet.epoch_ns)

    def stages(self):
        """The conversations of each program in turn, as lists: a ROM, what it loaded, and so on.
        A request for another file with another mode or other options is another program's."""
        found = []
        words = set()
        file = None
        for talk in self.conversations:
            if found and (talk.writes or all(other.writes for other in found[-1])):
                found[-1].append(talk)  # an upload is no part of a boot
                if not talk.writes:
                    file, words = talk.file, {_signature(talk)}
                continue
            signature = _signature(talk)
            if not found or (talk.file != file and signature not in words):
                found.append([])
                words = set()
            file = talk.file
            words.add(signature)
            found[-1].append(talk)
        return found

    def words(self):
        """What distinguishes one program's DISCOVER from another's: option codes, vendor class,
        user class; None without a DISCOVER."""
        for _, message in self.dhcp:
            if message.kind == "DISCOVER":
                codes = tuple(code for code, _ in message.options)
                return codes, message.option(60), message.option(77)
        return None

    def _has_lease(self):
        return any(message.kind == "ACK" for _, message in self.dhcp)


def _signature(talk):
    # What is the same in all requests of a program.
    return talk.asked.mode, str(talk.asked.options), len(talk.asked.tail or b"")


class Client:
    """One client.  `ips`, `macs`: its addresses, in order of their appearance."""

    def __init__(self):
        self.ips = []
        self.macs = []
        self.boots = []

    @property
    def name(self):
        """Its MAC and IP, as text."""
        return " ".join([*self.macs[:1], *self.ips[:1]])

    @property
    def conversations(self):
        """The conversations of all boots."""
        return [talk for boot in self.boots for talk in boot.conversations]

    def power_ons(self):
        """The boots by power-on, as lists of (Boot, conversations): one for each program in turn.
        A boot whose DISCOVER differs from the first one's is that of a loaded program, and belongs
        to the power-on before it."""
        found = []
        first = next((words for boot in self.boots if (words := boot.words())), None)
        for boot in self.boots:
            if not found or boot.words() in (first, None):
                found.append([])
            found[-1] += [(boot, stage) for stage in boot.stages() or [[]]]
        return found

    def is_(self, wanted):
        """True when `wanted` is one of its addresses."""
        return wanted in self.ips or wanted.lower().replace("-", ":") in self.macs

    def _dhcp(self, packet, message):
        boot = self.boots[-1] if self.boots else None
        again = message.kind == "DISCOVER" and boot and (boot.conversations or boot._has_lease())
        if boot is None or again:
            boot = Boot()
            self.boots.append(boot)
        boot.dhcp.append((packet, message))

    def _request(self, packet):
        boot = self.boots[-1] if self.boots else None
        if boot and boot.conversations:
            last = boot.conversations[-1]
            if last.repeats(packet):
                last.ask_again(packet)
                return last
            first = boot.conversations[0]
            if not boot.dhcp and packet.payload == first.request and first._finished:
                boot = None
        if boot is None:
            boot = Boot()
            self.boots.append(boot)
        talk = Conversation(packet)
        boot.conversations.append(talk)
        return talk


class Capture:
    """What `read` returns.  `path`; `file`: the `packets.File`, with `notes` and `epoch_ns`;
    `clients`: in order of appearance; `strays`: how many UDP packets looked like TFTP but belong
    to no request of this file."""

    def __init__(self, file):
        self.file = file
        self.path = file.path
        self.clients = []
        self.strays = 0

    @property
    def notes(self):
        """The notes on the file, as `packets.Note`s."""
        belong = "packet belongs" if self.strays == 1 else "packets belong"
        strays = f"{self.strays} {belong} to a transfer whose request is not in the file."
        return self.file.notes + ([packets.Note("strays", strays)] if self.strays else [])

    def notes_on(self, client):
        """The notes that matter for a client: not those on IPv6, nor on cut DATA, whose header is
        enough."""
        cut = any(
            packet.cut and tftp(packet).kind != "DATA"
            for talk in client.conversations
            for packet in talk.packets
        )
        return [note for note in self.notes if note.what != "ipv6" and (note.what != "cut" or cut)]

    def client(self, wanted=None):
        """The `Client` with this MAC or IP; without one, the only client that there is.
        Raises Refused when there is none, or more than one to choose from."""
        place = show(self.path)
        if not self.clients:
            raise Refused(f"There is no TFTP request and no DHCP client in {place}.")
        names = ", ".join(client.name for client in self.clients)
        found = [client for client in self.clients if wanted is None or client.is_(wanted)]
        if not found:
            raise Refused(f"{place} has no client {show(wanted)}; there are {names}.")
        asking = [client for client in found if client.conversations] or found
        if len(asking) > 1 and wanted is None:
            raise Refused(f"{place} has several clients; choose one with --client: {names}.")
        return asking[0] if len(asking) == 1 else _merged(asking)


def _merged(clients):
    # One MAC with several addresses in turn.
    whole = Client()
    for client in clients:
        whole.ips += client.ips
        whole.macs += [mac for mac in client.macs if mac not in whole.macs]
        whole.boots += client.boots
    whole.boots.sort(key=lambda boot: boot.began)
    return whole


def read(path):
    """The `Capture` in a pcap or pcapng file; raises Refused when it cannot be read."""
    return group(packets.read(path))


def group(file):
    """The `Capture` of a `packets.File`."""
    capture = Capture(file)
    by_mac, by_ip, lately = {}, {}, {}
    leased = {}  # IP: MAC, from the server's DHCP packets
    for packet in file.packets:
        if packet.icmp:
            _icmp(packet, lately)
            continue
        message = dhcp(packet)
        if message:
            client = by_mac.get(message.mac) or _new(capture, mac=message.mac)
            by_mac[message.mac] = client
            packet.out = not message.reply
            if message.reply and message.yiaddr != "0.0.0.0" and message.kind != "NAK":
                leased[message.yiaddr] = message.mac
            client._dhcp(packet, message)
        elif is_request(packet.payload, packet.dport):
            packet.out = True
            client = _of(packet, capture, by_mac, by_ip, leased)
            talk = client._request(packet)
            talks = lately.setdefault((packet.src, packet.sport), [])
            if talk not in talks:
                talks.append(talk)
        else:
            _belongs(packet, lately, capture)
    capture.clients = [client for client in capture.clients if client.boots]
    return capture


def _new(capture, mac=None, ip=None):
    client = Client()
    client.macs += [mac] if mac else []
    client.ips += [ip] if ip else []
    capture.clients.append(client)
    return client


def _of(packet, capture, by_mac, by_ip, leased):
    # The client that sent this RRQ.
    client = by_mac.get(leased.get(packet.src)) or by_ip.get(packet.src)
    if client is None:
        client = by_mac.get(packet.src_mac) or _new(capture)
        if packet.src_mac and not client.macs:
            client.macs.append(packet.src_mac)
    by_ip[packet.src] = client
    if packet.src not in client.ips:
        client.ips.append(packet.src)
    return client


def _belongs(packet, lately, capture):
    # Give a packet to the conversation that it belongs to.
    for place, out in (((packet.src, packet.sport), True), ((packet.dst, packet.dport), False)):
        talks = lately.get(place)
        if talks:
            packet.out = out
            known = [talk for talk in talks if talk.knows(packet)]
            (known or talks)[-1].add(packet)
            return
    capture.strays += 69 in (packet.sport, packet.dport) or _like_tftp(packet)


def _like_tftp(packet):
    # DATA or ACK between two high ports: most likely the rest of an earlier transfer.
    low = min(packet.sport, packet.dport) >= 1024
    return low and packet.payload[:2] in (b"\0\3", b"\0\4") and packet.size in (4, 516)


def _icmp(packet, lately):
    # An ICMP error belongs where the packet belongs that it quotes.
    quoted = packet.icmp[2]
    talks = lately.get((quoted.src, quoted.sport))
    packet.out = False
    if not talks:
        talks = lately.get((quoted.dst, quoted.dport))
        packet.out = bool(talks)
    if talks:
        quoted.out = not packet.out
        known = [talk for talk in talks if talk.knows(quoted)]
        (known or talks)[-1].packets.append(packet)
