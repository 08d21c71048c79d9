"""A board on another machine: `rfc2217://HOST:PORT`, by way of pyserial's own port manager."""

import contextlib
import select
import socket
import subprocess
import sys
import threading
import time

import serial
import serial.rfc2217
from pxebench.board import line
from pxebench.board.connection import Board
from pxebench.endpoints import serial as endpoint
from pxebench.job import fetch_job

from host_tests.board_cli.conftest import SERVER, complains, repl_works
from host_tests.lab import servers


class _Writer:
    def __init__(self, connection):
        self.connection = connection

    def write(self, data):
        self.connection.sendall(data)


class _Modemless:
    """A pseudo-terminal has no modem lines; the server asks for them all the time."""

    cts = dsr = ri = cd = False

    def __init__(self, port):
        self._port = port

    def __getattr__(self, name):
        return getattr(self._port, name)


class _Uncontrolled(serial.rfc2217.PortManager):
    """As ser2net on a pseudo-terminal: a control request gets no answer (RFC 2217 §3)."""

    def _telnet_process_subnegotiation(self, suboption):
        if suboption[1:2] != serial.rfc2217.SET_CONTROL:
            super()._telnet_process_subnegotiation(suboption)


def _serve(listener, device, manager=serial.rfc2217.PortManager, most=None):
    with contextlib.suppress(OSError):
        while True:
            connection, _ = listener.accept()
            with connection, serial.serial_for_url(device, timeout=0) as port:
                _bridge(connection, _Modemless(port), manager, most)


def _bridge(connection, port, made_by, most):
    # `most`: bytes from the board after which the line breaks, or None
    manager = made_by(port, _Writer(connection))
    while True:
        ready, _, _ = select.select([connection, port.fileno()], [], [], 1)
        if connection in ready:
            data = connection.recv(1024)
            if not data:
                return
            port.write(b"".join(manager.filter(data)))
        if port.fileno() in ready:
            data = port.read(port.in_waiting or 1)
            connection.sendall(b"".join(manager.escape(data)))
            most = None if most is None else most - len(data)
            if most is not None and most < 0:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                return


@contextlib.contextmanager
def _elsewhere(served, *how, scheme="rfc2217"):
    """The URL at which `served`, with a listener and `how`, gives out a board's port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=served, args=(listener, *how), daemon=True).start()
        yield f"{scheme}://127.0.0.1:{listener.getsockname()[1]}"


def test_board_on_another_machine_boots(bench, desk, filled):
    with _elsewhere(_serve, filled.port) as url:
        done = bench("fetch", desk.url("image.bin"), "--endpoint", f"serial:{url}", timeout_s=40)
        assert done.returncode == 0, done.stderr
        assert "2070, 2071" in done.stderr
    assert repl_works(filled.port)


def test_port_without_control_requests_is_one_all_the_same(bench, filled):
    """ser2net on a pseudo-terminal: "timeout while waiting for option 'control'", before."""
    with _elsewhere(_serve, filled.port, _Uncontrolled) as url:
        began = time.monotonic()
        done = bench("board", "list", url, timeout_s=40)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "Raspberry Pi Pico W with RP2040" in done.stdout
        assert time.monotonic() - began < 7  # what pyserial waits for an answer


def test_line_that_breaks_is_a_sentence_and_no_threads_traceback(bench, desk, filled):
    with _elsewhere(_serve, filled.port, serial.rfc2217.PortManager, 1500) as url:
        done = bench("fetch", desk.url("image.bin"), "--endpoint", f"serial:{url}", timeout_s=60)
        assert done.returncode == 3, done.stderr
        assert "Traceback" not in done.stderr and "Exception in thread" not in done.stderr
        assert len([line for line in done.stderr.splitlines() if line]) == 1


def _doubles(listener, device):
    # A raw socket to a telnet port: ser2net escapes each 0xFF by a second one (RFC 854).
    connection, _ = listener.accept()
    with connection, serial.serial_for_url(device, timeout=0) as port:
        while True:
            ready, _, _ = select.select([connection, port.fileno()], [], [], 1)
            if connection in ready:
                data = connection.recv(1024)
                if not data:
                    return
                port.write(data)
            if port.fileno() in ready:
                connection.sendall(port.read(port.in_waiting or 1).replace(b"\xff", b"\xff\xff"))


def test_a_mounted_folder_that_comes_out_garbled_is_a_sentence(bench, desk, filled):
    """`KeyError: 103` of mpremote, before: the number of a file that nobody opened."""
    with _elsewhere(_doubles, filled.port, scheme="socket") as url:
        words = ("--out", "image", "--endpoint", f"serial:{url}")
        done = bench("fetch", desk.url("image.bin"), *words, timeout_s=60)
    complains(done, 3, "is garbled")
    assert "KeyError" not in done.stderr and not (bench.folder / "image").exists()


class _Silent:
    """A port without a descriptor, as of a URL, on which nothing comes."""

    def inWaiting(self):  # the name is pyserial's
        return 0

    def read(self, count):
        return b""

    def fileno(self):
        raise OSError


def test_waiting_on_a_silent_url_backs_off_to_twenty_to_fifty_ms(monkeypatch):
    silent = line.Line.__new__(line.Line)
    silent._look_s = line._LOOK_S[0]
    silent.serial = silent.raw_serial = _Silent()
    slept = []
    monkeypatch.setattr(line.time, "sleep", slept.append)
    while sum(slept) < 2:
        assert silent.receive(0.05) == b""
    assert slept[0] <= 0.001 and 0.02 <= slept[-1] <= 0.05
    assert len(slept) < 110  # of 400 every 5 ms
    silent.serial.inWaiting = lambda: 1
    silent.receive(0.05)
    silent.serial.inWaiting = lambda: 0
    silent.receive(0.05)
    assert slept[-1] <= 0.001  # what has begun to come is not kept waiting


def test_a_job_is_held_ready_on_the_board_until_one_byte_starts_it(desk, filled, tmp_path):
    wanted = fetch_job("intel-undi", SERVER, 69, "image.bin")
    ready, events = threading.Event(), []
    with Board(filled.port) as board:
        job = endpoint.prepared(board, tmp_path, wanted, events.append, on_ready=ready.set)
        got = []
        thread = threading.Thread(target=lambda: got.append(job.run()))
        thread.start()
        assert ready.wait(20)
        time.sleep(2.5)  # longer than a board is silent while it is held
        assert events == [] and not servers.listening(desk.namespace.pid, 2070)
        job.go()
        thread.join(20)
    assert got[0]["outcome"] == "ok"
    assert [e["event"] for e in events][:2] == ["start", "request"]
    assert repl_works(filled.port)


def test_a_job_that_is_held_ready_ends_by_ctrl_c(filled, tmp_path):
    wanted = fetch_job("intel-undi", SERVER, 69, "image.bin")
    with Board(filled.port) as board:
        job = endpoint.prepared(board, tmp_path, wanted, [].append, on_ready=lambda: None)
        job.on_ready = job.interrupt
        result = job.run()
    assert result["ended"]["by"] == "user" and result["transfers"] == []


_MANY = """
import os, resource, sys
from pxebench.board.connection import Board
resource.setrlimit(resource.RLIMIT_NOFILE, (1400, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
taken = [os.open(os.devnull, os.O_RDONLY) for _ in range(1100)]
before = sys.stdout
with Board(sys.argv[1], name="rack1-board7") as board:
    assert board.line.raw_serial.fileno() > 1023
    assert sys.stdout is before
    print(board.who["machine"], board.name)
"""


def test_line_beyond_the_reach_of_select_is_one_too_and_has_the_name_of_its_place(filled):
    done = subprocess.run(
        [sys.executable, "-c", _MANY, filled.port], capture_output=True, text=True, timeout=40
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "Raspberry Pi Pico W with RP2040 rack1-board7\n"
