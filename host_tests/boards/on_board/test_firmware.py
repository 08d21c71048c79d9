"""The firmware on a board's sockets: what differs between the ports' stacks must not break it."""

import time

from pxerom import agent, runtime
from pxerom.dhcp_socket import DhcpSocket
from pxerom.failure import Refused
from pxerom.udp import Udp

from host_tests.boards.on_board.tftp_server import HOST, Server
from host_tests.core.check import Folder, raises, same
from host_tests.core.fakenet import pattern
from host_tests.shim import sockets as shim
from host_tests.shim.sockets import _real

_PORT = shim.stack.port
_RP2 = _PORT in ("rp2", "rp2-1.25")
_RANDOM = {
    "policy": "random",
    "first": 32768,
    "last": 60999,
    "step": 1,
    "per": "request",
    "wrap": None,
}


def _rom(**retry):
    rom = {
        "id": "test",
        "name": "test",
        "about": "",
        "udp": {"source_port": dict(_RANDOM, per="transfer", wrap=1)},
        "tftp": {
            "requests": [{"options": [["tsize", "0"], ["blksize", "1456"]]}],
            "retry": {
                "open": {"waits_ms": [2000, 2000, 2000]},
                "read": {"waits_ms": [2000, 2000, 2000]},
            },
            "on": {},
        },
        "screen": {},
    }
    del rom["udp"]["source_port"]["wrap"]
    rom["tftp"]["retry"].update(retry)
    return rom


def _fetch(server, rom=None, **changes):
    job = {
        "job": "fetch",
        "rom": rom or _rom(),
        "server": HOST,
        "port": server.port,
        "file": "image",
        "sink": {"kind": "null"},
        "max_time_ms": 20000,
    }
    job.update(changes)
    events = []
    return agent.run(job, events.append), events


def test_image_goes_into_a_file():
    image = pattern(300 * 1024 + 7)
    with Folder() as folder, Server({"image": image}) as server:
        result, _ = _fetch(server, sink={"kind": "file", "path": folder.at("nbp")})
        same((result["outcome"], result["image"]["bytes"]), ("ok", len(image)))
        same(folder.read("nbp"), image)
        same(shim.stack.held, set())


def test_window_larger_than_the_queue_is_asked_for_as_large_as_that():
    """Facts: of eight datagrams in a burst, rp2 keeps four, before 1.26 one, the ESP32 six."""
    asked = {"rp2": 4, "rp2-1.25": 1, "esp32": 6}.get(_PORT, 8)
    image = pattern(20 * 1456 + 5)
    rom = _rom()
    rom["tftp"]["requests"][0]["options"].append(["windowsize", "8"])
    rom["tftp"]["retry"]["read"]["waits_ms"] = [150] * 20
    with Server({"image": image}) as server:
        result, _ = _fetch(server, rom)
        same((result["outcome"], result["image"]["bytes"]), ("ok", len(image)))
        same(result["transfers"][0]["windowsize"], asked)
        assert b"windowsize\0%d\0" % asked in server.requests[0][1]


def test_empty_datagrams_neither_kill_nor_spin():
    """The ESP32's socket is dead after one, until it is bound again."""
    image = pattern(3000)
    rom = _rom(open={"waits_ms": [300] * 10}, read={"waits_ms": [300] * 10})
    # A queue of one datagram (rp2 before 1.26) keeps the empty one, and loses what follows it.
    with Server({"image": image}, empties=1, everywhere=_PORT != "rp2-1.25") as server:
        result, events = _fetch(server, rom)
        same((result["outcome"], result["image"]["bytes"]), ("ok", len(image)))
        same({port for port, _ in server.requests}, {events[1]["source_port"]})
    net = Udp(_RANDOM)
    unknown_tid = _real.socket(_real.AF_INET, _real.SOCK_DGRAM)
    try:
        port = net.open(True)
        for _ in range(3):
            unknown_tid.sendto(b"", (HOST, port))
            same(net.receive(10, 1000), b"")
            began = time.ticks_ms()
            same(net.receive(10, 200), None)
            assert time.ticks_diff(time.ticks_ms(), began) >= 190
        unknown_tid.sendto(b"x", (HOST, port))
        same(net.receive(10, 1000), b"x")
        assert len(shim.stack.held) == 1
    finally:
        unknown_tid.close()
        net.close()


class _Asked:
    """A socket that notes what it is asked to wait for."""

    def settimeout(self, timeout):
        self.timeout = timeout


def test_wait_on_an_esp32_is_as_long_as_asked():
    """Facts: it waits in steps of 100 ms, and one more: a retry after 2032 ms comes at 2100."""
    sock = _Asked()
    for wait_ms in (1000, 932, 500, 101, 100):
        runtime.set_timeout(sock, wait_ms)
        if runtime.ESP32:
            steps = int(sock.timeout * 1000) // 100 + 1
            same(steps * 100, wait_ms // 100 * 100, wait_ms)
        else:
            same(sock.timeout, wait_ms / 1000)
    began = time.ticks_ms()
    runtime.set_timeout(sock, 32)
    took_ms = time.ticks_diff(time.ticks_ms(), began)
    if runtime.ESP32:
        same(sock.timeout, 0)
        assert took_ms >= 31, took_ms
    else:
        same(sock.timeout, 0.032)


def test_retries_come_when_the_table_says():
    with Server({}, silent=True) as server:
        _, events = _fetch(server, _rom(open={"waits_ms": [232, 345, 150]}))
        at_ms = [each["at_ms"] for each in events if each["event"] == "request"]
        same(len(at_ms), 3)
        # Never early; how late depends on how busy this PC is.
        assert at_ms[1] >= 232 and at_ms[2] - at_ms[1] >= 345, at_ms


def test_stack_without_memory_is_asked_again():
    """Facts: ENOMEM (12) of a send is for now, not for good."""
    image = pattern(3000)
    with Server({"image": image}) as server:
        shim.stack.refusals[:] = [12, 105]
        result, _ = _fetch(server)
        same((result["outcome"], result["transfers"][0]["retransmits"]), ("ok", 0))
        shim.stack.refusals[:] = [12] * 3
        rom = _rom(open={"waits_ms": [100, 2000]})
        result, events = _fetch(server, rom)
        same((result["outcome"], result["transfers"][0]["retransmits"]), ("ok", 1))


class _Nic:
    """As a board's link gives it: no way to send whole packets."""

    device = "st1" if _PORT == "esp32" else None

    def raw(self, ttl, trace):
        return None


def test_port_68_is_had_only_while_the_stacks_own_client_is_off():
    if _PORT == "unix":
        return  # no DHCP client of its own
    net = DhcpSocket(_Nic(), 20)
    shim.stack.dhcp = True
    try:
        raises(Refused, net.open, 68)
    finally:
        shim.stack.dhcp = False
        net.close()
    same(shim.stack.held, set())
    net.open(68)
    same((net.port, len(shim.stack.held)), (68, 1))
    net.close()
    same((net.port, shim.stack.held), (None, set()))


def test_dhcps_sockets_send_and_hear_on_every_port():
    one, other = DhcpSocket(_Nic(), 20), DhcpSocket(_Nic(), 20)
    first, second = 20000 + runtime.random_below(9000), 30000 + runtime.random_below(2000)
    one.open(first, HOST)
    other.open(second, HOST)
    try:
        one.send(b"discover", HOST, second)
        same(other.receive(2000), b"discover")
        same((other.host, other.peer_port), (HOST, first))
        same(one.receive(20), None)
    finally:
        one.close()
        other.close()
    same(shim.stack.held, set())


def test_rom_lives_with_three_sockets():
    """rp2 has four in all, three while DHCP runs: the old ports' are given up, oldest first."""
    shim.stack.dhcp = True
    try:
        net = Udp(_RANDOM)
        for _ in range(6):
            net.open(False)
        if _RP2:
            same(len(shim.stack.held), 3)
        net.close()
        other = shim.socket()  # a program of the user's has one
        for _ in range(6):
            net.open(False)
        same(len(shim.stack.held), {"unix": 7, "esp32": 4}.get(_PORT, 3))
        net.close()
        other.close()
        same(shim.stack.held, set())
    finally:
        shim.stack.dhcp = False


def test_link_that_is_lost_ends_nothing():
    """A ROM goes on asking, and the cable may come back."""
    if not shim.stack.lwip:
        return
    with Server({"image": pattern(3000)}) as server:
        shim.stack.has_address = False
        try:
            result, _ = _fetch(server, _rom(open={"waits_ms": [60, 60]}))
        finally:
            shim.stack.has_address = True
        same((result["outcome"], result["status"]["code"]), ("failed", "PXE-E32"))
        assert result["transfers"][0]["unreachable"] > 0
        result, _ = _fetch(server, bind="192.0.2.1", max_time_ms=200)
        same(result["status"]["code"], "PXE-E32")


def test_clock_that_was_never_set_is_no_time():
    """rp2 starts in 2021, the ESP32 counts from 2000."""
    kept = time.time_ns
    for epoch_s in (0, 1609459200, 800000000):
        time.time_ns = lambda epoch_s=epoch_s: epoch_s * 1000000000
        try:
            same(runtime.epoch_us(), None)
        finally:
            time.time_ns = kept
