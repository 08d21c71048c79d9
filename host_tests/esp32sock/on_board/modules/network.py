"""Do not copy this to a board: `network` for the PC's interpreter with ESP32's sockets.

What there is to join, and what is asked of the drivers, is played (`shim/modules/network.py`, with
its `scene`); the address and the packets are lwIP's. Between the two stands what ESP-IDF's
esp_netif does, from its esp_netif_handlers.c: a carrier brings the interface up, with an address
or without one, and starts DHCP unless DHCP was stopped before.
"""

import esp32netif

from host_tests.shim.modules import network as _played
from host_tests.shim.modules.network import *  # noqa: F403

_BEFORE, _RUNS, _STOPPED = range(3)


def _on_the_wire(driver, kind):
    class OnTheWire(driver):
        def __init__(self, *arguments, **settings):
            super().__init__(*arguments, **settings)
            self._dhcp = _BEFORE
            self._up = False

        def active(self, on):
            super().active(on)
            esp32netif.add(kind, _played._MAC)

        def _linked(self):
            linked = super()._linked()
            if linked != self._up:
                self._up = linked
                esp32netif.link(linked)
                if linked and self._dhcp == _BEFORE:
                    self._start_dhcp()
            return linked

        def _start_dhcp(self):
            esp32netif.dhcp(True)
            self._dhcp = _RUNS

        def _stop_dhcp(self):
            if self._dhcp == _RUNS:
                esp32netif.dhcp(False)
            self._dhcp = _STOPPED

        def ifconfig(self, address=None):
            self._linked()
            if address is None:
                return esp32netif.address() + ("0.0.0.0",)
            if address == "dhcp":
                return self._start_dhcp()
            self._stop_dhcp()
            esp32netif.address(*address[:3])
            return super().ifconfig(address)  # it notes the call, and refuses what ESP-IDF does

        def ipconfig(self, name=None, dhcp4=None):
            if name is not None:
                return {"dhcp4": self._dhcp == _RUNS, "addr4": self.ifconfig()[:2]}[name]
            return self._start_dhcp() if dhcp4 else self._stop_dhcp()

        def config(self, name=None, **settings):
            if name == "ifname":  # lwIP's own loopback interface came first: ours has number 1
                return scene.get("ifname", kind + "1")  # noqa: F405
            return super().config(name, **settings)

    return OnTheWire


LAN = _on_the_wire(_played.LAN, "en")
WLAN = _on_the_wire(_played.WLAN, "st")
