"""The wire of an ESP32 that is a program: a switch in the lab, a server on it, and a TAP.

    with wire.plugged_in() as bench:
        with bench.serving(FILES, dhcp=[...]) as server: ...
        run = bench.power_up("esp32_eth", tmp_path, server="dhcp", link={...})

The board's machine has no address: a bridge joins its end of the cable with the TAP, whose other
end is lwIP. It needs /dev/net/tun.
"""

import collections
import contextlib
import json
import subprocess
from pathlib import Path

from host_tests.lab import capture, dhcp_servers, namespaces, programs, servers

INTERPRETER = programs.ROOT / ".tools" / "bin" / "micropython-esp32"
SERVER = "10.9.0.1"
MAC = "28:cd:c1:00:00:01"
LINKS = {
    "esp32_eth": {"pins": "wt32-eth01"},
    "esp32_wifi": {"ssid": "bench", "password": "correct horse"},
}
ON_BOARD = Path(__file__).resolve().parent / "on_board"

Run = collections.namedtuple("Run", "result shown files packets")
Run.__doc__ = """One power-up: result.json or None, what the screen showed, the files in its folder
{name: bytes}, the packets on its cable."""


class Bench:
    """`machine`: the server's Namespace at SERVER; `board`: the ESP32's, with `eth0`."""

    def __init__(self, machine, board):
        self.machine = machine
        self.board = board

    def start(self, script, *words):
        """Run a script on the interpreter, on the wire, until the `with` block ends."""
        return self.board.start(*_argv(script, words))

    def run(self, script, *words, timeout_s=60):
        """Run a script to its end: (exit code, what it printed)."""
        done = subprocess.run(
            self.board.argv(*_argv(script, words)),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=timeout_s,
            check=False,
        )
        return done.returncode, done.stdout.decode("utf-8", "replace")

    @contextlib.contextmanager
    def serving(self, files, dhcp=()):
        """in.tftpd and dnsmasq at SERVER, with further words for dnsmasq."""
        with (
            servers.folder(files) as folder,
            servers.in_tftpd(folder, SERVER, 69, self.machine) as server,
            dhcp_servers.dnsmasq(self.machine, SERVER, dhcp),
        ):
            yield server

    def power_up(self, board, folder, *scene, **config):
        """A power-up of `board` (an id) with this config.json, as main.py does it; a Run. `scene`:
        names and values of what is played otherwise (on_board/modules/network.py)."""
        config.setdefault("board", board)
        config["link"] = {**LINKS[board], "timeout_s": 10, **config.get("link", {})}
        (folder / "config.json").write_text(json.dumps(config))
        with capture.capture(self.board, "eth0") as wire:
            code, shown = self.run(ON_BOARD / "power_up.py", board, folder, *scene)
            packets = wire.packets()
        assert code == 0, shown
        files = {path.name: path.read_bytes() for path in folder.iterdir()}
        result = json.loads(files["result.json"]) if "result.json" in files else None
        return Run(result, shown, files, packets)


def _argv(script, words):
    env = ("env", "PRECONFIGURED_TAPIF=tap0")
    return [*env, INTERPRETER, "-X", "heapsize=4m", script, *words]


@contextlib.contextmanager
def plugged_in():
    """Yield a Bench."""
    with namespaces.lab() as lab:
        lan = dhcp_servers.Lan(lab)
        machine = lan.machine("server", f"{SERVER}/24")
        board = lan.machine("esp32")
        for words in (
            "tuntap add dev tap0 mode tap",
            "link add br0 type bridge",
            "link set eth0 master br0",
            "link set tap0 master br0",
        ):
            board.run("ip", *words.split())
        for interface in ("br0", "tap0"):
            board.run("sh", "-c", f"echo 1 > /proc/sys/net/ipv6/conf/{interface}/disable_ipv6")
            board.run("ip", "link", "set", interface, "up")
        yield Bench(machine, board)
