"""A bad line between a client and a TFTP server: it loses, duplicates, reorders and delays.

It forwards UDP on loopback, from a thread of the test. What happens to a packet is drawn from a
seed, separately for each direction, so that it is always the same for the Nth packet of a
direction.

    with relay.line(server.host, server.port, seed=7, loss=0.1) as line:
        ... ask line.host:line.port instead of the server ...

Rules
1. Ports stay what they are where possible: the relay has an address of its own, and there takes
   the client's port towards the server and the server's TID towards the client. (A client that
   took its port on every address of this PC has left the relay none of that number.)
2. Closing a line drops the packets that it still holds.
"""

import collections
import contextlib
import heapq
import itertools
import random
import select
import socket
import threading
import time


class Way:
    """One direction of the line, with its own random numbers."""

    def __init__(self, seed, name, loss, duplicate, reorder, delay_s):
        self._dice = random.Random(f"{seed} {name}")
        self._loss, self._duplicate, self._reorder = loss, duplicate, reorder
        self._delay_s = delay_s
        self.counts = collections.Counter()

    def arrivals(self):
        """Return the delays after which copies of the next packet arrive; none: it is lost."""
        # Always four draws a packet, so that one rate does not shift another's outcomes.
        lost, doubled, passed, place = (self._dice.random() for _ in range(4))
        self.counts["packets"] += 1
        if lost < self._loss:
            self.counts["lost"] += 1
            return []
        low, high = self._delay_s
        delay_s = low + place * (high - low)
        if passed < self._reorder:
            self.counts["overtaken"] += 1
            delay_s += max(high, 0.002) * 2  # long enough for the next one to overtake it
        if doubled < self._duplicate:
            self.counts["doubled"] += 1
            return [delay_s, delay_s + 0.001]
        return [delay_s]


class Line:
    """Made by `line`: `host` and `port` are to be asked in place of the server."""

    def __init__(self, server, host, to_server, to_client):
        self.host = host
        self._server = server
        self._ways = {"to server": to_server, "to client": to_client}
        self._queue = []
        self._order = itertools.count()
        self._ending = threading.Event()
        self._front = self._open(0)
        self.port = self._front.getsockname()[1]
        self._upstream = {}  # client -> the socket that speaks to the server in its name
        self._peers = {}  # upstream socket -> client
        self._tids = {}  # (client, the server's address) -> the socket that speaks in its name
        self._routes = {}  # such a socket -> (client, the server's address)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def counts(self):
        """Return how many packets came, were lost, doubled, overtaken: a Counter by name."""
        return sum((way.counts for way in self._ways.values()), collections.Counter())

    def close(self):
        self._ending.set()
        self._thread.join()
        for made in (self._front, *self._peers, *self._routes):
            made.close()

    def _open(self, port):
        made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            made.bind((self.host, port))
        except OSError:
            made.bind((self.host, 0))
        return made

    def _run(self):
        while not self._ending.is_set():
            now = time.monotonic()
            while self._queue and self._queue[0][0] <= now:
                _due, _order, out, packet, target = heapq.heappop(self._queue)
                out.sendto(packet, target)
            pause = max(self._queue[0][0] - now, 0) if self._queue else 0.02
            waiting = [self._front, *self._peers, *self._routes]
            for ready in select.select(waiting, [], [], min(pause, 0.02))[0]:
                try:
                    packet, sender = ready.recvfrom(65536)
                except ConnectionRefusedError:
                    continue
                self._forward(ready, packet, sender)

    def _forward(self, came_in, packet, sender):
        if came_in in self._peers:  # from the server
            client = self._peers[came_in]
            out = self._tids.get((client, sender))
            if out is None:
                # A single-port server answers from where it was asked.
                out = self._front if sender == self._server else self._open(sender[1])
                self._tids[client, sender] = out
                if out is not self._front:
                    self._routes[out] = (client, sender)
            self._pass_on("to client", out, packet, client)
        else:
            client, target = self._routes.get(came_in, (sender, self._server))
            if sender != client:
                return  # an unknown TID; the line has two ends
            out = self._upstream.get(client)
            if out is None:
                out = self._open(client[1])
                self._upstream[client] = out
                self._peers[out] = client
            self._pass_on("to server", out, packet, target)

    def _pass_on(self, way, out, packet, target):
        now = time.monotonic()
        for delay_s in self._ways[way].arrivals():
            item = (now + delay_s, next(self._order), out, packet, target)
            heapq.heappush(self._queue, item)


@contextlib.contextmanager
def line(
    server_host,
    server_port,
    seed,
    host="127.0.0.2",
    loss=0.0,
    duplicate=0.0,
    reorder=0.0,
    delay_s=(0.0, 0.0),
):
    """Yield a Line to the server; rates are per packet (0..1), delay_s is (least, most)."""
    ways = [
        Way(seed, name, loss, duplicate, reorder, delay_s) for name in ("to server", "to client")
    ]
    made = Line((server_host, server_port), host, *ways)
    try:
        yield made
    finally:
        made.close()
