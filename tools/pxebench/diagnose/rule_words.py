"""The rules of a verdict as lines of text: what `diagnose` and `explain` print below the cause."""

from pxebench.diagnose.rules import CURES
from pxebench.job import show
from pxebench.prose import listed, wrapped


def lines(rules, all_rules):
    """The lines. `rules`: of a verdict; `all_rules`: False for nftables and the server only."""
    if rules["advice"]:
        yield from listed("What to do", [rules["advice"]])
    if rules["least"]:
        yield from listed("What to ask for", [rules["least"]])
    shown = 0
    for item in rules["items"]:
        if not all_rules and not (item["product"] == "nftables" or item["where"] == "server"):
            continue
        shown += 1
        yield ""
        yield f"  {item['product']} ({CURES[item['cure']]}):"
        for line in item["text"].splitlines():
            yield "    " + show(line)
        if item["note"]:
            yield from wrapped(item["note"], "      ")
        if not item["tried"]:
            yield "      Written from the product's documentation; not tried on the product."
    if shown < len(rules["items"]):
        others = dict.fromkeys(
            item["product"] for item in rules["items"] if item["product"] != "nftables"
        )
        names = [name for name in others if "tftpd" not in name and "dnsmasq" not in name]
        yield ""
        yield from wrapped(f"--all-rules has them for {', '.join(names)} as well.", "  ")
    if rules["notes"]:
        yield from listed("Mind", rules["notes"])
