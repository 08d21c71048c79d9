"""Do not copy this to a board: it is the board's `socket` module, played by CPython.

A socket layer that behaves as MicroPython's does on one port: `rp2` (modlwip over lwIP),
`rp2-1.25` (the same before 1.26), `esp32` (lwIP in a task of its own) and `unix`. What is played
is pinned row by row in `boards/on_board/test_sockets.py`; a real ESP32 socket file and a real unix
port answer the same rows. What no port has (`recv_into`, `getsockname`, `with`) is not here
either; nor is what the firmware must not use although ports
have it: `read` and `readinto`, which on a UDP socket lose datagrams or their lengths.

1. Datagrams are the kernel's, on loopback. They move into the port's own short queue when the
   board's code calls: what found no room there by then is lost, the last ones first, as in lwIP.
2. `stack` is the board's network stack: whether DHCP runs, whether there is an address.
3. Not played: the pool of packet buffers that all sockets share, the radio, the CPU's speed.
"""

import errno as _errno
import gc
import select
import socket as _real
import time
import types

_MAX_UDP = 65535
_SLICE_MS = 100  # ESP32: in what steps a receive waits
_EPHEMERAL = 0xC000

# queue: datagrams that a socket keeps; sockets: how many there may be, and the errno beyond;
# in_use, timed_out, unreachable: errnos; too_large: {bytes that cannot be sent: errno}, the
# larger ones first; flags: whether a receive takes any (on lwIP: since 1.26)
PORTS = {
    "rp2": {
        "platform": "rp2",
        "queue": 4,
        "sockets": 4,
        "too_many": 12,
        "in_use": 98,
        "timed_out": 110,
        "unreachable": 113,
        "too_large": {7900: 12},
        "flags": True,
    },
    "esp32": {
        "platform": "esp32",
        "queue": 6,
        "sockets": 10,
        "too_many": 23,
        "in_use": 112,
        "timed_out": 116,
        "unreachable": 118,
        "too_large": {65536: 122, 65508: 105},
        "flags": False,
    },
    "unix": {
        "platform": "linux",
        "queue": None,
        "sockets": None,
        "too_many": 24,
        "in_use": 98,
        "timed_out": 11,
        "unreachable": None,
        "too_large": {},
        "flags": True,
    },
}
PORTS["rp2-1.25"] = dict(PORTS["rp2"], queue=1, flags=False)


def _error(number):
    # CPython sets errno only when there are two arguments.
    return OSError(number, "")


class Stack:
    """The network stack of a board: `port`, its row of PORTS; `dhcp`: its DHCP client runs and
    holds UDP port 68; `has_address`: the interface is up; `refusals`: errnos of the next sends."""

    def __init__(self, port):
        self.port = port
        self.row = PORTS[port]
        self.lwip = port != "unix"
        self.dhcp = False
        self.has_address = True
        self.refusals = []
        self.held = set()  # the control blocks in use, as numbers
        self.dropped = set()  # of those, which belong to sockets that nobody closed and nobody has
        self._next = 0

    def take(self):
        """A control block for a new socket."""
        limit = self.row["sockets"]
        if limit is not None:
            if self.port == "rp2" or self.port == "rp2-1.25":
                limit -= self.dhcp
            elif len(self.held) >= limit:
                gc.collect()
                self.collect()  # ESP32 looks for garbage before it gives up
            if len(self.held) >= limit:
                raise _error(self.row["too_many"])
        self._next += 1
        self.held.add(self._next)
        return self._next

    def collect(self):
        """What gc.collect() does to sockets that were dropped without a close."""
        self.held -= self.dropped
        self.dropped.clear()


stack = Stack("unix")


def _packed(host, port):
    return b"\x02\x00" + port.to_bytes(2, "big") + _real.inet_aton(host) + bytes(8)


def _unpacked(address):
    # (host, port) of an address as the port has them; what it takes no address for raises.
    if not stack.lwip:
        if not isinstance(address, (bytes, bytearray, memoryview)):
            raise TypeError("object with buffer protocol required")
        address = bytes(address)
        return _real.inet_ntoa(address[4:8]), int.from_bytes(address[2:4], "big")
    host, port = address
    if host == "":
        return "", port
    try:
        _real.inet_aton(host)
    except OSError:
        raise ValueError("invalid arguments") from None
    return host, port


def _resolved(address):
    # (host, port) of an address for `bind` and `connect`, which ESP32's port resolves.
    if stack.port == "esp32":
        return getaddrinfo(*address)[0][-1]
    return _unpacked(address)


def getaddrinfo(host, port, family=0, kind=0, proto=0, flags=0):
    """Numeric addresses only: there is no name server on a bench. A leading zero is octal."""
    if not stack.lwip:
        if host == "":
            raise OSError("Name or service not known")
        return [(AF_INET, SOCK_DGRAM, 0, None, bytearray(_packed(host, port)))]
    esp32 = stack.port == "esp32"
    if esp32:
        host = host or "0.0.0.0"
        port = int(port)
        if not 0 <= port < 65536:
            raise _error(-201)  # EAI_SERVICE
    try:
        number = _real.inet_ntoa(_real.inet_aton(host)) if host else ""
    except OSError:
        raise _error(-202 if esp32 else -2) from None  # EAI_FAIL
    if esp32:
        return [(AF_INET, kind or SOCK_STREAM, proto, host, (number, port))]
    return [(AF_INET, SOCK_STREAM, 0, "", (number, port))]


def sockaddr(address):
    """unix only: (family, IPv4 bytes, port) of a packed address."""
    return AF_INET, bytes(address[4:8]), int.from_bytes(address[2:4], "big")


class socket:
    """A UDP socket."""

    def __init__(self, family=_real.AF_INET, kind=_real.SOCK_DGRAM, proto=0):
        self._block = None
        self._block = stack.take()
        self._stack = stack
        self._kernel = _real.socket(_real.AF_INET, _real.SOCK_DGRAM)
        self._kernel.setblocking(False)
        self._wait_ms = None
        self._queue = []
        self._bound = None
        self._peer = None  # (host, port) after connect
        self._deaf = False  # rp2, bound with '': an IPv6 socket
        self._dead = False  # ESP32, after an empty datagram

    def __del__(self):
        if self._block is not None:
            self._stack.dropped.add(self._block)
            self._kernel.close()
            if not self._stack.lwip:
                self._stack.collect()

    def close(self):
        if self._block is not None:
            self._stack.held.discard(self._block)
            self._block = None
            self._kernel.close()

    def _open(self):
        if self._block is None:
            raise _error(_errno.EBADF)

    # --- before the first datagram ---------------------------------------------------------------

    def bind(self, address):
        self._open()
        host, port = _resolved(address)
        self._dead = False
        if stack.lwip and port == 68 and stack.dhcp:
            raise _error(stack.row["in_use"])
        self._deaf = host == "" and stack.row["platform"] == "rp2"
        if stack.lwip:
            if self._bound is not None:  # again: the second one wins, what is queued stays
                self._drain()
                self._kernel.close()
                self._kernel = _real.socket(_real.AF_INET, _real.SOCK_DGRAM)
                self._kernel.setblocking(False)
            # An address that is not the board's is found out at the first send.
            self._foreign = not _is_local(host or "0.0.0.0")
            host = "0.0.0.0" if self._foreign or not host else host
        try:
            try:
                self._kernel.bind((host, port))
            except PermissionError:
                # Ports below 1024 are free to use on lwIP; here the kernel lends another one.
                if not stack.lwip:
                    raise
                self._kernel.bind((host, 0))
        except OSError as error:
            if error.errno == _errno.EADDRINUSE:
                raise _error(stack.row["in_use"]) from None
            raise _error(error.errno) from None
        self._bound = host, port

    _foreign = False

    def connect(self, address):
        """From now on only this peer's datagrams come in; what is queued already stays."""
        self._open()
        peer = _resolved(address)
        if stack.lwip:
            self._drain()
            if self._bound is None:
                self._bind_ephemeral()
        else:
            self._kernel.connect(peer)
        self._peer = peer

    def setsockopt(self, level, option, value):
        self._open()
        if not stack.lwip:
            self._kernel.setsockopt(level, option, value)
            return
        # modlwip prints a warning for an option that it does not know, whatever its level.
        known = (SO_REUSEADDR, SO_BROADCAST)
        if stack.port == "esp32":
            known += (SO_BINDTODEVICE,)
        assert option in known, f"this port knows no socket option {option}"
        if option == SO_BINDTODEVICE:
            assert value == b"st1\x00", f"no interface of this board: {value}"

    def settimeout(self, timeout):
        self._open()
        self._wait_ms = None if timeout is None else max(0, round(timeout * 1000))

    def setblocking(self, flag):
        self.settimeout(None if flag else 0)

    # --- datagrams -------------------------------------------------------------------------------

    def sendto(self, data, address):
        self._open()
        to = _unpacked(address)
        if stack.refusals:
            raise _error(stack.refusals.pop(0))
        if stack.lwip:
            if self._deaf:
                raise _error(_errno.EINVAL)
            if not stack.has_address or self._foreign:
                raise _error(stack.row["unreachable"])
            for size, number in stack.row["too_large"].items():
                if len(data) >= size:
                    raise _error(number)
            if self._bound is None:
                self._bind_ephemeral()
        if stack.port == "esp32" and not data:
            # lwIP returns 0 bytes, which the port takes for "try again": for ever without a limit.
            assert self._wait_ms is not None, "an ESP32 would send empty datagrams without end"
            for _ in range(self._wait_ms // _SLICE_MS + 1):
                self._kernel.sendto(data, to)
            raise _error(stack.row["timed_out"])
        try:
            return self._kernel.sendto(data, to)
        except OSError as error:
            if stack.lwip:
                return len(data)  # an ICMP error is never reported
            raise _error(error.errno) from None

    def send(self, data):
        self._open()
        if stack.lwip:
            return self.sendto(data, self._peer)
        try:
            return self._kernel.send(data)
        except OSError as error:
            raise _error(error.errno) from None

    def _bind_ephemeral(self):
        for port in range(_EPHEMERAL, 65536):
            try:
                self._kernel.bind(("0.0.0.0", port))
            except OSError:
                continue
            self._bound = "0.0.0.0", port
            return

    def recvfrom(self, size, *flags):
        self._open()
        if flags and not stack.row["flags"]:
            raise TypeError("function takes 2 positional arguments but 3 were given")
        if self._dead:
            return b"", ("0.0.0.0", 0)  # garbage: nobody filled it in
        data, sender = self._next(*flags or (0,))
        data = data[:size]
        if not data and stack.port == "esp32":
            self._dead = True
        return data, sender if stack.lwip else _packed(*sender)

    def recv(self, size, *flags):
        return self.recvfrom(size, *flags)[0]

    def _next(self, flags):
        wait_ms = 0 if flags & MSG_DONTWAIT else self._wait_ms
        timed_out = stack.row["timed_out"]
        if not stack.lwip:
            return self._next_on_unix(wait_ms, flags)
        self._drain()
        if not self._queue and wait_ms != 0:
            if stack.row["platform"] == "esp32" and wait_ms is not None:
                if wait_ms < _SLICE_MS:
                    timed_out = _errno.EAGAIN
                wait_ms = (wait_ms // _SLICE_MS + 1) * _SLICE_MS
            self._wait(wait_ms)
        if self._queue:
            return self._queue.pop(0)
        raise _error(_errno.EAGAIN if wait_ms == 0 else timed_out)

    def _next_on_unix(self, wait_ms, flags):
        if wait_ms != 0 and not flags:
            self._wait(wait_ms)
        try:
            data, sender = self._kernel.recvfrom(_MAX_UDP, flags)[:2]
        except BlockingIOError:
            raise _error(_errno.EAGAIN) from None
        except OSError as error:
            raise _error(error.errno) from None
        return data, sender or ("0.0.0.0", 0)

    def _wait(self, wait_ms):
        # In short steps: a signal's handler runs between two of them, and so does Ctrl-C.
        end = None if wait_ms is None else time.monotonic() + wait_ms / 1000
        while True:
            left = 1.0 if end is None else end - time.monotonic()
            poller = select.poll()
            poller.register(self._kernel, select.POLLIN)
            ready = poller.poll(max(0, min(left, 1.0)) * 1000)
            if ready and stack.lwip:
                self._drain()
                ready = self._queue
            if ready or left <= 0:
                return

    def _drain(self):
        # From the kernel into the port's queue: the first ones are kept, what comes later is lost.
        while True:
            try:
                data, sender = self._kernel.recvfrom(_MAX_UDP)
            except BlockingIOError:
                return
            except OSError:
                continue  # an ICMP error: lwIP never reports one
            if self._deaf or self._peer not in (None, sender):
                continue
            if len(self._queue) < stack.row["queue"]:
                self._queue.append((data, sender))


def _is_local(host):
    if host == "0.0.0.0":
        return True
    probe = _real.socket(_real.AF_INET, _real.SOCK_DGRAM)
    try:
        probe.bind((host, 0))
        return True
    except OSError:
        return False
    finally:
        probe.close()


AF_INET = 2
SOCK_STREAM = 1
SOCK_DGRAM = 2
SOL_SOCKET = 1
SO_REUSEADDR = 2
SO_BROADCAST = 6
SO_BINDTODEVICE = 0x100B
MSG_PEEK = 2
MSG_DONTWAIT = 0x40

_COMMON = ("socket", "getaddrinfo", "AF_INET", "SOCK_DGRAM", "SOCK_STREAM", "SOL_SOCKET")
_COMMON += ("SO_REUSEADDR", "SO_BROADCAST")
_FLAGS = ("MSG_PEEK", "MSG_DONTWAIT")


def module(port):
    """The `socket` module of a port; from now on `stack` is that port's."""
    global stack
    stack = Stack(port)
    made = types.ModuleType("socket")
    own = {"unix": ("sockaddr",), "esp32": ("SO_BINDTODEVICE",)}.get(port, ())
    if PORTS[port]["flags"]:
        own += _FLAGS
    for name in _COMMON + own:
        setattr(made, name, globals()[name])
    return made
