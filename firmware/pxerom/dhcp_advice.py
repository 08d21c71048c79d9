"""What to set at the DHCP or PXE server, as lines to paste, with the values of the offer at hand.

Loaded when DHCP has failed, and not before. Follows the manuals of dnsmasq, Kea and ISC dhcpd.
"""

from pxerom.failure import Failure
from pxerom.runtime import is_ipv4

# The file that people serve to an architecture (option 93); any other has none of that kind.
_FILES = {
    0: "undionly.kpxe",
    6: "ipxe.efi",
    7: "ipxe.efi",
    9: "ipxe.efi",
    10: "snp.efi",
    11: "snp-arm64.efi",
}

_FILE = """\
Name the file{arch}. dnsmasq: dhcp-boot={file},,{server}{beside}. Kea: "next-server": \
"{server}", "boot-file-name": "{file}". ISC: next-server {server}; filename "{file}";"""

# For a ROM that hears a proxyDHCP server.
_BESIDE = """ (beside another DHCP server: dhcp-range={server},proxy and \
pxe-service={number},boot,{file})"""

_BINL = """\
Either UDP port 4011 of {server} is blocked, or no PXE service runs there. dnsmasq as a proxy \
needs a line pxe-service={number},boot,{file}; dhcp-boot alone does not do. A DHCP server that \
only names a file must not send option 60 (PXEClient), or must send option 43.6 = 8 with it. \
dnsmasq: dhcp-option=vendor:PXEClient,6,8b. ISC: option vendor-encapsulated-options \
06:01:08:ff; next-server {server}; filename "{file}"; Kea: {{"name": \
"vendor-encapsulated-options", "data": "060108ff", "csv-format": false}}."""

_SERVER = """\
Set next-server (siaddr). dnsmasq: dhcp-boot={file},,{server}. Kea: "next-server": "{server}". \
ISC: next-server {server};"""

_TEXTS = {"no_file": _FILE, "no_binl": _BINL, "no_server": _SERVER}


class Advised(Failure):
    """A Failure of DHCP. `reason`: "no_file", "no_binl" or "no_server"; `offer`: what it is about;
    `spec`: the ROM's `dhcp`."""

    def __init__(self, code, detail, side, reason, offer, spec):
        super().__init__(code, detail, side)
        self.reason = reason
        number = spec["arch"]
        told = any(option[0] == 93 for option in spec["options"])
        known = _FILES.get(number, "FILE") if told else "FILE"
        values = {"number": number, "file": _plain(offer.file()[0] or known.encode())}
        values["arch"] = " for architecture %d" % number if told else " for this machine"
        values["server"], also = _server(offer)
        values["beside"] = _BESIDE.format(**values) if spec["proxy"] else ""
        self._advice = _TEXTS[reason].format(**values) + also

    def status(self, uefi=False):
        """The result's `status`, with the advice for this network."""
        status = super().status(uefi)
        status["advice"] = self._advice
        return status


def _server(offer):
    # (the boot server for the lines, a sentence about it): the one that the offer means. Kea and
    # dnsmasq take an address only.
    reply = offer.reply
    named = offer.named(66)
    if reply.siaddr or not named:
        return reply.siaddr or offer.server, ""
    if is_ipv4(named):
        return named, ""
    return "ADDRESS", " ADDRESS: that of %s." % named


def _plain(name):
    # For a line to paste: nothing of it may be another line's, or a shell's.
    good = "-_./+=@:,"
    text = "".join(chr(b) for b in name if chr(b) in good or chr(b).isalpha() or chr(b).isdigit())
    return text if len(text) == len(name) else "FILE"
