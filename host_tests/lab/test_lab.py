"""The lab itself: it must measure correctly, and leave nothing behind."""

import os
import random
import signal
import socket
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from host_tests.core import packets
from host_tests.lab import capture, namespaces, processes, programs, relay, scripted, servers

SEND = "import socket, sys; socket.socket(2, 2).sendto(b'hi', (sys.argv[1], 69))"


def _alive(pid):
    """Whether a process runs; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_capture_shows_what_passed_and_when():
    with namespaces.lab() as lab:
        one, other = lab.namespace("one"), lab.namespace("other")
        lab.cable(one, "eth0", "10.9.9.1/24", other, "eth0", "10.9.9.2/24")
        with capture.capture(other, "eth0") as wire:
            began = time.time()
            one.run(sys.executable, "-c", SEND, "10.9.9.2")
            processes.wait_until(wire.packets, "the packet")
            (packet,) = wire.packets()
    assert packet.payload == b"hi"
    assert (packet.src, packet.dst, packet.dport) == ("10.9.9.1", "10.9.9.2", 69)
    assert began - 0.01 < packet.time < began + 5


def test_loopback_packets_are_captured_once():
    with namespaces.lab() as lab:
        alone = lab.namespace("alone")
        with capture.capture(alone, "lo") as wire:
            alone.run(sys.executable, "-c", SEND, "127.0.0.1")
            processes.wait_until(wire.packets, "the packet")
            assert len(wire.packets()) == 1


def test_namespace_without_a_cable_reaches_nobody():
    with namespaces.lab() as lab:
        sent = lab.namespace("alone").run(sys.executable, "-c", SEND, "192.0.2.1", check=False)
    assert "Network is unreachable" in sent.stderr


def test_failure_in_the_block_leaves_nothing_behind():
    with pytest.raises(ZeroDivisionError), namespaces.lab() as lab:
        machine = lab.namespace("machine")
        with machine.start("sleep", "60") as process:
            raise ZeroDivisionError
    assert not _alive(process.pid)
    assert not _alive(machine.pid)


def test_children_of_a_process_end_with_it():
    with processes.start(["sh", "-c", "trap '' TERM; sleep 61 & echo $!; wait"]) as process:
        processes.wait_until(process.output, "the child's id")
        child = int(process.output())
        assert _alive(child)
    processes.wait_until(lambda: not _alive(child), "the child's end")


def test_killed_test_run_leaves_nothing_behind():
    program = """
        import time
        from host_tests.lab import namespaces
        with namespaces.lab() as lab:
            machine = lab.namespace("machine")
            with machine.start("sleep", "62") as process:
                print(machine.pid, process.pid, flush=True)
                time.sleep(60)
    """
    command = [sys.executable, "-c", textwrap.dedent(program)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=programs.ROOT) as run:
        pids = [int(word) for word in run.stdout.readline().split()]
        assert all(map(_alive, pids))
        os.kill(run.pid, signal.SIGKILL)
    processes.wait_until(lambda: not any(map(_alive, pids)), "their end")


def test_missing_program_is_named():
    with pytest.raises(programs.LabError, match="no-such-program is not here"):
        programs.find("no-such-program")


def test_server_that_cannot_start_says_why():
    with (
        pytest.raises(programs.LabError, match="atftpd.*ended before"),
        servers.folder({}) as folder,
        servers.atftpd(folder, "192.0.2.1", servers.free_port()),
    ):
        pass


def _ask(server, packet, count, timeout_s=0.3):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(timeout_s)
        client.sendto(packet, (server.host, server.port))
        got = []
        for _ in range(count):
            try:
                answer, tid = client.recvfrom(65536)
            except TimeoutError:
                break
            got.append(answer)
            if answer[:2] in (b"\0\3", b"\0\6"):
                block = answer[2:4] if answer[:2] == b"\0\3" else b"\0\0"
                client.sendto(b"\0\4" + block, tid)
    return got


def test_scripted_server_is_faithful_when_left_alone():
    content = random.Random(1).randbytes(1300)
    with scripted.serve({"f": content}) as server:
        plain = _ask(server, b"\0\1f\0octet\0", 3)
        opted = _ask(server, b"\0\1f\0octet\0blksize\x00650\0tsize\x000\0x\0y\0", 4)
        missing = _ask(server, b"\0\1g\0octet\0", 1)
    assert plain == [packets.data(n + 1, content[n * 512 : (n + 1) * 512]) for n in range(3)]
    assert opted[0] == b"\0\6blksize\x00650\0tsize\x001300\0"
    assert opted[1:] == [
        packets.data(1, content[:650]),
        packets.data(2, content[650:]),
        packets.data(3),
    ]
    assert missing == [packets.error(1, "File not found")]


def test_script_replaces_one_reply_and_nothing_else():
    content = bytes(1200)
    script = {"data 2": [b"odd", scripted.NORMAL], "data last": [packets.error(0, "no")]}
    with scripted.serve({"f": content}, script) as server:
        got = _ask(server, b"\0\1f\0octet\0", 4)
        again = _ask(server, b"\0\1f\0octet\0", 3)
    assert [answer[:4] for answer in got] == [
        *(packets.data(1), b"odd", packets.data(2)),
        packets.error(0, "no")[:4],
    ]
    assert [answer[:4] for answer in again] == [packets.data(n) for n in (1, 2, 3)]


def test_scripted_server_rolls_over_to_the_number_it_was_told():
    content = bytes(8 * 65537)
    for rollover in (0, 1):
        with scripted.serve({"f": content}, rollover=rollover) as server:
            request = b"\0\1f\0octet\0blksize\x008\0windowsize\x0065535\0"
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
                client.settimeout(5)
                client.sendto(request, (server.host, server.port))
                _answer, tid = client.recvfrom(100)
                # As if the first window had been lost.
                client.sendto(packets.ack(0), tid)
                client.recvfrom(100)
                client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
                client.sendto(packets.ack(65535), tid)
                processes.wait_until(
                    lambda server=server: [p for p in server.packets if p.payload[:2] == b"\0\3"][
                        65535:
                    ],
                    "block 65536",
                    timeout_s=20,
                )
            sent = [p.payload[:4] for p in server.packets if p.payload[:2] == b"\0\3"]
        assert sent[65534] == packets.data(65535)
        assert sent[65535] == packets.data(rollover)


def test_line_treats_the_same_packets_the_same():
    def fates(seed):
        way = relay.Way(seed, "there", loss=0.2, duplicate=0.2, reorder=0.2, delay_s=(0, 0.01))
        return [tuple(way.arrivals()) for _ in range(200)]

    assert fates(5) == fates(5) != fates(6)
    assert {len(fate) for fate in fates(5)} == {0, 1, 2}


def test_good_line_changes_nothing_and_keeps_the_ports():
    content = bytes(2000)
    with (
        scripted.serve({"f": content}) as server,
        relay.line(server.host, server.port, seed=1) as line,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client,
    ):
        client.bind(("127.0.0.1", 0))
        client.settimeout(2)
        client.sendto(b"\0\1f\0octet\0", (line.host, line.port))
        answer, tid = client.recvfrom(600)
        request, data = server.packets[:2]
        assert answer == data.payload
        assert request.sport == client.getsockname()[1]
        assert tid == (line.host, data.sport)


def test_kernel_that_forbids_namespaces_is_named_as_the_reason():
    with pytest.raises(programs.LabError, match=r"run it as root.*\[not permitted\]"):
        namespaces._Holder(["sh", "-c", "echo not permitted >&2; exit 1"])
