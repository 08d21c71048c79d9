"""The public traces of ROMs that ask from UDP 2070 on, typed with values of our own: same ports,
same gaps, in the formats in which people post them."""

import pytest

from host_tests.explain import told

INTEL = ["intel-undi"]
PLAIN = ["intel-undi-plain"]
EITHER = ["intel-undi", "intel-undi-plain"]


@pytest.mark.parametrize(
    ("name", "kind", "ids"),
    [
        ("u1", "tcpdump", INTEL),  # the whole retry table, each request refused by ICMP
        ("u3", "tcpdump", INTEL),  # both requests refused by the server
        ("u5", "tcpdump", INTEL),  # a healthy boot, port 69 alone
        ("u6", "tftpd64", INTEL),  # a healthy boot, Tftpd32's log
        ("u8", "wireshark", PLAIN),  # 4, 8, 12 s, blksize alone; the list shows no ports
        ("u9", "tftpd64", INTEL),  # OACKs that are never acknowledged
        ("u17", "server-log", EITHER),  # atftpd's log: ports and names
        ("g1", "firewall-log", EITHER),  # one line of a firewall
        ("s1", "tcpdump", INTEL),  # names of ports, no times
    ],
)
def test_a_rom_that_counts_from_2070_is_recognised(name, kind, ids):
    result = told.of(f"traces/{name}.txt")
    assert result["sources"][0]["kind"] == kind
    assert told.best(result["clients"][0]) == ids
    assert result["clients"][0]["known"]


@pytest.mark.parametrize("name", ["u5", "u6", "u17"])
def test_what_it_loaded_is_a_client_of_its_own(name):
    second = told.of(f"traces/{name}.txt")["clients"][1]
    assert second["candidates"][0]["rom"] == "pxelinux"


def test_an_older_edk2_is_said_to_be_none_of_the_known_and_edk2_the_nearest():
    (client,) = told.of("traces/i3.txt")["clients"]
    assert (client["known"], client["nearest"]) == (False, "edk2")
    assert any("windowsize" in text for text in client["differs"])


def test_a_u_boot_is_recognised_by_the_name_of_a_port():
    (client,) = told.of("traces/g4.txt")["clients"]
    assert all(rom.startswith("u-boot") for rom in told.best(client))
    assert client["boot"]["ports"] == [1284, 1284]


def test_a_dropped_answer_in_a_firewalls_log_proves_the_cause():
    (client,) = told.of("traces/g1.txt")["clients"]
    assert client["verdict"]["cause"] == "client-port-filter"
    assert client["verdict"]["proved"]
    assert "no-tftp-helper" in client["verdict"]["also_possible"]


def test_the_servers_own_icmp_says_that_nobody_listens():
    (client,) = told.of("traces/u1.txt")["clients"]
    assert client["verdict"]["cause"] == "port-unreachable"


def test_the_gaps_are_among_the_facts():
    (client,) = told.of("traces/u9.txt")["clients"]
    facts = client["candidates"][0]["for"]
    assert any("2.0, 4.0, 6.0, 8.0" in fact for fact in facts)
    assert client["verdict"]["rules"]["client_ports"] == [2070, 2078]
