"""Link of an ESP32 with its own Ethernet MAC and an LAN8720 transceiver: WT32-ETH01, ESP32-POE.

The board is a setting, `link.pins`: the two differ in which pin switches the transceiver's clock
or power on, and in who makes the clock.
"""

import nic
import wired

# name: transceiver's address, pin that switches it on, pin of a clock that the ESP32 makes.
_PINS = {
    "wt32-eth01": (1, 16, None),
    "wt32-eth01-early": (1, None, None),  # boards before 1.4
    "olimex-esp32-poe": (0, 12, 17),
}
_MDC, _MDIO = 23, 18

FIELDS = (
    (
        "pins",
        nic.MISSING,
        "one of " + ", ".join(sorted(_PINS)),
        lambda value: isinstance(value, str) and value in _PINS,
    ),
) + nic.COMMON_FIELDS


def _interface(driver, pins):
    from machine import Pin
    from network import PHY_LAN8720

    phy_addr, power, clock = _PINS[pins]
    more = {}
    if power is not None:
        more["power"] = Pin(power)
    if clock is not None:
        more["ref_clk"] = Pin(clock)
        more["ref_clk_mode"] = Pin.OUT
    return driver(mdc=Pin(_MDC), mdio=Pin(_MDIO), phy_type=PHY_LAN8720, phy_addr=phy_addr, **more)


def connect(settings, on_wait=None, dhcp=False):
    """The `nic.Nic`, once the board has an address; with `dhcp`, one to begin with. Raises
    nic.SettingError and nic.LinkDown."""
    settings = nic.check(settings, FIELDS, "link")
    name = "LAN8720"
    driver = nic.driver("LAN", name)
    try:
        interface = _interface(driver, settings["pins"])
    except OSError as error:
        raise nic.no_chip(name, error)
    import network

    linked = (network.ETH_CONNECTED, network.ETH_GOT_IP)
    return wired.connect(
        interface, settings, name, lambda: interface.status() in linked, on_wait, dhcp
    )
