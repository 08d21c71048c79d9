"""`pxebench serve`: a TFTP server for the bench, with one line for each transfer.

The server is tftpy's. Here stand its edges: what it may serve, what it may promise, and what is
said about it. For production there is in.tftpd; this one is for a desk without root.

1. Only regular files below the folder are served, links followed; nothing is ever written.
2. An OACK names only options that were asked for, with values that RFC 2348 and 2349 allow.
3. A name is bytes, as the file system has them: tftpy knows ASCII only.
4. Whatever a client sends, the server goes on for the others.
5. A line is printed when a transfer is over: when, who, which file, the options granted, how it
   ended. With `json_lines` it is one JSON object: {"client", "port", "file", "options", "outcome":
   "ok|aborted|timeout|refused", "error": {"code", "message"} or null, "bytes", "resent_bytes",
   "elapsed_ms"}.
"""

import errno
import json
import logging
import os
import sys
import threading
import time

from tftpy import TftpServer
from tftpy.TftpContexts import TftpContextServer
from tftpy.TftpPacketTypes import TftpPacketERR, TftpPacketOACK, TftpPacketRRQ
from tftpy.TftpShared import TftpErrors, TftpException, TftpTimeout
from tftpy.TftpStates import TftpState, TftpStateServerRecvRRQ

from pxebench.job import EXIT_BENCH, EXIT_USAGE, Refused, show
from pxebench.view import Writer

PORT = 69
BLKSIZE = range(8, 65465)  # RFC 2348
_RESEND_S = 1
_RESENDS = 6


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
    logging.getLogger("tftpy").setLevel(logging.CRITICAL + 1)  # what matters is printed here

    out, err = Writer(sys.stdout), Writer(sys.stderr)
    line = json.dumps if json_lines else _line
    server = TftpServer(root)
    server.sessions = _Transfers(root, bind, lambda record: out.line(line(record)))
    place = f"{bind}:{{port}}" if bind != "0.0.0.0" else "UDP port {port}"
    said = f"Serving {show(directory)} on {place}; Ctrl-C ends it."
    server.is_running = _Told(lambda: err.line(said.format(port=server.listenport)))
    try:
        server.listen(bind, port, timeout=_RESEND_S, retries=_RESENDS)
    except OSError as error:
        if server.is_running.is_set():
            raise
        raise Refused(_cannot_listen(error, bind, port), EXIT_BENCH) from None
    finally:
        if server.sock is not None:
            server.sock.close()


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
    when = time.strftime("%H:%M:%S")
    who = f"{record['client']}:{record['port']}"
    file = show(record["file"]) or "-"
    return f"{when}  {who:<21}  {file}  ({options or 'no options'})  {ended}"


class _Told(threading.Event):
    # tftpy sets it once the socket is bound, which is when the user is to hear of it.
    def __init__(self, tell):
        super().__init__()
        self._tell = tell

    def set(self):
        super().set()
        self._tell()


class _Transfers(dict):
    """tftpy's table of sessions: puts our kind of session in, and reports it when it goes."""

    def __init__(self, root, bind, report):
        super().__init__()
        self._root = root
        self._bind = bind
        self._report = report

    def __setitem__(self, key, session):
        session.end()
        super().__setitem__(key, _Transfer(session, self._root, self._bind))

    def __delitem__(self, key):
        self._report(self[key].record())
        super().__delitem__(key)


class _Transfer(TftpContextServer):
    """One session of tftpy's. Whatever goes wrong in it is the end of it, and of nothing else."""

    def __init__(self, session, root, bind):
        super().__init__(
            session.host, session.port, session.timeout, root, retries=session.retries
        )
        self.sock.bind((bind, 0))  # else a PC with two addresses may answer from the other one
        self.tidport = session.port
        self.state = _Start(self)
        self.factory.classes = {**self.factory.classes, 1: _Request}
        self.granted = {}
        self.error = None
        self.packethook = self._seen
        self._began = time.monotonic()

    def record(self):
        if self.state is None:
            outcome = "ok"
        elif self.retry_count >= self.retries:
            outcome = "timeout"
        elif self.error and self.error["by"] == "client":
            outcome = "aborted"
        else:
            outcome = "refused"
        error = self.error and {name: self.error[name] for name in ("code", "message")}
        return {
            "client": self.host,
            "port": self.port,
            "file": self.file_to_transfer or "",
            "options": self.granted,
            "outcome": outcome,
            "error": error,
            "bytes": self.metrics.bytes,
            "resent_bytes": self.metrics.resent_bytes,
            "elapsed_ms": round((time.monotonic() - self._began) * 1000),
        }

    def start(self, buffer):
        self._guard(super().start, buffer)

    def cycle(self):
        self._guard(super().cycle)

    def checkTimeout(self, now):
        try:
            super().checkTimeout(now)
        except TftpTimeout:
            self.last_update = now  # else each packet of another client would be a time-out here
            raise

    def refuse(self, code, message):
        """Send an ERROR, and end the transfer."""
        self.error = {"by": "server", "code": code, "message": message}
        TftpState(self).sendError(code)
        raise TftpException(message)

    def _guard(self, step, *arguments):
        try:
            step(*arguments)
        except TftpTimeout:
            raise
        except TftpException as error:
            if self.error is None:
                self.error = {"by": "server", "code": 4, "message": str(error)}
            raise
        except (ValueError, LookupError, OSError) as error:  # a request that tftpy cannot read
            self.refuse(TftpErrors.IllegalTftpOp, f"unreadable packet ({error})")

    def _seen(self, packet):
        if isinstance(packet, TftpPacketERR):
            text = (packet.errmsg or b"").decode("latin-1")
            self.error = {"by": "client", "code": packet.errorcode, "message": text}


class _Request(TftpPacketRRQ):
    # tftpy reads names of ASCII alone: it gets a stand-in, and the name is read here.
    def decode(self):
        name, nul, rest = self.buffer[2:].partition(b"\0")
        if nul:
            self.buffer = self.buffer[:2] + b"-\0" + rest
        super().decode()
        self.filename = os.fsdecode(name)
        return self


class _Start(TftpState):
    # Reads only: a WRQ is refused, anything else is not for us and gets no answer.
    def handle(self, pkt, raddress, rport):
        if isinstance(pkt, TftpPacketRRQ):
            return _Read(self.context).handle(pkt, raddress, rport)
        self.context.file_to_transfer = getattr(pkt, "filename", None)
        if self.context.file_to_transfer is None:
            raise TftpException("not a request")
        return self.context.refuse(TftpErrors.AccessViolation, "files are read here, not written")


class _Read(TftpStateServerRecvRRQ):
    def returnSupportedOptions(self, options):
        for name, text in options.items():
            name = name.lower()
            if name == "tsize" and text == "0":
                self.context.granted[name] = "0"  # the size, once the file is open
            elif name == "blksize" and text.isascii() and text.isdigit():
                if int(text) >= BLKSIZE.start:
                    self.context.granted[name] = str(min(int(text), BLKSIZE[-1]))
        return self.context.granted

    def serverInitial(self, pkt, raddress, rport):
        self.context.file_to_transfer = pkt.filename
        super().serverInitial(pkt, raddress, rport)
        path = os.path.realpath(self.full_path)
        if os.path.commonpath([path, self.context.root]) != self.context.root:
            self.context.refuse(TftpErrors.AccessViolation, "outside the folder")
        if not os.path.isfile(path):
            self.context.refuse(TftpErrors.FileNotFound, "no such file")
        if not os.access(path, os.R_OK):
            self.context.refuse(TftpErrors.AccessViolation, "no permission to read it")
        return bool(self.context.granted)

    def sendOACK(self):
        granted = self.context.granted
        if "tsize" in granted:
            granted["tsize"] = self.context.options["tsize"]
        packet = TftpPacketOACK()
        packet.options = granted
        target = (self.context.host, self.context.tidport)
        self.context.sock.sendto(packet.encode().buffer, target)
        self.context.last_pkt = packet
