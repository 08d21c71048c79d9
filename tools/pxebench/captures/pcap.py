"""A capture file from a job's `packet` events, for Wireshark, tshark, dpkt and scapy.

Ports, times and TFTP payloads are those that the firmware saw. The IPv4 and UDP headers are made
here, since a socket does not show them: addresses, lengths and checksums are right, the
identification is a counter. Link type is LINKTYPE_RAW (packets begin with their IP header), since
the Ethernet header is not known.

1. A DATA packet may be cut: `orig_len` is its true length, and its UDP checksum is then 0, "none"
   (RFC 768), since it cannot be computed.
2. Packets are in the order of their times.
3. Until a booting client has its lease, its address is 0.0.0.0, and 255.255.255.255 for what was
   broadcast to it.
"""

import socket
import time
from operator import itemgetter

import dpkt

_LINKTYPE_RAW = 101  # in the file; dpkt.pcap.DLT_RAW is BSD's number for the same
_SNAPLEN = 262144
_SERVER_TTL = 64  # the firmware does not see a received packet's TTL
_HEADERS = 28  # IPv4 without options, and UDP


class Capture:
    """Collects `packet` events and writes them as one pcap file."""

    def __init__(self, client, rom):
        """`client`: the client's IPv4 address; `rom`: a ROM in its flat form (`job.flat`)."""
        self.client = client
        self.ttl = rom["udp"]["ttl"]
        self.epoch_us = None
        self.packets = []

    def event(self, event):
        """Take an event; all but `start`, `lease` and `packet` are skipped."""
        if event["event"] == "packet":
            # A tuple per packet: a long transfer brings hundreds of thousands.
            self.packets.append(
                (
                    event["t_us"],
                    event["dir"] == "out",
                    event["host"],
                    event["port"],
                    event["local_port"],
                    event["len"],
                    bytes.fromhex(event["data"]),
                    event.get("local") or self.client,
                )
            )
        elif event["event"] == "lease":
            self.client = event["ip"]
        elif event["event"] == "start":
            self.client = event.get("ip") or self.client  # a board has an address of its own
            # A board may not know the time of day: then the time at which the event came is used.
            self.epoch_us = event.get("epoch_us")
            if self.epoch_us is None:
                self.epoch_us = time.time_ns() // 1000

    def write(self, path):
        """Write the file; raises OSError where that cannot be done."""
        epoch_us = self.epoch_us or 0
        header = dpkt.pcap.LEPktHdr()
        with open(path, "wb") as file:
            file.write(bytes(dpkt.pcap.LEFileHdr(snaplen=_SNAPLEN, linktype=_LINKTYPE_RAW)))
            # A stable sort: packets of the same microsecond stay as they came.
            for number, packet in enumerate(sorted(self.packets, key=itemgetter(0))):
                t_us, outgoing, host, port, local_port, size, data, local = packet
                client, peer = socket.inet_aton(local), socket.inet_aton(host)
                if outgoing:
                    frame = _frame(client, peer, local_port, port, number, self.ttl, size, data)
                else:
                    frame = _frame(peer, client, port, local_port, number, _SERVER_TTL, size, data)
                header.tv_sec, header.tv_usec = divmod(epoch_us + t_us, 1000000)
                header.caplen, header.len = len(frame), _HEADERS + size
                file.write(bytes(header) + frame)


def _frame(source, target, source_port, target_port, number, ttl, size, data):
    udp = dpkt.udp.UDP(sport=source_port, dport=target_port, ulen=8 + size, data=data)
    ip = dpkt.ip.IP(src=source, dst=target, p=dpkt.ip.IP_PROTO_UDP, ttl=ttl, id=number & 0xFFFF)
    if len(data) == size:
        ip.data = udp
        return bytes(ip)  # dpkt fills in the length and both checksums
    ip.len = _HEADERS + size
    ip.sum = dpkt.in_cksum(ip.pack_hdr())
    return ip.pack_hdr() + bytes(udp)
