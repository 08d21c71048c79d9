"""An Ethernet link, on every chip that says whether it has a carrier.

1. Without a carrier there is no waiting for a lease: the media test comes first, as in a ROM.
"""

import nic

# A switch may take 3 s to negotiate the speed, and as long again until it forwards.
_MEDIA_MS = 10000


def connect(interface, settings, name, has_link, on_wait=None, dhcp=False):
    """The `nic.Nic` of an Ethernet `interface`, from the media test to the lease. `has_link`: true
    when there is a carrier; `name`: of the network chip; `dhcp`: see `nic.start`."""
    timeout_ms = settings["timeout_s"] * 1000
    try:
        nic.start(interface, settings, dhcp)
    except nic.DRIVER_ERRORS as error:
        raise nic.no_chip(name, error)
    if not nic.until(has_link, min(timeout_ms, _MEDIA_MS), on_wait):
        raise nic.no_media("The %s has no carrier." % name)
    if not nic.until(lambda: nic.has_address(interface), timeout_ms, on_wait):
        raise nic.no_lease(name, settings["timeout_s"])
    return nic.describe(interface, name, settings, dhcp)
