"""A ROM for a job: read from its file, and made ready to boot with.

A ROM file is checked and flattened by `rom_check` and `rom_check_dhcp`, once. The bench does that
before a
ROM goes to a board, and marks what comes of it with `flat`, the version of that form, and a
`seal`: so a board need not carry the two. Where they are, both forms are taken.

1. A flat ROM is taken whole or not at all: the seal finds damage, and what was changed by hand.
2. What was given is not changed: a board that boots again uses it again.
"""

import json
from binascii import crc32

from pxerom.failure import Refused
from pxerom.runtime import ENOENT, const, forget, why

# Of the flat form: another number is another shape.
FLAT = const(1)
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
    except (ValueError, RuntimeError):  # no JSON, no text, or nested beyond all sense
        raise ValueError("%s is not a JSON file" % path)


def load(rom, boots=False):
    """(the flat ROM, its flat `dhcp`) of a ROM given by id, path or dict; the latter, and the
    screen of a boot, are there with `boots` only. Raises Refused: it says what is wrong."""
    try:
        from pxerom import rom_check  # first: where it is compiled here, it needs much memory
    except ImportError:
        rom_check = None
    try:
        tree = rom if isinstance(rom, dict) else read(str(rom))
        if not isinstance(tree, dict) or "flat" not in tree:
            if not rom_check:
                raise _unfit("was not checked yet, and this board has no checker")
            tree = rom_check.ready(tree, boots, tree is not rom)
        elif tree["flat"] != FLAT:
            raise _unfit("is of another version of pxerom")
        elif not _is_whole(tree):
            raise _unfit("is damaged, or was changed after it was checked")
        return unfold(tree, boots)
    except ValueError as error:
        raise Refused(2, "The ROM file is not right: %s." % error)
    finally:
        if rom_check:
            forget("rom_check")


def _unfit(what):
    return ValueError("it %s; `pxebench board deploy --rom` puts one there that fits" % what)


def _is_whole(tree):
    try:
        return tree.get("seal") == seal(dict(tree, seal=0))
    except (TypeError, RuntimeError):  # not the parser's own, or nested beyond all sense
        return False


def seal(value, crc=0):
    """A number made of all that a value of JSON holds, in an order of its own."""
    if isinstance(value, dict):
        for name in sorted(value):
            crc = seal(value[name], crc32(name.encode(), crc))
        return crc32(b"}", crc)
    if isinstance(value, list):
        for item in value:
            crc = seal(item, crc32(b",", crc))
        return crc32(b"]", crc)
    mark = '"%s"' if isinstance(value, str) else "%s"
    return crc32((mark % value).encode(), crc)


def unfold(tree, boots):
    """What a job takes, of the checked form: (the ROM, its `dhcp` or None). Every request gets
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
    return {"id": tree["id"], "udp": tree["udp"], "tftp": tftp, "screen": screen}, spec
