"""A board on another machine: `rfc2217://HOST:PORT`, by way of pyserial's own port manager."""

import contextlib
import select
import socket
import threading

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


def _serve(listener, device):
    with contextlib.suppress(OSError):
        while True:
            connection, _ = listener.accept()
            with connection, serial.serial_for_url(device, timeout=0) as port:
                _bridge(connection, _Modemless(port))


def _bridge(connection, port):
    manager = serial.rfc2217.PortManager(port, _Writer(connection))
    while True:
        ready, _, _ = select.select([connection, port.fileno()], [], [], 1)
        if connection in ready:
            data = connection.recv(1024)
            if not data:
                return
            port.write(b"".join(manager.filter(data)))
        if port.fileno() in ready:
            connection.sendall(b"".join(manager.escape(port.read(port.in_waiting or 1))))


def test_board_on_another_machine_boots(bench, desk, filled):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=_serve, args=(listener, filled.port), daemon=True).start()
        url = f"rfc2217://127.0.0.1:{listener.getsockname()[1]}"
        done = bench("fetch", desk.url("image.bin"), "--endpoint", f"serial:{url}", timeout_s=40)
        assert done.returncode == 0, done.stderr
        assert "2070, 2071" in done.stderr
    assert repl_works(filled.port)
