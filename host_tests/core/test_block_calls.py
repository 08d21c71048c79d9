"""What a full block in order costs, in calls: nobody slows the loop over them without noticing.

A fake socket under the real `udp.Udp` and `fetch.Fetch`; what is compared is one fetch and another
that has _MORE full blocks, so that the beginning and the end do not count. No time is measured.
"""

from pxerom import fetch, image, udp
from pxerom.fetch import Fetch
from pxerom.runtime import address

from host_tests.core.check import Patch, rom, same

_HOST = "10.254.52.26"
_PEER = address(_HOST, 45140)
_BLKSIZE = 1468
_BEFORE = 30  # blocks: from the 32 KiB on, where the kind of image may be looked for, it streams
_MORE = 80


class Calls:
    """How often each kind of call was made."""

    def __init__(self):
        self.made = {}

    def count(self, name):
        self.made[name] = self.made.get(name, 0) + 1


class FakeSocket:
    """A socket with a lockstep server of `blocks` full blocks and an empty one, in windows."""

    AF_INET = SOCK_DGRAM = SOL_SOCKET = 2

    def __init__(self, calls, blocks, window):
        self.calls = calls
        self.blocks = blocks
        self.window = window
        self.waiting = []
        self.at = 0

    def socket(self, family, kind):
        return self

    def bind(self, to):
        pass

    setsockopt = setblocking = settimeout = lambda self, *settings: None

    def close(self):
        pass

    def sendto(self, packet, to):
        self.calls.count("send")
        if packet[1] == 1:
            options = b"blksize\0%d\0windowsize\0%d\0" % (_BLKSIZE, self.window)
            self.waiting.append(b"\0\6" + options)
        elif packet[1] == 4:
            self.at = packet[2] << 8 | packet[3]
            for block in range(self.at + 1, min(self.at + self.window, self.blocks + 1) + 1):
                self.waiting.append(block)

    def _next(self):
        self.calls.count("receive")
        if not self.waiting:
            raise OSError(11)
        packet = self.waiting.pop(0)
        if isinstance(packet, bytes):
            return packet
        head = bytes((0, 3, packet >> 8, packet & 255))
        return head if packet > self.blocks else head + bytes(_BLKSIZE)

    def recvfrom(self, size):
        return self._next(), _PEER

    def recvfrom_into(self, buffer):
        packet = self._next()
        buffer[: len(packet)] = packet
        return len(packet), _PEER


class _Digest:
    calls = None

    def update(self, view):
        self.calls.count("digest")

    def digest(self):
        return bytes(32)

    def sha256(self):
        return self


class Sink:
    """Counts its writes."""

    def __init__(self, calls):
        self.calls = calls

    def writer(self, view):
        self.calls.count("write")

    write = writer

    def room(self):
        pass

    open = commit = abort = room


def fetched(calls, sink, blocks, window, into):
    """One fetch of so many full blocks; the clock stands still, and its readings count."""
    fake = FakeSocket(calls, blocks, window)
    spec = rom("standard")
    options = [["blksize", str(_BLKSIZE)], ["windowsize", str(window)]]
    request = dict(spec["tftp"]["requests"][-1], options=options)
    spec = dict(spec, tftp=dict(spec["tftp"], requests=[request], dally_ms=0))

    def clock():
        calls.count("clock")
        return 0

    def set_timeout(sock, wait_ms):
        calls.count("time-out")

    def into_buffer(sock):
        return sock.recvfrom_into if into else None

    with Patch(udp, "socket", fake), Patch(udp, "watch_icmp", id), Patch(fetch, "QUEUE", None):
        with Patch(udp, "recvfrom_into", into_buffer), Patch(udp, "set_timeout", set_timeout):
            net = udp.Udp(spec["udp"]["source_port"])
            net.now = clock
            result = Fetch(spec, net, len).fetch(_HOST, 69, "x", sink)
    same((result["outcome"], result["transfers"][0]["blocks"]), ("ok", blocks + 1))
    return calls.made


def _more(window, into):
    # {call: how many more for _MORE more blocks}
    made = []
    for blocks in (_BEFORE, _BEFORE + _MORE):
        calls = Calls()
        digest = _Digest()
        digest.calls = calls
        with Patch(image, "hashlib", digest):
            made.append(fetched(calls, Sink(calls), blocks, window, into))
    less, most = made
    return {name: most[name] - less[name] for name in most if most[name] != less[name]}


def test_full_block_is_one_receive_one_ack_one_digest_and_one_write():
    """Where datagrams come into a buffer, the clock is read at each eighth; else at each."""
    each = {"receive": _MORE, "send": _MORE, "digest": _MORE, "write": _MORE}
    same(_more(1, True), dict(each, clock=_MORE // 8))
    same(_more(1, False), dict(each, clock=_MORE))


def test_window_is_acknowledged_once():
    each = {"receive": _MORE, "send": _MORE // 4, "digest": _MORE, "write": _MORE}
    same(_more(4, True), dict(each, clock=_MORE // 8))
    same(_more(4, False), dict(each, clock=_MORE))
