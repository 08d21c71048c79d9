"""TFTP packets: what a read needs to build and to take apart. No socket, no clock, no state.

Follows RFC 1350 §5 (RRQ, DATA, ACK, ERROR) and RFC 2347 §2 (options, OACK). What a packet means in
the state of a transfer is decided in `tftp`.
"""

from pxerom.failure import printable
from pxerom.runtime import const

_ERROR = const(5)  # opcode
_MAX_RRQ = const(512)


def rrq(filename, mode, options, padding=0):
    """Bytes of a read request (R-TFTP-1). `options`: [[name, value], ...] in wire order;
    `padding`: length to fill up to with NULs, for clients that send a fixed size.

         2 bytes   string    1  string 1   string  1   string  1
        +--------+----------+--+------+--+--------+--+--------+--+
        | 00 01  | filename | 0| mode | 0| option | 0| value  | 0| ...
        +--------+----------+--+------+--+--------+--+--------+--+

    Raises ValueError when the name cannot be sent or 512 bytes are not enough (R-TFTP-2, 3).
    """
    name = filename.encode() if isinstance(filename, str) else filename
    if not name or min(name) < 32:
        raise ValueError("the name is empty or holds a control character")
    packet = b"\x00\x01" + name + b"\x00" + mode.encode() + b"\x00"
    for option, value in options:
        packet += option.encode() + b"\x00" + value.encode() + b"\x00"
    if len(packet) > _MAX_RRQ:
        raise ValueError("the request would be %d bytes, TFTP allows 512" % len(packet))
    return packet + b"\x00" * (padding - len(packet))


def error(code, message):
    """Bytes of an ERROR packet: 00 05, code (2 bytes), message, 00 (R-TFTP-56)."""
    return bytes((0, _ERROR, code >> 8, code & 255)) + message.encode() + b"\x00"


def oack_options(data):
    """{name: value} of an OACK, names in lower case; None when it is malformed (R-TFTP-31).

    More NULs at the end are allowed (R-TFTP-32): some servers pad their packets.
    """
    text = bytes(data[2:])
    if text[-1:] != b"\x00":
        return None
    fields = text.rstrip(b"\x00").split(b"\x00")
    if len(fields) % 2:
        return None
    options = {}
    for i in range(0, len(fields), 2):
        name = printable(fields[i]).lower()
        if not name or name in options:
            return None
        options[name] = printable(fields[i + 1])
    return options


def number(text, digits=20):
    """Value of 1..`digits` ASCII digits, or -1 for anything else (R-TFTP-33)."""
    if not 0 < len(text) <= digits or min(text) < "0" or max(text) > "9":
        return -1
    return int(text)
