"""The coordinator of a lab, and its places as ports: `place:NAME`.

labgrid does places, locking and transport; a user acquires a place first (`labgrid-client -p NAME
acquire`), nothing is acquired here.

1. The coordinator is LG_COORDINATOR, as for `labgrid-client`, or on this PC.
2. labgrid is loaded when a place is asked for, and only by `lab.grid`.
"""

import os
from importlib.util import find_spec

from pxebench.job import EXIT_BENCH, Refused, nearest, show

PREFIX = "place:"
_DEFAULT = "127.0.0.1:20408"


def session(address=None, user=None):
    """A `grid.Coordinator`, to be entered; `Refused` where labgrid is not installed."""
    if find_spec("labgrid") is None:
        raise Refused("A place needs labgrid; `pxebench doctor labgrid` says how.", EXIT_BENCH)
    from pxebench.lab import grid

    return grid.Coordinator(address or os.environ.get("LG_COORDINATOR") or _DEFAULT, user)


def url(name):
    """The URL of the serial port of a place that this user has acquired."""
    with session() as lab:
        known = {place.name: place for place in lab.places()}
        me = lab.name
        place = known.get(name)
        if place is None:
            near = nearest(name, known)
            meant = f"; the nearest is {show(near)}" if near else ""
            raise Refused(f"There is no place {show(name)}{meant}.", EXIT_BENCH)
        if not place.acquired:
            raise Refused(
                f"Place {show(name)} is not acquired: `labgrid-client -p {show(name)} acquire`.",
                EXIT_BENCH,
            )
        if not place.mine:
            raise Refused(
                f"Place {show(name)} is held by {show(place.acquired)}, and this is {show(me)}.",
                EXIT_BENCH,
            )
        if not place.told:
            lab.await_ports([name])
            place = {one.name: one for one in lab.places()}[name]
    if place.trouble:
        raise Refused(f"Place {show(name)} cannot be used: {place.trouble}.", EXIT_BENCH)
    return place.url
