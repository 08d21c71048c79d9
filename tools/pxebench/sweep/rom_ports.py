"""From which client ports a ROM asks, and how far it counts, from its flat ROM file.

The firmware draws the ports (`pxerom.udp`); here is what is known of them beforehand, for a
firewall rule.
"""

# `per`: a port for each RRQ, retries too; and one for each file.
_EACH_RRQ = ("request", "until_data")


def rom_ports(flat, count):
    """The first `count` ports that a ROM (flat) asks from; the lowest, where it draws them: a path
    that is open to some of its ports only is most often closed to those."""
    spec = flat["udp"]["source_port"]
    if spec["policy"] == "fixed":
        return [spec["first"]]
    span = range(spec["first"], spec["last"] + 1, spec["step"] if counts(flat) else 1)
    return list(span[:count])


def counts(flat):
    """True for a ROM that counts its ports up."""
    return flat["udp"]["source_port"]["policy"] == "counter"


def how_it_counts(flat):
    """ "retry", "file" (each takes the next port), "draw" (any port of the range), or "one"."""
    spec = flat["udp"]["source_port"]
    if spec["policy"] in ("random", "clock") or "first_max" in spec:
        return "draw"
    if spec["policy"] == "fixed" or spec["per"] == "boot":
        return "one"
    return "retry" if spec["per"] in _EACH_RRQ else "file"


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
    number = {"transfer": len(flat["tftp"]["requests"]), "boot": 1}
    for each in _EACH_RRQ:
        number[each] = request_count(flat)
    # Some begin at another port at each boot.
    last = spec.get("first_max", spec["first"]) + (number[spec["per"]] - 1) * spec["step"]
    return spec["first"], min(last, spec["last"])
