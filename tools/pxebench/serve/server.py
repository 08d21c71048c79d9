"""`pxebench serve`: a read-only TFTP server for the bench, with one line for each transfer.

It follows RFC 1350, 2347, 2348 (blksize) and 2349 (tsize).  For production there is in.tftpd; this
one is for a desk without root.

1. Only regular files below the folder are served, links followed; nothing is ever written.
2. An OACK names only options that were asked for, with values that RFC 2348 and 2349 allow.
3. A name is bytes, as the file system has them.  netascii is sent as octet: these are images.
4. A transfer has a socket, and so a TID, of its own; a packet from another TID gets ERROR 5.
5. A client's bad packets do not affect other clients. A duplicate ACK is never answered (RFC 1123
   §4.2.3.1); a DATA is sent again after a second, six times.
6. A line is printed when a transfer is over: when, who, which file, the options granted, how it
   ended. With `json_lines` it is one JSON object: {"client", "port", "file", "options", "outcome":
   "ok|aborted|timeout|refused", "error": {"code", "message"} or null, "bytes", "resent_bytes",
   "elapsed_ms"}.
"""

import contextlib
import errno
import json
import os
import selectors
import socket
import sys
import time

from pxerom import tftp_packet

from pxebench.job import EXIT_BENCH, EXIT_USAGE, Refused, show
from pxebench.record import stamp
from pxebench.view import Writer

PORT = 69
_BLKSIZE = (8, 65464)  # RFC 2348
_RRQ, _WRQ, _DATA, _ACK, _ERROR, _OACK = 1, 2, 3, 4, 5, 6
_RESEND_S = 1.0
_RESENDS = 6
_MOST = 200  # transfers at once
_TICK_S = 0.1


def run(directory, bind="0.0.0.0", port=PORT, json_lines=False):
    """Serve the files below `directory` until Ctrl-C, which is left to the caller.

    Raises Refused when the folder is none (2) or the port cannot be had (3).
    """
    root = os.path.realpath(directory)
    if not os.path.isdir(root):
        is_what = "is not a folder" if os.path.exists(root) else "does not exist"
        raise Refused(f"Cannot serve {show(directory)}: it {is_what}.", EXIT_USAGE)
    if not os.access(root, os.R_OK | os.X_OK):
        raise Refused(f"Cannot serve {show(directory)}: no permission to read it.", EXIT_BENCH)
    out, err = Writer(sys.stdout), Writer(sys.stderr)
    line = json.dumps if json_lines else _line
    try:
        server = _Server(root, bind, port, lambda record: out.line(line(record)))
    except OSError as error:
        raise Refused(_cannot_listen(error, bind, port), EXIT_BENCH) from None
    place = f"{bind}:{port}" if bind != "0.0.0.0" else f"UDP port {port}"
    err.line(f"Serving {show(directory)} on {place}; Ctrl-C ends it.")
    with contextlib.closing(server):
        while True:
            server.step()


def _cannot_listen(error, bind, port):
    if isinstance(error, PermissionError):
        return f"No permission to listen on port {port}: use --port 6969, or sudo."
    if error.errno == errno.EADDRINUSE:
        return f"Port {port} is in use already: end what listens there, or use another --port."
    if error.errno == errno.EADDRNOTAVAIL:
        return f"{show(bind)} is no address of this machine."
    return f"Cannot listen on {show(bind)}:{port}: {error.strerror or error}."


def _line(record):
    options = " ".join(f"{name} {value}" for name, value in record["options"].items())
    ended = {
        "ok": f"{record['bytes']} bytes in {record['elapsed_ms'] / 1000:.2f} s",
        "aborted": f"ended by the client after {record['bytes']} bytes",
        "timeout": f"no answer from the client after {record['bytes']} bytes",
        "refused": "refused",
    }[record["outcome"]]
    if record["error"]:
        ended += f": {show(record['error']['message'])}"
    if record["resent_bytes"]:
        ended += f", {record['resent_bytes']} bytes sent again"
    when = stamp(time.time())
    who = f"{record['client']}:{record['port']}"
    file = show(record["file"]) or "-"
    return f"{when}  {who:<21}  {file}  ({options or 'no options'})  {ended}"


class _Server:
    """The socket for requests, and the transfers that they began."""

    def __init__(self, root, bind, port, report):
        self._root = root
        self._bind = bind
        self._report = report
        self._transfers = {}  # (client, its port): _Transfer
        self._selector = selectors.DefaultSelector()
        self._socket = self._open(port)
        self._selector.register(self._socket, selectors.EVENT_READ, self._request)

    def step(self):
        """Handle the packets that came, retransmit what is due, and report the transfers that
        ended."""
        for key, _ in self._selector.select(_TICK_S):
            with contextlib.suppress(OSError):  # an ICMP for a packet that was sent before
                data, sender = key.fileobj.recvfrom(65536)
                key.data(data, sender)
        now = time.monotonic()
        for transfer in self._transfers.values():
            transfer.expire(now)
        for client, transfer in list(self._transfers.items()):
            if transfer.outcome:
                self._end(client)

    def close(self):
        """Close every socket and file."""
        for client in list(self._transfers):
            self._transfers.pop(client).close()
        self._socket.close()
        self._selector.close()

    def _open(self, port):
        made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            made.bind((self._bind, port))
        except OSError:
            made.close()
            raise
        return made

    def _request(self, data, client):
        if len(data) < 2 or data[0] or data[1] not in (_RRQ, _WRQ):
            return  # not a request: no answer
        before = self._transfers.get(client)
        if before and before.request == data and not before.acked:
            return  # a repeated RRQ: its answer is sent again by the timer
        if before:
            before.outcome = "aborted"  # the client has given up that transfer
            self._end(client)
        if len(self._transfers) >= _MOST:
            return
        # Bound to the address of the request: else a PC with two may answer from the other one.
        transfer = _Transfer(self._open(0), client, data)
        self._transfers[client] = transfer
        self._selector.register(transfer.socket, selectors.EVENT_READ, transfer.feed)
        transfer.begin(self._root)

    def _end(self, client):
        transfer = self._transfers.pop(client)
        self._selector.unregister(transfer.socket)
        transfer.close()
        self._report(transfer.record())


class _Transfer:
    """One file to one client: the last packet sent, and until when its ACK is waited for."""

    def __init__(self, own_socket, client, request):
        self.socket = own_socket
        self.request = request
        self.outcome = None
        self.acked = 0  # blocks
        self._client = client
        self._name = ""
        self._granted = {}
        self._error = None
        self._file = None
        self._blksize = 512
        self._block = 0  # of the last packet; an OACK is answered with ACK 0
        self._packet = b""
        self._payload = None  # bytes of it, or None before the first DATA
        self._sends = 0
        self._due = 0.0
        self._bytes = self._resent = 0
        self._began = time.monotonic()

    def begin(self, root):
        """Open the file, and answer the request with an OACK, the first DATA or an ERROR."""
        fields = self.request[2:].split(b"\0")
        self._name = os.fsdecode(fields[0])
        if len(fields) < 3 or fields[1].lower() not in (b"octet", b"netascii"):
            return self._refuse(4, "unreadable request")
        if self.request[1] == _WRQ:
            return self._refuse(2, "files are read here, not written")
        path = os.path.realpath(os.path.join(root, self._name.lstrip("/")))
        if os.path.commonpath([path, root]) != root:
            return self._refuse(2, "outside the folder")
        if not os.path.isfile(path):
            return self._refuse(1, "no such file")
        try:
            self._file = open(path, "rb")  # noqa: SIM115 - closed by `close`
        except OSError:
            return self._refuse(2, "no permission to read it")
        self._grant(fields[2:-1], os.fstat(self._file.fileno()).st_size)
        if self._granted:
            options = b"".join(f"{n}\0{v}\0".encode() for n, v in self._granted.items())
            return self._send(bytes((0, _OACK)) + options)
        return self._next()

    def _grant(self, fields, size):
        for name, text in zip(fields[::2], fields[1::2], strict=False):
            name, text = name.lower(), text.decode("latin-1")
            if name == b"tsize" and text == "0":
                self._granted["tsize"] = str(size)
            elif name == b"blksize" and tftp_packet.number(text) >= _BLKSIZE[0]:
                self._blksize = min(int(text), _BLKSIZE[1])
                self._granted["blksize"] = str(self._blksize)

    def feed(self, data, sender):
        """Handle a packet to this TID."""
        if sender != self._client:
            self.socket.sendto(tftp_packet.error(5, "Unknown transfer ID"), sender)
        elif len(data) >= 4 and data[1] == _ERROR:
            text = data[4:].partition(b"\0")[0].decode("latin-1")
            self._error = {"code": data[2] << 8 | data[3], "message": text}
            self.outcome = "aborted"
        elif len(data) >= 4 and data[1] == _ACK:
            if data[2] << 8 | data[3] != self._block & 0xFFFF:
                return
            self.acked += 1
            if self._payload is not None and self._payload < self._blksize:
                self.outcome = "ok"
            else:
                self._next()

    def expire(self, now):
        """Send the last packet again when its ACK is late; give up after the last time."""
        if self.outcome or now < self._due:
            return
        if self._sends > _RESENDS:
            self.outcome = "timeout"
            return
        self._resent += self._payload or 0
        self._send(self._packet)

    def record(self):
        """The transfer as one line of JSON has it."""
        return {
            "client": self._client[0],
            "port": self._client[1],
            "file": self._name,
            "options": self._granted,
            "outcome": self.outcome,
            "error": self._error,
            "bytes": self._bytes,
            "resent_bytes": self._resent,
            "elapsed_ms": round((time.monotonic() - self._began) * 1000),
        }

    def close(self):
        """Close the socket and the file."""
        self.socket.close()
        if self._file:
            self._file.close()

    def _next(self):
        try:
            payload = self._file.read(self._blksize)
        except OSError:
            return self._refuse(0, "the file cannot be read")
        self._block += 1
        self._payload = len(payload)
        self._bytes += len(payload)
        self._sends = 0
        head = bytes((0, _DATA)) + (self._block & 0xFFFF).to_bytes(2, "big")
        return self._send(head + payload)

    def _send(self, packet):
        self._packet = packet
        self._sends += 1
        self._due = time.monotonic() + _RESEND_S
        with contextlib.suppress(OSError):  # no route, or too large: the next try may go out
            self.socket.sendto(packet, self._client)

    def _refuse(self, code, message):
        self._error = {"code": code, "message": message}
        self.outcome = "refused"
        self._send(tftp_packet.error(code, message))
