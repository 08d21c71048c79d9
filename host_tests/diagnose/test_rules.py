"""What `diagnose` prints, loaded as it stands into the lab's firewall, makes the ROM boot.

Each case is played once, all of them at the same time; what was seen is a dict of plain facts.
"""

import concurrent.futures

import pytest

from host_tests.diagnose import conditions
from host_tests.diagnose.place import place
from host_tests.lab.firewall import CLIENT, HIGH_PORTS_ONLY

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("diagnose-rules")]

_BY_NAME = {condition.name: condition for condition in conditions.CONDITIONS}


def _text(result, cure, product="nftables"):
    items = result["verdict"]["rules"]["items"]
    (text,) = [i["text"] for i in items if i["cure"] == cure and i["product"] == product]
    return text


def _iptables(where, text):
    for line in text.splitlines():
        program, *words = line.split()
        assert program == "iptables"
        where.firewall.run("iptables-nft", *words)


def _reported(cure):
    with place(conditions.tftpd(), HIGH_PORTS_ONLY) as where:
        before = where.boots()
        result, _, printed = where.diagnose("--quick", "--nft-chain", "ip firewall forward")
        rules = _text(result, cure)
        where.load(rules)
        return {
            "before": before,
            "cause": result["verdict"]["cause"],
            "printed": all(line in printed for line in rules.splitlines()),
            "after": where.boots(),
            "os-client": where.boots("--rom", "os-client"),
        }


def _reported_ports():
    return _reported("ports")


def _reported_helper():
    return _reported("helper")


def _iptables_ports():
    with place(conditions.tftpd()) as where:
        run, back = where.firewall.run, ("-s", conditions.SERVER, "-d", CLIENT)
        high = ("-p", "udp", "--dport", "32769:65535", "-j", "ACCEPT")
        run("iptables-nft", "-A", "FORWARD", *back, *high)
        run("iptables-nft", "-A", "FORWARD", *back, "-j", "DROP")
        before = where.boots()
        result, *_ = where.diagnose("--quick")
        _iptables(where, _text(result, "ports", "iptables"))
        cause = result["verdict"]["cause"]
        return {"before": before, "cause": cause, "after": where.boots()}


def _iptables_helper():
    with place(conditions.tftpd()) as where:
        for words in (
            ("-m", "conntrack", "--ctstate", "ESTABLISHED,RELATED", "-j", "ACCEPT"),
            ("-s", CLIENT, "-j", "ACCEPT"),
            ("-j", "DROP"),
        ):
            where.firewall.run("iptables-nft", "-A", "FORWARD", *words)
        before = where.boots()
        result, *_ = where.diagnose("--quick")
        _iptables(where, _text(result, "helper", "iptables"))
        # From ports that the firewall has not seen: only a new flow gets the helper.
        after = where.boots("--rom", "os-client")
        return {"before": before, "cause": result["verdict"]["cause"], "after": after}


def _nft_helper():
    condition = _BY_NAME["stateful firewall without helper, open outwards"]
    with place(condition.serve, condition.rules) as where:
        before = where.boots()
        result, *_ = where.diagnose("--quick")
        where.load(_text(result, "helper"))
        after = where.boots("--rom", "os-client")
        return {"before": before, "cause": result["verdict"]["cause"], "after": after}


def _single_port():
    with place(conditions.dnsmasq(True), conditions.HIGH_ONLY) as where:
        result, *_ = where.diagnose("--quick")
        rules = _text(result, "ports")
        where.load(rules)
        ports = result["verdict"]["rules"]["server_ports"]
        return {"server_ports": ports, "rules": rules, "after": where.boots()}


def _port_range():
    serve = conditions.tftpd("--port-range", "40000:40019")
    with place(serve, conditions.HIGH_ONLY) as where:
        result, *_ = where.diagnose("--quick")
        rules = _text(result, "ports")
        where.load(rules)
        ports = result["verdict"]["rules"]["server_ports"]
        return {"server_ports": ports, "rules": rules, "after": where.boots()}


def _mtu():
    condition = _BY_NAME["fragments dropped"]
    with place(condition.serve, condition.rules, condition.prepare) as where:
        before = where.boots()
        result, *_ = where.diagnose("--quick")
        where.load(_text(result, "mtu"))
        cause = result["verdict"]["cause"]
        return {"before": before, "cause": cause, "after": where.boots()}


def _in_all_words():
    with place(conditions.tftpd(), conditions.HIGH_ONLY) as where:
        result, _, printed = where.diagnose("--quick", "--all-rules")
    return {"rules": result["verdict"]["rules"], "printed": " ".join(printed.split())}


def _on_micropython():
    with place(conditions.tftpd(), conditions.HIGH_ONLY) as where:
        result, *_ = where.diagnose("--quick", "--endpoint", "micropython")
        where.load(_text(result, "ports"))
        after = where.boots("--endpoint", "micropython")
    verdict = result["verdict"]
    runtime = result["endpoint"]["runtime"]
    return {"cause": verdict["cause"], "runtime": runtime, "after": after}


_CASES = (
    *(_reported_ports, _reported_helper, _iptables_ports, _iptables_helper, _nft_helper),
    *(_single_port, _port_range, _mtu, _in_all_words, _on_micropython),
)


@pytest.fixture(scope="module")
def seen():
    with concurrent.futures.ThreadPoolExecutor(len(_CASES)) as pool:
        played = {case.__name__: pool.submit(case) for case in _CASES}
        return {name: future.result() for name, future in played.items()}


@pytest.mark.parametrize("case", ["_reported_ports", "_reported_helper"])
def test_nft_rules_of_the_reported_case_make_the_rom_boot(seen, case):
    """The very text that is printed, through `nft -f`; both ways to cure it."""
    assert seen[case] == {
        "before": False,
        "cause": "client-port-filter",
        "printed": True,
        "after": True,
        "os-client": True,
    }


def test_iptables_rules_of_the_reported_case_make_the_rom_boot(seen):
    """iptables on its nft backend, beside rules that it made itself."""
    wanted = {"before": False, "cause": "client-port-filter", "after": True}
    assert seen["_iptables_ports"] == wanted


@pytest.mark.parametrize("case", ["_iptables_helper", "_nft_helper"])
def test_helper_cures_a_stateful_firewall(seen, case):
    assert seen[case] == {"before": False, "cause": "no-tftp-helper", "after": True}


def test_rules_name_the_servers_port_only_where_it_is_certain(seen):
    """A few ports seen of a range are no range; port 69 of a single-port server is certain."""
    single, some = seen["_single_port"], seen["_port_range"]
    assert single["server_ports"] == [69, 69] and single["after"]
    assert "udp sport 69-69 udp dport 2070-2078" in single["rules"]
    assert some["server_ports"] is None and some["after"]
    assert "sport" not in some["rules"]


def test_mtu_rules_let_fragments_and_icmp_pass(seen):
    assert seen["_mtu"] == {"before": False, "cause": "mtu", "after": True}


def test_rule_is_as_wide_as_the_rom_counts_and_no_wider(seen):
    """2070-2073 is what a failed boot shows; the ROM's file says 2078."""
    rules, printed = seen["_in_all_words"]["rules"], seen["_in_all_words"]["printed"]
    assert rules["client_ports"] == [2070, 2078]
    assert "is too narrow: this ROM counts on with every retry, from 2070 to 2078" in printed
    products = {item["product"] for item in rules["items"]}
    for word in ("nftables", "iptables", "firewalld", "ASA", "IOS", "SRX", "FortiGate", "pfSense"):
        assert any(word in product for product in products), word
    for word in ("Windows", "in.tftpd", "dnsmasq"):
        assert any(word in product for product in products), word
    for item in rules["items"]:
        if item["cure"] == "ports":
            assert "2070" in item["text"] and "2078" in item["text"], item
            assert conditions.SERVER in item["text"] or item["id"] == "windows-ports"
            assert CLIENT in item["text"]
        assert "$" not in item["text"] + (item["note"] or "")


def test_micropython_comes_to_the_same_verdict(seen):
    found = seen["_on_micropython"]
    assert found["cause"] == "client-port-filter" and found["after"]
    assert found["runtime"].startswith("MicroPython")
