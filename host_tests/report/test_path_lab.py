"""`--server-pcap` on real machines: a client, a firewall with nftables, in.tftpd, two captures."""

import contextlib
import json
import sys

import pytest

from host_tests.lab import capture, firewall

_REQUESTS_DROPPED = """
table ip firewall {
  counter dropped { }
  chain forward {
    type filter hook forward priority filter; policy accept;
    ip saddr 10.55.32.175 udp sport < 32768 udp dport 69 counter name dropped drop
  }
}
"""
_TRANSLATED = """
table ip firewall {
  counter dropped { }
  chain postrouting {
    type nat hook postrouting priority srcnat; policy accept;
    oifname "outside" ip protocol udp snat to 10.254.52.1:40000-50000 random
  }
}
table ip tftp {
  ct helper tftp-reader { type "tftp" protocol udp; }
  chain prerouting {
    type filter hook prerouting priority filter; policy accept;
    udp dport 69 ct helper set "tftp-reader"
  }
}
"""


@pytest.fixture(scope="module")
def place():
    with firewall.site() as made:
        yield made


def _fetch(place, *words):
    url = f"tftp://{firewall.SERVER}/{firewall.FILE}"
    argv = [sys.executable, "-m", "pxebench", "fetch", url, "--json", "-", *words]
    with contextlib.ExitStack() as stack:
        inside = stack.enter_context(capture.capture(place.firewall, "inside")).path
        server = stack.enter_context(capture.capture(place.server, "eth0")).path
        argv += ["--server-pcap", inside, "--server-pcap", server]
        process = stack.enter_context(place.client.start(*argv))
        code = process.wait(30)
        out = process.output()
    return code, json.loads(out[out.index("{") : out.rindex("}") + 1])["path"]


def _findings(path, *ids):
    return [finding for finding in path["findings"] if finding["id"] in ids]


def test_dropped_answer_and_lost_request_are_told_apart(place):
    place.rule(firewall.HIGH_PORTS_ONLY)
    code, path = _fetch(place, "--max-time", "3")
    assert code == 1
    (lost,) = _findings(path, "answer-lost", "request-lost")
    assert lost["id"] == "answer-lost" and lost["certain"]
    assert lost["ports"] == [2070, 2071]
    inside, outside = (hop["file"] for hop in path["hops"])
    assert lost["between"] == [outside, inside]
    assert [hop["at_server"] for hop in path["hops"]] == [None, True]

    place.rule(_REQUESTS_DROPPED)
    code, path = _fetch(place, "--max-time", "3")
    assert code == 1
    lost = _findings(path, "answer-lost", "request-lost", "not-of-this-run")
    assert {finding["id"] for finding in lost} >= {"not-of-this-run"}
    assert "answer-lost" not in {finding["id"] for finding in lost}
    assert path["hops"][0]["matched"] == 2


def test_healthy_boot_agrees_at_every_hop_and_the_clocks_are_one(place):
    place.rule(firewall.ROM_PORTS_TOO)
    code, path = _fetch(place)
    assert code == 0
    assert [finding["id"] for finding in path["findings"]] == ["all-seen"]
    for hop in path["hops"]:
        assert abs(hop["offset_ms"]) < 20  # one machine, one clock
        assert hop["offset_within_ms"] < 20
        assert hop["matched"] == len(path["packets"])


def test_translated_client_is_recognised_through_a_real_nat(place):
    place.rule(_TRANSLATED)
    code, path = _fetch(place)
    assert code == 0, path
    assert [finding["id"] for finding in path["findings"]] == ["nat"]
    inside, server = path["hops"]
    assert inside["nat"] == [] and inside["at_server"] is False
    ports = [nat["client"].rpartition(":")[2] for nat in server["nat"]]
    assert ports == ["2070", "2071"]
    assert all(nat["seen_as"].startswith("10.254.52.1:4") for nat in server["nat"])
    assert server["matched"] == len(path["packets"])


def test_diagnosis_with_captures_says_where_the_answers_die_and_nothing_else(place):
    place.rule(firewall.HIGH_PORTS_ONLY)
    words = ("diagnose", "--server", firewall.SERVER, "--file", firewall.FILE, "--quick")
    with contextlib.ExitStack() as stack:
        inside = stack.enter_context(capture.capture(place.firewall, "inside")).path
        server = stack.enter_context(capture.capture(place.server, "eth0")).path
        argv = [sys.executable, "-m", "pxebench", *words, "--json", "-"]
        argv += ["--server-pcap", inside, "--server-pcap", server]
        process = stack.enter_context(place.client.start(*argv))
        code = process.wait(60)
        out = process.output()
    assert code == 1
    result = json.loads(out[out.index("{") : out.rindex("}") + 1])
    assert result["verdict"]["cause"] == "client-port-filter"
    assert result["verdict"]["also_possible"] == []
    found = {finding["id"]: finding for finding in result["path"]["findings"]}
    # Of a fragmented block the firewall drops all but the first piece: a packet that is lost.
    assert set(found) - {"lost"} == {"answer-lost"}
    assert {2070, 2071}.issubset(found["answer-lost"]["ports"])
    assert max(found["answer-lost"]["ports"]) <= 32768
    assert result["verdict"]["decide"] is None
