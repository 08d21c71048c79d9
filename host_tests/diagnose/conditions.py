"""The conditions that the lab can set up, and what `diagnose` is to say of each.

One row each; the table in `host_tests/bench/README.md` is made from these rows
(`python -m host_tests.diagnose`), and `test_conditions.py` plays every one of them.
"""

import collections

from host_tests.diagnose.place import OTHER, SERVER
from host_tests.lab import programs, servers
from host_tests.lab.firewall import CLIENT, FILE

Condition = collections.namedtuple(
    "Condition", "name built serve rules prepare cause also facts words file", defaults=[None]
)
Condition.__doc__ = """`name`; how it is `built`, in words; `serve`, `rules`, `prepare` and `file`
as in `place`; the `cause` and the `also_possible` that the verdict must have, the `facts` that it
must tell at least; `words`: options of `diagnose` that keep the test short."""


def tftpd(*words):
    return lambda folder, where: servers.in_tftpd(folder, SERVER, 69, where, words=words)


def no_options(folder, where):
    """in.tftpd that refuses every option."""
    return servers.in_tftpd(folder, SERVER, 69, where, servers.IN_TFTPD_OPTIONS)


def dnsmasq(single_port=False, words=()):
    return lambda folder, where: servers.dnsmasq(folder, SERVER, where, single_port, words)


def faulty(fault):
    return lambda folder, where: servers.faulty(fault, folder, SERVER, 69, where)


def bench(folder, where):
    """The bench's own server: in.tftpd and dnsmasq let routers cut their packets, it does not."""
    return servers.pxebench(folder, SERVER, 69, where)


def any_address(folder, where):
    """A server on every address of its machine, which answers from the first of them."""
    return servers.pxebench(folder, "0.0.0.0", 69, where)


def _chain(*rules):
    lines = "\n".join(f"    {rule}" for rule in rules)
    return (
        "table inet filter {\n  chain forward {\n    type filter hook forward priority filter; "
        f"policy accept;\n{lines}\n  }}\n}}\n"
    )


_BACK = f"ip saddr {SERVER} ip daddr {CLIENT}"
_FORTH = f"ip saddr {CLIENT} ip daddr {SERVER}"
_STATEFUL = ("ct state established,related accept", f"{_FORTH} udp dport 69 accept", "drop")
_HELPER = """
table ip reader {
  ct helper tftp { type "tftp" protocol udp; }
  chain prerouting {
    type filter hook prerouting priority filter; policy accept;
    udp dport 69 ct helper set "tftp"
  }
}
"""
LOW_REQUESTS_DROPPED = _chain(f"{_FORTH} udp sport < 32768 drop")
HIGH_ONLY = _chain(f"{_BACK} udp dport > 32768 accept", f"{_BACK} drop")

# One more port of the client's at a time: the fourth rule of a "one flow each" policy.
_ONE_FLOW = (
    """
table inet filter {
  set flows { type ipv4_addr; flags dynamic; size 64; }
  chain forward {
    type filter hook forward priority filter; policy accept;
    ct state established,related accept
"""
    f"    {_FORTH} udp dport 69 ct state new add @flows {{ ip saddr ct count over 1 }} drop\n"
    f"    {_FORTH} udp dport 69 accept\n    drop\n  }}\n}}\n" + _HELPER
)


def _masquerade(helper):
    return (
        "table ip nat {\n  chain postrouting {\n    type nat hook postrouting priority srcnat;\n"
        f"    {_FORTH} udp dport 1-65535 masquerade to :40000-49999\n  }}\n}}\n"
        + (_HELPER if helper else "")
        + _chain(*_STATEFUL[:2], "iifname outside drop")
    )


# What goes to port 69 keeps its port, what goes anywhere else gets another one.
_OTHER_PORT = (
    "table ip raw_nat {\n  chain prerouting {\n    type filter hook prerouting priority raw;\n"
    f"    {_BACK} meta l4proto udp notrack\n  }}\n  chain postrouting {{\n"
    f"    type nat hook postrouting priority srcnat;\n    {_FORTH} udp dport != 69 "
    f"snat to {CLIENT}:61000-61999\n  }}\n}}\n"
)


def _flows_of_4_s(place, folder):
    for name in ("nf_conntrack_udp_timeout", "nf_conntrack_udp_timeout_stream"):
        place.firewall.run("sh", "-c", f"echo 4 > /proc/sys/net/netfilter/{name}")


def _unreadable(place, folder):
    place.server.run("chmod", "600", f"{folder}/{FILE}")


def for_uefi(place, folder):
    place.server.run("cp", programs.ROOT / ".tools" / "ipxe" / "ipxe.efi", f"{folder}/{FILE}")


def _silent_host(place, folder):
    place.server.run("nft", "-f", "-", input=_OUTPUT_NO_ICMP)


def _host_off(place, folder):
    place.server.run("ip", "link", "set", "eth0", "down")


def _same_network(place, folder):
    """The client takes the server for a neighbour, and nobody there has that address."""
    place.client.run("ip", "route", "add", SERVER, "dev", "eth0")


def _no_route(place, folder):
    place.firewall.run("ip", "address", "flush", "dev", "outside")


def _server_rejects(place, folder):
    """As firewalld does it on the server itself."""
    place.server.run("nft", "-f", "-", input=_INPUT_REJECTS)


def _exact_size(place, folder):
    """The file has forty blocks of the ROM's 1456 bytes, and no byte more."""
    place.server.run("truncate", "-s", str(40 * 1456), f"{folder}/{FILE}")


def _empty(place, folder):
    place.server.run("truncate", "-s", "0", f"{folder}/{FILE}")


def elf(place, folder):
    place.server.run("sh", "-c", f"printf '\\177ELF' | dd conv=notrunc of={folder}/{FILE}")


def _large_file(place, folder):
    place.server.run("truncate", "-s", str(66000 * 512), f"{folder}/{FILE}")


def _itself(place, folder):
    """The server runs on the machine that asks."""
    place.client.run("ip", "address", "add", SERVER + "/32", "dev", "lo")
    place.client.run("ip", "link", "set", "lo", "up")
    place.server = place.client


def _small_path(place, folder):
    """MTU 1400 both ways: the firewall cuts what is larger, and nothing drops the pieces."""
    for machine, interface in ((place.firewall, "inside"), (place.client, "eth0")):
        machine.run("ip", "link", "set", interface, "mtu", "1400")


def _behind_dnat(folder, where):
    return servers.in_tftpd(folder, OTHER, 69, where)


def _only_other_address(place, folder):
    """The address that the client asks is the firewall's own, as a node's or a service's is."""
    place.server.run("ip", "address", "del", SERVER + "/24", "dev", "eth0")
    place.server.address("eth0", OTHER + "/24")
    place.server.route("default", "10.254.52.1")
    place.firewall.address("outside", SERVER + "/32")


DNAT = (
    "table ip nat {\n  chain prerouting {\n    type nat hook prerouting priority dstnat;\n"
    f"    ip daddr {SERVER} udp dport 69 dnat to {OTHER}\n  }}\n}}\n"
)


def _small_link(place, folder):
    for machine, interface in ((place.firewall, "inside"), (place.client, "eth0")):
        machine.run("ip", "link", "set", interface, "mtu", "1400")


def _small_server(place, folder):
    place.server.run("ip", "link", "set", "eth0", "mtu", "1280")


def _second_address(place, folder):
    place.server.run("ip", "address", "del", SERVER + "/24", "dev", "eth0")
    place.server.address("eth0", OTHER + "/24")
    place.server.address("eth0", SERVER + "/24")
    place.server.route("default", "10.254.52.1")


_OUTPUT_NO_ICMP = """
table ip quiet {
  chain output {
    type filter hook output priority filter; policy accept;
    icmp type destination-unreachable drop
  }
}
"""

_INPUT_REJECTS = """
table inet own {
  chain input {
    type filter hook input priority filter; policy accept;
    udp dport 69 reject with icmp type host-prohibited
  }
}
"""

_Q = ("--quick",)  # the ROM's own boot is cut after 3 s: two RRQs
_SILENT = ("request-blocked", "no-tftp-helper", "nat-port")

CONDITIONS = (
    # -- nothing is wrong
    Condition("in.tftpd, open path", "no rule", tftpd(), "", None, "healthy", (), (), _Q),
    Condition("dnsmasq, open path", "no rule", dnsmasq(), "", None, "healthy", (), (), _Q),
    Condition(
        "dnsmasq, single port",
        "`--tftp-single-port`",
        *(dnsmasq(True), "", None, "healthy", (), ("single-port-server",), _Q),
    ),
    Condition(
        "in.tftpd, port range",
        "`--port-range 40000:40019`",
        *(tftpd("--port-range", "40000:40019"), "", None),
        *("healthy", (), ("port-range-server",), _Q),
    ),
    Condition(
        "dnsmasq, port range",
        "`--tftp-port-range=40000,40019`",
        *(dnsmasq(words=["--tftp-port-range=40000,40019"]), "", None),
        *("healthy", (), ("port-range-server",), _Q),
    ),
    Condition(
        "server of RFC 1350 alone",
        "in.tftpd that refuses every option",
        no_options,
        *("", None, "healthy", (), ("no-options",), _Q),
    ),
    Condition(
        "stateful firewall that reads TFTP",
        "nft `ct helper`",
        *(tftpd(), _chain(*_STATEFUL) + _HELPER, None, "healthy", (), (), _Q),
    ),
    Condition(
        "stateful firewall, single-port server",
        "no helper; dnsmasq `--tftp-single-port`",
        *(dnsmasq(True), _chain(*_STATEFUL), None),
        *("healthy", (), ("single-port-server",), _Q),
    ),
    Condition(
        "translator that reads TFTP",
        "nft masquerade to other ports, `ct helper`",
        *(tftpd(), _masquerade(True), None, "healthy", (), (), _Q),
    ),
    Condition(
        "filter that drops fragments, blksize small enough",
        "nft drops fragments; the ROM asks for 1456",
        *(tftpd(), _chain("ip frag-off & 0x1fff != 0 drop"), None),
        *("healthy", (), ("large-datagrams",), _Q),
    ),
    Condition(
        "each DATA twice",
        "a server of our own",
        *(faulty("twice"), "", None, "healthy", (), ("duplicates",), _Q),
    ),
    Condition(
        "wrong tsize",
        "a server of our own: half of the file's size",
        *(faulty("tsize-lies"), "", None, "wrong-tsize", (), (), _Q),
    ),
    Condition(
        "server behind DNAT, answers not translated back",
        "the firewall passes requests on to another address; no helper",
        *(_behind_dnat, DNAT + _chain(), _only_other_address, "other-address", (), (), _Q),
    ),
    Condition(
        "server that does not hear ERROR",
        "a server of our own: repeats what was aborted",
        *(faulty("deaf-to-error"), "", None, "healthy", (), (), _Q),
    ),
    Condition(
        "server that answers ERROR by ERROR",
        "a server of our own",
        *(faulty("echo-error"), "", None, "healthy", (), (), _Q),
    ),
    Condition(
        "the same for a ROM that keeps its port",
        "repeats what was aborted, to SLOF's one port",
        *(faulty("deaf-to-error"), "", elf, "healthy", (), (), ("--rom", "slof", *_Q)),
    ),
    Condition(
        "the server itself asks",
        "client and server are one machine",
        *(tftpd(), "", _itself, "healthy", (), ("same-machine",), _Q),
    ),
    # -- the client's ports
    Condition(
        "the reported case",
        "answers to client ports above 32768 only",
        *(
            tftpd(),
            HIGH_ONLY,
            None,
            "client-port-filter",
            (),
            ("border", "rom-moved-boots"),
            ("--max-time", "3"),
        ),
    ),
    Condition(
        "the reported case, single-port server",
        "the same; dnsmasq `--tftp-single-port`",
        *(dnsmasq(True), HIGH_ONLY, None),
        *("client-port-filter", (), ("single-port-server",), _Q),
    ),
    Condition(
        "a rule too narrow",
        "answers to 2070 and to ports above 32768 only",
        tftpd(),
        _chain(f"{_BACK} udp dport {{ 2070, 32769-65535 }} accept", f"{_BACK} drop"),
        *(None, "client-port-filter", (), ("rom-moved-boots",), _Q),
    ),
    # -- nothing comes back
    Condition(
        "stateful firewall without helper",
        "lets requests to port 69 out, nothing else",
        *(tftpd(), _chain(*_STATEFUL), None, _SILENT[0], _SILENT[1:], (), _Q),
    ),
    Condition(
        "stateful firewall without helper, open outwards",
        "lets every packet of the client's out",
        tftpd(),
        _chain("ct state established,related accept", f"{_FORTH} accept", "drop"),
        *(None, "no-tftp-helper", ("nat-port", "request-blocked"), (), _Q),
    ),
    Condition(
        "translator without helper",
        "nft masquerade to other ports",
        *(
            tftpd(),
            _masquerade(False),
            None,
            "no-tftp-helper",
            ("nat-port", "request-blocked"),
            (),
            _Q,
        ),
    ),
    Condition(
        "port 69 blocked",
        "requests dropped",
        *(tftpd(), _chain(f"{_FORTH} udp dport 69 drop"), None),
        *("no-tftp-helper", ("nat-port", "request-blocked"), (), _Q),
    ),
    Condition(
        "server down, host silent",
        "no server, its ICMP dropped",
        *(None, "", _silent_host, _SILENT[0], _SILENT[1:], (), _Q),
    ),
    Condition(
        "server down",
        "no server; the host answers with ICMP",
        *(None, "", None, "port-unreachable", (), (), _Q),
    ),
    Condition(
        "requests rejected",
        "nft reject",
        *(tftpd(), _chain(f"{_FORTH} udp dport 69 reject"), None),
        *("rejected", (), (), _Q),
    ),
    Condition(
        "requests prohibited",
        "nft reject with admin-prohibited",
        *(tftpd(), _chain(f"{_FORTH} udp dport 69 reject with icmp type admin-prohibited"), None),
        *("rejected", (), (), _Q),
    ),
    Condition(
        "rejected by the server's own firewall",
        "nft reject with host-prohibited on the server, as firewalld does",
        *(tftpd(), "", _server_rejects, "rejected", (), (), _Q),
    ),
    Condition(
        "host off",
        "the server's link is down; the router finds no host",
        *(None, "", _host_off, "host-unreachable", (), (), _Q),
    ),
    Condition(
        "wrong address on the own network",
        "nobody answers ARP for it",
        *(None, "", _same_network, "host-unreachable", (), (), _Q),
    ),
    Condition(
        "router without a route",
        "the router says net unreachable",
        *(tftpd(), "", _no_route, "host-unreachable", (), (), _Q),
    ),
    # -- the server's own words
    Condition(
        "file missing (in.tftpd)",
        "another name",
        *(tftpd(), "", None, "file-missing", (), (), _Q, "nofile.kpxe"),
    ),
    Condition(
        "file missing (dnsmasq)",
        "another name",
        *(dnsmasq(), "", None, "file-missing", (), (), _Q, "nofile.kpxe"),
    ),
    Condition(
        "file not readable",
        "mode 600, in.tftpd",
        *(tftpd(), "", _unreadable, "file-denied", (), (), _Q),
    ),
    Condition(
        "file for another architecture",
        "ipxe.efi under the name that a BIOS ROM asks for",
        *(tftpd(), "", for_uefi, "wrong-image", (), (), _Q),
    ),
    Condition(
        "server that refuses",
        "a server of our own: ERROR 0",
        *(faulty("error"), "", None, "server-error", (), (), _Q),
    ),
    Condition(
        "options refused",
        "a server of our own: ERROR 8 to options",
        *(faulty("options-error"), "", None, "options-refused", (), (), _Q),
    ),
    Condition(
        "options refused, EDK2",
        "in.tftpd that refuses every option; EDK2 needs an OACK",
        no_options,
        *("", None, "options-refused", (), (), ("--rom", "edk2", *_Q)),
    ),
    Condition(
        "option that nobody asked for",
        "a server of our own: multicast in each OACK",
        *(faulty("unasked"), "", None, "unasked-option", (), (), _Q),
    ),
    Condition(
        "larger blocks granted than asked for",
        "a server of our own: twice the blksize",
        *(faulty("larger"), "", None, "unasked-option", (), (), _Q),
    ),
    Condition(
        "blksize set at the server alone",
        "a server of our own: 1468 bytes to everybody, and no OACK",
        *(faulty("hard-blksize"), "", None, "oversize-data", (), (), _Q),
    ),
    Condition(
        "empty file",
        "the file has no byte",
        *(tftpd(), "", _empty, "wrong-image", (), (), _Q),
    ),
    Condition(
        "no empty last block",
        "a server of our own; the file is a multiple of 1456",
        *(faulty("no-final"), "", _exact_size, "no-final-block", (), (), _Q),
    ),
    Condition(
        "no block after 65,535",
        "a server of our own that ignores options; 66,000 blocks",
        *(faulty("no-rollover"), "", _large_file, "no-rollover", (), (), ("--max-time", "90")),
    ),
    Condition(
        "blocks longer than agreed",
        "a server of our own: 100 bytes more",
        *(faulty("oversize"), "", None, "oversize-data", (), (), _Q),
    ),
    Condition(
        "one transfer at once",
        "dnsmasq `--tftp-max=1`",
        *(dnsmasq(words=["--tftp-max=1"]), "", None, "few-at-once", (), (), _Q),
    ),
    Condition(
        "two transfers at once",
        "dnsmasq `--tftp-max=2`",
        *(dnsmasq(words=["--tftp-max=2"]), "", None, "few-at-once", (), (), _Q),
    ),
    Condition(
        "limit of requests",
        "nft drops requests beyond 10 a minute",
        *(tftpd(), _chain(f"{_FORTH} udp dport 69 limit rate over 10/minute drop"), None),
        *("rate-limit", (), (), _Q),
    ),
    Condition(
        "size probe refused",
        "a server of our own: ERROR 8 to tsize",
        *(faulty("tsize-error"), "", None, "probe-refused", (), (), _Q),
    ),
    Condition(
        "server upset by an aborted probe",
        "a server of our own: deaf for 15 s after it",
        *(faulty("aborted-probe"), "", None, "probe-refused", (), (), _Q),
    ),
    # -- the way and the server's pace
    Condition(
        "answers from another address",
        "a server with two addresses that answers from the first",
        *(any_address, "", _second_address, "other-address", (), (), _Q),
    ),
    Condition(
        "small link, its ICMP dropped",
        "MTU 1400 behind the firewall; `pxebench serve`, whose packets must not be fragmented",
        bench,
        _OUTPUT_NO_ICMP,
        *(_small_link, "mtu", (), (), _Q),
    ),
    Condition(
        "fragments",
        "MTU 1400 behind the firewall, which cuts in.tftpd's packets",
        *(tftpd(), "", _small_path, "fragments", (), (), _Q),
    ),
    Condition(
        "fragments dropped",
        "the server's MTU is 1280",
        *(tftpd(), _chain("ip frag-off & 0x1fff != 0 drop"), _small_server, "mtu", (), (), _Q),
    ),
    Condition(
        "loss",
        "nft drops one packet in twelve, at random",
        *(tftpd(), _chain("numgen random mod 12 < 1 drop"), None, "loss", (), (), ()),
    ),
    Condition(
        "slow server",
        "a server of our own: 1.6 s to the first answer",
        *(faulty("slow"), "", None, "slow-server", (), (), ("--max-time", "6")),
    ),
    Condition(
        "one flow at a time",
        "nft `ct count`: one new flow of a client in 4 s, `ct helper`",
        *(
            tftpd(),
            _ONE_FLOW,
            _flows_of_4_s,
            "one-expectation",
            ("few-at-once",),
            (),
            ("--max-time", "8"),
        ),
    ),
    Condition(
        "translator that does not keep the port",
        "nft gives packets to the server's new port another source port",
        *(tftpd(), _OTHER_PORT, None, "nat-port", (), (), _Q),
    ),
    Condition(
        "filter for the server's high ports",
        "nothing of the client's but requests to port 69 passes",
        *(tftpd(), _chain(f"{_FORTH} udp dport != 69 drop"), None),
        *("no-tftp-helper", ("nat-port",), (), _Q),
    ),
)
