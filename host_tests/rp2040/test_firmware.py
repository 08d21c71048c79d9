"""What MicroPython's own firmware for the W5500-EVB-Pico is and does, on the emulated board."""

import ast

from host_tests.rp2040 import rig

_UP = """
import network
nic = network.WIZNET5K()
nic.active(True)
nic.ifconfig(("{ip}", "{mask}", "{gateway}", "{gateway}"))
""".format(**rig.STATIC)


def test_board_is_a_w5500_evb_pico_with_its_memory_and_flash(board_here):
    code = "import gc, os; gc.collect(); print((os.uname()[4], gc.mem_free(), os.statvfs('/')[:3]))"
    machine, free, flash = ast.literal_eval(board_here.exec(code))
    assert machine == "W5500-EVB-Pico with RP2040"
    assert flash == (4096, 4096, 352)
    assert free > 200000


def test_three_udp_sockets_at_once_and_no_fourth(board_here):
    code = """
import socket
held = []
try:
    while len(held) < 9:
        held.append(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
except OSError as error:
    print((len(held), error.errno))
for one in held:
    one.close()
"""
    assert ast.literal_eval(board_here.exec(_UP + code)) == (3, 12)


def test_ping_gets_answers_from_the_board(board_here, desk):
    board_here.exec(_UP)
    done = desk.namespace.run("busybox", "ping", "-c", "3", "-W", "5", rig.STATIC["ip"])
    assert "3 packets received" in done.stdout or "3 received" in done.stdout


def test_writes_of_every_length_around_a_packet_arrive_whole(board_here):
    lengths = (1, 63, 64, 65, 127, 128, 129, 255, 256, 257, 512, 4096)
    for length in lengths:
        data = ("0123456789" * 410)[:length]
        code = f"import sys; sys.stdout.write({data!r})"
        assert board_here.exec(code) == data


def test_file_outlives_a_reset_and_a_power_cut(desk, flash, board_here):
    text = "x" * 9000
    board_here.exec(f"with open('kept', 'w') as f: f.write({text!r})")
    board_here.mpremote("reset")
    assert board_here.exec("print(open('kept').read())").strip() == text
    assert board_here.exec("import machine; print(machine.reset_cause())").strip() == "3"  # WDT


def test_watchdog_that_nobody_feeds_resets_the_board(board_here):
    said = board_here.restart("W5500-EVB-Pico with RP2040", by="machine.WDT(timeout=1000)")
    assert said.count("MicroPython v1.25.0") == 1
