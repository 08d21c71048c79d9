"""A whole boot job in virtual time: DHCP on a `fakelan`, the file on a `fakenet`; its screen."""

import sys

import pxerom
from pxerom import agent, boot, dhcp_socket
from pxerom.job import load_rom
from pxerom.screen_boot import BootScreen

from host_tests.core.check import Patch
from host_tests.core.fakelan import LEASE, FakeLan, dhcpd
from host_tests.core.fakenet import HOST, FakeNet, FileServer

CONTENT = bytes(range(256)) * 12
# A boot forgets the modules of DHCP. The tests hold these: a second copy would not be theirs, and
# a board has no room for it.
_HELD = {name: module for name, module in sys.modules.items() if name.startswith("pxerom.")}


class Job:
    """A job run by `agent.run`, in virtual time: `result`, `events`, `lan`, `net`."""

    def __init__(self, rom, network, tftp=None, lan=None, interrupt_at=None, keys=None, **job):
        self.lan = lan or FakeLan(network)
        self.events = []
        job.update(job="boot", rom=rom, sink={"kind": "null"})
        server = tftp or FileServer(CONTENT)

        def make_udp(spec, bind, trace, prepare):
            self.net = FakeNet({"udp": {"source_port": spec}}, server)
            self.net.bind = bind
            self.net.interrupt_at = interrupt_at
            return self.net

        with Patch(dhcp_socket, "DhcpSocket", lambda nic, ttl, trace: self.lan):
            with Patch(boot, "Udp", make_udp):
                self.result = agent.run(job, self.events.append, None, self.lan, keys)
        for name, module in _HELD.items():
            if name not in sys.modules:
                sys.modules[name] = module
                setattr(pxerom, name.partition(".")[2], module)

    def names(self):
        return [event["event"] for event in self.events]

    def code(self):
        return self.result["status"] and self.result["status"]["code"]

    def given_back(self):
        return self.lan.log[-1] == ("restore",)


def dhcp_for_file(**more):
    more.setdefault("file", b"undionly.kpxe")
    return dhcpd(siaddr=HOST, options=more.pop("options", LEASE), **more)


def screen_of(rom, events, live=True):
    """What a ROM's screen shows of these events, as one text."""
    shown = []
    screen = BootScreen(load_rom(rom, True)[0], shown.append, live)
    for event in events:
        screen.event(event)
    return "".join(shown)
