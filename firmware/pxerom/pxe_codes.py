"""The PXE codes of TFTP with text, side and advice; the system's error numbers in words.

Loaded only when something has failed: a boot that succeeds needs none of it. The codes and texts
are those of legacy PXE ROMs (PXE 2.1 status low byte, R-PXE-60). The codes of all that comes
before TFTP, and UEFI's numbers, stand in `pxe_codes_boot`.
"""

# One string for each code: number|side|the ROM's text|what to do next. Not one for all of them:
# what failed may have left no piece of memory of that length.
_CODES = (
    "E32|path|TFTP open timeout|See that the server runs, and that no firewall drops requests to "
    "UDP port 69 or answers to this ROM's source ports.",
    "E33|server|TFTP unknown opcode|Capture the exchange (`--pcap`) and report the server.",
    "E35|path|TFTP read timeout|Look for loss on the path,"
    " a server that died, or datagrams too big for it (try a smaller blksize).",
    "E36|server|Error received from TFTP server|Look for the server's words in its log.",
    "E38|server|TFTP cannot open connection|Compare what was asked with the server's OACK.",
    "E39|server|TFTP cannot read from connection|Capture the exchange (`--pcap`).",
    "E3A|ours|TFTP too many packages|Make room, raise the limit, or check the file's name.",
    "E3B|server|TFTP error - File not found|Check the name (case, slashes) against "
    "the server's root folder.",
    "E3C|server|TFTP error - Access violation|Make the file readable for the server's user, "
    "and see which folders it serves.",
    "E3F|server|TFTP packet size is invalid|Try another blksize; report the server.",
)

_WORDS = (
    "1 operation not permitted|2 no such file or folder|13 permission denied|"
    "20 a part of the path is no folder|21 it is a folder|27 file too large|28 no space left|"
    "30 read-only file system|36 name too long|99 this machine does not have that address|"
    "101 no route to that network|113 no route to that host|122 disk quota exceeded"
)


def of_code(code, uefi=False):
    """(code, side, the ROM's text, what to do next) of a code such as "PXE-E32"; `uefi`: the code
    and the text are UEFI's."""
    line = _line(_CODES, code)
    if not line:
        from pxerom.pxe_codes_boot import CODES

        line = _line(CODES, code)
    _, side, text, advice = line.split("|")
    if uefi:
        from pxerom.pxe_codes_boot import of_uefi

        code, text = of_uefi(code, text)
    return code, side, text, advice


def _line(codes, code):
    for line in codes:
        if line[:3] == code[4:]:
            return line
    return ""


def lines_of(screen, status, error):
    """What a ROM prints when a boot has failed. `screen`: of the ROM; `error`: {code, message} of
    the server's last ERROR packet, or None. Legacy ROMs all print the same (R-PXE-62): its
    text, then the code with its own, then the exit line; others have words of their own."""
    code = status["code"]
    own = screen["errors"].get(code)
    lines = []
    if own and error:
        own = own.replace("{code}", str(error["code"])).replace("{text}", error["message"])
    elif error and not own and code in ("PXE-E36", "PXE-E3B", "PXE-E3C"):
        lines.append("PXE-T%02d: %s" % (error["code"], error["message"]))
    if own or code != "PXE-M0F":  # which is the exit line itself
        lines.append(own or "%s: %s" % (code, status["text"]))
    last = screen["exit"]
    lines.append("PXE-M0F: Exiting PXE ROM." if last is None else last)
    return lines


def of_errno(number):
    """An error number in words."""
    for entry in _WORDS.split("|"):
        if entry.startswith("%s " % number):
            return entry.partition(" ")[2]
    return "errno %s" % number


def of_port(port, host, number, in_use):
    """(sentence, id) of an error number for a UDP port that cannot be used."""
    if not in_use:
        return "Cannot use UDP port %d on %s: %s." % (port, host, of_errno(number)), "no_port"
    text = (
        "UDP port %d is in use by another program, and this ROM sends from that port: "
        "end the program or wait for it (`ss -uanp` shows which)."
    )
    return text % port, "port_in_use"
