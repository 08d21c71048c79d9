"""Networks of our own: Linux network namespaces, cabled with veth pairs.

No packet leaves them: a new namespace has no interface but `lo`, and the cables made here only
connect one of ours to another. Names and rule sets of the machine are not changed.

Rules
1. A namespace has no name. It exists as long as a process that waits on a pipe of ours: when we
   end, by any signal, the pipe closes, that process ends and the kernel removes the network.
2. As root we work directly. Otherwise everything runs in one user namespace where we are root; a
   kernel that forbids this is reported with a LabError that says so.
3. A command enters with `nsenter`, which becomes the command: its process id is the one we end.
"""

import contextlib
import os
import subprocess

from host_tests.lab import processes, programs
from host_tests.lab.programs import LabError

_FORBIDDEN = (
    "The lab needs network namespaces: run it as root, or allow unprivileged user namespaces"
    " (sysctl kernel.unprivileged_userns_clone=1, kernel.apparmor_restrict_unprivileged_userns=0)."
)


class _Holder:
    """A process that keeps namespaces alive until `close()`, or until we end."""

    def __init__(self, argv):
        self._popen = subprocess.Popen(
            [*argv, "sh", "-c", "echo ready; exec cat"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        self.pid = self._popen.pid
        if self._popen.stdout.readline() != b"ready\n":
            reason = self._popen.stderr.read().decode().strip()
            self.close()
            raise LabError(f"{_FORBIDDEN} [{reason}]")

    def close(self):
        self._popen.stdin.close()
        self._popen.wait()
        self._popen.stdout.close()
        self._popen.stderr.close()


class Namespace:
    """One machine of the lab, with `lo` up. Made by `Lab.namespace`."""

    def __init__(self, name, lab_argv):
        self.name = name
        self._holder = _Holder([*lab_argv, programs.find("unshare"), "--net"])
        # Entering by the holder's id alone is enough for root; the user namespace comes first.
        self._enter = [*lab_argv, programs.find("nsenter"), "-t", str(self._holder.pid), "--net"]
        self.run("ip", "link", "set", "lo", "up")
        # in.tftpd takes no --address where 127.0.0.1 is the only one (AI_ADDRCONFIG).
        self.address("lo", "127.0.0.2/8")

    @property
    def pid(self):
        """The id of a process inside, for `/proc/PID/net`."""
        return self._holder.pid

    def argv(self, program, *words):
        """Return the argument list that runs `program` inside."""
        return [*self._enter, programs.find(str(program)), *map(str, words)]

    def run(self, program, *words, check=True, timeout_s=30, **more):
        """Run a program inside and return its CompletedProcess (text).

        Raises LabError with what it printed when it fails and `check` is true.
        """
        argv = self.argv(program, *words)
        done = subprocess.run(
            argv, capture_output=True, text=True, timeout=timeout_s, check=False, **more
        )
        if check and done.returncode:
            said = (done.stderr or done.stdout).strip()
            raise LabError(f"`{program} {' '.join(map(str, words))}` failed: {said}")
        return done

    def start(self, program, *words, **more):
        """Run a program inside until the `with` block ends; yields a processes.Process."""
        return processes.start(self.argv(program, *words), **more)

    def address(self, interface, cidr):
        """Give `interface` a further address, as "10.0.0.1/24"."""
        self.run("ip", "address", "add", cidr, "dev", interface)

    def route(self, destination, gateway):
        self.run("ip", "route", "add", destination, "via", gateway)

    def forward(self):
        """Let it route packets between its interfaces."""
        self.run("sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward")

    def close(self):
        self._holder.close()


class Lab:
    """Namespaces and the cables between them; made by `lab()`, removed after its block."""

    def __init__(self):
        self._stack = contextlib.ExitStack()
        self._argv = []
        if os.geteuid() != 0:
            unshare = [programs.find("unshare"), "--user", "--map-root-user", "--net", "--mount"]
            outer = _Holder(unshare)
            self._stack.callback(outer.close)
            self._argv = [
                programs.find("nsenter"),
                *("-t", str(outer.pid), "--user", "--mount", "--preserve-credentials"),
            ]

    def namespace(self, name):
        """Make a namespace; `name` is for messages only."""
        made = Namespace(name, self._argv)
        self._stack.callback(made.close)
        return made

    def cable(self, one, one_if, one_cidr, other, other_if, other_cidr):
        """Join two namespaces by a veth pair, with an address at each end."""
        one.run(
            *("ip", "link", "add", one_if, "type", "veth"),
            *("peer", "name", other_if, "netns", str(other.pid)),
        )
        for end, interface, cidr in ((one, one_if, one_cidr), (other, other_if, other_cidr)):
            end.address(interface, cidr)
            end.run("ip", "link", "set", interface, "up")

    def close(self):
        self._stack.close()


@contextlib.contextmanager
def lab():
    """Yield a Lab; all its namespaces are removed when the block ends, however it ends."""
    made = Lab()
    try:
        yield made
    finally:
        made.close()
