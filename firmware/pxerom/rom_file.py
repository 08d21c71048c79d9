"""ROM files: where they are, how one is read, and the flat form that a board carries.

A ROM file is checked and flattened by `rom_check` and `rom_check_dhcp`; `rom_load` finds out which
form a job was given. The bench checks a ROM before it goes to a board, and adds `flat`, the
version of the form, and a `checksum`.
"""

import json
from binascii import crc32

from pxerom.runtime import ENOENT, const, why

# Version of the flat form.
FLAT = const(4)
UNKNOWN = "this ROM's DHCP is not known, so it cannot boot"


def folder():
    """The folder of the ROM files that come with pxerom."""
    return __file__.rsplit("/", 1)[0] + "/roms"


def read(rom):
    """A ROM as it stands in its file, evidence and all. `rom`: an id, or a path with a slash or
    ending in .json. Raises ValueError."""
    path = rom if "/" in rom or rom.endswith(".json") else "%s/%s.json" % (folder(), rom)
    try:
        with open(path) as file:
            return json.load(file)
    except OSError as error:
        if path != rom and error.errno == ENOENT:
            raise ValueError("there is no ROM called %s" % rom)
        raise ValueError("cannot read %s: %s" % (path, why(error)))
    except (ValueError, RuntimeError):  # no JSON, no text, or nested too deeply
        raise ValueError("%s is not a JSON file" % path)


def is_whole(tree):
    """Whether a flat ROM is as the bench made it: nothing lost, nothing changed by hand."""
    try:
        return tree.get("checksum") == checksum(dict(tree, checksum=0))
    except (TypeError, RuntimeError):  # not made by the parser, or nested too deeply
        return False


def checksum(value, crc=0):
    """A checksum over everything in a JSON value; the order of keys does not count."""
    if isinstance(value, dict):
        for name in sorted(value):
            crc = checksum(value[name], crc32(name.encode(), crc))
        return crc32(b"}", crc)
    if isinstance(value, list):
        for item in value:
            crc = checksum(item, crc32(b",", crc))
        return crc32(b"]", crc)
    mark = '"%s"' if isinstance(value, str) else "%s"
    return crc32((mark % value).encode(), crc)


def unfold(tree, boots):
    """What a job takes, of the checked form: [the ROM, its `dhcp` or None]. Every request gets
    its reactions, shared where it has none of its own."""
    tftp = dict(tree["tftp"])
    common = tftp.pop("on")
    tftp["requests"] = requests = []
    for request in tree["tftp"]["requests"]:
        own = request["on"]
        requests.append(dict(request, on=dict(common, **own) if own else common))
    screen = dict(tree["screen"])
    spec = tree["dhcp"] if boots else None
    if not boots:
        screen.pop("boot", None)
    elif spec is None:
        raise ValueError("dhcp: " + UNKNOWN)
    return [{"id": tree["id"], "udp": tree["udp"], "tftp": tftp, "screen": screen}, spec]
