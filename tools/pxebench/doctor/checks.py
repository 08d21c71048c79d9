"""The checks of `doctor`: each examines one thing and changes nothing. None sends a packet but
`labgrid`, which asks the coordinator.

A check is a function that returns a `Finding`; `CHECKS` has them in the order of the output. The
one of the firewall is in `firewall`.
"""

import errno
import importlib.metadata
import os
import platform
import re
import socket
import subprocess
import sys
from pathlib import Path

from pxebench import places
from pxebench.doctor import firewall
from pxebench.doctor.finding import LACKS, OK, UNKNOWN, Finding, as_root, install, pip, program
from pxebench.job import Refused, show

_TRIED = ((1, 25), (1, 26))  # MicroPython versions of the tests
_NAME_ONE = "export PXEROM_MICROPYTHON=/path/to/micropython  # its unix port, version 1.26"
_TIMEOUT_S = 10
_LINUX = sys.platform.startswith("linux")
_SERIAL_GROUPS = ("dialout", "uucp")  # Debian's, Fedora's; Arch's
# Settings that forbid a user's own network: name, the forbidding value, the allowing one.
_NAMESPACE_SWITCHES = (
    ("kernel/apparmor_restrict_unprivileged_userns", "1", 0),
    ("kernel/unprivileged_userns_clone", "0", 1),
    ("user/max_user_namespaces", "0", 10000),
)


def _requirements(extra=None):
    # {name: requirement} of pxerom, or of an extra of it; none when it is not installed.
    try:
        stated = importlib.metadata.requires("pxerom") or ()
    except importlib.metadata.PackageNotFoundError:
        return {}
    found = {}
    for one in stated:
        requirement, _, marker = one.partition(";")
        if (f"extra == '{extra}'" in marker.replace('"', "'")) if extra else not marker:
            found[re.match(r"[\w.-]+", requirement)[0]] = requirement.strip()
    return found


def _version(package):
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def python():
    """The Python that runs this, and the packages that pxebench needs."""
    found = f"{platform.python_implementation()} {platform.python_version()}, {sys.executable}"
    missing = [text for name, text in _requirements().items() if _version(name) is None]
    if missing:
        return Finding(
            LACKS,
            f"{found}; without {', '.join(missing)}",
            "the commands that need them end with a bug report",
            " && ".join(pip(one) for one in missing),
        )
    return Finding(OK, found)


def micropython():
    """The interpreter of `--endpoint micropython`, and its version."""
    from pxebench.endpoints.micropython import NoneHere, find

    costs = "--endpoint micropython"
    mend = "make setup" if places.in_clone() else _NAME_ONE
    try:
        binary = find()
    except NoneHere as refused:  # the remedy is `mend`
        return Finding(LACKS, refused.what, costs, mend)
    except Refused as refused:
        return Finding(LACKS, refused.message, costs, mend)
    ask = "import sys; print(sys.implementation.name, *sys.implementation.version[:3])"
    try:
        said = subprocess.run(
            [binary, "-c", ask], capture_output=True, text=True, timeout=_TIMEOUT_S, check=False
        ).stdout.split()
    except (OSError, subprocess.TimeoutExpired, UnicodeDecodeError):
        said = []
    if len(said) != 4 or said[0] != "micropython":
        return Finding(LACKS, f"{show(binary)} is no MicroPython", costs, mend)
    found = f"{'.'.join(said[1:])}, {show(binary)}"
    if tuple(map(int, said[1:3])) in _TRIED:
        return Finding(OK, found)
    tried = " and ".join(".".join(map(str, one)) for one in _TRIED)
    return Finding(UNKNOWN, f"{found}; pxerom was tried with {tried}", costs, mend)


def _extra(package, extra, costs):
    version = _version(package)
    if version:
        return Finding(OK, version)
    wanted = _requirements(extra).get(package, package)
    return Finding(LACKS, "not installed", costs, pip(wanted))


def esptool():
    """esptool, for an ESP32."""
    return _extra("esptool", "esp32", "board flash, for an ESP32")


def gevent():
    """gevent, the event loop of `storm`."""
    return _extra("gevent", "storm", "storm")


def netaddr():
    """netaddr, whose network card a MAC is."""
    return _extra("netaddr", "vendors", "explain, the vendor of a client's network card")


def labgrid():
    """labgrid, and whether its coordinator answers: boards of a rack. The only check that sends
    anything, to LG_COORDINATOR or to this PC itself."""
    costs = "fleet, --endpoint serial:place:NAME, --port place:NAME"
    version = _version("labgrid")
    if version is None:
        wanted = _requirements("lab").get("labgrid", "labgrid")
        return Finding(LACKS, "not installed", costs, pip(wanted))
    from pxebench.lab import coordinator

    named = os.environ.get("LG_COORDINATOR")
    try:
        with coordinator.session() as lab:
            count = len(lab.places())
    except Refused as refused:
        if not named:
            found = f"{version}; LG_COORDINATOR is not set, and none runs on this PC"
            return Finding(LACKS, found, costs, "export LG_COORDINATOR=HOST[:PORT]")
        return Finding(
            LACKS, f"{version}; {refused.message}", costs,
            "labgrid-coordinator, on that host; it listens on TCP port 20408",
        )  # fmt: skip
    where = show(named) if named else "this PC"
    return Finding(OK, f"{version}; the coordinator at {where} has {count} places")


def tcpdump():
    """tcpdump, for the captures that other commands read."""
    path = program("tcpdump")
    if path:
        return Finding(OK, path)
    costs = "captures for explain, learn, compare and --server-pcap have to be made elsewhere"
    return Finding(LACKS, "not here", costs, install("tcpdump"))


def rights():
    """Raw packets, ports below 1024 and addresses: what a boot by DHCP needs of the system."""
    from pxebench.boot.interfaces import missing_rights

    costs = "boot from this PC (a board needs no such thing), storm --from and --dhcp, serve on 69"
    if not _LINUX:
        return Finding(LACKS, "no Linux", costs, "boot with a board: --endpoint serial:PORT")
    missing = missing_rights()
    if missing:
        return Finding(
            LACKS, f"without {', '.join(missing)}", costs, as_root("boot", "-i", "INTERFACE")
        )
    try:
        # Protocol 0: it receives nothing.
        socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, 0).close()
    except OSError as error:
        return Finding(LACKS, f"no packet socket: {error.strerror}", costs, "sudo modprobe packet")
    return Finding(OK, "raw packets, ports below 1024, addresses")


def port_68():
    """UDP port 68, where DHCP answers; a DHCP client of this PC may hold it."""
    if not _LINUX:
        return Finding(UNKNOWN, "no Linux: this PC boots by a board alone")
    from pxebench.boot.interfaces import holder

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind(("0.0.0.0", 68))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return Finding(
                    LACKS,
                    f"held by {holder()}",
                    "boot from an interface of which that program takes care",
                    "sudo ss -uanp 'sport = 68' shows it; stop it while you boot",
                )
            if error.errno in (errno.EACCES, errno.EPERM):
                return Finding(UNKNOWN, "this user may not try", mend=as_root("doctor", "port-68"))
            return Finding(LACKS, f"{error.strerror}", "boot from this PC")
    return Finding(OK, "free")


def namespaces():
    """Network namespaces, in which a clone's demos and tests run."""
    if not places.in_clone():
        return Finding(OK, "no command needs them")
    costs = "make test, make firewall-demo, make boot-demo; no command of pxebench"
    if not _LINUX:
        return Finding(LACKS, "no Linux", costs, "run them in a virtual machine with Linux")
    unshare = program("unshare")
    if unshare is None:
        return Finding(LACKS, "the program unshare is not here", costs, install("util-linux"))
    user = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    done = subprocess.run(
        [unshare, *user, "--net", "true"], capture_output=True, text=True, check=False
    )
    if done.returncode == 0:
        return Finding(OK, "this user may make them")
    mend = "sudo make test; in a container: give it CAP_SYS_ADMIN"
    for name, value, remedy in _NAMESPACE_SWITCHES if user else ():
        path = Path("/proc/sys", name)
        if path.exists() and path.read_text().strip() == value:
            mend = f"sudo sysctl -w {name.replace('/', '.')}={remedy}"
    return Finding(LACKS, show(done.stderr.strip()) or "not allowed", costs, mend)


def boards():
    """The boards on USB ports, by their USB ids; no port is opened."""
    from pxebench.board import kinds

    ports = kinds.ports()
    if not ports:
        return Finding(OK, "none on a USB port")
    told, closed = [], []
    for port in ports:
        likely = " or ".join(kind.id for kind in kinds.kinds_on(port)) or "not known here"
        told.append(f"{show(port.device)} ({likely})")
        if not os.access(port.device, os.R_OK | os.W_OK):
            closed.append(show(port.device))
    found = ", ".join(told)
    if closed:
        found += f"; this user may not open {', '.join(closed)}"
        return Finding(LACKS, found, "board, --endpoint serial", _join_group())
    return Finding(OK, found)


def serial_group():
    """The group whose members may open serial ports."""
    group = _group()
    if group is None:
        return Finding(OK, "this system needs none")
    if os.geteuid() == 0:
        return Finding(OK, "root opens every port")
    if group.gr_gid in (os.getegid(), *os.getgroups()):
        return Finding(OK, f"this user is in {group.gr_name}")
    costs = "board and --endpoint serial, for boards that are plugged in here"
    import pwd

    user = pwd.getpwuid(os.geteuid()).pw_name
    if user in group.gr_mem:
        return Finding(
            LACKS,
            f"{show(user)} is in {group.gr_name}, but was not yet at this login",
            costs,
            f"newgrp {group.gr_name}, or log in again",
        )
    return Finding(LACKS, f"{show(user)} is not in {group.gr_name}", costs, _join_group())


def _group():
    if not _LINUX:  # macOS has a uucp, and lets every user open its ports
        return None
    import grp

    for name in _SERIAL_GROUPS:
        try:
            return grp.getgrnam(name)
        except KeyError:
            pass
    return None


def _join_group():
    group = _group()
    return f'sudo usermod -aG {group.gr_name if group else "dialout"} "$USER", and log in again'


CHECKS = {
    "python": python,
    "micropython": micropython,
    "rights": rights,
    "port-68": port_68,
    "firewall": firewall.firewall,
    "namespaces": namespaces,
    "tcpdump": tcpdump,
    "gevent": gevent,
    "netaddr": netaddr,
    "esptool": esptool,
    "labgrid": labgrid,
    "serial-group": serial_group,
    "boards": boards,
}
