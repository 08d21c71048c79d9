"""A client that misbehaves on purpose, for people who test servers.

`Faults` stands between the boot sequence and `udp.Udp` and has the same methods. It is imported
where a job asks for it. The engine and the timers are unchanged, so that the ROM behaves as always
except for the fault. The bench checks which faults a user may ask for (`pxebench/faults.py`). RFC
1350 says how a server must treat such a client.

1. Only what is sent is changed. What is received reaches the ROM unchanged.
2. An ACK passes the faults in this order: abort-at, silent-after, no-final-ack, wrong-tid,
   lose-ack, late-ack, double-ack.
3. One number is drawn for each ACK that lose-ack meets, from the seed alone: the same ACKs are
   lost on every interpreter.
4. A request or an ERROR of the ROM takes back the late ACKs that have not gone out yet.
"""

from pxerom.failure import Ended, Refused
from pxerom.runtime import const, ticks_add, ticks_diff
from pxerom.tftp_packet import number, oack_options
from pxerom.udp import Udp

_NAMES = ("lose-ack", "double-ack", "late-ack", "silent-after", "wrong-tid", "no-final-ack")
_NAMES += ("abort-at", "seed")
_DATA = const(3)
_ACK = const(4)
_OACK = const(6)
_MASK = const(0xFFFFFFFF)
_ANSWERS_AT_ONCE = const(8)
_LAST_ANSWER_MS = const(50)


class _Aborted(Ended):
    by = "fault"


class Faults:
    """Misbehaves as `spec` says: {"seed": n, fault: whole number, ...}. `net`: the service below;
    `max_time_ms`: the bench's time; `on_wait`: as `Fetch` has it. `report` goes to the result."""

    def __init__(self, net, spec, max_time_ms, on_wait=None):
        for name, value in spec.items():
            if name not in _NAMES or type(value) is not int or value < 0:
                raise Refused("This firmware knows no fault %s:%s." % (name, value))
        self.net = net
        self.ports = net.ports
        self.trace = net.trace
        self.now = net.now
        self.sender = None
        self.report = {
            "asked": {name: value for name, value in spec.items() if name != "seed"},
            "seed": spec.get("seed", 1),
            "acks": 0,  # that the ROM would have sent, and what became of them:
            "lost": 0,
            "late": 0,
            "doubled": 0,
            "withheld": 0,
            "strange": 0,  # ACKs from another port, and what the server said to that port:
            "answers": 0,
            "errors_5": 0,
        }
        self._spec = spec
        self._on_wait = on_wait
        self._end = ticks_add(net.now(), max_time_ms)
        self._silent = False
        self._late = []  # (due, packet, to)
        self._full = 516  # length of a DATA that is not the last
        self._final = None  # number of the last DATA, as its two bytes
        self._unknown_tid = None
        # A product spreads small seeds over all the bits; zero would stay zero for ever.
        self._state = (spec.get("seed", 1) * 2654435761 + 0x9E3779B9) & _MASK or 1

    @property
    def errors(self):
        return self.net.errors

    def open(self, new_transfer):
        return self.net.open(new_transfer)

    def send(self, packet, to):
        if packet[1] != _ACK or packet[0]:
            self._late.clear()
            self._full = 516
            if not self._silent:
                self.net.send(packet, to)
            return
        spec = self._spec
        report = self.report
        report["acks"] += 1
        block = packet[2] << 8 | packet[3]
        if block >= spec.get("abort-at", 65536):
            raise _Aborted()  # the boot sequence sends the ERROR, as after Ctrl-C
        after = spec.get("silent-after", 65536)
        if self._silent or block > after or ("no-final-ack" in spec and packet[2:] == self._final):
            self._silent = self._silent or block > after
            report["withheld"] += 1
            return
        self._silent = block == after
        if "wrong-tid" in spec:
            self._stray(packet, to)
        if "lose-ack" in spec and self._draw() < spec["lose-ack"]:
            report["lost"] += 1
        elif "late-ack" in spec:
            report["late"] += 1
            self._late.append((ticks_add(self.now(), spec["late-ack"]), bytes(packet), to))
        else:
            self._transmit(packet, to)

    def receive(self, size, wait_ms):
        if self._unknown_tid:
            self._hear(1)
        while self._late:
            left_ms = ticks_diff(self._late[0][0], self.now())
            if left_ms > 0:
                wait_ms = min(wait_ms, left_ms)
                break
            _, packet, to = self._late.pop(0)
            self._transmit(packet, to)
        data = self.net.receive(size, wait_ms)
        self.sender = self.net.sender
        if data is not None and len(data) > 3 and "no-final-ack" in self._spec:
            self._look(data)
        return data

    def functions(self, wait_ms):
        return None  # each packet passes here

    def close(self):
        """As in `Udp`; an ACK that is late still goes out, if the bench's time lasts so long."""
        try:
            while self._late and ticks_diff(self._end, self.now()) > 0:
                self.receive(600, 1000)
                if self._on_wait:
                    self._on_wait()
            if self._unknown_tid:
                self._hear(_LAST_ANSWER_MS)
        except KeyboardInterrupt:
            pass
        finally:
            if self._unknown_tid:
                self._unknown_tid.close()
            self.net.close()

    def _transmit(self, packet, to):
        self.net.send(packet, to)
        if "double-ack" in self._spec:
            self.report["doubled"] += 1
            self.net.send(packet, to)

    def _draw(self):
        # Marsaglia's xorshift, 32 bits: 0..99.
        x = self._state
        x ^= (x << 13) & _MASK
        x ^= x >> 17
        x ^= (x << 5) & _MASK
        self._state = x
        return x % 100

    def _look(self, data):
        # A DATA that is shorter than blksize is the last one.
        if data[1] == _OACK:
            size = number((oack_options(data) or {}).get("blksize", ""), 5)
            self._full = size + 4 if size > 0 else 516
        elif data[1] == _DATA:
            self._final = bytearray(data[2:4]) if len(data) < self._full else None

    def _stray(self, packet, to):
        # The same ACK from a port that has no part in the transfer: the first bit of the ROM's
        # port turned, the second set; no ROM's counter comes there soon.
        if not self._unknown_tid:
            self._unknown_tid = self._other((self.net.port ^ 0x8000) | 0x4000)
            self._unknown_tid.open(True)
        self.report["strange"] += 1
        self._unknown_tid.send(packet, to)

    def _other(self, port):
        spec = {"policy": "fixed", "first": port, "last": port, "step": 1, "per": "boot"}
        return Udp(spec, self.net.bind, self.trace)

    def _hear(self, wait_ms):
        # RFC 1350 section 4: the unknown TID is owed an ERROR 5, and the transfer goes on.
        for _ in range(_ANSWERS_AT_ONCE):
            data = self._unknown_tid.receive(600, wait_ms)
            if data is None:
                return
            self.report["answers"] += 1
            if bytes(data[:4]) == b"\0\5\0\5":
                self.report["errors_5"] += 1
