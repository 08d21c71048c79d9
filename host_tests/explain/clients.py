"""Client by client: is it named right?  The table in README.md is made from this.

For each capture the client's own program must be named by the ROM file of its family, alone
("right") or among equals ("tie"), or it must be said that none of the known ones fits ("none", for
versions and settings that have no file of their own).  Anything else is "wrong".
"""

import collections
from unittest import mock

from pxebench.explain import who

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
# The ROM files that were made from a client's own captures (their `sources` say so); those that
# are not named here were made from other versions, from source code, or from others' captures.
MADE_FROM = {
    "atftp": ("atftp", "os-client"),
    "busybox": ("busybox",),
    "curl": ("curl",),
    "curl823": ("curl-8",),
    "grubpc": ("grub",),
    "ipxe": ("ipxe",),
    "ipxe_script": ("ipxe",),
    "ipxe200": ("ipxe-2",),
    "ovmf": ("edk2",),
    "ovmf26": ("edk2",),
    "pxelinux": ("pxelinux",),
    "s390": ("s390x",),
    "slof": ("slof",),
    "tftphpa": ("tftp-hpa",),
    "tftphpa73": ("tftp-hpa-7",),
    "tftphpa73N": ("tftp-hpa-7",),
    "ub25arm64": ("u-boot-2025",),
    "ubootarm64": ("u-boot",),
    "ublwip": ("u-boot-lwip-2025",),
    "ubnlwip": ("u-boot-lwip",),
}
# Programs that share their network code.
_KIN = {"slof": "s390x"}
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


def independent(name):
    """("named" | "none" | "other", the ids that were named) for a capture, by the ROM files that
    were not made from its client's captures: "named" is another version of the same client, or
    its kin; "none" that none fits; "other" another client."""
    left_out = MADE_FROM.get(tag(name), ())
    every = who.known_roms()
    with mock.patch.object(
        who, "known_roms", lambda: [rom for rom in every if rom.id not in left_out]
    ):
        result = told.of(told.capture(name))
    loaded = tag(name).startswith(_LOADED)
    own = result["clients"][1:] if loaded else result["clients"][:1]
    family = (*FAMILIES[tag(name)][0], _KIN.get(tag(name), FAMILIES[tag(name)][0][0]))
    for client in own:
        ids = told.best(client)
        if client["known"]:
            return ("named" if any(one.startswith(family) for one in ids) else "other"), ids
    return "none", []


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


def independent_table():
    """The rows of the second table, as text."""
    yield "| client | left out | named | none of the known | another client |"
    yield "|---|---|---|---|---|"
    rows, others = collections.defaultdict(collections.Counter), collections.defaultdict(set)
    for name in captures():
        word, ids = independent(name)
        rows[tag(name)][word] += 1
        if word == "other":
            others[tag(name)] |= set(ids)
    for client, counts in sorted(rows.items()):
        left_out = ", ".join(MADE_FROM.get(client, ())) or "(none was made from it)"
        other = str(counts["other"] or "")
        if other:
            other += f": {', '.join(sorted(others[client]))}"
        yield (
            f"| {client} | {left_out} | {counts['named'] or ''} | {counts['none'] or ''} |"
            f" {other} |"
        )
    total = sum(rows.values(), collections.Counter())
    yield f"| all | | {total['named']} | {total['none']} | {total['other']} |"
