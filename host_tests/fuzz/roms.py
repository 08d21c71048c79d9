"""The ROMs that the properties range over: the package's, and random tables within the shape."""

import copy

from pxerom import rom_check

_REACTIONS = {}
for _line in rom_check._ON.split("\n"):
    _name, _kind, _default = _line.split(" ")
    _REACTIONS[_name] = _kind.split("|")

_OWN_ERROR = {"error": 8, "message": "User aborted the transfer"}

_NAMES = ("standard", "intel-undi", "os-client", "intel-undi-plain")
_NAMES += ("ipxe", "edk2", "grub", "tftp-hpa", "curl", "u-boot", "etherboot", "u-boot-lwip")
_FLAT = {name: rom_check.load(name) for name in _NAMES}
for _rom in _FLAT.values():
    _rom["screen"]["codes"] = "pxe"  # what UEFI calls the same failures is tested elsewhere

_BLKSIZES = (1468, 512, 8, 9, 64, 511, 513, 1024, 1456, 8192, 65464)
_WINDOWSIZES = (1, 2, 3, 4, 8, 16)


def draw(tape):
    """A flat ROM: one of the package's, or one with options, retries and reactions of its own."""
    name = tape.pick(_NAMES)
    kind = tape.byte() % 4
    rom = _FLAT[name]
    if kind == 0:
        return rom
    rom = copy.copy(rom)
    spec = rom["tftp"] = copy.copy(rom["tftp"])
    spec["rollover"] = tape.pick((0, 0, 1, "fail"))
    spec["dally_ms"] = tape.pick((0, 1000, 60000))
    spec["requests"] = [copy.copy(request) for request in spec["requests"]]
    if kind == 1:
        # Only lockstep or a window, and the size of a block.
        spec["requests"][-1]["options"] = _options(tape)
        return rom
    reactions = {}
    for hazard, words in _REACTIONS.items():
        word = tape.pick(words)
        reactions[hazard] = _OWN_ERROR if word == "ERROR" else word
    if kind == 2:
        # All but how an ERROR is taken and who may speak: the rest of the table gets its turn.
        reactions["unknown_tid"] = tape.pick(("error", "ignore"))
    for request in spec["requests"]:
        request["on"] = reactions
    spec["requests"][-1]["options"] = _options(tape)
    if tape.byte() & 1:
        del spec["requests"][:-1]
    return rom


def _options(tape):
    options = []
    chosen = tape.byte()
    if chosen & 1:
        options.append(["blksize", str(tape.pick(_BLKSIZES))])
    if chosen & 2:
        options.append(["windowsize", str(tape.pick(_WINDOWSIZES))])
    if chosen & 4:
        options.append(["TSize", "0"])
    if chosen & 8:
        options.append(["timeout", "3"])
    return options
