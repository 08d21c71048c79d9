"""A model TFTP server, and an adversary between it and the client; both driven by a tape of bytes.

Nothing here imports `pxerom`: the model is written from the RFCs, not from the code under test.
Left to others: time and delivery (the tests' networks), and what is right or wrong (the tests).

1. Every decision is the next byte of the tape, and a byte of 0 is always the harmless choice. A
   tape that has run out reads as zeros: what follows is an honest server on a quiet line, and a
   failing tape shrinks to the few bytes that matter.
2. A `line` adversary does what networks do (loses, doubles, reorders, delays, and lets unknown
   TIDs speak): the file must then be the server's, byte for byte. A `hostile` one also forges
   packets of the server itself. TFTP has no checksum over the file: a forged DATA with the
   expected number cannot be told from a true one. There the right file is what the peer's blocks
   said.
"""

import hashlib

SERVER = "10.254.52.26"
ELSEWHERE = "10.254.52.66"
CONTENT = hashlib.shake_128(b"a file without two equal blocks").digest(1 << 20)

# Datagrams on their way at once; a real line and a socket's buffer lose the rest. Without it a ROM
# that answers each old block of a window would make packets faster than anybody could count.
LINE_HOLDS = 64

# How much of a tape is trouble: bytes below this are "pass". Calm first, so that many cases
# come to their end.
_CALM = (250, 244, 230, 205, 170, 64)

_TEXTS = (
    b"File not found\x00",
    b"\x1b[2J\x1b]0;owned\x07\x00",
    b"no final NUL",
    b"",
    b"\x00\x00\x00\x00",
    b"%s%d{0}\r\n\x00",
    bytes(range(1, 256)) + b"\x00",
    b"A" * 1400 + b"\x00",
    "caf\u00e9 \u2028".encode() + b"\x00",
)

_BAD_OACKS = (
    b"",
    b"\x00",
    b"\x00\x00",
    b"blksize",
    b"blksize\x00",
    b"blksize\x00512",
    b"blksize\x00\x00",
    b"blksize\x000\x00",
    b"blksize\x007\x00",
    b"blksize\x008\x00",
    b"blksize\x0065465\x00",
    b"blksize\x0066048\x00",
    b"blksize\x00-1\x00",
    b"blksize\x00+512\x00",
    b"blksize\x00 512\x00",
    b"blksize\x000x200\x00",
    b"blksize\x0099999999999999999999999\x00",
    b"blksize\x00512\x00blksize\x00512\x00",
    b"blksize\x00512\x00BLKSIZE\x00600\x00",
    b"BlkSize\x00512\x00\x00\x00\x00",
    b"blksize\x00512\x00garbage",
    b"\x00blksize\x00512\x00",
    b"tsize\x00-5\x00",
    b"tsize\x00\x1b[31m\x00",
    b"tsize\x0018446744073709551616\x00",
    b"tsize\x0018446744073709551615\x00",
    b"tsize\x000\x00",
    b"tsize\x001\x00",
    b"tsize\x004294967296\x00",
    b"tsize\x005\x00blksize\x007\x00",
    b"tsize\x005\x00blksize\x0065465\x00",
    b"blksize\x0064\x00tsize\x00-5\x00",
    b"blksize\x0064\x00windowsize\x000\x00",
    b"windowsize\x002\x00tsize\x00five\x00",
    b"tsize\x005\x00windowsize\x000\x00",
    b"windowsize\x000\x00",
    b"windowsize\x0065536\x00",
    b"windowsize\x0017\x00",
    b"windowsize\x00\xb2\x00",
    b"timeout\x000\x00",
    b"timeout\x007\x00",
    b"timeout\x00256\x00",
    b"multicast\x00239.0.0.1,1758,1\x00",
    b"utimeout\x00500000\x00",
    b"\xff\xfe\x00\x80\x00",
    b"a\x00" * 200,
    b"x" * 1400,
)

_ODD_LENGTHS = (0, 1, 2, 3, 4, 5, 7, 515, 517, 1461, 65000)
_ODD_BLOCKS = (0, 1, 2, 3, 0x7FFF, 0x8000, 0x8001, 0xFFFE, 0xFFFF)
_ODD_OPCODES = (0, 1, 2, 4, 7, 255, 0x0100, 0x0300, 0x0500, 0xFFFF)


class Tape:
    """Decisions, one byte each; zeros without end once it has run out."""

    def __init__(self, tape):
        self._tape = tape
        self._at = 0

    def byte(self):
        at = self._at
        if at >= len(self._tape):
            return 0
        self._at = at + 1
        return self._tape[at]

    def pick(self, choices):
        return choices[self.byte() % len(choices)]


def wire_number(block, rollover):
    """The 16 bits on the wire for the file's block 1, 2, ...; what follows 65535 is `rollover`."""
    if rollover == 1 and block > 65535:
        return (block - 1) % 65535 + 1
    return block & 0xFFFF


class Session:
    """One read that the server serves, from the TID of its own."""

    def __init__(self, content, tid, rollover):
        self.content = content
        self.tid = tid
        self.rollover = rollover
        self.blksize = 512
        self.windowsize = 1
        self.base = 0  # blocks acknowledged; -1: the OACK is not
        self.oack = None
        self.alive = True

    def block(self, number):
        start = (number - 1) * self.blksize
        wire = wire_number(number, self.rollover)
        head = bytes((0, 3, wire >> 8, wire & 255))
        return head + self.content[start : start + self.blksize]

    def blocks(self):
        return len(self.content) // self.blksize + 1

    def window(self):
        """What is owed now: the OACK, or the blocks after the last acknowledged one."""
        if not self.alive:
            return []
        if self.base < 0:
            return [self.oack]
        first = self.base + 1
        last = min(self.base + self.windowsize, self.blocks())
        return [self.block(number) for number in range(first, last + 1)]

    def acknowledged(self, wire, answer_duplicates):
        if self.base < 0:
            if wire != 0:
                return []
            self.base = 0
            return self.window()
        for number in range(self.base, self.base + self.windowsize + 1):
            if wire_number(number, self.rollover) == wire:
                same = number == self.base
                self.base = number
                if number >= self.blocks():
                    return []
                if same and self.windowsize == 1 and not answer_duplicates:
                    return []
                return self.window()
        return []


class Server:
    """Serves one file to whoever asks. What kind of server it is, the tape says."""

    def __init__(self, tape, content, rollover=0):
        self.content = content
        self.rollover = rollover
        self.sessions = {}  # by TID
        self._tid = 40000
        self.answers_duplicates = tape.byte() & 1
        # Most servers know every option; some none, some refuse them, some grant less.
        self.options = tape.pick(("all",) * 9 + ("none", "refuse", "less", "no tsize", "lies"))

    def receive(self, packet, port):
        """What the server sends after `packet` came to its `port`: [(datagram, (host, port))]."""
        opcode = packet[0] << 8 | packet[1]
        if port == 69:
            return self._request(packet) if opcode == 1 else []
        session = self.sessions.get(port)
        if session is None or not session.alive:
            return []
        if opcode == 5:
            session.alive = False
            return []
        if opcode != 4:
            return []
        return self._from(
            session, session.acknowledged(packet[2] << 8 | packet[3], self.answers_duplicates)
        )

    def late(self):
        """What its timers send again."""
        if not self.sessions:
            return []
        session = self.sessions[self._tid]
        return self._from(session, session.window()[:16])

    def _from(self, session, datagrams):
        return [(datagram, (SERVER, session.tid)) for datagram in datagrams]

    def _request(self, packet):
        fields = packet[2:].split(b"\x00")
        asked = {}
        for name, value in zip(fields[2:-1:2], fields[3:-1:2], strict=False):
            asked[name.lower()] = value
        self._tid += 1
        session = Session(self.content, self._tid, self.rollover)
        self.sessions[self._tid] = session
        if asked and self.options == "refuse":
            session.alive = False
            return self._from(session, [b"\x00\x05\x00\x08no options\x00"])
        granted = {}
        if self.options != "none":
            granted = self._granted(asked, session)
        if granted:
            session.base = -1
            session.oack = b"\x00\x06" + b"".join(
                name + b"\x00" + value + b"\x00" for name, value in granted.items()
            )
        return self._from(session, session.window())

    def _granted(self, asked, session):
        granted = {}
        for name, value in asked.items():
            if name == b"blksize":
                session.blksize = int(value)
                if self.options == "less":
                    session.blksize = max(8, session.blksize // 2)
                granted[name] = b"%d" % session.blksize
            elif name == b"windowsize":
                session.windowsize = int(value)
                if self.options == "less":
                    session.windowsize = max(1, session.windowsize // 2)
                granted[name] = b"%d" % session.windowsize
            elif name == b"tsize" and self.options != "no tsize":
                size = len(self.content)
                if self.options == "lies":
                    size = max(0, size + (1 if size & 1 else -1))
                granted[name] = b"%d" % size
            elif name == b"timeout":
                granted[name] = value
        return granted


class Adversary:
    """Stands between: `meddle` turns one datagram of the server into what arrives, and when."""

    def __init__(self, tape, hostile):
        self.tape = tape
        self.hostile = hostile
        self.calm = tape.pick(_CALM)
        self.seen = []
        line = [
            self._drop,
            self._duplicate,
            self._delay,
            self._delay,
            self._replay,
            self._duplicate_late,
            self._elsewhere,
            self._other_tid,
            self._icmp,
            self._drop,
        ]
        forged = [
            self._truncate,
            self._extend,
            self._flip,
            self._forge_before,
            self._forge_before,
            self._forge_instead,
            self._forge_before,
            self._forge_instead,
        ]
        self._tricks = line + forged if hostile else line

    def meddle(self, datagram, sender):
        """[(delay, datagram or None for an ICMP error, sender)]; a delay of 1 is the next turn."""
        byte = self.tape.byte()
        if byte < self.calm:
            arrives = [(1, datagram, sender)]
        else:
            arrives = self._tricks[byte % len(self._tricks)](datagram, sender)
        if len(self.seen) < 64:
            self.seen.append((datagram, sender))
        return arrives

    def loses(self):
        """True when a packet of the client does not reach the server."""
        return self.tape.byte() >= max(self.calm, 128)

    def _drop(self, datagram, sender):
        return []

    def _duplicate(self, datagram, sender):
        return [(1, datagram, sender)] * (2 + self.tape.byte() % 3)

    def _delay(self, datagram, sender):
        return [(2 + self.tape.byte(), datagram, sender)]

    def _duplicate_late(self, datagram, sender):
        return [(1, datagram, sender), (2 + self.tape.byte() * 8, datagram, sender)]

    def _replay(self, datagram, sender):
        old = self.tape.pick(self.seen) if self.seen else (datagram, sender)
        return [(1, *old), (1, datagram, sender)]

    def _elsewhere(self, datagram, sender):
        # Another host, with the server's own port; what it says does not matter.
        forged = self._forged(datagram) if self.tape.byte() & 1 else datagram
        return [(1, forged, (ELSEWHERE, sender[1])), (1, datagram, sender)]

    def _other_tid(self, datagram, sender):
        # Another port of the server; on an honest line it only ever repeats.
        forged = self._forged(datagram) if self.hostile and self.tape.byte() & 1 else datagram
        other = (SERVER, self.tape.pick((69, 39999, 1, 65535)))
        return [(1, forged, other), (1, datagram, sender)]

    def _icmp(self, datagram, sender):
        return [(1, None, sender), (1, datagram, sender)]

    def _truncate(self, datagram, sender):
        return [(1, datagram[: self.tape.byte() * len(datagram) >> 8], sender)]

    def _extend(self, datagram, sender):
        more = self.tape.pick((1, 2, 3, 512, 1024, 60000))
        return [(1, datagram + b"\x00" * more, sender)]

    def _flip(self, datagram, sender):
        changed = bytearray(datagram)
        # The first four bytes are where it matters.
        place = self.tape.byte()
        place = place % 4 if place & 0x80 else place % len(changed)
        changed[place] ^= 1 << self.tape.byte() % 8
        return [(1, bytes(changed), sender)]

    def _forge_before(self, datagram, sender):
        return [(1, self._forged(datagram), sender), (1, datagram, sender)]

    def _forge_instead(self, datagram, sender):
        return [(1, self._forged(datagram), sender)]

    def _forged(self, datagram):
        tape = self.tape
        kind = tape.byte() % 7
        if kind == 0:
            return b""
        if kind == 1:
            return b"\x00\x05" + bytes((0, tape.byte() % 10)) + tape.pick(_TEXTS)
        if kind == 2 or datagram[:2] == b"\x00\x06":
            return b"\x00\x06" + tape.pick(_BAD_OACKS)
        if kind == 3:
            wire = tape.pick(_ODD_BLOCKS)
            size = tape.pick(_ODD_LENGTHS)
            return bytes((0, 3, wire >> 8, wire & 255)) + b"\xee" * size
        if kind == 4:
            opcode = tape.pick(_ODD_OPCODES)
            return bytes((opcode >> 8, opcode & 255)) + datagram[2:]
        if kind == 5:
            # Near the expected block: one or two off, or twice the size.
            if datagram[1:2] != b"\x03":
                return datagram[:3]
            wire = (datagram[2] << 8 | datagram[3]) + tape.pick((1, 2, -1, -2, 0x8000))
            return bytes((0, 3, wire >> 8 & 255, wire & 255)) + datagram[4:]
        return bytes(tape.byte() for _ in range(tape.byte() % 12))
