"""What all sources together show of one machine's requests: which were answered, and how far the
answers came.

A request is identified by its port, file and options. A source at the client shows that it left,
and whether an answer came; one at the server that it arrived, and whether an answer left; a
firewall's log that it or its answer was dropped.

1. That a source lacks a packet proves something only where it has other packets of the same boot.
2. An answer that was seen anywhere proves that its request arrived.
"""

from pxebench.captures.messages import tftp
from pxebench.explain.observation import ASKED, DROPPED, FAILED, PASSED, REFUSED, SENT, SOCKET


class Asked:
    """One request, with its repetitions from that port.  `port`; `file`; `options`; `times`: how
    often; `heard`: the client reacted to an answer; `answers`: {place: how many}, place being
    "client", "server", "between" or None; `seen`: at which places it was; `talks`: [(place,
    conversation)]."""

    def __init__(self, port, file, options):
        self.port = port
        self.file = file
        self.options = options
        self.times = 0
        self.heard = False
        self.done = False
        self.answers = {}
        self.seen = set()
        self.talks = []

    @property
    def began(self):
        """The time of its first packet, in nanoseconds since 1970 or in its source's own clock."""
        return min(talk.packets[0].epoch_ns for _, talk in self.talks)

    @property
    def ended(self):
        """The time of its last packet."""
        return max(talk.packets[-1].epoch_ns for _, talk in self.talks)


class Evidence:
    """The evidence of one machine. `asked`: its `Asked`s of TFTP; `places`: where its sources were
    made; `dropped`: {"request", "answer", "ack": [Observation]}; `logs`: {what: [Observation]};
    `children`: ports that a server's sockets talk to; `icmp`: [(type, code, sender, of a request)]
    that came back to the client; `foreign`: addresses that answered and were not asked;
    `servers`."""

    def __init__(self, machine):
        self.machine = machine
        self.asked = []
        self.places = set()
        self.dropped = {"request": [], "answer": [], "ack": []}
        self.logs = {}
        self.children = []
        self.icmp = []
        self.foreign = []
        self.servers = list(machine.servers)
        self.kept_back = []  # answers that a forwarding machine took in and did not send on
        self.moved = []  # (port it sends from, the server's port, port it asked from)
        self._read()

    # --- collecting

    def _read(self):
        rows = {}
        for view in self.machine.views:
            place = view.source.where
            self.places.add(place)
            for talk in view.client.conversations:
                self._talk(rows, talk, place, view)
            self._elsewhere(view)
        self.asked = list(rows.values())
        for mark in self.machine.marks:
            self._mark(mark)
        self.children = [
            (port, seen) for port, _, seen in self.machine.ports if seen.what == SOCKET
        ]

    def _talk(self, rows, talk, place, view):
        for port in dict.fromkeys(talk.source_ports):
            # A log's request has no port and no options: it cannot be matched.
            key = (port, talk.request) if port > 0 else (port, talk.request, id(talk))
            asked = rows.get(key)
            if asked is None:
                asked = rows[key] = Asked(port, talk.asked.file, talk.asked.options or [])
            asked.times = max(asked.times, sum(p.sport == port for p in talk.requests))
            asked.seen.add(place)
            asked.talks.append((place, talk))
            came = [
                p
                for p in talk.packets
                if not p.out and not p.icmp and p.dport == port and p.src == talk.server
            ]
            if came:
                self._sent_on(talk, came, view)
                asked.answers[place] = asked.answers.get(place, 0) + len(came)
            reacted = [
                p
                for p in talk.packets
                if p.out
                and not p.icmp
                and p.sport == port
                and p.dport in talk.tids
                and tftp(p).kind in ("ACK", "ERROR")
            ]
            asked.heard = (
                asked.heard
                or bool(reacted)
                or (bool(came) and place == "client" and talk.error is not None)
            )
            asked.done = asked.done or talk.outcome == "done"
            for packet in talk.packets:
                if packet.icmp:
                    self._icmp(packet, talk)
                elif (
                    not packet.out and packet.src != talk.server and packet.src not in self.foreign
                ):
                    if tftp(packet).kind in ("OACK", "DATA", "ERROR") and not came:
                        self.foreign.append(packet.src)

    def _elsewhere(self, view):
        # Packets to a port that answered this client, from a port that sent no request.
        file = view.source.file
        if file is None:
            return
        talks = {tid: talk for talk in view.client.conversations for tid in talk.tids}
        ports = {port for talk in view.client.conversations for port in talk.source_ports}
        for packet in file.packets:
            talk = talks.get(packet.dport)
            if talk is None or packet.icmp or packet.dport == talk.server_port:
                continue
            ends = packet.src == talk.client and packet.dst == talk.server
            if ends and packet.sport not in ports and tftp(packet).kind in ("ACK", "ERROR"):
                self.moved.append((packet.sport, packet.dport, talk.source_ports[-1]))

    def _sent_on(self, talk, came, view):
        file = view.source.file
        if file is None or not file.copies:
            return
        asked = any(packet.number in file.sent_on for packet in talk.requests)
        if asked and not any(packet.number in file.sent_on for packet in came):
            self.kept_back.append((view.source.name, len(came)))

    def _icmp(self, packet, talk):
        kind, code, quoted = packet.icmp
        if packet.src == talk.client:
            return  # the client's own system complains of a late answer
        request = quoted.dport in (talk.server_port, 0)
        self.icmp.append((kind, code, packet.src, request))

    def _mark(self, mark):
        if mark.what in (DROPPED, PASSED):
            if mark.what == PASSED and mark.get("known", True):
                return
            way = self._way(mark)
            if way and mark.what == DROPPED:
                self.dropped[way].append(mark)
            self.places.add("between")
            return
        self.logs.setdefault(mark.what, []).append(mark)
        if mark.what in (ASKED, SENT, FAILED, REFUSED):
            self.places.add("server")

    def _way(self, mark):
        if mark.src == self.machine.ip:
            return "request" if mark.dport == 69 else "ack"
        if mark.dst == self.machine.ip:
            return "answer"
        return None

    # --- what it shows

    @property
    def deaf(self):
        """The requests whose answer the client never reacted to."""
        return [asked for asked in self.asked if not asked.heard]

    @property
    def heard(self):
        """The requests whose answer it reacted to."""
        return [asked for asked in self.asked if asked.heard]

    @property
    def answered(self):
        """True when some answer to a request that was not heard was seen, or must have been sent:
        a server's child waits for the client, or its log says that it gave up."""
        seen = any(asked.answers for asked in self.deaf)
        served = self.logs.get(ASKED) and not self.logs.get(REFUSED)
        return (
            seen
            or bool(served)
            or bool(self.children)
            or bool(self.logs.get(FAILED))
            or bool(self.dropped["answer"])
        )

    @property
    def arrived(self):
        """True when requests were seen at the server, or further on than their sender."""
        logs = any(self.logs.get(what) for what in (ASKED, SENT, FAILED, REFUSED, "heard"))
        place = any(asked.seen & {"server"} for asked in self.asked)
        return logs or place or self.answered

    @property
    def never_arrived(self):
        """True when the server's own capture shows the machine, or nothing of these requests,
        while the client's has them."""
        places = {view.source.where for view in self.machine.views}
        if not {"client", "server"} <= places:
            return False
        return all("server" not in asked.seen for asked in self.deaf) and bool(self.deaf)

    def answers_reach_client(self):
        """True, False, or None where no source at the client tells."""
        here = [asked for asked in self.deaf if "client" in asked.seen]
        if not here:
            return None
        return any(asked.answers.get("client") for asked in here)
