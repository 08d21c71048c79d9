"""The network lab: TFTP servers, a bad line and a firewall, all inside this PC. See README.md.

Nothing in it imports `pxerom` or `pxebench`: a lab that shared code with what it measures would
share its bugs.
"""
