"""The question that this project began with: four lines of netstat."""

import pytest

from host_tests.explain import told


@pytest.fixture(scope="module")
def result():
    return told.of("question.txt")


def test_it_is_seen_that_these_are_the_servers_sockets(result):
    (source,) = result["sources"]
    assert (source["kind"], source["where"]) == ("sockets", "server")


def test_ports_2072_and_2073_are_an_intel_roms_third_and_fourth_request(result):
    rom = result["clients"][0]
    assert rom["ip"] == "10.55.32.175"
    assert told.best(rom) == ["intel-undi", "intel-undi-plain"]  # ports alone tell no more
    (fact,) = rom["candidates"][0]["for"]
    assert "third and fourth request of a counter that begins at 2070" in fact
    assert "2 earlier requests went before" in fact


def test_the_answers_do_not_arrive_and_that_is_concluded_not_proved(result):
    verdict = result["clients"][0]["verdict"]
    assert verdict["cause"] == "client-port-filter"
    assert not verdict["proved"]
    assert verdict["also_possible"] == ["no-tftp-helper"]
    assert verdict["text"].startswith("Consistent with")
    assert any("concluded, not seen" in sentence for sentence in verdict["unknown"])
    assert [row["cause"] for row in verdict["ruled_out"]] == ["request-blocked"]


def test_the_rule_is_as_wide_as_that_roms_counter_goes(result):
    rules = result["clients"][0]["verdict"]["rules"]
    assert rules["client_ports"] == [2070, 2078]
    nft = next(item["text"] for item in rules["items"] if item["id"] == "nft-ports")
    assert "10.254.52.26" in nft and "10.55.32.175" in nft and "2070-2078" in nft


def test_port_44669_is_an_operating_systems_client_of_which_nothing_is_known(result):
    other = result["clients"][1]
    assert {"atftp", "os-client", "tftp-hpa"} <= set(told.best(other))
    assert other["verdict"]["cause"] is None
    assert other["boot"]["outcome"] == "unknown"


def test_the_next_observation_has_the_users_own_address(result):
    command = result["clients"][0]["verdict"]["decide"]["command"]
    assert command.startswith("tcpdump ") and "host 10.55.32.175" in command
