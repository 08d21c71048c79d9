"""The sources that the user gave: files, standard input, or words; the content says which kind.

A capture goes to `capture`. Everything else is text, and each line goes to the first reader that
recognises it, so that one text may hold a netstat, a trace and a screen.

1. The name of a file is not used; gzip is unpacked, UTF-16 (a Windows redirect) is decoded.
2. Lines that no reader knows are counted; the count is shown where nothing else was found.
3. Everything is bounded: a line has at most `_LINE` bytes, a source gives at most `_MOST`
   observations, and other text is searched, not parsed.
"""

import collections
import gzip
import io
import os
import re
import sys
import zlib

from pxebench.captures.messages import is_request
from pxebench.explain import capture
from pxebench.explain.bench_text import BenchLines
from pxebench.explain.codes import Screens
from pxebench.explain.dhcp_logs import DhcpLogs
from pxebench.explain.firewall_logs import FirewallLogs
from pxebench.explain.observation import CODE, PACKET
from pxebench.explain.server_logs import ServerLogs, Tftpd64, Wds
from pxebench.explain.sockets_text import Sockets
from pxebench.explain.tcpdump_text import Tcpdump
from pxebench.explain.wireshark_text import Wireshark
from pxebench.job import Refused, show

_LINE = 4096
_MOST = 200_000
_CHUNK = 1 << 16
_HEAD = 4096
# Behind the first `_SMALL` lines, a line without any of these is of no reader: most of a large log
# is passed over by this alone, a chunk at a time.
_WORTH = (
    *(b"udp", b"tftp", b"rrq", b"wrq", b"serving ", b"nak", b"dhcp", b"bootp", b"pxe", b"icmp"),
    *(b"src=", b"trace id", b"%asa-", b"%ftd-", b"%pix-", b"(match)", b"filterlog", b"srcip="),
    *(
        b"rt_flow",
        b"estab",
        b"unconn",
        b"(tos 0x",
        b"frame ",
        b"internet protocol",
        b"ethernet ii",
    ),
    *(
        b"user datagram",
        b"dynamic host",
        b"connection received",
        b"read request",
        b"oack",
        b"0x00",
    ),
    *(b" bytes", b"  ack "),  # of `pxebench -v`; its other words are above
    *(b"local port", b"peer returns", b": sent ", b"retry count", b"t t t", b"in system call"),
)
_SMALL = 2000
_COPY_S = 0.001
_WORDS_MOST = 400  # most characters of an argument that may be words, not a file name


class Source:
    """One thing that the user gave.  `name`; `kind`: "capture", or that of the reader which knew
    most of its lines ("pxebench", "tcpdump", "wireshark", "sockets", "server-log", "tftpd64",
    "wds", "dhcp-log", "firewall-log", "screen"), or "unknown"; `kinds`: {kind: lines}; `file`: the
    `capture.Scan`, or None; `observations`; `notes`: sentences; `lines`, `bytes`: how much was
    read; `where`: set by `places`; `timed`: whether its observations have times."""

    def __init__(self, name):
        self.name = name
        self.kind = "unknown"
        self.kinds = collections.Counter()
        self.file = None
        self.observations = []
        self.notes = []
        self.lines = self.passed = 0
        self.bytes = 0
        self.where = None
        self.offset_s = None  # by how much its times were shifted (`clocks`)
        self.daemons = set()
        self.sent_here = set()  # addresses whose packets left the machine that looked
        self.uefi = self.legacy = False

    @property
    def timed(self):
        """True when times of its packets can be subtracted."""
        if self.file is not None:
            return True
        times = {seen.time for seen in self.observations if seen.what == PACKET}
        return None not in times and len(times) > 1

    def packets(self):
        """Its packets, as `packets.Packet`s in their order."""
        if self.file is not None:
            return self.file.packets
        return [seen.as_packet() for seen in self.observations if seen.what == PACKET]


def read(argument, progress=None):
    """The `Source` of one argument: a path, `-`, or words.  Raises `Refused` for a file that
    cannot be opened; its content never raises."""
    if argument == "-":
        if sys.stdin is None:
            raise Refused("Standard input is closed.")
        return from_stream(sys.stdin.buffer, "standard input", progress)
    try:
        known = os.path.exists(argument)
    except ValueError:  # a NUL in it
        known = False
    if not known:
        words = _words(argument)
        if words is None:
            raise Refused(
                f"There is no file {show(argument)}, and as words it says nothing that is known"
                " here."
            )
        return words
    if os.path.isdir(argument):
        raise Refused(f"{show(argument)} is a folder.")
    try:
        with open(argument, "rb") as stream:
            return from_stream(stream, os.path.basename(argument), progress)
    except OSError as error:
        raise Refused(f"Cannot read {show(argument)}: {error.strerror or error}.") from None


def _words(argument):
    # A code or a screen's text that was typed as an argument, or None.
    if len(argument) > _WORDS_MOST or "\0" in argument:
        return None
    source = Source("the words given")
    _text(source, io.BytesIO(argument.encode("utf-8", "replace")), lambda count: None)
    codes = [seen for seen in source.observations if seen.what == CODE]
    if codes:
        source.observations = codes
        source.kind = "screen"
        return source
    return None


def from_stream(stream, name, progress=None):
    """The `Source` of a binary stream."""
    progress = progress or (lambda count: None)
    source = Source(name)
    stream = io.BufferedReader(_Raw(stream), 1 << 20)
    head = stream.peek(_HEAD)[:_HEAD]
    if head[:2] == b"\x1f\x8b":
        stream = io.BufferedReader(_Unpacked(stream, source.notes), 1 << 20)
        head = stream.peek(_HEAD)[:_HEAD]
    if capture.is_capture(head):
        source.file = capture.read(stream, name, progress)
        source.kind = "capture"
        source.kinds["capture"] = source.file.frames
        source.notes += source.file.notes
        return source
    other = capture.foreign(head)
    if other:
        source.notes.append(
            f"This is {other}; make a pcap of it (`editcap IN OUT.pcapng`, or pktmon, etl2pcapng)."
        )
        return source
    encoding = _encoding(head)
    if encoding:
        stream = _Decoded(stream, encoding)
    elif head.count(b"\0") > len(head) // 20:
        source.notes.append("This is neither text nor a capture that is known here.")
        return source
    _text(source, stream, progress)
    return source


class _Raw(io.RawIOBase):
    # A raw stream for io.BufferedReader; a pipe's read may be short.
    def __init__(self, stream):
        self.stream = stream

    def readable(self):
        return True

    def readinto(self, buffer):
        read = getattr(self.stream, "read1", self.stream.read)
        found = read(len(buffer))
        buffer[: len(found)] = found
        return len(found)


class _Unpacked(io.RawIOBase):
    # A gzip stream that ends where it is broken.
    def __init__(self, stream, notes):
        self.packed = gzip.GzipFile(fileobj=stream)
        self.notes = notes

    def readable(self):
        return True

    def readinto(self, buffer):
        try:
            found = self.packed.read(len(buffer))
        except (OSError, EOFError, zlib.error):
            self.notes.append("It is not a whole gzip file; what could be unpacked was read.")
            return 0
        buffer[: len(found)] = found
        return len(found)


class _Decoded(io.RawIOBase):
    # UTF-16 as UTF-8, in pieces.
    def __init__(self, stream, encoding):
        import codecs

        self.stream = stream
        self.decoder = codecs.getincrementaldecoder(encoding)("replace")
        self.left = b""

    def readable(self):
        return True

    def read(self, size=-1):
        while not self.left:
            raw = self.stream.read(_CHUNK)
            if not raw:
                return b""
            self.left = self.decoder.decode(raw).encode("utf-8", "replace")
        found, self.left = self.left[:size], self.left[size:]
        return found


def _encoding(head):
    if head[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return "utf-16"
    even, odd = head[::2].count(0), head[1::2].count(0)
    half = len(head) // 2
    if half > 8 and odd > half * 0.7 and even < half * 0.1:
        return "utf-16-le"
    if half > 8 and even > half * 0.7 and odd < half * 0.1:
        return "utf-16-be"
    return None


# ---- lines


def _lines(stream, source, progress):
    # Lines as bytes, each cut to _LINE; endings of any kind.
    rest = b""
    skipping = False
    lines = 0
    while True:
        chunk = stream.read(_CHUNK)
        if not chunk:
            break
        source.bytes += len(chunk)
        progress(len(chunk))
        if lines > _SMALL and not skipping and not _worth(rest + chunk) and b"\n" in chunk:
            source.passed += chunk.count(b"\n")
            rest = chunk[chunk.rindex(b"\n") + 1 :][:_LINE]
            continue
        parts = re.split(rb"\r\n|\n|\r", rest + chunk)
        rest = parts.pop()
        if skipping and parts:
            parts[0] = b""  # the rest of a line that was too long
            skipping = False
        lines += len(parts)
        yield from parts
        if len(rest) > _LINE:
            if not skipping:
                yield rest[:_LINE]
            rest, skipping = b"", True
    if rest and not skipping:
        yield rest


def _worth(raw):
    low = raw.lower()
    return any(word in low for word in _WORTH)


def _once(observations):
    # A capture of all interfaces, or of a bridge, has a packet twice in the same instant.
    kept, lately = [], {}
    for seen in observations:
        if seen.what == PACKET and seen.time is not None:
            key = (seen.src, seen.sport, seen.dst, seen.dport, seen.get("payload"))
            before = lately.get(key)
            lately[key] = seen.time
            copied = before is not None and 0 <= seen.time - before < _COPY_S
            if copied and is_request(seen.get("payload", b""), seen.dport or 0):
                continue
        kept.append(seen)
    return kept


def _text(source, stream, progress):
    readers = [
        BenchLines(),
        FirewallLogs(),
        Tcpdump(),
        Wireshark(),
        ServerLogs(),
        Tftpd64(),
        Wds(),
        DhcpLogs(),
        Sockets(),
        Screens(),
    ]
    number = 0
    for raw in _lines(stream, source, progress):
        number += 1
        indented = raw[:1] in (b" ", b"\t")
        if number > _SMALL and not indented and not _worth(raw):
            continue
        text = raw[:_LINE].decode("utf-8", "backslashreplace").replace("\0", "").rstrip()
        if not text:
            continue
        reader = next((one for one in readers if one.takes(text)), None)
        if reader is None:
            continue
        made = reader.line(text)
        if made or getattr(reader, "_open", None) is not None:
            source.kinds[reader.kind] += 1
        for seen in made:
            if not seen.evidence:
                seen.told_by(source.name, number, text)
            source.observations.append(seen)
        # A packet of several lines has the number of its first one.
        pending = getattr(reader, "_open", None)
        if pending is not None and not pending.evidence:
            pending.told_by(source.name, number, text)
        if len(source.observations) >= _MOST:
            source.notes.append(f"Only the first {_MOST} observations were taken.")
            break
    for reader in readers:
        for seen in reader.end():
            source.kinds[reader.kind] += not source.kinds[reader.kind]
            source.observations.append(
                seen if seen.evidence else seen.told_by(source.name, number, "")
            )
    source.observations = _once(source.observations)
    source.lines = number + source.passed
    for reader in readers:
        source.daemons |= getattr(reader, "daemons", set())
        source.sent_here |= getattr(reader, "sent_here", set())
        source.uefi = source.uefi or getattr(reader, "uefi", False)
        source.legacy = source.legacy or getattr(reader, "legacy", False)
    _deltas(source)
    source.kinds = +source.kinds
    if source.observations and source.kinds:
        source.kind = source.kinds.most_common(1)[0][0]


def _deltas(source):
    # tcpdump -ttt prints the time since the line before: such times go back, and begin at zero.
    timed = [seen for seen in source.observations if seen.what == PACKET and seen.time is not None]
    if len(timed) < 3 or timed[0].time != 0 or source.kinds.get("tcpdump", 0) < 3:
        return
    if not any(after.time < before.time for before, after in zip(timed, timed[1:], strict=False)):
        return
    now = 0.0
    for seen in timed:
        now += seen.time
        seen.time = now
