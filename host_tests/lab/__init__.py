"""The network lab: TFTP servers, a scripted one, a bad line and a firewall, all inside this PC.

What stands here is used by the interop tests, the firewall case and the benchmark. Nothing in it
imports `pxerom` or `pxebench`: a lab that shared code with what it measures would share its bugs.

    programs     where a program is: `.tools/bin` first, then the system
    processes    a child process that is always ended, and only by its own id
    namespaces   networks of our own (Linux namespaces, veth cables, routes), as root or without
    capture      what passed on an interface, with the kernel's own times
    servers      in.tftpd, dnsmasq, atftpd and Python servers, ready when the call returns
    scripted     a TFTP server that does exactly one odd thing at exactly one point
    relay        a line that loses, doubles, reorders and delays, from a seed
    firewall     the case of the report: client, firewall, server, and its rule sets
"""
