"""Captures made further on, laid beside what the ROM sent and received: see `path`."""
