"""Networks and servers that a ROM may meet, and what may be concluded from each.

`fetches` and `boots` give {name: Situation}. What is expected follows from what the situation is:
nothing that came can be the server's fault, an ERROR is the server's word, and so on.

1. A name that is in an answer of the server must be shown; what did not happen must not be said.
2. Whether a ROM can succeed is asked of its file: its ports, its options, where it looks.
"""

import collections

from pxerom import dhcp_packet

from host_tests.core.fakelan import (
    LEASE,
    PROXY,
    PXECLIENT,
    SERVER,
    dhcpd,
    ip,
    option,
    proxy,
    together,
)
from host_tests.core.fakenet import HOST, UNREACHABLE, FileServer, pattern, silence
from host_tests.core.packets import error, oack

FILE = b"undionly.kpxe"
CONTENT = pattern(9000)
LOW = 32768

Situation = collections.namedtuple(
    "Situation", "make succeeds sides says never", defaults=[(), ()]
)
Situation.__doc__ = """`make(seed)`: the server; `succeeds(rom)`: whether this ROM gets its file,
None where the ROM's own reactions decide; `sides`: on which a failure may be; `says`: what its
detail or advice must hold, one of several for each; `never`: what it must not."""


def _always(answer):
    return lambda rom: answer


def _each_rrq(*replies):
    def serve(packet, local_port, port):
        return replies if packet[1] == 1 and port == 69 else ()

    return lambda seed: serve


def _options(packet):
    return packet[2:].split(b"\0")[2:-1]


def _plain(seed):
    files = FileServer(CONTENT, grant=())
    return lambda packet, local_port, port: (
        () if packet[1] == 1 and port != 69 else files(packet, local_port, port)
    )


def _refuses_options(seed):
    files = FileServer(CONTENT, grant=())

    def serve(packet, local_port, port):
        if packet[1] == 1 and _options(packet):
            return ((1, 50000, error(8, "no options here")),)
        return files(packet, local_port, port)

    return serve


def _low_ports_filtered(seed):
    files = FileServer(CONTENT)
    return lambda packet, local_port, port: (
        files(packet, local_port, port) if local_port > LOW else ()
    )


def _stops(seed):
    """No DATA beyond the third block."""
    return FileServer(
        CONTENT,
        grant=("blksize", "tsize"),
        lose=lambda way, packet, count: way == "out" and packet[1] == 3 and packet[3] > 3,
    )


def _asks_options(rom):
    return all(request["options"] for request in rom["tftp"]["requests"])


# What a firewall's silence and what an answer look like in words.
_FIREWALL = ("firewall",)
_ANSWERED = ("server answered", "did answer")


def _error_alone(code, message, says):
    return Situation(
        _each_rrq((1, 50000, error(code, message))),
        _always(False),
        ("server",),
        ((says,),),
        _FIREWALL,
    )


def _oack_alone(option):
    return Situation(
        _each_rrq((1, 50000, oack(option))),
        _always(False),
        ("path", "server"),
        (("OACK", "0 blocks"),),
        ("server runs",),
    )


FETCHES = {
    "healthy": Situation(lambda seed: FileServer(CONTENT), _always(True), ()),
    "silent": Situation(
        lambda seed: silence, _always(False), ("path",), (("no answer",),), _ANSWERED
    ),
    "closed port": Situation(
        _each_rrq((1, 69, UNREACHABLE)), _always(False), ("path", "server"), (), _ANSWERED
    ),
    "low ports filtered": Situation(
        _low_ports_filtered, None, ("path",), (("no answer",),), _ANSWERED
    ),
    "no helper": Situation(
        lambda seed: silence, _always(False), ("path",), (("no answer",),), _ANSWERED
    ),
    "file missing": _error_alone(1, "File not found", "ERROR 1: File not found"),
    "access violation": _error_alone(2, "Access violation", "ERROR 2: Access violation"),
    "error without text": _error_alone(0, "", "ERROR 0: no text"),
    "options refused": Situation(
        _refuses_options,
        lambda rom: None if not _asks_options(rom) else False,
        ("server",),
        (("no options here",),),
        _FIREWALL,
    ),
    "options ignored": Situation(
        _plain,
        lambda rom: None,
        ("server",),
        (("OACK",),),
        ("firewall drops", "low source ports"),
    ),
    "OACK and no DATA": _oack_alone(("blksize", 512)),
    "option nobody asked for": _oack_alone(("multicast", "224.0.0.1,1758,1")),
    "blksize 0": _oack_alone(("blksize", 0)),
    "blksize larger than asked": _oack_alone(("blksize", 65000)),
    "no packet of TFTP": Situation(
        _each_rrq((1, 50000, b"\0\x09xyz")),
        _always(False),
        ("server",),
        (("did answer",),),
        _FIREWALL,
    ),
    "stops after three blocks": Situation(
        _stops, _always(False), ("path",), (("3 blocks",),), ("no answer", "server runs")
    ),
}


# --- with DHCP ----------------------------------------------------------------------------------


def _control(bits, *more):
    return PXECLIENT + option(43, option(6, bits), *more, 255)


_LISTED = option(8, b"\0\0\1", ip("10.254.52.26"))


def _no_ack(sent):
    return _GOOD(sent) if sent.kind == dhcp_packet.DISCOVER else ()


def _lan(network):
    return lambda seed: network


def _pxe(dhcp):
    """Whether a ROM knows PXE's options at all."""
    return bool(dhcp["proxy"])


def _pi(dhcp):
    return dhcp["boot"]["recognises"]


def _file(dhcp):
    return not _pi(dhcp)


_GOOD = dhcpd(siaddr=HOST, file=FILE)
_NO_DHCP = ("no DHCP server", "spanning tree", "brought no offer")
# The last is of a ROM that goes on to its own names, and finds no configuration there.
_NOBODY = (
    *("named no boot file", "named no boot server", "names no boot file", "did not say"),
    "has no entry",
)

BOOTS = {
    "healthy": Situation(_lan(_GOOD), _file, ("server",), (_NOBODY,), _NO_DHCP),
    "no DHCP server": Situation(
        _lan(None), _always(False), ("path",), (("brought no offer",),), ("firewall", "NAK")
    ),
    "no file": Situation(
        _lan(dhcpd(siaddr=HOST)),
        lambda dhcp: None if dhcp["boot"]["configs"] else False,
        ("server",),
        (_NOBODY,),
        _NO_DHCP,
    ),
    "no server": Situation(
        _lan(dhcpd(file=FILE)),
        lambda dhcp: {54, "sender"} & set(dhcp["boot"]["server"]) != set() and not _pi(dhcp),
        ("server",),
        (_NOBODY,),
        _NO_DHCP,
    ),
    "option 66 alone names the server": Situation(
        _lan(dhcpd(options=option(66, HOST) + LEASE, file=FILE)),
        lambda dhcp: bool({66, 54, "sender"} & set(dhcp["boot"]["server"])) and not _pi(dhcp),
        ("server",),
        (_NOBODY,),
        _NO_DHCP,
    ),
    "option 67 alone names the file": Situation(
        _lan(dhcpd(siaddr=HOST, options=option(67, FILE) + LEASE)),
        lambda dhcp: 67 in dhcp["boot"]["file"],
        ("server",),
        (_NOBODY,),
        _NO_DHCP,
    ),
    "proxyDHCP alone": Situation(
        _lan(proxy(siaddr=HOST, file=FILE)), _always(False), ("server",), (), ("spanning tree",)
    ),
    "option 60 left over, port 4011 silent": Situation(
        _lan(dhcpd(options=PXECLIENT + LEASE, siaddr=HOST, file=FILE)),
        lambda dhcp: (not _pxe(dhcp) or dhcp["proxy"]["binl"] == "incomplete") and not _pi(dhcp),
        ("server",),
        (("4011", "did not say"),),
        _NO_DHCP,
    ),
    "43.6 = 8": Situation(
        _lan(dhcpd(options=_control(8) + LEASE, siaddr=HOST, file=FILE)), _file, ("server",)
    ),
    "43.6 = 8 and 43.8": Situation(
        _lan(dhcpd(options=_control(8, _LISTED) + LEASE, siaddr=HOST, file=FILE)),
        _file,
        ("server",),
    ),
    "43.8 without a menu": Situation(
        _lan(dhcpd(options=_control(3, _LISTED) + LEASE, siaddr=HOST, file=FILE)),
        lambda dhcp: None,
        ("server",),
        (("menu", "did not say"),),
        _NO_DHCP,
    ),
    "NAK once": Situation(
        lambda seed: dhcpd(siaddr=HOST, file=FILE, nak=1),
        lambda dhcp: dhcp["nak"]["then"] != "fail" and not _pi(dhcp),
        ("server",),
        (("NAK", "did not say"),),
        _NO_DHCP,
    ),
    "NAK for ever": Situation(
        lambda seed: dhcpd(siaddr=HOST, file=FILE, nak=1 << 20),
        _always(False),
        ("server",),
        (("NAK",),),
        _NO_DHCP,
    ),
    "no ACK": Situation(_lan(_no_ack), _always(False), ("server",), (("REQUEST",),), _NO_DHCP),
    "lease that is a network's address": Situation(
        _lan(dhcpd(siaddr=HOST, file=FILE, yiaddr="10.0.0.0")),
        lambda dhcp: not dhcp["decline"] and not _pi(dhcp),
        ("server",),
        (("network address", "did not say"),),
        _NO_DHCP,
    ),
    "proxyDHCP beside, port 4011 silent": Situation(
        _lan(together(dhcpd(siaddr=SERVER), proxy())),
        lambda dhcp: None if dhcp["boot"]["configs"] else False,
        ("server",),
        (("4011", *_NOBODY),),
        _NO_DHCP,
    ),
    "no router, and the file in another network": Situation(
        _lan(dhcpd(siaddr=HOST, file=FILE, options=option(1, ip("255.255.255.0")))),
        _always(False),
        ("server",),
        (("option 3", "did not say"),),
        (*_NO_DHCP, "that machine is up"),
    ),
    "another server's address in the proxy's offer": Situation(
        _lan(together(_GOOD, proxy(options=_control(8), siaddr=HOST, file=FILE, server=PROXY))),
        _file,
        ("server",),
    ),
}
