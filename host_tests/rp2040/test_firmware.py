"""What MicroPython's own firmware for the W5500-EVB-Pico is and does, on the emulated board."""

import ast

from host_tests.rp2040 import rig

_UP = """
import network
nic = network.WIZNET5K()
nic.active(True)
"""
_STATIC = 'nic.ifconfig(("{ip}", "{mask}", "{gateway}", "{gateway}"))\n'.format(**rig.STATIC)


def test_board_is_a_w5500_evb_pico_with_its_memory_and_flash(board_here):
    code = "import gc, os\ngc.collect()\n"
    code += "print((os.uname()[4], gc.mem_free(), os.statvfs('/')[:3]))"
    machine, free, flash = ast.literal_eval(board_here.exec(code))
    assert machine == "W5500-EVB-Pico with RP2040"
    assert flash == (4096, 4096, 352)
    assert free > 200000


def test_four_udp_sockets_at_once_and_three_while_the_stack_asks_for_a_lease(board_here):
    code = """
import socket
def count():
    held = []
    try:
        while len(held) < 9:
            held.append(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
    except OSError as error:
        return len(held), error.errno
    finally:
        for one in held:
            one.close()
leasing = count()
"""
    said = board_here.exec(_UP + code + _STATIC + "print((leasing, count()))")
    assert ast.literal_eval(said) == ((3, 12), (4, 12))


def test_ping_gets_answers_from_the_board(board_here, desk):
    board_here.exec(_UP + _STATIC)
    done = desk.namespace.run("busybox", "ping", "-c", "3", "-W", "5", rig.STATIC["ip"])
    assert "3 packets received" in done.stdout


def test_writes_of_every_length_around_a_packet_arrive_whole(board_here):
    for length in (1, 63, 64, 65, 127, 128, 129, 255, 256, 257, 512, 4096):
        data = ("0123456789" * 410)[:length]
        code = f"import sys; sys.stdout.write({data!r})"
        assert board_here.exec(code) == data


def test_file_outlives_a_reset_and_a_power_cut(desk, flash, board_here):
    text = "x" * 9000
    board_here.exec(f"with open('kept', 'w') as f: f.write({text!r})")
    board_here.reset()
    assert board_here.exec("print(open('kept').read())").strip() == text
    assert board_here.exec("import machine; print(machine.reset_cause())").strip() == "3"  # WDT


def test_watchdog_that_nobody_feeds_resets_the_board(board_here):
    said = board_here.restart("W5500-EVB-Pico with RP2040", by="machine.WDT(timeout=1000)")
    assert said.count("MicroPython v1.25.0") == 1
