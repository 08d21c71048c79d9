"""Why a transfer that works is slow, in words: it waits for one round trip a block, or a window.

RFC 1350 section 2: a block is sent when the one before was acknowledged. So a file takes as many
round trips as it has blocks, whatever the link can carry; larger blocks (RFC 2348) and windows
(RFC 7440) need fewer. A long path and a slow server look the same from here, and the words say so.
"""

_LONG_MS = 2000  # a transfer that takes less is not explained
_WAITED_MS = 2  # a block: less is the work of both ends
_DEFAULT_BLKSIZE = 512
_ETHERNET_BLKSIZE = 1468  # fills an Ethernet frame (RFC 2348 section 2)
_WINDOW = 8
_LONG_FILE_MS = 10000
_SOME_MIB, _LONG_SOME_MS = 10, 60000  # where the file's size is not known
_MIB = 1 << 20


def of_transfer(transfer):
    """What the result's entry of a long transfer shows; None of a short one."""
    blocks, elapsed_ms = transfer["blocks"], transfer["elapsed_ms"]
    if elapsed_ms < _LONG_MS or blocks < 2:
        return None
    blksize = transfer.get("blksize") or _DEFAULT_BLKSIZE
    window = transfer.get("windowsize") or 1
    turns = -(-blocks // window)
    turn_ms = elapsed_ms / turns
    text = f"{blocks} blocks of {blksize} bytes"
    text += f" in windows of {window}" if window > 1 else ", one at a time"
    text += f": {turn_ms:.1f} ms each"
    again = transfer.get("retransmits")
    if again:
        times = "once" if again == 1 else f"{again} times"
        text += f", and {times} nothing came until the ROM sent again"
    text += "."
    refused = _not_granted(transfer)
    if refused:
        text += f" The server did not grant {refused}."
    if turn_ms >= _WAITED_MS and not again:
        better = [
            f"{words} need {_turns(transfer['bytes'], size, count)}"
            for words, size, count in (
                (f"blocks of {_ETHERNET_BLKSIZE} bytes", _ETHERNET_BLKSIZE, window),
                (f"windows of {_WINDOW}", blksize, _WINDOW),
            )
            if size > blksize or count > window
        ]
        text += f" That is {turns} round trips" + (f"; {', '.join(better)}." if better else ".")
    return text


def _turns(size, blksize, window):
    return -(-(size // blksize + 1) // window)


def _not_granted(transfer):
    # "blksize 1468 and windowsize 8", of what was asked for and makes it faster; or ""
    requests, granted = transfer.get("requests"), transfer.get("oack") or {}
    asked = requests[-1]["options"] if requests else []
    names = ("blksize", "windowsize")
    lacking = [f"{n} {v}" for n, v in asked if n.lower() in names and n.lower() not in granted]
    return " and ".join(lacking)


def of_capture(messages):
    """On whose side the time of a long download passed, of its (Packet, Tftp) in order; None of a
    short one. A window's blocks come without a wait, and count on neither side."""
    last = first_s = None
    waits = {"DATA": [], "ACK": []}  # after what: seconds until the other end's answer
    for packet, message in messages:
        if message.kind not in waits:
            continue
        first_s = packet.time if first_s is None else first_s
        if last and last[0] != message.kind:
            waits[last[0]].append(packet.time - last[1])
        last = message.kind, packet.time
    whole_s = last[1] - first_s if last else 0
    if whole_s * 1000 < _LONG_MS or not waits["DATA"] or not waits["ACK"]:
        return None
    client_s, server_s = sum(waits["DATA"]), sum(waits["ACK"])
    text = (
        f"Of its {whole_s:.1f} s, {_share(waits['DATA'])} passed between a block and its ACK (the "
        f"client's side, from where this was captured), {_share(waits['ACK'])} between an ACK and "
        "the next block (the server's side)"
    )
    rest_s = whole_s - client_s - server_s
    if rest_s > whole_s / 10:
        text += f", and {rest_s:.1f} s between packets of the same end: they were sent again"
    return text + "."


def _share(waits):
    return f"{sum(waits):.1f} s ({1000 * sum(waits) / len(waits):.1f} ms each)"


def of_path(boot, block_ms, sizes):
    """What the examination of a path shows: `boot`: {"size" or None, "blksize", "windowsize"} of
    the ROM's own transfer, `block_ms`: how long a block takes, `sizes`: {blksize: whether such
    blocks come}. None where the file takes no long time."""
    if not boot or not block_ms or boot["windowsize"] > 1:
        return None
    blksize = boot["blksize"]
    size = boot["size"] or _SOME_MIB * _MIB
    whole_ms = _turns(size, blksize, 1) * block_ms
    if whole_ms < (_LONG_FILE_MS if boot["size"] else _LONG_SOME_MS):
        return None
    what = f"the file's {size} bytes" if boot["size"] else f"{_SOME_MIB} MiB"
    text = (
        f"Each block of {blksize} bytes is waited for, {block_ms:g} ms (median: a round trip and "
        f"the server's own time). So {what} take {_about(whole_ms)}"
    )
    larger = [s for s, comes in sizes.items() if comes and blksize < s <= _ETHERNET_BLKSIZE]
    if larger:
        less_ms = _turns(size, max(larger), 1) * block_ms
        text += f", in blocks of {max(larger)} bytes, which come as well, {_about(less_ms)}"
    return (
        f"{text}. A faster link does not help; larger blocks, a window (RFC 7440) and a nearer "
        "server do."
    )


def _about(ms):
    seconds = round(ms / 1000)
    if seconds < 60:
        return f"about {seconds} s"
    return f"about {seconds // 60} min {seconds % 60} s"
