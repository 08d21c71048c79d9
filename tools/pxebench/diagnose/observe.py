"""What the experiments show together: observations, plain facts with fixed names.

`--json` has them all; `anomalies` finds those that no healthy path shows.

1. A port is "silent" only if it was asked more than once, each time with a wait longer than any
   answer took so far.
2. Loss is told from slowness by the other blocks: on a slow path all of them take long.
"""

import statistics

from pxebench import images
from pxebench.diagnose import signs
from pxebench.sweep import asking
from pxebench.sweep.asking import answered

_STALL_MS = 250
_UNDER_WAY = 8  # blocks, and not longer than this since the last of them
_IDLE_MS = 1000
_MANY = 4  # ports that are more than one transfer's


def blocks(packets, server):
    """How the blocks of one fetch went, from its packet events: {"data", "longest", "median_ms",
    "slowest_ms", "stalls", "repeats", "again", "acked", "stuck", "last_ms"}.

    Times: from the packet that asked for a block, sent for the first time, to the block; the first
    answer is not one of them.  `last_ms`: from the first RRQ to the last new block.
    """
    data = repeats = longest = acked = again = twice = 0
    times, seen, sent_at, last_out, first_us, last_us = [], set(), None, None, None, None
    for packet in packets:
        payload = packet["data"]
        if packet["dir"] == "out":
            first_us = packet["t_us"] if first_us is None else first_us
            acked += payload[:4] == "0004"
            if payload == last_out:
                repeats += 1
            else:
                last_out, sent_at = payload, packet["t_us"]
        elif packet["host"] == server and payload[:4] in ("0003", "0006"):
            key = payload[:8] if payload[:4] == "0003" else "oack"
            if key in seen:
                again += len(seen) == 1
                twice += key != "oack"
                continue
            if seen:
                times.append((packet["t_us"] - sent_at) / 1000)
            seen.add(key)
            if key != "oack":
                data += 1
                last_us = packet["t_us"]
                longest = max(longest, packet["len"] - 4)
    median_ms = statistics.median(times) if times else 0
    return {
        "data": data,
        "longest": longest,
        "median_ms": round(median_ms, 2) if times else None,
        "slowest_ms": round(max(times), 2) if times else None,
        # Far longer than the others: a packet was lost, and one end sent it again.
        "stalls": sum(each > max(_STALL_MS, 10 * median_ms) for each in times),
        "repeats": repeats,
        "again": twice,  # DATA that had come before
        "acked": acked,
        "last_ms": None if last_us is None or first_us is None else (last_us - first_us) // 1000,
        # The server repeats its first packet although it was acknowledged.
        "stuck": len(seen) == 1 and acked > 0 and again >= 1,
    }


def observe(experiments, flat, rom, server=None):
    """All observations, by name; None for what was not observed."""
    by = {}
    for experiment in experiments:
        by.setdefault(experiment["id"], []).append(experiment)
    every = [ask for e in experiments for ask in e["asks"] if e["id"] != "alive"]
    usable = [ask for ask in every if ask["answer"] != "busy"]
    low = _asks(by, "rom", "low-again")
    # Answers after the low ports count as well: a limit of RRQs is no port filter.
    high = _asks(by, "reach", "high", "data") + _first_of_several(by)
    booted = by.get("rom", [{}])[0].get("result")
    lockstep = by["lockstep"][0] if "lockstep" in by else None
    return {
        "requests": len(usable),
        "answers": sum(map(answered, usable)),
        "unreachable": sum(ask["answer"] == "unreachable" for ask in usable),
        "foreign": sorted({ask["from"] for ask in usable if ask["from"]}),
        "low": _tally(low),
        "high": _tally(high),
        "low_silent": _low_silent(low, high),
        "rom_works": None if booted is None else _works(by["rom"][0]),
        "rom_status": (booted["status"] or {}).get("code") if booted else None,
        "rom_moved_works": _works(by["rom-high"][0]) if "rom-high" in by else None,
        "image": _image_kind(by),
        "image_wrong": images.Starts(rom, boots=True).wrong(_image_kind(by)),
        "file_error": _error(_asks(by, "reach")),
        "options_error": _options_error(by, flat),
        "probe_fails": _probe_fails(by, flat),
        "after_probe": _after_probe(by, flat),
        "options_ignored": _options_ignored(by),
        "sizes": {
            int(name[8:]): _passes(found[0], int(name[8:]))
            for name, found in by.items()
            if name.startswith("blksize-")
        },
        "own_size": _own_size(flat),
        "several": _several(by),
        "by_order": _by_order(by),
        "stuck": _stuck(by),
        "stuck_refused": _stuck_refused(by),
        "lockstep": lockstep["blocks"] if lockstep else None,
        "lost": _lost(by, usable),
        "packets": _packets(by, usable),
        "answer_ms": _median([ask["ms"] for ask in usable if answered(ask)]),
        "first_wait_ms": _first_wait(flat),
        "icmp": signs.icmp_rows(usable, server),
        "icmp_closed": signs.icmp_rows(_asks(by, "alive"), server),
        "rom_reason": signs.rom_reason(by),
        "rom_detail": signs.rom_detail(by),
        "at_once": signs.at_once(by),
        "same_again": signs.same_again(by),
        "unasked": signs.unasked(by),
        "oversize": signs.oversize(by),
        "unsaid_blksize": signs.unsaid_blksize(by),
        "end": signs.end(by),
        "wrong_tsize": signs.wrong_tsize(by),
        "pieces": signs.pieces(by),
        "duplicates": signs.duplicates(by),
        "padded_oack": signs.padded_oack(by),
        "boot_blocks": signs.boot_blocks(by),
        "silent": sum(ask["answer"] == "silent" for ask in usable),
        "alive": any(a["answer"] == "unreachable" for a in _asks(by, "alive"))
        if "alive" in by
        else None,
        "server_ports": asking.server_ports(usable),
        "border": by["border"][0].get("border") if "border" in by else None,
    }


def order_may_matter(seen):
    """True when only the order of the RRQs can explain which were answered."""
    low, high = seen["low"], seen["high"]
    mixed = 0 < low["answered"] < low["asked"] or 0 < high["answered"] < high["asked"]
    return bool(mixed or seen["after_probe"] or (seen["at_once"] and not one_by_one(seen)))


def one_by_one(seen):
    """True when RRQs from several ports, one soon after the other, were all answered: then nothing
    on the path remembers one transfer and drops the next."""
    low, high = seen["low"], seen["high"]
    asked = low["asked"] + high["asked"]
    ports = len({*low["ports"], *high["ports"]})
    return ports >= _MANY and low["answered"] + high["answered"] == asked


# ---- each observation


def _asks(by, *names):
    found = [ask for name in names for e in by.get(name, ()) for ask in e["asks"]]
    return [ask for ask in found if ask["answer"] != "busy"]


def _first_of_several(by):
    return [e["asks"][0] for e in by.get("several", ()) if e["asks"][0]["answer"] != "busy"]


def _tally(found):
    return {
        "asked": len(found),
        "answered": sum(map(answered, found)),
        "ports": sorted({ask["port"] for ask in found}),
        "silent": sorted({a["port"] for a in found} - {a["port"] for a in found if answered(a)}),
    }


def _low_silent(low, high):
    # The ROM's ports that never got an answer, each asked, while every high port did.
    if not high or not all(map(answered, high)) or len(high) < 2:
        return []
    tally = _tally(low)
    silent = [a for a in low if a["port"] in tally["silent"]]
    return tally["silent"] if len(silent) >= 3 else []


def _works(experiment):
    # Cut off by the bench while block after block came: that is no failure of the path's.
    result, found = experiment["result"], experiment["blocks"]
    if result["image"]:
        return True
    last = result["transfers"][-1] if result["transfers"] else None
    if not (last and result["ended"] and last["blocks"] > _UNDER_WAY):
        return False
    if last["outcome"] == "error" or found["last_ms"] is None:
        return False
    idle_ms = result["ended"]["after_ms"] - found["last_ms"]
    return idle_ms < max(_IDLE_MS, 4 * (found["median_ms"] or 0))


def _image_kind(by):
    for experiment in (*by.get("rom", ()), *by.get("rom-high", ())):
        if experiment["result"]["image"]:
            return experiment["result"]["image"].get("kind")
    return None


def _error(found):
    errors = [ask["error"] for ask in found if ask["answer"] == "error"]
    return errors[0] if errors and len(errors) == sum(map(answered, found)) else None


def _with_options(by, flat):
    wanted = [request["options"] for request in flat["tftp"]["requests"] if request["options"]]
    return wanted, [a for a in _asks(by, "high", "data") if a["options"]]


def _options_error(by, flat):
    # Every option set of the ROM is refused, or ignored as a whole, while plain is answered.
    plain = _asks(by, "reach")
    wanted, found = _with_options(by, flat)
    if not any(a["answer"] == "data" for a in plain) or not found or len(found) < len(wanted):
        return None
    if any(a["options"] and a["answer"] == "oack" for a in _asks(by, "rom", "low-again")):
        return None
    kinds = {ask["answer"] for ask in found}
    if kinds == {"error"}:
        return found[0]["error"]
    if kinds == {"silent"} and len(found) >= 2:
        return {"code": None, "message": ""}
    return None


def _probe_fails(by, flat):
    first = flat["tftp"]["requests"][0]
    if first["purpose"] != "size" or "data" not in by:
        return None
    probes = _asks(by, "high")
    good = any(a["answer"] in ("oack", "data") for a in _asks(by, "data"))
    bad = probes and all(a["answer"] in ("error", "silent") for a in probes)
    return bool(good and bad)


def _after_probe(by, flat):
    # The moved ROM's probe is answered, what follows it is not, and alone it is answered.
    if flat["tftp"]["requests"][0]["purpose"] != "size" or "data" not in by:
        return None
    alone = any(a["answer"] in ("oack", "data") for a in _asks(by, "data"))
    if any(_works(e) for e in by.get("rom-high", ())):
        return False  # the request after its probe was answered
    after = []
    for experiment in (*by.get("rom", ()), *by.get("rom-high", ())):
        transfers = experiment["result"]["transfers"]
        if len(transfers) > 1 and transfers[0]["outcome"] == "aborted":
            after.append(_unheard(transfers[1]))
    return bool(alone and after and all(after))


def _unheard(transfer):
    # Nothing came; what the ROM refused or ignored was an answer all the same.
    answered_not = transfer["server_tid"] is None and not transfer.get("unused")
    return answered_not and transfer["outcome"] != "refused"


def _options_ignored(by):
    found = [a for a in _asks(by, "high", "data") if a["options"] and answered(a)]
    return bool(found) and all(a["answer"] == "data" for a in found)


def _passes(experiment, size):
    # True: a block of that size came; False: the transfer opened and none came; None: not known.
    result, found = experiment["result"], experiment["blocks"]
    if found["longest"] >= size:
        return True
    if result["transfers"] and result["transfers"][-1]["outcome"] == "refused":
        return None  # what came was refused here, for another reason than its size
    oack = [a for a in experiment["asks"] if a["answer"] == "oack"]
    granted = oack[-1]["granted"] if oack else None
    if result["image"] or found["data"] or not granted or found["stuck"]:
        return None  # too short a file, or another blksize, or no transfer at all
    return False if granted.get("blksize") == str(size) else None


def _own_size(flat):
    sizes = [
        int(text)
        for request in flat["tftp"]["requests"]
        for name, text in request["options"]
        if name.lower() == "blksize"
    ]
    return max(sizes, default=512)


def _several(by):
    rounds = [by[name][0]["asks"] for name in ("several", "several-again") if name in by]
    if not rounds:
        return None
    for found in rounds:
        heard = [answered(a) for a in found if a["answer"] != "busy"]
        if not (heard and heard[0] and not any(heard[1:])):
            return True if all(heard) else None
    return len(rounds) < 2


def _by_order(by):
    found = [a for e in by.get("turns", ()) for a in e["asks"]]
    if not found:
        return None
    if _several(by):
        return False  # an ERROR may disturb a server; this RRQ came without one before it
    # A round: the first port until it gets an answer, then the other one.
    kept = [a for n, a in enumerate(found) if answered(a) or n and answered(found[n - 1])]
    if len(kept) < 4:
        return None
    return [answered(a) for a in kept[:4]] == [True, False, True, False]


def _stuck(by):
    found = [e for name in ("lockstep", "blksize-512") for e in by.get(name, ())]
    return bool(found) and all(e["blocks"]["stuck"] for e in found)


def _stuck_refused(by):
    found = [e["result"] for name in ("lockstep", "blksize-512") for e in by.get(name, ())]
    return any(
        t["unreachable"] or (t["error"] or {}).get("code") == 5
        for result in found
        for t in result["transfers"]
    )


def _fetched(by):
    return [e["blocks"] for name in ("lockstep", "rom", "rom-high") for e in by.get(name, ())]


def _packets(by, usable):
    # Those among which `_lost` counts.
    return len(usable) + sum(b["data"] + b["acked"] for b in _fetched(by))


def _lost(by, usable):
    lost = sum(b["stalls"] for b in _fetched(by))
    heard = {ask["port"] for ask in usable if answered(ask)}
    mute = sum(ask["answer"] == "silent" and ask["port"] in heard for ask in usable)
    return lost + mute if lost else 0


def _first_wait(flat):
    retry = flat["tftp"]["retry"]
    phase = retry["size"] if flat["tftp"]["requests"][0]["purpose"] == "size" else None
    return (phase or retry["open"])["waits_ms"][0]


def _median(times):
    times = [each for each in times if each is not None]
    return round(statistics.median(times), 1) if times else None
