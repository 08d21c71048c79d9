"""The closing words of a boot: the lease, who named the file, which servers were not chosen and
why.

One line each, below those that `view` has for every job. Text from the network is made safe for
the terminal (`job.show`).
"""

from pxebench.boot.boot_job import mask_bits
from pxebench.job import show

_PACKETS = {
    "dhcp": "the DHCP server",
    "proxy": "a proxyDHCP server",
    "4011": "the proxyDHCP server, asked on port 4011",
    "discovery": "the boot server that was chosen",
    "job": "the command line",
}
_MOST_OFFERS = 8


def rows(result):
    """[(name, text)] of a boot's result; [] when it is none."""
    if "offers" not in result:
        return []
    found = []
    if result.get("lease"):
        found.append(("lease", _lease(result["lease"])))
    if result.get("menu"):
        found.append(("menu", _menu(result["menu"])))
    if result.get("boot"):
        found.append(("boot", _boot(result["boot"])))
    offers = result["offers"]
    # One server with lease and file is the usual case: not worth a line.
    if len({offer.get("from") for offer in offers}) > 1 or result["outcome"] != "ok":
        found += [("offer", _offer(offer)) for offer in offers[:_MOST_OFFERS]]
        if len(offers) > _MOST_OFFERS:
            found.append(("", f"and {len(offers) - _MOST_OFFERS} more (--json has them)"))
    found += [("warning", show(warning)) for warning in result.get("warnings", ())]
    return found


def _lease(lease):
    words = f"{lease['ip']}/{mask_bits(lease.get('mask'))}"
    if lease.get("server"):
        words += f" from {lease['server']}"
    if lease.get("relay"):
        words += f" by way of the relay {lease['relay']}"
    if lease.get("gateway"):
        words += f", gateway {lease['gateway']}"
    if lease.get("seconds"):
        words += f", for {_span(lease['seconds'])}"
    if lease.get("by") == "static":
        words += ", as given"
    elif lease.get("by") == "stack":
        words += ", the interface's own"
    return words + (", given back" if lease.get("released") else "")


def _span(seconds):
    if seconds >= 0xFFFFFFFF:
        return "ever"
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size and seconds % size == 0:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


def _boot(boot):
    who = _PACKETS.get(boot.get("packet"), "")
    return (
        f"{show(boot['file'])} ({show(boot.get('file_by') or '')}) from {boot['server']} "
        f"({show(boot.get('server_by') or '')})" + (f", says {who}" if who else "")
    )


def _menu(menu):
    chosen = menu.get("chosen")
    if not chosen:
        return "left without a choice"
    how = {"key": "by key", "option": "by --menu", "timeout": "by time-out", "rom": "by the ROM"}
    number = chosen["index"] + 1
    return f"{number}, {show(chosen['text'])!r} ({how.get(menu.get('by'), '-')})"


def _offer(offer):
    words = f"{offer.get('from') or '-'}: {'proxyDHCP ' if offer.get('proxy') else ''}"
    words += offer.get("kind", "").upper()
    if offer.get("ip"):
        words += f" of {offer['ip']}"
    if offer.get("file"):
        words += f", file {show(offer['file'])}"
    verdict = "chosen" if offer.get("chosen") else "not chosen"
    reason = show(offer.get("reason") or "")
    return f"{words}; {verdict}" + (f": {reason}" if reason else "")
