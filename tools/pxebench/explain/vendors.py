"""The vendor of a network card, from its MAC address by IEEE's list, and which ROMs it fits.

The list is netaddr's (`pip install pxerom[vendors]`), of the time at which it was released.
Without netaddr there is no vendor.

1. A locally administered MAC (as QEMU's 52:54:00) has no vendor.
2. A vendor is evidence for the ROM on its own cards, and never against one that is loaded (iPXE,
   PXELINUX, GRUB). Computer makers use their own numbers on other makers' cards: these are no
   evidence.
"""

import functools
import re

from pxebench.job import show

FOR, AGAINST, UNKNOWN = "for", "against", "unknown"
_MAC = re.compile(r"(?:[0-9a-f]{2}:){5}[0-9a-f]{2}")
_LOCAL = 0x02
_MOST = 40  # characters of a name
# Vendor, the ROMs on its cards, and whether these are on no other cards.
_ROMS = (
    (re.compile(r"raspberry pi", re.IGNORECASE), ("rpi3", "rpi4"), True),
    # The ROMs of the others are built from Intel's base code.
    (re.compile(r"^(?:intel|realtek|broadcom|vmware)\b", re.IGNORECASE), ("intel-undi",), False),
)
# A ROM of a PC, which is on no such board.
_OF_A_PC = ("intel-undi", "etherboot", "gpxe")


@functools.lru_cache(maxsize=4096)
def vendor(mac):
    """The name that IEEE's list has for a MAC (aa:bb:cc:dd:ee:ff), or None."""
    if not _MAC.fullmatch(mac or "") or int(mac[:2], 16) & _LOCAL:
        return None
    try:
        import netaddr
    except ImportError:
        return None
    try:
        name = netaddr.EUI(mac).oui.registration().org
    except (netaddr.AddrFormatError, netaddr.NotRegisteredError, ValueError, TypeError):
        return None
    return show(name)[:_MOST] or None


def facts(rom_id, mac):
    """(verdict, weight, text) of each fact that the card's vendor is for a ROM."""
    name = vendor(mac) if mac else None
    if name is None:
        return
    text = f"a network card of {name}"
    for pattern, own, alone in _ROMS:
        if pattern.search(name):
            if rom_id.startswith(own):
                yield FOR, 1, text
            elif alone and rom_id.startswith(_OF_A_PC):
                yield AGAINST, 2, f"{text}, which no PC's ROM is on"
            else:
                yield UNKNOWN, 1, text
            return
    for _, own, alone in _ROMS:
        if alone and rom_id.startswith(own):
            yield AGAINST, 2, f"{text}, it comes on a Raspberry Pi alone"
            return
    yield UNKNOWN, 1, text
