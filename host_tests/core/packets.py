"""TFTP packets for the tests, byte by byte, wrong ones too: none of it is pxerom's own code.

Follows RFC 1350 §5 and RFC 2347. Block numbers are cut to 16 bits; a value may be a number.
"""

RRQ, WRQ, DATA, ACK, ERROR, OACK = 1, 2, 3, 4, 5, 6


def rrq(name="f", *options, mode="octet", tail=b"", opcode=RRQ):
    """A request for `name`; `options`: (name, value), in the order of the wire."""
    return bytes((0, opcode)) + _strings(name, mode) + _pairs(options) + tail


def data(block, payload=b""):
    return bytes((0, DATA, block >> 8 & 255, block & 255)) + payload


def ack(block):
    return bytes((0, ACK, block >> 8 & 255, block & 255))


def error(code, text="", end=b"\0"):
    text = text.encode() if isinstance(text, str) else text
    return bytes((0, ERROR, code >> 8 & 255, code & 255)) + text + end


def oack(*options, **more):
    """`options`: (name, value), in the order of the wire; on CPython also by name."""
    return bytes((0, OACK)) + _pairs(options) + _pairs(more.items())


def _pairs(options):
    return b"".join([_strings(name, value) for name, value in options])


def _strings(*words):
    return b"".join([str(word).encode() + b"\0" for word in words])
