"""Several sources put together: clocks that differ, addresses that a translator changed."""

import struct

import pytest

from host_tests.explain import told, wire

NAT = "192.0.2.1"


def _requests(boot, at=0.0, ports=(2070, 2071, 2072, 2073)):
    for port, wait in zip(ports, (0, 2.0, 6.0, 12.0), strict=True):
        boot.rrq(port, at + wait, tsize="0")


def _notes(result):
    return " ".join(result["notes"])


def _translated(frames, address, ports):
    # The frames behind a router that gives each client port another one.
    found = []
    for at, packet in frames:
        raw = bytearray(packet)
        raw[8] -= 1
        client = bytes(map(int, wire.CLIENT.split(".")))
        new = bytes(map(int, address.split(".")))
        for where, port in ((12, 20), (16, 22)):
            if raw[where : where + 4] == client:
                raw[where : where + 4] = new
                old = struct.unpack_from(">H", raw, port)[0]
                struct.pack_into(">H", raw, port, ports.get(old, old))
        found.append((at, bytes(raw)))
    return found


PORTS = {2070: 41000, 2071: 52111, 2072: 43222, 2073: 61333}


def test_a_client_behind_nat_is_one_client_in_both_captures():
    boot = wire.Boot()
    _requests(boot)
    there = _translated(boot.frames, NAT, PORTS)
    for number, (at, _) in enumerate(there[:4]):
        answer = wire.datagram(
            wire.SERVER, 50000 + number, NAT, list(PORTS.values())[number], b"\0\6tsize\0" + b"9\0"
        )
        there.append((at + 0.001, answer))
    result = told.of_named(
        {"client.pcap": wire.pcap(boot.frames), "server.pcap": wire.pcap(there)}
    )
    (client,) = result["clients"]
    assert (client["ip"], client["boot"]["ports"]) == (wire.CLIENT, [2070, 2071, 2072, 2073])
    assert told.best(client)[0].startswith("intel-undi")
    assert f"makes {NAT}:41000 of {wire.CLIENT}:2070, and 3 more" in _notes(result)
    assert "between client.pcap and server.pcap" in _notes(result)
    assert any("answers of the server" in line for line in client["verdict"]["explains"])


def test_without_ip_identification_the_distances_tell_it():
    boot = wire.Boot()
    _requests(boot)
    there = _translated(boot.frames, NAT, PORTS)
    plain = [
        [(at, packet[:4] + b"\0\0" + packet[6:]) for at, packet in frames]
        for frames in (boot.frames, there)
    ]
    result = told.of_bytes(*map(wire.pcap, plain))
    assert [client["ip"] for client in result["clients"]] == [wire.CLIENT]
    assert "at the same distances" in _notes(result)


def test_roms_of_one_kind_that_are_switched_on_together_are_not_one_client():
    one, two = wire.Boot("10.0.0.5"), wire.Boot("10.0.0.6")
    for boot in (one, two):
        _requests(boot)  # the same words, times and IP identifications
    result = told.of_bytes(wire.pcap(one.frames + two.frames))
    assert {client["ip"] for client in result["clients"]} == {"10.0.0.5", "10.0.0.6"}
    assert "translator" not in _notes(result)
    # Nor when the second capture holds both of them.
    result = told.of_bytes(wire.pcap(one.frames), wire.pcap(one.frames + two.frames))
    assert {client["ip"] for client in result["clients"]} == {"10.0.0.5", "10.0.0.6"}
    assert "translator" not in _notes(result)


def test_a_server_behind_dnat_is_the_one_that_was_asked():
    boot, behind = wire.Boot(), wire.Boot(server="10.254.52.27", ttl=19)
    _requests(boot)
    _requests(behind)
    for port in (2070, 2071):
        behind.oack(port, 0.5, tsize="74213")
    result = told.of_named(
        {"client.pcap": wire.pcap(boot.frames), "server.pcap": wire.pcap(behind.frames)}
    )
    assert f"sent to {wire.SERVER} on to 10.254.52.27" in _notes(result)
    (client,) = result["clients"]
    assert client["boot"]["ports"] == [2070, 2071, 2072, 2073]


@pytest.mark.parametrize("ahead", [3.25, -7200.5])
def test_the_offset_of_two_clocks_is_estimated_and_said(ahead):
    here, there = wire.Boot(), wire.Boot()
    for boot, way in ((here, 0.0), (there, ahead)):
        boot.rrq(2070, 0.000 + way + (0.004 if way else 0), tsize="0")
        boot.oack(2070, 0.010 + way - (0.004 if way else 0), tsize="1")
        boot.rrq(2071, 2.000 + way + (0.004 if way else 0), tsize="0")
    result = told.of_named(
        {"client.pcap": wire.pcap(here.frames), "server.pcap": wire.pcap(there.frames)}
    )
    side = "ahead of" if ahead > 0 else "behind"
    size = "3.250 s" if ahead > 0 else "2.00 hours"
    assert f"The clock of server.pcap is {size} {side} that of client.pcap" in _notes(result)
    assert "(3 packets in both)" in _notes(result)


def test_clocks_that_agree_are_not_spoken_of():
    boot = wire.Boot()
    boot.whole(2070, 0.0, blksize="512")
    result = told.of_bytes(wire.pcap(boot.frames), wire.pcap(boot.frames))
    assert "clock" not in _notes(result)


def test_a_logs_lines_stand_in_the_captures_timeline():
    boot = wire.intel(wire.Boot())  # from 2001-09-09 01:46:40
    log = "".join(
        f"Sep  9 03:46:{second:02} server in.tftpd[{4000 + second}]: RRQ from {wire.CLIENT}"
        " filename undionly.kpxe\n"
        for second in (43, 45, 49, 55)
    )
    log += f"Sep  9 03:46:59 server dnsmasq-tftp[7]: failed sending /srv/x to {wire.CLIENT}\n"
    result = told.of_named({"client.pcap": wire.pcap(boot.frames), "tftpd.log": log.encode()})
    assert "The clock of tftpd.log is 2.00 hours ahead of" in _notes(result)
    (client,) = result["clients"]
    (gave_up,) = [step for step in client["boot"]["steps"] if step["what"] == "failed"]
    assert 14_000 < gave_up["at_ms"] < 18_000


def test_an_address_that_only_a_log_has_is_the_client_when_files_and_distances_agree():
    boot = wire.Boot()
    _requests(boot)
    log = "".join(
        f"Nov 30 10:00:{second:02} server in.tftpd[{second}]: RRQ from {NAT} filename"
        " undionly.kpxe\n"
        for second in (3, 5, 9, 15)
    )
    result = told.of_named({"client.pcap": wire.pcap(boot.frames), "tftpd.log": log.encode()})
    assert [client["ip"] for client in result["clients"]] == [wire.CLIENT]
    assert f"{NAT} of tftpd.log is most likely {wire.CLIENT}, translated" in _notes(result)


def _probe_then(gap, port, **options):
    boot = wire.Boot()
    boot.rrq(41000, 0.0, tsize="0")
    boot.oack(41000, 0.001, tsize="1124")
    boot.error(41000, 0.002, 0, "TFTP Aborted", by_client=True)
    boot.whole(port, 0.002 + gap, blocks=3, **options)
    return told.of_bytes(wire.pcap(boot.frames))["clients"]


def test_a_probe_and_its_file_are_one_program_though_a_translator_changed_the_ports():
    (client,) = _probe_then(0.004, 52111, blksize="512")
    assert (client["boot"]["ports"], client["boot"]["outcome"]) == ([41000, 52111], "ok")


def test_a_client_that_somebody_starts_behind_a_failed_rom_is_another_program():
    rom, system = _probe_then(0.2, 52111)
    assert rom["boot"]["ports"] == [41000] and system["boot"]["ports"] == [52111]
