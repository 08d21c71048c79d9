"""The interface of this machine that a ROM boots from: checked before, restored afterwards.

The firmware drives it (`boards/host/link.py`). Here are the checks before, each with advice, and
the cleaning up after a run that was killed. Linux only: elsewhere a board boots.

1. An address that was there before, or that another program adds, is never touched: only an
   address that the firmware has leased is removed, and only if it was not there.
2. Where a port is in use, the message names the program.
"""

import contextlib
import errno
import os
import socket
import sys
from pathlib import Path

from pxebench import iproute
from pxebench.boot.boot_job import mask_bits
from pxebench.iproute import ip
from pxebench.job import EXIT_BENCH, Refused, show

_CLIENT_PORT = 68
_SO_BINDTODEVICE = 25
# name of the capability, its bit: include/uapi/linux/capability.h
_RIGHTS = (("CAP_NET_BIND_SERVICE", 10), ("CAP_NET_ADMIN", 12), ("CAP_NET_RAW", 13))


def check(name, lease="dhcp"):
    """Raise `Refused` with what is in the way of a boot from interface `name`. `lease`: the job's;
    without DHCP port 68 is not needed."""
    if not sys.platform.startswith("linux"):
        raise Refused(
            "A boot from this machine's own interface needs Linux; a board boots anywhere "
            "(--endpoint serial:PORT).",
            EXIT_BENCH,
        )
    there = _interfaces()
    usable = sorted(one for one, link in there.items() if link["link_type"] == "ether")
    have = f"this machine has {', '.join(usable) or 'none to boot from'}"
    if name is None:
        raise Refused(f"--interface says where to boot from: {have}.")
    if name not in there:
        raise Refused(f"There is no interface {show(name)}: {have}.")
    if name not in usable:
        raise Refused(f"{name} is no Ethernet interface, and a ROM boots from no other: {have}.")
    missing = missing_rights()
    if missing:
        raise Refused(
            f"Booting from {name} needs root, for raw packets, UDP port 68 and an address "
            f"({', '.join(missing)} is missing): run it with sudo.",
            EXIT_BENCH,
        )
    if "UP" not in there[name]["flags"]:
        raise Refused(f"{name} is down: `ip link set {name} up` first.", EXIT_BENCH)
    if lease == "dhcp":
        _check_port(name)


def _interfaces():
    """{name: the interface as `ip` describes it} of this network. Not from /sys, which shows the
    network namespace in which it was mounted."""
    return {link["ifname"]: link for link in iproute.shown("link", "show")}


def missing_rights():
    """The names of the capabilities that a boot needs and this process lacks. Linux only."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("CapEff:"):
            effective = int(line.split()[1], 16)
            return [word for word, bit in _RIGHTS if not effective >> bit & 1]
    return []


def _check_port(name):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.setsockopt(socket.SOL_SOCKET, _SO_BINDTODEVICE, name.encode())
            probe.bind(("0.0.0.0", _CLIENT_PORT))
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise Refused(
                    f"Cannot use UDP port 68 on {name}: {error.strerror}.", EXIT_BENCH
                ) from None
            raise Refused(
                f"UDP port 68, where DHCP answers, is held by {holder()}: stop it for the "
                f"boot, or boot from another interface (`ss -uanp` shows who holds what).",
                EXIT_BENCH,
            ) from None


def holder():
    """The program that holds UDP port 68, where this user may see it. Linux only."""
    inodes = set()
    for line in Path("/proc/self/net/udp").read_text().splitlines()[1:]:
        words = line.split()
        if int(words[1].partition(":")[2], 16) == _CLIENT_PORT:
            inodes.add(f"socket:[{words[9]}]")
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if any(os.readlink(one) in inodes for one in (process / "fd").iterdir()):
                return f"{show((process / 'comm').read_text().strip())} (process {process.name})"
    return "another program"


class Guard:
    """`with Guard(name) as guard`: hands `guard.event` each event; leaves the interface as it was.

    The firmware restores it itself; this is for one that was killed.
    """

    def __init__(self, name):
        self.name = name
        self.before = set()
        self.added = []  # [what kind, its words for `ip`]

    def __enter__(self):
        self.before = self._there()
        return self

    def event(self, event):
        if event["event"] == "lease" and event.get("by") != "stack":
            bits = mask_bits(event["mask"])
            self.added.append(("addr", f"{event['ip']}/{bits}"))
        elif event["event"] == "boot":
            self.added.append(("route", event["server"]))

    def __exit__(self, *_):
        if not self.added:
            return
        left = self._there() - self.before
        for kind, words in reversed(self.added):
            if (kind, words) in left:
                ip("-4", kind, "del", words, "dev", self.name)

    def _there(self):
        """{("addr", "10.0.0.9/24"), ("route", "10.1.0.1")} of the interface."""
        addresses = iproute.addresses("dev", self.name)
        routes = iproute.shown("-4", "route", "show", "dev", self.name)
        found = {("addr", f"{one['local']}/{one['prefixlen']}") for one in addresses}
        return found | {("route", route["dst"]) for route in routes}


@contextlib.contextmanager
def with_mac(name, mac):
    """Yield the name of an interface on `name` that has the address `mac` (a macvlan); it is gone
    after the block. Without `mac`, `name` itself."""
    if mac is None:
        yield name
        return
    made = f"pxe{_interfaces()[name]['ifindex']}"
    ip("link", "del", made)  # of a run that was killed
    if (
        ip("link", "add", "link", name, "name", made, "address", mac, "type", "macvlan") is None
        or ip("link", "set", made, "up") is None
    ):
        ip("link", "del", made)
        raise Refused(
            f"{name} takes no second MAC address (Wi-Fi never does, and the kernel needs "
            f"macvlan): leave --mac out, or boot from another interface.",
            EXIT_BENCH,
        )
    try:
        yield made
    finally:
        ip("link", "del", made)
