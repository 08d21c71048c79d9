"""The DHCP packets of two boots, side by side: what a DHCP server could tell apart.

Only the client's packets are compared. Values that must differ between machines or boots (xid,
MAC, UUID, addresses) are compared by their rule: whether the xid changes when the reference's
does, and whether the option is there, in its place and length.
"""

from difflib import SequenceMatcher

# Options whose bytes are the machine's or the lease's, not the ROM's (RFC 2132, RFC 4578).
_OWN = {12: "host name", 50: "address", 54: "server", 61: "client identifier", 97: "UUID"}
_SECS_APART = 1


def compare_dhcp(reference, ours, tolerance, found):
    """Add the differences to `found`, a `differences.Comparison`. Both sides: [(Packet, Dhcp)]."""
    sides = [[pair for pair in side if not pair[1].reply] for side in (reference, ours)]
    kinds = [[message.kind for _, message in side] for side in sides]
    pairs = []
    for tag, a, b, c, d in SequenceMatcher(None, *kinds, autojunk=False).get_opcodes():
        if tag == "equal":
            pairs += zip(sides[0][a:b], sides[1][c:d], strict=True)
            continue
        for packet, message in sides[0][a:b]:
            found.add("dhcp", f"DHCP, packet {packet.number}", message.kind, None)
        for packet, message in sides[1][c:d]:
            found.add("dhcp", f"DHCP, packet {packet.number} of ours", None, message.kind)
    before = None
    for theirs, own in pairs:
        _packet(theirs, own, found)
        if before:
            _step(before, (theirs, own), tolerance, found)
        before = (theirs, own)
    if pairs:
        _secs(pairs, found)


def _packet(theirs, own, found):
    (packet, message), (our_packet, our_message) = theirs, own
    where = f"DHCP {message.kind}, packet {packet.number}"
    for name, left, right in (
        ("from port", packet.sport, our_packet.sport),
        ("to port", packet.dport, our_packet.dport),
        ("sent to", *_targets(packet, our_packet)),
        ("flags", f"{message.flags:#06x}", f"{our_message.flags:#06x}"),
        ("length", message.size, our_message.size),
        ("options", _codes(message), _codes(our_message)),
        ("TTL", packet.ttl, our_packet.ttl),
    ):
        if left != right:
            found.add("dhcp", f"{where}, {name}", str(left), str(right))
    if _codes(message) == _codes(our_message):
        for (code, left), (_, right) in zip(message.options, our_message.options, strict=True):
            alike = len(left) == len(right) if code in _OWN else left == right
            if not alike:
                found.add("dhcp", f"{where}, option {code}", *_words(left, right))


def _words(*contents):
    # As text where both are that, else as bytes.
    if all(content and all(32 <= byte < 127 for byte in content) for content in contents):
        return [content.decode("ascii") for content in contents]
    return [content.hex(" ") for content in contents]


def _targets(packet, our_packet):
    # Broadcast or unicast: the unicast address is not the client's choice.
    return [
        "everybody" if side.dst == "255.255.255.255" else "one server"
        for side in (packet, our_packet)
    ]


def _codes(message):
    words = " ".join(str(code) for code, _ in message.options)
    return words + (" 255" if message.ended else "")


def _step(before, after, tolerance, found):
    # From one packet to the next: the time between them, and whether the xid is a new one.
    (packet, message), (our_packet, our_message) = after
    where = f"DHCP {message.kind}, packet {packet.number}"
    spans = [now[0].time - then[0].time for then, now in zip(before, after, strict=True)]
    if not tolerance.alike(*spans):
        found.add("dhcp", f"{where}, time", f"after {spans[0]:.3f} s", f"after {spans[1]:.3f} s")
    new = [then[1].xid != now[1].xid for then, now in zip(before, after, strict=True)]
    if new[0] != new[1]:
        words = [("a new xid" if side else "the same xid") for side in new]
        found.add("dhcp", f"{where}, xid", *words)


def _secs(pairs, found):
    sides = [[pair[side] for pair in pairs] for side in (0, 1)]
    rows = [[message.secs for _, message in side] for side in sides]
    if rows[0] == rows[1]:
        return
    if all(_elapsed(side) for side in sides):
        return
    found.add("dhcp", "DHCP, secs", *(", ".join(map(str, row)) for row in rows))


def _elapsed(side):
    # True when secs counts the seconds since the first packet.
    first, start = side[0][0].time, side[0][1].secs
    return start <= _SECS_APART and all(
        abs(packet.time - first - message.secs + start) <= _SECS_APART for packet, message in side
    )
