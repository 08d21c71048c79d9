"""`make firewall-demo`: the firewall that stops a ROM and lets the OS's client through, live.

The story is `firewall.act`; here it is printed, for CPython and MicroPython side by side. Then
`pxebench diagnose` says why, its rule is loaded, the ROM boots, and a page of it is made. Ends
with 0 when all of that succeeded, 1 when not, 3 when the lab cannot be built here.
"""

import functools
import json
import os
import subprocess
import sys
import textwrap
import time

from host_tests.lab import firewall, programs
from host_tests.lab.programs import LabError

_INTRO = """\
Client {client}, firewall, server {server} (in.tftpd): three network namespaces on this PC,
made twice, so that CPython and MicroPython boot at the same time. The firewall:

{rules}
A ROM takes its time to give up; this takes 40 seconds, and the diagnosis 30 more.
"""

_WHY = """
So much for what happens. Why it happens, and what to ask the firewall's owners for, is what
`pxebench diagnose` finds out by itself, in half a minute, behind the same firewall:
"""

_PAGE = programs.ROOT / "build" / "firewall-demo.html"

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
    except (KeyboardInterrupt, BrokenPipeError):  # Ctrl-C, or no reader
        return 130
    for runtime, boots in found.items():
        if tuple(boot.image is not None for boot in boots) != _EXPECTED:
            print(f"\n{runtime}: not what the report says; see its `->` lines.", file=sys.stderr)
            return 1
    print(_WHY, flush=True)
    try:
        return _diagnose()
    except (KeyboardInterrupt, BrokenPipeError):
        return 130


def _diagnose():
    # The diagnosis as a user sees it; its rule, loaded as it is printed; and the page.
    url = f"tftp://{firewall.SERVER}/{firewall.FILE}"
    _PAGE.parent.mkdir(exist_ok=True)
    result = _PAGE.with_suffix(".json")
    with firewall.site() as place:
        place.rule(firewall.HIGH_PORTS_ONLY)

        def pxebench(*words):
            return place.client.argv(sys.executable, "-m", "pxebench", *words)

        words = ("--server", firewall.SERVER, "--file", firewall.FILE, "--json", str(result))
        chain = ("--nft-chain", "ip firewall forward")
        print("$ pxebench diagnose", *words[:4], flush=True)
        result.unlink(missing_ok=True)
        subprocess.run(pxebench("diagnose", *words, *chain), check=False)
        if not result.exists():
            print("\nThe diagnosis came to no result.", file=sys.stderr)
            return 1
        verdict = json.loads(result.read_text())["verdict"]
        rules = [item for item in verdict["rules"]["items"] if item["id"] == "nft-ports"]
        if verdict["cause"] != "client-port-filter" or not rules:
            print(f"\nThe verdict is {verdict['cause']}: that is wrong here.", file=sys.stderr)
            return 1
        print("\nThe nftables rule above, loaded into the firewall as it stands, and the ROM:\n")
        print(f"$ pxebench fetch {url}", flush=True)
        # Unchanged, as if pasted into root's shell on the firewall.
        path = {**os.environ, "PATH": programs.search_path()}
        place.firewall.run("sh", "-e", input=rules[0]["text"], env=path)
        booted = subprocess.run(pxebench("fetch", url), check=False).returncode == 0
    page = [sys.executable, "-m", "pxebench", "report", str(result), "-o", str(_PAGE), "-q"]
    paged = subprocess.run(page, check=False).returncode == 0
    if paged:
        print(f"\nThe same as a page to forward: {_PAGE.relative_to(programs.ROOT)}")
    return 0 if booted and paged else 1


if __name__ == "__main__":
    sys.exit(main())
