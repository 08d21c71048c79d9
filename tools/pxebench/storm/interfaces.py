"""Addresses and MAC addresses for the machines of a storm, on this PC's interface while it runs.

`Addresses` adds one address for each machine to the interface that leads to the server; `Macs`
makes a macvlan for each, so that every machine has its own DHCP.  Linux only, with root.

1. Nothing that was there before is touched: an address that this PC or another machine has is
   refused before anything is added.
2. Everything that was added is removed at the end, by this process or, when it was killed, by a
   guard; an address also has a lifetime, after which the kernel removes it.
3. The addresses are deprecated (as in RFC 4862): other programs do not send from them.
"""

import contextlib
import os
import subprocess
import sys
import time
from pathlib import Path

from pxebench import iproute, places
from pxebench.iproute import ip
from pxebench.job import EXIT_BENCH, Refused, show

_ARP_WAIT_MS = 300
# It collects the commands that clean up, and runs them when its input ends without "done".
_GUARD = """
cleanup=
while read -r line; do
  [ "$line" = done ] && exit
  cleanup="$cleanup$line
"
done
printf %s "$cleanup" | exec "$0" -force -batch -
"""


class _Guard:
    """A process that runs `commands` of `ip` if we end before `dismiss`, by SIGKILL even."""

    def __init__(self, commands):
        # A session of its own: a Ctrl-C on the terminal does not reach it.
        self._process = subprocess.Popen(
            ["sh", "-c", _GUARD, iproute.program()],
            stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            start_new_session=True,
        )  # fmt: skip
        self._process.stdin.write(commands.encode())
        self._process.stdin.flush()

    def dismiss(self):
        with contextlib.suppress(OSError):
            self._process.stdin.write(b"done\n")
            self._process.stdin.close()
        self._process.wait()


def leading_to(server):
    """The name of the interface over which `server` is reached."""
    routes = iproute.shown("-4", "route", "get", server)
    if not routes:
        raise Refused(f"There is no route to {server}.", EXIT_BENCH)
    return routes[0]["dev"]


def here():
    """The addresses of this PC, as a set."""
    return {one["local"] for one in iproute.addresses()}


class Addresses:
    """`with Addresses(name, [address, ...], life_s)`: they are on the interface for the block."""

    def __init__(self, name, addresses, life_s):
        self.name = name
        self.addresses = addresses
        self.life_s = life_s
        self._guard = None

    def __enter__(self):
        if self.name == "lo" and all(one.startswith("127.") for one in self.addresses):
            self.addresses = []  # all of 127.0.0.0/8 is there already
            return self
        taken = here() & set(self.addresses)
        if taken:
            raise Refused(f"{sorted(taken)[0]} is this PC's own already; give --from others.")
        if os.geteuid() != 0:
            raise Refused("Adding addresses needs root: run it with sudo.", EXIT_BENCH)
        used = _in_use(self.name, self.addresses)
        if used:
            raise Refused(
                f"{used[0]} answers ARP on {self.name}: another machine has it; give --from "
                f"others."
            )
        self._guard = _Guard(self._commands("del"))
        life = f"valid_lft {self.life_s} preferred_lft 0"
        if ip("-4", "-force", "-batch", "-", given=self._commands("add", life)) is None:
            self.__exit__()
            raise Refused(
                f"Cannot put {len(self.addresses)} addresses on {show(self.name)}: that needs "
                f"CAP_NET_ADMIN.",
                EXIT_BENCH,
            )
        return self

    def _commands(self, verb, more=""):
        return "".join(f"addr {verb} {one}/32 dev {self.name} {more}\n" for one in self.addresses)

    def __exit__(self, *_):
        if self._guard:
            ip("-4", "-force", "-batch", "-", given=self._commands("del"))
            self._guard.dismiss()


def _in_use(name, addresses):
    """Those for which a machine of that network answers (ARP, RFC 5227)."""
    folders = [str(folder) for folder in places.host_link()]
    sys.path[:0] = folders
    try:
        import link
    finally:
        sys.path[:] = [folder for folder in sys.path if folder not in folders]
        sys.modules.pop("link", None)
    found = iproute.shown("link", "show", "dev", name)
    if not found or found[0].get("link_type") != "ether":
        return []  # a tunnel has no ARP
    wire = link.Interface(name, found[0]["address"], found[0]["ifindex"])
    arp = link.Arp(wire)
    try:
        wanted = {bytes(int(part) for part in one.split(".")): one for one in addresses}
        for raw in wanted:
            arp.ask(b"\0\0\0\0", raw)
        end = time.monotonic() + _ARP_WAIT_MS / 1000
        used = set()
        while (left := end - time.monotonic()) > 0:
            data = arp.receive_one(round(left * 1000))
            if data and len(data) >= 28 and data[6:8] == b"\0\2" and data[14:18] in wanted:
                used.add(wanted[data[14:18]])
        return sorted(used)
    finally:
        arp.close()


class Macs:
    """`with Macs(parent, count) as macs`: so many macvlans on `parent`, each with a MAC address
    of its own, are up for the block; yields [(name, mac)]."""

    def __init__(self, parent, count):
        self.parent = parent
        self.names = [f"pxs{number}" for number in range(count)]
        self._guard = None

    def __enter__(self):
        self.__exit__()  # of a run that was killed together with its guard
        self._guard = _Guard("".join(f"link del {name}\n" for name in self.names))
        made = []
        for number, name in enumerate(self.names):
            mac = f"02:70:78:{number >> 16 & 255:02x}:{number >> 8 & 255:02x}:{number & 255:02x}"
            words = ("link", "add", "link", self.parent, "name", name, "address", mac)
            if ip(*words, "type", "macvlan", "mode", "bridge") is None:
                self.__exit__()
                raise Refused(
                    f"{show(self.parent)} takes no further MAC address (Wi-Fi never does; macvlan "
                    f"and root are needed).",
                    EXIT_BENCH,
                )
            # Each macvlan answers ARP for its own address only, and accepts answers although the
            # route to the server is another interface's.
            settings = Path("/proc/sys/net/ipv4/conf", name)
            for file, value in (("arp_ignore", "1"), ("arp_announce", "2"), ("rp_filter", "0")):
                (settings / file).write_text(value)
            ip("link", "set", name, "up")
            made.append((name, mac))
        return made

    def __exit__(self, *_):
        there = {link["ifname"] for link in iproute.shown("link", "show")}
        for name in self.names:
            if name in there:
                ip("link", "del", name)
        if self._guard:
            self._guard.dismiss()
