"""Fragments that are not the transfer's own: the machine's counter rises, the verdict does not."""

import sys

import pytest

from host_tests.diagnose.conditions import tftpd
from host_tests.diagnose.place import place
from host_tests.lab.firewall import CLIENT

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("diagnose-rules")]

# A file server, say: datagrams of 4,000 bytes, each in three pieces, as fast as they go.
_OTHERS = f"""
import socket, time
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
while True:
    sock.sendto(bytes(4000), ("{CLIENT}", 9))
    time.sleep(0.0005)
"""


def _reassembled(machine):
    names, figures = (
        line.split()
        for line in machine.run("cat", "/proc/net/snmp").stdout.splitlines()
        if line.startswith("Ip:")
    )
    return int(figures[names.index("ReasmOKs")])


def test_fragments_of_another_program_are_no_cause():
    with place(tftpd()) as where:
        with where.server.start(sys.executable, "-c", _OTHERS):
            result, code, said = where.diagnose("--quick")
        # More than the blocks of 8,192 bytes that the diagnosis itself asks for, many times.
        assert _reassembled(where.client) > 100
    assert (result["verdict"]["cause"], code) == ("healthy", 0), said
    pieces = result["observations"]["pieces"]
    assert pieces["512"] is pieces["1456"] is False and pieces["8192"] is True
