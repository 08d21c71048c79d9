"""The end of a boot that is not simply over: a last wait, a time-out, an interrupt."""

from pxerom import tftp
from pxerom.failure import Failure
from pxerom.runtime import const, ticks_add, ticks_diff

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


def timed_out(boot, why):
    """The Failure of a time-out: PXE-E32 until the first reply, PXE-E35 after it (R-TFTP-73)."""
    transfer = boot.transfer
    seconds = boot.at_ms() / 1000
    if transfer is None or not transfer.opened:
        asked = [r["source_port"] for record in boot.records for r in record["requests"]]
        ports = "UDP port %d" % asked[0] if asked else "no port yet"
        if asked and asked[-1] != asked[0]:
            ports = "UDP ports %d to %d" % (asked[0], asked[-1])
        return Failure(
            "PXE-E32",
            "%d requests from %s got no answer that counts in %.1f s; %s"
            % (len(asked), ports, seconds, why),
        )
    return Failure(
        "PXE-E35",
        "The file was not complete after block %d, %.1f s from the first request; %s"
        % (transfer.blocks, seconds, why),
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
    if timer is None or not timer.sends or transfer.done:
        return record(by, after_ms)
    leaves = timer.exhausted() and boot.phase["then"] == "next"
    port = peek(boot.net.ports, leaves)
    by_port = " from UDP port %d" % port if port else ""
    if leaves:
        then = "gone on to its next request" + by_port
    elif timer.exhausted():
        then = "given up with %s" % ("PXE-E35" if transfer.opened else "PXE-E32")
    elif transfer.opened:
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
