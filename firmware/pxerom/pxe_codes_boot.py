"""The PXE codes of DHCP, boot servers, menus and links; and UEFI's own numbering.

Loaded by `pxe_codes` for such a failure, or for a UEFI ROM. UEFI's numbers are another table
(R-PXE-61; EDK2, PxeBcBoot.c): E07, E09 and E21 are here for UEFI only. There is no PXE-E75: no
list of the ROMs' codes has one, and between PXENV_STATUS 0x74 and 0x76 there is none.
"""

# As in `pxe_codes`: number|side|the ROM's text|what to do next. UEFI's alone have theirs below.
CODES = (
    "E07|server||See the log of the DHCP server for why it refused (NAK).",
    "E09|server||Take the network's and the broadcast address out of the pool.",
    "E21|server||Add a boot menu (43.9) and a prompt (43.10), or set "
    "bit 3 of 43.6 (value 8) where DHCP itself names the file.",
    "E11|path|ARP timeout|See whether that machine is up, and in the network of the lease.",
    "E16|server|No valid offer received|See the reason of each offer.",
    "E51|path|No DHCP or proxyDHCP offers were received|See that a DHCP server or a relay is "
    "in this network and has an address for this client, and that no switch holds UDP 67 and "
    "68 back. A switch with spanning tree forwards some 30 s after the link comes up: make "
    "this port an edge port (portfast).",
    "E52|server|proxyDHCP offers were received. No DHCP offers were received|See whether the "
    "DHCP server runs, and has an address for this client.",
    "E53|server|No boot filename received|Give the DHCP server a boot file (option 67) for "
    "this architecture, or a proxyDHCP server beside it.",
    "E54|server|Bad IP address|Two machines have the same address: look for a second DHCP server.",
    "E55|server|proxyDHCP service did not reply to request on port 4011|Let UDP port 4011 "
    "through, or take option 60 (PXEClient) out of the DHCP server where no PXE service runs.",
    "E61|ours|Media test failure, check cable|Check the cable at both ends, and "
    "the switch's port.",
    "E63|ours|Error while initializing the NIC|Check the board's firmware, wiring and power.",
    "E74|server|Bad or missing PXE menu and/or prompt information|Correct the menu (43.9) and"
    " the prompt (43.10) at the PXE server.",
    "E76|server|Bad or missing multicast discovery address|Set 43.7, or switch multicast "
    "discovery off (bit 1 of 43.6).",
    "E77|server|Bad or missing discovery server list|Set 43.8, or allow broadcast or "
    "multicast (43.6).",
    "E78|server|Could not locate boot server|See that this boot server runs, on UDP 4011 and 67.",
    "E79|server|NBP is too big to fit in free base memory|Offer undionly.kpxe or pxelinux.0, "
    "not a kernel or an EFI program.",
    "M0F|ours|Exiting PXE ROM|Choose another entry of the menu.",
    "EA0|ours|Network boot canceled by keystroke|Boot again, and press no key.",
)

# UEFI's code for a legacy one, and UEFI's texts: a number that is here keeps it, 99 stands for all
# others (R-PXE-61).
_UEFI = " 11>18 32>18 35>18 36>23 3B>23 3C>23 3A>05 51>18 52>16 55>16 61>12 78>18 79>09 A0>21"
_UEFI_TEXTS = """\
05 Buffer size is smaller than the requested file.
07 Network device error.
09 Could not allocate I/O buffers.
12 Could not detect network connection.
16 No valid offer received.
18 Server response timeout.
21 Remote boot cancelled.
23 Client received TFTP error from server.
53 No boot filename received.
99 Unexpected network error."""


def of_uefi(code, text):
    """(code, text) of UEFI for a legacy code; a local boot has none, and keeps its own."""
    if code == "PXE-M0F":
        return code, text
    at = _UEFI.find(" %s>" % code[-2:])
    number = _UEFI[at + 4 : at + 6] if at >= 0 else code[-2:]
    if number + " " not in _UEFI_TEXTS:
        number = "99"
    at = _UEFI_TEXTS.index(number + " ")
    return "PXE-E" + number, _UEFI_TEXTS[at + 3 :].split("\n", 1)[0]
