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

from host_tests.board_cli.conftest import repl_works


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


def test_board_on_another_machine_boots(bench, desk, filled):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=_serve, args=(listener, filled.port), daemon=True).start()
        url = f"rfc2217://127.0.0.1:{listener.getsockname()[1]}"
        done = bench("fetch", desk.url("image.bin"), "--endpoint", f"serial:{url}", timeout_s=40)
        assert done.returncode == 0, done.stderr
        assert "2070, 2071" in done.stderr
    assert repl_works(filled.port)


def test_port_without_control_requests_is_one_all_the_same(bench, filled):
    """ser2net on a pseudo-terminal: "timeout while waiting for option 'control'", before."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        serving = (listener, filled.port, _Uncontrolled)
        threading.Thread(target=_serve, args=serving, daemon=True).start()
        url = f"rfc2217://127.0.0.1:{listener.getsockname()[1]}"
        began = time.monotonic()
        done = bench("board", "list", url, timeout_s=40)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "Raspberry Pi Pico W with RP2040" in done.stdout
        assert time.monotonic() - began < 7  # what pyserial waits for an answer


def test_line_that_breaks_is_a_sentence_and_no_threads_traceback(bench, desk, filled):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        serving = (listener, filled.port, serial.rfc2217.PortManager, 1500)
        threading.Thread(target=_serve, args=serving, daemon=True).start()
        url = f"rfc2217://127.0.0.1:{listener.getsockname()[1]}"
        done = bench("fetch", desk.url("image.bin"), "--endpoint", f"serial:{url}", timeout_s=60)
        assert done.returncode == 3, done.stderr
        assert "Traceback" not in done.stderr and "Exception in thread" not in done.stderr
        assert len([line for line in done.stderr.splitlines() if line]) == 1


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
