"""Boards in a rack: labgrid's coordinator and exporter, ser2net, and `pxebench fleet`."""
