"""A ROM's DHCP compared with the DHCP packets: options and their order, flags, times.

1. Values of the machine (MAC, UUID, address, architecture where the file allows another) are not
   compared.
2. A program that was loaded by another may have no DHCP of its own; a ROM that boots has.
"""

FOR, AGAINST, UNKNOWN, OUT = "for", "against", "unknown", "out"
_ALIKE_MS, _ALIKE = 400, 0.15
_AT_ONCE_S = 0.2
_VENDOR = 60
_BOOTP = 300  # bytes; a shorter one is from a text without all options


def dhcp_facts(known, found):
    """(verdict, weight, text) of each fact about DHCP."""
    boots = [[pair for pair in boot if not pair[1].reply] for boot in found.dhcp]
    boots = [boot for boot in boots if boot]
    discovers = [pair for boot in boots for pair in boot if pair[1].kind == "DISCOVER"]
    if not boots:
        yield from _logged(known, found)
        return
    if known.dhcp is None:
        yield UNKNOWN, 5, "asks DHCP itself"
        return
    spec = known.dhcp
    if discovers:
        yield from _options(spec, discovers[0][1])
        yield from _numbers(spec, discovers)
        yield from _times(spec, found)
    requests = [m for boot in boots for _, m in boot if m.kind == "REQUEST" and m.option(54)]
    if requests and (spec.get("request") or {}).get("options"):
        wanted = [code for code, _ in spec["request"]["options"] if code != 43]
        seen = [code for code, _ in requests[0].options]
        if seen:
            text = f"REQUEST options {_listed(seen)}"
            yield (FOR if seen == wanted else AGAINST), 1, text


def _logged(known, found):
    # What dnsmasq's log-dhcp prints about a client.
    if found.vendor is None and not found.requested:
        return
    if known.dhcp is None:
        yield UNKNOWN, 3, "asks DHCP itself"
        return
    own = (known.dhcp.get("discover") or {}).get("options") or known.dhcp.get("options") or []
    values = {code: value for code, value in own}  # noqa: C416 - pairs, as lists
    if found.vendor is not None:
        yield _vendor(known.dhcp, found.vendor.encode(), values.get(_VENDOR))
    if found.requested and isinstance(values.get(55), list):
        same = found.requested == values[55]
        more = "" if same else f", it for {len(values[55])}"
        yield (FOR if same else AGAINST), 2, f"asks for {len(found.requested)} options{more}"
    if found.user_class is not None:
        same = values.get(77) == found.user_class
        yield (FOR if same else AGAINST), 1.5, f"user class {_short(found.user_class)}"


def _options(spec, message):
    seen = [code for code, _ in message.options]
    if not seen:
        return  # a text without them
    own = (spec.get("discover") or {}).get("options") or spec.get("options") or []
    # Options of later packets only are not in a DISCOVER.
    wanted = [code for code, value in own if value not in ("<server>", "<address>", "<item>")]
    if seen == wanted:
        yield FOR, 3, f"DISCOVER options {_listed(seen)}"
    elif sorted(seen) == sorted(wanted):
        yield AGAINST, 1.5, f"DISCOVER options {_listed(seen)}, it has {_listed(wanted)}"
    else:
        common = len(set(seen) & set(wanted)) / max(1, len(set(seen) | set(wanted)))
        weight = 1.5 if common > 0.8 else 3
        yield AGAINST, weight, f"DISCOVER options {_listed(seen)}, it has {_listed(wanted)}"
    values = {code: value for code, value in own}  # noqa: C416 - pairs, as lists
    vendor = message.option(_VENDOR)
    mine = values.get(_VENDOR)
    # A text may have an option without its value.
    if vendor != b"" and (vendor is not None or mine is not None):
        yield _vendor(spec, vendor, mine)
    user = message.option(77)
    if user is not None:
        text = user.decode("ascii", "replace")
        yield (FOR if values.get(77) == text else AGAINST), 1.5, f"user class {_short(text)}"
    asked, own_list = message.option(55), values.get(55)
    if asked and any(asked) and isinstance(own_list, list):
        same = list(asked) == own_list
        yield (
            (FOR if same else AGAINST),
            1,
            f"asks for {len(asked)} options" + ("" if same else f", it for {len(own_list)}"),
        )


def _vendor(spec, vendor, mine):
    if vendor is None:
        return AGAINST, 1, "no vendor class, it has one"
    text = vendor.decode("ascii", "replace")
    if not isinstance(mine, str):
        return AGAINST, 1, f"vendor class {_short(text)}, it has none"
    shape = mine.replace("{arch}", "")
    plain = text
    if "{arch}" in mine and "Arch:" in text:
        at = text.index("Arch:") + 5
        plain = text[:at] + text[at + 5 :]
    same = plain == shape
    return (
        (FOR if same else AGAINST),
        1.5,
        f"vendor class {_short(text)}" + ("" if same else f", it says {_short(mine)}"),
    )


def _numbers(spec, discovers):
    message = discovers[0][1]
    flags = message.flags & 0x8000
    if message.options:
        own = spec.get("flags", 0)
        words = "broadcast" if flags else "no broadcast flag"
        yield (FOR if flags == own else AGAINST), 0.7, words
        pad = spec.get("pad") or 0
        if pad and message.size >= _BOOTP:
            yield (FOR if message.size == pad else AGAINST), 0.5, f"{message.size} bytes of BOOTP"
    secs = (
        (spec.get("secs") or {}).get("first", 0)
        if (spec.get("secs") or {}).get("rule") == "count"
        else 0
    )
    yield (
        (FOR if abs(message.secs - secs) <= 1 else AGAINST),
        0.7,
        f"secs {message.secs} in the first DISCOVER",
    )


def _times(spec, found):
    waits = (spec.get("discover") or {}).get("waits_ms")
    if not waits:
        return
    waits = [wait["value"] if isinstance(wait, dict) else wait for wait in waits]
    for boot in found.dhcp:
        discovers = [p.time for p, m in boot if m.kind == "DISCOVER"]
        offers = [p.time for p, m in boot if m.kind == "OFFER"]
        requests = [p.time for p, m in boot if m.kind == "REQUEST"]
        if len(discovers) > 1 and not offers:
            gaps = [(b - a) * 1000 for a, b in zip(discovers, discovers[1:], strict=False)]
            same = all(
                index < len(waits)
                and abs(gap - waits[index]) <= max(_ALIKE_MS, waits[index] * _ALIKE)
                for index, gap in enumerate(gaps)
            )
            words = ", ".join(f"{gap / 1000:.1f}" for gap in gaps[:6])
            yield (FOR if same else AGAINST), 1.5, f"DISCOVERs {words} s apart"
            return
        if offers and requests and discovers and requests[0] >= offers[0]:
            wait = requests[0] - offers[0]
            gather = spec["discover"].get("gather", "window")
            at_once = wait < _AT_ONCE_S
            text = f"REQUEST {wait:.2f} s after the OFFER"
            if at_once or gather == "first":
                yield (FOR if at_once == (gather == "first") else AGAINST), 1, text
            elif gather == "window":
                since = (requests[0] - discovers[-1]) * 1000
                near = any(abs(since - one) <= max(_ALIKE_MS, one * _ALIKE) for one in waits)
                yield (FOR if near and len(discovers) <= 2 else AGAINST), 1, text
            else:
                yield FOR, 0.5, text
            return


def _listed(codes):
    text = ", ".join(map(str, codes[:14]))
    return text + (" ..." if len(codes) > 14 else "")


def _short(text):
    return text if len(text) <= 40 else text[:37] + "..."
