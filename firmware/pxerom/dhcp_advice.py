"""What to set at the DHCP or PXE server, as lines to paste, with the values of the offer at hand.

Loaded when DHCP has failed, and not before. Follows the manuals of dnsmasq, Kea and ISC dhcpd.
"""

from pxerom.failure import Failure

_FILES = {0: "undionly.kpxe", 10: "snp.efi", 11: "snp-arm64.efi"}

_FILE = """\
Name the file for architecture {arch}. dnsmasq: dhcp-boot={file},,{server} (beside another DHCP \
server: dhcp-range={server},proxy and pxe-service={arch},boot,{file}). Kea: "next-server": \
"{server}", "boot-file-name": "{file}". ISC: next-server {server}; filename "{file}";"""

_BINL = """\
Either UDP port 4011 of {server} is blocked, or no PXE service runs there. dnsmasq as a proxy \
needs a line pxe-service={arch},boot,{file}; dhcp-boot alone does not do. A DHCP server that \
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
    `arch`: the ROM's."""

    def __init__(self, code, detail, side, reason, offer, arch):
        super().__init__(code, detail, side)
        self.reason = reason
        reply = offer.reply
        file = offer.file()[0] or _FILES.get(arch, "ipxe.efi").encode()
        self._advice = _TEXTS[reason].format(
            arch=arch, file=_plain(file), server=reply.siaddr or offer.named(66) or offer.server
        )

    def status(self, uefi=False):
        """The result's `status`, with the advice for this network."""
        status = super().status(uefi)
        status["advice"] = self._advice
        return status


def _plain(name):
    # For a line to paste: nothing of it may be another line's, or a shell's.
    good = "-_./+=@:,"
    text = "".join(chr(b) for b in name if chr(b) in good or chr(b).isalpha() or chr(b).isdigit())
    return text if len(text) == len(name) else "FILE"
