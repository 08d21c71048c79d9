"""Networks and servers with one fault each, in virtual time, and what a user must read then.

What is right is worked out here from the RFCs, from PXE 2.1 and from what a ROM's JSON file says
of it, not from what the product answers. A `Right` holds for one ROM.
"""

import collections

from host_tests.core.bootrun import CONTENT
from host_tests.core.fakelan import (
    CLIENT,
    LEASE,
    PROXY,
    PXECLIENT,
    SERVER,
    answer,
    dhcpd,
    ip,
    option,
    proxy,
    together,
)
from host_tests.core.fakenet import HOST, FileServer, silence
from host_tests.core.packets import RRQ, error

FILE = b"undionly.kpxe"
FIREWALL = "10.254.52.1"
HIGH = 32768  # a firewall that "allows high ports" begins here
_TID = 45140

Right = collections.namedtuple("Right", "ok codes side said never", defaults=[(), None, (), ()])
Right.__doc__ = """`ok`: whether the file comes, None where the ROM's ports decide; `codes`: the
legacy codes of which one must come; `side`: whose fault; `said`: of each group of texts one must
stand in what a user reads (detail, advice and warnings); `never`: texts that must not."""

# UEFI's number of each legacy code (R-PXE-61: EDK2, PxeBcBoot.c); any other is 99.
_UEFI = {"E32": "E18", "E35": "E18", "E36": "E23", "E3B": "E23", "E3C": "E23", "E51": "E18",
         "E52": "E16", "E53": "E16", "E55": "E16", "E78": "E18", "E11": "E18", "E3A": "E05",
         "E07": "E07", "E09": "E09", "E21": "E21"}  # fmt: skip

# A wrong lead, where the server or the DHCP server has answered.
FIREWALLS = ("a firewall drops", "no firewall on the way", "low source ports")
NOBODY = ("spanning tree", "that no switch holds")


def codes(rom, *legacy):
    """The codes as this ROM numbers them."""
    uefi = rom["screen"].get("codes") == "uefi"
    return {"PXE-" + (_UEFI.get(code, "E99") if uefi else code) for code in legacy}


# --- TFTP servers --------------------------------------------------------------------------------


def says(code, text):
    """A server that answers each RRQ with an ERROR."""
    return lambda packet, _, __: ((1, _TID, error(code, text)),) if packet[1] == RRQ else ()


def to_high_ports(files):
    """Answers to client ports below HIGH are dropped on the way."""
    return lambda packet, local, port: [
        each for each in files(packet, local, port) if local >= HIGH
    ]


def without_helper(files):
    """Answers from another port than 69 are dropped on the way."""
    return lambda packet, local, port: [each for each in files(packet, local, port) if 0]


def refuses_options(files):
    """ERROR 8 to each RRQ with an option; any other is served."""

    def serve(packet, local, port):
        if packet[1] == RRQ and packet[2:].count(b"\0") > 2:
            return ((1, _TID - 1, error(8, "no options here")),)
        return () if port == _TID - 1 else files(packet, local, port)

    return serve


def _served():
    return FileServer(CONTENT)


def _timeout(rom):
    return Right(
        False, codes(rom, "E32"), "path", (("pxebench diagnose",),), ("The server answers",)
    )


def _served_high(rom):
    return Right(
        None, codes(rom, "E32"), "path", (("pxebench diagnose",),), ("The server answers",)
    )


def _refused(code, *said):
    return lambda rom: Right(
        False, codes(rom, code), "server", (said,), (*FIREWALLS, "os-client`, f")
    )


def _options(rom):
    tftp = rom["tftp"]
    plain = [not request.get("options") for request in tftp["requests"]]
    # RFC 2347: a client may ask again without; this ROM does so where its file has such a request
    # and its reaction to an ERROR is no end.
    first = {**tftp["on"], **tftp["requests"][0].get("on", {})}
    if plain[0] or (plain[-1] and first.get("error", "fail") != "fail"):
        return Right(True)
    return Right(False, codes(rom, "E36"), "server", (("grant options",),), FIREWALLS)


TFTP = {
    "served": (_served, lambda rom: Right(True)),
    "silent": (lambda: silence, _timeout),
    "answers to low ports dropped": (lambda: to_high_ports(_served()), _served_high),
    "no helper on the path": (lambda: without_helper(_served()), _timeout),
    "file missing": (
        lambda: says(1, "File not found"),
        _refused("E3B", "below its root folder"),
    ),
    "access violation": (lambda: says(2, "Access violation"), _refused("E3C", "readable")),
    "absolute names only": (
        lambda: says(2, "Only absolute filenames allowed"),
        _refused("E3C", "--secure"),
    ),
    "not readable": (lambda: says(0, "Permission denied"), _refused("E36", "chmod")),
    "undefined error": (lambda: says(0, "Try later"), _refused("E36", "log")),
    "options refused": (lambda: refuses_options(_served()), _options),
}


# --- DHCP ----------------------------------------------------------------------------------------


def place(rom, **named):
    """The first boot server that this ROM's file looks for among those that are named: siaddr=,
    o66=, o54=, sname=, sender=. None: it finds none."""
    keys = {66: "o66", 54: "o54", 150: "o150"}
    for field in rom["dhcp"]["boot"]["server"]:
        found = named.get(keys.get(field, field))
        if found:
            return found
    return None


def _knows(rom):
    # It takes any server; else only one with a text in option 43, which none of these has.
    return not rom["dhcp"]["boot"].get("recognises")


def _stranger(rom):
    return Right(
        False,
        codes(rom, "E53", "E51"),
        "server",
        (("option 43",), ("Raspberry Pi Boot",)),
        (*NOBODY, "undionly.kpxe"),
    )


def _with(rule):
    return lambda rom: rule(rom) if _knows(rom) else _stranger(rom)


def _booted(rom):
    return Right(True)


def _by_67(rom):
    if 67 in rom["dhcp"]["boot"]["file"]:
        return Right(True)
    return Right(False, codes(rom, "E53"), "server", (("does not read option 67",),), NOBODY)


def _no_siaddr(**named):
    def rule(rom):
        if place(rom, o54=HOST, sender=HOST, **named):
            return Right(True)
        said = ("named no boot server where this ROM looks",), ("next-server",)
        return Right(False, codes(rom, "E78"), "server", said, (*NOBODY, "Name the file"))

    return rule


def _no_file(rom):
    if rom["dhcp"]["boot"].get("configs"):  # it goes on to pxelinux.cfg
        return Right(None, codes(rom, "E3A"))
    pc = any(code == 93 for code, _ in rom["dhcp"]["options"]) and rom["dhcp"]["arch"] in (0, 7)
    # UEFI's E53 is for a lease without a file, its E16 for no offer that counts.
    either = {*codes(rom, "E53"), "PXE-E53"}
    # A PC's file for a machine that is none would be a wrong lead.
    never = NOBODY if pc else (*NOBODY, "undionly.kpxe", "ipxe.efi")
    never += () if rom["dhcp"].get("proxy") else ("proxy",)
    return Right(False, either, "server", (("boot-file-name", "4011"),), never)


def _silent_4011(rom):
    dhcp = rom["dhcp"]
    if not dhcp.get("proxy"):
        return _no_file(rom)
    either = {*codes(rom, "E55", "E53")}
    return Right(False, either, "server", (("4011",),), NOBODY)


def _proxy_named(rom):
    # The proxy names file and server in its offer: only a ROM that asks port 4011 although both
    # are there waits for an answer in vain (PXE 2.1 section 2.2.3).
    dhcp = rom["dhcp"]
    if not dhcp.get("proxy"):
        return Right(False, codes(rom, "E53", "E78"), "server", (), NOBODY)
    if dhcp["proxy"].get("binl", "always") == "always":
        return _silent_4011(rom)
    return Right(True)


def _pxeclient_alone(rom):
    # A DHCP server with option 60 and a file, and no PXE service.
    dhcp = rom["dhcp"]
    if dhcp.get("proxy") and dhcp["proxy"].get("binl", "always") == "always":
        return _silent_4011(rom)
    return Right(True)


def _lone_proxy(rom):
    return Right(False, codes(rom, "E52", "E51"), "server", (("DHCP server runs", "option 43"),),
                 NOBODY)  # fmt: skip


def _nobody(rom):
    return Right(False, codes(rom, "E51"), "path", (("spanning tree",),), ("refused",))


def _refuses(rom):
    code = (rom["dhcp"].get("nak") or {}).get("code", "PXE-E51")[4:]
    return Right(False, codes(rom, code), "server", (("NAK",), (SERVER,)), NOBODY)


def _refuses_once(rom):
    if (rom["dhcp"].get("nak") or {}).get("then") == "fail":
        return _refuses(rom)
    return _booted(rom) if _knows(rom) else _stranger(rom)


def _never_confirms(rom):
    return Right(False, codes(rom, "E51"), "server", (("REQUEST",), (SERVER,)), NOBODY)


def _broadcast(rom):
    if (rom["dhcp"].get("decline") or {}).get("not_a_host") == "yes":
        return Right(False, codes(rom, "E09"), "server", (("pool",), ("declined",)), NOBODY)
    return Right(True, said=(("no host's",),))


def _far(rom):
    said = ("option 3",), ("no gateway",)
    return Right(False, codes(rom, "E11"), "server", said, ("whether that machine is up",))


def _list_of_servers(rom):
    # 43.6 = 3 with 43.8 and no menu: captured of EDK2; PXE 2.1 leaves the file to DHCP.
    if rom["id"] == "edk2":
        return Right(False, {"PXE-E21"}, "server", (("43.9",),), NOBODY)
    return Right(True)


def _mute(server):
    # REQUESTs are not answered.
    return lambda sent: () if sent.kind == 3 else server(sent)


def _answered(request):
    return answer(request, 5, siaddr=HOST, file=FILE, server=HOST, options=PXECLIENT)


_MASK = option(1, ip("255.255.255.0"))
_ONLY_LISTED = option(43, option(6, 3), option(8, b"\x80\0\1" + ip(HOST)), 255)

DHCP = {
    "nobody answers": (lambda: None, _nobody),
    "server and file": (lambda: dhcpd(siaddr=HOST, file=FILE), _with(_booted)),
    "file in option 67 only": (
        lambda: dhcpd(siaddr=HOST, options=LEASE + option(67, FILE + b"\0")),
        _with(_by_67),
    ),
    "no siaddr": (lambda: dhcpd(server=HOST, file=FILE), _with(_no_siaddr())),
    "no siaddr, option 66": (
        lambda: dhcpd(server=HOST, file=FILE, options=LEASE + option(66, HOST)),
        _with(_no_siaddr(o66=HOST)),
    ),
    "no siaddr, option 150": (
        lambda: dhcpd(server=HOST, file=FILE, options=LEASE + option(150, ip(HOST))),
        _with(_no_siaddr(o150=HOST)),
    ),
    "no siaddr, sname": (
        lambda: dhcpd(server=HOST, file=FILE, sname=HOST.encode()),
        _with(_no_siaddr(sname=HOST)),
    ),
    "no file": (lambda: dhcpd(siaddr=HOST), _with(_no_file)),
    "option 60 left over": (
        lambda: dhcpd(siaddr=HOST, file=FILE, server=HOST, options=LEASE + PXECLIENT),
        _with(_pxeclient_alone),
    ),
    "proxy alone": (lambda: proxy(file=FILE, siaddr=HOST), _lone_proxy),
    "proxy that names all, silent 4011": (
        lambda: together(dhcpd(), proxy(file=FILE, siaddr=HOST)),
        _with(_proxy_named),
    ),
    "proxy without a file, silent 4011": (
        lambda: together(dhcpd(siaddr=HOST), proxy(server=HOST)),
        _with(_silent_4011),
    ),
    "proxy that answers on 4011": (
        lambda: together(dhcpd(siaddr=HOST), proxy(server=HOST, reply=_answered)),
        _with(lambda rom: Right(True) if rom["dhcp"].get("proxy") else _no_file(rom)),
    ),
    "list of boot servers without a menu": (
        lambda: dhcpd(siaddr=HOST, file=FILE, options=LEASE + PXECLIENT + _ONLY_LISTED),
        _with(_list_of_servers),
    ),
    "one NAK": (lambda: dhcpd(siaddr=HOST, file=FILE, nak=1), _refuses_once),
    "NAK for ever": (lambda: dhcpd(siaddr=HOST, file=FILE, nak=1 << 20), _refuses),
    "no ACK": (lambda: _mute(dhcpd(siaddr=HOST, file=FILE)), _never_confirms),
    "broadcast address leased": (
        lambda: dhcpd(yiaddr="10.0.0.255", siaddr=HOST, file=FILE),
        lambda rom: _broadcast(rom) if _knows(rom) else _stranger(rom),
    ),
    "no router, another network": (
        lambda: dhcpd(siaddr=HOST, file=FILE, options=_MASK),
        _with(_far),
    ),
    "second server without a file": (
        lambda: together(
            dhcpd(siaddr=HOST, file=FILE), dhcpd(server=PROXY, yiaddr="10.0.0.78", delay_ms=9)
        ),
        _with(lambda rom: Right(True)),
    ),
}
assert CLIENT  # of the leases above
