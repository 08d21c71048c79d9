"""One TFTP transfer of a capture, down or up: its requests, its packets and its outcome.

`conversations` decides which packets belong to it; `messages` reads them.

1. The peer is the port that the client answers; before that, any port that answers.
2. An RRQ with the same bytes repeats the last one while that is unanswered, from whatever port;
   one that goes to the server's TID repeats it in any case.
"""

from pxebench.captures.messages import tftp

# The packets with which a client answers: of one that reads, and of one that writes.
_READER_KINDS = ("ACK", "ERROR")
_WRITER_KINDS = ("DATA", "ERROR")


class Conversation:
    """One transfer, from its first RRQ or WRQ.  `client`, `server`: IPv4 as text; `server_port`:
    where the RRQ went; `requests`: its RRQ Packets; `packets`: all Packets of it in order,
    RRQs, ICMP and those of unknown TIDs included (`packet.out`: the client sent it); `tid`: the
    server's port that the client settled on, or None."""

    def __init__(self, packet):
        self.client = packet.src
        self.server = packet.dst
        self.server_port = packet.dport
        self.requests = [packet]
        self.packets = [packet]
        self.tid = None
        self.tids = []  # every port that the server answered from, in order
        self._oacks = {}  # TID: the options of its first OACK
        self._finished = False  # only late packets can follow
        self._answered = False  # the client reacted to an answer

    def __repr__(self):
        return f"<{self.file} from {self.source_ports}: {self.outcome}>"

    # --- the request

    @property
    def request(self):
        """The bytes of the RRQ."""
        return self.requests[0].payload

    @property
    def asked(self):
        """The RRQ as `messages.Tftp`: kind, file, mode, options, tail."""
        return tftp(self.requests[0])

    @property
    def writes(self):
        """True for an upload, which began with a WRQ."""
        return self.asked.kind == "WRQ"

    @property
    def file(self):
        return self.asked.file

    @property
    def source_ports(self):
        """The client's port of each RRQ, in order."""
        return [packet.sport for packet in self.requests]

    @property
    def began(self):
        return self.packets[0].time

    @property
    def ended(self):
        return self.packets[-1].time

    # --- the outcome

    def messages(self):
        """(Packet, Tftp) of each UDP packet; ICMP has no message."""
        return [(packet, tftp(packet)) for packet in self.packets if not packet.icmp]

    @property
    def icmp(self):
        """The ICMP errors that belong to this conversation."""
        return [packet for packet in self.packets if packet.icmp]

    @property
    def oack(self):
        """The options of the peer's first OACK, or None."""
        if self.tid is None:
            return next(iter(self._oacks.values()), None)
        return self._oacks.get(self.tid)

    def granted(self, name, default):
        """The number that the peer's OACK gives an option, or `default`."""
        for option, text in self.oack or ():
            if option.lower() == name and text.isascii() and text.isdigit():
                return int(text[:20])
        return default

    @property
    def blksize(self):
        return self.granted("blksize", 512)

    @property
    def windowsize(self):
        return max(1, self.granted("windowsize", 1))

    @property
    def sent_error(self):
        """The first ERROR of the client, as Tftp, or None."""
        return self._error(True)

    @property
    def error(self):
        """The first ERROR of the server, as Tftp, or None."""
        return self._error(False)

    def _error(self, out):
        for packet, message in self.messages():
            if message.kind == "ERROR" and packet.out == out and packet.src in self._ends(out):
                return message
        return None

    def _ends(self, out):
        return (self.client,) if out else (self.server,)

    @property
    def blocks(self):
        """How many blocks the reading end has acknowledged, counted on beyond 65535."""
        high = 0
        for packet, message in self.messages():
            acks = packet.out != self.writes and message.kind == "ACK"
            if acks and message.block is not None:
                ahead = (message.block - high) % 65536
                if ahead < 0x8000:
                    high += ahead
        return high

    @property
    def outcome(self):
        """ "done" (the last DATA was acknowledged), "aborted" (the client sent an ERROR),
        "refused" (the server did), "broken" (it stopped between), or "unanswered"."""
        last = self._last_block()
        if last is not None and self.blocks % 65536 == last % 65536 and self.blocks:
            return "done"
        if self.sent_error:
            return "aborted"
        if self.error:
            return "refused"
        return "broken" if self.tids else "unanswered"

    def _last_block(self):
        # The number of the DATA that is shorter than a block, or None.
        size = self.blksize
        for packet, message in self.messages():
            data = packet.out == self.writes and message.kind == "DATA"
            peer = packet.dport if packet.out else packet.sport
            if (
                data
                and peer in (self.tid, None)
                and message.length is not None
                and message.length < size
            ):
                return message.block
        return None

    # --- adding packets

    def knows(self, packet):
        """True when the packet's other end is this server's TID."""
        other = (packet.dst, packet.dport) if packet.out else (packet.src, packet.sport)
        return other[0] == self.server and other[1] in self.tids

    def repeats(self, packet):
        """True when this RRQ repeats this conversation's."""
        if packet.payload != self.request or packet.dst != self.server:
            return False
        if packet.dport in self.tids and packet.dport != self.server_port:
            return True  # GRUB and tftp-hpa repeat it to the TID
        same_port = packet.sport == self.requests[-1].sport
        if self._finished or (self._answered and not same_port):
            return False
        # A client that has repeated it from one port does not change the port now.
        ports = set(self.source_ports)
        return same_port or len(self.requests) == 1 or len(ports) == len(self.requests)

    def add(self, packet):
        """Add a packet."""
        self.packets.append(packet)
        if packet.icmp:
            return
        message = tftp(packet)
        if packet.out:
            # A single-port server is acknowledged at the port that was asked.
            own = (
                message.kind in (_WRITER_KINDS if self.writes else _READER_KINDS)
                or packet.dport != self.server_port
            )
            if packet.dst != self.server or not own:
                return
            if message.kind in (_WRITER_KINDS if self.writes else _READER_KINDS):
                self._answered = True
                if self.tid is None:
                    self.tid = packet.dport
                if message.kind == "ERROR" or self._is_last(message):
                    self._finished = True
        elif packet.src == self.server:
            if packet.sport not in self.tids:
                self.tids.append(packet.sport)
            if message.kind == "ERROR" or (self.writes and self._is_last(message)):
                self._finished = True
            elif message.kind == "OACK":
                self._oacks.setdefault(packet.sport, message.options)

    def _is_last(self, message):
        # True when this is the ACK of a DATA shorter than a block.
        if message.kind != "ACK":
            return False
        for packet in reversed(self.packets):
            if packet.icmp or packet.out != self.writes:
                continue
            data = tftp(packet)
            if data.kind == "DATA" and data.block == message.block:
                return (data.length or 0) < self.blksize
        return False

    def ask_again(self, packet):
        """Add a repeated RRQ."""
        self.requests.append(packet)
        self.packets.append(packet)
