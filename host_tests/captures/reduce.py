"""Make a capture small enough to keep: `python -m host_tests.captures.reduce FILE.pcap ...`

Writes NAME.pcap.gz beside this file.  UDP and ICMP stay, frame by frame and with their true
lengths and times; a DATA packet loses its payload, all else (ARP, IPv6, IGMP) is left out.
"""

import gzip
import pathlib
import struct
import sys

_ETHERNET_IP = b"\x08\x00"
_DATA_HEAD = 14 + 20 + 8 + 4
_ICMP_HEAD = 14 + 20 + 8 + 20 + 8 + 4  # with the headers of the packet that it quotes


def reduce(raw):
    """The bytes of a classic little-endian Ethernet pcap file, reduced."""
    kept = [raw[:24]]
    at = 24
    while at + 16 <= len(raw):
        seconds, fraction, size, wire = struct.unpack("<IIII", raw[at : at + 16])
        frame = raw[at + 16 : at + 16 + size]
        at += 16 + size
        if frame[12:14] != _ETHERNET_IP or frame[23] not in (1, 17):
            continue
        if frame[23] == 1:
            frame = frame[:_ICMP_HEAD]
        elif frame[42:44] == b"\0\3":
            frame = frame[:_DATA_HEAD]
        kept.append(struct.pack("<IIII", seconds, fraction, len(frame), wire) + frame)
    return b"".join(kept)


def main(paths):
    for path in map(pathlib.Path, paths):
        target = pathlib.Path(__file__).parent / (path.name + ".gz")
        target.write_bytes(gzip.compress(reduce(path.read_bytes()), 9, mtime=0))
        print(target.name, target.stat().st_size)


if __name__ == "__main__":
    main(sys.argv[1:])
