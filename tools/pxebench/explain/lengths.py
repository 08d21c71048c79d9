"""What a datagram must have been where a text has its length only.

tcpdump reads TFTP on port 69 only; later packets are printed as `UDP, length 14`. Inside a
transfer whose request is known few packets are possible, and the lengths of an Intel ROM's probe
are always the same: 14 (OACK tsize), 17 (ERROR "TFTP Aborted").

1. The packet is a cut one: `size` is true, `payload` has what is certain.
2. A DATA that is sent again looks like the next one; only a capture can tell them apart.
"""

import itertools

from pxebench.explain import observation

_OACK_MOST = 12  # digits and the NUL of a granted number
_SHORT = 4
_SMALL = 100


class Transfers:
    """The transfers of one text, by the client's address and port."""

    def __init__(self):
        self._by_port = {}

    def asked(self, src, sport, payload, options):
        """A request went by; `options`: None where they are not told."""
        self._by_port[src, sport] = _Transfer(options)

    def heard(self, src, sport, dst, dport, payload):
        """A packet whose words are known went by."""
        transfer = self._by_port.get((dst, dport))
        if transfer and payload[:2] == b"\0\3" and len(payload) >= 4:
            transfer.block = payload[2] << 8 | payload[3]
            transfer.opened = True

    def payload(self, src, sport, dst, dport, size):
        """The likely head of a datagram of `size` bytes between these, or None."""
        transfer = self._by_port.get((src, sport))
        if transfer:
            return transfer.sent(size)
        transfer = self._by_port.get((dst, dport))
        return transfer.came(size) if transfer else None


class _Transfer:
    def __init__(self, options):
        self.options = options
        self.opened = False  # DATA came
        self.block = 0
        names = sum(len(name) + 1 for name, _ in options or ())
        self.oack_most = 2 + names + _OACK_MOST * len(options or ())

    def sent(self, size):
        # From the client to the TID.
        if size == _SHORT:
            return observation.ack(self.block)
        return b"\0\5" if size > _SHORT else None

    def came(self, size):
        # From the server.
        if size < _SHORT:
            return None
        if not self.opened and self.options is None and size < _SMALL:
            return b"\0\6"  # the options asked for are not known: an OACK, if the client goes on
        if not self.opened and self.options and size <= self.oack_most:
            return _oack(self.options, size) or b"\0\6"
        if not self.opened and size < 60:
            # Too few bytes for a boot file: more likely an ERROR.
            return b"\0\5"
        self.opened = True
        self.block += 1
        return observation.data(self.block)


def _oack(options, size):
    # The OACK of this size that grants what was asked for, or some of it; None when none has it.
    for count in range(len(options), 0, -1):
        for picked in itertools.combinations(options, count):
            rest = size - 2 - sum(len(name) + 2 for name, _ in picked)
            rest -= sum(len(text) for name, text in picked if name.lower() != "tsize")
            sizes = [name for name, _ in picked if name.lower() == "tsize"]
            if (sizes and 1 <= rest <= _OACK_MOST - 2) or (not sizes and rest == 0):
                return observation.oack(
                    [[n, "0" * rest if n.lower() == "tsize" else text] for n, text in picked]
                )
    return None
