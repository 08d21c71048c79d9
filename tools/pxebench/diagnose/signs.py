"""Single observations: ICMP errors, how a transfer ended, options in an OACK that were not asked
for, DATA that is longer than agreed or that came in pieces.

Each takes the experiments by name (`observe`) and returns plain data; None: not observed.
"""

from pxebench import advice, icmp
from pxebench.sweep.asking import answered

_STEP_BACK = (65535, 65536)  # blocks after which a 16-bit number is at its end
_NO_PIECES = 1468  # the largest blksize that fits into a packet of 1500 bytes


def icmp_rows(asks, server):
    """Rows of `icmp`, of all RRQs, each with what it means for `server`."""
    rows = icmp.total([row for ask in asks for row in ask.get("icmp") or ()])
    return [{**row, "meaning": icmp.meaning(row, server)} for row in rows]


def at_once(by):
    """How many of the transfers that stood open side by side were answered, where it was the first
    ones and fewer than all, in both rounds; None otherwise. In the second one it may be fewer, or
    none: dnsmasq still serves the RRQs that it has not read in the first."""
    counts = []
    for name in ("several", "several-again"):
        for experiment in by.get(name, ()):
            heard = [answered(a) for a in experiment["asks"] if a["answer"] != "busy"]
            if all(heard) or heard != sorted(heard, reverse=True):
                return None
            counts.append(sum(heard))
    return counts[0] if len(counts) > 1 and counts[0] >= max(1, counts[1]) else None


def same_again(by):
    """Whether a port that had just been answered was answered at once when it asked again, in each
    of the rounds; None where that was not asked or not the same each time."""
    heard = [answered(a) for e in by.get("same-again", ()) for a in e["asks"]]
    if len(heard) < 2 or len(set(heard)) > 1:
        return None
    return heard[0]


def unasked(by):
    """{"name", "value", "asked": value or None} of an option that an OACK grants though the RRQ
    did not have it, or of a blksize or windowsize larger than asked; None: no such OACK."""
    before = {}  # (client port, server's TID) of a transfer: the options that it asked for
    for ask in [ask for found in by.values() for one in found for ask in one["asks"]]:
        asked = {name.lower(): value for name, value in ask["options"]}
        ends = ask["port"], ask["server_port"]
        late = before.get(ends, {})
        for name, value in (ask["granted"] or {}).items():
            if asked and _more(name, value, asked) and (not late or _more(name, value, late)):
                return {"name": name, "value": value, "asked": asked.get(name.lower())}
        # A server that missed the end of a transfer repeats its OACK to the same client port.
        before[ends] = {**late, **asked}
    return None


def _more(name, value, asked):
    own = asked.get(name.lower())
    return own is None or _larger(name, value, own)


def _larger(name, granted, asked):
    # RFC 2348 and 7440 let the server grant the value asked for, or a smaller one.
    if name.lower() not in ("blksize", "windowsize"):
        return False
    texts = str(granted), str(asked)
    return all(text.isascii() and text.isdigit() for text in texts) and int(granted) > int(asked)


def rom_detail(by):
    """How the ROM's own boot failed, in the firmware's words; "" when it succeeded."""
    result = by["rom"][0]["result"] if by.get("rom") else None
    return ((result["status"] or {}).get("detail") or "") if result else ""


def oversize(by):
    """True when a fetch was refused here because DATA is longer than agreed."""
    return any(_reason(e) == "oversize_data" for found in by.values() for e in found)


def unsaid_blksize(by):
    """The blksize that was asked for where longer DATA than 512 bytes came without an OACK; None
    where none did: such a server takes the option and does not say so (RFC 2347)."""
    for experiment in [one for found in by.values() for one in found]:
        if _reason(experiment) == "oversize_data":
            asked = advice.unsaid_blksize(experiment["result"]["transfers"])
            if asked:
                return asked
    return None


def rom_reason(by):
    """The id of why the ROM's own boot failed, or None."""
    return _reason(by["rom"][0]) if by.get("rom") else None


def _reason(experiment):
    result = experiment.get("result")
    return (result["status"] or {}).get("reason") if result else None


def end(by):
    """How far the ROM's transfer of the file had come when it stalled, or None where it did not:
    {"blocks", "bytes", "blksize", "tsize" or None, "full": no last block that is short}."""
    result = by["rom"][0]["result"] if by.get("rom") else None
    if not result or result["image"] or not result["transfers"]:
        return None
    last = result["transfers"][-1]
    if not last["blocks"] or last["outcome"] not in ("timeout", "aborted", "error", "refused"):
        return None
    blksize = last["blksize"] or 512
    return {
        "blocks": last["blocks"],
        "bytes": last["bytes"],
        "blksize": blksize,
        "tsize": _tsize(by),
        "full": last["bytes"] == last["blocks"] * blksize,
    }


def _tsize(by):
    for experiment in [one for found in by.values() for one in found]:
        for ask in experiment["asks"]:
            text = str((ask["granted"] or {}).get("tsize", ""))
            if text.isascii() and text.isdigit():
                return int(text)
    return None


def wrong_tsize(by):
    """{"tsize", "bytes"} where the server's tsize is not the size of the file that came."""
    result = by["rom"][0]["result"] if by.get("rom") else None
    tsize = _tsize(by)
    if not result or not result["image"] or tsize in (None, result["image"]["bytes"]):
        return None
    return {"tsize": tsize, "bytes": result["image"]["bytes"]}


def boot_blocks(by):
    """{"size": the file's, or None, "blksize", "windowsize"} of the ROM's own transfer, in which
    blocks came; else None."""
    result = by["rom"][0]["result"] if by.get("rom") else None
    last = result["transfers"][-1] if result and result["transfers"] else None
    if not last or not last["blocks"]:
        return None
    size = result["image"]["bytes"] if result["image"] else _tsize(by)
    return {
        "size": size,
        "blksize": last["blksize"] or 512,
        "windowsize": last.get("windowsize") or 1,
    }


def no_final_block(seen):
    """True when every byte came, the last block was full, and nothing after it."""
    found = seen.get("end")
    if not found or seen["rom_works"]:
        return False
    return found["full"] and found["tsize"] == found["bytes"]


def no_rollover(seen):
    """True when the transfer ended where block numbers do, and the file has more."""
    found = seen.get("end")
    if not found or seen["rom_works"] or found["blocks"] not in _STEP_BACK:
        return False
    return found["tsize"] is None or found["tsize"] > found["bytes"]


def pieces(by):
    """{blksize: True when its DATA came in pieces (IP fragments) and this host put it together};
    only where the kernel tells."""
    found = {}
    for name, experiments in by.items():
        if not name.startswith("blksize-"):
            continue
        size, one = int(name[8:]), experiments[0]
        if one.get("reassembled") is not None and one["blocks"]["longest"] == size:
            found[size] = one["reassembled"] > 0
    return found


def needless_pieces(seen):
    """The ROM's block size, where it would fit into one packet of Ethernet and came in pieces."""
    own = seen["own_size"]
    return own if own <= _NO_PIECES and seen.get("pieces", {}).get(own) else None


def largest_whole(seen):
    """The largest block size of those tried that came in one piece; 512 where none is known."""
    return max((size for size, cut in seen.get("pieces", {}).items() if not cut), default=512)


def padded_oack(by):
    """True when bytes that are no option stood behind those of an OACK, as empty names."""
    for experiment in [one for found in by.values() for one in found]:
        for event in experiment.get("events", ()):
            if event["event"] == "packet" and event["dir"] == "in":
                data = bytes.fromhex(event["data"])
                if data[:2] == b"\0\6" and b"" in data[2:].split(b"\0")[:-1:2]:
                    return True
    return False


def duplicates(by):
    """{"data": blocks that came, "again": how often one came that had come before}."""
    found = [e["blocks"] for name in ("lockstep", "rom", "rom-high") for e in by.get(name, ())]
    return {name: sum(b.get(name) or 0 for b in found) for name in ("data", "again")}
