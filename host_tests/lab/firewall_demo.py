"""`make firewall-demo`: the firewall that stops a ROM and lets the OS's client through, told live.

The story is `firewall.act`; here it is printed, for CPython and MicroPython side by side. Ends
with 0 when both saw what the report says, 1 when not, 3 when the lab cannot be built here.
"""

import functools
import sys
import textwrap
import time

from host_tests.lab import firewall
from host_tests.lab.programs import LabError

_INTRO = """\
Client {client}, firewall, server {server} (in.tftpd): three network namespaces on this PC,
made twice, so that CPython and MicroPython boot at the same time. The firewall:

{rules}
A ROM takes its time to give up; this takes 40 seconds.
"""

_VERDICT = """
The ROM's requests come from ports 2070, 2071, 2072 ..., a new one each time, the same each boot.
The OS's client is given a port above 32768, and that is all the firewall asks for.
What the firewall's owners can do, either of
  stateless   let {server}:any/udp through to the clients' ports 2070-2090/udp
  stateful    use the TFTP helper: nft `ct helper`, iptables `-j CT --helper tftp`, `inspect tftp`\
"""

_EXPECTED = firewall.Findings(
    blocked=False, os_client=True, again=False, opened=True, stateful=False, reading_tftp=True
)


def _tell(began, runtime, line):
    print(f"{time.monotonic() - began:5.1f} s  {runtime:<11}  {line}", flush=True)


def main():
    rules = textwrap.indent(firewall.HIGH_PORTS_ONLY.strip(), "    ")
    print(_INTRO.format(client=firewall.CLIENT, server=firewall.SERVER, rules=rules), flush=True)
    try:
        found = firewall.act_on_all(functools.partial(_tell, time.monotonic()))
    except LabError as error:
        print(f"\n{error}", file=sys.stderr)
        return 3
    except (KeyboardInterrupt, BrokenPipeError):  # Ctrl-C, or nobody reads any more
        return 130
    for runtime, boots in found.items():
        if tuple(boot.image is not None for boot in boots) != _EXPECTED:
            print(f"\n{runtime}: not what the report says; see its `->` lines.", file=sys.stderr)
            return 1
    print(_VERDICT.format(server=firewall.SERVER))
    return 0


if __name__ == "__main__":
    sys.exit(main())
