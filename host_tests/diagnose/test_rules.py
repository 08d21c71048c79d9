"""What `diagnose` prints, loaded as it stands into the lab's firewall, makes the ROM boot."""

import pytest

from host_tests.diagnose import conditions
from host_tests.diagnose.place import place
from host_tests.lab.firewall import CLIENT, HIGH_PORTS_ONLY

pytestmark = pytest.mark.slow

_BY_NAME = {condition.name: condition for condition in conditions.CONDITIONS}


def _texts(result, cure, product="nftables"):
    items = result["verdict"]["rules"]["items"]
    return [item["text"] for item in items if item["cure"] == cure and item["product"] == product]


@pytest.mark.parametrize("cure", ["ports", "helper"])
def test_nft_rules_of_the_reported_case_make_the_rom_boot(cure):
    """The very text that is printed, through `nft -f`; both ways to cure it."""
    with place(conditions.tftpd(), HIGH_PORTS_ONLY) as where:
        assert not where.boots()
        result, _, printed = where.diagnose("--quick", "--nft-chain", "ip firewall forward")
        assert result["verdict"]["cause"] == "client-port-filter"
        (rules,) = _texts(result, cure)
        for line in rules.splitlines():
            assert line in printed
        where.load(rules)
        assert where.boots()
        assert where.boots("--rom", "os-client")


def test_iptables_rules_of_the_reported_case_make_the_rom_boot():
    """iptables on its nft backend, in a chain that it made itself."""
    with place(conditions.tftpd()) as where:
        for words in (
            ("-A", "FORWARD", "-s", conditions.SERVER, "-d", CLIENT, "-p", "udp")
            + ("--dport", "32769:65535", "-j", "ACCEPT"),
            ("-A", "FORWARD", "-s", conditions.SERVER, "-d", CLIENT, "-j", "DROP"),
        ):
            where.firewall.run("iptables-nft", *words)
        assert not where.boots()
        result, *_ = where.diagnose("--quick")
        (text,) = _texts(result, "ports", "iptables")
        _iptables(where, text)
        assert where.boots()


def test_iptables_helper_makes_a_stateful_firewall_read_tftp():
    with place(conditions.tftpd()) as where:
        run = where.firewall.run
        run(
            "iptables-nft",
            "-A",
            "FORWARD",
            "-m",
            "conntrack",
            "--ctstate",
            "ESTABLISHED,RELATED",
            "-j",
            "ACCEPT",
        )
        run("iptables-nft", "-A", "FORWARD", "-s", CLIENT, "-j", "ACCEPT")
        run("iptables-nft", "-A", "FORWARD", "-j", "DROP")
        assert not where.boots()
        result, *_ = where.diagnose("--quick")
        assert result["verdict"]["cause"] == "no-tftp-helper"
        (text,) = _texts(result, "helper", "iptables")
        _iptables(where, text)
        assert where.boots("--rom", "os-client")


def _iptables(where, text):
    for line in text.splitlines():
        program, *words = line.split()
        assert program == "iptables"
        where.firewall.run("iptables-nft", *words)


def test_nft_helper_cures_a_stateful_firewall():
    condition = _BY_NAME["stateful firewall without helper, open outwards"]
    with place(condition.serve, condition.rules) as where:
        result, *_ = where.diagnose("--quick")
        (rules,) = _texts(result, "helper")
        where.load(rules)
        assert where.boots("--rom", "os-client")  # from ports that the firewall has not seen


def test_rules_name_the_servers_port_only_where_it_is_certain():
    """A few ports seen of a range are no range; port 69 of a single-port server is certain."""
    with place(conditions.dnsmasq(True), conditions.HIGH_ONLY) as where:
        result, *_ = where.diagnose("--quick")
        assert result["verdict"]["rules"]["server_ports"] == [69, 69]
        (rules,) = _texts(result, "ports")
        assert "udp sport 69-69 udp dport 2070-2078" in rules
        where.load(rules)
        assert where.boots()
    with place(conditions.tftpd("--port-range", "40000:40019"), conditions.HIGH_ONLY) as where:
        result, *_ = where.diagnose("--quick")
        assert result["verdict"]["rules"]["server_ports"] is None
        (rules,) = _texts(result, "ports")
        assert "sport" not in rules
        where.load(rules)
        assert where.boots()


def test_mtu_rules_let_fragments_and_icmp_pass():
    condition = _BY_NAME["fragments dropped"]
    with place(condition.serve, condition.rules, condition.prepare) as where:
        result, *_ = where.diagnose("--quick")
        (rules,) = _texts(result, "mtu")
        where.load(rules)
        assert where.boots()


def test_rule_as_wide_as_the_rom_counts_and_no_wider():
    """2070-2073 is what a failed boot shows; the ROM's file says 2078."""
    with place(conditions.tftpd(), conditions.HIGH_ONLY) as where:
        result, _, printed = where.diagnose("--quick", "--all-rules")
    rules = result["verdict"]["rules"]
    assert rules["client_ports"] == [2070, 2078]
    assert "is too narrow: this ROM counts on with every retry, from 2070 to 2078" in " ".join(
        printed.split()
    )
    for item in rules["items"]:
        if item["cure"] == "ports":
            assert "2070" in item["text"] and "2078" in item["text"], item
            assert conditions.SERVER in item["text"] or item["id"] == "windows-ports"
            assert CLIENT in item["text"]
        assert "$" not in item["text"] + (item["note"] or "")
