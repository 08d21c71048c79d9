"""What people read: screen, status, trace; and nothing raw from the network in any of them."""

from pxerom.failure import Failure, printable
from pxerom.screen import Screen
from pxerom.tftp_hazards import of_error
from pxerom.trace import Trace

from host_tests.core.check import raises, rom, same
from host_tests.core.fakenet import HOST, FileServer, Run, pattern, silence
from host_tests.core.packets import ack, data, error, rrq


def _screen(name, server, **limits):
    flat = rom(name)
    text = []
    screen = Screen(flat, text.append)
    screen.event({"event": "start"})
    for event in Run(flat, server, **limits).events:
        screen.event(event)
    return "".join(text)


def test_screen_of_an_intel_rom_that_times_out():
    """R-TFTP-73 (ROM note): E32, then the exit line; a dot for each time-out."""
    same(
        _screen("intel-undi", silence),
        "Intel UNDI, PXE-2.1 (emulated by pxerom)\n"
        "TFTP.........." + "\n"
        "PXE-E32: TFTP open timeout\n"
        "PXE-M0F: Exiting Intel PXE ROM.\n",
    )


def test_screen_of_an_intel_rom_that_boots():
    same(
        _screen("intel-undi", FileServer(pattern(2000))),
        "Intel UNDI, PXE-2.1 (emulated by pxerom)\nTFTP..\n",
    )


def test_screen_shows_the_servers_text_and_then_the_code():
    """R-TFTP-56: T-code with the text, E3B for 1, E3C for 2, E36 for the others."""
    for code, line in (
        (1, "PXE-E3B: TFTP error - File not found"),
        (2, "PXE-E3C: TFTP error - Access violation"),
        (4, "PXE-E36: Error received from TFTP server"),
    ):

        def refuse(packet, local_port, port, code=code):
            return [(1, 45140, error(code, "sorry"))]

        shown = _screen("intel-undi-plain", refuse)
        assert shown.endswith(
            "PXE-T%02d: sorry\n%s\nPXE-M0F: Exiting Intel PXE ROM.\n" % (code, line)
        ), shown


def test_screen_keeps_an_error_to_itself_that_did_not_end_the_boot():
    """R-TFTP-56 (ROM note): the ERROR to the probe is not shown when a time-out ends it."""

    def only_the_probe(packet, local_port, port):
        return [(1, 45140, error(2, "sorry"))] if b"tsize" in packet else ()

    shown = _screen("intel-undi", only_the_probe)
    assert "sorry" not in shown and "PXE-E32" in shown, shown


def test_control_bytes_of_the_server_never_reach_the_screen():
    """R-SEC-22: in an ERROR's text, and in an OACK's values in the events."""

    def nasty(packet, local_port, port):
        return [(1, 45140, b"\0\5\0\1\x1b]0;pwned\x07\x1b[2J\r\n\x9b\xff\0")]

    run = Run(rom("os-client"), nasty)
    same(run.result["transfers"][0]["error"]["message"], ".]0;pwned..[2J....")
    assert all(b == 10 or 32 <= b < 127 for b in _screen("os-client", nasty).encode())

    def nasty_oack(packet, local_port, port):
        return [(1, 45140, b"\0\6tsize\0\x1b[31m5\0")]

    run = Run(rom("standard"), nasty_oack)
    assert "\x1b" not in repr(run.result) and "\\x1b" not in repr(run.result)
    assert ".[31m5" in run.result["status"]["detail"], run.result["status"]


def test_printable_shows_0x20_to_0x7e_and_dots():
    """R-SEC-22."""
    same(printable(bytes(range(256))), "." * 32 + bytes(range(32, 127)).decode() + "." * 129)


def test_standard_client_shows_no_rom_screen_but_the_failure():
    """The screen of a client without one: the code and its text, no exit line."""
    same(_screen("standard", silence), "PXE-E32: TFTP open timeout\n")


def test_every_code_has_a_text_a_side_and_advice():
    """R-TFTP-73 and the codes of PXE 2.1: one owner for what a code means."""
    for code in ["E32", "E33", "E35", "E36", "E38", "E39", "E3A", "E3B", "E3C", "E3F"]:
        status = Failure("PXE-" + code, "It happened").status()
        same((status["code"], status["detail"]), ("PXE-" + code, "It happened"))
        assert status["text"] and status["side"] in ("ours", "server", "path"), status
        assert status["advice"][-1] in ".)", status
    same(Failure("PXE-E38", "x", "ours").status()["side"], "ours")


def test_error_code_of_the_server_decides_the_pxe_code():
    """R-TFTP-56: 1 is E3B, 2 is E3C, all others E36; a text that is empty is said to be."""
    codes = [of_error({"code": code, "message": "t"}).code[4:] for code in range(9)]
    same(codes, ["E36", "E3B", "E3C", "E36", "E36", "E36", "E36", "E36", "E36"])
    same(of_error({"code": 7, "message": ""}).detail, "The server answered with ERROR 7: no text")


def test_time_out_says_how_many_requests_from_which_ports():
    """R-TFTP-73: what an engineer needs for the firewall's log."""
    detail = Run(rom("intel-undi"), silence).result["status"]["detail"]
    assert "9 requests from UDP ports 2070 to 2078" in detail and "390.0 s" in detail, detail


def test_trace_notes_every_packet_both_ways_with_true_lengths():
    """R-TFTP-40: of DATA only the head is kept, control packets whole."""
    events = []
    trace = Trace(events.append)
    peer = net_address(45140)
    trace.packet("out", rrq("x", ("blksize", 1456)), net_address(69), 2070)
    trace.packet("in", data(1, bytes(1456)), peer, 2070)
    reply = bytearray(ack(1))
    trace.packet("out", reply, peer, 2070)
    reply[3] = 99  # the engine reuses the bytes of its ACK
    trace.packet("in", b"\0\5\0\1" + b"e" * 200 + b"\0", peer, 2070)
    same(events, [], "nothing is said before there is time")
    trace.flush()
    same([each["dir"] for each in events], ["out", "in", "out", "in"])
    same([each["len"] for each in events], [23, 1460, 4, 205])
    same([len(each["data"]) // 2 for each in events], [23, 64, 4, 205])
    same(events[2]["data"], "00040001")
    same((events[0]["host"], events[0]["port"], events[0]["local_port"]), (HOST, 69, 2070))
    times = [each["t_us"] for each in events]
    same(times, sorted(times))
    trace.flush()
    same(len(events), 4)


def net_address(port):
    from pxerom.runtime import address

    return address(HOST, port)


def test_trace_time_goes_on_where_the_ticks_wrap():
    """t_us counts from the job's start: a wrap of the clock is no step back."""
    from pxerom import trace as module
    from pxerom.runtime import ticks_add

    from host_tests.core.check import Patch

    start = ticks_add(0, -500)
    now = [start]
    with Patch(module, "ticks_us", lambda: now[0]):
        events = []
        trace = Trace(events.append)
        for after in (100, 499, 501, 5000):
            now[0] = ticks_add(start, after)
            trace.packet("in", b"\0\4\0\0", net_address(1), 2)
        trace.flush()
    same([each["t_us"] for each in events], [100, 499, 501, 5000])


def test_failure_without_detail_is_a_programming_error():
    raises(TypeError, Failure, "PXE-E32")
