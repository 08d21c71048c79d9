"""What the experiments show together: observations, and the anomalies among them.

An observation is a plain fact with a name that stays (`--json` shows them all); an anomaly is one
that a healthy path and server do not show, with the sentence that says it.  Which cause explains
which anomaly is `diagnose`'s table.

1. "Silent" is said of a port only when it was asked more than once, with a wait that every answer
   so far would have met.
2. Loss is told from slowness by what came twice: a late packet is not a lost one.
"""

import statistics

from pxebench import asks as asking
from pxebench.asks import answered

_LOST = 3  # packets sent again in vain, before loss is a cause
_SLOW_BLOCK_MS = 250
# What a ROM of an architecture (DHCP option 93) can start; one that is not listed takes anything.
IMAGES = {
    0: ("ipxe-nbp", "pxelinux", "grub-pxe", "nbp"),
    2: ("efi-ia64",),
    6: ("efi-ia32",),
    7: ("efi-x64",),
    9: ("efi-x64",),
    10: ("efi-arm32",),
    11: ("efi-arm64",),
    27: ("efi-riscv64",),
}
# Anomalies that are seen by what does not come.
_OF_SILENCE = ("low-silent", "probe-fails", "after-probe", "options-error", "one-at-a-time")
_MISSING, _DENIED = (
    ("not found", "no such file"),
    ("denied", "violation", "permission", "absolute"),
)


def blocks(packets, server):
    """How the blocks of one fetch went: {"data", "longest", "median_ms", "repeats", "duplicates",
    "acked", "stuck", "late"}; from its packet events."""
    data = repeats = duplicates = longest = acked = 0
    times, seen, sent_at, last_out = [], set(), None, None
    first_repeats = 0
    for packet in packets:
        payload = packet["data"]
        if packet["dir"] == "out":
            if payload[:4] == "0004":
                acked += 1
            repeats += payload == last_out
            last_out = payload
            sent_at = packet["t_us"]
        elif packet["host"] == server and payload[:4] in ("0003", "0006"):
            key = payload[:8] if payload[:4] == "0003" else "oack"
            if key in seen:
                duplicates += 1
                first_repeats += len(seen) == 1
                continue
            seen.add(key)
            if key != "oack":
                data += 1
                longest = max(longest, packet["len"] - 4)
            if sent_at is not None:
                times.append((packet["t_us"] - sent_at) / 1000)
    return {
        "data": data,
        "longest": longest,
        "median_ms": round(statistics.median(times), 2) if times else None,
        "slowest_ms": round(max(times), 2) if times else None,
        "repeats": repeats,
        "duplicates": duplicates,
        "acked": acked,
        # The server says its first packet again and again, although it was acknowledged.
        "stuck": len(seen) == 1 and acked > 0 and first_repeats >= 1,
    }


def observe(experiments, flat, rom):
    """All observations, by name; None for what was not looked at."""
    by = {}
    for experiment in experiments:
        by.setdefault(experiment["id"], []).append(experiment)
    every = [ask for e in experiments for ask in e["asks"] if e["id"] != "alive"]
    usable = [ask for ask in every if ask["answer"] != "busy"]
    low = _asks(by, "rom", "low-again")
    high = _asks(by, "reach", "high", "data")
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
        "rom_works": None if booted is None else _works(booted),
        "rom_status": (booted["status"] or {}).get("code") if booted else None,
        "rom_moved_works": _works(by["rom-high"][0]["result"]) if "rom-high" in by else None,
        "image": (booted["image"] or {}).get("kind") if booted else None,
        "arch": _arch(rom),
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
        "answer_ms": _median([ask["ms"] for ask in usable if answered(ask)]),
        "first_wait_ms": _first_wait(flat),
        "alive": any(a["answer"] == "unreachable" for a in _asks(by, "alive"))
        if "alive" in by
        else None,
        "server_ports": asking.server_ports(usable),
        "border": by["border"][0].get("border") if "border" in by else None,
    }


def anomalies(seen, show):
    """{name: sentence} of what a healthy path and server do not show.  `show`: makes text safe."""
    found = {}
    if not seen["answers"] and not seen["foreign"]:
        if seen["unreachable"]:
            found["icmp"] = (
                f"{_times(seen['unreachable'])} of {seen['requests']} RRQs, ICMP unreachable came "
                "back, and nothing else."
            )
        else:
            found["all-silent"] = (
                f"All {seen['requests']} RRQs stayed without any answer, from low and from high "
                "ports alike."
            )
    if seen["foreign"]:
        hosts = ", ".join(seen["foreign"])
        found["foreign"] = f"Answers came from {hosts}, which was not asked."
    if seen["low_silent"]:
        found["low-silent"] = _low_words(seen)
    if seen["file_error"]:
        code, message = seen["file_error"]["code"], seen["file_error"]["message"]
        kind = _error_kind(code, message)
        found[kind] = f'The server answers each RRQ with ERROR {code} "{show(message)}".'
    if seen["options_error"]:
        error = seen["options_error"]
        found["options-error"] = (
            f'With options the server answers ERROR {error["code"]} "{show(error["message"])}"; '
            "without any it sends the file."
            if error.get("code") is not None
            else "RRQs with options stay unanswered; without any the server sends the file."
        )
    if seen["options_ignored"] and seen["rom_status"] == "PXE-E38":
        found["options-ignored"] = "The server ignores all options, and this ROM insists on them."
    if seen["probe_fails"]:
        found["probe-fails"] = (
            "The ROM's size probe fails, also from high ports, while its request for the data "
            "is answered."
        )
    if seen["after_probe"]:
        found["after-probe"] = (
            "Once the ROM has probed the size and sent its ERROR, its next RRQ stays unanswered, "
            "while the same RRQ alone is answered."
        )
    if seen["by_order"]:
        found["turns"] = (
            "After a pause whichever port asks first is answered and the next one is not, "
            "whichever port that is."
        )
    elif seen["several"] is False and not seen["rom_works"]:
        found["one-at-a-time"] = (
            "Of several transfers that stand open side by side only the first gets an answer."
        )
    if seen["by_order"]:  # which explains every silence there was
        return {name: found[name] for name in found if name not in _OF_SILENCE}
    big = _big_blocks(seen)
    if big:
        found["big-blocks"] = (
            f"The transfer opens, but no datagram with {big} bytes of the file arrives, again and "
            "again, while smaller ones do."
        )
    if seen["stuck"]:
        name = "acks-refused" if seen["stuck_refused"] else "acks-lost"
        refused = " and refuses the ACK (ICMP or ERROR 5)" if seen["stuck_refused"] else ""
        found[name] = (
            f"The server sends its first packet again and again{refused}: what this end "
            "acknowledges does not reach the transfer."
        )
    if seen["lost"] >= _LOST and not seen["stuck"]:
        total = (seen["lockstep"] or {}).get("acked", 0) * 2 + seen["requests"]
        found["retransmits"] = (
            f"{seen['lost']} packets were lost of about {total}, at no particular port or size."
        )
    slow = _slow(seen)
    if slow:
        found["slow"] = slow
    allowed = IMAGES.get(seen["arch"])
    if seen["image"] and (seen["image"] == "empty" or (allowed and seen["image"] not in allowed)):
        found["wrong-image"] = f"The file that came is {_image(seen['image'])}."
    return found


def order_may_matter(seen):
    """True when only the order of asking can tell why some RRQs were answered and others not."""
    low, high = seen["low"], seen["high"]
    mixed = 0 < low["answered"] < low["asked"] or 0 < high["answered"] < high["asked"]
    return bool(mixed or seen["several"] is False or seen["after_probe"])


# ---- each observation


def _asks(by, *names):
    found = [ask for name in names for e in by.get(name, ()) for ask in e["asks"]]
    return [ask for ask in found if ask["answer"] != "busy"]


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


def _works(result):
    if result["image"]:
        return True
    last = result["transfers"][-1] if result["transfers"] else None
    under_way = bool(last and last["blocks"] > 8 and not last["error"])
    return bool(result["ended"] and under_way)


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
    if any(_works(e["result"]) for e in by.get("rom-high", ())):
        return False  # what came after its probe was answered
    for name in ("rom-high", "rom"):
        for experiment in by.get(name, ()):
            transfers = experiment["result"]["transfers"]
            if len(transfers) > 1 and transfers[0]["outcome"] == "aborted":
                following = transfers[1]
                if following["server_tid"] is None and len(following["requests"]) >= 1:
                    return alone
    return False


def _options_ignored(by):
    found = [a for a in _asks(by, "high", "data") if a["options"] and answered(a)]
    return bool(found) and all(a["answer"] == "data" for a in found)


def _passes(experiment, size):
    # True: a block of that size came; False: the transfer opened and none did; None: cannot tell.
    result, found = experiment["result"], experiment["blocks"]
    if found["longest"] >= size:
        return True
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


def _big_blocks(seen):
    # The ROM's own block size does not come through, while a smaller one does.
    own = seen["own_size"]
    passes = seen["sizes"]
    good = [size for size, passed in passes.items() if passed and size < own]
    return own if passes.get(own) is False and good else None


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
        return False  # an ERROR may upset a server; here nothing else stood in the way
    # A round: the first port until it is heard, then the other one.
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


def _lost(by, usable):
    found = [e["blocks"] for name in ("lockstep", "rom", "rom-high") for e in by.get(name, ())]
    lost = sum(max(0, b["repeats"] - b["duplicates"]) for b in found if b["data"])
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


def _slow(seen):
    limit_ms = min(1000, seen["first_wait_ms"] / 2)
    if seen["answer_ms"] and seen["answer_ms"] >= limit_ms:
        return (
            f"A first answer takes {seen['answer_ms'] / 1000:.1f} s (median); the ROM sends its "
            f"next RRQ after {seen['first_wait_ms'] / 1000:.1f} s."
        )
    block_ms = (seen["lockstep"] or {}).get("median_ms")
    if block_ms and block_ms >= _SLOW_BLOCK_MS:
        return f"Each block takes {block_ms:g} ms (median)."
    return None


def _arch(rom):
    found = (rom.get("dhcp") or {}).get("arch")
    return found if isinstance(found, int) else None


def _error_kind(code, message):
    text = message.lower()
    if code == 1 or any(words in text for words in _MISSING):
        return "error-missing"
    if code == 2 or any(words in text for words in _DENIED):
        return "error-denied"
    return "error-other"


def _image(kind):
    from pxebench.view import image_words

    return image_words({"kind": kind})


def _times(count):
    return "To one" if count == 1 else f"To {count}"


def _low_words(seen):
    from pxebench import ports

    low, high = seen["low"], seen["high"]
    return (
        f"From the ROM's ports {ports.words(seen['low_silent'])} no RRQ was ever answered, before "
        f"and after; from the ports {ports.words(high['ports'])} each of {high['asked']} was."
    ) + ("" if not low["answered"] else f" ({low['answered']} RRQs from others were.)")
