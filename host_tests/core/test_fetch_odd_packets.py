"""What each ROM answers to an odd packet in mid-file: the captured answers, a second time and on
purpose (`test_fetch_roms`)."""

from pxerom.failure import Failure
from pxerom.runtime import address
from pxerom.tftp import DROP, Transfer

from host_tests.core.check import rom, same
from host_tests.core.fakenet import HOST
from host_tests.core.packets import ack, data, oack

_PEER = address(HOST, 45140)

# What each captured client answered to an odd packet while DATA 5 was due: the ACK's number, the
# ERROR, None for silence, "end" where it left without a word. A question mark: not captured.
_ODD = ("DATA 4", "DATA 8", "DATA 2", "DATA 0", "opcode 9", "ACK", "OACK", "+8 bytes")
_ANSWERS = {
    "ipxe": (4, 4, 4, "end", None, None, 4, "end"),
    "edk2": (4, 4, 4, 4, None, None, None, None),
    "u-boot": (4, 4, 4, 4, None, None, 4, None),
    "pxelinux": (4, "?", 4, "?", None, None, "?", "?"),
    "grub": (4, "?", 2, 0, None, None, "?", "?"),
    "tftp-hpa": (4, None, None, None, None, None, "?", 5),
    "atftp": (4, 4, 4, 4, None, None, 4, 5),
    "curl": (4, None, None, None, "end", "end", 0, 5),
    "busybox": (None, None, None, None, None, None, "?", 5),
}


def _odd(size):
    return (
        data(4, bytes(size)),
        data(8, bytes(size)),
        data(2, bytes(size)),
        data(0, bytes(size)),
        b"\0\x09\0\1",
        ack(4),
        oack(("tsize", 9)),
        data(5, bytes(size + 8)),
    )


def test_odd_packets_get_the_captured_answers():
    """R-TFTP-46, 48, 49, 50, 52 (ROM notes): each on a transfer that has taken four blocks."""
    for name, answers in _ANSWERS.items():
        for number, expected in enumerate(answers):
            if expected == "?":
                continue
            request = rom(name)["tftp"]["requests"][-1]
            transfer = Transfer("x", request, 0, HOST)
            if request["options"]:
                granted = [pair for pair in request["options"] if pair[0] != "windowsize"]
                granted = [(k, 99999 if k == "tsize" else value) for k, value in granted]
                transfer.feed(oack(*granted), _PEER, 0)
            size = transfer.blksize
            for block in range(1, 5):
                transfer.feed(data(block, bytes(size)), _PEER, 0)
            try:
                verdict = transfer.feed(_odd(size)[number], _PEER, 0)
                got = None if verdict == DROP else transfer.reply
            except Failure:
                got = "end" if transfer.reply is None else transfer.reply
            if isinstance(expected, int):
                expected = ack(expected)
            got = got if got is None or isinstance(got, str) else bytes(got)
            same(got, expected, (name, _ODD[number]))


def test_odd_oacks_end_curl_without_a_packet_or_are_taken():
    """R-TFTP-33; curl 7.88.1 and such a server, November 2026: exit 71 and silence, or ACK 0."""
    request = rom("curl")["tftp"]["requests"][-1]
    size = ("tsize", "1024")
    for packet, taken in (
        (oack(("tsize", 0), ("blksize", 512)), False),
        (oack(size, ("blksize", 7)), False),
        (oack(size, ("blksize", 0)), False),
        (oack(size, ("blksize", "abc")), False),
        (oack(size, ("blksize", 600)), False),
        (oack(size, ("blksize", 9999)), False),
        (oack(size, ("blksize", 512))[:-1], False),
        (oack(("foo", 1)), True),
        (oack(("timeout", 9)), True),
        (oack(("blksize", "512x")), True),
        (oack(("tsize", "-5")), True),
        (oack(("tsize", "5x")), True),
        (oack(("tsize", "+5")), True),
        (oack(("tsize", " 5")), True),
        (oack(("tsize", "x")), False),
        (oack(("tsize", "")), False),
        (oack(("tsize", "0x5")), False),
        (oack(size, ("blksize", "-8")), False),
    ):
        transfer = Transfer("x", request, 0, HOST)
        try:
            transfer.feed(packet, _PEER, 0)
            got = transfer.reply
        except Failure:
            same(transfer.reply, None, packet)
            got = None
        same(got, ack(0) if taken else None, packet)
