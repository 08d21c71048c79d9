"""How a boot can fail: the PXE code, the ROM's words, whose side it is on, what to do next.

The codes and texts are those of legacy PXE ROMs (PXE 2.1 status low byte, R-PXE-60); UEFI's own
numbering is another table and never mixed in (R-PXE-61). Which event gets which code is decided
where it happens; this file only knows what a code means.

1. A failure is on one of three sides: `ours` (this client or its target), `server`, `path`.
2. Text from the network is made harmless before anybody sees it (`printable`, R-SEC-22).
"""

# One line for each code: number|side|the ROM's text|what to do next. One string, because forty
# small ones would cost a board three times the memory.
_CODES = """\
E32|path|TFTP open timeout|Fetch the same file with `--rom os-client`: if that works, a firewall \
drops answers to this ROM's low source ports; if not, check UDP port 69 and that the server runs.
E33|server|TFTP unknown opcode|Capture the exchange (`--pcap`) and report the server.
E35|path|TFTP read timeout|The transfer began and then stopped: look for loss on the path, a \
server that died, or datagrams too big for it (try a smaller blksize).
E36|server|Error received from TFTP server|Look up the server's own words in its log.
E38|server|TFTP cannot open connection|Try `--rom standard` with other options, or without any \
(`--rom os-client`).
E39|server|TFTP cannot read from connection|Capture the exchange (`--pcap`): the packets do not \
add up.
E3A|ours|TFTP too many packages|Make room, raise the limit, or check the file's name.
E3B|server|TFTP error - File not found|Check the name (case, slashes, no leading folder) against \
the server's root folder.
E3C|server|TFTP error - Access violation|Make the file readable for the server's user, and see \
which folders it serves.
E3F|server|TFTP packet size is invalid|The server sends more than it was asked for: try another \
blksize, report the server."""

EXIT_LINE = "PXE-M0F: Exiting PXE ROM."


class Failure(Exception):
    """A boot that failed. `code`: "PXE-Enn"; `detail`: one sentence of what happened;
    `side`: "ours", "server" or "path" when the code's usual one is not it."""

    def __init__(self, code, detail, side=None):
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.side = side

    def status(self):
        """The result's `status`: {code, text, side, detail, advice}."""
        line = _CODES[_CODES.index(self.code[4:] + "|") :].split("\n", 1)[0]
        _, side, text, advice = line.split("|")
        return {
            "code": self.code,
            "text": text,
            "side": self.side or side,
            "detail": self.detail,
            "advice": advice,
        }


class Refused(Exception):
    """A job that cannot be run. `exit_code`: 2 for what the user gave, 3 for a bench that is not
    in order (port in use, no permission, target not writable)."""

    def __init__(self, exit_code, message):
        super().__init__(message)
        self.exit_code = exit_code
        self.message = message


def of_error(code, message):
    """The Failure for an ERROR packet of the server (R-PXE-62: E3B for 1, E3C for 2, else E36)."""
    name = {1: "PXE-E3B", 2: "PXE-E3C"}.get(code, "PXE-E36")
    return Failure(name, "The server answered with ERROR %d: %s" % (code, message or "no text"))


def printable(data):
    """Text of network bytes with everything but 0x20..0x7e shown as a dot (R-SEC-22)."""
    return "".join(chr(b) if 32 <= b < 127 else "." for b in data)
