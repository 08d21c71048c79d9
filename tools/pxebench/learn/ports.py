"""The rule of a client's source ports, from all its RRQs: policy, first port, step.

1. Whether a retry keeps its port gives `per`; new transfers give the rest.
2. One port in one boot shows no rule.  It is kept as the first of a counter, and `assumed`.
3. Steps that are all alike make a counter, steps that follow the clock a clock; else it is random.
   Neighbouring ports are never called random: of two drawn from a thousand, one pair in a hundred
   is so close. Their rule is `assumed`.
4. No capture shows a whole range: the likely one around the ports seen is taken, and marked so.
"""

from pxebench.learn.sightings import derived, observed

# The ranges of systems' own ports, the narrowest first.
_RANGES = ((1024, 2047), (2000, 3023), (1024, 4095), (49152, 65535), (32768, 60999), (1024, 65535))
_STEP_MAX = 64
_CLOCKS = (1, 1000)  # ms for each port: U-Boot, and the BSD loaders
_CLOCK_MS = 25
_NEAR = 16  # largest distance of ports that may be a counter's


class _Boot:
    # The RRQs of one boot: when, from where, and whether it was a repetition.
    def __init__(self, talks):
        self.asks = []
        for talk in talks:
            for number, packet in enumerate(talk.requests):
                self.asks.append((packet.time * 1000, packet.sport, number > 0))


def learn_ports(boots, sightings):
    """The `udp.source_port` of a ROM file.  `boots`: for each boot its conversations."""
    boots = [_Boot(talks) for talks in boots if talks]
    per, per_words = _per(boots, sightings)
    # A draw: an RRQ at which the client could have taken another port.
    draws = []
    for boot in boots:
        taken = []
        for at, port, retry in boot.asks:
            if not taken or (per == "request" or not retry or port != taken[-1][1]):
                taken.append((at, port))
        draws.append(taken)
    asks = sum(len(boot.asks) for boot in boots)
    retries = sum(retry for boot in boots for _, _, retry in boot.asks)
    seen = (
        f"{asks} RRQ{'s' * (asks != 1)} in {len(boots)} boot{'s' * (len(boots) != 1)}, "
        f"{retries} of them repetitions"
    )
    spec = _policy(draws, seen, sightings)
    spec["per"] = per_words
    return spec


def _per(boots, sightings):
    field = "udp.source_port.per"
    kept = changed = 0
    for boot in boots:
        for (_, before, _), (_, port, retry) in zip(boot.asks, boot.asks[1:], strict=False):
            if retry:
                kept += port == before
                changed += port != before
    if kept and changed:
        sightings.contradictions.append(
            f"{field}: {kept} repeated RRQs kept their port, {changed} took another"
        )
    if changed > kept:
        return "request", observed("request", f"{changed} repeated RRQs came from a new port each")
    if kept:
        return "transfer", observed("transfer", f"{kept} repeated RRQs kept their port")
    advice = "a boot with the server's port 69 filtered: does a repeated RRQ keep its port?"
    return "transfer", sightings.assume(field, "transfer", advice)


def _policy(draws, seen, sightings):
    field = "udp.source_port.policy"
    firsts = [taken[0][1] for taken in draws]
    pairs = [pair for taken in draws for pair in zip(taken, taken[1:], strict=False)]
    steps = [after[1] - before[1] for before, after in pairs]
    ports = [port for taken in draws for _, port in taken]
    if len(ports) == 1 or (not steps and len(set(firsts)) == 1):
        advice = "a second boot, and a boot that loads two files: is the port the same again?"
        return {
            "policy": sightings.assume(field, "counter", advice),
            "first": observed(firsts[0], seen),
            "last": derived(65535, "no port beyond the first was seen"),
        }
    if not any(steps) and len(set(ports)) == 1:
        return {
            "policy": observed("fixed", f"the same port for every transfer: {seen}"),
            "first": observed(firsts[0], seen),
        }
    wrapped = [pair for pair, step in zip(pairs, steps, strict=True) if step < 0]
    upward = [step for step in steps if step > 0]
    counts = upward and len(set(upward)) == 1 and upward[0] <= _STEP_MAX
    if counts and 0 not in steps and len(wrapped) * 2 <= len(upward):
        return _counter(firsts, upward[0], wrapped, seen)
    for clock in _CLOCKS:
        if len(pairs) > 1 and all(_ticks(pair, clock) for pair in pairs):
            low, high = _range(ports)
            return {
                "policy": observed("clock", f"the ports follow the time, {clock} ms each: {seen}"),
                "first": derived(low, f"{min(ports)}..{max(ports)} was seen"),
                "last": derived(high, f"{min(ports)}..{max(ports)} was seen"),
                "step": observed(clock, "from the times of the RRQs"),
            }
    if max(ports) - min(ports) <= _NEAR:
        advice = "more boots, each of them with several files, and nothing else on the machine"
        return {
            "policy": sightings.assume(field, "counter", advice),
            "first": derived(min(firsts), f"boots began at {_listed(firsts)}"),
            "first_max": derived(max(firsts), f"boots began at {_listed(firsts)}"),
        }
    low, high = _range(ports)
    if len(set(ports)) < 3:
        note = f"{_listed(ports)}, and no more to judge by: {seen}"
        policy = derived("random", note)
    else:
        policy = observed("random", f"no rule in {_listed(ports)}: {seen}")
    return {
        "policy": policy,
        "first": derived(low, f"{min(ports)}..{max(ports)} was seen"),
        "last": derived(high, f"{min(ports)}..{max(ports)} was seen"),
    }


def _counter(firsts, step, wrapped, seen):
    spec = {"policy": observed("counter", seen)}
    if len(set(firsts)) == 1:
        boots = f"the first port in each of {len(firsts)} boots" if len(firsts) > 1 else seen
        spec["first"] = observed(firsts[0], boots)
    else:
        low, high = _range(firsts)
        spec["first"] = derived(low, f"boots began at {_listed(firsts)}")
        spec["first_max"] = derived(high, f"boots began at {_listed(firsts)}")
    spec["step"] = observed(step, seen)
    if wrapped:
        before, after = wrapped[0]
        spec["last"] = derived(before[1], f"{after[1]} came after {before[1]}")
        spec["wrap"] = observed(after[1], f"{after[1]} came after {before[1]}")
    return spec


def _ticks(pair, clock):
    (before, port), (after, next_port) = pair
    return abs((next_port - port) * clock - (after - before)) <= max(_CLOCK_MS, clock)


def _range(ports):
    return next(pair for pair in (*_RANGES, (1, 65535)) if _within(ports, *pair))


def _within(ports, low, high):
    return low <= min(ports) and max(ports) <= high


def _listed(ports):
    return ", ".join(map(str, ports[:6])) + (" ..." if len(ports) > 6 else "")
