"""Do not copy this to a board: it stands in for the board's `network`, on a PC.

`scene` is what the board would find: a Wi-Fi network with its password, a cable, a DHCP server.
`calls` notes what the board's code asked of it. The classes and the states are those of the port
that `sys.platform` names; each state comes `delay_ms` after what leads to it.
"""

import sys
import time

_ESP32 = sys.platform == "esp32"

scene = {}
calls = []


def reset(**changes):
    """A bench on which everything is right, but for the changes."""
    scene.clear()
    scene.update(
        {
            "ssid": "bench",
            "password": "correct horse",
            "finds_at": 1,  # at which try the network is found
            "associates": True,  # whether joining comes to an end
            "filter": False,  # whether the access point sends the board away
            "cable": True,
            "chip": True,  # whether the network chip answers
            "refuses": None,  # what ESP-IDF's code is called, for want of memory say
            "default_pins": True,  # whether the firmware knows the W5500's pins
            "lease": ("192.0.2.77", "255.255.255.0", "192.0.2.1", "192.0.2.1"),
            "delay_ms": 20,
            "unknown": (),  # settings that this firmware does not know
        }
    )
    scene.update(changes)
    del calls[:]


if _ESP32:
    STAT_IDLE = 1000
    STAT_CONNECTING = 1001
    STAT_GOT_IP = 1010
    STAT_NO_AP_FOUND = 201
    STAT_WRONG_PASSWORD = 202
    STAT_BEACON_TIMEOUT = 200
    STAT_ASSOC_FAIL = 203
    STAT_HANDSHAKE_TIMEOUT = 204
    PHY_LAN8720 = 1
    ETH_STARTED = 1
    ETH_CONNECTED = 3
    ETH_DISCONNECTED = 4
    ETH_GOT_IP = 5
else:
    STAT_IDLE = 0
    STAT_CONNECTING = 1
    STAT_NO_AP_FOUND = -2
    STAT_WRONG_PASSWORD = -3
    STAT_CONNECT_FAIL = -1
    STAT_GOT_IP = 3

_MAC = b"\x28\xcd\xc1\x00\x00\x01"
_NONE = ("0.0.0.0", "0.0.0.0", "0.0.0.0", "0.0.0.0")


def country(code):
    calls.append(("country", code))


def hostname(name):
    calls.append(("hostname", name))


class _Interface:
    def __init__(self):
        self._since = None  # ticks at which it was switched on or told to join
        self._static = None
        if not scene["chip"]:
            raise OSError(5, "EIO")

    def active(self, on):
        calls.append(("active", on))
        if scene["refuses"]:
            raise RuntimeError(scene["refuses"])
        self._since = time.ticks_ms()

    def _after(self, steps):
        # Whether so many delays have passed.
        passed_ms = time.ticks_diff(time.ticks_ms(), self._since)
        return passed_ms >= steps * scene["delay_ms"]

    def _linked(self):
        return scene["cable"] and self._after(1)

    def ifconfig(self, address=None):
        if address is not None:
            calls.append(("ifconfig", address))
            self._static = address
            if _ESP32 and address[3] == "0.0.0.0":  # ESP-IDF's esp_netif_set_dns_info
                raise RuntimeError("Wifi Unknown Error 0x5001")
            return None
        if self._static:
            return self._static
        return scene["lease"] if scene["lease"] and self._linked() and self._after(2) else _NONE

    def isconnected(self):
        return self._linked() and self.ifconfig()[0] != "0.0.0.0"

    def config(self, name=None, **settings):
        if name == "ifname" and _ESP32:
            return "st1"
        if name is not None:
            if name != "mac":
                raise ValueError("unknown config param")
            return _MAC
        for setting, value in settings.items():
            if setting in scene["unknown"]:
                raise ValueError("unknown config param")
            calls.append((setting, value))
        return None


class WLAN(_Interface):
    """The radio. As on a board, there is one: making it again gives the same state."""

    IF_STA = 0
    PM_NONE = 0 if _ESP32 else 16

    def __init__(self, interface=0):
        super().__init__()
        assert interface == 0
        self._tries = 0
        self._joined = None  # (ssid, password) of the try that runs
        self._reconnects = -1

    def disconnect(self):
        if self._joined is None and _ESP32:
            raise OSError(0x3009, "Wifi Not Connected")
        self._joined = None

    def connect(self, ssid, password=None):
        calls.append(("connect", ssid))
        self._joined = ssid, password
        self._tries += 1
        self._since = time.ticks_ms()

    def config(self, name=None, **settings):
        if "reconnects" in settings:
            if not _ESP32:
                raise ValueError("unknown config param")
            self._reconnects = settings["reconnects"]
        return super().config(name, **settings)

    def _outcome(self):
        # None while it is being decided, "", or why not.
        if self._joined is None or not self._after(1) or not scene["associates"]:
            return None
        ssid, password = self._joined
        if ssid != scene["ssid"] or self._tries < scene["finds_at"]:
            return "NO_AP_FOUND"
        if password != scene["password"]:
            return "WRONG_PASSWORD"
        if scene["filter"]:
            return "ASSOC_FAIL" if _ESP32 else "CONNECT_FAIL"
        return ""

    def _linked(self):
        return self._outcome() == ""

    def status(self, what=None):
        outcome = self._outcome()
        if what == "rssi":
            if outcome != "":
                raise OSError(0x300F, "Wifi Not Connected")
            return -40
        if self.isconnected():
            return STAT_GOT_IP
        if outcome and not (_ESP32 and self._reconnects == -1):
            return globals()["STAT_" + outcome]
        if outcome == "" and not _ESP32:
            return 2  # joined, no address yet
        return STAT_IDLE if self._joined is None else STAT_CONNECTING


if _ESP32:

    class LAN(_Interface):
        """The ESP32's own Ethernet."""

        def __init__(self, **pins):
            calls.append(("LAN", pins))
            for name in ("mdc", "mdio", "phy_type", "phy_addr"):
                assert name in pins, "%s is required" % name
            super().__init__()

        def status(self):
            if self.isconnected():
                return ETH_GOT_IP
            return ETH_CONNECTED if self._linked() else ETH_STARTED

else:

    class WIZNET5K(_Interface):
        """A W5500."""

        def __init__(self, *pins):
            if not pins and not scene["default_pins"]:
                raise TypeError("function missing 3 required positional arguments")
            calls.append(("WIZNET5K", pins))
            super().__init__()

        def status(self):
            return 2 if self._linked() else 0


reset()
