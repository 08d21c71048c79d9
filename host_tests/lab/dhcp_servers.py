"""Real DHCP servers in the lab: dnsmasq as server, proxy and relay, Kea, and ISC's dhcpd.

    with dhcp_servers.dnsmasq(machine, "10.88.0.1", ["--dhcp-boot=undionly.kpxe"]) as server: ...
    with dhcp_servers.kea(machine, "10.88.0.2", boot_file="ipxe.efi") as server: ...

A server listens on `eth0` of a machine of its own (a Namespace), on port 67; `lan` cables such
machines together. For what a real server does not do, see `scripted_dhcp`.

1. Leases are kept in memory, or in a folder that is removed after the block: runs do not share
   them.
2. Offers are not delayed: dnsmasq does not ping an address first.
3. None answers outside its namespace, whose only interface is a cable of the lab.
"""

import contextlib
import json
import os
import tempfile
from pathlib import Path

from host_tests.lab import processes, servers

PORT = 67


class Lan:
    """Machines on one switch. `machine(name, cidr)`: one more, with `eth0` on it."""

    def __init__(self, lab):
        self.lab = lab
        self._switch = lab.namespace("switch")
        self._switch.run("ip", "link", "add", "lan", "type", "bridge")
        self._switch.run("ip", "link", "set", "lan", "up")
        self._ports = 0

    def machine(self, name, cidr=None):
        """Return a machine on the switch; without `cidr`, one that has no address yet."""
        made = self.lab.namespace(name)
        self._ports += 1
        port = f"port{self._ports}"
        made.run(
            *("ip", "link", "add", "eth0", "type", "veth"),
            *("peer", "name", port, "netns", str(self._switch.pid)),
        )
        # With an IPv6 address a machine would send packets of its own.
        made.run("sh", "-c", "echo 1 > /proc/sys/net/ipv6/conf/eth0/disable_ipv6", check=False)
        if cidr:
            made.address("eth0", cidr)
        made.run("ip", "link", "set", "eth0", "up")
        self._switch.run("ip", "link", "set", port, "master", "lan", "up")
        # The kernel reports the carrier a little later; Kea looks once.
        processes.wait_until(
            lambda: " state UP " in made.run("ip", "-o", "link", "show", "eth0").stdout,
            "a carrier",
        )
        return made


def _start_dnsmasq(namespace, host, words):
    argv = ["dnsmasq", "--no-daemon", "--conf-file=/dev/null", "--user=root", "--group=root"]
    argv += ["--pid-file=", "--port=0", "--interface=eth0", "--log-dhcp", "--no-ping"]
    return servers.serving("dnsmasq (DHCP)", [*argv, *words], host, PORT, namespace)


@contextlib.contextmanager
def dnsmasq(namespace, host, words=(), first=100, seconds=3600):
    """dnsmasq as the DHCP server of the /24 of `host`: it leases from .`first` on."""
    net = host.rpartition(".")[0]
    with tempfile.TemporaryDirectory(prefix="dnsmasq-") as folder:
        argv = [f"--dhcp-range={net}.{first},{net}.{first + 50},{seconds}"]
        argv += [f"--dhcp-leasefile={folder}/leases", "--dhcp-authoritative", *words]
        with _start_dnsmasq(namespace, host, argv) as server:
            yield server


def dnsmasq_proxy(namespace, host, words=()):
    """dnsmasq as a proxyDHCP server: it leases nothing, and says what to boot. Also on 4011."""
    net = host.rpartition(".")[0]
    argv = [f"--dhcp-range={net}.0,proxy,255.255.255.0", "--leasefile-ro", *words]
    return _start_dnsmasq(namespace, host, argv)


def dnsmasq_relay(namespace, host, server):
    """dnsmasq as a relay agent: `host` is its address on the clients' side."""
    return _start_dnsmasq(namespace, host, [f"--dhcp-relay={host},{server}"])


@contextlib.contextmanager
def kea(namespace, host, boot_file=None, first=100, relay=None, **subnet):
    """Kea as the DHCP server of the /24 of `host`, or of `relay`'s when it stands behind one.

    `boot_file`: a name, or {architecture: name} (option 93); `subnet`: further settings of the
    subnet, in Kea's words with `_` for `-`.
    """
    net = (relay or host).rpartition(".")[0]
    place = {
        "id": 1,
        "subnet": f"{net}.0/24",
        "pools": [{"pool": f"{net}.{first} - {net}.{first + 50}"}],
        "next-server": host,
        **{name.replace("_", "-"): value for name, value in subnet.items()},
    }
    classes = []
    if isinstance(boot_file, dict):
        classes = [
            {
                "name": f"arch-{arch}",
                "test": f"option[93].hex == 0x{arch:04x}",
                "next-server": host,
                "boot-file-name": name,
            }
            for arch, name in boot_file.items()
        ]
    elif boot_file:
        place["boot-file-name"] = boot_file
    settings = {
        "interfaces-config": {"interfaces": ["eth0"]},
        "lease-database": {"type": "memfile", "persist": False},
        "valid-lifetime": 3600,
        **({"client-classes": classes} if classes else {}),
        "subnet4": [place],
        "loggers": [
            {
                "name": "kea-dhcp4",
                "severity": "INFO",
                "output_options": [{"output": "stdout"}],
            }
        ],
    }
    with tempfile.TemporaryDirectory(prefix="kea-") as folder:
        path = Path(folder, "kea.json")
        path.write_text(json.dumps({"Dhcp4": settings}))
        env = dict(os.environ, KEA_PIDFILE_DIR=folder, KEA_LOCKFILE_DIR="none")
        argv = ["kea-dhcp4", "-c", str(path)]
        with servers.serving("Kea", argv, host, PORT, namespace, env=env) as server:
            yield server


@contextlib.contextmanager
def isc(namespace, host, lines="", first=100):
    """ISC's dhcpd as the DHCP server of the /24 of `host`; `lines`: of its dhcpd.conf."""
    net = host.rpartition(".")[0]
    with tempfile.TemporaryDirectory(prefix="isc-") as folder:
        path, leases = Path(folder, "dhcpd.conf"), Path(folder, "leases")
        leases.touch()
        path.write_text(
            f"authoritative;\nping-check false;\n{lines}\n"
            f"subnet {net}.0 netmask 255.255.255.0 {{\n"
            f"  range {net}.{first} {net}.{first + 50};\n}}\n"
        )
        argv = ["dhcpd", "-4", "-f", "-d", "-cf", path, "-lf", leases, "--no-pid", "eth0"]
        with servers.serving("ISC dhcpd", argv, host, PORT, namespace) as server:
            yield server
