"""The boot job as a whole: events, result, codes, the interface and the lease afterwards; keys and
the screen."""

from pxerom import agent, boot, port68
from pxerom.bootscreen import BootScreen
from pxerom.status import Failure

from host_tests.core.check import Patch, raises, same
from host_tests.core.fakelan import (
    CLIENT,
    LEASE,
    SERVER,
    FakeLan,
    answer,
    dhcpd,
    ip,
    option,
    together,
)
from host_tests.core.fakenet import HOST, FakeNet, FileServer, Long, silence

_CONTENT = bytes(range(256)) * 12


class Job:
    """A job run by the agent's door, in virtual time: `result`, `events`, `lan`, `net`."""

    def __init__(self, rom, network, tftp=None, lan=None, interrupt_at=None, keys=None, **job):
        self.lan = lan or FakeLan(network)
        self.events = []
        job.update(job="boot", rom=rom, sink={"kind": "null"})
        server = tftp or FileServer(_CONTENT)

        def make_udp(spec, bind, trace, prepare):
            self.net = FakeNet({"udp": {"source_port": spec}}, server)
            self.net.bind = bind
            self.net.interrupt_at = interrupt_at
            return self.net

        with Patch(port68, "Port68", lambda nic, ttl, trace: self.lan):
            with Patch(boot, "Udp", make_udp):
                self.result = agent.run(job, self.events.append, None, self.lan, keys)

    def names(self):
        return [event["event"] for event in self.events]

    def code(self):
        return self.result["status"] and self.result["status"]["code"]

    def given_back(self):
        return self.lan.log[-1] == ("give back",)


def _dhcp(**more):
    more.setdefault("file", b"undionly.kpxe")
    return dhcpd(siaddr=HOST, options=more.pop("options", LEASE), **more)


def test_boot_from_nothing_is_one_result():
    job = Job("intel-undi", _dhcp())
    names = job.names()
    for name in ("start", "dhcp", "offer", "lease", "boot", "request", "image", "result"):
        assert name in names, name
    assert names.index("lease") < names.index("boot") < names.index("request")
    result = job.result
    same((result["outcome"], result["image"]["bytes"]), ("ok", len(_CONTENT)))
    same((result["lease"]["ip"], result["boot"]["server"]), (CLIENT, HOST))
    same([each["message"] for each in result["dhcp"]], ["DISCOVER", "REQUEST"])
    same([each["chosen"] for each in result["offers"]], [True, True])
    same((job.net.bind, job.given_back()), (CLIENT, True))
    same([port for _, port, _, _ in job.net.sent][0], 2070)


def test_result_of_a_boot_that_failed_has_every_field_too():
    job = Job("intel-undi", None)
    same((job.result["outcome"], job.code()), ("failed", "PXE-E51"))
    for name in ("lease", "boot", "menu", "ended", "image"):
        same(job.result[name], None, name)
    for name in ("offers", "transfers", "warnings"):
        same(job.result[name], [], name)
    same((job.names()[-2:], job.given_back()), (["failed", "result"], True))


def test_uefi_has_codes_of_its_own():
    """R-PXE-24, R-PXE-61: in DHCP and in TFTP, and never one of the legacy table."""
    for network, tftp, code in (
        (None, None, "PXE-E18"),
        (dhcpd(), None, "PXE-E16"),
        (_dhcp(), silence, "PXE-E18"),
    ):
        job = Job("edk2", network, tftp)
        same(job.code(), code)
        job.screen = _screen("edk2", job.events)
        assert code + ": " in job.screen, job.screen
    for legacy, uefi in (
        ("E3B", "E23"),
        ("E61", "E12"),
        ("EA0", "E21"),
        ("E55", "E16"),
        ("E74", "E99"),
    ):
        same(Failure("PXE-" + legacy, "x").status(True)["code"], "PXE-" + uefi)
        same(Failure("PXE-" + legacy, "x").status()["code"], "PXE-" + legacy)


def test_every_code_of_a_boot_has_its_text():
    """R-PXE-24, R-PXE-47, R-PXE-60"""
    for code, text in (
        ("PXE-E11", "ARP timeout"),
        ("PXE-E51", "No DHCP or proxyDHCP offers were received"),
        ("PXE-E52", "proxyDHCP offers were received. No DHCP offers were received"),
        ("PXE-E53", "No boot filename received"),
        ("PXE-E55", "proxyDHCP service did not reply to request on port 4011"),
        ("PXE-E61", "Media test failure, check cable"),
        ("PXE-E74", "Bad or missing PXE menu and/or prompt information"),
        ("PXE-E76", "Bad or missing multicast discovery address"),
        ("PXE-E77", "Bad or missing discovery server list"),
        ("PXE-E78", "Could not locate boot server"),
        ("PXE-E79", "NBP is too big to fit in free base memory"),
        ("PXE-EA0", "Network boot canceled by keystroke"),
    ):
        same(Failure(code, "x").status()["text"], text)
    raises(ValueError, Failure("PXE-E75", "x").status)  # neither a code nor a status of PXE


def test_program_larger_than_base_memory_is_e79():
    """R-IMG-3: told apart from the limit that the job sets itself."""
    huge = FileServer(Long(700000))
    job = Job("intel-undi", _dhcp(), huge)
    same((job.code(), job.result["outcome"]), ("PXE-E79", "failed"))
    same([each["status"]["code"] for each in job.events if each["event"] == "failed"], ["PXE-E79"])
    same(Job("intel-undi", _dhcp(), FileServer(bytes(5000)), max_bytes=4000).code(), "PXE-E3A")


def test_bytes_of_a_name_reach_the_wire_as_they_came():
    """R-PXE-31, R-TFTP-3: 0xff is no text, and is asked for all the same."""
    job = Job("intel-undi", _dhcp(file=b"", options=LEASE + option(67, b"a\xff\xfe")))
    same(job.net.sent[0][3][:6], b"\0\1a\xff\xfe\0")
    same((job.result["boot"]["file"], job.result["boot"]["file_hex"]), ("a..", "61fffe"))
    same(job.result["transfers"][0]["file"], "a..")


def test_name_that_no_request_can_hold_is_the_servers_fault():
    """R-PXE-35, R-TFTP-2: an option 67 in three parts; and a job that names such a file is one
    that cannot be run."""
    name = b"".join([option(67, b"a" * 200) for _ in range(3)])
    job = Job("intel-undi", _dhcp(options=LEASE + name), release=True)
    same((job.names()[-1], job.code()), ("result", "PXE-E53"))
    same((job.result["status"]["side"], job.result["transfers"]), ("server", []))
    assert "512" in job.result["status"]["detail"]
    same((job.result["lease"]["released"], job.given_back()), (True, True))
    same(job.names().count("failed"), 1)
    job = Job("intel-undi", _dhcp(), file="a" * 600)
    same((job.result["event"], job.result["exit"], job.given_back()), ("refused", 2, True))


def test_size_that_dhcp_told_spares_edk2_its_probe():
    """R-PXE-34: option 13 counts blocks of 512; the Intel ROM is not known to heed it."""
    told = LEASE + option(13, b"\0\x06")
    for rom, options, expected in (
        ("edk2", LEASE, ["size", "data"]),
        ("edk2", told, ["data"]),
        ("edk2", LEASE + option(13, b"\0\0"), ["size", "data"]),
        ("intel-undi", told, ["size", "data"]),
    ):
        job = Job(rom, _dhcp(options=options))
        same([each["purpose"] for each in job.result["transfers"]], expected, rom)
        same(job.result["outcome"], "ok")


def test_boot_lasts_an_hour_at_the_most():
    """R-TFTP-74: a menu without a time-out, and nobody presses a key; `max_time_ms` is shorter."""
    menu = b"\x09\x04\0\1\1A\x0a\1\xff\xff"
    options = LEASE + option(60, "PXEClient") + option(43, menu)
    for fields, most_ms in (({}, 3600000), ({"max_time_ms": 9000}, 9000)):
        job = Job("intel-undi", _dhcp(options=options, file=b""), keys=lambda: "", **fields)
        same((job.result["ended"]["by"], job.result["ended"]["after_ms"]), ("bench", most_ms))


class _Tape:
    # Bytes of chance, the same in every run.
    def __init__(self, seed):
        self.state = seed * 2654435761 + 1 & 0xFFFFFFFF

    def below(self, limit):
        self.state = self.state * 1664525 + 1013904223 & 0xFFFFFFFF
        return (self.state >> 16) % limit

    def bytes(self, most):
        return bytes([self.below(256) for _ in range(self.below(most + 1))])


def _wild(tape):
    # The options of a server that says anything at all, half of it well-formed.
    said = b""
    for _ in range(tape.below(7)):
        code = (1, 3, 13, 43, 43, 43, 51, 52, 60, 60, 60, 66, 67, 71)[tape.below(14)]
        body = tape.bytes(12)
        if code == 60 and tape.below(8):
            body = b"PXEClient"
        elif code == 43 and tape.below(8):
            body = b""
            for tag in (6, 7, 8, 9, 10, 71):
                good = (
                    bytes((tape.below(16),)),
                    b"\xe0\0\1\2",
                    b"\0\1\1\x0a\0\0\2",
                    b"\0\1\1A\0\0\4Disk",
                    bytes((tape.below(4),)) + b"Go",
                    b"\0\1\0\0",
                )
                part = (
                    tape.bytes(9) if not tape.below(9) else good[(6, 7, 8, 9, 10, 71).index(tag)]
                )
                if tape.below(3):
                    body += bytes((tag, len(part) + tape.below(30) // 29)) + part
        said += bytes((code, len(body))) + body
    return said


def test_whatever_servers_say_ends_in_the_file_or_in_one_code():
    """R-SEC-14, R-SEC-15, R-SEC-16, R-SEC-17, R-SEC-19: whole boots, 120 of them: offers, answers
    on port 4011 and of boot servers, each with options that nobody would send."""
    outcomes = {}
    for seed in range(120):
        tape = _Tape(seed)

        def serve(sent, tape=tape):
            replies = []
            for _ in range(tape.below(3)):
                kind = {1: 2, 3: 5}.get(sent.kind, 2) if tape.below(8) else tape.below(10)
                server = (SERVER, "10.0.0.2")[tape.below(3) // 2]
                yiaddr = CLIENT if tape.below(4) else None
                data = answer(
                    sent.data, kind, yiaddr, HOST, server, _wild(tape), tape.bytes(8)[:128]
                )
                port = sent.port if tape.below(4) else (67, 4011)[tape.below(2)]
                replies.append((tape.below(3000), server, port, data))
            return replies

        rom = ("intel-undi", "edk2", "ipxe", "u-boot", "standard")[seed % 5]
        job = Job(rom, serve, server=HOST, release=seed % 2 > 0)
        same((job.names()[-1], job.given_back()), ("result", True), seed)
        result = job.result
        code = job.code() or "ok"
        same(result["outcome"], "ok" if code == "ok" else "failed", seed)
        assert code == "ok" or code[:5] in ("PXE-E", "PXE-M"), (seed, code)
        assert all(each["reason"] for each in result["offers"] if not each["chosen"]), seed
        outcomes[code] = outcomes.get(code, 0) + 1
        shown = _screen(rom, job.events)
        assert not [char for char in shown if char not in "\r\n" and not " " <= char <= "~"], seed
    assert outcomes.get("ok", 0) > 9 and len(outcomes) > 6, outcomes


def test_lease_goes_back_when_asked_for_however_the_boot_ended():
    for tftp in (None, silence):
        job = Job("intel-undi", _dhcp(), tftp, release=True)
        same((job.result["lease"]["released"], job.given_back()), (True, True))
        last = job.lan.sent[-1]
        same((last.kind, last.host, last.port, last.source), (7, SERVER, 67, 68))
        same(job.result["dhcp"][-1]["message"], "RELEASE")
        same(job.lan.log[-2:], [("let go",), ("give back",)])
    job = Job("intel-undi", _dhcp())
    same((job.result["lease"]["released"], job.lan.sent[-1].kind), (False, 3))


def test_interrupt_in_dhcp_or_in_tftp_leaves_the_interface_as_it_was():
    lan = FakeLan(_dhcp())
    lan.interrupt_at = 1000
    job = Job("intel-undi", None, lan=lan)
    same((job.result["ended"]["by"], job.code(), job.given_back()), ("user", None, True))
    job = Job("intel-undi", _dhcp(), interrupt_at=9)
    same((job.result["ended"]["by"], job.given_back()), ("user", True))
    same(job.result["lease"]["ip"], CLIENT)


def test_heap_that_gives_out_in_dhcp_is_a_failed_boot():
    lan = FakeLan(_dhcp())

    def receive(wait_ms):
        raise MemoryError

    lan.receive = receive
    job = Job("intel-undi", None, lan=lan)
    same((job.code(), job.result["status"]["side"], job.given_back()), ("PXE-E3A", "ours", True))


def test_benchs_time_counts_from_the_first_discover():
    job = Job("intel-undi", _dhcp(), silence, max_time_ms=5000)
    same(job.result["ended"]["by"], "bench")
    same(job.net.clock, 5000 - job.lan.clock)
    job = Job("intel-undi", None, max_time_ms=1000)
    same((job.result["ended"]["by"], job.code()), ("bench", "PXE-E51"))


def test_job_that_cannot_be_run_is_refused_before_anything_is_sent():
    for rom, fields, code in (
        ("os-client", {}, 2),
        ("no-such-rom", {}, 2),
        ("standard", {"lease": "mine"}, 2),
        ("standard", {"menu": 0}, 2),
        ("standard", {"menu": "last"}, 2),
        ("standard", {"uuid": "1234"}, 2),
        ("standard", {"proxy": "224.0.0.1"}, 2),
    ):
        job = Job(rom, _dhcp(), **fields)
        same((job.result["event"], job.result["exit"]), ("refused", code), fields)
        same((job.lan.sent, job.names()), ([], ["refused"]), fields)


# --- the screen ----------------------------------------------------------------------------------


def _screen(rom, events, live=True):
    shown = []
    screen = BootScreen(boot.load_rom(rom)[0], shown.append, live)
    for event in events:
        screen.event(event)
    return "".join(shown)


def test_intel_shows_client_lease_and_file():
    job = Job("intel-undi", _dhcp(), uuid="12345678-1234-5678-9abc-def012345678")
    lines = _screen("intel-undi", job.events).split("\n")
    same(
        lines[1:],
        [
            "",
            "CLIENT MAC ADDR: 20 6A 8A 0F 74 75  GUID: 12345678 1234 5678 9ABC DEF012345678",
            "DHCP.",
            "CLIENT IP: 10.0.0.77  MASK: 255.255.255.0  DHCP IP: 10.0.0.1",
            "GATEWAY IP: 10.0.0.1",
            "TFTP..",
            "",
        ],
    )


def _shown_of(rom, *servers):
    # The lines of a boot whose boot server is the file server of these tests.
    return _screen(rom, Job(rom, together(*servers)).events).split("\n")


_ONE_ENTRY = b"\x06\1\3\x08\x07\0\1\1" + ip(HOST) + b"\x09\x14\0\1\x11Boot from network\xff"


def _listed(sent):
    # The boot server of that list, and a proxy that has it.
    if sent.kind == 1:
        options = option(60, "PXEClient") + option(43, _ONE_ENTRY)
        return ((2, "10.0.0.2", 67, answer(sent.data, 2, server="10.0.0.2", options=options)),)
    if sent.port == 4011:
        options = option(43, b"\x47\4\0\1\0\0\xff")
        return ((2, HOST, 4011, answer(sent.data, 5, None, HOST, HOST, options, b"nbp")),)
    return ()


def test_intel_shows_proxy_entry_and_boot_server_as_on_a_copied_screen():
    """A thin client's, PXE-2.1 build 082 (2014): PROXY IP, Auto-select, BOOT SERVER IP."""
    same(
        _shown_of("intel-undi", dhcpd(), _listed)[3:],
        [
            "DHCP.",
            "CLIENT IP: 10.0.0.77  MASK: 255.255.255.0  DHCP IP: 10.0.0.1  PROXY IP: 10.0.0.2",
            "GATEWAY IP: 10.0.0.1",
            "",
            "Auto-select:",
            "     Boot from network",
            "",
            "BOOT SERVER IP: " + HOST,
            "TFTP..",
            "",
        ],
    )


def test_each_family_shows_a_boot_in_its_own_words():
    name = "undionly.kpxe"
    for rom, lines in (
        (
            "ipxe",
            [
                "net0: 20:6a:8a:0f:74:75",
                "Configuring (net0 20:6a:8a:0f:74:75).... ok",
                "net0: 10.0.0.77/255.255.255.0 gw 10.0.0.1",
                "Next server: " + HOST,
                "Filename: " + name,
            ],
        ),
        (
            "edk2",
            [
                ">>Start PXE over IPv4.",
                "  Station IP address is 10.0.0.77",
                "",
                "  Server IP address is " + HOST,
                "  NBP filename is " + name + ".",
            ],
        ),
        (
            "u-boot",
            [
                "BOOTP broadcast 1",
                "DHCP client bound to address 10.0.0.77 (2 ms)",
                "TFTP from server %s; our IP address is 10.0.0.77" % HOST,
                "Filename '%s'.." % name,
            ],
        ),
    ):
        shown = _shown_of(rom, _dhcp())
        at = shown.index(lines[0])
        same(shown[at : at + len(lines)], lines, rom)
    # Without a gateway, the rest of the line is there.
    shown = _shown_of("ipxe", _dhcp(options=option(1, b"\xff\xff\xff\0")))
    assert "net0: 10.0.0.77/255.255.255.0" in shown, shown


def test_line_of_which_nothing_is_known_is_left_out():
    job = Job("intel-undi", _dhcp(options=option(1, b"\xff\xff\xff\0")))
    same(job.code(), "PXE-E11")
    shown = _screen("intel-undi", job.events)
    assert "CLIENT IP" in shown and "GATEWAY" not in shown, shown


def test_each_discover_is_one_more_dot():
    shown = _screen("intel-undi", Job("intel-undi", None).events)
    assert "DHCP....\nPXE-E51: No DHCP or proxyDHCP offers were received\nPXE-M0F" in shown, shown
    shown = _screen("u-boot", Job("u-boot", None).events)
    assert "BOOTP broadcast 17\nRetry time exceeded; starting again\n" in shown, shown


def test_prompt_counts_down_in_place_and_the_menu_shows_its_mark():
    events = [{"event": "prompt", "text": "Press F8", "timeout_s": left} for left in (10, 9)]
    events.append({"event": "menu", "items": ["One", "Two"], "marked": 1, "timeout_s": None})
    same(_screen("intel-undi", events), "Press F8 (10)\rPress F8 (9) \n  One\n> Two\n")
    same(_screen("intel-undi", events, False), "Press F8 (10)\n  One\n> Two\n")


def test_rom_with_words_of_its_own_shows_no_pxe_code():
    """R-PXE-62: the lines of legacy PXE are for legacy PXE."""
    status = Failure("PXE-E3B", "x").status()
    error = {"event": "error", "error": {"code": 1, "message": "File not found"}}
    events = [error, {"event": "failed", "status": status}]
    same(_screen("u-boot", events), "TFTP error: 'File not found' (1)\n")
    assert "PXE-" not in _screen("ipxe", events)


def test_local_boot_shows_the_exit_line_alone():
    """R-PXE-44"""
    events = [{"event": "failed", "status": Failure("PXE-M0F", "x").status()}]
    same(_screen("intel-undi", events), "PXE-M0F: Exiting Intel PXE ROM.\n")
    events = [{"event": "failed", "status": Failure("PXE-M0F", "x").status(True)}]
    same(_screen("edk2", events), "")


def test_screen_of_a_broken_rom_file_is_refused():
    from pxerom import dhcprom, profile

    for field, value in (
        ("boot", {"lease": "no list"}),
        ("boot", {"typo": []}),
        ("errors", ["x"]),
    ):
        tree = profile.read("standard")
        tree["screen"][field] = value
        assert raises(profile.ProfileError, dhcprom.load, tree).path.startswith("screen." + field)
