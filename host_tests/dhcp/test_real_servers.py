"""Real DHCP servers, proxyDHCP servers and boot servers: each boots the machine, or says why not.

dnsmasq and Kea have machines of their own on one switch with the client; in.tftpd or dnsmasq's own
TFTP has the files. What a server should have sent is asserted by what the ROM made of it, and by
the server's own log where that says more.
"""

import io
import subprocess

import dpkt
import pytest

from host_tests.dhcp.scenes import (
    EVERYWHERE,
    FILES,
    SECOND,
    SERVER,
    Scene,
    everywhere,
    failed,
    play_all,
    tftp,
)
from host_tests.lab import dhcp_servers, programs

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("dhcp")]

RELAY, FAR = "10.88.0.3", "10.99.0.1"
STATIC = ("--lease", "static", "--address", "10.88.0.9/24")
BY_ARCH = {0: "undionly.kpxe", 7: "x64.efi", 11: "arm64.efi"}
MENU = ["--pxe-service=x86PC,Linux,linux", "--pxe-service=x86PC,Tools,tools"]
PROMPT = ["--pxe-prompt=Press F8 for the menu,1", *MENU]


def _dnsmasq(*words, tftp_too=False):
    def start(lan, stack, folder):
        machine = lan.machine("dnsmasq", f"{SERVER}/24")
        more = ["--enable-tftp", f"--tftp-root={folder}"] if tftp_too else []
        server = stack.enter_context(dhcp_servers.dnsmasq(machine, SERVER, [*words, *more]))
        if not tftp_too:
            tftp(stack, folder, machine)
        return [server.process.output]

    return start


def _kea(with_tftp=True, **settings):
    def start(lan, stack, folder):
        machine = lan.machine("kea", f"{SECOND}/24")
        server = stack.enter_context(dhcp_servers.kea(machine, SECOND, **settings))
        if with_tftp:
            tftp(stack, folder, machine, SECOND)
        return [server.process.output]

    return start


def _proxy(*words):
    def start(lan, stack, folder):
        machine = lan.machine("proxy", f"{SERVER}/24")
        server = stack.enter_context(dhcp_servers.dnsmasq_proxy(machine, SERVER, words))
        tftp(stack, folder, machine)
        return [server.process.output]

    return start


def _both(*starts):
    def start(lan, stack, folder):
        return [said for one in starts for said in one(lan, stack, folder)]

    return start


def _relayed(lan, stack, folder):
    relay, far = lan.machine("relay", f"{RELAY}/24"), lan.lab.namespace("kea")
    lan.lab.cable(relay, "far", "10.99.0.3/24", far, "eth0", f"{FAR}/24")
    far.route("default", "10.99.0.3")
    relay.forward()
    routers = [{"name": "routers", "data": RELAY}]
    kea = dhcp_servers.kea(far, FAR, "undionly.kpxe", relay=RELAY, option_data=routers)
    stack.enter_context(kea)
    stack.enter_context(dhcp_servers.dnsmasq_relay(relay, RELAY, FAR))
    tftp(stack, folder, far, FAR)


def _archs(rom):
    words = [f"--dhcp-match=set:arch{arch},option:client-arch,{arch}" for arch in BY_ARCH]
    return words + [f"--dhcp-boot=tag:arch{arch},{file}" for arch, file in BY_ARCH.items()]


_PXECLIENT = [{"name": "vendor-class-identifier", "data": "PXEClient", "always-send": True}]
_ARM64 = ("--arch", "arm64-efi")
SCENES = {
    "dnsmasq": Scene(_dnsmasq("--dhcp-boot=undionly.kpxe")),
    "dnsmasq-tftp": Scene(_dnsmasq("--dhcp-boot=undionly.kpxe", tftp_too=True), "ipxe"),
    "kea": Scene(_kea(boot_file="image.itb"), "u-boot"),
    "dnsmasq-arch-0": Scene(_dnsmasq(*_archs(BY_ARCH))),
    "dnsmasq-arch-7": Scene(_dnsmasq(*_archs(BY_ARCH)), "edk2"),
    "dnsmasq-arch-11": Scene(_dnsmasq(*_archs(BY_ARCH)), "edk2", _ARM64),
    "kea-arch-0": Scene(_kea(boot_file=BY_ARCH)),
    "kea-arch-7": Scene(_kea(boot_file=BY_ARCH), "edk2"),
    "kea-arch-11": Scene(_kea(boot_file=BY_ARCH), "edk2", _ARM64),
    "menu": Scene(_both(_kea(False), _proxy(*PROMPT))),
    "menu-2": Scene(_both(_kea(False), _proxy(*PROMPT)), "intel-undi", ("--menu", "2")),
    "menu-none": Scene(_both(_kea(False), _proxy(*MENU)), "intel-undi", ("--no-menu",)),
    "menu-unwatched": Scene(_both(_kea(False), _proxy(*MENU)), "ipxe"),
    "menu-local": Scene(_both(_kea(False), _proxy("--pxe-service=x86PC,Local disk,0", MENU[0]))),
    "one-service": Scene(_both(_kea(False), _proxy(MENU[0]))),
    "dnsmasq-alone-menu": Scene(_dnsmasq(*PROMPT), "intel-undi", ("--menu", "2")),
    "port-4011": Scene(_both(_kea(False), _proxy("--pxe-service=X86-64_EFI,x,x64.efi")), "edk2"),
    "leftover-60": Scene(_kea(boot_file="undionly.kpxe", option_data=_PXECLIENT)),
    "leftover-60-ipxe": Scene(_kea(boot_file="undionly.kpxe", option_data=_PXECLIENT), "ipxe"),
    "proxy-alone": Scene(_proxy(MENU[0])),
    "no-file": Scene(_kea()),
    "relayed": Scene(_relayed),
    "two-servers": Scene(
        _both(_dnsmasq("--dhcp-boot=linux.0"), _kea(boot_file="tools.0", first=200))
    ),
    "allowed-server": Scene(
        _both(_dnsmasq("--dhcp-boot=linux.0"), _kea(boot_file="tools.0", first=200)),
        "intel-undi",
        ("--allow", SECOND),
    ),
    "release": Scene(_kea(boot_file="linux.0"), "ipxe", ("--release",)),
    "inform": Scene(_dnsmasq("--dhcp-boot=linux.0"), "standard", STATIC),
    "proxy-asked-at-once": Scene(
        _proxy("--pxe-service=X86-64_EFI,x,x64.efi"),
        "edk2",
        (*STATIC, "--proxy", SERVER),
    ),
    "given-file": Scene(
        _dnsmasq("--dhcp-boot=linux.0"), "ipxe", ("--server", SERVER, "--file", "tools.0")
    ),
}
OLD_TOO = ("dnsmasq", "menu", "port-4011", "relayed")


@pytest.fixture(scope="module")
def boots():
    return play_all(SCENES, OLD_TOO)


def _booted(boot, file, server):
    assert boot.exit_code == 0, boot.said
    assert boot.stored == FILES[file]
    assert (boot.result["boot"]["server"], boot.result["boot"]["file"]) == (server, file)
    return boot.result


def _sent(boot):
    """[(message, to whom)] in the order in which the packets went out, each once however often it
    was repeated: a busy PC may answer late. How often a ROM asks is tested in virtual time."""
    each = [(sent["message"], sent["to"]) for sent in boot.result["dhcp"]]
    return [
        one for number, one in enumerate(each) if each[max(0, number - 1)] != one or not number
    ]


_DORA = [("DISCOVER", "255.255.255.255:67"), ("REQUEST", "255.255.255.255:67")]


@pytest.mark.parametrize("interpreter", [*EVERYWHERE, "MicroPython-1.25"])
def test_dnsmasq_leases_and_in_tftpd_serves(boots, interpreter):
    boot = boots["dnsmasq", interpreter]
    result = _booted(boot, "undionly.kpxe", SERVER)
    assert _sent(boot) == _DORA
    assert result["lease"]["ip"].startswith("10.88.0.1")
    assert (result["lease"]["server"], result["lease"]["seconds"]) == (SERVER, 3600)
    assert result["image"]["kind"] == "ipxe-nbp"
    assert result["warnings"] == []


@everywhere
def test_dnsmasq_does_all_of_it(boots, interpreter):
    boot = boots["dnsmasq-tftp", interpreter]
    _booted(boot, "undionly.kpxe", SERVER)
    assert _sent(boot) == _DORA
    # iPXE waits for a proxy: a second DISCOVER before its REQUEST.
    assert [sent["message"] for sent in boot.result["dhcp"]][:2] == ["DISCOVER"] * 2


@everywhere
def test_kea_leases(boots, interpreter):
    boot = boots["kea", interpreter]
    _booted(boot, "image.itb", SECOND)
    assert _sent(boot) == _DORA
    assert boot.result["boot"]["file_by"] == "file"


@everywhere
@pytest.mark.parametrize("arch", BY_ARCH)
@pytest.mark.parametrize(("server", "host"), [("dnsmasq", SERVER), ("kea", SECOND)])
def test_each_architecture_is_given_its_own_file(boots, server, host, arch, interpreter):
    _booted(boots[f"{server}-arch-{arch}", interpreter], BY_ARCH[arch], host)


@pytest.mark.parametrize("interpreter", [*EVERYWHERE, "MicroPython-1.25"])
def test_prompt_runs_out_and_the_first_entry_boots(boots, interpreter):
    """R-PXE-43."""
    boot = boots["menu", interpreter]
    menu = _booted(boot, "linux.0", SERVER)["menu"]
    assert (menu["prompt"], menu["timeout_s"]) == ("Press F8 for the menu", 1)
    assert [item["text"] for item in menu["items"]] == ["Linux", "Tools"]
    assert (menu["chosen"]["text"], menu["by"]) == ("Linux", "timeout")
    assert _sent(boot) == [*_DORA, ("REQUEST", f"{SERVER}:4011")]
    assert boot.result["lease"]["server"] == SECOND
    before, after = [
        [sent["at_ms"] for sent in boot.result["dhcp"] if sent["purpose"] == purpose]
        for purpose in ("lease", "discovery")
    ]
    assert after[0] - before[-1] >= 1000  # to the millisecond in virtual time


@everywhere
@pytest.mark.parametrize("scene", ["menu-2", "dnsmasq-alone-menu"])
def test_entry_asked_for_boots_at_once(boots, scene, interpreter):
    menu = _booted(boots[scene, interpreter], "tools.0", SERVER)["menu"]
    assert (menu["chosen"]["text"], menu["by"]) == ("Tools", "option")


@everywhere
def test_menu_without_time_out_does_not_wait_for_ever(boots, interpreter):
    assert _booted(boots["menu-none", interpreter], "linux.0", SERVER)["menu"]["by"] == "option"
    result = _booted(boots["menu-unwatched", interpreter], "linux.0", SERVER)
    assert "nobody is here" in " ".join(result["warnings"])


@everywhere
def test_local_boot_of_the_menu_boots_nothing(boots, interpreter):
    """R-PXE-44."""
    result = failed(boots["menu-local", interpreter], "PXE-M0F")
    assert result["menu"]["chosen"]["text"] == "Local disk"
    assert result["transfers"] == []


@everywhere
def test_only_service_needs_no_menu(boots, interpreter):
    boot = boots["one-service", interpreter]
    _booted(boot, "linux.0", SERVER)
    assert boot.result["boot"]["packet"] == "discovery"


@pytest.mark.parametrize("interpreter", [*EVERYWHERE, "MicroPython-1.25"])
def test_proxy_without_pxe_options_is_asked_on_port_4011(boots, interpreter):
    """R-PXE-26."""
    boot = boots["port-4011", interpreter]
    _booted(boot, "x64.efi", SERVER)
    assert boot.result["boot"]["packet"] == "4011"
    assert boot.result["lease"]["server"] == SECOND
    # EDK2 sends from the port on which it listens for the answer (R-PXE-26).
    asked = [packet for packet in boot.wire if packet.dport == 4011 and packet.dst == SERVER]
    assert [(packet.src, packet.sport) for packet in asked] == [(boot.result["lease"]["ip"], 4011)]
    assert asked[0].payload[12:16] == bytes(map(int, asked[0].src.split(".")))  # ciaddr


@everywhere
def test_left_over_option_60_stops_a_rom_that_believes_it(boots, interpreter):
    """R-PXE-25."""
    boot = boots["leftover-60", interpreter]
    result = failed(boot, "PXE-E55")
    assert _sent(boot) == [*_DORA, ("REQUEST", f"{SECOND}:4011")]
    assert [sent["purpose"] for sent in boot.result["dhcp"]].count("proxy") == 4
    assert "option 60" in result["status"]["advice"]
    # iPXE has an address and a file, and that is enough for it.
    _booted(boots["leftover-60-ipxe", interpreter], "undionly.kpxe", SECOND)


@everywhere
def test_proxy_alone_gives_no_address(boots, interpreter):
    """R-PXE-24."""
    result = failed(boots["proxy-alone", interpreter], "PXE-E52")
    assert {offer["proxy"] for offer in result["offers"]} == {True}
    assert result["lease"] is None


@everywhere
def test_offer_without_a_file_is_not_enough(boots, interpreter):
    """R-PXE-24."""
    boot = boots["no-file", interpreter]
    result = failed(boot, "PXE-E53")
    assert {message for message, _ in _sent(boot)} == {"DISCOVER"}
    assert all("no boot file" in offer["reason"] for offer in result["offers"])


@pytest.mark.parametrize("interpreter", [*EVERYWHERE, "MicroPython-1.25"])
def test_relayed_lease_boots_through_the_gateway(boots, interpreter):
    boot = boots["relayed", interpreter]
    lease = _booted(boot, "undionly.kpxe", FAR)["lease"]
    assert (lease["server"], lease["relay"], lease["gateway"]) == (FAR, RELAY, RELAY)


@everywhere
def test_second_dhcp_server_is_told_of(boots, interpreter):
    boot = boots["two-servers", interpreter]
    assert boot.exit_code == 0, boot.said
    assert {offer["server"] for offer in boot.result["offers"]} == {SERVER, SECOND}
    assert any("2 DHCP servers answered" in warning for warning in boot.result["warnings"])
    first = boot.result["offers"][0]
    assert boot.result["lease"]["server"] == first["server"]
    loser = [offer for offer in boot.result["offers"] if offer["server"] != first["server"]]
    assert all(not offer["chosen"] and offer["reason"] for offer in loser)


@everywhere
def test_server_that_is_not_allowed_is_passed_over_and_listed(boots, interpreter):
    """R-SEC-27."""
    result = _booted(boots["allowed-server", interpreter], "tools.0", SECOND)
    refused = [offer for offer in result["offers"] if offer["server"] == SERVER]
    assert refused
    assert not any(offer["chosen"] for offer in refused)


@everywhere
def test_lease_goes_back_when_asked(boots, interpreter):
    boot = boots["release", interpreter]
    result = _booted(boot, "linux.0", SECOND)
    assert _sent(boot)[-1] == ("RELEASE", f"{SECOND}:67")
    assert result["lease"]["released"]
    assert "DHCP4_RELEASE" in boot.servers[0]
    others = [boots[scene, interpreter] for scene in ("dnsmasq", "kea", "menu")]
    assert all(sent[0] != "RELEASE" for other in others for sent in _sent(other))


@everywhere
def test_address_of_ones_own_asks_for_no_lease(boots, interpreter):
    boot = boots["inform", interpreter]
    _booted(boot, "linux.0", SERVER)
    assert {message for message, _ in _sent(boot)} == {"INFORM"}
    assert boot.result["lease"]["ip"] == "10.88.0.9"
    boot = boots["proxy-asked-at-once", interpreter]
    _booted(boot, "x64.efi", SERVER)
    assert _sent(boot) == [("REQUEST", f"{SERVER}:4011")]


@everywhere
def test_file_that_is_given_wins_over_what_dhcp_says(boots, interpreter):
    boot = boots["given-file", interpreter]
    _booted(boot, "tools.0", SERVER)
    assert boot.result["boot"]["file_by"] == "job"


def test_interface_is_as_it_was_after_every_boot(boots):
    assert {key: boot.left for key, boot in boots.items() if boot.left} == {}


def test_interpreters_tell_the_same_of_a_boot(boots):
    def told(boot):
        # On a busy PC one of them may have had to ask twice.
        first = [one for one in boot.result["dhcp"] if one["attempt"] == 1]
        sent = [
            {name: part for name, part in one.items() if name not in ("at_ms", "xid", "secs")}
            for one in first
        ]
        lease = dict(boot.result["lease"] or {}, ip=None)
        return boot.exit_code, sent, lease, boot.result["boot"], boot.result["menu"]

    for scene in SCENES:
        if scene != "two-servers":  # who answers first is a matter of chance there
            stories = [told(boots[scene, interpreter]) for interpreter in EVERYWHERE]
            assert stories[0] == stories[1], scene


# --- what Wireshark says of it -------------------------------------------------------------------


def _ip_packets(pcap):
    """[(time, IP)] of a capture's bytes, those with a UDP port of DHCP or PXE at either end."""
    reader = dpkt.pcap.Reader(io.BytesIO(pcap))
    found = []
    for time, frame in reader:
        ip = dpkt.ip.IP(frame) if reader.datalink() != 1 else dpkt.ethernet.Ethernet(frame).data
        if isinstance(ip, dpkt.ip.IP) and isinstance(ip.data, dpkt.udp.UDP):
            if {67, 68, 4011} & {ip.data.sport, ip.data.dport}:
                found.append((time, ip))
    return found


def test_capture_holds_the_packets_of_the_wire(boots):
    """Addresses, ports, TTL and payloads of `--pcap` are those that went by, each in its order."""
    for key, boot in boots.items():
        own, wire = (
            [
                (ip.src, ip.dst, ip.data.sport, ip.data.dport, bytes(ip.data.data))
                for _, ip in _ip_packets(pcap)
            ]
            for pcap in boot.pcap
        )
        client = [packet for packet in wire if packet[3] in (67, 4011)]
        assert [packet for packet in own if packet[3] in (67, 4011)] == client, key
        # A capture keeps only what is for the ROM: the wire may carry more than that.
        assert set(own) <= set(wire), key


def test_rom_on_a_live_network_is_a_client_and_no_more(boots):
    """Nothing leaves it but DHCP to servers, RRQs and what follows them, ARP and IGMP."""
    for key, boot in boots.items():
        mac = bytes.fromhex(boot.result["events"][0]["mac"].replace(":", ""))
        sent = []
        for _, frame in dpkt.pcap.Reader(io.BytesIO(boot.pcap[1])):
            ethernet = dpkt.ethernet.Ethernet(frame)
            if ethernet.src == mac:
                sent.append(ethernet.data)
        assert sent
        for ip in sent:
            assert ip.p in (dpkt.ip.IP_PROTO_UDP, dpkt.ip.IP_PROTO_IGMP), key  # no ICMP: a ROM
            if ip.p == dpkt.ip.IP_PROTO_UDP:
                assert ip.data.sport != 67, key
                if ip.data.dport in (67, 4011):
                    assert ip.data.sport in (68, 4011), key
                    assert ip.data.data[0] == 1, key  # BOOTREQUEST
        # And as many as it says.
        asked = [ip for ip in sent if ip.p == 17 and ip.data.dport in (67, 4011)]
        assert len(asked) == len(boot.result["dhcp"]), key


def test_wireshark_finds_nothing_wrong_with_what_is_sent(boots, tmp_path):
    sent = []
    for boot in boots.values():
        for _, ip in _ip_packets(boot.pcap[1]):
            if ip.data.dport in (67, 4011):
                if ip.src != bytes(4):  # made by the kernel, which leaves its sum to the hardware
                    ip.data.sum = 0
                sent.append(bytes(ip))
        sent += [bytes(ip) for _, ip in _ip_packets(boot.pcap[0])]
    with open(tmp_path / "sent.pcap", "wb") as file:
        writer = dpkt.pcap.Writer(file, linktype=101)
        for number, packet in enumerate(sent):
            writer.writepkt(packet, ts=number)
    words = [programs.find("tshark"), "-r", tmp_path / "sent.pcap", "-T", "fields"]
    for preference in ("ip.check_checksum:TRUE", "udp.check_checksum:TRUE"):
        words += ["-o", preference]
    for field in ("_ws.malformed", "_ws.expert.message", "_ws.col.Protocol", "dhcp.option.type"):
        words += ["-e", field]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    rows = [line.split("\t") for line in done.stdout.splitlines()]
    assert len(rows) == len(sent) > 200
    assert {row[2] for row in rows} == {"DHCP"}
    assert {row[0] for row in rows} == {""}
    for _, note, _, options in rows:
        # iPXE's option 77 is a bare text, as in its captures; RFC 3004 wants a length before it.
        ipxe = note == "Non standard compliant option data" and "77" in options.split(",")
        assert not note or ipxe
