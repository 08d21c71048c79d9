"""The other end of a row's datagrams.

`Peer` is a socket that sends to the one under test, or hears it: `sendto`, `recvfrom` and
`settimeout` as any, `at` is its address, `host` that as text. Where a stack hears its own
datagrams, the peer is a socket of the same stack; where it does not (rp2 has no loopback), another
machine plays it, told by datagrams what to do (`puppet.py`). `nobody()` is an address of the
peers' host at which nobody listens.
"""

import socket

from pxerom import runtime

from host_tests.boards.on_board.stack import HOST, PUPPET


def free_port():
    """A port that no socket of this stack has."""
    for port in range(33000 + runtime.random_below(6000), 42000):
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            sock.bind(runtime.address(HOST, port))
            return port
        except OSError:
            pass
        finally:
            sock.close()  # one that is only dropped keeps its place in the stack
    raise AssertionError("no free port")


class _Local:
    host = HOST

    def __init__(self):
        self.at = runtime.address(HOST, free_port())
        self._sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._sock.bind(self.at)
        self.sendto = self._sock.sendto
        self.recvfrom = self._sock.recvfrom
        self.settimeout = self._sock.settimeout

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        self._sock.close()


def _ask(*words, data=b""):
    # What the puppet answers; a socket for each question, for a board has few.
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        sock.settimeout(20)
        sock.sendto(" ".join(map(str, words)).encode() + b"\n" + data, PUPPET)
        return sock.recvfrom(2000)[0]
    finally:
        sock.close()


class _Remote:
    host = PUPPET and PUPPET[0]

    def __init__(self):
        self._port = int(_ask("open"))
        self._wait_ms = 5000
        self.at = runtime.address(self.host, self._port)

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        _ask("close", self._port)

    def sendto(self, data, to):
        """Send from there, and come back when it is sent."""
        host, port = runtime.split(to)
        _ask("send", self._port, host, port, data=data)
        return len(data)

    def settimeout(self, wait_s):
        self._wait_ms = int(wait_s * 1000)

    def recvfrom(self, size):
        sender, _, data = _ask("receive", self._port, self._wait_ms).partition(b"\n")
        if not sender:
            raise OSError(110)
        host, port = sender.decode().split()
        return data[:size], runtime.address(host, int(port))


Peer = _Remote if PUPPET else _Local


def nobody():
    """An address at which nobody listens; the peers' host says so by ICMP."""
    return runtime.address(PUPPET[0], 9) if PUPPET else runtime.address(HOST, free_port())
