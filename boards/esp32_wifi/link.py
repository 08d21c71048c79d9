"""Link of an ESP32, ESP32-S3 or ESP32-C3: its own radio."""

import wifi

FIELDS = wifi.FIELDS


def connect(settings, on_wait=None, dhcp=False):
    """The `nic.Nic`, once the board has an address; with `dhcp`, one to begin with. Raises
    nic.SettingError and nic.LinkDown."""
    return wifi.connect(settings, "Wi-Fi of the ESP32", on_wait, dhcp)
