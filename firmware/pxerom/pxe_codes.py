"""What failures are called: the PXE codes, and the system's error numbers.

Loaded when something has failed, and not before: a board that boots carries none of it. The codes
and texts are those of legacy PXE ROMs (PXE 2.1 status low byte, R-PXE-60); UEFI's own numbering
is another table and never mixed in (R-PXE-61; EDK2, PxeBcBoot.c). There is no PXE-E75: no list of
the ROMs' codes has one, and between PXENV_STATUS 0x74 and 0x76 there is none.
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
blksize, report the server.
E11|path|ARP timeout|See whether that machine is up, and in the network that the lease says.
E16|server|No valid offer received|See the reason of each offer.
E51|path|No DHCP or proxyDHCP offers were received|See that a DHCP server or a relay is in this \
network and has an address for this client, and that no switch holds UDP 67 and 68 back.
E52|server|proxyDHCP offers were received. No DHCP offers were received|See whether the DHCP \
server runs, and has an address for this client.
E53|server|No boot filename received|Give the DHCP server a boot file (option 67) for this \
architecture, or a proxyDHCP server beside it.
E54|server|Bad IP address|Two machines have the same address: look for a second DHCP server.
E55|server|proxyDHCP service did not reply to request on port 4011|Let UDP port 4011 through, or \
take option 60 (PXEClient) out of the DHCP server where no PXE service runs.
E61|ours|Media test failure, check cable|Plug the cable in at both ends, and see that the port of \
the switch is on.
E63|ours|Error while initializing the NIC|Check that the firmware was made for this board, and \
its wiring and power.
E74|server|Bad or missing PXE menu and/or prompt information|Correct the menu (43.9) and the \
prompt (43.10) at the PXE server.
E76|server|Bad or missing multicast discovery address|Set 43.7, or switch multicast discovery off \
(bit 1 of 43.6).
E77|server|Bad or missing discovery server list|Set 43.8, or allow broadcast or multicast (43.6).
E78|server|Could not locate boot server|See that this boot server runs, on UDP 4011 and 67.
E79|server|NBP is too big to fit in free base memory|Offer undionly.kpxe or pxelinux.0, \
not a kernel or an EFI program.
M0F|ours|Exiting PXE ROM|Choose another entry of the menu.
EA0|ours|Network boot canceled by keystroke|Boot again, and press no key."""

# UEFI's code for each legacy one, and UEFI's texts; 99 stands for all others (R-PXE-61).
_UEFI = (
    " 11>18 16>16 32>18 35>18 36>23 3B>23 3C>23 3A>05 51>18 52>16 53>53 55>16 61>12 78>18 79>09"
    " A0>21"
)
_UEFI_TEXTS = """\
05 Buffer size is smaller than the requested file.
09 Could not allocate I/O buffers.
12 Could not detect network connection.
16 No valid offer received.
18 Server response timeout.
21 Remote boot cancelled.
23 Client received TFTP error from server.
53 No boot filename received.
99 Unexpected network error."""

_WORDS = (
    "1 operation not permitted|2 no such file or folder|13 permission denied|"
    "20 a part of the path is no folder|21 it is a folder|27 file too large|28 no space left|"
    "30 read-only file system|36 name too long|99 this machine does not have that address|"
    "101 no route to that network|113 no route to that host|122 disk quota exceeded"
)


def of_code(code, uefi=False):
    """(code, side, the ROM's text, what to do next) of a code such as "PXE-E32"; `uefi`: the code
    and the text are UEFI's."""
    line = _CODES[_CODES.index(code[4:] + "|") :].split("\n", 1)[0]
    _, side, text, advice = line.split("|")
    if uefi:
        code, text = of_uefi(code, text)
    return code, side, text, advice


def of_uefi(code, text):
    """(code, text) of UEFI for a legacy code; a local boot has none, and keeps its own."""
    if code == "PXE-M0F":
        return code, text
    at = _UEFI.find(" %s>" % code[-2:])
    number = _UEFI[at + 4 : at + 6] if at >= 0 else "99"
    at = _UEFI_TEXTS.index(number + " ")
    return "PXE-E" + number, _UEFI_TEXTS[at + 3 :].split("\n", 1)[0]


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
