"""`network` of the pseudo-terminal board: links that come up by themselves, on the PC's loopback.

Not for a real board. What the links share, and what the tests set, are ADDRESS (the board's own
IPv4 address) and NETWORKS ({SSID: password}: the Wi-Fi networks in reach).
"""

ADDRESS = "127.0.0.1"
NETWORKS = {}

STA_IF = 0
AP_IF = 1
STAT_IDLE = 0
STAT_CONNECTING = 1
STAT_GOT_IP = 3
STAT_NO_AP_FOUND = -2
STAT_WRONG_PASSWORD = -3
STAT_CONNECT_FAIL = -1
PHY_LAN8720 = 0
PHY_IP101 = 1
PHY_RTL8201 = 2
PHY_DP83848 = 3
PHY_W5500 = 7
ETH_GOT_IP = 5


def country(code=None):
    return code


def hostname(name=None):
    return name


class _Link:
    _MAC = b"\x28\xcd\xc1\x00\x00\x01"

    def __init__(self, *given, **named):
        self._up = False
        self._active = False

    def active(self, on=None):
        if on is not None:
            self._active = self._up = on
        return self._active

    def isconnected(self):
        return self._up

    def status(self, what=None):
        return -50 if what == "rssi" else STAT_GOT_IP if self._up else STAT_IDLE

    def ifconfig(self, given=None):
        return (ADDRESS if self._up else "0.0.0.0", "255.0.0.0", "0.0.0.0", "0.0.0.0")

    def ipconfig(self, what=None, **given):
        return self.ifconfig()[:2] if what == "addr4" else True

    def config(self, what=None, **given):
        return self._MAC if what == "mac" else 0


class LAN(_Link):
    pass


class WIZNET5K(_Link):
    pass


class WLAN(_Link):
    IF_STA = 0
    IF_AP = 1
    PM_NONE = 0
    PM_PERFORMANCE = 1
    PM_POWERSAVE = 2
    _state = STAT_IDLE

    def active(self, on=None):
        if on is not None:
            self._active = on
        return self._active

    def connect(self, ssid=None, key=None, **more):
        if ssid not in NETWORKS:
            self._state = STAT_NO_AP_FOUND
        elif NETWORKS[ssid] != key:
            self._state = STAT_WRONG_PASSWORD
        else:
            self._state = STAT_GOT_IP
            self._up = True

    def disconnect(self):
        self._state = STAT_IDLE
        self._up = False

    def status(self, what=None):
        return -50 if what == "rssi" else self._state

    def scan(self):
        return [(name.encode(), b"\0\1\2\3\4\5", 1, -50, 3, 0) for name in NETWORKS]
