"""`pxebench compat` against real servers on a network of their own: which ROMs each of them boots.

Six ROMs that tell servers apart, held against the table of docs/roms.md; `soak`: all of them, and
a server that refuses options, at which GRUB waits for half a minute.
"""

import json
import sys

import pytest

from host_tests.interop import compat_table
from host_tests.lab import namespaces, programs, servers

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
    page = compat_table.shown(compat_table.PAGE.read_text("utf-8"))
    shown = page[name]
    assert {rom: shown[rom] for rom in _ROMS} == {
        rom: compat_table.cell(row) for rom, row in rows.items()
    }
    window = 1 if "windowsize" in never else 4
    assert (rows["edk2"]["blksize"], rows["edk2"]["windowsize"]) == (1468, window)


def test_the_table_of_the_pages_has_every_rom_and_is_read_as_it_was_written():
    page = compat_table.PAGE.read_text("utf-8")
    found = compat_table.shown(page)
    roms = {path.stem for path in (programs.ROOT / "firmware/pxerom/roms").glob("*.json")}
    assert list(found) == list(compat_table.SERVERS)
    assert all(set(cells) == roms for cells in found.values())
    assert compat_table.table(found) in page


@pytest.mark.soak
@pytest.mark.parametrize("name", compat_table.SERVERS)
def test_the_table_of_the_pages_is_what_every_rom_meets(site, name):
    client, server, folder = site
    with compat_table.SERVERS[name](folder, server):
        found = compat_table.ask(client)
    assert found == compat_table.shown(compat_table.PAGE.read_text("utf-8"))[name]
