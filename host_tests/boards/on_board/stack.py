"""The network stack that the rows of `test_sockets` are asked of, played or real.

`PORT` is its column of the table (a key of `shim.sockets.PORTS`), `PLAYED` whether `shim` plays
it. `stack` is a hand on it for the rows that need one: `stack.dhcp` is its own DHCP client,
`stack.has_address` whether the interface has an address; a row sets them, and sets them back.
`HOST` is an address of this stack; `PUPPET`, where there is one, who plays its peers (`peer.py`).
"""

import sys

try:
    from host_tests.shim import sockets as _shim
except ImportError:  # a real MicroPython
    _shim = None

PLAYED = _shim is not None
PORT = _shim.stack.port if PLAYED else {"linux": "unix"}.get(sys.platform, sys.platform)
if PORT == "rp2" and sys.implementation.version < (1, 26):
    PORT = "rp2-1.25"
HOST, PUPPET = "127.0.0.1", None
if not PLAYED and sys.platform == "rp2":  # an emulated board: its lwIP has no loopback
    HOST, PUPPET = "10.88.0.50", ("10.88.0.1", 7000)


class _Esp32:
    """lwIP in micropython-esp32 (`host_tests/esp32sock`), with its interface on a TAP."""

    _MAC = b"\x28\xcd\xc1\x00\x00\x01"
    _ADDRESS = ("10.9.0.2", "255.255.255.0", "10.9.0.1")

    def __init__(self):
        import esp32netif

        self._netif = esp32netif
        esp32netif.add("en", self._MAC)
        esp32netif.link(True)
        self.has_address = True

    def _set_dhcp(self, on):
        self._netif.dhcp(on)
        if not on:
            self.has_address = True

    def _set_has_address(self, has):
        self._netif.address(*(self._ADDRESS if has else ("0.0.0.0",) * 3))

    dhcp = property(None, _set_dhcp)
    has_address = property(None, _set_has_address)


class _Rp2:
    """lwIP in an emulated board (`boards/emulated`), on a wire with the puppet's machine."""

    _ADDRESS = (HOST, "255.255.255.0", PUPPET and PUPPET[0], PUPPET and PUPPET[0])

    def __init__(self):
        import network

        self._nic = network.WIZNET5K()
        self._nic.active(True)
        self.has_address = True

    def _set_dhcp(self, on):
        if on:
            self._nic.ipconfig(dhcp4=True)
        else:
            self.has_address = True

    def _set_has_address(self, has):
        self._nic.ifconfig(self._ADDRESS if has else ("0.0.0.0",) * 4)

    dhcp = property(None, _set_dhcp)
    has_address = property(None, _set_has_address)


_REAL = {"esp32": _Esp32, "rp2": _Rp2}
stack = _shim.stack if PLAYED else _REAL.get(sys.platform, lambda: None)()
