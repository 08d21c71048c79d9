"""The step `servers`: the TFTP servers, clients and network programs that the tests start.

Programs that the system has are used; the rest is unpacked from packages of the machine's own
suite, which fit its C library.
"""

import os
import shutil
import subprocess
from pathlib import Path

from provisioning import apt, folder

# program, its package, how to ask for its version, and what the answer must contain: a busybox or
# a curl without TFTP, or another `tftp` than tftp-hpa's, does not count.
PROGRAMS = (
    ("in.tftpd", "tftpd-hpa", ["-V"], "tftp-hpa"),
    ("tftp", "tftp-hpa", ["-V"], "tftp-hpa"),
    ("dnsmasq", "dnsmasq-base", ["--version"], " TFTP"),
    ("kea-dhcp4", "kea-dhcp4-server", ["-W"], "Kea"),
    ("dhcpd", "isc-dhcp-server", ["--version"], "isc-dhcpd"),
    ("busybox", "busybox", ["--list"], "\ntftp\n"),
    ("curl", "curl", ["--version"], " tftp"),
    ("nft", "nftables", ["--version"], "nftables"),
    ("ip", "iproute2", ["-V"], "iproute2"),
    ("ss", "iproute2", ["-V"], "iproute2"),
    ("iptables-nft", "iptables", ["--version"], "nf_tables"),
    ("conntrack", "conntrack", ["--version"], "conntrack"),
    ("tshark", "tshark", ["--version"], "TShark"),
    ("tcpdump", "tcpdump", ["--version"], "tcpdump"),
    ("atftpd", "atftpd", ["--version"], "atftp"),
    ("atftp", "atftp", ["--version"], "atftp"),
)
# tftpd-hpa and atftpd refuse to be installed together, so apt is asked for each alone.
APART = ("atftpd", "atftp")


def system_program(name, arguments, expected):
    """Return the path of the system's `name` if its answer is as expected, or None."""
    others = os.environ.get("PATH", "").split(":") + ["/usr/sbin", "/sbin"]
    path = shutil.which(name, path=":".join(p for p in others if Path(p) != folder.BIN))
    return path if path and expected in answer([path, *arguments]) else None


def answer(argv):
    try:
        done = subprocess.run(
            [str(arg) for arg in argv],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=20,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.decode(errors="replace")


def provide_servers():
    """TFTP servers and clients, nft, tshark and the rest that the tests start."""
    missing = [row for row in PROGRAMS if not system_program(row[0], *row[2:])]
    digest = folder.digest_of(__file__, missing)
    if folder.is_done("servers", digest, *(folder.BIN / row[0] for row in missing)):
        return None
    names = [row[0] for row in missing]
    if missing and not apt.has_apt():
        return f"no apt here: for the tests, install {', '.join(names)} yourself"
    root = folder.TOOLS / "root"
    packages = list(dict.fromkeys(row[1] for row in missing))
    # The atftp packages first: atftpd brings an in.tftpd of its own, which must not stay.
    groups = [p for p in packages if p in APART], [p for p in packages if p not in APART]
    with folder.replacing(root) as (new, _):
        for group in filter(None, groups):
            apt.unpack_programs(group, new)
    libraries = apt.library_environment(root)
    wireshark = {
        "WIRESHARK_DATA_DIR": str(root / "usr/share/wireshark"),
        "WIRESHARK_PLUGIN_DIR": str(root / "usr/lib/wireshark/none"),
        "WIRESHARK_EXTCAP_DIR": str(root / "usr/lib/wireshark/none"),
    }
    for row in PROGRAMS:
        (folder.BIN / row[0]).unlink(missing_ok=True)  # from an earlier run: now the system has it
    for name, package, arguments, expected in missing:
        more = wireshark if name == "tshark" else {}
        if name == "iptables-nft":  # its matches and targets are files of their own
            more = {"XTABLES_LIBDIR": str(next(root.glob("usr/lib/*/xtables")))}
        folder.write_wrapper(name, [apt.find_program(root, name)], **libraries, **more)
        said = answer([folder.BIN / name, *arguments])
        if expected not in said:
            said = said.strip().partition("\n")[0]
            raise folder.Failure(
                f"{name} of the package {package} is not fit for the tests: {said!r}"
            )
    folder.set_done("servers", digest)
    if not missing:
        return "all of them are on this system already"
    return f"{', '.join(names)} in .tools/bin, {folder.megabytes(root)}"
