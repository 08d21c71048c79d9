"""The case that the project exists for, end to end, on CPython and on MicroPython.

`host_tests.lab.firewall` builds and plays it; what it must show stands here. Ports and times are
those that a capture at the server saw.
"""

import pytest

from host_tests.lab import firewall

# One play serves all tests of this file, whichever process runs them.
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("firewall")]

# What captures of the real ROM show (U1, U9, U10): the waits before each further request.
WAITS_S = (2.03, 4.01, 5.99, 7.96, 9.94)
SIZE, DATA = [["tsize", "0"]], [["blksize", "1456"]]


@pytest.fixture(scope="module")
def played():
    return firewall.act_on_all()


@pytest.fixture(params=firewall.ENDPOINTS)
def case(request, played):
    return played[request.param]


def _ports(boot):
    return [request.port for request in boot.requests]


def test_rom_fails_with_open_timeout(case):
    assert case.blocked.exit_code == 1
    assert case.blocked.image is None
    assert "PXE-E32: TFTP open timeout\n" in case.blocked.screen
    assert "PXE-M0F: " in case.blocked.screen
    assert case.blocked.result["status"]["code"] == "PXE-E32"
    assert case.blocked.result["ended"]["by"] == "bench"


def test_requests_count_up_from_2070_at_the_roms_times(case):
    requests = case.blocked.requests
    assert _ports(case.blocked) == [2070, 2071, 2072, 2073, 2074, 2075]
    assert [request.options for request in requests] == [SIZE] * 5 + [DATA]
    pairs = zip(requests, requests[1:], strict=False)
    for (before, after), wait_s in zip(pairs, WAITS_S, strict=True):
        # A busy machine may be late, but never early.
        assert wait_s - 0.05 < after.at_s - before.at_s < wait_s + 1


def test_server_children_sit_connected_to_the_low_ports(case):
    ports = [child.client_port for child in case.blocked.children]
    assert {2072, 2073} <= set(ports) <= set(_ports(case.blocked))
    assert all(child.line.startswith("ESTAB") for child in case.blocked.children)
    assert len({child.pid for child in case.blocked.children}) == len(ports)


def test_it_is_the_firewall_that_drops_the_answers(case):
    # At least one OACK for each request; the server repeats them.
    assert case.blocked.dropped >= len(case.blocked.requests)


def test_os_client_downloads_through_the_same_firewall(case):
    assert case.os_client.exit_code == 0
    assert case.os_client.image == firewall.image()
    assert all(port > 32768 for port in _ports(case.os_client))


def test_second_boot_uses_the_very_same_ports(case):
    assert case.again.exit_code == 1
    assert _ports(case.again) == _ports(case.blocked)[: len(case.again.requests)]
    assert len(case.again.requests) == 3


def test_opening_the_roms_ports_lets_it_boot(case):
    assert case.opened.exit_code == 0
    assert case.opened.image == firewall.image()
    assert _ports(case.opened) == [2070, 2071]


def test_stateful_firewall_has_to_read_tftp(case):
    assert case.stateful.exit_code == 1
    assert case.stateful.dropped
    assert case.reading_tftp.exit_code == 0
    assert case.reading_tftp.image == firewall.image()
    assert _ports(case.reading_tftp) == [2070, 2071]


def test_both_interpreters_send_the_same_requests(played):
    seen = [
        [(request.port, request.options) for request in case.blocked.requests]
        for case in played.values()
    ]
    assert all(one == seen[0] for one in seen)


@pytest.mark.soak
@pytest.mark.parametrize("endpoint", firewall.ENDPOINTS.values())
def test_rom_climbs_the_whole_ladder_and_ends_by_itself(endpoint):
    with firewall.site() as place:
        place.rule(firewall.HIGH_PORTS_ONLY)
        boot = place.boot("intel-undi", endpoint, firewall.FULL_LADDER_S)
    assert boot.exit_code == 1
    assert boot.result["ended"] is None
    assert boot.result["status"]["code"] == "PXE-E32"
    assert _ports(boot) == list(range(2070, 2070 + len(boot.requests)))
    assert [request.options for request in boot.requests[:6]] == [SIZE] * 5 + [DATA]
    waits = [b.at_s - a.at_s for a, b in zip(boot.requests[5:], boot.requests[6:], strict=False)]
    for wait_s, expected_s in zip(waits, (36, 72, 108), strict=False):
        assert abs(wait_s - expected_s) < 1
    assert len(waits) >= 3
