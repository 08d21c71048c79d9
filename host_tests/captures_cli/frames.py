"""Capture files made byte by byte, for tests of what reads them."""

import socket
import struct

from host_tests.core import packets

CLIENT, SERVER = "10.0.0.2", "10.0.0.1"
MAC_C, MAC_S = b"\x02\0\0\0\0\x02", b"\x02\0\0\0\0\x01"


def udp(payload, sport, dport, src=CLIENT, dst=SERVER, *, ttl=64, more=False, offset=0, size=None):
    """An IPv4 datagram with UDP in it; `size`: what its lengths say of the payload."""
    size = len(payload) if size is None else size
    body = struct.pack(">HHHH", sport, dport, 8 + size, 0) + payload
    flags = (0x2000 if more else 0) | offset // 8
    head = struct.pack(">BBHHHBBH", 0x45, 0, 28 + size, 7, flags, ttl, 17, 0)
    return head + socket.inet_aton(src) + socket.inet_aton(dst) + body


def unreachable(quoted, src=SERVER, dst=CLIENT):
    """ICMP port unreachable, quoting a datagram."""
    body = b"\x03\x03\0\0\0\0\0\0" + quoted[:60]
    head = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(body), 8, 0, 64, 1, 0)
    return head + socket.inet_aton(src) + socket.inet_aton(dst) + body


def ethernet(datagram, *tags, kind=0x0800, src=MAC_C, dst=MAC_S):
    """An Ethernet frame; `tags`: (ethertype, VLAN), outermost first."""
    raw = dst + src
    for tag, vlan in tags:
        raw += struct.pack(">HH", tag, vlan)
    return raw + struct.pack(">H", kind) + datagram


def sll(datagram, mac=MAC_C):
    return struct.pack(">HHH8sH", 0, 1, 6, mac + b"\0\0", 0x0800) + datagram


def sll2(datagram, mac=MAC_C):
    return struct.pack(">HHiHBB8s", 0x0800, 0, 2, 1, 0, 6, mac + b"\0\0") + datagram


def pcap(frames, linktype=1, *, order="<", nanoseconds=False, snaplen=None, start=1000):
    """A pcap file; `frames`: bytes (a millisecond apart) or (seconds, bytes)."""
    raw = struct.pack(
        order + "IHHiIII", 0xA1B23C4D if nanoseconds else 0xA1B2C3D4, 2, 4, 0, 0, 65535, linktype
    )
    for number, frame in enumerate(frames):
        at, frame = frame if isinstance(frame, tuple) else (number / 1000, frame)
        unit = 1_000_000_000 if nanoseconds else 1_000_000
        seconds, fraction = divmod(round((start + at) * unit), unit)
        kept = frame[:snaplen]
        raw += struct.pack(order + "IIII", seconds, fraction, len(kept), len(frame)) + kept
    return raw


def block(kind, body, order="<"):
    body += b"\0" * (-len(body) % 4)
    size = struct.pack(order + "I", 12 + len(body))
    return struct.pack(order + "I", kind) + size + body + size


def section(order="<"):
    return block(0x0A0D0D0A, struct.pack(order + "IHHq", 0x1A2B3C4D, 1, 0, -1), order)


def interface(linktype, order="<", *, resolution=None, offset=None):
    body = struct.pack(order + "HHI", linktype, 0, 0)
    if resolution is not None:
        body += struct.pack(order + "HHB3x", 9, 1, resolution)
    if offset is not None:
        body += struct.pack(order + "HHq", 14, 8, offset)
    return block(1, body + struct.pack(order + "HH", 0, 0), order)


def enhanced(frame, units, order="<", *, number=0, size=None):
    body = struct.pack(
        order + "IIIII", number, units >> 32, units & 0xFFFFFFFF, len(frame), size or len(frame)
    )
    return block(6, body + frame, order)


def data(number, size=512):
    return packets.data(number, b"x" * size)


def error(code, text="no"):
    return packets.error(code, text)


def out(payload, port=2070, to=69, **more):
    return udp(payload, port, to, **more)


def back(payload, port=2070, tid=4000, **more):
    return udp(payload, tid, port, SERVER, CLIENT, **more)


def dhcp(kind, *, mac=MAC_C, xid=7, secs=0, flags=0, yiaddr="0.0.0.0", reply=False, options=()):
    """A DHCP datagram; `options`: (code, bytes) after option 53."""
    raw = struct.pack(">BBBBIHH", 2 if reply else 1, 1, 6, 0, xid, secs, flags)
    raw += bytes(4) + socket.inet_aton(yiaddr) + bytes(8) + mac + bytes(10) + bytes(192)
    raw += b"\x63\x82\x53\x63\x35\x01" + bytes([kind])
    for code, content in options:
        raw += bytes([code, len(content)]) + content
    raw += b"\xff"
    if reply:
        return udp(raw, 67, 68, SERVER, "255.255.255.255")
    return udp(raw, 68, 67, "0.0.0.0", "255.255.255.255")
