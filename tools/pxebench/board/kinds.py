"""The kinds of board (`boards/*/board.json`), and the ports at which boards are.

USB ids only suggest what is on a port; the board itself says it when asked (`endpoints.serial`).
Nothing here opens a port.

PORT is what mpremote takes: a device, `auto`, `id:SERIAL`, `port:DEVICE`, a short name (`a0` for
/dev/ttyACM0, `u0` for /dev/ttyUSB0, `c3` for COM3), or a URL such as `rfc2217://host:port`; and
`place:NAME`, a place of labgrid, which `lab.coordinator` finds.
"""

import json

from pxebench import places
from pxebench.job import EXIT_BENCH, Refused, nearest, show

_SHORT = {"a": "/dev/ttyACM", "u": "/dev/ttyUSB", "c": "COM"}


class Kind:
    """A kind of board. What its board.json leaves out is None or empty."""

    def __init__(self, folder, described):
        self.folder = folder
        self.described = described
        self.id = described.get("id", folder.name)
        self.name = described.get("name", self.id)
        self.machines = _texts(described.get("machine"))
        self.builds = _texts(described.get("micropython"))
        self.chips = [chip.lower().replace("-", "") for chip in _texts(described.get("chip"))]
        self.usb = set(_usb(described.get("usb") or ()))

    @property
    def method(self):
        """How it is flashed: "uf2", "esptool", or None."""
        flash = self.described.get("flash")
        return flash.get("method") if isinstance(flash, dict) else None

    @property
    def modules(self):
        """The paths of the modules that bring its link up; they go to /lib."""
        return [self.folder.parent / path for path in self.described.get("modules", {}).values()]

    def fits(self, machine):
        """How many characters of `sys.implementation._machine` match this kind."""
        return max((len(name) for name in self.machines if _says(machine, name)), default=0)


def _says(machine, name):
    # "Raspberry Pi Pico" is not what "Raspberry Pi Pico W with RP2040" begins with.
    return machine == name or machine.startswith(name + " with ")


def _texts(value):
    return [value] if isinstance(value, str) else list(value or ())


def _usb(pairs):
    for pair in pairs:
        if isinstance(pair, str):
            pair = pair.split(":")
        vendor, product = (pair["vid"], pair["pid"]) if isinstance(pair, dict) else pair
        yield tuple(n if isinstance(n, int) else int(n, 16) for n in (vendor, product))


def kinds():
    """All kinds of board, sorted by id; the PC is none of them."""
    found = []
    for path in sorted(places.boards().glob("*/board.json")):
        try:
            described = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise Refused(f"{show(str(path))} cannot be read: {error}.", EXIT_BENCH) from None
        if described.get("id") != "host":
            found.append(Kind(path.parent, described))
    return found


def kind(wanted):
    """The kind of board with the id `wanted`."""
    known = kinds()
    for each in known:
        if each.id == wanted:
            return each
    ids = ", ".join(each.id for each in known) or "none"
    near = nearest(wanted, [each.id for each in known])
    meant = f"the nearest is {near}; " if near else ""
    raise Refused(f"There is no board {show(wanted)}; {meant}there are: {ids}.")


def kind_of(machine):
    """The kind that calls itself `machine`, or None; of several the longest match."""
    known = [each for each in kinds() if each.fits(machine)]
    return max(known, key=lambda each: each.fits(machine), default=None)


# ---- ports


def ports():
    """The serial ports of this machine that belong to a USB device, as pyserial shows them."""
    from serial.tools import list_ports

    return sorted(port for port in list_ports.comports() if port.vid is not None)


def kinds_on(port):
    """The kinds of board whose USB ids a port has; a USB-serial chip may be on many of them."""
    return [each for each in kinds() if (port.vid, port.pid) in each.usb]


def find(wanted):
    """The device or URL that a PORT of the command line names."""
    if wanted.startswith("id:"):
        for port in ports():
            if port.serial_number == wanted[3:]:
                return port.device
        raise Refused(f"No board has the serial number {show(wanted[3:])}.", EXIT_BENCH)
    if wanted.startswith("port:"):
        return wanted[5:]
    if wanted[:1] in _SHORT and wanted[1:].isdigit():
        return _SHORT[wanted[0]] + wanted[1:]
    if wanted != "auto":
        return wanted
    found = ports()
    likely = [port for port in found if kinds_on(port)] or found
    if not likely:
        raise Refused(
            "There is no board on any USB port; plug one in (with a cable that carries data), or "
            "name its port.",
            EXIT_BENCH,
        )
    if len(likely) > 1:
        names = ", ".join(show(port.device) for port in likely)
        raise Refused(f"There are several boards ({names}): say which with its port.", EXIT_BENCH)
    return likely[0].device
