"""The case of the report: a firewall that stops a ROM and lets the OS's client through.

A client (10.55.32.175) and a TFTP server (10.254.52.26, in.tftpd) have a firewall between them
that lets answers back to the client's high ports only. `act(endpoint)` plays the whole case on one
interpreter, `act_on_all()` on each at the same time; both return what was seen. The test asserts
on it, the demo prints it as it happens.

Rules
1. The firewall is a third machine on the path. On the server itself, a rule would make in.tftpd's
   own `send` fail, and its children would not stay connected to the client's ports as in the
   report; on the client, it would not be the network that drops.
2. Ports and times are those of a capture at the server, not those that the client reports.
3. With each rule set the server is started anew: the children of an earlier attempt resend for a
   minute, and once the path is open an old OACK may reach a new request's port. For a stateful
   rule set the firewall's flows are cleared too: only a new flow gets its `ct helper`, and a ROM
   that tries again within half a minute, from the same ports, is no new flow.
"""

import collections
import concurrent.futures
import contextlib
import functools
import json
import multiprocessing
import re
import sys
import tempfile
import time
from pathlib import Path

from host_tests.lab import capture, namespaces, programs, servers
from host_tests.lab.programs import LabError

CLIENT = "10.55.32.175"
SERVER = "10.254.52.26"
FILE = "undionly.kpxe"

# Stateless: it knows only ports, and 2070 is below its limit.
HIGH_PORTS_ONLY = """
table ip firewall {
  counter dropped { }
  chain forward {
    type filter hook forward priority filter; policy accept;
    ip saddr 10.254.52.26 ip daddr 10.55.32.175 udp dport > 32768 accept
    ip saddr 10.254.52.26 ip daddr 10.55.32.175 counter name dropped drop
  }
}
"""

# The same firewall with the ROM's ports let through: the smallest change that helps.
ROM_PORTS_TOO = HIGH_PORTS_ONLY.replace(
    "udp dport > 32768", "udp dport { 2070-2090, 32769-65535 }"
)

# Stateful: only packets of a flow that the client began. A TFTP answer is none, since it comes
# from a new port of the server, unless a helper reads the RRQ.
STATEFUL = """
table ip firewall {
  counter dropped { }
  chain forward {
    type filter hook forward priority filter; policy accept;
    ct state established,related accept
    ip saddr 10.55.32.175 ip daddr 10.254.52.26 udp dport 69 accept
    counter name dropped drop
  }
}
"""

# The helper, which works for any client port.
STATEFUL_READING_TFTP = (
    STATEFUL
    + """
table ip tftp {
  ct helper tftp-reader { type "tftp" protocol udp; }
  chain prerouting {
    type filter hook prerouting priority filter; policy accept;
    udp dport 69 ct helper set "tftp-reader"
  }
}
"""
)

LADDER_S = 31.5  # five tsize requests and the first one for the file: 0, 2.03, 6.04 ... 29.93 s
AGAIN_S = 7.5  # the first three of them
FULL_LADDER_S = 900  # well after the last wait: the ROM has given up

ENDPOINTS = {"CPython": "local", "MicroPython": "micropython"}

Request = collections.namedtuple("Request", "at_s port options")
Request.__doc__ = "One RRQ as the server got it; at_s counts from the first of this boot."

Child = collections.namedtuple("Child", "pid port client_port line")
Child.__doc__ = "An in.tftpd child as `ss -uanp` shows it: connected to the client's port."

Boot = collections.namedtuple("Boot", "exit_code screen result requests image children dropped")
Boot.__doc__ = """One run of `pxebench fetch`: its exit code, what it printed (the screen, then the
bench's words), the result JSON, the Requests at the server, the bytes stored (None: nothing), the
last Children seen meanwhile, and how many packets the firewall dropped."""

Findings = collections.namedtuple(
    "Findings", "blocked os_client again opened stateful reading_tftp"
)
Findings.__doc__ = """The Boots of the whole case in the order of the story: as the ROM through the
firewall, as the OS's client, as the ROM once more, with the ROM's ports opened, through a stateful
firewall, and through one that reads TFTP."""


def image():
    """Return the bytes of the iPXE image to boot; raises LabError when it is not there."""
    path = programs.ROOT / ".tools" / "ipxe" / FILE
    if not path.is_file():
        raise LabError(f"{path.relative_to(programs.ROOT)} is not here: run `make setup`.")
    return path.read_bytes()


class Machines:
    """Client, firewall and server, cabled and routed."""

    def __init__(self, lab):
        self.client = lab.namespace("client")
        self.firewall = lab.namespace("firewall")
        self.server = lab.namespace("server")
        lab.cable(self.client, "eth0", CLIENT + "/24", self.firewall, "inside", "10.55.32.1/24")
        lab.cable(self.server, "eth0", SERVER + "/24", self.firewall, "outside", "10.254.52.1/24")
        self.client.route("default", "10.55.32.1")
        self.server.route("default", "10.254.52.1")
        self.firewall.forward()


class Site(Machines):
    """The machines, with a TFTP server and rule sets; made by `site()`."""

    def __init__(self, lab, folder):
        super().__init__(lab)
        self._folder = folder
        self._tftpd = contextlib.ExitStack()
        self.wire = None  # the capture at the server

    def rule(self, rules):
        """Load a rule set into the firewall in place of the last; start the server anew."""
        self._tftpd.close()
        self.firewall.run("nft", "-f", "-", input="flush ruleset\n" + rules)
        self._tftpd.enter_context(servers.in_tftpd(self._folder, SERVER, 69, self.server))

    def children(self):
        """Return the in.tftpd Children that talk to the client at this moment."""
        found = []
        for line in self.server.run("ss", "-H", "-uanp").stdout.splitlines():
            peer = re.search(
                rf":(\d+)\s+{re.escape(CLIENT)}:(\d+)\s.*\"in.tftpd\",pid=(\d+)", line
            )
            if peer:
                port, client_port, pid = map(int, peer.groups())
                found.append(Child(pid, port, client_port, " ".join(line.split())))
        return sorted(found, key=lambda child: child.client_port)

    def dropped(self):
        """Return how many packets the firewall has dropped under this rule set."""
        text = self.firewall.run("nft", "list", "counter", "ip", "firewall", "dropped").stdout
        return int(re.search(r"packets (\d+)", text).group(1))

    def requests(self, since=0.0):
        """Return the Requests that reached the server after `since` (epoch seconds)."""
        seen = [
            packet
            for packet in self.wire.packets()
            if packet.time >= since and packet.dport == 69 and capture.opcode(packet) == "RRQ"
        ]
        return [
            Request(packet.time - seen[0].time, packet.sport, capture.options(packet))
            for packet in seen
        ]

    def boot(self, rom, endpoint, max_time_s, watch=lambda requests: None):
        """Run `pxebench fetch` on the client and return the Boot.

        `watch` gets the Requests so far, several times a second, and returns true when the
        children are to be read.
        """
        began = time.time()
        before = self.dropped()
        with tempfile.TemporaryDirectory() as name:
            out, report = Path(name, "out"), Path(name, "result.json")
            process = self.client.start(
                *(sys.executable, "-m", "pxebench", "fetch", f"tftp://{SERVER}/{FILE}"),
                *("--rom", rom, "--endpoint", endpoint, "--max-time", max_time_s),
                *("--out", out, "--json", report),
            )
            children = []
            with process as process:
                while process.running():
                    time.sleep(0.1)
                    if watch(self.requests(began)):
                        children = self.children()
                exit_code = process.wait(1)
                screen = process.output()
            if not report.exists():
                raise LabError(f"pxebench ended with {exit_code}: {screen.strip()}")
            return Boot(
                exit_code,
                screen,
                json.loads(report.read_text()),
                self.requests(began),
                out.read_bytes() if out.exists() else None,
                children,
                self.dropped() - before,
            )

    def close(self):
        self._tftpd.close()


@contextlib.contextmanager
def site():
    """Yield a Site that serves the iPXE image; it is removed after the block."""
    with contextlib.ExitStack() as stack:
        lab = stack.enter_context(namespaces.lab())
        folder = stack.enter_context(servers.folder({FILE: image()}))
        made = Site(lab, folder)
        stack.callback(made.close)
        made.wire = stack.enter_context(capture.capture(made.server, "eth0"))
        yield made


def act(endpoint, say=lambda line: None):
    """Play the whole case on one endpoint ("local", "micropython"); returns the Findings.

    Takes about 40 s, nearly all of it the ROM's own waits. `say` gets each line of the story.
    """
    with site() as place:
        say("The firewall lets answers through to client ports above 32768 only.")
        place.rule(HIGH_PORTS_ONLY)
        say("intel-undi asks for the image (what follows is seen at the server):")
        blocked = place.boot("intel-undi", endpoint, LADDER_S, _told(say))
        for child in blocked.children:
            say(f"  ss -uanp at the server: {child.line}")
        _outcome(say, blocked)

        say("os-client, from the same machine through the same firewall:")
        os_client = place.boot("os-client", endpoint, 5, _told(say))
        _outcome(say, os_client)

        say("intel-undi once more: a ROM begins to count at 2070 again at each boot.")
        again = place.boot("intel-undi", endpoint, AGAIN_S, _told(say))
        _outcome(say, again)

        say("The firewall now lets client ports 2070-2090 through as well. intel-undi:")
        place.rule(ROM_PORTS_TOO)
        opened = place.boot("intel-undi", endpoint, 5, _told(say))
        _outcome(say, opened)
    with site() as place:
        say("Another firewall, stateful, that does not read TFTP. intel-undi:")
        place.rule(STATEFUL)
        stateful = place.boot("intel-undi", endpoint, 1, _told(say))
        _outcome(say, stateful)
    with site() as place:
        say("The same with `ct helper tftp`: it expects an answer to the port that asked.")
        place.rule(STATEFUL_READING_TFTP)
        reading_tftp = place.boot("intel-undi", endpoint, 5, _told(say))
        _outcome(say, reading_tftp)
    return Findings(blocked, os_client, again, opened, stateful, reading_tftp)


def _told(say):
    # A `watch` that reports each request, and wants the children once the fourth (2073) is there.
    told = looked = 0

    def watch(requests):
        nonlocal told, looked
        fresh = requests[told:]
        for request in fresh:
            wait = request.at_s - requests[told - 1].at_s if told else 0
            after = f", after {wait:.2f} s" if wait > 0.1 else ""
            asked = " ".join(word for option in request.options for word in option)
            told += 1
            say(f"  RRQ {told} from port {request.port} ({asked or 'no options'}){after}")
        # in.tftpd may still be forking for a new one.
        if fresh or told < 4 or looked == told:
            return False
        looked = told
        return True

    return watch


def _outcome(say, boot):
    for line in boot.screen.splitlines():
        if line.startswith("PXE-"):
            say(f"  on the screen: {line}")
    if boot.image == image():
        say(f"  -> booted: all {len(boot.image)} bytes came, just as they are on the server")
    else:
        say(f"  -> did not boot; the firewall dropped {boot.dropped} packets on their way back")
        ended = boot.result["ended"]
        if ended:  # by --max-time: otherwise a ROM goes on for minutes
            after_s = ended["after_ms"] / 1000
            say(f"     The bench ended it after {after_s:.1f} s. {ended['next']}")


def _silent(runtime, line):
    pass


def act_on_all(tell=_silent):
    """Play the case on every runtime at the same time, each in networks of its own.

    Returns {runtime: Findings}. Processes and not threads, so that Ctrl-C reaches each of them and
    each removes its networks; `tell` must therefore be a module's function (or a partial).
    """
    spawn = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(len(ENDPOINTS), mp_context=spawn) as pool:
        stories = {
            runtime: pool.submit(act, endpoint, functools.partial(tell, runtime))
            for runtime, endpoint in ENDPOINTS.items()
        }
        return {runtime: story.result() for runtime, story in stories.items()}
