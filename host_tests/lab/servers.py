"""Real TFTP servers, ready when the call returns and gone after the block.

    with servers.in_tftpd(folder) as server:            # on this PC's loopback, any free port
    with servers.in_tftpd(folder, "10.0.0.1", 69, namespace) as server:
        ... server.host, server.port, server.url("name") ...

Rules
1. "Ready" is read from the kernel's table of UDP sockets; there is no fixed delay.
2. A server drops its rights; the folder and its files must be readable for all.
3. dnsmasq listens on port 69 and nowhere else, so it always needs a namespace.
"""

import collections
import contextlib
import errno
import os
import random
import socket
import sys
import tempfile
from pathlib import Path

from host_tests.lab import processes, programs
from host_tests.lab.programs import LabError

# Options that in.tftpd knows; "refused" is a server of RFC 1350 alone.
IN_TFTPD_OPTIONS = ("blksize", "blksize2", "tsize", "timeout", "utimeout", "rollover")
_PORTS = (10000, 25000)  # below the ports that Linux and GRUB use


class Server(collections.namedtuple("Server", "name host port process")):
    """A listening server: its address, and its Process."""

    __slots__ = ()

    def url(self, file):
        return f"tftp://{self.host}:{self.port}/{file}"


def free_port(host="127.0.0.1"):
    """Return a UDP port on which nobody listens at this moment, on this PC's own network. It is
    outside the system's range of ephemeral ports: another socket might get it first."""
    while True:
        port = random.randrange(*_PORTS)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            try:
                probe.bind((host, port))
            except OSError as error:
                if error.errno != errno.EADDRINUSE:
                    raise
            else:
                return port


def listening(pid, port):
    """Tell whether an UDP socket waits on `port` in the network that process `pid` is in."""
    lines = Path(f"/proc/{pid}/net/udp").read_text().splitlines()[1:]
    return any(int(line.split()[1].partition(":")[2], 16) == port for line in lines)


@contextlib.contextmanager
def folder(files):
    """Yield the path of a folder that any user can read, with `files`: {"sub/name": bytes}."""
    with tempfile.TemporaryDirectory(prefix="tftp-") as root:
        for name, content in files.items():
            path = Path(root, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        for path in (Path(root), *Path(root).rglob("*")):
            path.chmod(0o755 if path.is_dir() else 0o644)
        yield root


@contextlib.contextmanager
def serving(name, argv, host, port, namespace, **more):
    """Run `argv` until the block ends, and yield the Server once it listens on `port`."""
    if namespace is None:
        child = processes.start([programs.find(str(argv[0])), *argv[1:]], **more)
        network = os.getpid()
    else:
        child = namespace.start(*argv, **more)
        network = namespace.pid
    with child as process:
        processes.wait_until(
            lambda: listening(network, port), f"{name} on port {port}", process=process
        )
        yield Server(name, host, port, process)


def in_tftpd(folder, host="127.0.0.1", port=None, namespace=None, refuse=(), words=()):
    """tftp-hpa's server; `refuse` names options it is to refuse (IN_TFTPD_OPTIONS: all)."""
    port = port or free_port(host)
    refused = [word for option in refuse for word in ("--refuse", option)]
    argv = ["in.tftpd", "--foreground", "--ipv4", "--secure", "--address", f"{host}:{port}"]
    argv += [*refused, *words, folder]
    if os.geteuid() != 0:
        # In our user namespace root is the only user, and setgroups is not allowed.
        argv[0] = programs.find(argv[0])
        argv[1:1] = ["--user", "root"]
        argv = [sys.executable, Path(__file__).with_name("without_setgroups.py"), *argv]
        if namespace is None:  # for the chroot of --secure
            argv = ["unshare", "--user", "--map-root-user", *argv]
    return serving("in.tftpd", argv, host, port, namespace)


def dnsmasq(folder, host, namespace, single_port=False, words=()):
    """dnsmasq as a TFTP server and nothing else; `single_port` answers from port 69 itself."""
    if namespace is None:
        raise LabError("dnsmasq serves on port 69 only: give it a namespace.")
    argv = ["dnsmasq", "--no-daemon", "--conf-file=/dev/null", "--user=root", "--group=root"]
    # Not --bind-interfaces: with it, dnsmasq 2.90 answers nothing at all in single-port mode.
    argv += ["--pid-file=", "--port=0", "--bind-dynamic", f"--listen-address={host}"]
    argv += ["--enable-tftp", f"--tftp-root={folder}"]
    argv += ["--tftp-single-port"] if single_port else []
    argv += words
    return serving("dnsmasq", argv, host, 69, namespace)


def atftpd(folder, host="127.0.0.1", port=None, namespace=None):
    port = port or free_port(host)
    argv = ["atftpd", "--daemon", "--no-fork", "--logfile", "-", "--user", "root.root"]
    argv += ["--bind-address", host, "--port", port, folder]
    return serving("atftpd", argv, host, port, namespace)


def python_server(library, folder, host="127.0.0.1", port=None, namespace=None):
    """One of the servers of `python_servers`, in a Python process of its own."""
    port = port or free_port(host)
    program = Path(__file__).with_name("python_servers.py")
    argv = [sys.executable, program, library, host, port, folder]
    return serving(library, argv, host, port, namespace)


def faulty(fault, folder, host="127.0.0.1", port=None, namespace=None):
    """A server of our own with one fault (`faulty_server.FAULTS`)."""
    port = port or free_port(host)
    argv = [sys.executable, "-m", "host_tests.lab.faulty_server", fault, host, port, folder]
    return serving(f"server with {fault}", argv, host, port, namespace, cwd=programs.ROOT)


def pxebench(folder, host="127.0.0.1", port=None, namespace=None):
    """The bench's own: `pxebench serve`."""
    port = port or free_port(host)
    argv = [sys.executable, "-m", "pxebench", "serve", folder, "--bind", host, "--port", port]
    return serving("pxebench serve", argv, host, port, namespace)
