"""A ROM for a job: from its file, from a dict, or in the flat form that a board carries.

Where the checkers are (`rom_check`, `rom_check_dhcp`), every form is taken. A board need not carry
them: it takes a flat ROM.

1. A flat ROM whose checksum is wrong is refused: it is damaged, or was changed by hand.
2. The dict that was given is not changed: a board that boots again uses it again.
"""

from pxerom import rom_file
from pxerom.failure import Refused
from pxerom.runtime import forget, tidy


def load(rom, boots=False):
    """[the flat ROM, its flat `dhcp`] of a ROM given by id, path or dict; the latter, and the
    screen of a boot, are there with `boots` only. Raises Refused: it says what is wrong."""
    try:
        from pxerom import rom_check  # first: where it is compiled here, it needs much memory
    except ImportError:
        rom_check = None
    try:
        tree = rom if isinstance(rom, dict) else rom_file.read(str(rom))
        if not isinstance(tree, dict) or "flat" not in tree:
            if not rom_check:
                raise _unfit("was not checked yet, and this board has no checker")
            tree = _checked(rom_check, tree, boots, tree is not rom)
        elif tree["flat"] != rom_file.FLAT:
            raise _unfit("is of another version of pxerom")
        elif not rom_file.is_whole(tree):
            raise _unfit("is damaged, or was changed after it was checked")
        return rom_file.unfold(tree, boots)
    except ValueError as error:
        raise Refused("The ROM file is not right: %s." % error)
    finally:
        if rom_check:
            forget("rom_check")


def _checked(rom_check, tree, boots, ours):
    # The checked form, with what a boot needs where `boots`. `ours`: nobody else uses the dict.
    if boots:
        from pxerom import rom_check_dhcp

        try:
            return rom_check_dhcp.checked(tree)
        finally:
            forget("rom_check_dhcp")
    if ours and isinstance(tree, dict):
        tree["dhcp"] = None  # a boot reads it anew; what follows finds its memory free
    tidy()
    return rom_check.checked(tree)


def _unfit(what):
    return ValueError("it %s; `pxebench board deploy --rom` puts one there that fits" % what)
