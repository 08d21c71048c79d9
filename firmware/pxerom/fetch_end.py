"""How a fetch ends other than by the final ACK: dally, timeout, interrupt. Loaded then only."""

from pxerom import tftp
from pxerom.failure import Failure
from pxerom.runtime import const, ticks_add, ticks_diff
from pxerom.tftp_hazards import of_error

_STEP_MS = const(100)


def dally(boot):
    """The server may not have heard the final ACK (R-TFTP-55). The file is safe already."""
    net = boot.net
    transfer = boot.transfer
    end = ticks_add(net.now(), boot.rom["tftp"]["dally_ms"])
    while True:
        boot.flush()
        now = net.now()
        wait_ms = ticks_diff(end, now)
        if wait_ms <= 0:
            return
        if ticks_diff(now, boot.due) >= 0:
            boot.tick(now)
        try:
            data = net.receive(transfer.recv_size, min(wait_ms, _STEP_MS))
            if data is not None and transfer.feed(data, net.sender, now) == tftp.ANSWER:
                net.send(transfer.reply, transfer.reply_to)
        except Failure:
            return


def why(boot, end, image):
    """(Failure or None, the result's `ended` or None) of a boot that `end`, an exception, ended.
    `image`: what was fetched, or None."""
    if isinstance(end, Failure):
        return end, None
    if isinstance(end, MemoryError):
        return Failure("PXE-E3A", "Not enough memory for such blocks", "ours", "no_memory"), None
    told = ended(boot, getattr(end, "by", "user"))
    late = not image and told["by"] == "bench"
    return timed_out(boot, "the bench's time was up") if late else None, told


def no_request(transfer):
    """The Failure of a ROM that has no other request, after its last transfer."""
    if transfer.error:
        return of_error(transfer.error)
    detail = "The server ignores the options, and the ROM has no other request"
    return Failure("PXE-E38", detail, None, "no_oack")


def timed_out(boot, why):
    """The Failure of a time-out: PXE-E32 until the first reply, PXE-E35 after it (R-TFTP-73)."""
    transfer = boot.transfer
    seconds = boot.at_ms() / 1000
    if transfer is None or transfer.state < tftp.RECEIVING:
        asked = [r["source_port"] for record in boot.records for r in record["requests"]]
        ports = "UDP port %d" % asked[0] if asked else "no port yet"
        if asked and asked[-1] != asked[0]:
            ports = "UDP ports %d to %d" % (asked[0], asked[-1])
        return Failure(
            "PXE-E32",
            "%d requests from %s got no answer that counts in %.1f s; %s"
            % (len(asked), ports, seconds, why),
            None,
            "no_reply",
        )
    return Failure(
        "PXE-E35",
        "The file is not complete: %d blocks had come, %.1f s from the first request; %s"
        % (transfer.blocks, seconds, why),
        None,
        "stopped",
    )


def peek(ports, new_transfer):
    """The port that the next RRQ would leave from; None when that cannot be known. `ports`: a
    `udp.SourcePorts`, `new_transfer`: False for a retry."""
    per = ports.spec["per"]
    if per == "boot" or (per == "transfer" and not new_transfer):
        return ports.taken
    return None if ports.spec["policy"] in ("random", "clock") else ports.next


def ended(boot, by):
    """The result's `ended`: who stopped the ROM, and what it would have done next."""
    after_ms = boot.at_ms()
    timer = boot.timer
    transfer = boot.transfer
    if timer is None or not timer.sends or transfer.state == tftp.COMPLETE:
        return record(by, after_ms)
    leaves = timer.exhausted() and boot.phase["then"] == "next"
    port = peek(boot.net.ports, leaves)
    by_port = " from UDP port %d" % port if port else ""
    if leaves:
        then = "gone on to its next request" + by_port
    elif timer.exhausted():
        then = "given up with %s" % ("PXE-E32" if transfer.state < tftp.RECEIVING else "PXE-E35")
    elif transfer.state >= tftp.RECEIVING:
        then = "sent the ACK of block %d again" % transfer.blocks
    else:
        sent = sum(len(record["requests"]) for record in boot.records)
        then = "sent request %d%s" % (sent + 1, by_port)
    return record(by, after_ms, timer.left_ms(boot.net.now()), then)


def record(by, after_ms, left_ms=0, then=""):
    """The result's `ended`; `then`: what would have come in `left_ms`, if anything."""
    if then:
        then = "It would have waited %.1f s more and then %s." % (max(0, left_ms) / 1000, then)
    return {"by": by, "after_ms": after_ms, "next": then or None}
