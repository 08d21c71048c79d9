"""A DHCP server that follows a script, for what no real server does.

    script = {"discover": [offer(yiaddr="10.88.0.9")], "request": [ack(yiaddr="10.88.0.9")]}
    with scripted_dhcp.serve(machine, "10.88.0.1", script) as server:
        ... server.packets() ...

The script: {point: replies}. A point is what arrived: "discover", "request", "inform", "release",
"decline", "proxy" (a request to port 4011), "discovery" (one that names a boot item, 43.71, to
whatever port); "discover 2" is the second of its kind alone, and
wins. A reply is a dict (`reply` lists its names); no reply at all: silence. The server runs as a
program of its own inside the namespace (standard library only), and prints what it heard.

1. A reply echoes xid, flags, chaddr and option 97, as a server must, unless the script gives other
   values.
2. Replies are broadcast to port 68 from port 67; a client with an address (ciaddr) gets them
   there, and a request to port 4011 is answered from there, to its sender.
"""

import contextlib
import json
import socket
import struct
import sys
import time

# It runs as a program without pxerom, with `-I -S`.
_KINDS = {1: "discover", 3: "request", 4: "decline", 7: "release", 8: "inform"}
_NAMES = ("BOOTP", "DISCOVER", "OFFER", "REQUEST", "DECLINE", "ACK", "NAK", "RELEASE", "INFORM")
_COOKIE = b"\x63\x82\x53\x63"
OFFER, ACK, NAK = 2, 5, 6


def reply(kind, **given):
    """A reply of message type `kind` (None: BOOTP, no option 53). `given`, each may be left out:

    yiaddr, siaddr, giaddr, ciaddr: addresses; file, sname: text; server: option 54 (default: the
    server's own address; None: none); options: [[code, bytes]], in their order, with their true
    length; raw: bytes after the options, in the place of option 255; cut: the datagram's length;
    xid, chaddr, op: bytes in the place of the client's; after_s: wait first; source_port.
    """
    given = {"kind": kind, **given}
    given["options"] = [[code, value.hex()] for code, value in given.get("options", ())]
    for name in ("raw", "xid", "chaddr", "file", "sname"):
        if isinstance(given.get(name), bytes):
            given[name] = {"hex": given[name].hex()}
    return given


def name(packet):
    """The name of a DHCP packet: "DISCOVER", "ACK" ..."""
    kind = options(packet).get(53, b"\0")[0]
    return _NAMES[kind] if kind < len(_NAMES) else f"type {kind}"


def offer(**given):
    return reply(OFFER, **given)


def ack(**given):
    return reply(ACK, **given)


def nak(**given):
    return reply(NAK, **given)


class Server:
    """A running server; `packets()`: the datagrams heard so far, as (seconds, point, bytes)."""

    def __init__(self, host, process):
        self.host = host
        self._process = process

    def packets(self):
        heard = []
        for line in self._process.output().splitlines():
            if line.startswith("{"):
                one = json.loads(line)
                heard.append((one["time"], one["point"], bytes.fromhex(one["data"])))
        return heard


@contextlib.contextmanager
def serve(namespace, host, script, group=None):
    """Serve by the script on `eth0` of the namespace until the block ends; yields a Server.
    `group`: a multicast address that port 4011 hears too."""
    from host_tests.lab import processes

    words = ["-I", "-S", __file__, host, json.dumps(script), *([group] if group else [])]
    with namespace.start(sys.executable, *words) as process:
        processes.wait_until(
            lambda: "listening" in process.output(), "the scripted server's start", process=process
        )
        yield Server(host, process)


# --- inside the namespace ----------------------------------------------------------------------


def options(data):
    """Return {code: value} of a DHCP packet, without checking its lengths."""
    found, offset = {}, 240
    while offset + 1 < len(data) and data[offset] != 255:
        code = data[offset]
        if code == 0:
            offset += 1
            continue
        found[code] = data[offset + 2 : offset + 2 + data[offset + 1]]
        offset += 2 + data[offset + 1]
    return found


def _bytes(value, size=None):
    if isinstance(value, dict):
        value = bytes.fromhex(value["hex"])
    elif isinstance(value, str):
        value = value.encode()
    return value if size is None else value[:size].ljust(size, b"\0")


def _packet(host, asked, wanted):
    asked_options = options(asked)
    head = struct.pack(
        ">BBBB4sHH4s4s4s4s",
        *(wanted.get("op", 2), 1, 6, 0, _bytes(wanted.get("xid"), 4) if wanted.get("xid")
          else asked[4:8]),
        *(0, int.from_bytes(asked[10:12], "big")),
        *(socket.inet_aton(wanted.get(name) or "0.0.0.0")
          for name in ("ciaddr", "yiaddr", "siaddr", "giaddr")),
    )  # fmt: skip
    mac = _bytes(wanted["chaddr"], 16) if wanted.get("chaddr") else asked[28:44]
    packet = head + mac + _bytes(wanted.get("sname", ""), 64) + _bytes(wanted.get("file", ""), 128)
    packet += _COOKIE
    tail = []
    if wanted["kind"] is not None:
        tail.append((53, bytes([wanted["kind"]])))
        server = wanted.get("server", host)
        if server:
            tail.append((54, socket.inet_aton(server)))
        if wanted["kind"] != NAK and wanted.get("yiaddr"):
            tail += [(51, struct.pack(">I", 3600)), (1, bytes([255, 255, 255, 0]))]
    tail += [(code, bytes.fromhex(value)) for code, value in wanted["options"]]
    if 97 in asked_options and wanted["kind"] is not None:
        tail.append((97, asked_options[97]))
    packet += b"".join(bytes([code, len(value)]) + value for code, value in tail)
    packet += _bytes(wanted["raw"]) if "raw" in wanted else b"\xff"
    return packet[: wanted["cut"]] if "cut" in wanted else packet.ljust(300, b"\0")


def _open(port):
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"eth0")
    made.bind(("0.0.0.0", port))
    return made


def _main(host, script, group=None):
    import select

    sockets = {67: _open(67), 4011: _open(4011)}
    if group:
        member = socket.inet_aton(group) + socket.inet_aton(host)
        sockets[4011].setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, member)
    counts = {}
    print("listening", flush=True)
    while True:
        for ready in select.select(list(sockets.values()), [], [])[0]:
            data, peer = ready.recvfrom(65536)
            asked = options(data)
            proxy = ready is sockets[4011]
            point = "proxy" if proxy else _KINDS.get(asked.get(53, b"\0")[0], "other")
            if asked.get(43, b"")[:1] == b"\x47":
                point = "discovery"
            counts[point] = counts.get(point, 0) + 1
            heard = {"time": time.time(), "point": point, "data": data.hex()}
            print(json.dumps(heard), flush=True)
            for wanted in script.get(f"{point} {counts[point]}", script.get(point, ())):
                time.sleep(wanted.get("after_s", 0))
                to = ("255.255.255.255", 68)
                if proxy:
                    to = peer
                elif data[12:16] != bytes(4):
                    to = (socket.inet_ntoa(data[12:16]), 68)
                source = sockets.get(wanted.get("source_port"), ready)
                source.sendto(_packet(host, data, wanted), to)


if __name__ == "__main__":
    _main(sys.argv[1], json.loads(sys.argv[2]), *sys.argv[3:])
