"""Source ports in each policy, and the one file that opens sockets, on loopback."""

import socket

from pxerom import runtime, udp
from pxerom.failure import Failure, Refused
from pxerom.fetch_end import peek
from pxerom.icmp import tally
from pxerom.udp import SourcePorts, Udp

from host_tests.core.check import Patch, needs_loopback, raises, rom, same

_HOST = "127.0.0.1"


def _spec(policy, per, first=2070, last=65535, step=1, wrap=None):
    return {
        "policy": policy,
        "first": first,
        "last": last,
        "step": step,
        "per": per,
        "wrap": wrap,
    }


def _taken(spec, pattern="NrrNr"):
    """The ports of a boot: N a new transfer's request, r a retry of it."""
    ports = SourcePorts(spec)
    return [ports.take(each == "N") for each in pattern]


def test_counter_counts_per_request_transfer_or_boot():
    """R-TFTP-6 (ROM note): retries included, where the ROM does so."""
    same(_taken(_spec("counter", "request")), [2070, 2071, 2072, 2073, 2074])
    same(_taken(_spec("counter", "transfer")), [2070, 2070, 2070, 2071, 2071])
    same(_taken(_spec("counter", "boot")), [2070] * 5)
    same(_taken(_spec("counter", "request", step=3)), [2070, 2073, 2076, 2079, 2082])


def test_counter_wraps_to_its_wrap_or_its_first():
    same(_taken(_spec("counter", "request", 65534)), [65534, 65535, 65534, 65535, 65534])
    same(
        _taken(_spec("counter", "request", 2070, 2072, wrap=2071)), [2070, 2071, 2072, 2071, 2072]
    )
    same(_taken(_spec("counter", "request", 10, 15, 4)), [10, 14, 10, 14, 10])


def test_fixed_port_is_fixed():
    for per in ("request", "transfer", "boot"):
        same(_taken(_spec("fixed", per, 2001)), [2001] * 5)


def test_random_port_stays_in_its_range_and_is_drawn_anew():
    """R-TFTP-6, R-SEC-20: per request, transfer or boot; from the system's generator."""
    seen = set()
    for _ in range(300):
        seen.update(_taken(_spec("random", "request", 1024, 1027)))
    same(seen, {1024, 1025, 1026, 1027})
    wide = _taken(_spec("random", "transfer", 1024), "Nrrrr")
    same(len(set(wide)), 1)
    same(len(set(_taken(_spec("random", "boot", 1024), "NrNrN"))), 1)
    firsts = {_taken(_spec("random", "transfer", 1024))[0] for _ in range(20)}
    assert len(firsts) > 15, firsts


def test_clock_port_follows_the_milliseconds():
    for now, port in ((0, 1024), (999, 1024), (1000, 1025), (3072000, 1024), (5000, 1029)):
        with Patch(udp, "ticks_ms", lambda now=now: now):
            same(_taken(_spec("clock", "transfer", 1024, 4095, 1000), "N"), [port])


def test_next_port_is_told_where_it_can_be_known():
    """What `ended.next` promises: the counter's next, the kept one, nothing of a random one."""
    ports = SourcePorts(_spec("counter", "request"))
    ports.take(True)
    same((peek(ports, False), peek(ports, True)), (2071, 2071))
    ports = SourcePorts(_spec("counter", "transfer"))
    ports.take(True)
    same((peek(ports, False), peek(ports, True)), (2070, 2071))
    ports = SourcePorts(_spec("counter", "boot"))
    ports.take(True)
    same((peek(ports, False), peek(ports, True)), (2070, 2070))
    ports = SourcePorts(_spec("random", "transfer", 1024))
    kept = ports.take(True)
    same((peek(ports, False), peek(ports, True)), (kept, None))
    same(peek(SourcePorts(_spec("random", "request", 1024)), False), None)
    same(peek(SourcePorts(_spec("clock", "request", 1024)), False), None)


def _peer():
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(runtime.address(_HOST, 0))
    sock.settimeout(2)
    return sock


def _free_port():
    """A port that nobody has: the kernel's choice, given back."""
    for port in range(20000 + runtime.random_below(10000), 32000):
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            sock.bind(runtime.address(_HOST, port))
            return port
        except OSError:
            pass
        finally:
            sock.close()
    raise AssertionError("no free port")


def _address_of(peer, net):
    """Where `peer` hears: told by a datagram of its own, for MicroPython knows no getsockname."""
    needs_loopback(peer)
    peer.sendto(b"here", runtime.address(_HOST, net.port))
    same(net.receive(100, 2000), b"here")
    return net.sender


def _send(peer, packet, net):
    # An ESP32 sends an empty one, too, and takes it for a failure.
    peer.settimeout(2 if packet else 0)
    try:
        peer.sendto(packet, runtime.address(_HOST, net.port))
    except OSError:
        assert runtime.ESP32 and not packet


def test_datagram_comes_with_its_sender_and_no_longer_than_asked():
    """R-TFTP-50, R-SEC-11: the length is what the kernel says, never what the packet says."""
    net = Udp(_spec("fixed", "boot", _free_port()), _HOST)
    peer = _peer()
    try:
        net.open(True)
        to = _address_of(peer, net)
        same(runtime.split(to)[0], _HOST)
        net.send(b"\0\4\0\1", to)
        same(peer.recvfrom(100)[0], b"\0\4\0\1")
        for size in (0, 1, 516, 517, 2000):
            _send(peer, bytes(size), net)
            same(len(net.receive(517, 2000)), min(size, 517))
            same(net.sender, to)
    finally:
        peer.close()
        net.close()


def test_what_is_queued_behind_an_empty_datagram_is_not_lost():
    """An empty one ends an ESP32's socket; where it was made anew, each cost a time-out, and with
    one ahead of every repetition nothing was ever heard."""
    net = Udp(_spec("fixed", "boot", _free_port()), _HOST)
    peer = _peer()
    try:
        needs_loopback(peer)
        net.open(True)
        for number in range(3):
            _send(peer, b"", net)
            _send(peer, bytes([number]), net)
            same([net.receive(100, 2000) for _ in range(2)], [b"", bytes([number])])
    finally:
        peer.close()
        net.close()


def test_receive_sleeps_for_a_second_at_most():
    """So that a watchdog of 8.3 s is fed through a wait of two minutes. What is asked of the
    socket is exact; how late a busy machine wakes up is not asserted."""
    net = Udp(_spec("fixed", "boot", _free_port()), _HOST)
    asked_ms = []
    set_timeout = udp.set_timeout

    def asked(sock, wait_ms):
        asked_ms.append(wait_ms)
        set_timeout(sock, wait_ms)

    try:
        net.open(True)
        with Patch(udp, "set_timeout", asked):
            for wait_ms, least_ms in ((120000, 900), (50, 40)):
                began = net.now()
                same(net.receive(517, wait_ms), None)
                waited = runtime.ticks_diff(net.now(), began)
                assert least_ms <= waited < 8300, waited
    finally:
        net.close()
    same(asked_ms, [1000, 50])


def test_each_request_has_its_own_port_and_old_ones_stay_closed_to_icmp():
    """R-TFTP-6 (ROM note): a late packet to a port that was left meets silence, not ICMP."""
    first = _free_port()
    net = Udp(_spec("counter", "request", first, step=2), _HOST)
    peer = _peer()
    try:
        same(net.open(True), first)
        to = _address_of(peer, net)
        same(net.receive(100, 30), None)
        same(net.open(False), first + 2)
        same(net.receive(100, 30), None, "the new socket waits as long, and no longer")
        late = _peer()
        late.connect(runtime.address(_HOST, first))
        late.settimeout(0.1)
        late.send(b"late")
        error = raises(OSError, late.recv, 100)
        late.close()
        assert error.errno not in runtime.UNREACHABLE, "the host answered with ICMP"
        same(net.receive(100, 30), None)
        net.send(b"x", to)
        data, sender = peer.recvfrom(100)
        same((data, runtime.split(sender)), (b"x", (_HOST, first + 2)))
    finally:
        peer.close()
        net.close()
    for port in (first, first + 2):
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.bind(runtime.address(_HOST, port))
        sock.close()


def test_port_in_use_is_refused_never_replaced():
    """R-TFTP-6 (ROM note): 2070 or nothing; only a random port is drawn again."""
    taken = _free_port()
    holder = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    holder.bind(runtime.address(_HOST, taken))
    try:
        for policy in ("counter", "fixed"):
            net = Udp(_spec(policy, "request", taken), _HOST)
            refusal = raises(Refused, net.open, True)
            same(refusal.exit_code, 3)
            assert "UDP port %d is in use" % taken in refusal.message, refusal.message
            net.close()
        net = Udp(_spec("random", "transfer", taken, taken), _HOST)
        raises(Refused, net.open, True)
        net.close()
        draws = [0, 0, 1]
        with Patch(udp, "random_below", lambda limit: draws.pop(0)):
            net = Udp(_spec("random", "transfer", taken, taken + 1), _HOST)
            same(net.open(True), taken + 1)
        same(net.ports.take(False), taken + 1)
        net.close()
    finally:
        holder.close()


def test_address_that_is_not_ours_is_refused_with_a_reason():
    if not runtime.LINUX:
        return  # lwIP takes it, and refuses the sends
    net = Udp(_spec("fixed", "boot", _free_port()), "192.0.2.1")
    refusal = raises(Refused, net.open, True)
    same(refusal.exit_code, 3)
    assert "on 192.0.2.1: this machine does not have that address." in refusal.message


def test_icmp_unreachable_is_counted_and_ends_nothing():
    """R-SEC-18: nor does it make the next receive spin or the next send fail."""
    if not runtime.LINUX:
        return
    net = Udp(_spec("fixed", "boot", _free_port()), _HOST)
    try:
        net.open(True)
        nobody = runtime.address(_HOST, _free_port())
        for count in (1, 2, 3):
            net.send(b"x", nobody)
            same(net.receive(100, 60), None)
            same(len(net.errors), count)
            began = net.now()
            same(net.receive(100, 60), None)
            same(len(net.errors), count)
            assert runtime.ticks_diff(net.now(), began) >= 50, "it did not wait"
    finally:
        net.close()


def test_icmp_error_says_who_sent_it_and_to_whom_the_packet_went():
    """Of another conversation's packet none is counted; MicroPython has the errno alone."""
    if not runtime.LINUX:
        return
    net = Udp(_spec("fixed", "boot", _free_port()), _HOST)
    try:
        net.open(True)
        nobody = runtime.address(_HOST, _free_port())
        other = runtime.address(_HOST, _free_port())
        for to in (other, nobody, nobody):
            net.send(b"x", to)
            same(net.receive(100, 60), None)
        rows = []
        taken = tally(net.errors, (nobody, None), rows)
        same(net.errors, [])
        if runtime.MICROPYTHON:
            same(rows, [{"errno": 111, "type": None, "code": None, "from": None, "count": 3}])
            same(len(taken), 3)
        else:
            same(rows, [{"errno": 111, "type": 3, "code": 3, "from": _HOST, "count": 2}])
            same(taken[0], {"errno": 111, "type": 3, "code": 3, "from": _HOST})
    finally:
        net.close()


def test_send_that_the_stack_refuses_is_a_failure_of_ours():
    class Refusing:
        def sendto(self, packet, to):
            raise OSError(1, "")

        def close(self):
            pass

    net = Udp(_spec("fixed", "boot"), _HOST)
    net._socket = Refusing()
    failure = raises(Failure, net.send, b"x", runtime.address(_HOST, 9))
    same((failure.code, failure.side), ("PXE-E38", "ours"))
    assert "operation not permitted" in failure.detail
    net.close()


def test_close_may_come_twice_and_first():
    """R-SEC-7: one teardown, idempotent."""
    net = Udp(_spec("fixed", "boot", _free_port()), _HOST)
    net.close()
    net.open(True)
    net.close()
    net.close()
    same(net.port, None)


def test_rom_policies_hold_in_the_real_service():
    """R-TFTP-6: os-client draws above 32767 and keeps it."""
    net = Udp(rom("os-client")["udp"]["source_port"], _HOST)
    try:
        port = net.open(True)
        assert 32768 <= port <= 60999
        same([net.open(False), net.open(False)], [port, port])
    finally:
        net.close()
