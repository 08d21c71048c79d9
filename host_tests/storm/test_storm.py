"""`pxebench storm` in networks of its own: real servers, real limits, and nothing left behind."""

import contextlib
import json
import os
import signal
import sys
import tempfile
import time
from pathlib import Path

import pytest
from pxebench.storm.limit import limit

from host_tests.lab import dhcp_servers, namespaces, servers

pytestmark = [pytest.mark.slow]

SERVER = "10.88.0.1"
FROM = "10.88.0.100-10.88.0.250"
SMALL = bytes(range(256)) * 800  # 200 KiB: a storm of it overlaps
OS = ("--rom", "os-client")  # no size probe: one RRQ, one transfer
BIG = bytes(range(256)) * 32768  # 8 MiB: whoever waits, waits for seconds


class Desk:
    """A server and this PC on one network; `storm(...)` runs the command and reads its JSON."""

    def __init__(self, stack):
        self.lan = dhcp_servers.Lan(stack.enter_context(namespaces.lab()))
        self.server = self.lan.machine("server", f"{SERVER}/24")
        self.pc = self.lan.machine("pc", "10.88.0.2/24")
        files = {"f": SMALL, "big": BIG}
        self.files = stack.enter_context(servers.folder(files))
        self.folder = stack.enter_context(tempfile.TemporaryDirectory())
        self.before = self.addresses()

    def addresses(self):
        said = self.pc.run("ip", "-json", "addr", "show").stdout
        return {
            (link["ifname"], one["local"])
            for link in json.loads(said)
            for one in link["addr_info"]
        }

    def argv(self, *words):
        path = Path(self.folder, "storm.json")
        return [sys.executable, "-m", "pxebench", "storm", *words, "--json", str(path)]

    def storm(self, *words, timeout_s=120):
        done = self.pc.run(*self.argv(*words), check=False, timeout_s=timeout_s)
        assert "Traceback" not in done.stdout + done.stderr, done.stderr
        assert self.addresses() == self.before
        path = Path(self.folder, "storm.json")
        found = json.loads(path.read_text()) if path.exists() else None
        if found:  # how busy the PC of the tests is says nothing of the server
            found["limit"] = limit(found["roms"], {"cpu": 0.1, "lag_ms": 1.0})
        return done, found


@pytest.fixture
def desk():
    with contextlib.ExitStack() as stack:
        yield Desk(stack)


def _in_tftpd(desk):
    return servers.in_tftpd(desk.files, SERVER, 69, desk.server)


def _dnsmasq(desk):
    return servers.dnsmasq(desk.files, SERVER, desk.server, words=["--tftp-max=250"])


@pytest.mark.parametrize("server", [_in_tftpd, _dnsmasq], ids=["in.tftpd", "dnsmasq"])
def test_two_hundred_machines_boot_each_from_2070_of_its_own_address(desk, server):
    with server(desk):
        range_ = "10.88.0.20-10.88.0.240"
        done, found = desk.storm(f"tftp://{SERVER}/f", "--count", "200", "--from", range_)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (found["count"], found["booted"]) == (200, 200), found["codes"]
    assert {row["bytes"] for row in found["roms"]} == {len(SMALL)}
    assert len({row["sha256"] for row in found["roms"]}) == 1
    assert len({row["address"] for row in found["roms"]}) == 200
    assert sum(found["curve"]) == 200 * len(SMALL)


@pytest.mark.soak
@pytest.mark.parametrize("server", [_in_tftpd, _dnsmasq], ids=["in.tftpd", "dnsmasq"])
def test_a_thousand_machines(desk, server):
    """All of them have an end, and a server is not blamed for what this PC could not do."""
    words = ("--count", "1000", "--from", "10.88.1.1-10.88.4.250", "--max-time", "120")
    desk.server.run("ip", "route", "add", "10.88.0.0/16", "dev", "eth0")
    with server(desk):
        done, found = desk.storm(f"tftp://{SERVER}/f", *words, timeout_s=300)
    print(done.stdout)
    assert found["count"] == 1000 and found["pc"]["memory_mb"] < 300
    if server is _in_tftpd:
        assert found["booted"] == 1000, found["codes"]
    else:  # 250 at once (one more than that): the others ask again
        assert found["booted"] >= 500, found["codes"]
        assert found["limit"]["cause"] == "few-at-once", found["limit"]
        assert 240 <= found["limit"]["at_once"] <= 265
    assert "this PC" in done.stdout


def test_a_server_that_serves_twenty_at_once_is_found_out(desk):
    with servers.dnsmasq(desk.files, SERVER, desk.server, words=["--tftp-max=20"]):
        done, found = desk.storm(f"tftp://{SERVER}/big", *OS, "--count", "40", "--from", FROM)
    assert found["limit"]["cause"] == "few-at-once", (found["limit"], done.stdout)
    # dnsmasq 2.90 reads a further RRQ while `transfers <= tftp-max`: one more than it says.
    assert found["limit"]["at_once"] == 21, (found["limit"], done.stdout)


def test_a_limit_of_requests_a_second_is_told_from_one_of_numbers(desk):
    rule = """table ip bound {
        chain in {
            type filter hook input priority 0
            udp dport 69 limit rate 10/second burst 5 packets accept
            udp dport 69 drop
        }
    }
    """
    desk.server.run("nft", "-f", "-", input=rule)
    with servers.in_tftpd(desk.files, SERVER, 69, desk.server):
        done, found = desk.storm(
            *(
                f"tftp://{SERVER}/f",
                "--rom",
                "os-client",
                "--count",
                "90",
                "--spread",
                "3",
                "--from",
                FROM,
            )
        )
    assert found["limit"]["cause"] == "rate-limit", (found["limit"], done.stdout)
    assert 8 <= found["limit"]["per_s"] <= 25


def test_a_ramp_says_where_it_breaks(desk):
    with servers.dnsmasq(desk.files, SERVER, desk.server, words=["--tftp-max=8"]):
        done, found = desk.storm(
            *(f"tftp://{SERVER}/big", *OS, "--ramp", "4,8,16", "--from", FROM)
        )
    counts = [(step["count"], step["booted"]) for step in found["ramp"]]
    assert counts == [(4, 4), (8, 8), (16, 16)], (counts, done.stdout)
    assert found["ramp"][2]["waited"] >= 7 > found["ramp"][0]["waited"]
    assert (found["limit"]["cause"], found["limit"]["at_once"]) == ("few-at-once", 9)


def test_a_refusal_is_told_with_the_servers_words(desk):
    with servers.in_tftpd(desk.files, SERVER, 69, desk.server):
        done, found = desk.storm(f"tftp://{SERVER}/nosuch", "--count", "5", "--from", FROM)
    assert done.returncode == 1
    assert found["limit"]["cause"] == "refused" and "File not found" in found["limit"]["text"]
    assert found["codes"] == {"PXE-E3B": 5}


def test_a_mixture_of_roms_starts_over_the_time_asked_for(desk):
    with servers.in_tftpd(desk.files, SERVER, 69, desk.server):
        words = ("--rom", "intel-undi:6", "--rom", "edk2:4", "--spread", "2")
        done, found = desk.storm(f"tftp://{SERVER}/f", *words, "--from", FROM)
    assert done.returncode == 0, done.stdout
    roms = [row["rom"] for row in found["roms"]]
    assert roms == ["intel-undi"] * 6 + ["edk2"] * 4
    starts = [row["at_ms"] for row in found["roms"]]
    assert starts == sorted(starts) and 1500 < starts[-1] - starts[0] < 4000


def test_whole_boots_by_dhcp_give_every_lease_back(desk):
    with contextlib.ExitStack() as stack:
        words = ["--dhcp-boot=f", "--log-dhcp"]
        stack.enter_context(dhcp_servers.dnsmasq(desk.server, SERVER, words))
        stack.enter_context(servers.in_tftpd(desk.files, SERVER, 69, desk.server))
        done, found = desk.storm("--dhcp", "-i", "eth0", "--rom", "ipxe", "--count", "8")
    assert done.returncode == 0, (done.stdout, done.stderr)
    assert found["booted"] == 8
    assert len({row["mac"] for row in found["roms"]}) == 8
    assert len({row["address"] for row in found["roms"]}) == 8
    links = desk.pc.run("ip", "-json", "link", "show").stdout
    assert "pxs" not in links


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_nothing_is_left_on_the_interface_however_it_ends(desk, number):
    words = (f"tftp://{SERVER}/big", "--count", "20", "--from", FROM)  # nobody serves: they wait
    with desk.pc.start(*desk.argv(*words)) as process:
        end = time.monotonic() + 30
        while len(desk.addresses()) < len(desk.before) + 20 and time.monotonic() < end:
            time.sleep(0.1)
        assert len(desk.addresses()) == len(desk.before) + 20
        # A SIGKILL comes when the machines' own process has just begun, or not even that: once it
        # knew nothing then, and the addresses stayed.
        time.sleep(1 if number == signal.SIGINT else 0)
        os.kill(process.pid, number)
        end = time.monotonic() + 15
        while desk.addresses() != desk.before and time.monotonic() < end:
            time.sleep(0.1)
        assert desk.addresses() == desk.before


def test_an_address_that_another_machine_has_is_refused_before_anything_is_sent(desk):
    desk.lan.machine("other", "10.88.0.105/24")
    done, _ = desk.storm(f"tftp://{SERVER}/f", "--count", "20", "--from", FROM)
    assert done.returncode == 2 and "10.88.0.105 answers ARP" in done.stderr
