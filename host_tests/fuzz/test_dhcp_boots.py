"""Whole boots among servers that say anything at all, in virtual time."""

from host_tests.core.bootrun import Job, screen_of
from host_tests.core.check import same
from host_tests.core.fakelan import CLIENT, SERVER, answer
from host_tests.core.fakenet import HOST


class _Tape:
    # Bytes of chance, the same in every run.
    def __init__(self, seed):
        self.state = seed * 2654435761 + 1 & 0xFFFFFFFF

    def below(self, limit):
        self.state = self.state * 1664525 + 1013904223 & 0xFFFFFFFF
        return (self.state >> 16) % limit

    def bytes(self, most):
        return bytes([self.below(256) for _ in range(self.below(most + 1))])


def _wild(tape):
    # The options of a server that says anything at all, half of it well-formed.
    said = b""
    for _ in range(tape.below(7)):
        code = (1, 3, 13, 43, 43, 43, 51, 52, 60, 60, 60, 66, 67, 71)[tape.below(14)]
        body = tape.bytes(12)
        if code == 60 and tape.below(8):
            body = b"PXEClient"
        elif code == 43 and tape.below(8):
            body = b""
            for tag in (6, 7, 8, 9, 10, 71):
                good = (
                    bytes((tape.below(16),)),
                    b"\xe0\0\1\2",
                    b"\0\1\1\x0a\0\0\2",
                    b"\0\1\1A\0\0\4Disk",
                    bytes((tape.below(4),)) + b"Go",
                    b"\0\1\0\0",
                )
                part = (
                    tape.bytes(9) if not tape.below(9) else good[(6, 7, 8, 9, 10, 71).index(tag)]
                )
                if tape.below(3):
                    body += bytes((tag, len(part) + tape.below(30) // 29)) + part
        said += bytes((code, len(body))) + body
    return said


def test_whatever_servers_say_ends_in_the_file_or_in_one_code():
    """R-SEC-14, R-SEC-15, R-SEC-16, R-SEC-17, R-SEC-19, R-SEC-27: a thousand whole boots: offers,
    answers on port 4011 and of boot servers, each with options that nobody would send."""
    outcomes = {}
    for seed in range(1000):
        tape = _Tape(seed)

        def serve(sent, tape=tape):
            replies = []
            for _ in range(tape.below(3)):
                kind = {1: 2, 3: 5}.get(sent.kind, 2) if tape.below(8) else tape.below(10)
                server = (SERVER, "10.0.0.2")[tape.below(3) // 2]
                yiaddr = CLIENT if tape.below(4) else None
                data = answer(
                    sent.data, kind, yiaddr, HOST, server, _wild(tape), tape.bytes(8)[:128]
                )
                port = sent.port if tape.below(4) else (67, 4011)[tape.below(2)]
                replies.append((tape.below(3000), server, port, data))
            return replies

        rom = ("intel-undi", "edk2", "ipxe", "u-boot", "standard")[seed % 5]
        job = Job(rom, serve, server=HOST, release=seed % 2 > 0)
        same((job.names()[-1], job.given_back()), ("result", True), seed)
        result = job.result
        code = job.code() or "ok"
        same(result["outcome"], "ok" if code == "ok" else "failed", seed)
        assert code == "ok" or code[:5] in ("PXE-E", "PXE-M"), (seed, code)
        assert all(each["reason"] for each in result["offers"] if not each["chosen"]), seed
        outcomes[code] = outcomes.get(code, 0) + 1
        shown = screen_of(rom, job.events)
        assert all(char in "\r\n" or " " <= char <= "~" for char in shown), seed
    assert outcomes.get("ok", 0) > 150 and len(outcomes) > 9, outcomes
