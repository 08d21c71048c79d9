"""What `diagnose` prints, loaded as it stands into the lab's firewall, makes the ROM boot.

Each case is played once, all of them at the same time; what was seen is a dict of plain facts.
"""

import concurrent.futures

import pytest
from pxebench.diagnose import rules

from host_tests.diagnose import conditions
from host_tests.diagnose.place import place
from host_tests.lab.firewall import CLIENT, HIGH_PORTS_ONLY

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("diagnose-rules")]

_CASES_AT_ONCE = 12
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
        text = _text(result, cure)
        where.paste(text)
        return {
            "before": before,
            "cause": result["verdict"]["cause"],
            "printed": all(line in printed for line in text.splitlines()),
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
        where.paste(_text(result, "helper"))
        after = where.boots("--rom", "os-client")
        return {"before": before, "cause": result["verdict"]["cause"], "after": after}


_DNAT_DROPS = (
    "table inet filter {\n  chain forward {\n    type filter hook forward priority filter; "
    "policy accept;\n    ct state established,related accept\n"
    f"    ip saddr {CLIENT} accept\n    drop\n  }}\n}}\n"
)


def _dnat(product):
    """A server behind DNAT, as Docker and Kubernetes have it: the ROM asks the firewall."""
    condition = _BY_NAME["server behind DNAT, answers not translated back"]
    rules = conditions.DNAT + _DNAT_DROPS
    with place(condition.serve, rules, condition.prepare) as where:
        before = where.boots()
        result, *_ = where.diagnose("--quick")
        text = _text(result, "helper", product)
        if product == "nftables":
            where.paste(text)
        else:
            where.firewall.run("nft", "flush", "chain", "inet", "filter", "forward")
            where.firewall.run("iptables-nft", "-P", "FORWARD", "DROP")
            _iptables(where, text)
        after = where.boots("--rom", "os-client")
        return {"before": before, "cause": result["verdict"]["cause"], "after": after}


def _dnat_nft():
    return _dnat("nftables")


def _dnat_iptables():
    return _dnat("iptables")


def _dnat_open():
    return _cured("server behind DNAT, answers not translated back", "helper")


def _cured(name, cure, rom=("--rom", "os-client")):
    """The rule for a condition of the table, pasted into a shell of the firewall."""
    condition = _BY_NAME[name]
    with place(condition.serve, condition.rules, condition.prepare) as where:
        before = where.boots(*rom)
        result, *_ = where.diagnose("--quick")
        where.paste(_text(result, cure))
        return {
            "before": before,
            "cause": result["verdict"]["cause"],
            "after": [where.boots(*rom) for _ in range(4)],
        }


def _rejected():
    return _cured("requests rejected", "request")


def _prohibited():
    return _cured("requests prohibited", "request")


def _limited():
    return _cured("limit of requests", "request")


def _at_once():
    """The server with the printed setting has no fault left."""
    condition = _BY_NAME["one transfer at once"]
    with place(condition.serve, condition.rules) as where:
        result, *_ = where.diagnose("--quick")
        text = _text(result, "at-once", "dnsmasq")
    with place(_dnsmasq_words(text), condition.rules) as where:
        again, *_ = where.diagnose("--quick")
    return {"cause": result["verdict"]["cause"], "after": again["verdict"]["cause"]}


def _in_pieces(product, words):
    """The printed block size is one that comes whole."""
    condition = _BY_NAME["fragments"]
    with place(condition.serve, condition.rules, condition.prepare) as where:
        result, *_ = where.diagnose("--quick")
        text = _text(result, "blksize", product)
    with place(words(text), condition.rules, condition.prepare) as where:
        again, *_ = where.diagnose("--quick")
    return {
        "cause": result["verdict"]["cause"],
        "after": again["verdict"]["cause"],
        "largest": max(int(s) for s, cut in result["observations"]["pieces"].items() if not cut),
    }


def _in_pieces_tftpd():
    return _in_pieces("in.tftpd (tftp-hpa)", _tftpd_words)


def _in_pieces_dnsmasq():
    return _in_pieces("dnsmasq", _dnsmasq_words)


def _single_port():
    with place(conditions.dnsmasq(True), conditions.HIGH_ONLY) as where:
        result, *_ = where.diagnose("--quick")
        rules = _text(result, "ports")
        where.paste(rules)
        ports = result["verdict"]["rules"]["server_ports"]
        return {"server_ports": ports, "rules": rules, "after": where.boots()}


def _port_range():
    serve = conditions.tftpd("--port-range", "40000:40019")
    with place(serve, conditions.HIGH_ONLY) as where:
        result, *_ = where.diagnose("--quick")
        rules = _text(result, "ports")
        where.paste(rules)
        ports = result["verdict"]["rules"]["server_ports"]
        return {"server_ports": ports, "rules": rules, "after": where.boots()}


def _mtu():
    condition = _BY_NAME["fragments dropped"]
    with place(condition.serve, condition.rules, condition.prepare) as where:
        before = where.boots()
        result, *_ = where.diagnose("--quick")
        where.paste(_text(result, "mtu"))
        cause = result["verdict"]["cause"]
        return {"before": before, "cause": cause, "after": where.boots()}


def _request():
    condition = _BY_NAME["port 69 blocked"]
    with place(condition.serve, condition.rules) as where:
        before = where.boots()
        result, *_ = where.diagnose("--quick")
        # Whether answers come back cannot be known yet; what the requests need is known.
        found = rules.advise("request-blocked", [], result)
        texts = {i["product"]: i["text"] for i in found["items"] if i["product"] in _ON_LINUX}
        where.paste(texts["nftables"])
        opened = where.boots()
        where.firewall.run("nft", "flush", "ruleset")
        where.firewall.run("iptables-nft", "-P", "FORWARD", "DROP")
        where.firewall.run(
            "iptables-nft", "-A", "FORWARD", "-s", conditions.SERVER, "-j", "ACCEPT"
        )
        _iptables(where, texts["iptables"])
        # What goes to the server's new port is another flow.
        where.firewall.run(
            *("iptables-nft", "-A", "FORWARD", "-s", CLIENT, "-p", "udp"),
            *("!", "--dport", "69", "-j", "ACCEPT"),
        )
        return {"before": before, "after": opened, "iptables": where.boots()}


_ON_LINUX = ("nftables", "iptables")


def _server_setting(product, cure, serve):
    """Behind a filter for fragments: the server with the printed setting, and nothing else new."""
    condition = _BY_NAME["fragments dropped"]
    with place(condition.serve, condition.rules, condition.prepare) as where:
        before = where.boots()
        result, *_ = where.diagnose("--quick")
        text = _text(result, cure, product)
    with place(serve(text), condition.rules, condition.prepare) as where:
        return {"before": before, "after": where.boots()}


def _tftpd_words(text):
    (line,) = text.splitlines()
    program, *words = line.split()
    assert program == "in.tftpd" and words.pop() == "..."
    return conditions.tftpd(*words)


def _dnsmasq_words(text):
    return conditions.dnsmasq(words=[f"--{line}" for line in text.splitlines()])


def _tftpd_blocksize():
    return _server_setting("in.tftpd (tftp-hpa)", "blksize", _tftpd_words)


def _dnsmasq_mtu():
    return _server_setting("dnsmasq", "blksize", _dnsmasq_words)


def _port_range_settings():
    """The printed ranges of the servers, and where their answers come from then."""
    seen = {}
    with place(conditions.tftpd(), conditions.HIGH_ONLY) as where:
        result, *_ = where.diagnose("--quick")
    for product, words in (("in.tftpd (tftp-hpa)", _tftpd_words), ("dnsmasq", _dnsmasq_words)):
        text = _text(result, "range", product)
        with place(words(text)) as where:
            again, *_ = where.diagnose("--quick")
        seen[product] = again["observations"]["server_ports"]
    return seen


def _one_answering_port():
    """dnsmasq's single port lets a stateful firewall without a helper be as it is."""
    condition = _BY_NAME["stateful firewall without helper, open outwards"]
    with place(condition.serve, condition.rules) as where:
        before = where.boots()
        result, *_ = where.diagnose("--quick")
        text = _text(result, "single", "dnsmasq")
    with place(_dnsmasq_words(text), condition.rules) as where:
        return {"before": before, "after": where.boots()}


def _every_rom():
    """ROMs that begin elsewhere at each boot, count otherwise, or draw their ports."""
    seen = {}
    images = {"edk2": conditions.for_uefi, "u-boot": conditions.elf, "slof": conditions.elf}
    for rom in ("edk2", "etherboot", "u-boot", "ipxe", "slof"):
        with place(conditions.tftpd(), conditions.HIGH_ONLY, images.get(rom)) as where:
            result, *_ = where.diagnose("--quick", "--rom", rom)
            first, last = result["verdict"]["rules"]["client_ports"]
            where.paste(_text(result, "ports"))
            again, *_ = where.diagnose("--quick", "--rom", rom)
        asked = {a["port"] for e in again["experiments"] if e["id"] == "rom" for a in e["asks"]}
        seen[rom] = {
            "cause": result["verdict"]["cause"],
            "after": again["verdict"]["cause"],
            "inside": first <= min(asked) and max(asked) <= last,
        }
    return seen


def _in_all_words():
    with place(conditions.tftpd(), conditions.HIGH_ONLY) as where:
        result, _, printed = where.diagnose("--quick", "--all-rules")
    return {"rules": result["verdict"]["rules"], "printed": " ".join(printed.split())}


def _on_micropython():
    with place(conditions.tftpd(), conditions.HIGH_ONLY) as where:
        result, *_ = where.diagnose("--quick", "--endpoint", "micropython")
        where.paste(_text(result, "ports"))
        after = where.boots("--endpoint", "micropython")
    verdict = result["verdict"]
    runtime = result["endpoint"]["runtime"]
    return {"cause": verdict["cause"], "runtime": runtime, "after": after}


_CASES = (
    *(_reported_ports, _reported_helper, _iptables_ports, _iptables_helper, _nft_helper),
    *(_single_port, _port_range, _mtu, _in_all_words, _on_micropython),
    *(_request, _tftpd_blocksize, _dnsmasq_mtu, _port_range_settings, _one_answering_port),
    *(_dnat_nft, _dnat_iptables, _dnat_open, _rejected, _prohibited, _limited, _at_once),
    *(_in_pieces_tftpd, _in_pieces_dnsmasq, _every_rom),
)


@pytest.fixture(scope="module")
def seen():
    with concurrent.futures.ThreadPoolExecutor(_CASES_AT_ONCE) as pool:
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


@pytest.mark.parametrize("case", ["_dnat_nft", "_dnat_iptables"])
def test_helper_cures_a_server_behind_dnat(seen, case):
    """The helper has to be set for the address that the client asked."""
    assert seen[case] == {"before": False, "cause": "no-tftp-helper", "after": True}


def test_helper_translates_the_answers_of_a_server_behind_dnat(seen):
    assert seen["_dnat_open"] == {"before": False, "cause": "other-address", "after": [True] * 4}


@pytest.mark.parametrize("case, cause", [("_rejected", "rejected"), ("_prohibited", "rejected")])
def test_rule_for_the_requests_goes_ahead_of_the_one_that_rejects(seen, case, cause):
    assert seen[case] == {"before": False, "cause": cause, "after": [True] * 4}


def test_rule_for_the_requests_goes_ahead_of_the_limit(seen):
    assert seen["_limited"] == {"before": True, "cause": "rate-limit", "after": [True] * 4}


def test_servers_setting_lets_more_transfers_stand_open(seen):
    assert seen["_at_once"] == {"cause": "few-at-once", "after": "healthy"}


@pytest.mark.parametrize("case", ["_in_pieces_tftpd", "_in_pieces_dnsmasq"])
def test_printed_block_size_comes_whole(seen, case):
    found = seen[case]
    assert (found["cause"], found["after"]) == ("fragments", "healthy")
    assert 1400 - 60 < found["largest"] <= 1400 - 32  # IPv4, UDP and TFTP have 32 bytes


def test_mtu_rules_let_fragments_and_icmp_pass(seen):
    assert seen["_mtu"] == {"before": False, "cause": "mtu", "after": True}


def test_rules_for_the_requests_open_port_69(seen):
    assert seen["_request"] == {"before": False, "after": True, "iptables": True}


@pytest.mark.parametrize("case", ["_tftpd_blocksize", "_dnsmasq_mtu", "_one_answering_port"])
def test_servers_setting_cures_what_it_is_printed_for(seen, case):
    assert seen[case] == {"before": False, "after": True}


def test_servers_port_range_is_the_one_that_is_printed(seen):
    for ports in seen["_port_range_settings"].values():
        assert 40000 <= ports["least"] <= ports["most"] <= 40099


def test_rule_holds_for_roms_that_begin_elsewhere_at_each_boot_or_draw_their_ports(seen):
    """edk2 begins anywhere from 1024 to 2047; a rule for 1024-1025 would let none of it boot."""
    for rom, found in seen["_every_rom"].items():
        wanted = {"cause": "client-port-filter", "after": "healthy", "inside": True}
        assert found == wanted, rom


def test_texts_that_no_test_loaded_are_said_to_be_untried(seen):
    rules_of, printed = seen["_in_all_words"]["rules"], seen["_in_all_words"]["printed"]
    tried = {item["product"] for item in rules_of["items"] if item["tried"]}
    assert tried == {"nftables", "iptables", "in.tftpd (tftp-hpa)", "dnsmasq"}
    count = sum(not item["tried"] for item in rules_of["items"])
    assert printed.count("not tried on the product") == count > 8


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
