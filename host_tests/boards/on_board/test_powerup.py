"""What a board does at power-up: firmware/main.py, with the board's own link and a real server."""

import json
import os
import sys

import machine
import network
import nic
import powerup
from pxerom import boot, dhcp_socket, runtime

from host_tests.boards.on_board.tftp_server import HOST, Server
from host_tests.core.check import Folder, Patch, same
from host_tests.core.fakelan import LEASE, FakeLan, dhcpd
from host_tests.core.fakenet import HOST as TFTP
from host_tests.core.fakenet import FakeNet, FileServer, pattern
from host_tests.shim.become import skip

nic.sleep_ms = skip  # nobody waits for a network that is not there
_ROOT = __file__.rsplit("/", 4)[0]
_BOARD = {"rp2": "rpi_pico_w", "esp32": "esp32_wifi"}[sys.platform]
_PASSWORD = "correct horse"
_IMAGE = pattern(5000)

sys.path.insert(0, "%s/boards/%s" % (_ROOT, _BOARD))
sys.modules.pop("link", None)


def _config(**changes):
    config = {
        "board": _BOARD,
        "link": {"ssid": "bench", "password": _PASSWORD, "timeout_s": 3},
        "rom": "os-client",
        "server": HOST,
        "file": "image",
        "max_time_s": 10,
    }
    config.update(changes)
    return config


class _Board:
    """A board with a config.json: `run()` is a power-up, `screen` what it printed."""

    def __init__(self, folder, config):
        self.folder = folder
        self.screen = ""
        text = config if isinstance(config, str) else json.dumps(config)
        folder.put("config.json", text.encode())

    def write(self, text):
        self.screen += text

    def run(self):
        last = powerup.run(self.folder.path + "/", self.write)
        for name in self.folder.names():
            if name in ("result.json", "nbp"):
                assert _PASSWORD.encode() not in self.folder.read(name), name
        assert _PASSWORD not in self.screen and _PASSWORD not in repr(last), self.screen
        return last

    def result(self):
        return json.loads(self.folder.read("result.json"))


def test_power_up_boots_and_leaves_the_result():
    network.reset()
    with Folder() as folder, Server({"image": _IMAGE}) as server:
        board = _Board(folder, _config(port=server.port, image=folder.at("nbp")))
        last = board.run()
        same(last["outcome"], "ok")
        same(folder.read("nbp"), _IMAGE)
        same(folder.names(), ["config.json", "nbp", "result.json"])
        same(board.result(), last)
        same(last["endpoint"]["board"], _BOARD)
        same((last["endpoint"]["kind"], last["lease"]), ("board", None))
        same(last["endpoint"]["mac"], "28:cd:c1:00:00:01")
        lines = board.screen.split("\n")
        same(lines[0], "Bringing the link up.")
        assert "28:cd:c1:00:00:01, 192.0.2.77, mask 255.255.255.0, gateway 192.0.2.1" in lines[1]
        assert last["image"]["sha256"] in lines[-2], board.screen


def test_rom_that_does_not_ask_for_the_size_is_said_not_to_know_whether_it_fits():
    """Before the transfer; one that asks (`standard`) refuses a file that is too large itself."""
    network.reset()
    with Folder() as folder, Server({"image": _IMAGE}) as server:
        free = runtime.free_bytes(folder.at("nbp"))
        for rom, image, said in (
            ("os-client", folder.at("nbp"), True),
            ("standard", folder.at("nbp"), False),
            ("os-client", None, False),
        ):
            board = _Board(folder, _config(port=server.port, rom=rom, image=image))
            same(board.run()["outcome"], "ok")
            words = "This ROM does not ask the server for the size"
            same(words in board.screen, said, rom)
            if said:
                before, _, after = board.screen.partition(words)
                path, told = before.split()[-5], int(before.split()[-2])
                assert path == folder.at("nbp"), before
                assert abs(told - free) < free // 10, before  # others write to a PC's disk, too
                assert "SHA-256" in after


def _by_dhcp(network_of, tftp, **changes):
    """A power-up with `server` dhcp, in virtual time: (last result, screen, lan)."""
    network.reset(lease=None)
    lan = FakeLan(network_of)

    def port68_of(got, ttl, trace):
        lan.mac, lan.real = got.mac, got
        return lan

    config = _config(server="dhcp", **changes)
    del config["file"]
    make_udp = lambda spec, bind, trace, prepare: FakeNet({"udp": {"source_port": spec}}, tftp)  # noqa: E731
    with Folder() as folder:
        with Patch(dhcp_socket, "DhcpSocket", port68_of), Patch(boot, "Udp", make_udp):
            board = _Board(folder, config)
            last = board.run()
        same(board.result(), json.loads(json.dumps(last)))
    return last, board.screen, lan


def test_power_up_boots_by_dhcp_and_gives_the_lease_to_the_interface():
    serve = dhcpd(siaddr=TFTP, options=LEASE, file=b"image")
    last, screen, lan = _by_dhcp(
        serve, FileServer(_IMAGE), rom="standard", release=True, max_time_s=None
    )
    same((last["outcome"], last["image"]["bytes"]), ("ok", len(_IMAGE)))
    same((last["lease"]["ip"], last["lease"]["released"]), ("10.0.0.77", True))
    taken = [each[1][0] for each in network.calls if each[0] == "ifconfig"]
    esp32 = sys.platform == "esp32"  # its sockets need no address
    unleased = ["169.254.1.1", "0.0.0.0"] if esp32 else ["169.254.1.1"]
    same(taken, unleased + ["10.0.0.77"] + unleased[-1:])
    for words in (
        "0.0.0.0, mask 0.0.0.0" if esp32 else "169.254.1.1, mask 255.255.0.0",
        "CLIENT MAC ADDR: 28 CD C1 00 00 01",
        "CLIENT IP: 10.0.0.77  MASK: 255.255.255.0  DHCP IP: 10.0.0.1",
        "sends with a TTL" if esp32 else "sends from 169.254.1.1 before it has a lease",
    ):
        assert words in screen, screen
    same(last["endpoint"]["mac"], "28:cd:c1:00:00:01")
    assert lan.sent[0].kind == 1


def test_power_up_without_a_dhcp_server_is_e51():
    last, screen, _ = _by_dhcp(None, None, rom="standard", max_time_s=None)
    same(last["status"]["code"], "PXE-E51")
    assert "PXE-E51: No DHCP or proxyDHCP offers were received" in screen, screen


def test_rom_screen_is_the_roms():
    network.reset()
    with Folder() as folder, Server({}) as server:
        rom = json.loads(_read("%s/firmware/pxerom/roms/intel-undi.json" % _ROOT))
        ports = rom["udp"]["source_port"]
        # Its own ports may be in use on this PC.
        ports.update(policy="random", first=32768, last=60999)
        board = _Board(folder, _config(port=server.port, rom=rom))
        last = board.run()
        same(last["status"]["code"], "PXE-E3B")
        for words in (
            "Intel UNDI, PXE-2.1 (emulated by pxerom)\n",
            "PXE-T01: File not found\n",
            "PXE-E3B: TFTP error - File not found\n",
            "PXE-M0F: Exiting Intel PXE ROM.\n",
        ):
            assert words in board.screen, board.screen
        same(board.result()["outcome"], "failed")


def _read(path):
    with open(path) as file:
        return file.read()


def test_link_that_does_not_come_up_is_a_failed_boot():
    for changes, code, words in (
        (
            {"password": "another one"},
            "PXE-E61",
            'The Wi-Fi network "bench" refused the password.',
        ),
        ({"ssid": "neighbours"}, "PXE-E61", 'No Wi-Fi network "bench" was found'),
        ({"lease": None}, "PXE-E51", "no DHCP server gave it an address"),
        ({"chip": False}, "PXE-E63", "did not start"),
    ):
        network.reset(**changes)
        with Folder() as folder:
            board = _Board(folder, _config())
            last = board.run()
            same((last["outcome"], last["status"]["code"]), ("failed", code))
            assert words in board.screen and code + ": " in board.screen, board.screen
            same(board.result(), last)
            same((last["transfers"], last["image"]), ([], None))


def _broken():
    link = {"ssid": "bench", "password": _PASSWORD}
    yield "", "is not valid JSON"
    yield '{"link": {"password": "%s"' % _PASSWORD, "is not valid JSON"
    yield "[1]", "the whole file: expected an object in braces"
    yield _config(link=None), "link: expected an object with the settings of the board's link"
    yield _config(link=dict(link, password=12345678)), "link.password: expected text of 8 to 64"
    yield _config(link=dict(link, paswort=_PASSWORD)), "link.paswort: there is no such field"
    yield (
        _config(server="boot.example"),
        "server: expected dhcp, or the numeric IPv4 address of a TFTP",
    )
    yield _config(server="010.0.0.1"), "server: expected dhcp, or the numeric IPv4 address"
    yield _config(server="dhcp"), "file: DHCP names it where server is dhcp, expected none"
    yield (
        _config(lease="mine"),
        "lease: expected dhcp, or stack for the address of the board's own",
    )
    yield _config(uuid="1234"), "uuid: expected a UUID as 32 hexadecimal digits, or null"
    yield _config(menu=0), "menu: expected the number of an entry, first, or null"
    yield _config(release=1), "release: expected true or false"
    yield _config(server=_PASSWORD), "server: expected dhcp, or the numeric"
    yield _config(port=70000), "port: expected a whole number 1..65535"
    yield _config(file=""), "file: expected the name of the file to boot"
    yield _config(rom=3), "rom: expected the id of a ROM, or the path of its file"
    yield _config(image=True), "image: expected the name of a file to keep the image in, or null"
    yield _config(every_s=0), "every_s: expected a whole number 1..86400, or null to boot once"
    yield _config(watchdog_ms=3000), "watchdog_ms: expected a whole number 5000.."
    yield _config(max_time_s="10"), "max_time_s: expected a whole number 1..3600, or null"
    yield _config(time=1), "time: there is no such field, there are board, link, rom, server"
    without = _config()
    del without["file"]
    yield without, "file: is missing, expected the name of the file to boot"


def test_broken_config_is_a_sentence_and_a_prompt():
    for config, words in _broken():
        network.reset()
        machine.WDT.started = None
        with Folder() as folder:
            board = _Board(folder, config)
            same(board.run(), None)
            assert board.screen.startswith("config.json: ") or "config.json " in board.screen
            assert words in board.screen, (words, board.screen)
            same(board.screen.count("\n"), 1, board.screen)
            same(folder.names(), ["config.json"])
            same((network.calls, machine.WDT.started), ([], None))
    with Folder() as folder:
        screen = []
        same(powerup.run(folder.path + "/", screen.append), None)
        assert "config.json: cannot be read; `pxebench board deploy" in screen[0], screen


def test_rom_that_is_not_there_is_refused_and_told():
    network.reset()
    with Folder() as folder:
        board = _Board(folder, _config(rom="amiga"))
        last = board.run()
        same(last["outcome"], "refused")
        assert "there is no ROM called amiga" in board.screen, board.screen
        same(board.result()["message"], last["message"])


def test_result_that_cannot_be_written_is_told():
    network.reset()
    with Folder() as folder, Server({"image": _IMAGE}) as server:
        board = _Board(folder, _config(port=server.port))
        os.mkdir(folder.at("result.json.part"))
        same(board.run()["outcome"], "ok")
        assert "Cannot write " in board.screen and "it is a folder" in board.screen, board.screen


def test_boots_again_until_ctrl_c():
    network.reset()
    with Folder() as folder, Server({"image": _IMAGE}) as server:
        board = _Board(folder, _config(port=server.port, every_s=1))
        naps = []

        def nap(wait_ms):
            naps.append(wait_ms)
            if len(server.requests) == 3:
                raise KeyboardInterrupt
            skip(wait_ms)

        with Patch(powerup, "sleep_ms", nap):
            same(board.run(), None)
        same(len(server.requests), 3)
        assert max(naps) <= 500
        same(board.screen.count("The next boot is in 1 s; Ctrl-C stops.\n"), 3)
        assert board.screen.endswith("\nStopped by Ctrl-C.\n"), board.screen


def test_ctrl_c_ends_a_boot_with_its_result_and_a_boot_in_the_making():
    network.reset()
    with Folder() as folder, Server({"image": _IMAGE}, silent=True) as server:
        board = _Board(folder, _config(port=server.port, every_s=60))
        receives = []
        from pxerom import udp

        def interrupted(sock, wait_ms):
            receives.append(wait_ms)
            raise KeyboardInterrupt

        with Patch(udp, "set_timeout", interrupted):
            last = board.run()
        same((last["outcome"], last["ended"]["by"]), ("failed", "user"))
        same(board.result()["ended"], last["ended"])
    with Folder() as folder:
        board = _Board(folder, _config())
        import link

        def interrupted(settings, on_wait, dhcp=False):
            raise KeyboardInterrupt

        with Patch(link, "connect", interrupted):
            same(board.run(), None)
        assert board.screen.endswith("\nStopped by Ctrl-C.\n"), board.screen


def test_watchdog_is_fed_from_the_link_to_the_prompt():
    """It cannot be stopped: after the last boot a timer feeds it, or the prompt would vanish."""
    for only_hardware in (False, True):
        network.reset(delay_ms=400)
        machine.Timer.only_hardware = only_hardware
        del machine.timers[:]
        with Folder() as folder, Server({"image": _IMAGE}, silent=True) as server:
            board = _Board(folder, _config(port=server.port, watchdog_ms=8000, max_time_s=1))
            same(board.run()["ended"]["by"], "bench")
        dog = machine.WDT.started
        same(dog.timeout, 8000)
        assert dog.longest_ms < 4000 and dog.feeds >= 5, (dog.longest_ms, dog.feeds)
        same(len(machine.timers), 1)
        feeds = dog.feeds
        machine.timers[0].callback(machine.timers[0])
        same((dog.feeds, machine.timers[0].period), (feeds + 1, 1000))
    machine.Timer.only_hardware = False


def test_watchdog_of_the_rp2040_waits_8388_ms_at_most():
    network.reset()
    with Folder() as folder:
        board = _Board(folder, _config(watchdog_ms=8389))
        if sys.platform == "rp2":
            same(board.run(), None)
            assert "watchdog_ms: expected a whole number 5000..8388" in board.screen
        else:
            powerup.checked(json.loads(folder.read("config.json")), __import__("link").FIELDS)


def test_main_py_is_the_power_up():
    """As the board runs it: by its name, in the folder of config.json."""
    network.reset()
    with Folder() as folder, Server({"image": _IMAGE}) as server:
        _Board(folder, _config(port=server.port))
        here = os.getcwd()
        os.chdir(folder.path)
        try:
            exec(_read(_ROOT + "/firmware/main.py"), {"__name__": "__main__"})
        finally:
            os.chdir(here)
        same(json.loads(folder.read("result.json"))["outcome"], "ok")


def test_board_without_its_link_says_what_is_missing():
    with Folder() as folder:
        board = _Board(folder, _config())
        sys.modules["link"] = None  # an import of it fails
        try:
            same(board.run(), None)
        finally:
            del sys.modules["link"]
        assert board.screen.startswith("This board lacks a part of pxerom"), board.screen
