"""Events of a ROM and the captures that others would have made of the same packets."""

import socket

import dpkt

from host_tests.core import packets
from host_tests.core.packets import ack, data, error, oack

CLIENT, SERVER = "10.55.32.175", "10.254.52.26"
EPOCH_US = 1_790_000_000_000_000


def rrq(file="undionly.kpxe", options=(("tsize", "0"),)):
    return packets.rrq(file, *options)


class Run:
    """One boot: `out` and `back` note a packet at `ms`; it takes a millisecond to the server.

    heard=False: the ROM never gets it; arrives=False: the server never does. `events()` is the
    ROM's story, `pcap(path)` what a capture at the server would hold.
    """

    def __init__(self, start_us=EPOCH_US, client=CLIENT, server=SERVER):
        self.start_us, self.client, self.server = start_us, client, server
        self.ours, self.theirs = [], []

    def out(self, ms, port, payload, peer=69, arrives=True):
        self.ours.append((ms * 1000, "out", port, peer, payload))
        if arrives:
            self.theirs.append((ms * 1000 + 1000, self.client, port, self.server, peer, payload))
        return self

    def back(self, ms, port, payload, peer=45140, heard=True):
        """`ms` is when it comes to the ROM, or would."""
        self.theirs.append((ms * 1000 - 1000, self.server, peer, self.client, port, payload))
        if heard:
            self.ours.append((ms * 1000, "in", port, peer, payload))
        return self

    def events(self, packets=True):
        events = [{"event": "start", "epoch_us": self.start_us, "ip": self.client}]
        for t_us, way, port, peer, payload in sorted(self.ours, key=lambda packet: packet[0]):
            if packets:
                events.append({
                    "event": "packet", "t_us": t_us, "dir": way, "host": self.server, "port": peer,
                    "local_port": port, "len": len(payload), "data": payload[:64].hex(),
                })  # fmt: skip
            elif payload[1] == 1:
                words = [word.decode() for word in payload[2:].split(b"\0")[:-1]]
                options = [list(pair) for pair in zip(words[2::2], words[3::2], strict=True)]
                events.append({
                    "event": "request", "at_ms": t_us // 1000, "source_port": port,
                    "server": self.server, "server_port": peer, "file": words[0],
                    "options": options, "transfer": 0, "purpose": "size", "attempt": 1,
                })  # fmt: skip
        events.append({"event": "failed", "at_ms": max(t[0] for t in self.ours) // 1000 + 2000})
        return events

    def pcap(self, path, **more):
        return write_pcap(path, self.theirs, start_us=self.start_us, **more)


def write_pcap(path, packets, start_us=EPOCH_US, offset_ms=0, nat=None, ttl=64, keep=None):
    """Write Ethernet frames. `nat`: {(ip, port): (ip, port)}, both ways; `keep`: which packets."""
    nat = nat or {}
    with open(path, "wb") as file:
        writer = dpkt.pcap.Writer(file, linktype=dpkt.pcap.DLT_EN10MB)
        for number, packet in enumerate(sorted(packets, key=lambda packet: packet[0])):
            t_us, src, sport, dst, dport, payload = packet
            if keep and not keep(packet):
                continue
            src, sport = nat.get((src, sport), (src, sport))
            dst, dport = nat.get((dst, dport), (dst, dport))
            udp = dpkt.udp.UDP(sport=sport, dport=dport, ulen=8 + len(payload), data=payload)
            ip = dpkt.ip.IP(src=socket.inet_aton(src), dst=socket.inet_aton(dst), p=17, ttl=ttl,
                            id=number + 1)  # fmt: skip
            ip.data = udp
            ip.len = 28 + len(payload)
            us = start_us + t_us + round(offset_ms * 1000)
            writer.writepkt(bytes(dpkt.ethernet.Ethernet(data=bytes(ip))), ts=us / 1e6)
    return str(path)


def blocked(start_us=EPOCH_US, arrives=True, heard=False):
    """The case of the report: three RRQs, each answered by an OACK that is dropped."""
    run = Run(start_us)
    for number, ms in enumerate((0, 2030, 6040)):
        run.out(ms, 2070 + number, rrq(), arrives=arrives)
        if arrives:
            for again in (0, 1000):
                run.back(ms + 3 + again, 2070 + number, oack(tsize=74213), 45140 + number, heard)
    return run


def booted(start_us=EPOCH_US, blocks=4):
    """A boot that goes well: the probe, its abort, then the file."""
    run = Run(start_us).out(0, 2070, rrq()).back(3, 2070, oack(tsize=74213), 40001)
    run.out(4, 2070, error(0, "TFTP Aborted"), 40001)
    run.out(5, 2071, rrq(options=(("blksize", "1456"),)))
    run.back(8, 2071, oack(blksize=1456), 40002).out(9, 2071, ack(0), 40002)
    for block in range(1, blocks + 1):
        size = 1456 if block < blocks else 10
        run.back(10 + 2 * block, 2071, data(block, b"x" * size), 40002)
        run.out(11 + 2 * block, 2071, ack(block), 40002)
    return run
