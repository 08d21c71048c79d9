"""Sixty-four mebibytes through a heap of 128 KiB: nothing piles up, little is thrown away."""

import socket
import statistics
import subprocess
import threading
from pathlib import Path

import pytest

_ROOT = Path(__file__).resolve().parent.parent.parent
_PROBE = Path(__file__).with_name("probe.py")
_BLKSIZE = 1456
_MIB = 1 << 20
_TIMEOUT_S = 5


class Responder(threading.Thread):
    """A TFTP server with one file of zeros, for one client after the other. Loopback loses
    nothing, so it never sends anything again."""

    def __init__(self, size):
        super().__init__(daemon=True)
        self._size = size
        self._payload = bytes(_BLKSIZE)
        self._listener = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._listener.bind(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.start()

    def run(self):
        while True:
            try:
                request, client = self._listener.recvfrom(600)
            except OSError:
                return  # closed: the test is over
            if not request:
                return
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
                sock.bind(("127.0.0.1", 0))
                sock.connect(client)
                sock.settimeout(_TIMEOUT_S)
                try:
                    self._serve(sock, request)
                except OSError:
                    pass

    def _serve(self, sock, request):
        fields = request[2:].split(b"\0")[2:-1]
        asked = dict(zip(fields[::2], fields[1::2], strict=True))
        window = int(asked.get(b"windowsize", 1))
        if b"tsize" in asked:
            asked[b"tsize"] = b"%d" % self._size
        pairs = b"".join(name + b"\0" + value + b"\0" for name, value in asked.items())
        sock.send(b"\0\6" + pairs)
        if sock.recv(600)[1] == 5:
            return  # the size probe
        last = self._size // _BLKSIZE + 1
        tail = bytes(self._size % _BLKSIZE)
        block = 0
        while block < last:
            for _ in range(min(window, last - block)):
                block += 1
                payload = tail if block == last else self._payload
                sock.send(b"\0\3" + (block & 0xFFFF).to_bytes(2, "big") + payload)
            reply = sock.recv(600)
            if reply != b"\0\4" + (block & 0xFFFF).to_bytes(2, "big"):
                return

    def close(self):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.sendto(b"", ("127.0.0.1", self.port))
        self.join()
        self._listener.close()


def _probe(version, heap, size, windowsize, *words):
    """The figures that the probe printed."""
    interpreter = _ROOT / ".tools" / "bin" / f"micropython-{version}"
    assert interpreter.exists(), f"no MicroPython {version} in .tools/bin: run `make setup`"
    responder = Responder(size)
    try:
        process = subprocess.run(
            [interpreter, "-X", f"heapsize={heap}", _PROBE]
            + [str(word) for word in (responder.port, windowsize, *words)],
            env={"MICROPYPATH": str(_ROOT / "firmware")},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=120,
            check=False,
        )
    finally:
        responder.close()
    lines = process.stdout.splitlines()
    assert lines and lines[0] == f"ok {size}", process.stdout
    return [int(figure) for figure in lines[1].split()]


@pytest.mark.parametrize("version", ["1.25", "1.26"])
def test_heap_is_the_same_after_1_mib_and_after_64_mib(version):
    size = 64 * _MIB
    held = _probe(version, "128k", size, 1, "held", _MIB, size - _BLKSIZE)
    assert len(held) == 2
    assert abs(held[1] - held[0]) <= 2048, held


@pytest.mark.parametrize("windowsize", [1, 4])
@pytest.mark.parametrize("version", ["1.25", "1.26"])
def test_garbage_of_a_block_is_its_datagram_and_128_bytes(version, windowsize):
    length = _BLKSIZE + 4
    datagram, *runs = _probe(version, "2m", 2 * _MIB, windowsize, "garbage", 100, length)
    assert length <= datagram <= length + 64, datagram
    assert len(runs) == 9 and min(runs) > 0, runs
    # The median: a run in which a progress event falls holds that event, too.
    assert statistics.median(runs) / 100 <= datagram + 128, (datagram, runs)
