"""A place of a labgrid coordinator, in plain values."""

from collections import namedtuple

# `tags`: {name: value}; `acquired`: HOST/USER or None; `mine`: by us, or we are allowed;
# `exporter`: its name, None where none exports anything of it; `url`: of its serial port, None
# where it is not known; `ports`: how many serial ports it has.
_FIELDS = "name tags acquired mine exporter url ports"


class Place(namedtuple("Place", _FIELDS)):
    """A place, as the coordinator knows it."""

    __slots__ = ()

    @property
    def told(self):
        """True where the port is known, or where there is not exactly one."""
        return self.url is not None or self.ports != 1

    @property
    def trouble(self):
        """Why it has no port to use; None where it has one."""
        if self.ports == 0:
            return "no exporter shows a serial port that the place matches"
        if self.ports > 1:
            return f"it has {self.ports} serial ports, and one is wanted"
        return None if self.url else "its exporter has not said on which TCP port it is"
