"""Common parts of the boards' links: settings, failures, bringing a link up, the result.

Each `boards/<id>/link.py` has `FIELDS`, the settings it takes, and `connect(settings, on_wait)`,
which returns a `Nic`. The address comes from the DHCP client of the board's own stack, or from the
settings; with `dhcp` there is none yet, or a link-local one where the stack does not send without,
and the stack leaves UDP port 68 to pxerom.

1. A wrong setting is named, with what was expected; its value is never shown, because one of them
   is the Wi-Fi password.
2. A link that does not come up ends in one `LinkDown`, by its deadline.
3. No DNS server is ever 0.0.0.0: ESP-IDF refuses it, and `ifconfig` fails (`set_address`).
"""

from pxerom.failure import Failure
from pxerom.runtime import is_ipv4, sleep_ms, ticks_add, ticks_diff, ticks_ms

_POLL_MS = 50

MISSING = object()

# What a driver raises: ESP-IDF's codes without an errno, such as "no memory", are RuntimeErrors.
DRIVER_ERRORS = (OSError, RuntimeError)

NO_ADDRESS = "0.0.0.0"
# Names are never resolved here.
_NO_DNS = "127.0.0.1"


class Nic:
    """A link that is up: `mac`, `ip`, `mask`, `gateway`, `name` of the network chip; all text.

    The rest is for a boot with DHCP of our own (`pxerom.dhcp_client`). `interface`: the driver's
    object, which takes the lease; `device`: what SO_BINDTODEVICE takes, where there is such a
    thing."""

    def __init__(self, mac, ip, mask, gateway, name, interface=None, device=None):
        self.mac = mac
        self.ip = ip
        self.mask = mask
        self.gateway = gateway
        self.name = name
        self.device = device
        self._interface = interface
        self._unleased = ip, mask

    def raw(self, ttl, trace):
        """An object that sends and receives before there is an address, as `udp.Udp` does; here
        the stack's own socket."""

    def take(self, ip, mask, gateway):
        """Give the interface the leased address. There is no renewal: a boot is short."""
        self.ip, self.mask, self.gateway = ip, mask, gateway
        set_address(self._interface, ip, mask, gateway)

    def arp(self, ip, own_ip, tries_ms, on_wait=None):
        """Whether a machine answers for `ip`; unknown here, the stack does not show ARP."""

    def limits(self):
        """Sentences on what a ROM does and this port cannot do."""
        source = ""
        if self.ip != NO_ADDRESS:
            source = "from %s before it has a lease, where a ROM has 0.0.0.0, and " % self.ip
        return [
            "This board's stack sends %swith a TTL of its own; it shows no ARP: PXE-E11 cannot be "
            "told from PXE-E32." % source
        ]

    def needs_address(self):
        """The stack found no route. True if it had no address and now has a link-local one."""
        if self.ip != NO_ADDRESS:
            return False
        self.ip, self.mask = self._unleased = link_local(self.mac)
        set_address(self._interface, self.ip, self.mask)
        return True

    def find_address(self):
        """The address is known since the link came up."""

    def announce(self, ip):
        """The stack announces a new address by itself."""

    def route(self, host, gateway):
        """The stack knows the gateway."""

    def released(self):
        """The lease was released: the address must not be used any more."""
        set_address(self._interface, *self._unleased)

    def restore(self):
        """The address stays until the next boot: nothing else uses it."""


def link_local(mac):
    """(address, mask) for a stack that will not send without one (RFC 3927), made of the MAC's
    last two bytes."""
    high, low = [int(part, 16) for part in mac.split(":")[-2:]]
    # 169.254.0.x and 169.254.255.x are reserved.
    return "169.254.%d.%d" % (high % 254 + 1, low), "255.255.0.0"


def set_address(interface, ip, mask, gateway=None):
    """Give an interface an address; that ends the stack's own DHCP client."""
    if gateway in (None, NO_ADDRESS):
        interface.ifconfig((ip, mask, NO_ADDRESS, _NO_DNS))
    else:
        interface.ifconfig((ip, mask, gateway, gateway))


class SettingError(ValueError):
    """A wrong setting. Its text is one sentence for the user."""


class LinkDown(Failure):
    """No link, or no address on it. `advice`, `text`: where those of the code do not fit."""

    def __init__(self, code, detail, advice=None, text=None, side=None):
        super().__init__(code, detail, side)
        self._own = (("advice", advice), ("text", text))

    def status(self, uefi=False):
        """The result's `status`, as of any failed boot."""
        status = super().status(uefi)
        for name, value in self._own:
            if value:
                status[name] = value
        return status


def no_media(detail, advice=None, text=None):
    """PXE-E61: no carrier, or for a radio: no network."""
    return LinkDown("PXE-E61", detail, advice, text)


def no_lease(name, seconds):
    """PXE-E51: there is a link, but no DHCP server gave the board an address."""
    return LinkDown(
        "PXE-E51",
        "The link of the %s is up, but no DHCP server gave it an address within %d s."
        % (name, seconds),
        "Check that a DHCP server answers on this network, or give the board an address of its "
        "own in link.address.",
    )


def no_chip(name, error=None):
    """PXE-E63: the network chip does not answer, or this firmware has no driver for it."""
    what = "has no driver in this firmware"
    if error:
        number = getattr(error, "errno", None)
        what = "did not start (%s)" % (error if number is None else "errno %s" % number)
    return LinkDown("PXE-E63", "The %s %s." % (name, what))


def driver(kind, name):
    """MicroPython's class for a kind of network chip: `network.WLAN`, `LAN`, `WIZNET5K`."""
    import network

    found = getattr(network, kind, None)
    if found is None:
        raise no_chip(name)
    return found


# --- settings ------------------------------------------------------------------------------------


def whole(low, high):
    """A test for a whole number; True and False are none."""
    return lambda value: type(value) is int and low <= value <= high


def text(low, high):
    """A test for text of so many bytes."""
    return lambda value: isinstance(value, str) and low <= len(value.encode()) <= high


def _address(value):
    return (
        isinstance(value, dict)
        and sorted(value) in (["gateway", "ip", "mask"], ["ip", "mask"])
        and all(is_ipv4(part) for part in value.values())
    )


# A field: name, default (MISSING: it must be there), what is expected, the test. None always
# passes where it is the default.
COMMON_FIELDS = (
    ("timeout_s", 30, "a whole number 3..300", whole(3, 300)),
    ("hostname", None, "a name of 1 to 32 bytes, or null", text(1, 32)),
    (
        "address",
        None,
        'null (ask DHCP) or {"ip": ..., "mask": ..., "gateway": ...}, all numeric',
        _address,
    ),
)


def check(settings, fields, path=""):
    """The settings with all defaults in place. Raises SettingError."""
    if not isinstance(settings, dict):
        raise SettingError("%s: expected an object in braces" % (path or "the whole file"))
    dot = path + "." if path else ""
    names = [field[0] for field in fields]
    for name in settings:
        if name not in names:
            raise SettingError(
                "%s%s: there is no such field, there are %s" % (dot, name, ", ".join(names))
            )
    checked = {}
    for name, default, expected, test in fields:
        value = settings.get(name, default)
        if value is MISSING:
            raise SettingError("%s%s: is missing, expected %s" % (dot, name, expected))
        if value is not None or default is not None:
            if not test(value):
                raise SettingError("%s%s: expected %s" % (dot, name, expected))
        checked[name] = value
    return checked


# --- bringing a link up --------------------------------------------------------------------------


def until(ready, timeout_ms, on_wait=None):
    """Wait until `ready()`; False when that took too long. `on_wait` is called meanwhile."""
    deadline = ticks_add(ticks_ms(), timeout_ms)
    while not ready():
        if ticks_diff(deadline, ticks_ms()) <= 0:
            return False
        if on_wait:
            on_wait()
        sleep_ms(_POLL_MS)
    return True


def start(interface, settings, dhcp=False):
    """Switch an interface on, with the name and the address of the settings; with `dhcp`, with a
    link-local address: that ends the stack's own DHCP client, which would hold port 68."""
    hostname = settings["hostname"]
    if hostname:
        import network

        set_hostname = getattr(network, "hostname", None)  # firmware of 1.20 and later
        if set_hostname:
            set_hostname(hostname)
    interface.active(True)
    address = settings["address"]
    if address:
        set_address(interface, address["ip"], address["mask"], address.get("gateway"))
    elif dhcp:
        set_address(interface, *link_local(interface.config("mac").hex(":")))


def has_address(interface):
    """True once the interface has an IPv4 address."""
    return interface.ifconfig()[0] != NO_ADDRESS


def describe(interface, name, settings, dhcp=False):
    """The Nic of an interface that is up. With `dhcp`, an interface to which sockets can be bound
    loses its link-local address again: a ROM has none before its lease, and such a socket needs
    none."""
    try:
        device = interface.config("ifname")  # ESP32: for SO_BINDTODEVICE
    except (OSError, TypeError, ValueError):
        device = None
    if dhcp and device and not settings["address"]:
        set_address(interface, NO_ADDRESS, NO_ADDRESS)
    ip, mask, gateway = interface.ifconfig()[:3]
    mac = interface.config("mac").hex(":")
    return Nic(mac, ip, mask, gateway, name, interface, device)
