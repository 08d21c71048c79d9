"""Captures: written from packet events (`pcap`), and read back, packet to conversation."""
