"""A Wi-Fi link, on every chip whose driver is MicroPython's `network.WLAN`.

The CYW43 (Pico W) and the ESP32 differ in the numbers of their states and in reconnecting: the
ESP32's driver would retry for ever and never report why it fails, so that is switched off.

1. A network that is not found or refuses the password gets three tries: a scan can miss an access
   point, and a busy one can drop a handshake.
2. Power save is off: with it, a datagram waits for up to 200 ms in the access point.
3. The password is given to `connect` and nowhere else: not to a message, an event or the result.
"""

import nic

_TRIES = 3
# PM_NONE of the CYW43 in firmware before 1.21, where it has no name.
_PM_NONE_UNNAMED = 0xA11140
# What ESP-IDF reports for a wrong password beside the named states: the four-way handshake timed
# out.
_FOUR_WAY_HANDSHAKE_TIMEOUT = 15
_CYW43_NO_ADDRESS = 2  # associated, waiting for a lease; it has no name

FIELDS = (
    ("ssid", nic.MISSING, "the network's name, 1 to 32 bytes", nic.text(1, 32)),
    (
        "password",
        None,
        "text of 8 to 64 bytes, or null for an open network",
        nic.text(8, 64),
    ),
    (
        "country",
        None,
        "two capital letters such as DE, or null",
        lambda value: nic.text(2, 2)(value) and value.isalpha() and value.isupper(),
    ),
) + nic.COMMON_FIELDS


def connect(settings, name, on_wait=None, dhcp=False):
    """The `nic.Nic` of the board's station interface. `name`: of the radio; `dhcp`: see
    `nic.start`. Raises SettingError, LinkDown."""
    settings = nic.check(settings, FIELDS, "link")
    driver = nic.driver("WLAN", name)
    if settings["country"]:
        import network

        network.country(settings["country"])
    try:
        # The constant is called IF_STA since 1.23; it is 0 on both ports.
        wlan = driver(getattr(driver, "IF_STA", 0))
        nic.start(wlan, settings, dhcp)
    except nic.DRIVER_ERRORS as error:
        raise nic.no_chip(name, error)
    _configure(wlan, pm=getattr(driver, "PM_NONE", _PM_NONE_UNNAMED))
    _configure(wlan, reconnects=0)
    _join(wlan, settings, name, on_wait)
    _configure(wlan, reconnects=-1)  # from now on, a lost access point is looked for again
    return nic.describe(wlan, name, settings, dhcp)


def _configure(wlan, **setting):
    # A setting that this driver or firmware lacks is not needed there.
    try:
        wlan.config(**setting)
    except (OSError, TypeError, ValueError):
        pass


def _try(wlan, settings):
    for step in (wlan.disconnect, lambda: wlan.connect(settings["ssid"], settings["password"])):
        try:
            step()
        except OSError:
            pass  # not connected, or still busy with the last try: its state is read below


def _join(wlan, settings, name, on_wait):
    tries = 1
    _try(wlan, settings)

    def ready():
        nonlocal tries
        if wlan.isconnected() and nic.has_address(wlan):
            return True
        failure = _failure(wlan.status(), settings["ssid"])
        if failure:
            if tries == _TRIES:
                raise failure
            tries += 1
            _try(wlan, settings)
        return False

    if not nic.until(ready, settings["timeout_s"] * 1000, on_wait):
        if _associated(wlan):
            raise nic.no_lease(name, settings["timeout_s"])
        raise _down(
            'The Wi-Fi network "%s" did not let the board in within %d s.',
            (settings["ssid"], settings["timeout_s"]),
            "Bring the board nearer to the access point, and see whether others can join there.",
        )


def _state(name):
    import network

    return getattr(network, "STAT_" + name, None)


def _failure(status, ssid):
    # The LinkDown of a driver's state; None while the try may still succeed.
    if status in (_state("WRONG_PASSWORD"), _state("HANDSHAKE_TIMEOUT")) or (
        status == _FOUR_WAY_HANDSHAKE_TIMEOUT
    ):
        return _down(
            'The Wi-Fi network "%s" refused the password.',
            ssid,
            "Check link.password, and that the network takes WPA2.",
        )
    if status == _state("NO_AP_FOUND") or status in (210, 211, 212):
        # 210 to 212 are ESP-IDF's: found, but not with this security or not strong enough.
        return _down(
            'No Wi-Fi network "%s" was found that the board can join.',
            ssid,
            "Check link.ssid (capitals count): this radio only knows 2.4 GHz.",
        )
    if status in (_state("CONNECT_FAIL"), _state("ASSOC_FAIL"), _state("BEACON_TIMEOUT")):
        return _down(
            'The Wi-Fi network "%s" did not let the board in.',
            ssid,
            "See whether the access point filters addresses or is full.",
        )
    return None


def _down(sentence, values, advice):
    return nic.no_media(sentence % values, advice, "Media test failure")


def _associated(wlan):
    if wlan.status() == _CYW43_NO_ADDRESS:
        return True
    try:
        wlan.status("rssi")  # ESP-IDF has a signal to report only while it is associated
    except (OSError, TypeError, ValueError):
        return False
    return True
