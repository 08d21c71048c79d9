"""A rack on this PC: pseudo-terminal boards on ser2net, exporters and a coordinator of labgrid.

    with rack.rack({"rackpc1": {"board00": {"rack": "1"}, ...}}) as lab:
        lab.pxebench("fleet", "list") ...

All of it is in one namespace.  The lines are as boards/README.md, "A rack", has them: static
ports of ser2net, exported as NetworkSerialPort.  Places are given to the coordinator as the file
that it keeps them in: a `labgrid-client` takes a second, and there are twenty places.

1. Board 00 is filled by `pxebench board deploy` over its line; the others begin with a copy of its
   flash.
2. A shelf is a ser2net, an exporter and their boards: a test can kill those of one shelf.
"""

import contextlib
import json
import os
import shutil
import socket
import sys
import tempfile
from pathlib import Path

from pxebench.board import emulator

from host_tests import ptyboard, results
from host_tests.emulated import rig
from host_tests.lab import dhcp_servers, namespaces, processes, programs, servers

SERVER = "10.98.0.1"
BOOT_SERVER = "10.96.0.1"  # the emulated boards', with DHCP
IMAGE = bytes(range(256)) * 300
_READY = ("Coordinator ready", "connected to coordinator")
FIRST_PORT = 31000
COORDINATOR = 20408
SECOND = 20409
THIRD = 20410
_SLOW = {"slow.bin": bytes(749 * 512)}
VENV = programs.ROOT / ".tools/labgrid/bin"
CONFIG = {
    "link": {"ssid": "bench", "password": "secret word"},
    "server": SERVER,
    "file": "image.bin",
}


class Rack:
    """`boards`: {place: ptyboard.Board}; `namespace`, `folder`, `coordinator` for more."""

    def __init__(self, stack):
        if not (VENV / "labgrid-coordinator").exists():
            raise programs.LabError("labgrid is not here: run `python3 tools/provision.py rack`.")
        self.stack = stack
        self.folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="rack-")))
        self.lab = stack.enter_context(namespaces.lab())
        self.namespace = self.lab.namespace("rack")
        self.namespace.address("lo", f"{SERVER}/16")
        # With `lo` alone ser2net finds no name, not even of 127.0.0.1 (AI_ADDRCONFIG).
        for words in (("add", "r0", "type", "veth", "peer", "name", "r1"), ("set", "r0", "up")):
            self.namespace.run("ip", "link", *words)
        self.namespace.address("r0", "10.97.0.1/24")
        self.boards, self.urls = {}, {}
        self.served = stack.enter_context(servers.folder({"image.bin": IMAGE}))
        stack.enter_context(servers.in_tftpd(self.served, SERVER, 69, self.namespace))
        slow = stack.enter_context(servers.folder(_SLOW))
        stack.enter_context(servers.faulty("drip", slow, SERVER, 1069, self.namespace))
        self.url = f"tftp://{SERVER}/image.bin"
        self.slow = f"tftp://{SERVER}:1069/slow.bin"  # 15 s, and a little

    # ---- what it is made of

    def add_boards(self, names):
        """Boards with pxerom and a config in their flash; the very first one is filled."""
        number = len(self.boards)
        for name in names:
            image = self.folder / f"{name}.flash"
            filled = self.folder / "filled"
            if filled.exists():
                shutil.copyfile(filled, image)
            else:
                with open(image, "wb") as file:
                    file.truncate(ptyboard.Settings.flash)
            number += 1
            settings = ptyboard.Settings(address=f"10.98.1.{number}", id=f"{number:016x}")
            self.namespace.address("lo", f"{settings.address}/16")
            board = ptyboard.Board(str(image), settings, self.namespace)
            self.stack.callback(board.close)
            self.boards[name] = board
            if not filled.exists():
                config = self.folder / "config.json"
                config.write_text(json.dumps(CONFIG))
                self.fill(board.port, config)
                # As at power-up: nothing of it is in the interpreter's memory.
                shutil.copyfile(image, filled)

    def add_emulated(self, names):
        """Emulated boards (`boards/emulated`) with pxerom in their flash, each on a cable of its
        own to one switch, where a DHCP server names `image.bin`."""
        if not names:
            return
        lan = dhcp_servers.Lan(self.lab)
        server = lan.machine("server", f"{BOOT_SERVER}/24")
        words = ["--dhcp-boot=image.bin"]
        self.stack.enter_context(dhcp_servers.dnsmasq(server, BOOT_SERVER, words))
        self.stack.enter_context(servers.in_tftpd(self.served, BOOT_SERVER, 69, server))
        files = {path: data for path, data in rig.deployed_files().items() if path != "/main.py"}
        settings = {**CONFIG, "link": {"timeout_s": 20}, "board": "w5500_evb_pico"}
        image = rig.flash_image(
            {**files, "/config.json": json.dumps(settings).encode()}, emulator.BLOCKS
        )
        for name in names:
            place = lan.machine(name)
            wire = rig.Wire(place)
            self.stack.callback(wire.close)
            board = self.stack.enter_context(
                emulator.Emulator(self.folder / name, wire.nic, enter=place.argv("env"))
            )
            board.set(blocks=emulator.BLOCKS)
            board.load_flash(image)
            board.power_on()
            self.boards[name] = board

    def fill(self, port, config):
        words = ("board", "deploy", "--port", port, "--config", str(config))
        done = self.namespace.run(sys.executable, "-m", "pxebench", *words, timeout_s=60)
        assert "files copied" in done.stdout, done.stdout + done.stderr

    def ser2net(self, shelf, names):
        """A ser2net with the lines of these boards; yields its Process."""
        lines = ["%YAML 1.1", "---"]
        for name in names:
            port = FIRST_PORT + len(self.urls)
            self.urls[name] = port
            device = self.boards[name].port
            lines += [
                f"connection: &{name}",
                f"  accepter: telnet(rfc2217,mode=server),tcp(nodelay=true),{port}",
                f"  connector: serialdev(nouucplock),{device},115200n81,local,nobreak",
                "  options: {chardelay: false, max-connections: 1}",
            ]
        config = self.folder / f"{shelf}.ser2net.yaml"
        config.write_text("\n".join([*lines, ""]))
        process = self.stack.enter_context(
            self.namespace.start("ser2net", "-n", "-d", "-c", config)
        )
        for name in names:
            processes.wait_until(
                lambda number=self.urls[name]: self.listens(number), f"ser2net for {name}",
                process=process,
            )  # fmt: skip
        return process

    def listens(self, port):
        """True when something listens on a TCP port of the rack."""
        found = []
        for kind in ("tcp", "tcp6"):
            table = Path(f"/proc/{self.namespace.pid}/net/{kind}")
            rows = table.read_text().splitlines()[1:] if table.exists() else ()
            found += [row.split() for row in rows]
        return any(int(row[1].rpartition(":")[2], 16) == port and row[3] == "0A" for row in found)

    def labgrid(self, program, *words, folder=None, **env):
        """Start a program of labgrid's; its Process."""
        environment = {**os.environ, "GRPC_ENABLE_FORK_SUPPORT": "0", **env}
        argv = self.namespace.argv(str(VENV / program), *words)
        return self.stack.enter_context(
            processes.start(argv, env=environment, cwd=str(folder or self.folder))
        )

    def start_coordinator(self, places, port=COORDINATOR):
        """A coordinator that has these places: {name: {tag: value}}; its Process."""
        folder = self.folder / f"coordinator-{port}"
        folder.mkdir(exist_ok=True)
        known = {
            name: {
                "tags": tags,
                "matches": [
                    {"exporter": "*", "group": name, "cls": "NetworkSerialPort", "name": None,
                     "rename": None}
                ],
            }
            for name, tags in places.items()
        }  # fmt: skip
        (folder / "places.yaml").write_text(json.dumps(known))
        return self.labgrid("labgrid-coordinator", "-l", f"127.0.0.1:{port}", folder=folder)

    def export(self, exporter, names, port=COORDINATOR, raw=()):
        """An exporter that shows the lines of these boards; its Process. Those that are `raw` it
        shows as RawSerialPort: it starts a ser2net of its own when the place is acquired."""
        config = self.folder / f"{exporter}.yaml"
        shown = {
            name: {"NetworkSerialPort": {"host": "127.0.0.1", "port": self.urls[name]}}
            for name in names
        }
        for name in set(raw) & set(names):
            shown[name] = {"RawSerialPort": {"port": self.boards[name].port}}
        config.write_text(json.dumps(shown))
        words = ("-n", exporter, "-c", f"127.0.0.1:{port}", config)
        path = programs.search_path()  # for ser2net
        return self.labgrid("labgrid-exporter", *words, LG_HOSTNAME=exporter, PATH=path)

    def await_ready(self, *started):
        """Wait until these coordinators and exporters are at work."""
        for process in started:
            processes.wait_until(
                lambda one=process: any(word in one.output() for word in _READY),
                "a program of labgrid's", process=process,
            )  # fmt: skip

    # ---- what is done with it

    def argv(self, *words):
        return self.namespace.argv(str(VENV / "pxebench"), *words)

    def env(self, **more):
        """The environment of a user of this lab."""
        return {**os.environ, "LG_HOSTNAME": "desk", "LG_USERNAME": "alice",
                "LG_COORDINATOR": f"127.0.0.1:{COORDINATOR}", **more}  # fmt: skip

    def pxebench(self, *words, timeout_s=90, **env):
        """pxebench with labgrid, to its end; its CompletedProcess."""
        done = self.namespace.run(
            str(VENV / "pxebench"), *words, check=False, timeout_s=timeout_s, env=self.env(**env)
        )
        assert "Traceback" not in done.stdout + done.stderr, done.stderr
        assert "bug in pxebench" not in done.stdout + done.stderr, done.stderr
        return done

    def fleet(self, *words, timeout_s=90, **env):
        """`pxebench fleet ... --json`: (the process, the document or None)."""
        path = self.folder / "fleet.json"
        path.unlink(missing_ok=True)
        done = self.pxebench("fleet", *words, "--json", path, timeout_s=timeout_s, **env)
        return done, results.holds(json.loads(path.read_text())) if path.exists() else None

    def places(self, **env):
        """{place: its row} of `fleet list`."""
        done = self.pxebench("fleet", "list", "--json", **env)
        return {row["place"]: row for row in results.holds(json.loads(done.stdout))["places"]}

    def client(self, *words, **env):
        """labgrid-client, to its end."""
        return self.namespace.run(
            str(VENV / "labgrid-client"), *words, check=False, env=self.env(**env)
        )

    def booting(self, name):
        """True while the board has a UDP socket open."""
        host = int.from_bytes(socket.inet_aton(self.boards[name].settings.address), "little")
        rows = Path(f"/proc/{self.namespace.pid}/net/udp").read_text().splitlines()[1:]
        return any(row.split()[1].startswith(f"{host:08X}:") for row in rows)

    def start(self, *words, **env):
        """pxebench with labgrid, until the block ends; its Process."""
        return processes.start(self.argv(*words), env=self.env(**env))


@contextlib.contextmanager
def rack(shelves, second=(), third=(), raw=(), emulated=()):
    """A rack. `shelves`: {exporter: {place: tags}}; each has a ser2net and an exporter. `second`,
    `third`: the places that another coordinator, on port SECOND or THIRD, knows as well, by an
    exporter of that name; `raw`: those with a ser2net of labgrid's own; `emulated`: those that are
    no pseudo-terminal boards."""
    with contextlib.ExitStack() as stack:
        made = Rack(stack)
        places = {name: tags for shelf in shelves.values() for name, tags in shelf.items()}
        # Each takes a second to start, and that many at the same time hardly more.
        made.coordinator = made.start_coordinator(places)
        coordinators = [made.coordinator]
        others = [("second", second, SECOND), ("third", third, THIRD)]
        others = [one for one in others if one[1]]
        for _, names, port in others:
            known = {name: places[name] for name in names}
            coordinators.append(made.start_coordinator(known, port))
        made.coordinators = coordinators
        made.add_emulated(emulated)
        made.add_boards([name for name in places if name not in emulated])
        made.ser2nets = {shelf: made.ser2net(shelf, its) for shelf, its in shelves.items()}
        made.await_ready(*coordinators)
        made.exporters = {
            shelf: made.export(shelf, its, raw=raw) for shelf, its in shelves.items()
        }
        for exporter, names, port in others:
            made.exporters[exporter] = made.export(exporter, names, port)
        made.await_ready(*made.exporters.values())
        yield made
