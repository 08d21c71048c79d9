"""`make demo` and `pxebench serve`, as a user starts and ends them."""

import hashlib
import os
import signal
import socket
import sys
import time
from urllib.parse import quote

import pytest

from host_tests.bench_cli.conftest import ADDRESS, FILES
from host_tests.lab import namespaces, servers


@pytest.fixture
def machine():
    """A network of its own: the demo's ROM wants ports 2070 and 2071 of every address."""
    with namespaces.lab() as lab:
        yield lab.namespace("demo")


def _demo(machine, *words, **environment):
    command = [sys.executable, "-m", "pxebench.demo", *words]
    environment = {**os.environ, "IMAGE": "", **environment}
    return machine.run(*command, check=False, timeout_s=60, env=environment)


def test_demo_boots_on_every_interpreter_and_compares(machine, tmp_path):
    image = tmp_path / "an image.bin"
    image.write_bytes(b"\xea\x05\x00\xc0\x07\x66\x9c" + bytes(5000))
    (tmp_path / "private").write_text("not for the network")
    run = _demo(machine, str(image))
    assert run.returncode == 0, run.stdout + run.stderr
    assert hashlib.sha256(image.read_bytes()).hexdigest() in run.stdout
    rows = [line for line in run.stdout.splitlines() if "2070, 2071" in line]
    assert len(rows) == 3
    assert all("the same" in row for row in rows)
    assert [row.split()[0] for row in rows] == ["CPython", "MicroPython", "MicroPython"]
    assert "make firewall-demo" in run.stdout
    assert "Traceback" not in run.stdout + run.stderr


def test_demo_takes_the_image_from_the_environment_and_says_when_there_is_none(machine):
    run = _demo(machine, IMAGE="/nosuch/image")
    assert run.returncode == 1
    assert run.stderr == (
        "pxebench demo: There is no image /nosuch/image; name one: make demo IMAGE=path.\n"
    )


def test_demo_fails_when_the_ports_are_taken(machine):
    program = "import socket, time; s = socket.socket(2, 2); s.bind(('', 2070)); time.sleep(60)"
    with machine.start(sys.executable, "-c", program) as process:
        deadline = time.monotonic() + 5
        while not servers.listening(machine.pid, 2070) and time.monotonic() < deadline:
            time.sleep(0.02)
        run = _demo(machine)
        assert process.running()
    assert run.returncode == 3
    assert "2070 is in use" in run.stderr


def test_serve_serves_until_ctrl_c(bench, tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "small.bin").write_bytes(FILES["small.bin"])
    port = servers.free_port()
    process = bench.start("serve", folder, "--bind", "127.0.0.1", "--port", port)
    deadline = time.monotonic() + 5
    while not servers.listening(os.getpid(), port) and time.monotonic() < deadline:
        time.sleep(0.02)
    run = bench.fetch(f"tftp://127.0.0.1:{port}/small.bin", "--out", "image")
    assert run.returncode == 0
    assert (bench.folder / "image").read_bytes() == FILES["small.bin"]
    process.send_signal(signal.SIGINT)
    ended = bench.finish(process)
    assert ended.returncode == 130
    lines = ended.stdout.splitlines()
    assert len(lines) == 2  # the probe that the ROM called off, and the transfer
    assert f"{ADDRESS}:2070" in lines[0]
    assert "TFTP Aborted" in lines[0]
    assert f"{ADDRESS}:2071" in lines[1]
    assert "10240 bytes" in lines[1]


def test_serve_knows_names_of_any_bytes(bench, tmp_path):
    name = "größe 1.bin"
    other = b"\xff\xfe.bin"
    with servers.folder({name: FILES["small.bin"]}) as folder:
        with open(os.path.join(os.fsencode(folder), other), "wb") as file:
            file.write(b"other")
        with servers.pxebench(folder) as server:
            run = bench.fetch(server.url(quote(name)), "--out", "image")
            assert run.returncode == 0, run.stderr
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
                client.settimeout(5)
                client.sendto(b"\0\1" + other + b"\0octet\0", (server.host, server.port))
                assert client.recv(600) == b"\0\3\0\1other"
    assert (bench.folder / "image").read_bytes() == FILES["small.bin"]


def test_serve_that_cannot_is_one_sentence(bench, tmp_path):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", 0))
        taken = other.getsockname()[1]
        cases = [
            (["/nosuch"], 2, "/nosuch"),
            ([tmp_path, "--port", "0"], 2, "--port"),
            ([tmp_path, "--port", "x"], 2, "--port"),
            ([tmp_path, "--bind", "x"], 2, "--bind"),
            ([tmp_path, "--bind", "192.0.2.1", "--port", "6969"], 3, "192.0.2.1"),
            ([tmp_path, "--bind", "127.0.0.1", "--port", taken], 3, str(taken)),
        ]
        for words, code, said in cases:
            run = bench("serve", *words)
            assert run.returncode == code, run.stderr
            assert len(run.stderr.splitlines()) == 1
            assert said in run.stderr


@pytest.fixture
def desk():
    """(a client's socket, the address of `pxebench serve`) for a folder with small.bin."""
    with (
        servers.folder({"small.bin": FILES["small.bin"]}) as folder,
        servers.pxebench(folder) as server,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client,
    ):
        client.settimeout(5)
        yield client, (server.host, server.port)


def _no_answer(client):
    client.settimeout(0.3)
    with pytest.raises(TimeoutError):
        client.recv(600)
    client.settimeout(5)


def test_serve_sends_data_again_and_never_for_a_duplicate_ack(desk):
    client, server = desk
    rrq = b"\0\1small.bin\0octet\0"
    client.sendto(rrq, server)
    first, tid = client.recvfrom(600)
    assert first == b"\0\3\0\1" + FILES["small.bin"][:512]
    client.sendto(rrq, server)  # a repeated RRQ begins no second transfer
    assert client.recvfrom(600) == (first, tid)  # that is the clock, a second later
    client.sendto(b"\0\4\0\1", tid)
    assert client.recv(600)[:4] == b"\0\3\0\2"
    client.sendto(b"\0\4\0\1", tid)
    _no_answer(client)


def test_serve_answers_an_unknown_tid_with_error_5_and_goes_on(desk):
    client, server = desk
    client.sendto(b"\0\1small.bin\0octet\0tsize\x000\0blksize\x00999999\0", server)
    oack, tid = client.recvfrom(600)
    assert oack == b"\0\6tsize\x0010240\0blksize\x0065464\0"
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.settimeout(5)
        other.sendto(b"\0\4\0\0", tid)
        assert other.recv(600)[:4] == b"\0\5\0\5"
    client.sendto(b"\0\4\0\0", tid)
    assert client.recv(65468) == b"\0\3\0\1" + FILES["small.bin"]


def test_serve_writes_nothing_and_leaves_its_folder_for_nobody(desk):
    client, server = desk
    for request, code in (
        (b"\0\2new.bin\0octet\0", 2),
        (b"\0\1../../etc/passwd\0octet\0", 2),
        (b"\0\1nosuch\0octet\0", 1),
        (b"\0\1\0octet\0", 1),
        (b"\0\1small.bin", 4),
        (b"\0\1small.bin\0mail\0", 4),
    ):
        client.sendto(request, server)
        assert client.recv(600)[:4] == bytes((0, 5, 0, code)), request
    client.sendto(b"\0\4\0\1", server)  # no request: no answer
    _no_answer(client)
