"""Client by client: is it named right?  The table in README.md is made from this.

For each capture the client's own program must be named by the ROM file of its family, alone
("right") or among equals ("tie"), or it must be said that none of the known ones fits ("none", for
versions and settings that have no file of their own).  Anything else is "wrong".
"""

import collections

from host_tests.explain import told

# The tag of a capture: the beginnings of the ids that are right, and whether `none` is right too.
# `os-client` is atftp by its own words.
FAMILIES = {
    "atftp": (("atftp", "os-client"), False),
    "atftp081": (("atftp", "os-client"), False),
    "atftp081opt": (("atftp", "os-client"), True),
    "busybox": (("busybox",), False),
    "busybox138": (("busybox",), False),
    "busybox138blk": (("busybox",), True),
    "curl": (("curl",), False),
    "curl823": (("curl",), False),
    "grub214efi": (("grub",), False),
    "grubpc": (("grub",), False),
    "ipxe": (("ipxe",), False),
    "ipxe200": (("ipxe",), False),
    "ipxe_script": (("ipxe",), False),
    "ovmf": (("edk2",), False),
    "ovmf26": (("edk2",), False),
    "pxelinux": (("pxelinux",), False),
    "s390": (("slof", "s390"), False),
    "slof": (("slof",), False),
    "tftphpa": (("tftp-hpa",), False),
    "tftphpa73": (("tftp-hpa",), True),
    "tftphpa73N": (("tftp-hpa",), True),
    "ub25arm64": (("u-boot",), False),
    "ublwip": (("u-boot-lwip",), True),
    "ubnlwip": (("u-boot-lwip",), False),
    "ubootarm64": (("u-boot",), False),
}
_ORDER = ("right", "tie", "none", "wrong")
# What is loaded by another program stands behind it.
_LOADED = ("grub", "pxelinux")


def captures():
    """The names of all captures whose client is known, sorted."""
    return sorted(name for name in told.captures() if tag(name) in FAMILIES)


def tag(name):
    """The client of a capture's name."""
    return name.partition("-")[0]


def judged(name):
    """("right" | "tie" | "none" | "wrong", the ids that were named) for a capture."""
    family, none_is_right = FAMILIES[tag(name)]
    result = told.of(told.capture(name))
    clients = result["clients"]
    loaded = tag(name).startswith(_LOADED)
    # The first program is the client's own, but for those that another one loads.
    own = clients[1:] if loaded else clients[:1]
    found = [_one(client, family, none_is_right) for client in own]
    if not found:
        return "wrong", []
    return min(found, key=lambda row: _ORDER.index(row[0]))


def _one(client, family, none_is_right):
    ids = told.best(client)
    named = [one for one in ids if one.startswith(family)]
    if not client["known"]:
        # "None of the known" is right where no file was made from that version, where the nearest
        # is the client itself with another setting, and where a boot died in DHCP and the client's
        # file knows nothing of that.
        near = (client["nearest"] or "").startswith(family)
        fine = none_is_right or near or not client["boot"]["requests"]
        return ("none" if fine else "wrong"), ids
    if not named:
        return "wrong", ids
    return ("right" if len(ids) == 1 else "tie"), ids


def table():
    """The rows of the table, as text."""
    rows = collections.defaultdict(collections.Counter)
    for name in captures():
        rows[tag(name)][judged(name)[0]] += 1
    yield "| client | right | tie | none of the known | wrong |"
    yield "|---|---|---|---|---|"
    for client, counts in sorted(rows.items()):
        yield f"| {client} | " + " | ".join(str(counts[word] or "") for word in _ORDER) + " |"
    total = sum(rows.values(), collections.Counter())
    yield "| all | " + " | ".join(str(total[word]) for word in _ORDER) + " |"
