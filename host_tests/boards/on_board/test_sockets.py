"""What each port's sockets do: each test is a row of the table, and says what its columns hold.

The rows are asked of the personalities that `shim` plays and of real MicroPythons: the unix port,
and ESP32's own socket file (`host_tests/esp32sock`). Where one of them differs from its column,
that is a failure: so the players are held against the real thing.
"""

import gc
import socket
import sys
import time

from pxerom import runtime

from host_tests.boards.on_board.peer import Peer, nobody
from host_tests.boards.on_board.peer import free_port as _free_port
from host_tests.boards.on_board.stack import HOST as _HOST
from host_tests.boards.on_board.stack import PLAYED, stack
from host_tests.boards.on_board.stack import PORT as _PORT
from host_tests.core.check import raises, same

_LWIP = _PORT != "unix"
_RP2 = _PORT in ("rp2", "rp2-1.25")
_IN_USE = 112 if _PORT == "esp32" else 98


class _Sock:
    """A socket that is closed whatever happens; it has the port's own methods and no others."""

    def __init__(self, port=None, host=_HOST):
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        if port is not None:
            try:
                self.sock.bind(runtime.address(host, port))
            except OSError:
                # A socket that is only dropped keeps its place in the stack, as on a board.
                self.sock.close()
                raise

    def __enter__(self):
        return self.sock

    def __exit__(self, kind, error, trace):
        self.sock.close()


def _pair():
    """(a bound socket, its address)."""
    port = _free_port()
    return _Sock(port), runtime.address(_HOST, port)


def _errno(function, *arguments):
    return raises(OSError, function, *arguments).errno


def _timed(sock, timeout):
    """(errno, how long it took in ms) of a receive that must time out."""
    sock.settimeout(timeout)
    began = time.ticks_ms()
    number = _errno(sock.recvfrom, 100)
    return number, time.ticks_diff(time.ticks_ms(), began)


def test_errno_of_a_timeout():
    expected = {"unix": 11, "esp32": 116}.get(_PORT, 110)
    held, _ = _pair()
    with held as sock:
        number, took_ms = _timed(sock, 0.25)
        same(number, expected)
        assert took_ms >= (299 if _PORT == "esp32" else 249), took_ms
        assert expected in runtime.TIMED_OUT


def test_esp32_waits_in_steps_of_100_ms_and_says_eagain_below_one():
    held, _ = _pair()
    with held as sock:
        number, took_ms = _timed(sock, 0.05)
        same(number, {"unix": 11, "esp32": 11}.get(_PORT, 110))
        assert took_ms >= (99 if _PORT == "esp32" else 49), took_ms
        if _PORT == "esp32":
            same(_timed(sock, 0.099)[0], 11)
            number, took_ms = _timed(sock, 0.1)
            same(number, 116)
            assert took_ms >= 199, took_ms


def test_receive_that_may_not_wait_is_eagain_at_once():
    held, _ = _pair()
    with held as sock:
        told = [_timed(sock, 0) for _ in range(3)]  # one of them may be late: a machine is busy
        same([number for number, _ in told], [11] * 3)
        assert min(told, key=lambda each: each[1])[1] < 500, told
        sock.setblocking(False)
        same(_errno(sock.recvfrom, 100), 11)


def test_flags_of_a_receive_are_unknown_on_lwip_before_1_26():
    held, to = _pair()
    with held as sock:
        sock.settimeout(5)
        if _LWIP and sys.implementation.version[:2] < (1, 26):
            raises(TypeError, sock.recvfrom, 100, 0)
            assert not hasattr(socket, "MSG_PEEK") and not hasattr(socket, "MSG_DONTWAIT")
        else:
            same(_errno(sock.recvfrom, 100, socket.MSG_DONTWAIT if _LWIP else 0x40), 11)


def test_port_in_use():
    held, _ = _pair()
    with held as first:
        port = _free_port()
        first.close()
        with _Sock(port):
            with _Sock() as second:
                same(_errno(second.bind, runtime.address(_HOST, port)), _IN_USE)
        with _Sock(port):
            pass  # free again, at once


def test_empty_address_is_ipv6_only_on_rp2():
    if not _LWIP:
        raises(OSError, socket.getaddrinfo, "", 2070)
        return
    port = _free_port()
    with _Sock() as sock, Peer() as peer:
        sock.bind(("", port))
        peer.sendto(b"x", (_HOST, port))
        sock.settimeout(0.1)
        if _RP2:
            same(_errno(sock.recvfrom, 10), 110)
            same(_errno(sock.sendto, b"x", nobody()), 22)
        else:
            same(sock.recvfrom(10)[0], b"x")


def test_addresses_are_numeric_tuples_or_packed():
    with _Sock(_free_port()) as sock:
        if _LWIP:
            raises(ValueError, sock.sendto, b"x", ("boot.example", 69))
            raises(OSError if _PORT == "esp32" else ValueError, sock.bind, ("boot.example", 69))
            same(runtime.address("10.0.0.1", 69), ("10.0.0.1", 69))
        else:
            raises(TypeError, sock.sendto, b"x", ("10.0.0.1", 69))
            same(bytes(runtime.address("10.0.0.1", 69))[1:8], b"\x00\x00\x45\x0a\x00\x00\x01")
            same(bytes(runtime.address("10.0.0.1", 69))[0], 2)
    held, to = _pair()
    with held as sock, Peer() as peer:
        peer.sendto(b"x", to)
        sock.settimeout(2)
        sender = sock.recvfrom(10)[1]
        same(isinstance(sender, tuple), _LWIP)
        same(sender, peer.at if _LWIP else bytes(peer.at))
        sock.sendto(b"back", sender)
        peer.settimeout(2)
        same(peer.recvfrom(10), (b"back", to if _LWIP else bytes(to)))


def test_few_datagrams_are_kept_the_first_ones():
    kept = {"rp2": 4, "rp2-1.25": 1, "esp32": 6}.get(_PORT, 8)
    held, to = _pair()
    with held as sock, Peer() as peer:
        for number in range(8):
            peer.sendto(bytes([number]), to)
        sock.settimeout(0.2)
        same([sock.recvfrom(10)[0][0] for _ in range(kept)], list(range(kept)))
        raises(OSError, sock.recvfrom, 10)
        peer.sendto(b"later", to)
        same(sock.recvfrom(10)[0], b"later")


def test_queue_has_room_again_for_each_one_taken():
    if not _LWIP or _PORT == "rp2-1.25":
        return
    held, to = _pair()
    with held as sock, Peer() as peer:
        sock.settimeout(0.2)
        for number in range(20):
            peer.sendto(bytes([number]), to)
            same(sock.recvfrom(10)[0][0], number)


def test_longer_datagram_is_cut_and_the_rest_is_gone():
    held, to = _pair()
    with held as sock, Peer() as peer:
        sock.settimeout(2)
        peer.sendto(bytes(600), to)
        same(len(sock.recvfrom(516)[0]), 516)
        peer.sendto(b"next", to)
        same(sock.recv(516), b"next")


def _send_empty(sock, to):
    """One empty datagram: ESP32's takes lwIP's 0 bytes for a refusal, and says so afterwards."""
    sock.settimeout(0)
    try:
        sock.sendto(b"", to)
    except OSError:
        pass


def _is_dead(sock):
    """Whether each receive returns nothing, at once, from an address that nobody filled in."""
    began = time.ticks_ms()
    for _ in range(3):
        if sock.recvfrom(10)[0]:
            return False
    return time.ticks_diff(time.ticks_ms(), began) < 2500


def test_empty_datagram_kills_an_esp32_socket_and_no_other():
    held, to = _pair()
    with held as sock, Peer() as peer:
        sock.settimeout(1)
        _send_empty(peer, to)
        same(sock.recvfrom(10)[0], b"")
        peer.sendto(b"x", to)
        if _PORT != "esp32":
            same(sock.recvfrom(10)[0], b"x")
            return
        assert _is_dead(sock)
        sock.close()
        with _Sock() as again:
            again.bind(to)
            peer.sendto(b"y", to)
            again.settimeout(1)
            same(again.recvfrom(10)[0], b"y")


def test_bind_revives_an_esp32_socket_and_what_is_queued_stays():
    held, to = _pair()
    with held as sock, Peer() as peer:
        _send_empty(peer, to)
        peer.settimeout(1)
        peer.sendto(b"1", to)
        peer.sendto(b"2", to)
        sock.settimeout(1)
        same(sock.recvfrom(10)[0], b"")
        if _PORT == "esp32":
            sock.bind(to)
        if _PORT != "rp2-1.25":  # it keeps one
            same([sock.recvfrom(10)[0] for _ in range(2)], [b"1", b"2"])
        peer.sendto(b"3", to)
        same(sock.recvfrom(10)[0], b"3")


def test_receive_of_no_bytes_kills_an_esp32_socket_as_well():
    held, to = _pair()
    with held as sock, Peer() as peer:
        peer.sendto(b"x", to)
        sock.settimeout(1)
        same(sock.recvfrom(0)[0], b"")
        if _PORT == "esp32":
            assert _is_dead(sock)


def test_empty_datagram_is_never_sent_with_success_on_an_esp32():
    """It goes out at each try, one more than there are steps of 100 ms; a socket that waits for
    ever sends for ever."""
    if _PORT != "esp32":
        with _Sock(_free_port()) as sock:
            same(sock.sendto(b"", nobody()), 0)
        return
    held, to = _pair()
    with held as sock, _Sock(_free_port()) as sender:
        sender.settimeout(0.2)
        same(_errno(sender.sendto, b"", to), 116)
        sock.settimeout(0.1)
        for _ in range(3):
            same(sock.recvfrom(10)[0], b"")
            sock.bind(to)
        same(_errno(sock.recvfrom, 10), 116)


def test_leading_zero_is_octal():
    """What `runtime.is_ipv4` refuses: it would be another machine that is asked."""
    same(runtime.split(runtime.address("010.9.0.1", 69)), ("8.9.0.1", 69))
    assert not runtime.is_ipv4("010.9.0.1")


def test_esp32_resolves_what_it_is_told_to_bind_to():
    if _PORT != "esp32":
        return
    for host, port, kind, told in (
        ("10.9.0.1", 69, 0, (2, 1, 0, "10.9.0.1", ("10.9.0.1", 69))),
        ("10.9.0.1", "69", 2, (2, 2, 0, "10.9.0.1", ("10.9.0.1", 69))),
        ("", 69, 0, (2, 1, 0, "0.0.0.0", ("0.0.0.0", 69))),
        ("1", 69, 0, (2, 1, 0, "1", ("0.0.0.1", 69))),
    ):
        same(socket.getaddrinfo(host, port, 2, kind), [told])
    same(_errno(socket.getaddrinfo, "boot.example", 69), -202)
    for port in (-1, 65536):
        same(_errno(socket.getaddrinfo, "10.9.0.1", port), -201)


def _fill():
    """As many sockets as there may be, and the errno of the next one."""
    held = []
    try:
        for _ in range(64):
            held.append(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
    except OSError as error:
        return held, error.errno
    return held, None


def test_sockets_are_few():
    if not _LWIP:
        return
    for dhcp in (False, True):
        stack.dhcp = dhcp
        try:
            held, number = _fill()
        finally:
            stack.dhcp = False
        expected = (10, 23) if _PORT == "esp32" else (3 if dhcp else 4, 12)
        same((len(held), number), expected)
        held.pop().close()
        held.append(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        for sock in held:
            sock.close()


def test_dropped_socket_is_held_until_a_collection():
    if not _LWIP:
        return
    held, _ = _fill()
    held.pop()
    if _RP2:
        same(_errno(socket.socket, socket.AF_INET, socket.SOCK_DGRAM), 12)
        gc.collect()
    with _Sock():
        pass  # the ESP32 collects by itself before it gives up
    for sock in held:
        sock.close()


def test_port_68_belongs_to_the_dhcp_client_while_it_runs():
    if not _LWIP:
        return
    stack.dhcp = True
    try:
        with _Sock() as sock:
            same(_errno(sock.bind, ("0.0.0.0", 68)), _IN_USE)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            same(_errno(sock.bind, ("0.0.0.0", 68)), _IN_USE)
            stack.dhcp = False
            sock.bind(("0.0.0.0", 68))
    finally:
        stack.dhcp = False


def test_nothing_is_sent_without_an_address():
    if not _LWIP:
        return
    expected = 118 if _PORT == "esp32" else 113
    stack.has_address = False
    try:
        with _Sock(_free_port()) as sock:
            for host in ("192.0.2.9", "255.255.255.255"):
                same(_errno(sock.sendto, b"x", (host, 9)), expected)
    finally:
        stack.has_address = True
    with _Sock(_free_port(), "192.0.2.1") as sock:  # not ours: found out only now
        same(_errno(sock.sendto, b"x", nobody()), expected)


def test_datagram_that_is_too_large_is_told():
    expected = {"unix": (90, 90), "esp32": (105, 122)}.get(_PORT, (12, 12))
    with _Sock(_free_port()) as sock:
        to = nobody()
        same(tuple(_errno(sock.sendto, bytes(size), to) for size in (65508, 70000)), expected)


def test_rp2_has_no_memory_for_a_large_datagram():
    with _Sock(_free_port()) as sock:
        to = nobody()
        same(sock.sendto(bytes(7000), to), 7000)
        if _RP2:
            same(_errno(sock.sendto, bytes(7900), to), 12)
        else:
            same(sock.sendto(bytes(7900), to), 7900)


def test_closed_socket_is_ebadf_and_may_be_closed_again():
    held, to = _pair()
    with held as sock:
        sock.close()
        same(_errno(sock.sendto, b"x", to), 9)
        same(_errno(sock.recvfrom, 10), 9)
        sock.close()


def test_lwip_never_reports_an_icmp_error():
    if not _LWIP:
        return
    with _Sock(_free_port()) as sock:
        to = nobody()
        for _ in range(3):
            same(sock.sendto(b"x", to), 1)
            number, _ = _timed(sock, 0.1)
            assert number in (110, 116), number


def test_second_bind_wins_on_lwip():
    if not _LWIP:
        return
    first, second = _free_port(), _free_port()
    with _Sock(first) as sock, Peer() as peer:
        sock.bind((_HOST, second))
        peer.sendto(b"1", (_HOST, first))
        peer.sendto(b"2", (_HOST, second))
        sock.settimeout(1)
        same(sock.recvfrom(10)[0], b"2")


def test_unbound_socket_sends_from_49152_and_up():
    if not _LWIP:
        return
    with _Sock() as sock, Peer() as peer:
        sock.sendto(b"x", peer.at)
        peer.settimeout(1)
        assert runtime.split(peer.recvfrom(10)[1])[1] >= 49152


def test_connected_socket_keeps_what_was_queued_and_hears_one_peer():
    held, to = _pair()
    if _PORT == "rp2-1.25":
        return  # it queues one datagram only
    with held as sock, Peer() as unknown_tid, Peer() as peer:
        sock.settimeout(0.2)
        unknown_tid.sendto(b"before", to)
        sock.connect(peer.at)
        unknown_tid.sendto(b"after", to)
        peer.sendto(b"x", to)
        same(sock.recv(10), b"before")
        same(sock.recv(10), b"x")
        raises(OSError, sock.recv, 10)
        sock.send(b"y")
        peer.settimeout(2)
        same(peer.recvfrom(10)[0], b"y")


def test_icmp_error_reaches_a_connected_socket_on_unix_only():
    with _Sock(_free_port()) as sock:
        sock.connect(nobody())
        sock.settimeout(0.2)
        sock.send(b"x")
        same(_errno(sock.recv, 10), {"unix": 111, "esp32": 116}.get(_PORT, 110))


def test_what_no_port_has_is_missing():
    with _Sock() as sock:
        for name in ("recv_into", "recvfrom_into", "getsockname", "getpeername", "getsockopt"):
            assert not hasattr(sock, name), name
        for name in ("shutdown", "__enter__"):
            assert not hasattr(sock, name), name
    for name in ("timeout", "gaierror", "inet_aton", "SO_RCVTIMEO", "create_connection"):
        assert not hasattr(socket, name), name
    same(hasattr(socket, "sockaddr"), not _LWIP)


def test_ticks_wrap_during_a_run():
    """The counter starts 1.5 s before it wraps: what forgets `ticks_diff` fails somewhere here."""
    if not PLAYED:
        return
    assert time.ticks_ms() < 1 << 30
    same(time.ticks_diff(time.ticks_add(5, -10), 5), -10)
    same(time.ticks_diff(3, (1 << 30) - 3), 6)
    assert sys.implementation.name == "micropython"
