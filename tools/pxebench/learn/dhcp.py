"""The DHCP of a client: its packets, its waits, its xid and secs, as a ROM file has them.

The shape is that of `pxerom.rom_check_dhcp`. Option bytes that belong to the machine or the lease
become the placeholders of that shape (<uuid>, <mac>, <server> ...).

1. Waits are taken from boots without an answer, and from those with a late REQUEST.
2. The rule of `secs` is found by trying: the simplest that gives all the values seen.
3. Of port 4011 the request is learned, its xid, secs and waits; the PXE menu is not. A PXE client
   of which no capture shows it is assumed to use that port.
"""

import statistics

from pxebench.learn.sightings import derived, observed
from pxebench.learn.waits import RetryRow, table

_OWN = {50: "<address>", 54: "<server>", 53: "<type>"}
_TEXTS = (12, 15, 17, 43, 60, 66, 67, 77)  # options with text, where it is printable
_NUMBERS = (57,)  # options of two bytes that are a number
_AT_ONCE_S = 0.15
_XID_MS = 24 * 3600 * 1000
_NO_SERVER = "a boot without a DHCP server, until the client gives up"
_NO_ACK = "a boot whose DHCP server offers and then answers no REQUEST"
_TWO_SERVERS = "a boot with a proxyDHCP server beside the DHCP server"
_NO_BINL = "a boot whose server does not answer on port 4011, until the client gives up"
_PROXY_MS = [1000, 2000, 3000, 4000]
_REQUEST_MS = [1000, 2000, 4000, 8000]


class _Boot:
    # One boot's packets: the client's DISCOVERs and REQUESTs, and when the first offer came.
    def __init__(self, boot, taken):
        self.taken = taken
        self.sent = [(p, m) for p, m in boot.dhcp if not m.reply and p.dport == 67]
        self.discovers = [(p, m) for p, m in self.sent if m.kind == "DISCOVER"]
        self.requests = [(p, m) for p, m in self.sent if m.kind == "REQUEST" and m.option(54)]
        self.proxy = [(p, m) for p, m in boot.dhcp if not m.reply and p.dport == 4011]
        offers = [p.time for p, m in boot.dhcp if m.kind == "OFFER" and m.yiaddr != "0.0.0.0"]
        self.offered = min(offers, default=None)
        self.answered = any(m.reply for _, m in boot.dhcp)
        self.talks = boot.conversations
        self.acks = [m for _, m in boot.dhcp if m.kind in ("ACK", "OFFER")]

    def place(self, packet):
        return self.taken.place(packet)


def learn_dhcp(samples, sightings):
    """The `dhcp` of a ROM file, or None when the captures hold no DISCOVER."""
    boots = [_Boot(boot, taken) for taken in samples for boot in taken.whole]
    boots = [boot for boot in boots if boot.discovers]
    if not boots:
        sightings.assumed.append(("dhcp", "a whole boot, from the first DISCOVER on"))
        return None
    for boot in boots:
        for packet, message in boot.discovers:
            place = boot.place(packet)
            sightings.see("dhcp.flags", message.flags & 0x8000, place)
            sightings.see("dhcp.options", _options(message), place)
            arch = message.option(93)
            if arch is not None and len(arch) >= 2:
                sightings.see("dhcp.arch", int.from_bytes(arch[:2], "big"), place)
        for packet, message in boot.requests:
            sightings.see("dhcp.request.options", _options(message), boot.place(packet))
    spec = {
        "arch": sightings.settle("dhcp.arch") or derived(0, "no option 93 in any DISCOVER"),
        "flags": sightings.settle("dhcp.flags"),
    }
    padded = [m.size for boot in boots for _, m in boot.sent if m.padding]
    if padded:
        spec["pad"] = observed(min(1024, max(padded)), "filled up with zeroes")
    spec["xid"] = _xid(boots)
    spec["secs"] = _secs(boots, sightings)
    spec["options"] = sightings.settle("dhcp.options")
    spec["discover"] = _discover(boots, sightings)
    spec["request"] = _request(boots, spec["options"], sightings)
    spec.update(_proxy(boots, sightings))
    spec["arp"] = {"announce": {"value": "no", "evidence": "assumed"}}
    tail = _tail(boots)
    if tail:
        spec["name_tail"] = observed(tail, "behind the name in every RRQ")
    return spec


# --- options -------------------------------------------------------------------------------------


def _options(message):
    # [[code, value]], each code once, as a ROM file has them.
    found = []
    for code, content in message.options:
        if code not in [known for known, _ in found]:
            found.append([code, _value(code, content, message)])
    return found


def _value(code, content, message):
    if code in _OWN:
        return _OWN[code]
    mac = bytes.fromhex(message.mac.replace(":", ""))
    if code == 97 and len(content) == 17:
        return "<uuid>"
    if code == 61 and content == b"\1" + mac:
        return "<mac>"
    if code == 93 and len(content) == 2:
        return "<arch>"
    if code in _NUMBERS and len(content) == 2:
        return int.from_bytes(content, "big")
    if code in _TEXTS and content and all(32 <= byte < 127 for byte in content):
        text = content.decode("ascii")
        arch = message.option(93)
        if arch is not None and len(arch) == 2:
            text = text.replace(f"Arch:{int.from_bytes(arch, 'big'):05d}", "Arch:{arch}")
        # Text that looks like a placeholder is written as bytes.
        return text if text[0] != "<" else list(content)
    return list(content)


# --- xid and secs --------------------------------------------------------------------------------


def _xid(boots):
    rows = []
    for boot in boots:
        for _, message in boot.discovers:
            mac = bytes.fromhex(message.mac.replace(":", ""))
            if len(mac) == 6:
                rows.append((message.xid, mac))
    count = f"{len(rows)} DISCOVERs in {len(boots)} boot{'s' * (len(boots) != 1)}"
    if rows and all(xid & 0xFFFFFF == int.from_bytes(mac[3:], "big") for xid, mac in rows):
        return {"rule": observed("mac", f"the MAC's last bytes: {count}")}
    lows = [(xid - int.from_bytes(mac[2:], "big")) & 0xFFFFFFFF for xid, mac in rows]
    if lows and all(low < _XID_MS for low in lows):
        return {"rule": observed("mac_ms", f"the MAC's last bytes and the time: {count}")}
    firsts = [boot.discovers[0][1].xid for boot in boots]
    if len(firsts) > 1 and len(set(firsts)) == 1:
        fixed = observed(f"{firsts[0]:08x}", f"in each of {len(firsts)} boots")
        return {"rule": observed("fixed", count), "fixed": fixed}
    rule = observed if len(firsts) > 1 else derived
    return {"rule": rule("random", count)}


def _secs(boots, sightings):
    rows = [_stamps(boot) for boot in boots]
    note = f"{sum(map(len, rows))} packets in {len(boots)} boot{'s' * (len(boots) != 1)}"
    for request in ("next", "restart", "same"):
        if all(_elapsed(row, request) for row in rows):
            spec = {"rule": observed("elapsed", note)}
            if any(kind == "REQUEST" for row in rows for kind, *_ in row):
                spec["request"] = observed(request, note)
            return spec
    first = rows[0][0][2]
    # From the simplest rule on; each candidate must give every number that was seen.
    for skip in range(4):
        for offer in (0, 1, 2, 4, 8):
            for step in range(65):
                for request in ("next", "same"):
                    rule = (first, step, offer, skip, request)
                    if all(
                        _counted(row, rule) == [stamp for _, _, stamp, _ in row] for row in rows
                    ):
                        names = ("first", "step", "offer", "skip", "request")
                        spec = {"rule": observed("count", note)}
                        spec.update(
                            zip(names, (observed(part, note) for part in rule), strict=True)
                        )
                        return spec
    seen = ", ".join(str(stamp) for _, _, stamp, _ in rows[0])
    sightings.cannot(f"The secs of the DHCP packets follow no rule of a ROM file: {seen}.")
    return {"rule": {"value": "elapsed", "evidence": "assumed", "note": "no rule fits"}}


def _stamps(boot):
    # (kind, seconds since the first, secs, whether an offer had come)
    packets = boot.discovers + boot.requests
    packets.sort(key=lambda pair: pair[0].epoch_ns)
    began = packets[0][0].time
    return [
        (m.kind, p.time - began, m.secs, boot.offered is not None and boot.offered < p.time)
        for p, m in packets
    ]


def _elapsed(row, request):
    began = 0.0
    asked = None
    for kind, at, stamp, _ in row:
        if kind == "REQUEST" and request == "same":
            if stamp != asked:
                return False
            continue
        if kind == "REQUEST" and asked is not None and request == "restart":
            began, asked = at, None
        if abs(stamp - (at - began)) > 1.05:
            return False
        asked = stamp if kind == "DISCOVER" else asked
    return True


def _counted(row, rule):
    # What a ROM with this rule would send, as `pxerom.dhcp_packet.Client` counts.
    first, step, offer, skip, request = rule
    sends = 0
    requested = False
    secs = first
    found = []
    for kind, _, _, offered in row:
        if kind == "REQUEST" and request == "same":
            found.append(secs)
            continue
        if kind == "REQUEST" and not requested:
            sends += skip
            requested = True
        secs = first + step * sends
        if offered or kind == "REQUEST":
            secs |= offer
        sends += 1
        found.append(secs)
    return found


# --- waits ---------------------------------------------------------------------------------------


def _discover(boots, sightings):
    retries = []
    for boot in boots:
        times = [packet.time for packet, _ in boot.discovers]
        gaps = [(b - a) * 1000 for a, b in zip(times, times[1:], strict=False)]
        place = boot.place(boot.discovers[0][0])
        if not boot.answered:
            wait_ms = gaps[-1] if gaps else 0
            quiet = gaps and (boot.taken.until - times[-1]) * 1000 > wait_ms * 3
            retries.append(RetryRow(gaps, "quiet" if quiet else None, place))
        elif gaps and not boot.requests:
            retries.append(RetryRow(gaps, None, place))
    gather, proxy_wait_ms, late = _gather(boots)
    retries = [row for row in retries + late if row.waits_ms]
    spec = {
        "waits_ms": table(
            "dhcp.discover.waits_ms", retries, sightings, _NO_SERVER, [4000, 8000, 16000, 32000]
        )
    }
    if gather is None:
        advice = "a boot with a DHCP server"
        spec["gather"] = sightings.assume("dhcp.discover.gather", "window", advice)
    else:
        spec["gather"] = gather
        if proxy_wait_ms:
            spec["proxy_wait_ms"] = proxy_wait_ms
    spec["needs_file"] = _needs_file(boots, sightings)
    return spec


def _gather(boots):
    # How long it collects offers: (fact, fact or None, [RetryRow])
    seen = []
    late = []
    for boot in boots:
        if boot.offered is None or not boot.requests:
            continue
        asked = boot.requests[0][0].time
        between = [p.time for p, _ in boot.discovers if boot.offered < p.time < asked]
        times = [packet.time for packet, _ in boot.discovers if packet.time < asked] + [asked]
        if len(times) < 2:
            continue  # a capture whose clock went back
        seen.append((asked - boot.offered, between, (times[-2] - times[0], asked - times[0])))
        gaps = [(b - a) * 1000 for a, b in zip(times, times[1:], strict=False)]
        late.append(RetryRow(gaps, None, boot.place(boot.requests[0][0])))
    if not seen:
        return None, None, []
    note = f"in {len(seen)} boot{'s' * (len(seen) != 1)}"
    if statistics.median(wait for wait, _, _ in seen) < _AT_ONCE_S:
        # What came before the REQUEST were whole waits, but for the last.
        for row in late:
            row.waits_ms.pop()
        return observed("first", f"the REQUEST follows the OFFER at once, {note}"), None, late
    if any(between for _, between, _ in seen):
        low = max(span[0] for _, _, span in seen)
        high = min(span[1] for _, _, span in seen)
        wait = derived(round((low + high) * 500), f"between {low:.2f} and {high:.2f} s, {note}")
        return observed("complete", f"it asks again though there is an offer, {note}"), wait, late
    return observed("window", f"the REQUEST comes at the end of the wait, {note}"), None, late


def _needs_file(boots, sightings):
    field = "dhcp.discover.needs_file"
    for boot in boots:
        named = [bool(m.file or m.option(67)) for m in boot.acks]
        if boot.requests and named and not any(named):
            return observed("no", boot.place(boot.requests[0][0]) + ": an offer without a file")
        if boot.offered is not None and not boot.requests and not any(named):
            return observed("yes", boot.place(boot.discovers[0][0]) + ": an offer without a file")
    advice = "a boot whose DHCP server names no boot file"
    return sightings.assume(field, "no", advice)


def _request(boots, options, sightings):
    retries = []
    for boot in boots:
        times = [packet.time for packet, _ in boot.requests]
        gaps = [(b - a) * 1000 for a, b in zip(times, times[1:], strict=False)]
        if gaps:
            retries.append(RetryRow(gaps, None, boot.place(boot.requests[0][0])))
    field = "dhcp.request.waits_ms"
    spec = {"waits_ms": table(field, retries, sightings, _NO_ACK, _REQUEST_MS)}
    own = sightings.settle("dhcp.request.options")
    if own is None:
        # The place of server and address is not known: after the type.
        rest = [[54, "<server>"], [50, "<address>"]]
        known = [pair for pair in options["value"] if pair[0] not in (50, 54)]
        advice = "a boot with a DHCP server"
        own = sightings.assume("dhcp.request.options", known[:1] + rest + known[1:], advice)
    spec["options"] = own
    return spec


def _proxy(boots, sightings):
    vendor = [boot.discovers[0][1].option(60) or b"" for boot in boots]
    asked = [(boot, pair) for boot in boots for pair in boot.proxy]
    if not asked and not any(name.startswith(b"PXEClient") for name in vendor):
        return {}
    if not asked:
        return {"proxy": {"waits_ms": sightings.assume("dhcp.proxy", _PROXY_MS, _TWO_SERVERS)}}
    rows = []
    for boot in boots:
        times = [packet.time for packet, _ in boot.proxy]
        gaps = [(b - a) * 1000 for a, b in zip(times, times[1:], strict=False)]
        if gaps:
            rows.append(RetryRow(gaps, None, boot.place(boot.proxy[0][0])))
    boot = max((boot for boot in boots if boot.proxy), key=lambda boot: len(boot.proxy))
    packet, message = boot.proxy[0]
    place = boot.place(packet)
    before = {m.xid for _, m in boot.sent}
    xid = "same" if message.xid in before else "new" if message.xid else "zero"
    field = "dhcp.proxy.waits_ms"
    return {
        "proxy": {
            "waits_ms": table(field, rows, sightings, _NO_BINL, _PROXY_MS),
            "secs": observed([m.secs for _, m in boot.proxy], place),
            "flags": observed(message.flags & 0x8000, place),
            "xid": observed(xid, place),
            "source_port": observed(4011 if packet.sport == 4011 else 68, place),
            "options": observed(_options(message), place),
        }
    }


# --- the name ------------------------------------------------------------------------------------


def _names(boot):
    # (the name that DHCP gave, the name in the first RRQ), as bytes, or None.
    if not boot.talks:
        return None
    asked = boot.talks[0].request[2:].partition(b"\0")[0]
    for message in boot.acks:
        given = message.option(67) or message.file.encode("utf-8", "replace")
        given = given.partition(b"\0")[0]
        if given and given.strip(b"/") in asked:
            return given, asked
    return None


def _tail(boots):
    tails = {names[1][len(names[0]) :] for names in map(_names, boots)
             if names and names[1].startswith(names[0])}  # fmt: skip
    return tails.pop().hex() if len(tails) == 1 else ""


def slash(samples):
    """The fact `tftp.slash`: added to or dropped from the name; None when nothing shows it."""
    for taken in samples:
        for boot in taken.whole:
            names = _names(_Boot(boot, taken))
            if names:
                given, asked = names
                if given[:1] != b"/" and asked == b"/" + given:
                    return observed("add", taken.name)
                if given[:1] == b"/":
                    dropped = asked == given.lstrip(b"/")
                    return observed("drop" if dropped else "keep", taken.name)
    return None
