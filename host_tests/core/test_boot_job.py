"""The boot job as a whole: events, result, codes, the interface and the lease afterwards."""

from pxerom.failure import Failure

from host_tests.core.bootrun import CONTENT, Job, dhcp_for_file, screen_of
from host_tests.core.check import raises, same
from host_tests.core.fakelan import CLIENT, LEASE, SERVER, FakeLan, dhcpd, option
from host_tests.core.fakenet import HOST, FileServer, Long, silence


def test_boot_from_nothing_is_one_result():
    job = Job("intel-undi", dhcp_for_file())
    names = job.names()
    for name in ("start", "dhcp", "offer", "lease", "boot", "request", "image", "result"):
        assert name in names, name
    assert names.index("lease") < names.index("boot") < names.index("request")
    result = job.result
    same((result["outcome"], result["image"]["bytes"]), ("ok", len(CONTENT)))
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
        (dhcp_for_file(), silence, "PXE-E18"),
    ):
        job = Job("edk2", network, tftp)
        same(job.code(), code)
        job.screen = screen_of("edk2", job.events)
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
    job = Job("intel-undi", dhcp_for_file(), huge)
    same((job.code(), job.result["outcome"]), ("PXE-E79", "failed"))
    same([each["status"]["code"] for each in job.events if each["event"] == "failed"], ["PXE-E79"])
    same(
        Job("intel-undi", dhcp_for_file(), FileServer(bytes(5000)), max_bytes=4000).code(),
        "PXE-E3A",
    )


def test_bytes_of_a_name_reach_the_wire_as_they_came():
    """R-PXE-31, R-TFTP-3: 0xff is no text, and is asked for all the same."""
    job = Job("intel-undi", dhcp_for_file(file=b"", options=LEASE + option(67, b"a\xff\xfe")))
    same(job.net.sent[0][3][:6], b"\0\1a\xff\xfe\0")
    same((job.result["boot"]["file"], job.result["boot"]["file_hex"]), ("a\\xff\\xfe", "61fffe"))
    same(job.result["transfers"][0]["file"], "a\\xff\\xfe")


def test_name_that_no_request_can_hold_is_the_servers_fault():
    """R-PXE-35, R-TFTP-2: an option 67 in three parts."""
    name = b"".join([option(67, b"a" * 200) for _ in range(3)])
    job = Job("intel-undi", dhcp_for_file(options=LEASE + name), release=True)
    same((job.names()[-1], job.code()), ("result", "PXE-E53"))
    same((job.result["status"]["side"], job.result["transfers"]), ("server", []))
    assert "No request can hold" in job.result["status"]["detail"]
    same((job.result["lease"]["released"], job.given_back()), (True, True))
    name = option(67, b"a" * 250) + option(67, b"b" * 150)
    del job  # a board has no room for two
    job = Job("edk2", dhcp_for_file(options=LEASE + name), FileServer(b"a program"))
    same(job.result["outcome"], "ok")


def test_size_that_dhcp_told_spares_edk2_its_probe():
    """R-PXE-34: option 13 counts blocks of 512; the Intel ROM is not known to heed it."""
    told = LEASE + option(13, b"\0\1")
    for rom, options, expected in (
        ("edk2", LEASE, ["size", "data"]),
        ("edk2", told, ["data"]),
        ("edk2", LEASE + option(13, b"\0\0"), ["size", "data"]),
        ("intel-undi", told, ["size", "data"]),
    ):
        # No job is kept beside the next one: a board has no room for two.
        result = Job(rom, dhcp_for_file(options=options), FileServer(CONTENT[:500])).result
        same([each["purpose"] for each in result["transfers"]], expected, rom)
        same(result["outcome"], "ok")


def test_boot_lasts_an_hour_at_the_most():
    """R-TFTP-74: a menu without a time-out, and nobody presses a key; `max_time_ms` is shorter."""
    menu = b"\x09\x04\0\1\1A\x0a\1\xff\xff"
    options = LEASE + option(60, "PXEClient") + option(43, menu)
    for fields, most_ms in (({}, 3600000), ({"max_time_ms": 9000}, 9000)):
        job = Job(
            "intel-undi", dhcp_for_file(options=options, file=b""), keys=lambda: "", **fields
        )
        same((job.result["ended"]["by"], job.result["ended"]["after_ms"]), ("bench", most_ms))
        # An address that nobody takes back (SIGKILL) has its end a minute later.
        same(job.lan.life_s, most_ms // 1000 + 60)


def test_lease_goes_back_when_asked_for_however_the_boot_ended():
    for tftp in (None, silence):
        job = Job("intel-undi", dhcp_for_file(), tftp, release=True)
        same((job.result["lease"]["released"], job.given_back()), (True, True))
        last = job.lan.sent[-1]
        same((last.kind, last.host, last.port, last.source), (7, SERVER, 67, 68))
        same(job.result["dhcp"][-1]["message"], "RELEASE")
        same(job.lan.log[-2:], [("released",), ("restore",)])
    job = Job("intel-undi", dhcp_for_file())
    same((job.result["lease"]["released"], job.lan.sent[-1].kind), (False, 3))


def test_interrupt_in_dhcp_or_in_tftp_leaves_the_interface_as_it_was():
    lan = FakeLan(dhcp_for_file())
    lan.interrupt_at = 1000
    job = Job("intel-undi", None, lan=lan)
    same((job.result["ended"]["by"], job.code(), job.given_back()), ("user", None, True))
    job = Job("intel-undi", dhcp_for_file(), interrupt_at=9)
    same((job.result["ended"]["by"], job.given_back()), ("user", True))
    same(job.result["lease"]["ip"], CLIENT)


def test_heap_that_gives_out_in_dhcp_is_a_failed_boot():
    lan = FakeLan(dhcp_for_file())

    def receive(wait_ms):
        raise MemoryError

    lan.receive = receive
    job = Job("intel-undi", None, lan=lan)
    same((job.code(), job.result["status"]["side"], job.given_back()), ("PXE-E3A", "ours", True))


def test_benchs_time_counts_from_the_first_discover():
    job = Job("intel-undi", dhcp_for_file(), silence, max_time_ms=5000)
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
        job = Job(rom, dhcp_for_file(), **fields)
        same((job.result["event"], job.result["exit"]), ("refused", code), fields)
        same((job.lan.sent, job.names()), ([], ["refused"]), fields)
