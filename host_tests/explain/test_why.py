"""Causes out of packets put together by hand: what proves one, and what is merely consistent."""

import pytest

from host_tests.explain import told, wire
from host_tests.explain.wire import CLIENT, SERVER, Boot, intel


def verdict(*boots, client=0):
    """The verdict of a client, from one capture for each `Boot`."""
    result = told.of_bytes(*(wire.pcap(boot.frames) for boot in boots))
    return result["clients"][client]["verdict"]


def named(found):
    return found["cause"], found["proved"]


def test_silence_at_the_client_is_consistent_with_all_that_stops_answers():
    found = verdict(intel(Boot()))
    assert named(found) == ("request-blocked", False)
    assert set(found["also_possible"]) == {"no-tftp-helper", "nat-port", "client-port-filter"}
    assert found["decide"]["command"].startswith("tcpdump")


def test_answers_of_dhcp_without_their_details_say_nothing_of_a_file():
    """The gPXE list, October 2011: four DISCOVERs, each answered, as tcpdump prints it."""
    lines = ""
    for at in (0, 2, 6, 14):
        lines += (
            f"10:00:{at:02}.0 IP 0.0.0.0.68 > 255.255.255.255.67: BOOTP/DHCP, Request from"
            f" 00:1b:21:aa:bb:cc, length 548\n10:00:{at:02}.1 IP 192.168.0.65.67 >"
            " 255.255.255.255.68: BOOTP/DHCP, Reply, length 300\n"
        )
    (client,) = told.of_text(lines)["clients"]
    found = client["verdict"]
    assert named(found) == (None, False)
    assert "What they offer is not in this" in found["text"] and "E53" not in found["text"]


def test_a_step_is_the_last_one_where_it_says_that_it_stops():
    (client,) = told.of_bytes(wire.pcap(intel(Boot(ttl=63), answered=True).frames))["clients"]
    words = [step["text"] for step in client["boot"]["steps"]]
    assert "it stops here" not in words[:-1]
    assert "it goes no further with this request" in words


def test_answers_that_leave_the_server_and_no_reaction_leave_the_way_back():
    found = verdict(intel(Boot(ttl=63), answered=True))
    assert named(found) == ("client-port-filter", False)
    assert found["also_possible"] == ["no-tftp-helper"]
    assert {row["cause"] for row in found["ruled_out"]} == {"request-blocked"}


def test_a_transfer_from_a_high_port_in_the_meantime_proves_that_the_ports_decide():
    boot = intel(Boot(ttl=63), answered=True)
    boot.whole(44669, 35.0)
    found = verdict(boot)
    assert named(found) == ("client-port-filter", True)
    assert {"no-tftp-helper", "nat-port"} <= {row["cause"] for row in found["ruled_out"]}


def test_a_transfer_before_the_silence_proves_nothing_of_ports():
    boot = Boot()
    boot.whole(44669, 0.0)
    for number in range(4):
        boot.rrq(2070 + number, 60.0 + number * 3, file="other.0", tsize="0")
    found = verdict(boot, client=1)
    assert not found["proved"]


def test_high_ports_that_hear_nothing_leave_the_helper():
    boot = Boot(ttl=63)
    for number in range(5):
        boot.rrq(40000, number * 5.0)
        boot.data(40000, number * 5.0 + 0.001, 1, tid=wire.TID + number)
    found = verdict(boot)
    assert named(found) == ("no-tftp-helper", False)


def test_two_captures_prove_that_requests_never_arrive():
    at_the_client = intel(Boot(ttl=64, server_ttl=63))
    at_the_client.whole(50000, -20.0)
    at_the_server = Boot(ttl=63, server_ttl=64)
    at_the_server.whole(50000, -20.0)
    result = told.of_bytes(wire.pcap(at_the_client.frames), wire.pcap(at_the_server.frames))
    rows = [client for client in result["clients"] if client["boot"]["outcome"] == "failed"]
    assert named(rows[0]["verdict"]) == ("request-blocked", True)


def test_two_captures_of_one_boot_are_one_client():
    near = intel(Boot(ttl=64, server_ttl=63))
    far = intel(Boot(ttl=63, server_ttl=64), answered=True)
    result = told.of_bytes(wire.pcap(near.frames), wire.pcap(far.frames))
    (client,) = result["clients"]
    assert client["verdict"]["cause"] == "client-port-filter"
    assert any("at the server" in sentence for sentence in client["verdict"]["explains"])


def test_port_unreachable_of_the_server_itself_is_nobody_listening():
    boot = Boot()
    for number in range(3):
        boot.icmp(number * 2.0 + 0.001, boot.rrq(2070 + number, number * 2.0, tsize="0"))
    assert named(verdict(boot)) == ("port-unreachable", True)


@pytest.mark.parametrize(("code", "cause"), [(10, "rejected"), (13, "rejected"), (3, "rejected")])
def test_icmp_of_another_machine_is_a_firewalls(code, cause):
    boot = Boot()
    for number in range(3):
        sent = boot.rrq(2070 + number, number * 2.0, tsize="0")
        boot.icmp(number * 2.0 + 0.001, sent, code, sender="10.55.32.1")
    assert verdict(boot)["cause"] in (cause, "port-unreachable")


@pytest.mark.parametrize(
    ("code", "text", "cause"),
    [
        (1, "File not found", "file-missing"),
        (0, "No such file or directory", "file-missing"),
        (2, "Access violation", "file-denied"),
        (0, "Only absolute filenames allowed", "file-denied"),
        (8, "Option negotiation failed", "options-refused"),
        (0, "Server busy", "server-error"),
    ],
)
def test_an_error_of_the_server_says_it_in_words(code, text, cause):
    boot = Boot()
    boot.rrq(2071, 0.0, blksize="1456")
    boot.error(2071, 0.001, code, text)
    assert named(verdict(boot)) == (cause, True)


@pytest.mark.parametrize(("size", "told"), [(1456, True), (600, False)])
def test_blksize_that_is_in_effect_without_an_oack(size, told):
    """tftp4j#2: DATA of the size that was asked for, and no OACK."""
    boot = Boot()
    boot.rrq(50000, 0.0, blksize="1456")
    boot.data(50000, 0.001, 1, size)
    boot.error(50000, 0.002, 4, "Illegal TFTP operation", by_client=True)
    found = verdict(boot)
    assert named(found) == ("oversize-data", True)
    said = [text for text in found["explains"] if "without an OACK (RFC 2347)" in text]
    assert bool(said) == told


def test_answers_of_an_address_that_was_not_asked():
    boot = Boot()
    for number in range(3):
        boot.rrq(2070 + number, number * 2.0, tsize="0")
        boot.back(
            50000, 2070 + number, number * 2.0 + 0.001, b"\0\6tsize\0001\0", src="10.254.52.27"
        )
    found = verdict(boot)
    assert named(found) == ("other-address", True)
    assert "10.254.52.27" in found["text"]


def test_a_block_that_never_comes_after_an_acknowledged_oack():
    boot = Boot()
    boot.rrq(40000, 0.0, blksize="1456")
    boot.oack(40000, 0.001, blksize="1456")
    boot.ack(40000, 0.002, 0)
    for number in range(4):
        boot.data(40000, 0.003 + number, 1, 1456)
    found = verdict(boot)
    assert found["cause"] == "mtu"
    assert any("block 1 (1456 bytes) 4 times" in sentence for sentence in found["explains"])


def test_an_oack_that_is_repeated_although_it_was_acknowledged():
    boot = Boot()
    boot.rrq(40000, 0.0, blksize="512")
    for number in range(4):
        boot.oack(40000, 0.001 + number, blksize="512")
        boot.ack(40000, 0.002 + number, 0)
    assert named(verdict(boot)) == ("no-tftp-helper", False)


def test_a_probe_that_ends_in_an_error_is_no_failure():
    boot = Boot()
    boot.rrq(2070, 0.0, tsize="0")
    boot.oack(2070, 0.001, tsize="612")
    boot.error(2070, 0.0011, 0, "TFTP Aborted", by_client=True)
    boot.rrq(2071, 0.0013, blksize="1456")
    boot.oack(2071, 0.002, tid=50001, blksize="1456")
    boot.ack(2071, 0.0021, 0, tid=50001)
    boot.data(2071, 0.003, 1, 612, tid=50001)
    boot.ack(2071, 0.0031, 1, tid=50001)
    result = told.of_bytes(wire.pcap(boot.frames))
    (client,) = result["clients"]
    assert result["outcome"] == "ok"
    assert told.best(client) == ["intel-undi"]
    assert any("TFTP Aborted" in fact for fact in client["candidates"][0]["for"])


def test_a_file_that_ends_in_the_middle_of_nothing_is_not_a_failure_yet():
    boot = Boot()
    boot.rrq(2070, 0.0, tsize="0")
    result = told.of_bytes(wire.pcap(boot.frames))
    assert result["clients"][0]["boot"]["outcome"] == "unknown"
    assert result["clients"][0]["verdict"]["cause"] is None


def test_a_log_and_a_capture_of_one_boot_are_put_together():
    near = intel(Boot(ttl=64, server_ttl=63))
    log = f"Nov 30 10:00:00 s in.tftpd[1]: RRQ from {CLIENT} filename undionly.kpxe\n".encode()
    result = told.of_bytes(wire.pcap(near.frames), log)
    (client,) = result["clients"]
    assert client["verdict"]["cause"] == "client-port-filter"
    assert [row["cause"] for row in client["verdict"]["ruled_out"]] == ["request-blocked"]


def test_a_firewalls_drop_of_the_request_itself():
    line = f"kernel: DROP IN=a SRC={CLIENT} DST={SERVER} LEN=58 TTL=63 PROTO=UDP SPT=2070 DPT=69\n"
    result = told.of_text(line)
    assert named(result["clients"][0]["verdict"]) == ("request-blocked", True)


def test_a_firewalls_drop_of_what_goes_to_the_servers_new_port():
    line = (
        f"kernel: DROP IN=a SRC={CLIENT} DST={SERVER} LEN=32 TTL=63 PROTO=UDP SPT=2070 DPT=50123\n"
    )
    boot = intel(Boot())
    result = told.of_bytes(wire.pcap(boot.frames), line.encode())
    assert named(result["clients"][0]["verdict"]) == ("no-tftp-helper", True)


def test_rules_come_with_the_addresses_and_ports_that_were_seen():
    found = verdict(intel(Boot(ttl=63), answered=True))
    text = found["rules"]["items"][0]["text"]
    assert CLIENT in text and SERVER in text and "2070-2078" in text


def test_a_single_port_server_is_acknowledged_at_port_69():
    boot = Boot()
    boot.whole(2071, 0.0, tid=69, blksize="512")
    (client,) = told.of_bytes(wire.pcap(boot.frames))["clients"]
    assert client["boot"]["outcome"] == "ok"
    assert client["verdict"]["cause"] == "healthy"
