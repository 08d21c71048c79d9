"""A thousand packets a second from an unknown TID neither end nor delay a transfer (R-TFTP-9, 11).

Two unknown TIDs at once: another port of the server's host, from the first block on, and another
host, from the OACK on. (Before a reply has fixed the peer, any port of the server may be the
peer: that is TFTP, R-TFTP-7.) The same transfer without unknown TIDs is the measure.
"""

import itertools
import socket
import threading
import time

from host_tests.core.packets import ack, data, error, oack
from host_tests.fuzz.adversary import CONTENT
from host_tests.lab import scripted
from host_tests.lab.scripted import NORMAL

_PER_SECOND = 1000
_ELSEWHERE = "127.66.6.6"
_BLOCKS = 250
_DRIP_S = 0.008


class UnknownTid:
    """Sends what could end or spoil a transfer, so often a second; counts what it is answered."""

    def __init__(self, host):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((host, 0))
        self.socket.setblocking(False)
        self.sent = 0
        self.answers = []
        self._peer = None
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def begin(self, transfer):
        """An action of the scripted server."""
        self._peer = transfer.peer
        self._thread.start()

    def _run(self):
        # Every block number comes by, and so the expected one.
        numbers = itertools.cycle(range(_BLOCKS + 2))
        began = time.monotonic()
        while not self._ending.wait(0.005):
            while self.sent < (time.monotonic() - began) * _PER_SECOND:
                block = next(numbers)
                for packet in (data(block, b"\xee" * 1468), data(block), error(0, "stop"), b"",
                               oack(blksize=8), ack(block), b"\0", bytes(range(256))):  # fmt: skip
                    self.socket.sendto(packet, self._peer)
                    self.sent += 1
            try:
                while True:
                    self.answers.append(self.socket.recv(2048))
            except (BlockingIOError, ConnectionRefusedError):
                pass

    def end(self):
        self._ending.set()
        if self._thread.is_alive():
            self._thread.join()
        self.socket.close()


def _transfer(fetch, unknown_tids):
    content = CONTENT[: _BLOCKS * 1468 - 100]
    script = {
        "oack 1": [NORMAL],
        "data 1": [NORMAL],
    }
    for point, unknown_tid in zip(("data 1", "oack 1"), unknown_tids, strict=False):
        script[point].insert(0, unknown_tid.begin)
    with scripted.serve({"f": content}, script, drip_s=_DRIP_S) as server:
        result = fetch(server.url("f"), fetch.rom("standard", dally_ms=0), content)
    assert result["outcome"] == "ok", result["status"]
    return result["transfers"][0]


def test_unknown_tids_neither_end_nor_delay_a_transfer(fetch):
    quiet = _transfer(fetch, ())
    unknown_tids = UnknownTid("127.0.0.1"), UnknownTid(_ELSEWHERE)
    try:
        loud = _transfer(fetch, unknown_tids)
    finally:
        for unknown_tid in unknown_tids:
            unknown_tid.end()
    same_host, elsewhere = unknown_tids
    seconds = loud["elapsed_ms"] / 1000
    for unknown_tid in unknown_tids:
        assert unknown_tid.sent > _PER_SECOND * seconds * 0.8, "the flood was no flood"
    # The server's pacing decides, not the unknown TIDs: no timed test, an order of magnitude.
    assert loud["elapsed_ms"] < quiet["elapsed_ms"] * 1.5 + 500
    assert loud["bytes"] == quiet["bytes"]
    assert loud["blksize"] == 1468
    assert loud["foreign"] > (same_host.sent + elsewhere.sent) / 2
    # The right host hears "unknown TID", ten times a second at most; another host nothing.
    assert elsewhere.answers == []
    assert 0 < len(same_host.answers) <= 10 * (seconds + 2)
    assert all(answer[:4] == b"\0\5\0\5" for answer in same_host.answers)
