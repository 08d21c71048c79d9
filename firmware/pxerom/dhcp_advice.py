"""What to set at the DHCP or PXE server, as lines to paste, with the values of the offer at hand.

Loaded when DHCP has failed, and not before. Follows the manuals of dnsmasq, Kea and ISC dhcpd.
"""

from pxerom.failure import Failure
from pxerom.runtime import is_ipv4

_FILES = {0: "undionly.kpxe", 10: "snp.efi", 11: "snp-arm64.efi"}

_FILE = """\
Name the file for this client. dnsmasq: dhcp-boot={file},,{server}{proxy}. Kea: "next-server": \
"{server}", "boot-file-name": "{file}". ISC: next-server {server}; filename "{file}";"""

_PROXY = """\
 (beside another DHCP server: dhcp-range={server},proxy and pxe-service={arch},boot,{file})"""

_TEXT = """\
Send that text in option 43. dnsmasq: pxe-service=0,"{text}" (beside another DHCP server: with \
dhcp-range={server},proxy)."""

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

_TEXTS = {"no_file": _FILE, "no_binl": _BINL, "no_server": _SERVER, "no_text": _TEXT}


class Advised(Failure):
    """A Failure of DHCP. `reason`: a key of `_TEXTS`; `offer`: what it is about; `spec`: the ROM's
    `dhcp`."""

    def __init__(self, code, detail, side, reason, offer, spec):
        super().__init__(code, detail, side)
        text = offer.rules["recognises"]
        if reason == "no_file" and text:
            reason = "no_text"
        self.reason = reason
        # A client that hears no proxy is none of PXE's: what it starts is not known here.
        own = _FILES.get(spec["arch"], "ipxe.efi") if spec["proxy"] else "FILE"
        named = [offer.named(field) for field in ("siaddr", 66, 150)] + [offer.server]
        values = {
            "arch": spec["arch"],
            "file": _plain(offer.file()[0]) or own,
            "server": [each for each in named if each and is_ipv4(each)][0],
            "text": text,
        }
        values["proxy"] = _PROXY.format(**values) if spec["proxy"] else ""
        self._advice = _TEXTS[reason].format(**values)

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
