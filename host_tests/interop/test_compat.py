"""`pxebench compat` against real servers on a network of their own: which ROMs each of them boots.

Six ROMs that tell servers apart; the whole table is in docs/roms.md. GRUB against a server without
options waits for half a minute, so it is not asked there.
"""

import json
import sys

import pytest

from host_tests.lab import namespaces, servers

_HOST = "10.254.52.26"
_FILES = {"boot/nbp": bytes(range(256)) * 40}
_ROMS = ("edk2", "grub", "intel-undi", "ipxe", "os-client", "u-boot")
_NEW_PORTS = "It answers from a new port each time: a stateful firewall needs a TFTP helper."
_ONE_PORT = "It answers from one port, 69: a stateful firewall needs no TFTP helper."


@pytest.fixture(scope="module")
def site():
    """(client, server, folder): two machines and what the second one serves."""
    with namespaces.lab() as lab, servers.folder(_FILES) as folder:
        client, server = lab.namespace("client"), lab.namespace("server")
        lab.cable(client, "eth0", "10.254.52.175/24", server, "eth0", _HOST + "/24")
        yield client, server, folder


def _compat(client, *words):
    named = [word for rom in _ROMS for word in ("--rom", rom)]
    target = ("--server", _HOST, "--file", "boot/nbp", "--max-time", "5", "--json", "-")
    run = client.run(
        sys.executable, "-m", "pxebench", "compat", *target, *named, *words, check=False
    )
    found = json.loads(run.stdout)
    return run.returncode, found, {row["rom"]: row for row in found["rows"]}


def _start(name, folder, namespace):
    if name == "in.tftpd":
        return servers.in_tftpd(folder, _HOST, 69, namespace)
    if name.startswith("dnsmasq"):
        return servers.dnsmasq(folder, _HOST, namespace, single_port=name.endswith("one port"))
    if name == "atftpd":
        return servers.atftpd(folder, _HOST, 69, namespace)
    return servers.python_server(name, folder, _HOST, 69, namespace)


# server: what the options are that it never grants, whom it fails, how it answers
_SERVERS = [
    ("in.tftpd", {"windowsize"}, {}, _NEW_PORTS),
    ("dnsmasq", {"timeout", "windowsize"}, {}, _NEW_PORTS),
    ("dnsmasq, one port", {"timeout", "windowsize"}, {}, _ONE_PORT),
    ("atftpd", set(), {}, _NEW_PORTS),
    ("tftpy", {"timeout", "windowsize"}, {"intel-undi": "unrequested_option"}, _NEW_PORTS),
    ("py3tftp", set(), {}, _NEW_PORTS),
]


@pytest.mark.parametrize(("name", "never", "fails", "answers"), _SERVERS)
def test_table_of_a_real_server(site, name, never, fails, answers):
    client, server, folder = site
    with _start(name, folder, server):
        code, found, rows = _compat(client)
    assert found["server_facts"][0] == answers
    words = [fact for fact in found["server_facts"] if fact.startswith("It never grants")]
    assert words == ([f"It never grants {', '.join(sorted(never))}."] if never else [])
    assert {rom: rows[rom]["assumed"] for rom in found["fails"]} == fails, found["rows"]
    assert code == (1 if fails else 0)
    sizes = {row["bytes"] for row in rows.values() if row["verdict"] == "boots"}
    assert sizes == {len(_FILES["boot/nbp"])}
    window = 1 if "windowsize" in never else 4
    assert (rows["edk2"]["blksize"], rows["edk2"]["windowsize"]) == (1468, window)
