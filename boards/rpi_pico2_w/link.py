"""Link of a Raspberry Pi Pico 2 W: its CYW43439 radio."""

import wifi

FIELDS = wifi.FIELDS


def connect(settings, on_wait=None, dhcp=False):
    """The `nic.Nic`, once the board has an address; with `dhcp`, one to begin with. Raises
    nic.SettingError and nic.LinkDown."""
    return wifi.connect(settings, "CYW43439 of a Pico 2 W", on_wait, dhcp)
