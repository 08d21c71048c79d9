"""Link of a W5500-EVB-Pico, of its Pico 2 sister, or of a W5500 wired to a Pico in the same way.

The chip's own TCP/IP is not used: MicroPython's stack drives it with whole frames (MACRAW).
"""

import nic
import wired

# As on the W5500-EVB-Pico: SPI0 with SCK 18, MOSI 19, MISO 16.
_SPI_BAUD = 20000000
_SCK, _MOSI, _MISO, _CS, _RESET, _INTN = 18, 19, 16, 17, 20, 21
_MORE_THAN_PCBS = 8  # lwIP has five here, and mDNS one of them

FIELDS = nic.COMMON_FIELDS


def _interface(driver):
    try:
        return driver()  # firmware made for such a board knows its pins, INTN included
    except TypeError:
        from machine import SPI, Pin

        # Without INTN a datagram waits for the stack's next tick: up to 64 ms.
        bus = SPI(0, _SPI_BAUD, sck=Pin(_SCK), mosi=Pin(_MOSI), miso=Pin(_MISO))
        return driver(bus, Pin(_CS), Pin(_RESET), Pin(_INTN))


def _switch_on_in_silence(interface):
    # `active(True)` starts lwIP's own DHCP client, which sends its DISCOVER before anybody can
    # stop it. It needs one of lwIP's few UDP PCBs: while they are all taken, it does not start
    # (extmod/network_wiznet5k.c, lwIP's dhcp_start).
    import socket

    taken = []
    try:
        try:
            for _ in range(_MORE_THAN_PCBS):
                taken.append(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        except OSError:
            pass  # now all PCBs are taken
        interface.active(True)
    finally:
        for sock in taken:
            sock.close()


def connect(settings, on_wait=None, dhcp=False):
    """The `nic.Nic`, once the board has an address; with `dhcp`, one to begin with. Raises
    nic.SettingError and nic.LinkDown."""
    settings = nic.check(settings, FIELDS, "link")
    name = "W5500"
    driver = nic.driver("WIZNET5K", name)
    try:
        interface = _interface(driver)
        if dhcp or settings["address"]:
            _switch_on_in_silence(interface)
    except OSError as error:
        raise nic.no_chip(name, error)
    # 0: no carrier; 1 and 2: carrier, interface off and on.
    return wired.connect(interface, settings, name, lambda: interface.status() > 0, on_wait, dhcp)
