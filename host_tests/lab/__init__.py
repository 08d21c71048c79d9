"""The network lab: TFTP servers, a bad line and a firewall, all inside this PC. See README.md.

Nothing in it imports `pxerom` or `pxebench`: otherwise it would share their bugs.
"""
