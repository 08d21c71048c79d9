"""Packets of an interface: recorded by a packet socket inside a namespace, read back with dpkt.

Run as a program it is the sniffer itself (standard library only): every IPv4 packet on INTERFACE
goes to FILE, a pcap with the kernel's nanosecond times. In the tests, `capture(namespace,
interface)` runs it and reads what it wrote. TFTP is interpreted by the caller; `opcode` and
`options` help.
"""

import collections
import contextlib
import os
import socket
import struct
import sys
import tempfile
from pathlib import Path

_ETH_P_IP = 0x0800
_ETH_P_ALL = 0x0003
_SO_TIMESTAMPNS = 35
_SNAPLEN = 65535
_LINKTYPE_ETHERNET = 1
_MAGIC_NS = 0xA1B23C4D  # pcap with nanoseconds

Packet = collections.namedtuple("Packet", "time src sport dst dport payload")
Packet.__doc__ = "One UDP datagram: time in seconds (epoch), addresses as text, payload as bytes."

_OPCODES = {1: "RRQ", 2: "WRQ", 3: "DATA", 4: "ACK", 5: "ERROR", 6: "OACK"}


def opcode(packet):
    """Return "RRQ", "DATA" ... for a Packet, or "" when it is none of TFTP's."""
    if len(packet.payload) < 2:
        return ""
    return _OPCODES.get(int.from_bytes(packet.payload[:2], "big"), "")


def options(packet):
    """Return the options of an RRQ or an OACK in their order: [[name, value], ...]."""
    words = packet.payload[2:].split(b"\0")[:-1]
    if opcode(packet) == "RRQ":
        words = words[2:]
    text = [word.decode("latin-1") for word in words]
    return [list(pair) for pair in zip(text[::2], text[1::2], strict=False)]


def read(path):
    """Return the UDP Packets of a pcap file, in the order of their times.

    A record that is still being written ends the list: a running capture can be read too.
    """
    import dpkt

    packets = []
    with open(path, "rb") as file:
        if os.fstat(file.fileno()).st_size < 24:
            return packets
        try:
            for time, frame in dpkt.pcap.Reader(file):
                ip = dpkt.ethernet.Ethernet(frame).data
                if not isinstance(ip, dpkt.ip.IP) or not isinstance(ip.data, dpkt.udp.UDP):
                    continue
                udp = ip.data
                src, dst = socket.inet_ntoa(ip.src), socket.inet_ntoa(ip.dst)
                packets.append(
                    Packet(float(time), src, udp.sport, dst, udp.dport, bytes(udp.data))
                )
        except dpkt.NeedData:
            pass
    packets.sort(key=lambda packet: packet.time)
    return packets


class Capture:
    """A running capture: `packets()` is what was seen so far, `path` the pcap file."""

    def __init__(self, path, namespace, process):
        self.path = path
        self._network = Path(f"/proc/{namespace.pid}/net/packet")
        self._state = Path(f"/proc/{process.pid}/stat")
        self._inode = process.output().split()[-1]

    def packets(self):
        from host_tests.lab import processes

        # On a busy PC the recorder may run after sender and receiver.
        processes.wait_until(self._is_idle, "the capture's end")
        return read(self.path)

    def _is_idle(self):
        # No packet waits in its socket (columns Inode, Rmem), and it sleeps.
        rows = [line.split() for line in self._network.read_text().splitlines()]
        waiting = [row[6] for row in rows if row[-1] == self._inode]
        return waiting == ["0"] and self._state.read_text().rpartition(")")[2].split()[0] == "S"


@contextlib.contextmanager
def capture(namespace, interface, path=None):
    """Record an interface of a namespace until the block ends; yields a Capture."""
    from host_tests.lab import processes

    with contextlib.ExitStack() as stack:
        if path is None:
            path = stack.enter_context(tempfile.NamedTemporaryFile(suffix=".pcap")).name
        argv = namespace.argv(sys.executable, "-I", "-S", __file__, interface, path)
        process = stack.enter_context(processes.start(argv))
        processes.wait_until(
            lambda: process.output().endswith("\n"), "the capture's start", process=process
        )
        yield Capture(path, namespace, process)


def _record(interface, path):
    # ETH_P_ALL and not ETH_P_IP: else the kernel does not deliver outgoing packets.
    sniffer = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ETH_P_ALL))
    sniffer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16 << 20)
    sniffer.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
    sniffer.bind((interface, _ETH_P_ALL))
    with open(path, "wb", buffering=0) as file:
        file.write(struct.pack("<IHHiIII", _MAGIC_NS, 2, 4, 0, 0, _SNAPLEN, _LINKTYPE_ETHERNET))
        print("recording", os.fstat(sniffer.fileno()).st_ino, flush=True)
        while True:
            frame, control, _flags, where = sniffer.recvmsg(_SNAPLEN, 64)
            # On `lo` a packet is delivered twice, when it leaves and when it arrives.
            if where[1] != _ETH_P_IP or (where[0] == "lo" and where[2] == socket.PACKET_OUTGOING):
                continue
            seconds, nanoseconds = struct.unpack("qq", control[0][2])
            header = struct.pack("<IIII", seconds, nanoseconds, len(frame), len(frame))
            file.write(header + frame)


if __name__ == "__main__":
    _record(sys.argv[1], sys.argv[2])
