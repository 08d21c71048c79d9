"""What tcpdump, tshark, ss, netstat, servers and firewalls print, as they really print it."""

import json

import pytest
from pxebench.explain import names

from host_tests.explain import told


@pytest.mark.parametrize(
    "name",
    ["tcpdump-n.txt", "tcpdump-e.txt", "tcpdump-v.txt", "tcpdump-x.txt"],
)
def test_tcpdump_is_known_in_all_its_ways(name):
    result = told.of(name)
    assert result["sources"][0]["kind"] == "tcpdump"
    client = result["clients"][0]
    assert told.best(client) == ["intel-undi" if name == "tcpdump-n.txt" else "edk2"]


def test_tcpdump_on_any_interface_says_where_it_ran():
    (source,) = told.of("tcpdump-n.txt")["sources"]
    assert source["where"] == "server"


def test_a_tcpdump_of_the_case_proves_it_by_the_ports_that_are_heard():
    rom, system = told.of("tcpdump-n.txt")["clients"]
    assert rom["verdict"]["cause"] == "client-port-filter" and rom["verdict"]["proved"]
    assert rom["boot"]["ports"] == [2070, 2071, 2072, 2073, 2074, 2075]
    assert min(system["boot"]["ports"]) > 32768


@pytest.mark.parametrize("name", ["tshark.txt", "tshark-v.txt"])
def test_tsharks_list_and_its_details_tell_the_same_client(name):
    result = told.of(name)
    assert result["sources"][0]["kind"] == "wireshark"
    assert told.best(result["clients"][0]) == ["edk2"]


def test_a_list_without_ports_claims_nothing_of_ports():
    (client,) = told.of("tshark.txt")["clients"]
    assert not any("port" in fact for fact in client["candidates"][0]["for"])
    assert client["boot"]["ports"] == []


@pytest.mark.parametrize("name", ["netstat.txt", "ss.txt"])
def test_netstat_and_ss_tell_the_children_of_a_server(name):
    result = told.of(name)
    assert (result["sources"][0]["kind"], result["sources"][0]["where"]) == ("sockets", "server")
    (client,) = result["clients"]
    assert client["boot"]["ports"] == [2070, 2071, 2072, 2073]
    assert client["verdict"]["cause"] == "client-port-filter"


@pytest.mark.parametrize(
    "line",
    [
        "udp4       0      0  10.254.52.26.45140     10.55.32.175.2073      ",
        (
            "udp        0      0 10.254.52.26:45140      10.55.32.175:gxs-data-port VERBUNDEN"
            " 7/in.tftpd"
        ),
        (
            "udp6       0      0 ::ffff:10.254.52.26:45140 ::ffff:10.55.32.175:2073 ESTABLISHED"
            " 7/in.tftpd"
        ),
        "  UDP    10.254.52.26:45140     10.55.32.175:2073                     7181",
        'ESTAB 0 0 10.254.52.26:45140 10.55.32.175:2073 users:(("in.tftpd",pid=7181,fd=0))',
        "udp   ESTAB  0  0  10.254.52.26:45140  10.55.32.175:2073",
    ],
)
def test_other_systems_write_their_sockets_in_other_ways(line):
    (client,) = told.of_text(line + "\n")["clients"]
    assert client["ip"] == "10.55.32.175"
    assert client["boot"]["ports"] == [2073]


def test_sockets_of_other_services_are_no_boot():
    text = """\
Aktive Internetverbindungen (Server und stehende Verbindungen)
udp        0      0 10.0.0.1:53             10.0.0.9:5353           ESTABLISHED 9/named
udp        0      0 10.0.0.1:123            10.0.0.9:123            ESTABLISHED 9/ntpd
tcp        0      0 10.0.0.1:22             10.0.0.9:50000          ESTABLISHED 9/sshd
"""
    result = told.of_text(text)
    assert result["clients"] == []
    assert result["outcome"] == "nothing"


# ---- logs


def test_in_tftpds_log_has_no_ports_and_its_gaps_tell():
    (client,) = told.of("in.tftpd.log")["clients"]
    assert "intel-undi" in told.best(client)
    assert client["verdict"]["cause"] == "client-port-filter"
    assert not client["verdict"]["proved"]


def test_atftpds_log_tells_the_rom_from_the_systems_client():
    result = told.of("atftpd.log")
    assert result["sources"][0]["where"] == "server"
    rom = result["clients"][0]
    assert told.best(rom) == ["intel-undi"]
    assert rom["boot"]["ports"] == [2070, 2071, 2072, 2073]
    assert all(min(c["boot"]["ports"]) > 32768 for c in result["clients"][1:])


def test_dnsmasqs_log_says_that_a_file_is_missing():
    (client,) = told.of("dnsmasq.log")["clients"]
    assert client["verdict"]["cause"] == "file-missing"


def test_dnsmasqs_log_says_that_it_gave_up():
    (client,) = told.of_text("dnsmasq-tftp[7]: failed sending /srv/x.0 to 10.55.32.175\n")[
        "clients"
    ]
    assert client["verdict"]["cause"] == "no-tftp-helper"
    assert "client-port-filter" in client["verdict"]["also_possible"]


# Those of dnsmasq 2.90's languages that have these lines (its po/de, fr, pl).
@pytest.mark.parametrize(
    ("line", "outcome"),
    [
        ("Datei /srv/x.0 nicht gefunden für 10.55.32.175", "file-missing"),
        ("fichier /srv/x.0 non trouvé pour 10.55.32.175", "file-missing"),
        ("plik /srv/x.0 nie został znaleziony dla 10.55.32.175", "file-missing"),
        ("/srv/x.0 an 10.55.32.175 verschickt", "healthy"),
        ("envoyé /srv/x.0 à 10.55.32.175", "healthy"),
        ("plik /srv/x.0 przesłano do 10.55.32.175", "healthy"),
        ("konnte /srv/x.0 nicht an 10.55.32.175 senden", "no-tftp-helper"),
        ("impossible d'envoyer /srv/x.0 à 10.55.32.175", "no-tftp-helper"),
        ("błąd wysyłania pliku /srv/x.0 do komputera 10.55.32.175", "no-tftp-helper"),
    ],
)
def test_dnsmasqs_log_is_read_in_its_languages(line, outcome):
    (client,) = told.of_text(f"Apr  4 11:38:25 pi dnsmasq-tftp[443]: {line}\n")["clients"]
    assert client["verdict"]["cause"] == outcome
    assert "/srv/x.0" in json.dumps(client)


def test_requests_for_one_file_after_the_other_at_once_were_answered():
    # rpi-eeprom's issue 74: a trace of port 69 alone.
    lines = [
        '18:23:31.697111 IP 192.168.1.32.40187 > 192.168.1.199.69:  40 RRQ "start4.elf"'
        " octet tsize 0 blksize 1024",
        '18:23:31.697542 IP 192.168.1.32.40188 > 192.168.1.199.69:  39 RRQ "start.elf"'
        " octet tsize 0 blksize 1024",
        "18:23:31.711981 IP 192.168.1.32.40189 > 192.168.1.199.69:  49 RRQ"
        ' "d9780558/start4.elf" octet tsize 0 blksize 1024',
    ]
    (client,) = told.of_text("\n".join(lines) + "\n")["clients"]
    assert client["verdict"]["cause"] is None
    told_of_it = json.dumps(client)
    assert "each but the last had an answer" in told_of_it
    assert "nothing answers" not in told_of_it


def test_dnsmasqs_dhcp_log_tells_a_client_by_what_it_asks_for():
    (client,) = told.of("dnsmasq-dhcp.log")["clients"]
    assert client["mac"] == "ea:c1:06:80:7e:eb"
    assert set(told.best(client)) == {"intel-undi", "intel-undi-plain"}
    assert client["boot"]["reached"] == "lease"


def test_keas_log_tells_a_lease():
    (client,) = told.of("kea.log")["clients"]
    assert (client["ip"], client["mac"]) == ("10.88.0.100", "ea:c1:06:80:7e:eb")
    assert client["boot"]["reached"] == "lease"
    assert not client["known"]


def test_isc_dhcpds_log_tells_that_there_is_no_address():
    text = (
        "Nov 30 10:00:00 gw dhcpd[7]: DHCPDISCOVER from 52:54:00:12:34:56 via eth0: network "
        "10.0.0.0/24: no free leases\n"
    )
    (client,) = told.of_text(text)["clients"]
    assert client["boot"]["reached"] == "dhcp"
    assert "no free leases" in client["boot"]["steps"][0]["text"]


def test_wds_events_tell_a_failed_download_and_its_port():
    text = """\
The Following Client failed TFTP Download:
Client IP: 10.55.32.175
Filename: \\boot\\x64\\wdsnbp.com
ErrorCode: 1460
File Size: 31124
Client Port: 2071
Server Port: 64001
Variable Window: false
"""
    result = told.of_text(text)
    assert result["sources"][0]["kind"] == "wds"
    (client,) = result["clients"]
    assert client["boot"]["outcome"] == "failed"
    assert client["candidates"][0]["rom"] == "intel-undi" and client["boot"]["ports"] == [2071]


# ---- firewalls


def test_an_nft_trace_proves_what_is_dropped():
    (client,) = told.of("nft-trace.txt")["clients"]
    assert client["verdict"]["cause"] == "client-port-filter" and client["verdict"]["proved"]
    assert any("dropped" in sentence for sentence in client["verdict"]["explains"])


@pytest.mark.parametrize(
    "line",
    [
        (
            "kernel: FW-DROP IN=eth1 OUT=eth0 SRC=10.254.52.26 DST=10.55.32.175 LEN=42 TOS=0x00"
            " TTL=63 ID=4321 DF PROTO=UDP SPT=50303 DPT=2070 LEN=22"
        ),
        (
            "%ASA-4-106023: Deny udp src outside:10.254.52.26/50303 dst inside:10.55.32.175/2070"
            ' by access-group "OUT" [0x0, 0x0]'
        ),
        (
            "%ASA-2-106006: Deny inbound UDP from 10.254.52.26/50303 to 10.55.32.175/2070 on"
            " interface x"
        ),
        "rule 3/0(match): block in on em1: 10.254.52.26.50303 > 10.55.32.175.2070: UDP, length 14",
        (
            "filterlog[123]: 5,,,1000000103,em0,match,block,in,4,0x0,,64,1234,0,none,17,udp,42,"
            "10.254.52.26,10.55.32.175,50303,2070,22"
        ),
        (
            "2026-11-30 18:00:00 DROP UDP 10.254.52.26 10.55.32.175 50303 2070 42 - - - - - - -"
            " RECEIVE"
        ),
        "srcip=10.254.52.26 srcport=50303 srcintf=x dstip=10.55.32.175 dstport=2070 action=deny",
        "RT_FLOW - RT_FLOW_SESSION_DENY: session denied 10.254.52.26/50303->10.55.32.175/2070 0x0",
    ],
)
def test_each_firewall_says_in_its_own_words_that_an_answer_was_dropped(line):
    result = told.of_text(line + "\n")
    assert result["sources"][0]["kind"] == "firewall-log"
    (client,) = result["clients"]
    assert client["ip"] == "10.55.32.175"
    assert client["boot"]["ports"] == [2070]
    assert (client["verdict"]["cause"], client["verdict"]["proved"]) == (
        "client-port-filter",
        True,
    )


def test_a_packet_that_a_firewall_merely_logged_proves_no_drop():
    line = (
        "kernel: tftp IN=eth1 OUT=eth0 SRC=10.254.52.26 DST=10.55.32.175 LEN=42 TTL=63 PROTO=UDP "
        "SPT=50303 DPT=2070 LEN=22\n"
    )
    (client,) = told.of_text(line)["clients"]
    assert not client["verdict"]["proved"]


# ---- names, numbers, times


def test_all_names_that_tcpdump_prints_for_207x_are_known():
    words = ("ah-esp-encap", "acp-port", "msync", "gxs-data-port", "vrtl-vmf-sa", "newlixengine")
    assert [names.port(word) for word in words] == list(range(2070, 2076))
    assert names.port("no-such-service-here") is None
    assert names.port("65536") is None


def test_times_of_all_formats_can_be_subtracted():
    assert names.clock("2026-11-30 10:00:01.5") - names.clock("2026-11-30 09:59:59") == 2.5
    assert names.clock("Dec  1 00:00:01") - names.clock("Nov 30 23:59:59") == 2
    assert names.clock("25:00:00") is None


def test_utf_16_as_windows_redirects_it_is_read():
    text = "  UDP    10.254.52.26:45140     10.55.32.175:2073                     7181\r\n"
    for content in (text.encode("utf-16"), text.encode("utf-16-le") * 4):
        result = told.of_bytes(content)
        assert result["clients"][0]["boot"]["ports"] == [2073]


_LINES = {
    "French": "udp        0      0 {}:45140      {}:2073       ESTABLISHED 25115/in.tftpd\n",
    "FreeBSD": "udp4       0      0  {}.45140     {}.2073\n",
    "sockstat": "nobody   tftpd      4242  0  udp4   {}:45140    {}:2073\n",
    "lsof": "in.tftpd 25115 nobody    0u  IPv4 123456      0t0  UDP {}:45140->{}:2073\n",
    "Japanese": "  UDP         {}:45140       {}:2073\n",
    "German": "  UDP    {}:45140       {}:2073        *          4242\n",
    "Spanish": "udp        0      0 {}:45140      {}:2073       ESTABLECIDO 25115/in.tftpd\n",
}
_HEADS = {
    "French": "Connexions Internet actives (serveurs et établies)\nProto Adresse locale Etat\n",
    "FreeBSD": "Active Internet connections (including servers)\n",
    "sockstat": "USER     COMMAND    PID   FD PROTO  LOCAL ADDRESS         FOREIGN ADDRESS\n",
    "lsof": "COMMAND    PID   USER   FD   TYPE DEVICE SIZE/OFF NODE NAME\n",
    "Japanese": "アクティブな接続\n\n  プロトコル  ローカル アドレス      外部アドレス\n",
    "German": "\nAktive Verbindungen\n\n  Proto  Lokale Adresse         Remoteadresse\n",
    "Spanish": "Conexiones activas de Internet (servidores y establecidos)\n",
}


@pytest.mark.parametrize("system", _LINES)
def test_a_table_of_sockets_is_read_whatever_the_language_of_its_head(system):
    line = _LINES[system].format("10.254.52.26", "10.55.32.175")
    other = line.replace("2073", "2072").replace("45140", "53684")
    result = told.of_text(_HEADS[system] + line + other)
    (client,) = result["clients"]
    assert (client["ip"], client["boot"]["ports"]) == ("10.55.32.175", [2072, 2073])
    assert told.best(client) == ["intel-undi", "intel-undi-plain"]
    assert client["verdict"]["cause"] == "client-port-filter"


def test_an_asa_s_access_list_and_its_other_messages():
    text = (
        '%ASA-4-106023: Deny udp src dmz:10.254.52.26/50303 dst inside:10.55.32.175/2070 by "x"\n'
        "%ASA-6-106100: access-list dmz_in denied udp dmz/10.254.52.26(50310) ->"
        " inside/10.55.32.175(2072) hit-cnt 1 first hit [0x0, 0x0]\n"
    )
    (client,) = told.of_text(text)["clients"]
    assert client["verdict"]["cause"] == "client-port-filter" and client["verdict"]["proved"]
    assert "2070" in client["verdict"]["text"] and "2072" in client["verdict"]["text"]


def test_a_firewalls_table_of_flows_is_what_it_let_through():
    text = (
        "udp      17 27 src=10.55.32.175 dst=10.254.52.26 sport=2072 dport=69 [UNREPLIED]"
        " src=10.254.52.26 dst=10.55.32.175 sport=69 dport=2072 mark=0 use=1\n"
    )
    result = told.of_text(text)
    (client,) = result["clients"]
    assert result["sources"][0]["kind"] == "firewall-log"
    assert client["verdict"]["cause"] is None  # an answer comes from another port: no flow of it
