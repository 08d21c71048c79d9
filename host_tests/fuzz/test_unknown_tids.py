"""A flood from unknown TIDs neither ends nor delays a transfer (R-TFTP-9, 11).

Two unknown TIDs at once: another port of the server's host, from the first block on, and another
host, from the OACK on. (Before a reply has fixed the peer, any port of the server may be the
peer: that is TFTP, R-TFTP-7.) Each sends eight packets ahead of each of the server's own: on
loopback they are in the client's queue before it, however fast the machine is. That deadlines do
not move is tested in virtual time (`core/test_retry_waits`).
"""

import itertools
import socket

from host_tests.core.packets import ack, data, error, oack
from host_tests.fuzz.adversary import CONTENT
from host_tests.lab import scripted
from host_tests.lab.scripted import NORMAL

_ELSEWHERE = "127.66.6.6"
_BLOCKS = 250
_LONG_MS = 20000  # a wait that no busy machine reaches: a retransmission would be the flood's


class UnknownTid:
    """An action of the scripted server: sends what could end or spoil a transfer."""

    def __init__(self, host):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((host, 0))
        self.socket.setblocking(False)
        self.sent = 0
        self._numbers = itertools.cycle(range(_BLOCKS + 2))

    def __call__(self, transfer):
        # Every block number comes by, and so the expected one.
        block = next(self._numbers)
        for packet in (data(block, b"\xee" * 1468), data(block), error(0, "stop"), b"",
                       oack(blksize=8), ack(block), b"\0", bytes(range(256))):  # fmt: skip
            self.socket.sendto(packet, transfer.peer)
            self.sent += 1

    def answers(self):
        """What it was answered; its socket is closed."""
        answers = []
        with self.socket:
            try:
                while True:
                    answers.append(self.socket.recv(2048))
            except BlockingIOError:
                return answers


def test_unknown_tids_neither_end_nor_delay_a_transfer(fetch):
    same_host, elsewhere = UnknownTid("127.0.0.1"), UnknownTid(_ELSEWHERE)
    content = CONTENT[: _BLOCKS * 1468 - 100]
    script = {"oack 1": [elsewhere, NORMAL]}
    for block in range(1, _BLOCKS + 1):
        script[f"data {block}"] = [same_host, elsewhere, NORMAL]
    waits = {"waits_ms": [_LONG_MS]}
    rom = fetch.rom("standard", dally_ms=0, retry={"open": waits, "read": waits})
    with scripted.serve({"f": content}, script, retry_s=None) as server:
        told = fetch(server.url("f"), rom, content)
    assert told["outcome"] == "ok", told["status"]
    [transfer] = told["transfers"]
    assert transfer["bytes"] == len(content)
    assert transfer["blksize"] == 1468
    # Each packet of the flood was read and counted, and nothing was ever sent twice.
    assert transfer["foreign"] == same_host.sent + elsewhere.sent == 8 * (2 * _BLOCKS + 1)
    assert transfer["retransmits"] == transfer["duplicates"] == 0
    from_client = [packet.payload for packet in server.packets if packet.dst == server.host]
    acks = [payload for payload in from_client if payload[:2] == b"\0\4"]
    assert acks == [ack(block) for block in range(_BLOCKS + 1)]
    # The right host hears "unknown TID", ten times a second at most; another host nothing.
    assert elsewhere.answers() == []
    answers = same_host.answers()
    assert 0 < len(answers) <= 10 * (transfer["elapsed_ms"] / 1000 + 2)
    assert all(answer[:4] == b"\0\5\0\5" for answer in answers)
