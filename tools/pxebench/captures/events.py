"""A conversation prepared for comparison: each packet with a token, a label and its times.

`compare` compares them. An answer is placed right after the packet that it answers, even if
another packet crossed it; tokens leave out the server's own values (TIDs, tsize).
"""

from pxebench.captures.messages import tftp

_ANSWER_S = 0.05  # after longer, it is a retransmission, not an answer
_CROSSED = 8  # most packets under way at once


class Event:
    """One packet of a conversation, as it is compared.  `token`: equal for equal packets; `out`:
    from the client; `label`: in words; `at`: seconds from the conversation's first packet;
    `since_out`, `since_in`: seconds since the client's and the server's last packet, or None."""

    def __init__(self, packet, talk):
        self.packet = packet
        self.out = packet.out
        self.icmp = bool(packet.icmp)
        self.at = packet.time - talk.began
        self.since_out = self.since_in = None
        self.label, self.token = _icmp(packet) if packet.icmp else _tftp(packet, talk)

    @property
    def answer(self):
        """True when the client sent it at once, after a packet of the server's."""
        return self.out and self.since_in is not None and self.since_in < _ANSWER_S


def _icmp(packet):
    number, code, _ = packet.icmp
    name = "port unreachable" if (number, code) == (3, 3) else f"{number}/{code}"
    return f"ICMP {name}", ("icmp", packet.out, number, code)


def _tftp(packet, talk):
    message = tftp(packet)
    host, port = (packet.dst, packet.dport) if packet.out else (packet.src, packet.sport)
    who = _who(talk, host, port)
    place = "" if who in ("peer", "server") else f" {'to' if packet.out else 'from'} {who}"
    kind = message.kind
    if kind in ("RRQ", "WRQ"):
        if packet.cut:
            return f"{kind} {message.file}, cut short in the file{place}", (who, packet.payload)
        words = " ".join(f"{name} {text}" for name, text in message.options) or "no options"
        if who == "peer":
            place = " to the TID"
        return f"{kind} {message.file} {message.mode} {words}{place}", (who, packet.payload)
    if kind == "DATA":
        last = message.length is not None and message.length < talk.blksize
        label = f"DATA {message.block}" + (" (last)" if last else "")
        return label + place, (who, "DATA", message.block, last)
    if kind == "ACK" and packet.size == 4:
        return f"ACK {message.block}{place}", ("to", who, message.block)
    if kind == "OACK":
        words = " ".join(f"{name} {text}" for name, text in message.options)
        fixed = [[name, "" if name.lower() == "tsize" else text] for name, text in message.options]
        return f"OACK {words}{place}", (who, "OACK", str(fixed))
    if kind == "ERROR":
        text = f' "{message.text}"' if message.text is not None else " without text"
        return f"ERROR {message.code}{text}{place}", (who, packet.payload)
    return f"{kind}, {packet.size} bytes{place}", (who, packet.payload)


def _who(talk, host, port):
    if host != talk.server:
        return "another host"
    if port == talk.server_port:
        return "server"
    peer = talk.tid or (talk.tids[0] if talk.tids else None)
    return "peer" if port == peer else "an unknown TID"


def events(talk):
    """The Events of a conversation, answers straight after what they answer."""
    found = []
    answered = set()
    for packet in talk.packets:
        event = Event(packet, talk)
        place = len(found)
        if event.out and not event.icmp and tftp(packet).kind == "ACK":
            place = _place(event, found, answered)
        found.insert(place, event)
    sent = came = None
    for event in found:
        at = event.at
        event.since_out = None if sent is None else at - sent
        event.since_in = None if came is None else at - came
        if event.icmp:
            continue
        if event.out:
            sent = at
        else:
            came = at
    return found


def _place(ack, found, answered):
    # The place of an ACK: after the DATA (or OACK) that it answers, if others came in between.
    block = tftp(ack.packet).block
    crossed = []
    for index in range(len(found) - 1, max(-1, len(found) - 1 - _CROSSED), -1):
        event = found[index]
        if event.icmp:
            continue
        if event.out or ack.at - event.at > _ANSWER_S:
            break
        crossed.append(index)
    for index in reversed(crossed):
        message = tftp(found[index].packet)
        own = message.block if message.kind == "DATA" else 0 if message.kind == "OACK" else None
        if own == block and found[index] not in answered:
            answered.add(found[index])
            return index + 1
    return len(found)
