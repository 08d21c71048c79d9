"""The line that tells of a boot's wait before its first TFTP request: its words."""

from pxebench import job, live
from pxebench.boot import boot_job


class _Clock:
    now = 0.0

    def __call__(self):
        return self.now


def _waiting(rom="intel-undi", max_time_ms=None):
    clock = _Clock()
    return live.Waiting(boot_job.flat(job.load_rom(rom)), max_time_ms, clock), clock


def _sent(message, attempt, purpose="lease", to="255.255.255.255:67"):
    event = {"event": "dhcp", "at_ms": 0, "message": message, "purpose": purpose, "to": to}
    return event | {"source_port": 68, "attempt": attempt, "xid": "00000000", "secs": 4}


def _offer():
    return {"event": "offer", "at_ms": 0, "server": "10.77.0.1"}


def test_discover_says_when_the_next_one_comes_and_when_the_rom_gives_up():
    waiting, clock = _waiting()
    waiting.event(_sent("DISCOVER", 1))
    assert waiting.texts() == ()
    clock.now = 2.09
    waiting.event(_sent("DISCOVER", 2))
    clock.now = 4.09  # 2 s of 4 s; 8 and 16 more
    head, end = waiting.texts()
    assert head == "DISCOVER 2 of 4; next in 2 s"
    assert end == "the ROM gives up in 26s (--max-time: sooner); Ctrl-C says what is known"
    clock.now = 14.09
    waiting.event(_sent("DISCOVER", 4))
    clock.now = 20.09
    assert waiting.texts()[0] == "DISCOVER 4 of 4; gives up in 10 s"


def test_offer_does_not_begin_the_wait_anew():
    waiting, clock = _waiting()
    waiting.event(_sent("DISCOVER", 3))
    clock.now = 2.0
    waiting.event(_offer())
    clock.now = 5.0
    head, end = waiting.texts()
    assert head == "DISCOVER 3 of 4; 1 answer; waits 3 s more for others"
    assert end == "--max-time TIME would end it; Ctrl-C says what is known"


def test_jitter_makes_the_next_one_about_then():
    waiting, clock = _waiting("standard")
    waiting.event(_sent("DISCOVER", 1))
    clock.now = 1.0
    assert waiting.texts()[0] == "DISCOVER 1 of 4; next in about 3 s"


def test_rom_that_discovers_anew_does_not_give_up():
    waiting, clock = _waiting("slof")
    waiting.event(_sent("REQUEST", 1))
    clock.now = 2.02
    head, end = waiting.texts()
    assert head == "REQUEST 1 of 1; DISCOVER again in 6 s"
    assert end.startswith("--max-time TIME would end it")
    waiting.event({"event": "nak", "at_ms": 1, "server": "10.77.0.1", "message": ""})
    clock.now = 4.04  # its wait of 6,018 ms after a NAK
    assert waiting.texts()[0] == "the lease was refused (NAK); DISCOVER again in 4 s"
    waiting.event(_sent("DECLINE", 1))
    clock.now = 6.06
    assert waiting.texts()[0] == "the address was declined; DISCOVER again in 4 s"


def test_request_to_port_4011_and_to_a_boot_server_names_it():
    waiting, clock = _waiting()
    waiting.event(_sent("REQUEST", 3, "proxy", "10.77.0.2:4011"))
    clock.now = 1.0
    assert waiting.texts()[0] == "REQUEST 3 of 4 to 10.77.0.2:4011; next in 2 s"
    waiting.event(_sent("REQUEST", 4, "discovery", "224.0.1.2:4011"))
    clock.now = 3.0
    assert waiting.texts()[0] == "REQUEST 4 of 4 to 224.0.1.2:4011; over in 2 s"


def test_inform_gives_up_with_its_last_wait():
    waiting, clock = _waiting()
    waiting.event(_sent("INFORM", 4, "inform"))
    clock.now = 1.0
    head, end = waiting.texts()
    assert head == "INFORM 4 of 4; gives up in 3 s"
    assert end.startswith("the ROM gives up in 3s")


def test_name_server_is_named():
    waiting, clock = _waiting("slof")
    waiting.event({**_sent("DNS QUERY", 1, "dns", "10.77.0.3:53"), "source_port": 32769})
    clock.now = 1.0
    assert waiting.texts()[0].startswith("DNS QUERY 1 of ")
    assert " to 10.77.0.3:53; " in waiting.texts()[0]


def test_silence_after_the_lease_is_arp_or_a_pause():
    lease = {"event": "lease", "at_ms": 1000, "ip": "10.77.0.108"}
    waiting, clock = _waiting()
    waiting.event(lease)
    clock.now = 2.0
    assert waiting.texts()[0] == (
        "has the address 10.77.0.108; ARP for the boot server or the gateway, 4 times at most"
    )
    waiting, clock = _waiting("ipxe-2")
    waiting.event(lease)
    clock.now = 1.1  # of 4.1 s since its first packet, of which one had passed
    assert waiting.texts()[0] == "has the address 10.77.0.108; the ROM goes on in 2 s"


def test_max_time_ends_it_sooner():
    waiting, clock = _waiting(max_time_ms=5000)
    waiting.event(_sent("DISCOVER", 1))
    clock.now = 1.0
    assert waiting.texts()[1] == "--max-time ends it in 4s; Ctrl-C says what is known"


def test_rom_whose_file_is_elsewhere_tells_the_time_that_passed():
    clock = _Clock()
    waiting = live.Waiting(job.flat(job.load_rom("intel-undi")), None, clock)
    waiting.event(_sent("DISCOVER", 2))
    clock.now = 3.0
    assert waiting.texts()[0] == "DISCOVER 2; 3 s without an answer"


def test_every_line_fits_a_terminal_of_80_columns():
    for name in ("intel-undi", "ipxe-2", "slof", "u-boot"):
        waiting, clock = _waiting(name)
        for message, purpose in (
            ("DISCOVER", "lease"),
            ("REQUEST", "lease"),
            ("REQUEST", "proxy"),
        ):
            waiting.event(_sent(message, 1, purpose, "255.255.255.255:4011"))
            waiting.event(_offer())
            clock.now += 1.5
            assert all(len(text) < 80 for text in waiting.texts())
            clock.now += 1.5
