"""A transfer that began and stopped: at which packet, and what was repeated."""

from pxebench.captures.messages import tftp
from pxebench.diagnose import causes
from pxebench.explain.finding import Finding
from pxebench.explain.finding_said import ended_at_once

_FULL = 1024  # bytes of a block that a small link may not carry


def _size(program, last):
    # The size that the server gave in any OACK; 0 where it gave none.
    sizes = [talk.granted("tsize", 0) for talk in program.talks[-1] if talk.file == last.file]
    return last.granted("tsize", 0) or max(sizes, default=0)


def _client_ends(last, tsize, got):
    # In mid-transfer the client sends an ERROR, right behind a block.
    error = last.sent_error
    words = f'Behind block {last.blocks} the client sends ERROR {error.code} "{error.text or ""}"'
    if tsize and got > tsize:
        return Finding("wrong-tsize", True).saw(
            f"{words}: {got} bytes have come, and the server had said {tsize}."
        )
    text = "The client itself ends the transfer under way; its own screen says why."
    return Finding(None, False, text=text, ask="screen").saw(words + ".")


def midway(program, evidence):
    """A transfer that began and stopped.  A `Finding`, or None."""
    if not program.talks:
        return None
    last = program.talks[-1][-1]
    if last.outcome not in ("broken", "aborted"):
        return None
    place = program.view.source.where if program.view else None
    halves = (
        getattr(program.view.source.file, "halves", 0)
        if program.view and program.view.source.file
        else 0
    )
    server = [tftp(p) for p in last.packets if not p.out and not p.icmp and p.src == last.server]
    client = [tftp(p) for p in last.packets if p.out and not p.icmp and p.dport in last.tids]
    data = [m for m in server if m.kind == "DATA"]
    again = len(data) - len({m.block for m in data})
    acks = [m.block for m in client if m.kind == "ACK"]
    repeated = len(acks) - len(set(acks))
    oacks = [m for m in server if m.kind == "OACK"]
    if not last.blocks and (len(oacks) > 1 or not data) and acks:
        if len(oacks) > 1:
            found = Finding("no-tftp-helper", False, ["nat-port"], ask="both")
            return found.saw(
                f"The server repeats its OACK {len(oacks) - 1} times although the client"
                " acknowledged it: what the client sends to the server's new port does not"
                " arrive."
            )
        found = Finding("mtu", False, ["no-tftp-helper"], ask="both")
        return found.saw(
            "The client acknowledges the OACK, and no block of the file arrives after it."
        )
    if last.blocks == 1 and not oacks and again and {m.block for m in data} == {1}:
        found = Finding("no-tftp-helper", False, ["nat-port", "loss"], ask="both")
        return found.saw(
            f"The server sends block 1 {again} time{'s' * (again > 1)} again although the client"
            " acknowledged it: what the client sends to the server's new port does not arrive."
        )
    if not last.blocks and data and (data[0].length or 0) >= _FULL:
        found = Finding("mtu", halves > 0, [] if halves else ["no-tftp-helper"], ask="both")
        found.saw(
            f"The server sends block 1 ({data[0].length} bytes) {len(data)} times, and the client"
            " never acknowledges it, though it acknowledged the OACK."
        )
        if halves:
            found.saw(f"{halves} datagrams came in pieces of which some are missing.")
        return found
    tsize = _size(program, last)
    got = sum(m.length or 0 for m in {m.block: m for m in data}.values())
    if last.sent_error is not None and ended_at_once(last):
        return _client_ends(last, tsize, got)
    if (
        tsize
        and got == tsize
        and data
        and data[-1].length == last.blksize
        and "no-final-block" in causes.IDS
    ):
        return Finding("no-final-block", True).saw(
            f"All {tsize} bytes came in full blocks, and the empty block that ends such a file"
            " never did."
        )
    if last.blocks in (65534, 65535, 65536) and "no-rollover" in causes.IDS:
        return Finding("no-rollover", True).saw(
            f"It ends behind block {last.blocks}, where the block number begins anew."
        )
    found = Finding(
        "loss", False, ["slow-server"] if "slow-server" in causes.IDS else [], ask="both"
    )
    found.saw(f"After {last.blocks} block{'s' * (last.blocks != 1)} it stops.")
    if again:
        found.saw(f"The server sent {again} block{'s' * (again > 1)} again.")
    if repeated:
        found.saw(
            f"The client acknowledged {repeated} time{'s' * (repeated > 1)} what it had"
            " acknowledged before."
        )
    if not again and repeated and place != "server":
        found.cause, found.also = None, ["loss", "slow-server"]
        found.text = (
            f"Behind block {last.blocks} nothing comes any more: the server died, or everything it"
            " sends is lost from there on."
        )
    elif not again and not repeated:
        found.cause, found.also, found.ask = None, [], "longer"
        found.text = (
            "It ends in mid-transfer without a repetition: the evidence ends there, or the client"
            " does."
        )
    return found
