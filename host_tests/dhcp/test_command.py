"""`pxebench boot` as a user meets it: refusals, keys, Ctrl-C, and the interface afterwards."""

import contextlib
import fcntl
import json
import os
import pty
import select
import signal
import subprocess
import sys
import termios
import time

import pytest
from pxebench import job as job_of

from host_tests.dhcp import scenes
from host_tests.dhcp.scenes import FILES, SERVER, everywhere
from host_tests.lab import capture, dhcp_servers, namespaces, processes, programs, servers

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("dhcp")]

PXEBENCH = (sys.executable, "-m", "pxebench")
PROMPT = [
    "--pxe-prompt=Press F8 for the menu,20",
    "--pxe-service=x86PC,Linux,linux",
    "--pxe-service=x86PC,Tools,tools",
]


@pytest.fixture(scope="module")
def lan():
    """A switch with nothing on it; who puts a server there, or a client, takes a new one."""
    with namespaces.lab() as lab:
        yield lambda: dhcp_servers.Lan(lab)


@contextlib.contextmanager
def _served(lan, words, with_tftp=True):
    """A client on a switch with dnsmasq, and a folder for its files: yields (client, folder)."""
    street = lan()
    machine = street.machine("server", f"{SERVER}/24")
    with contextlib.ExitStack() as stack:
        served = stack.enter_context(servers.folder(FILES))
        stack.enter_context(dhcp_servers.dnsmasq(machine, SERVER, words))
        if with_tftp:
            scenes.tftp(stack, served, machine)
        yield street.machine("client"), served


def _refused(client, *words, wrapper=()):
    """(exit code, the sentence) of a boot that is refused."""
    done = client.run(*wrapper, *PXEBENCH, "boot", *words, check=False)
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    return done.returncode, done.stderr.strip()


# --- what is refused, and how ------------------------------------------------------------------


@pytest.fixture(scope="module")
def client(lan):
    """A machine whose cable leads to nobody: nothing that is refused may send anything."""
    return lan().machine("client")


def test_interface_has_to_be_named_and_to_be_there(client):
    code, said = _refused(client)
    assert code == 2
    assert "--interface" in said
    assert "eth0" in said  # what there is
    code, said = _refused(client, "-i", "eth7")
    assert code == 2
    assert "no interface eth7" in said
    assert _refused(client, "-i", "lo")[0] == 2
    assert _refused(client, "-i", "../eth0")[0] == 2
    assert _refused(client, "-i", "x; touch /tmp/y")[0] == 2


def test_interface_that_is_down_is_no_cable_fault(lan):
    client = lan().machine("client")
    client.run("ip", "link", "set", "eth0", "down")
    code, said = _refused(client, "-i", "eth0")
    assert code == 3
    assert "ip link set eth0 up" in said


@everywhere
def test_cable_that_leads_nowhere_is_a_media_failure(lan, interpreter, tmp_path):
    street = lan()
    client = street.machine("client")
    street._switch.run("ip", "link", "set", "port1", "down")
    argv = scenes.command("intel-undi", interpreter, tmp_path, [])
    done = client.run(*argv, check=False)
    assert done.returncode == 1
    assert "PXE-E61" in done.stdout
    assert json.loads((tmp_path / "result.json").read_text())["status"]["code"] == "PXE-E61"


def test_rights_that_are_missing_are_named(client):
    # As root without rights: what somebody has who is not root.
    bare = ("setpriv", "--bounding-set=-all", "--inh-caps=-all")
    code, said = _refused(client, "-i", "eth0", wrapper=bare)
    assert code == 3
    assert "sudo" in said
    assert "CAP_NET_RAW" in said


def test_holder_of_port_68_is_named(client):
    program = "import socket, time; s = socket.socket(2, 2); s.bind(('', 68)); time.sleep(60)"
    with client.start(sys.executable, "-c", program) as holder:
        processes.wait_until(lambda: servers.listening(client.pid, 68), "port 68", process=holder)
        code, said = _refused(client, "-i", "eth0")
    assert code == 3
    assert f"process {holder.pid}" in said
    assert "python" in said


@everywhere
def test_port_68_is_not_needed_by_who_asks_for_no_lease(lan, interpreter, tmp_path):
    """A DHCP client of the system holds it, and the address is there already."""
    program = "import socket, time; s = socket.socket(2, 2); s.bind(('', 68)); time.sleep(60)"
    with _served(lan, ["--dhcp-boot=linux.0"]) as (client, _):
        client.address("eth0", "10.88.0.9/24")
        with client.start(sys.executable, "-c", program) as holder:
            processes.wait_until(
                lambda: servers.listening(client.pid, 68), "port 68", process=holder
            )
            before = scenes.remains(client)
            argv = scenes.command("standard", interpreter, tmp_path, ["--lease", "stack"])
            done = client.run(*argv, check=False)
            assert scenes.remains(client) == before
    assert done.returncode == 0, done.stdout + done.stderr
    result = json.loads((tmp_path / "result.json").read_text())
    assert (result["lease"]["by"], result["lease"]["ip"]) == ("stack", "10.88.0.9")
    assert any("68" in warning for warning in result["warnings"])


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (["--lease", "nonsense"], "not one of 'dhcp', 'static', 'stack'"),
        (["--lease", "static"], "--address"),
        (["--address", "10.0.0.1/24"], "--lease static"),
        (["--lease", "static", "--address", "10.0.0.1"], "IP/BITS"),
        (["--proxy", "10.0.0.1"], "--lease static or stack"),
        (["--uuid", "123"], "dmidecode"),
        (["--mac", "hello"], "MAC"),
        (["--mac", "01:00:5e:00:00:01"], "group"),
        (["--menu", "1", "--no-menu"], "exclude"),
        (["--menu", "0"], "1<=x<=255"),
        (["--arch", "z80"], "arm64-efi"),
        (["--arch", "arm64-efi"], "one architecture only"),
        (["--allow", "everybody"], "IPv4"),
        (["--file", ""], "1 to 127"),
        (["--rom", "os-client"], "These can: edk2, intel-undi"),
        (["--endpoint", "serial:/dev/null"], "for this machine"),
    ],
)
def test_wrong_words_are_one_sentence_and_exit_2(client, words, part):
    code, said = _refused(client, "-i", "eth0", *words)
    assert (code, said.count("\n")) == (2, 0), said
    assert part in said


# --- a boot that is cut short -------------------------------------------------------------------


@contextlib.contextmanager
def _waiting(lan, interpreter, folder):
    """A boot that has its lease and waits for a TFTP server that is not there: (client, process,
    its interface before)."""
    with _served(lan, ["--dhcp-boot=linux.0"], with_tftp=False) as (client, _):
        before = scenes.remains(client)
        argv = scenes.command("intel-undi", interpreter, folder, [])
        with capture.capture(client, "eth0") as wire, client.start(*argv) as process:
            processes.wait_until(
                lambda: any(packet.dport == 69 for packet in wire.packets()),
                "the first RRQ",
                timeout_s=15,
                process=process,
            )
            assert "10.88.0.1" in scenes.remains(client)[0]  # the lease is on the interface
            yield client, process, before


@everywhere
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_leaves_the_interface_as_it_was(lan, interpreter, number, tmp_path):
    with _waiting(lan, interpreter, tmp_path) as (client, process, before):
        os.kill(process.pid, number)
        assert process.wait(10) == 130
        assert scenes.remains(client) == before
        assert "Ctrl-C ended the boot" in process.output()
    result = json.loads((tmp_path / "result.json").read_text())
    assert result["ended"]["by"] == "user"
    assert result["lease"]["ip"].startswith("10.88.0.")


def test_killed_interpreter_leaves_the_interface_as_it_was(lan, tmp_path):
    with _waiting(lan, "MicroPython-1.26", tmp_path) as (client, process, before):
        children = subprocess.run(
            ["ps", "-o", "pid=", "--ppid", str(process.pid)], capture_output=True, text=True
        )
        os.kill(int(children.stdout.split()[0]), signal.SIGKILL)
        assert process.wait(10) == 3
        assert "SIGKILL" in process.output()
        assert scenes.remains(client) == before


@pytest.mark.parametrize("words", [(), ("--lease", "static", "--address", "10.88.0.9/24")])
def test_address_of_a_killed_bench_is_the_kernels_to_take_away(lan, words, tmp_path):
    """SIGKILL leaves nobody who could: the address has an end, soon after the boot's last one."""
    with _served(lan, ["--dhcp-boot=linux.0"], with_tftp=False) as (client, _):
        argv = scenes.command("standard", "CPython", tmp_path, words)
        with capture.capture(client, "eth0") as wire, client.start(*argv) as process:
            processes.wait_until(
                lambda: any(packet.dport == 69 for packet in wire.packets()), "RRQ", 15, process
            )
            os.kill(process.pid, signal.SIGKILL)
            process.wait(10)
        left = json.loads(client.run("ip", "-4", "-j", "addr", "show", "dev", "eth0").stdout)
        (address,) = left[0]["addr_info"]
        most_s = int(argv[argv.index("--max-time") + 1]) + 60
        assert address["local"].startswith("10.88.0.")
        assert 0 < address["valid_life_time"] <= most_s


def test_interpreter_of_a_killed_bench_gives_the_address_back(lan, tmp_path):
    """It notices with its next event that nobody listens any more."""
    with _waiting(lan, "MicroPython-1.26", tmp_path) as (client, process, before):
        os.kill(process.pid, signal.SIGKILL)
        process.wait(10)
        processes.wait_until(
            lambda: scenes.remains(client) == before, "the interface as it was", 20
        )


@everywhere
def test_ctrl_c_before_any_answer_ends_at_once(lan, interpreter, tmp_path):
    client = lan().machine("client")
    argv = scenes.command("edk2", interpreter, tmp_path, [])
    with capture.capture(client, "eth0") as wire, client.start(*argv) as process:
        processes.wait_until(
            lambda: any(packet.dport == 67 for packet in wire.packets()), "DISCOVER", 15, process
        )
        sent = time.monotonic()
        os.kill(process.pid, signal.SIGINT)
        assert process.wait(10) == 130
        assert time.monotonic() - sent < 3


@everywhere
def test_firmware_alone_takes_back_what_it_put_there(lan, interpreter):
    """Without the bench, which would do it too."""
    job = {
        "job": "boot",
        "interface": "eth0",
        "sink": {"kind": "null"},
        "trace": False,
        "max_bytes": None,
        "max_time_ms": 20000,
        "rom": job_of.bare(scenes.hurried("ipxe")),
    }
    folders = [programs.ROOT / folder for folder in ("firmware", "boards/host", "boards/common")]
    path = ":".join(map(str, folders))
    with _served(lan, ["--dhcp-boot=linux.0"]) as (client, _):
        before = scenes.remains(client)
        done = client.run(
            sys.executable if interpreter == "CPython" else "micropython-1.26",
            *("-c", "from pxerom import agent_stdio; agent_stdio.main()"),
            input=json.dumps(job) + "\n",
            env={**os.environ, "PYTHONPATH": path, "MICROPYPATH": path},
        )
        assert '"outcome": "ok"' in done.stdout
        assert scenes.remains(client) == before


def test_address_that_was_there_before_stays(lan, tmp_path):
    with _served(lan, ["--dhcp-boot=linux.0"]) as (client, _):
        client.address("eth0", "192.168.9.9/24")
        client.address("eth0", "10.88.0.9/24")  # in the lease's own network
        client.route("192.168.50.0/24", "192.168.9.1")
        before = scenes.remains(client)
        done = client.run(*scenes.command("ipxe", "CPython", tmp_path, []), check=False)
        assert done.returncode == 0, done.stderr
        assert scenes.remains(client) == before


def test_another_mac_is_on_the_wire_and_gone_afterwards(lan, tmp_path):
    mac = "02:00:00:12:34:56"
    with _served(lan, ["--dhcp-boot=linux.0", f"--dhcp-host={mac},10.88.0.42"]) as (client, _):
        links = client.run("ip", "-o", "link").stdout
        argv = scenes.command("u-boot", "CPython", tmp_path, ["--mac", mac])
        done = client.run(*argv, check=False)
        assert done.returncode == 0, done.stderr
        assert json.loads((tmp_path / "result.json").read_text())["lease"]["ip"] == "10.88.0.42"
        assert client.run("ip", "-o", "link").stdout == links


# --- keys ---------------------------------------------------------------------------------------


class Terminal:
    """A program on a terminal of its own: what it shows, and keys for it."""

    def __init__(self, argv):
        self.master, slave = pty.openpty()
        self.shown = b""
        self.process = subprocess.Popen(
            argv,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )
        os.close(slave)

    def until(self, text, timeout_s=20):
        """Read until the screen has shown `text`."""
        deadline = time.monotonic() + timeout_s
        while text.encode() not in self.shown:
            assert time.monotonic() < deadline, self.shown.decode(errors="replace")
            if select.select([self.master], [], [], 0.1)[0]:
                try:
                    self.shown += os.read(self.master, 4096)
                except OSError:  # the program is gone
                    break
        assert text.encode() in self.shown, self.shown.decode(errors="replace")

    def press(self, keys):
        os.write(self.master, keys)

    def end(self, timeout_s=20):
        """Wait for its end; the exit code."""
        deadline = time.monotonic() + timeout_s
        while self.process.poll() is None and time.monotonic() < deadline:
            if select.select([self.master], [], [], 0.1)[0]:
                with contextlib.suppress(OSError):
                    self.shown += os.read(self.master, 4096)
        return self.process.poll()

    def close(self):
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        os.close(self.master)


@contextlib.contextmanager
def _at_the_prompt(lan, interpreter, folder):
    with _served(lan, PROMPT) as (client, _):
        words = scenes.command("intel-undi", interpreter, folder, [])
        terminal = Terminal(client.argv(*words))
        try:
            terminal.until("Press F8")
            yield terminal
        finally:
            terminal.close()


@everywhere
def test_keys_open_the_menu_and_choose_from_it(lan, interpreter, tmp_path):
    """R-PXE-43."""
    with _at_the_prompt(lan, interpreter, tmp_path) as terminal:
        terminal.press(b"\x1b[19~")  # F8
        terminal.until("Tools")
        terminal.press(b"\x1b[B")  # down
        time.sleep(0.5)
        terminal.press(b"\r")
        assert terminal.end() == 0, terminal.shown
    result = json.loads((tmp_path / "result.json").read_text())
    assert result["menu"]["chosen"]["text"] == "Tools"
    assert result["menu"]["by"] == "key"
    assert (tmp_path / "out").read_bytes() == FILES["tools.0"]


@everywhere
def test_escape_ends_the_boot(lan, interpreter, tmp_path):
    with _at_the_prompt(lan, interpreter, tmp_path) as terminal:
        terminal.press(b"\x1b")
        assert terminal.end() == 1, terminal.shown
    result = json.loads((tmp_path / "result.json").read_text())
    assert result["status"]["code"] == "PXE-EA0"
    assert result["menu"]["by"] == "abort"
    assert result["transfers"] == []


def test_terminal_is_as_it_was_after_ctrl_c_in_the_menu(lan, tmp_path):
    with _at_the_prompt(lan, "CPython", tmp_path) as terminal:
        during = termios.tcgetattr(terminal.master)
        assert not during[3] & termios.ICANON
        terminal.press(b"\x03")
        assert terminal.end() == 130, terminal.shown
        assert termios.tcgetattr(terminal.master)[3] & termios.ICANON


def test_keys_are_known_by_what_terminals_send():
    from pxebench.boot import keys

    assert keys.parse(b"\x1b[19~\x1b[A\x1bOB\r2") == "mud\r2"
    assert keys.parse(b"\x1b") == "q"
    assert keys.parse(b"\x1b\x1b[B") == "qd"
    assert keys.parse(b"\x1b[15~x\x1b[1;5Cj") == "d"  # F5, x, Ctrl-Right: nothing; j: down


# --- the demo -----------------------------------------------------------------------------------


def test_boot_demo_boots_on_both_interpreters():
    done = subprocess.run(
        [sys.executable, "-m", "host_tests.lab.boot_demo"],
        env=dict(os.environ, ROM="ipxe", IMAGE="", MENU=""),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("the whole image") == 2
    assert "DISCOVER" in done.stdout
