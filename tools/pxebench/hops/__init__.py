"""Captures of other hops compared with what the ROM sent and received: see `path`."""
