"""One machine under two addresses: NAT between two sources.

On both sides of a translator (NAT) a request has the same content and the same IP identification,
and another address or port. What was seen under the translated address is moved to the client's
own, so that both are views of one boot; the result says so.

1. The client's own address is the one with more left of its TTL, or that was seen first.
2. Where the IP identification is zero or not known, at least two requests must have the same
   content and the same distances.
3. A server's address that was translated (DNAT) becomes the one that the client asked; its answers
   only where they were seen to be translated back, or where the capture is of the far side.
"""

import collections

from pxebench.captures.messages import is_request, tftp
from pxebench.explain.observation import ASKED, PACKET

_ONE_PLACE_NS = 1_000_000_000  # between a packet and its copy in one capture
_ALIKE_NS = 100_000_000  # of two distances between the same requests
_ALIKE_S = 1.2  # the same where a log tells seconds
_LEAST = 2
_LEAST_LOG = 3
_HOPS = 8
_TWINS = 20  # more requests with the same words and identification tell nothing
_MOST = 4000  # requests of a source that are compared


class Change:
    """What a translator did.  `side`: "client" or "server"; `own`, `other`: (address, port) on
    the client's side and behind it (the port None for a server's address); `sources`: the names of
    the two sources, which may be the same one; `why`: a sentence's end; `count`: of requests."""

    def __init__(self, side, own, other, sources, why):
        self.side = side
        self.own = own
        self.other = other
        self.sources = sources
        self.why = why
        self.count = 0


class _Asked:
    # A request as it is compared.
    def __init__(self, source, packet):
        self.source = source
        self.packet = packet
        self.ends = packet.src, packet.sport
        self.at = packet.epoch_ns


def find(sources):
    """[(source, `Change`)] for sources that were read: what is to be rewritten in each."""
    asked = []
    for source in sources:
        rows = [
            _Asked(source, p)
            for p in source.packets()
            if not p.icmp and is_request(p.payload, p.dport) and p.sport > 0
        ]
        asked += rows[:_MOST]
    if len({(one.ends[0], one.packet.dst) for one in asked}) < 2:
        return []
    found = _same_id(asked)
    if not found:
        found = _same_distances(asked)
    return found


def _same_id(asked):
    by_words = collections.defaultdict(list)
    for one in asked:
        if one.packet.ip_id:
            by_words[one.packet.payload, one.packet.size, one.packet.ip_id].append(one)
    ends = collections.defaultdict(set)  # whose requests, and to whom, are in a source
    for one in asked:
        ends[id(one.source)] |= {("from", one.packet.src), ("to", one.packet.dst)}
    found = []
    for rows in by_words.values():
        if not 2 <= len(rows) <= _TWINS:
            continue
        rows.sort(key=lambda one: (-(one.packet.ttl or 0), one.at))
        for number, other in enumerate(rows):
            twins = [own for own in rows[:number] if _is_copy(own, other, ends)]
            if len({(one.packet.src, one.packet.dst) for one in twins}) == 1:
                found += _changes(twins[0], other, "the same words and IP identification")
    return found


def _is_copy(own, other, ends):
    # ROMs of one kind that are switched on together send the same: a copy has passed a router,
    # or stands in a source that knows nothing of the other address.
    one, two = own.packet, other.packet
    if (one.src, one.sport, one.dst) == (two.src, two.sport, two.dst):
        return False
    if own.source is other.source:
        hops = (one.ttl or 0) - (two.ttl or 0)
        return 0 < hops <= _HOPS and abs(other.at - own.at) <= _ONE_PLACE_NS
    there, here = ends[id(other.source)], ends[id(own.source)]
    if one.src != two.src and (("from", one.src) in there or ("from", two.src) in here):
        return False
    return one.dst == two.dst or not (("to", one.dst) in there or ("to", two.dst) in here)


def _changes(own, other, why):
    names = own.source.name, other.source.name
    if other.packet.src != own.packet.src or other.packet.sport != own.packet.sport:
        yield other.source, Change("client", own.ends, other.ends, names, why)
    if other.packet.dst != own.packet.dst and own.packet.dport == other.packet.dport:
        ends = (own.packet.dst, None), (other.packet.dst, None)
        yield other.source, Change("server", *ends, names, why)


def _same_distances(asked):
    # Two addresses that are never in one source, with the same requests at the same distances.
    rows = collections.defaultdict(list)
    for one in asked:
        rows[id(one.source), one.packet.src].append(one)
    keys = [key for key, some in rows.items() if len(some) >= _LEAST]
    found = []
    for key in keys:
        twins = [
            other
            for other in keys
            if other[0] != key[0] and other[1] != key[1] and _alike(rows[key], rows[other])
        ]
        # One that stands under both addresses in either source is two.
        twins = [
            other
            for other in twins
            if (key[0], other[1]) not in rows and (other[0], key[1]) not in rows
        ]
        if len(twins) != 1:
            continue
        own, other = rows[key], rows[twins[0]]
        if (own[0].packet.ttl or 0, -own[0].at) < (other[0].packet.ttl or 0, -other[0].at):
            continue  # it is found from the other end
        for one, two in zip(own, other, strict=True):
            found += _changes(one, two, "the same words at the same distances")
    return found


def _alike(one, two):
    if len(one) != len(two):
        return False
    ahead = two[0].at - one[0].at
    return all(
        a.packet.payload == b.packet.payload and abs(b.at - a.at - ahead) <= _ALIKE_NS
        for a, b in zip(one, two, strict=True)
    )


# ---- rewriting


def apply(sources, changes):
    """Replace translated addresses by the client's own; returns the `Change`s, one for each pair
    of addresses, with the first two sources that show it."""
    told, counted = {}, set()
    flows, hosts, servers = {}, collections.defaultdict(set), {}
    for source, change in changes:
        key = (change.side, change.own[0], change.other[0])
        flow = (*key, change.own[1], change.other[1])
        told.setdefault(key, change).count += flow not in counted
        counted.add(flow)
        if change.side == "client":
            flows[change.other] = change.own
            hosts[change.other[0]].add(change.own[0])
        else:
            servers[id(source), change.other[0]] = change.own[0]
    # An address that belongs to one client alone is replaced without a port, too: in a log.
    alone = {other: next(iter(own)) for other, own in hosts.items() if len(own) == 1}
    for source in sources:
        mine = {other: own for (number, other), own in servers.items() if number == id(source)}
        if source.file is not None:
            _packets(source.file, flows, mine)
        else:
            _observations(source, flows, alone, mine)
    return list(told.values())


def _packets(file, flows, servers):
    one_place = {(p.src, p.sport) for p in file.packets} & set(flows.values())
    twins = {
        _key(p) for p in file.packets if p.src in servers.values() or (p.dst, p.dport) in one_place
    }
    kept, lately = [], {}
    for packet in file.packets:
        _rename(packet, flows)
        if packet.icmp:
            _rename(packet.icmp[2], flows)
        if servers and not packet.icmp:
            if packet.dst in servers:
                packet.dst = servers[packet.dst]
            elif packet.src in servers and (
                _key(packet) in twins or not _both_sides(file, servers)
            ):
                packet.src = servers[packet.src]
        key = (packet.src, packet.sport, packet.dst, packet.dport, *_key(packet))
        before = lately.get(key)
        if before is not None and packet.ip_id:
            if packet.epoch_ns - before.epoch_ns <= _ONE_PLACE_NS:
                file.sent_on.add(before.number)
                file.copies += 1
                continue
        lately[key] = packet
        kept.append(packet)
    file.packets = kept


def _key(packet):
    return packet.ip_id, packet.size, packet.payload[:64]


def _both_sides(file, servers):
    # True for a capture of the translating machine itself: the requests are in it both ways.
    asked = {p.dst for p in file.packets if is_request(p.payload, p.dport)}
    return bool(asked & set(servers.values()))


def _rename(packet, flows):
    if (packet.src, packet.sport) in flows:
        packet.src, packet.sport = flows[packet.src, packet.sport]
    elif (packet.dst, packet.dport) in flows:
        packet.dst, packet.dport = flows[packet.dst, packet.dport]


def _observations(source, flows, alone, servers):
    for seen in source.observations:
        _rename(seen, flows)
        if seen.what != PACKET:
            seen.src = alone.get(seen.src, seen.src)
            seen.dst = alone.get(seen.dst, seen.dst)
        else:
            seen.dst = servers.get(seen.dst, seen.dst)
            seen.src = servers.get(seen.src, seen.src)


def in_logs(sources):
    """{address in a server's log: (client, name of the log)}: a log that has the same files at the
    same distances as a capture, and none of the capture's addresses."""
    found = {}
    asked = collections.defaultdict(list)
    for source in sources:
        for p in source.packets():
            if not p.icmp and is_request(p.payload, p.dport):
                asked[p.src].append((p.epoch_ns / 1e9, tftp(p).file))
    for source in sources:
        rows = collections.defaultdict(list)
        for seen in source.observations:
            if seen.what == ASKED and seen.src and seen.time is not None:
                rows[seen.src].append((seen.time, seen.get("file")))
        if any(address in asked for address in rows):
            continue
        for address, lines in rows.items():
            twins = [ip for ip, requests in asked.items() if _in_log(lines, requests)]
            if len(twins) == 1:
                found[address] = twins[0], source.name
    for source in sources:
        for seen in source.observations:
            if seen.what != PACKET and seen.src in found:
                seen.src = found[seen.src][0]
    return found


def _in_log(lines, requests):
    if len(lines) < _LEAST_LOG or len(lines) != len(requests):
        return False
    ahead = lines[0][0] - requests[0][0]
    return all(
        (b or "").rpartition("/")[2] == (a or "").rpartition("/")[2]
        and abs(tb - ta - ahead) <= _ALIKE_S
        for (tb, b), (ta, a) in zip(lines, requests, strict=True)
    )


def sentences(changes, logs):
    """One sentence for each of them."""
    for change in changes:
        places = (
            f"in {change.sources[0]}"
            if change.sources[0] == change.sources[1]
            else f"between {change.sources[0]} and {change.sources[1]}"
        )
        again = f", and {change.count - 1} more" if change.count > 1 else ""
        if change.side == "client":
            own, other = (f"{ip}:{port}" for ip, port in (change.own, change.other))
            yield (
                f"A translator (NAT) makes {other} of {own}{again}, {places}: {change.why}. Both"
                " are shown as one client."
            )
        else:
            yield (
                f"A translator (DNAT) passes what is sent to {change.own[0]} on to"
                f" {change.other[0]}, {places}: {change.why}."
            )
    for address, (client, name) in logs.items():
        yield (
            f"{address} of {name} is most likely {client}, translated: the same files at the same"
            " distances."
        )
