"""From which client ports a ROM asks, and how far it counts: all of it out of its file, flat.

The firmware draws the ports (`pxerom.udp`); here is what can be said of them beforehand, for who
has to write a rule.
"""

import random


def rom_ports(flat, count):
    """The first `count` ports that a ROM (flat) asks from; drawn, where it draws them."""
    spec = flat["udp"]["source_port"]
    if spec["policy"] == "fixed":
        return [spec["first"]]
    span = range(spec["first"], spec["last"] + 1, spec["step"] if counts(flat) else 1)
    return list(span[:count]) if counts(flat) else random.sample(span, min(count, len(span)))


def counts(flat):
    """True for a ROM that counts its ports up."""
    return flat["udp"]["source_port"]["policy"] == "counter"


def request_count(flat):
    """How many RRQs a ROM sends in one boot when nothing answers."""
    retry = flat["tftp"]["retry"]
    total = 0
    for request in flat["tftp"]["requests"]:
        probe = request["purpose"] == "size" and retry["size"]
        phase = retry["size"] if probe else retry["open"]
        total += len(phase["waits_ms"])
        if phase["then"] == "fail":
            break
    return total


def ports_of_boot(flat):
    """(first, last) client port of one boot with every retry; a range, for a ROM that draws."""
    spec = flat["udp"]["source_port"]
    if spec["policy"] == "fixed":
        return spec["first"], spec["first"]
    if not counts(flat):
        return spec["first"], spec["last"]
    number = {"request": request_count(flat), "transfer": len(flat["tftp"]["requests"]), "boot": 1}
    last = spec["first"] + (number[spec["per"]] - 1) * spec["step"]
    return spec["first"], min(last, spec["last"])
