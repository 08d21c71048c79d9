"""A TFTP server outside the board: a thread with the PC's own sockets, not the board's."""

import _thread

from host_tests.shim.sockets import _real

HOST = "127.0.0.1"


class Server:
    """Serves `files` ({name: bytes}) with blksize, tsize and windowsize; `requests` are the RRQs,
    `empties` how many empty datagrams go ahead of each answer to an RRQ, or with `everywhere` of
    each packet, repeated ones too."""

    def __init__(self, files, empties=0, silent=False, everywhere=False, host=HOST, port=0):
        self.files = files
        self.empties = empties
        self.everywhere = everywhere
        self.silent = silent
        self.host = host
        self.requests = []
        self.acked = {}  # {port of the client: blocks acknowledged}
        self._sock = self._bound(port)
        self.port = self._sock.getsockname()[1]
        _thread.start_new_thread(self._run, ())

    def _bound(self, port=0):
        sock = _real.socket(_real.AF_INET, _real.SOCK_DGRAM)
        sock.bind((self.host, port))
        return sock

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        with self._bound() as sock:
            sock.sendto(b"", (self.host, self.port))

    def _run(self):
        while True:
            request, client = self._sock.recvfrom(600)
            if not request:
                return
            self.requests.append((client[1], request))
            if not self.silent:
                _thread.start_new_thread(self._serve, (request, client))

    def _serve(self, request, client):
        fields = request[2:].split(b"\0")
        content = self.files.get(fields[0].decode())
        asked = dict(zip(fields[2:-1:2], fields[3:-1:2]))
        with self._bound() as sock:
            sock.settimeout(0.5)
            for _ in range(self.empties):
                sock.sendto(b"", client)
            if content is None:
                sock.sendto(b"\0\5\0\1File not found\0", client)
                return
            if b"tsize" in asked:
                asked[b"tsize"] = b"%d" % len(content)
            block = 0
            if asked:
                pairs = b"".join(name + b"\0" + value + b"\0" for name, value in asked.items())
                if not self._says(sock, client, [b"\0\6" + pairs], 0):
                    return
            size = int(asked.get(b"blksize", b"512"))
            window = int(asked.get(b"windowsize", b"1"))
            last = len(content) // size + 1
            while block < last:
                blocks = range(block + 1, min(block + window, last) + 1)
                packets = [
                    b"\0\3" + (n & 0xFFFF).to_bytes(2, "big") + content[(n - 1) * size : n * size]
                    for n in blocks
                ]
                acked = self._says(sock, client, packets, blocks[-1])
                if acked is None or acked is False:
                    return
                block += acked
                self.acked[client[1]] = block

    def _says(self, sock, client, packets, last):
        # Send, and wait for the ACK: how many of the packets it covers, or False when it is over.
        for _ in range(40):
            for packet in packets:
                for _ in range(self.empties if self.everywhere else 0):
                    sock.sendto(b"", client)
                sock.sendto(packet, client)
            try:
                answer = sock.recv(600)
            except OSError:
                continue
            if answer[:2] != b"\0\4":
                return False
            behind = (last - int.from_bytes(answer[2:4], "big")) & 0xFFFF
            if behind < len(packets) or (behind == 0 and last == 0):
                return len(packets) - behind
        return False
