"""Real servers, real images, every interpreter: each fetch must come out byte for byte.

Every server has a machine of its own in the lab, listening on port 69, and so has each of the
clients that work side by side (a ROM's ports are its own only on a machine of its own). All of it
is fetched through the command line that users have; the fixture does it at once, the tests look at
one server, one interpreter and one kind of fetch each.

What a server does wrong stands beside it in SERVERS, and is asserted too. Reference clients say
the same: atftp and busybox tftp fetch every file here from every server. curl 7.88 takes the empty
one from none that grants tsize, for it calls the "tsize 0" of an OACK a mistake.
"""

import collections
import concurrent.futures
import contextlib
import hashlib
import json
import os
import queue
import random
import sys
import tempfile
from pathlib import Path

import pytest

from host_tests.lab import firewall, namespaces, programs, servers

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("interop")]

SIDE_BY_SIDE = 12

Opponent = collections.namedtuple("Opponent", "start options adds_blksize", defaults=[False])
Opponent.__doc__ = """start(folder, host, namespace): a server; options: those that it grants;
adds_blksize: it puts "blksize 512" into the OACK of a request that asked for tsize alone, which
RFC 2347 forbids, and which a ROM with a size probe does not take."""

_BOTH = {"blksize", "tsize"}
SERVERS = {
    "in.tftpd": Opponent(lambda f, h, n: servers.in_tftpd(f, h, 69, n), _BOTH),
    "in.tftpd-refusing": Opponent(
        lambda f, h, n: servers.in_tftpd(f, h, 69, n, refuse=servers.IN_TFTPD_OPTIONS), set()
    ),
    "dnsmasq": Opponent(servers.dnsmasq, _BOTH),
    # Answers from port 69 itself: the server's TID is 69.
    "dnsmasq-single-port": Opponent(
        lambda f, h, n: servers.dnsmasq(f, h, n, single_port=True), _BOTH
    ),
    "atftpd": Opponent(lambda f, h, n: servers.atftpd(f, h, 69, n), _BOTH | {"windowsize"}),
    "tftpy": Opponent(lambda f, h, n: servers.python_server("tftpy", f, h, 69, n), _BOTH, True),
    # Resends after half a second, and gives up after five.
    "py3tftp": Opponent(
        lambda f, h, n: servers.python_server("py3tftp", f, h, 69, n), _BOTH | {"windowsize"}
    ),
    # Answers a client's ERROR (a ROM ends its size probe with one) with an ERROR.
    "fbtftp": Opponent(lambda f, h, n: servers.python_server("fbtftp", f, h, 69, n), _BOTH),
    "pxebench-serve": Opponent(lambda f, h, n: servers.pxebench(f, h, 69, n), _BOTH),
}

INTERPRETERS = {
    "CPython": ["--endpoint", "local"],
    "MicroPython-1.25": ["--endpoint", "micropython", "--interpreter", "micropython-1.25"],
    "MicroPython-1.26": ["--endpoint", "micropython", "--interpreter", "micropython-1.26"],
}

_DICE = random.Random(2070)
FILES = {
    "empty": b"",
    "one-byte": b"\xff",
    "5x512": _DICE.randbytes(5 * 512),
    "4x1456": _DICE.randbytes(4 * 1456),
    "boot/x86/odd.bin": _DICE.randbytes(3001),
    "undionly.kpxe": firewall.image(),
}

Fetch = collections.namedtuple("Fetch", "file options")
_512, _1456 = ["--rom", "standard", "--blksize", "512"], ["--rom", "standard", "--blksize", "1456"]
FETCHES = {
    "512-empty": Fetch("empty", _512),
    "512-one-byte": Fetch("one-byte", _512),
    "512-exact-multiple": Fetch("5x512", _512),
    "512-image": Fetch("undionly.kpxe", _512),
    "1456-empty": Fetch("empty", _1456),
    "1456-exact-multiple": Fetch("4x1456", _1456),
    "1456-subfolder": Fetch("boot/x86/odd.bin", _1456),
    "1456-image": Fetch("undionly.kpxe", _1456),
    "undi-image": Fetch("undionly.kpxe", ["--rom", "intel-undi"]),
    "undi-empty": Fetch("empty", ["--rom", "intel-undi"]),
    "undi-exact-multiple": Fetch("4x1456", ["--rom", "intel-undi"]),
    "undi-plain-image": Fetch("undionly.kpxe", ["--rom", "intel-undi-plain"]),
    "os-client-image": Fetch("undionly.kpxe", ["--rom", "os-client"]),
    "os-client-exact-multiple": Fetch("5x512", ["--rom", "os-client"]),
}
PROBING = {name for name, fetch in FETCHES.items() if "intel-undi" in fetch.options}

Outcome = collections.namedtuple("Outcome", "exit_code stored result said")


class Hall:
    """Servers and clients, each on a machine of its own, around one router."""

    def __init__(self, lab, stack):
        self._router = lab.namespace("router")
        self._router.forward()
        self._lab = lab
        self._nets = 0
        self._clients = queue.SimpleQueue()
        folder = stack.enter_context(servers.folder(FILES))
        self.servers = {}
        for name, opponent in SERVERS.items():
            machine, host = self._machine(name)
            self.servers[name] = stack.enter_context(opponent.start(folder, host, machine))
        for number in range(SIDE_BY_SIDE):
            self._clients.put(self._machine(f"client {number}")[0])

    def _machine(self, name):
        self._nets += 1
        net, port = f"10.77.{self._nets}", f"port{self._nets}"
        machine = self._lab.namespace(name)
        self._lab.cable(machine, "eth0", f"{net}.2/24", self._router, port, f"{net}.1/24")
        machine.route("default", f"{net}.1")
        return machine, f"{net}.2"

    def fetch(self, url, interpreter, options):
        """Run `pxebench fetch` on a client that is free, and return the Outcome."""
        client = self._clients.get()
        try:
            return _fetch(client, url, interpreter, options)
        finally:
            self._clients.put(client)


def _fetch(client, url, interpreter, options):
    words = list(INTERPRETERS[interpreter])
    if "--interpreter" in words:
        words[-1] = programs.find(words[-1])
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder, "out")
        done = client.run(
            Path(sys.executable).with_name("pxebench"),
            *("fetch", url, "--out", out, "--json", "-", "--max-time", 30),
            *(*words, *options),
            check=False,
            timeout_s=60,
        )
        stored = out.read_bytes() if out.exists() else None
        left_over = set(os.listdir(folder)) - {"out"}
    assert not left_over, left_over
    try:
        result = json.loads(done.stdout)
    except ValueError:
        result = None
    return Outcome(done.returncode, stored, result, done.stdout + done.stderr)


@pytest.fixture(scope="module")
def hall():
    with contextlib.ExitStack() as stack:
        yield Hall(stack.enter_context(namespaces.lab()), stack)


@pytest.fixture(scope="module")
def outcomes(hall):
    """Everything fetched from everyone: {(server, interpreter, fetch): Outcome}."""
    keys = [
        (server, interpreter, fetch)
        for fetch in FETCHES
        for interpreter in INTERPRETERS
        for server in SERVERS
    ]

    def get(key):
        server, interpreter, name = key
        file, options = FETCHES[name]
        return hall.fetch(hall.servers[server].url(file), interpreter, options)

    with concurrent.futures.ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        try:
            return dict(zip(keys, pool.map(get, keys), strict=True))
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _sources(result):
    return [
        request["source_port"]
        for transfer in result["transfers"]
        for request in transfer["requests"]
    ]


def _works(server, fetch):
    return not (SERVERS[server].adds_blksize and fetch in PROBING)


@pytest.mark.parametrize("fetch", FETCHES)
@pytest.mark.parametrize("interpreter", INTERPRETERS)
@pytest.mark.parametrize("server", SERVERS)
def test_every_byte_comes_from_every_server(outcomes, server, interpreter, fetch):
    outcome = outcomes[server, interpreter, fetch]
    file, options = FETCHES[fetch]
    if not _works(server, fetch):
        assert outcome.exit_code == 1
        assert outcome.stored is None
        assert outcome.result["status"]["code"] == "PXE-E38"
        assert "blksize 512" in outcome.result["status"]["detail"]
        return
    content = FILES[file]
    assert outcome.exit_code == 0, outcome.said
    assert outcome.stored == content
    assert outcome.result["outcome"] == "ok"
    assert outcome.result["image"]["sha256"] == hashlib.sha256(content).hexdigest()

    transfer = outcome.result["transfers"][-1]
    asked = {"512": 512, "1456": 1456, "undi": 1456, "os": 512}[fetch.partition("-")[0]]
    blksize = asked if "blksize" in SERVERS[server].options else 512
    assert transfer["blksize"] == blksize
    # The last block is a short one, an empty one after an exact multiple.
    assert transfer["blocks"] == len(content) // blksize + 1
    assert transfer["bytes"] == len(content)


@pytest.mark.parametrize("interpreter", INTERPRETERS)
@pytest.mark.parametrize("server", SERVERS)
def test_each_rom_keeps_its_ports_with_every_server(outcomes, server, interpreter):
    undi = outcomes[server, interpreter, "undi-image"].result
    assert _sources(undi)[0] == 2070
    if SERVERS[server].options and _works(server, "undi-image"):
        assert [transfer["purpose"] for transfer in undi["transfers"]] == ["size", "data"]
        assert _sources(undi) == [2070, 2071]
        assert undi["transfers"][0]["oack"]["tsize"] == str(len(FILES["undionly.kpxe"]))
    plain = outcomes[server, interpreter, "undi-plain-image"].result
    assert _sources(plain) == [2070]
    os_client = outcomes[server, interpreter, "os-client-image"].result
    assert len(_sources(os_client)) == 1
    assert _sources(os_client)[0] > 32768


@pytest.mark.parametrize("server", SERVERS)
def test_interpreters_tell_the_same_of_a_transfer(outcomes, server):
    def told(interpreter):
        result = outcomes[server, interpreter, "undi-image"].result
        for transfer in result["transfers"]:
            for name in ("server_tid", "elapsed_ms"):
                transfer.pop(name, None)
            for request in transfer["requests"]:
                request.pop("at_ms", None)
        # The command names the endpoint, and events have times, as the start has.
        apart = ("endpoint", "command", "events", "started")
        return {name: part for name, part in result.items() if name not in apart}

    stories = [told(interpreter) for interpreter in INTERPRETERS]
    assert stories[1:] == stories[:1] * (len(stories) - 1)


@pytest.mark.parametrize("interpreter", INTERPRETERS)
@pytest.mark.parametrize(
    "server", [name for name, known in SERVERS.items() if "windowsize" in known.options]
)
def test_window_of_blocks_comes_whole(hall, server, interpreter):
    options = ["--rom", "standard", "--blksize", "1456", "--windowsize", "4"]
    outcome = hall.fetch(hall.servers[server].url("undionly.kpxe"), interpreter, options)
    assert outcome.exit_code == 0, outcome.said
    assert outcome.stored == FILES["undionly.kpxe"]
    assert outcome.result["transfers"][-1]["windowsize"] == 4


@pytest.mark.parametrize("server", SERVERS)
def test_missing_file_is_said_to_be_missing(hall, server):
    outcome = hall.fetch(hall.servers[server].url("nothing"), "CPython", ["--rom", "intel-undi"])
    assert outcome.exit_code == 1
    assert outcome.stored is None
    assert outcome.result["status"]["code"] == "PXE-E3B"
    assert outcome.result["transfers"][-1]["error"]["code"] == 1
