"""Packets as events, for a capture file or a listing on the bench.

A packet is noted when it passes and reported later (`flush`), so that a slow serial line does not
delay the ACK of a DATA. Of DATA only the first bytes are kept; the file is in the sink.

1. `t_us` counts from the job's start and never wraps.
2. `len` is the true length of the UDP payload, whatever `data` shows of it.
"""

from pxerom.runtime import const, split, ticks_diff, ticks_us

_DATA_HEAD = const(64)


class Trace:
    """Notes of packets on their way to `emit` (a function that takes an event dict)."""

    def __init__(self, emit):
        self._emit = emit
        self._notes = []
        self.local = None  # our address in packets where the kernel does not know it
        self._tick = ticks_us()
        self._us = 0

    def _now_us(self):
        tick = ticks_us()
        self._us += ticks_diff(tick, self._tick)
        self._tick = tick
        return self._us

    def packet(self, direction, packet, peer, local_port):
        """Note a packet. `direction`: "out" or "in"; `peer`: opaque address of the other end."""
        size = len(packet)
        head = _DATA_HEAD if size > 3 and packet[1] == 3 and packet[0] == 0 else size
        self._notes.append(
            (self._now_us(), direction, peer, local_port, size, bytes(packet[:head]), self.local)
        )

    def flush(self):
        """Report what has been noted."""
        for t_us, direction, peer, local_port, size, head, local in self._notes:
            host, port = split(peer)
            event = {
                "event": "packet",
                "t_us": t_us,
                "dir": direction,
                "host": host,
                "port": port,
                "local_port": local_port,
                "len": size,
                "data": head.hex(),
            }
            if local:
                event["local"] = local
            self._emit(event)
        self._notes.clear()
