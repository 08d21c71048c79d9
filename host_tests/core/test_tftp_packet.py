"""The bytes of requests and ERRORs, and the parsing of what a server says, to the last byte."""

from pxerom import tftp_packet

from host_tests.core.check import raises, same


def test_rrq_is_opcode_name_mode_and_options_each_with_one_nul():
    """R-TFTP-1, R-TFTP-4: and not one byte after the last NUL."""
    options = [["blksize", "1456"], ["tsize", "0"]]
    same(
        tftp_packet.rrq("a/b.0", "octet", options),
        b"\0\1a/b.0\0octet\0blksize\0" + b"1456\0tsize\0" + b"0\0",
    )
    same(tftp_packet.rrq("x", "OCTET", []), b"\0\1x\0OCTET\0")


def test_rrq_of_512_bytes_is_sent_and_one_of_513_is_not():
    """R-TFTP-2, R-SEC-3."""
    room = 512 - len(b"\0\1\0octet\0")
    same(len(tftp_packet.rrq("n" * room, "octet", [])), 512)
    message = str(raises(ValueError, tftp_packet.rrq, "n" * (room + 1), "octet", []))
    assert "513" in message and "512" in message, message
    raises(ValueError, tftp_packet.rrq, "n" * (room - 10), "octet", [["blksize", "1456"]])


def test_name_with_nul_or_control_byte_cannot_smuggle_an_option():
    """R-TFTP-3, R-SEC-8."""
    for name in ("", "a\0octet", "a\nb", "\x1b[2J"):
        message = str(raises(ValueError, tftp_packet.rrq, name, "octet", []))
        assert "empty or holds a control character" in message, message


def test_padded_rrq_is_filled_with_nuls_to_its_size():
    same(tftp_packet.rrq("x", "octet", [], 16), b"\0\1x\0octet\0" + bytes(6))
    same(tftp_packet.rrq("x", "octet", [], 4), b"\0\1x\0octet\0")


def test_error_packet_bytes():
    """R-TFTP-56: opcode, code big-endian, message, NUL."""
    same(tftp_packet.error(0, "TFTP Aborted"), b"\0\5\0\0TFTP Aborted\0")
    same(tftp_packet.error(0x1234, ""), b"\0\5\x12\x34\0")


def test_oack_is_read_pair_by_pair():
    """R-TFTP-31, R-TFTP-5: a name inside a value is no option; names know no case."""
    same(
        tftp_packet.oack_options(b"\0\6blksize\x001456\0tsize\x000\0"),
        {"blksize": "1456", "tsize": "0"},
    )
    same(tftp_packet.oack_options(b"\0\6xblksize\0tsize\0"), {"xblksize": "tsize"})
    same(tftp_packet.oack_options(b"\0\6BlkSize\0001456\0"), {"blksize": "1456"})


def test_malformed_oack_is_no_oack():
    """R-TFTP-31: no last NUL, no value, an empty name, the same option twice."""
    for body in (
        b"blksize\0001456",
        b"blksize\0",
        b"blksize",
        b"\0001456\0",
        b"tsize\0005\0tsize\0005\0",
        b"tsize\0005\0TSIZE\0006\0",
        b"\0",
        b"\0\0",
        b"",
        b"blksize\0001456\0x",
    ):
        same(tftp_packet.oack_options(b"\0\6" + body), None, body)


def test_oack_padded_with_nuls_is_forgiven():
    """R-TFTP-32: trailing NULs only; anything else after them is malformed."""
    same(tftp_packet.oack_options(b"\0\6tsize\0005\0\0\0\0\0"), {"tsize": "5"})
    same(tftp_packet.oack_options(b"\0\6tsize\0005\0\0\0junk\0"), None)


def test_number_takes_ascii_digits_only():
    """R-TFTP-33, R-SEC-10: no sign, space, hex, point, empty text, nor more than 20 digits."""
    same(tftp_packet.number("0"), 0)
    same(tftp_packet.number("18446744073709551615"), (1 << 64) - 1)
    for text in ("", "-1", "+1", " 1", "1 ", "0x10", "1.0", "1e3", "\xb2", "1" * 21):
        same(tftp_packet.number(text), -1, text)
    same(tftp_packet.number("66048"), 66048, "never cut to 16 bits")
