"""Which client ports get an answer: `pxebench sweep`.

An RRQ from each port, and the first answer to it, which is ended with an ERROR. What the pattern
means is for `diagnose`. Jobs: `asking`; picture: `strip`.

1. Light on the server: at most `rate` RRQs a second, a bounded number in all, no transfer left
   open, and at most `most` RRQs unanswered at once (a board has sockets for three).
2. A lost packet is no closed port: a silent one is asked once more, with twice the wait.
3. A bisection relies on the ends of its range and then looks for ports that contradict it; the
   result says when there is more than one border.
4. A server may serve few transfers at once, and transfers whose answers are lost keep their place
   (dnsmasq: 50, each for half a minute). So a port that was answered, the witness, is asked among
   the others: if it is silent too, silence proves nothing. From then on no more RRQs are
   unanswered at once than the server has coped with; the result names the ports that stay
   undecided.
"""

import time

from pxebench.job import EXIT_BENCH, Refused, show
from pxebench.record import headed
from pxebench.sweep import asking

_LEAST_WAIT_MS, _MOST_WAIT_MS = 200, 1000
_CALIBRATE_MS = 2000
FAN = 7  # ports a round where each job takes long (a board)
_NEIGHBOURS = 8  # neighbours that are tried instead of a port in use
_CHECKS = 4  # ports tested on each side of a border, beside the well-known ones
AT_ONCE = 16
_WITNESS_EVERY = 16  # ports between two RRQs of the witness
_HELD_S = 45  # for so long a server may keep a transfer without any ACK
_CAREFUL_MOST_S = 180
_ROUNDS = 4
SUSPECTS = (1024, 2001, 2069, 2070, 2071, 2072, 2073, 2078, 32768, 40000, 49152, 57089)


class Stopped(Exception):
    """The user or the clock ended a job: `ended` as in a result."""

    def __init__(self, ended):
        super().__init__()
        self.ended = ended


class _Progress:
    """The RRQs of a round: how many are to come, were sent, are silent. `more`: how often a silent
    port will be asked again; `wait_ms`: for an answer."""

    def __init__(self, ahead=0, more=0, wait_ms=0):
        self.ahead = ahead
        self.more = more
        self.wait_ms = wait_ms
        self.sent = self.silent = 0

    def told(self, ask):
        self.ahead = max(0, self.ahead - 1)
        self.sent += 1
        self.silent += ask["answer"] == "silent"

    def left_ms(self, gap_ms, most):
        """How long the rest takes, if as many of it are silent as so far."""
        share = self.silent / max(1, self.sent)
        pace_ms = max(gap_ms, share * self.wait_ms / most)
        again_ms = max(gap_ms, 2 * self.wait_ms / most)
        again = self.more * (self.silent + share * self.ahead)
        return round(self.ahead * pace_ms + again * again_ms)


class _Limit:
    """How many RRQs without an answer the server copes with at once: `most`, 0 while it is not
    known. Times in seconds."""

    def __init__(self):
        self.most = 0
        self._ended = []  # when each RRQ without an answer ended

    def silent(self, count, now):
        self._ended += [now] * count

    def held(self, now):
        """Those that may still occupy the server."""
        return sum(now - at < _HELD_S for at in self._ended)

    def met(self, coped):
        """The witness was silent after the server had coped with so many."""
        self.most = min(self.most // 2, coped) if self.most else coped


class Asker:
    """Asks ports of a target and remembers all that came; `wait_ms` None: found by a first ask;
    `most`: RRQs under way at once; `on_ask(ask, left_ms)` and `on_pause()` tell how far it is;
    `full`: ports whose silence may be the server's limit."""

    def __init__(
        self, target, options, wait_ms=None, rate=10.0, on_ask=None, most=1, on_pause=None
    ):
        self.target = target
        self.options = options
        self.wait_ms = wait_ms
        self.gap_ms = round(1000 / rate)
        self.on_ask = on_ask
        self.on_pause = on_pause
        self.most = most
        self.jobs = []  # the Asked of each
        self.asks = []
        self.asked_for = set()  # without the port that only set the wait
        self.full = []
        self._witness = None  # a port that was answered
        self._limit = _Limit()
        self._progress = _Progress()

    def ask(self, ports):
        """{port: its entry of the strip}: each is asked, the silent ones once more."""
        ports = list(ports)
        self.asked_for.update(ports)
        if self.wait_ms is None:
            self._calibrate()
        silences = dict.fromkeys(ports, 2)  # {port: how often it may still be silent}
        for number in range(_ROUNDS):
            doubted = self._round(silences, list(silences), 2 if number else 1, 0 if number else 1)
            # One silence of the witness may be a lost packet.
            if not silences or (doubted and (number or not self._witness_answers())):
                break
        if silences and doubted:
            self._carefully(silences)
        self.full = sorted(port for port, count in silences.items() if count == 2)
        return {entry["port"]: entry for entry in self.strip() if entry["port"] in ports}

    def _round(self, silences, ports, waits, more):
        # Ask each; remove from `silences` what is decided; returns those whose silence proves
        # nothing. `waits`: times the usual one; `more`: how often a silent one will be asked
        # again.
        among, wait_ms = self._among(ports), self.wait_ms * waits
        self._progress = _Progress(len(among), more, wait_ms)
        asks = self._job(among, wait_ms).asks
        doubted, coped = _doubted(asks, self._witness)
        held = self._limit.held(self.now())  # before this round
        self._limit.silent(sum(ask["answer"] == "silent" for ask in asks), self.now())
        if doubted:
            self._limit.met(held + coped)
        fared = {ask["port"]: ask["answer"] for ask in asks}
        for port in ports:
            silences[port] -= port not in doubted
            if fared[port] != "silent" or not silences[port]:
                del silences[port]
        heard = [ask["port"] for ask in asks if asking.answered(ask)]
        if self._witness is None and self.most > 1 and heard:
            self._witness = max(heard)
        return doubted

    def _among(self, ports):
        # The ports, with the witness after every so many of them.
        if self._witness is None or self.most == 1:
            return ports
        mixed = []
        for at in range(0, len(ports), _WITNESS_EVERY):
            mixed += [p for p in ports[at : at + _WITNESS_EVERY] if p != self._witness]
            mixed.append(self._witness)
        return mixed

    def _witness_answers(self):
        return asking.answered(self._job([self._witness], self.wait_ms * 2).asks[0])

    def _carefully(self, silences):
        # The rest, never more at once than the server copes with; undecided ones first.
        until = self.now() + _CAREFUL_MOST_S
        while silences and self._limit.most:
            count = min(self._limit.most, _WITNESS_EVERY, len(silences))
            while self._limit.held(self.now()) + count > self._limit.most:
                if self.now() > until:
                    return
                if self.on_pause:
                    self.on_pause()
                self.sleep(1)
            batch = sorted(silences, key=lambda port: -silences[port])[:count]
            self._round(silences, sorted(batch), 2, 0)

    sleep = staticmethod(time.sleep)
    now = staticmethod(time.monotonic)

    def strip(self):
        return asking.strip(self.asks)

    def _calibrate(self):
        # How long an answer takes, from a port that most paths let through.
        asked = self._job([asking.HIGH[time.time_ns() // 1000 % len(asking.HIGH)]], _CALIBRATE_MS)
        took = asked.asks[0]["ms"] if asked.asks and asking.answered(asked.asks[0]) else None
        if took is not None:
            self._witness = asked.asks[0]["port"]
        wait_ms = _MOST_WAIT_MS if took is None else round(3 * took) + 100
        self.wait_ms = min(max(wait_ms, _LEAST_WAIT_MS), _MOST_WAIT_MS)

    def _told(self, ask):
        self._progress.told(ask)
        if self.on_ask:
            self.on_ask(ask, self._progress.left_ms(self.gap_ms, self.most))

    def _job(self, ports, wait_ms):
        asked = self.target.ask(
            *(ports, self.options, wait_ms),
            on_ask=self._told, gap_ms=self.gap_ms, most=self.most,
        )  # fmt: skip
        self.jobs.append(asked)
        self.asks.extend(asked.asks)
        if asked.ended:
            raise Stopped(asked.ended)
        return asked


def _doubted(asks, witness):
    # (ports whose silence proves nothing, since the witness after them was silent too; how many
    # silent ones the server had coped with before)
    doubted, since, coped = set(), [], 0
    for ask in sorted(asks, key=lambda ask: ask["at_ms"]):
        if ask["port"] != witness:
            since.append(ask)
            continue
        silent = [one["port"] for one in since if one["answer"] == "silent"]
        if not asking.answered(ask):
            doubted.update(silent)
        elif not doubted:
            coped += len(silent)
        since = []
    return doubted, coped


def border(asker, low, high, fan=1, suspects=SUSPECTS):
    """Where the ports between `low` and `high` change from silent to answered, or the reverse.

    {"low", "high" (neighbours, but for ports in use at this end), "low_answer", "high_answer",
    "monotone", "probes"}, or None when both ends have the same outcome.  `fan`: how many ports one
    round asks.  Raises `Refused` when an end cannot be used here.
    """
    before = len(asker.asks)
    known = {port: _fared(entry) for port, entry in asker.ask([low, high]).items()}
    ends = known[low], known[high]
    for port in (low, high):
        if known[port] == "busy":
            raise Refused(
                f"Port {port} cannot be used at this end, and a border needs two ends: give "
                "others with --ports.",
                EXIT_BENCH,
            )
    if ends[0] == ends[1]:
        return None
    below, above = low, high
    while above - below > 1:
        steps = range(1, fan + 1)
        middle = sorted({below + (above - below) * step // (fan + 1) for step in steps} - {below})
        middle = _usable(asker, known, middle, above)
        if not middle:  # the border is as near as this end's free ports allow
            break
        below = max(port for port in (below, *middle) if known[port] == ends[0])
        above = min(p for p in (above, *middle) if known[p] != ends[0] and p > below)
    return {
        "low": below,
        "high": above,
        "low_answer": ends[0],
        "high_answer": ends[1],
        "monotone": _monotone(asker, known, (low, below, above, high), ends, suspects),
        "probes": len(asker.asks) - before,
    }


def _usable(asker, known, ports, above):
    # Ask the ports; for one that is in use here, neighbours are asked instead.
    for _ in range(_NEIGHBOURS):
        for port, entry in asker.ask(sorted(set(ports) - set(known))).items():
            known[port] = _fared(entry)
        if not any(known[port] == "busy" for port in ports):
            break
        ports = sorted({p + (known[p] == "busy") for p in ports} - {above})
    return [port for port in ports if known.get(port, "busy") != "busy"]


def _monotone(asker, known, places, ends, suspects):
    # Ports on both sides that could contradict the border; those asked already may do so too.
    low, below, above, high = places
    sides = [(low, below), (above, high)]
    chosen = {p for p in suspects if low <= p <= high}
    for first, last in sides:
        chosen |= {first + (last - first) * n // (_CHECKS + 1) for n in range(1, _CHECKS + 1)}
    for port, entry in asker.ask(sorted(chosen - set(known))).items():
        known[port] = _fared(entry)
    return all(
        fared == ends[0 if port <= below else 1]
        for port, fared in known.items()
        if fared != "busy"
    )


def _fared(entry):
    return "answered" if asking.answered(entry) else entry["answer"]


def runs(strip):
    """Runs of ports with the same answer: [{"first", "last", "answer"}]."""
    found = []
    for entry in strip:
        fared = _fared(entry)
        if found and found[-1]["last"] == entry["port"] - 1 and found[-1]["answer"] == fared:
            found[-1]["last"] = entry["port"]
        else:
            found.append({"first": entry["port"], "last": entry["port"], "answer": fared})
    return found


def sweep(
    target, ports, options, wait_ms=None, rate=10.0, bisect=False, on_ask=None, on_pause=None
):
    """Run a sweep; its result ("kind": "sweep").  `ports`: ascending list."""
    began = time.time()
    asker = Asker(target, options, wait_ms, rate, on_ask, 1 if bisect else AT_ONCE, on_pause)
    found = ended = None
    try:
        if bisect:
            fan = FAN if target.run.elsewhere else 1
            found = border(asker, ports[0], ports[-1], fan)
        else:
            asker.ask(ports)
    except Stopped as stopped:
        ended = stopped.ended
    strip = [entry for entry in asker.strip() if entry["port"] in asker.asked_for]
    usable = [entry for entry in strip if entry["answer"] != "busy"]
    good = bool(usable) and all(asking.answered(entry) for entry in usable) and not ended
    result = {
        "outcome": "ok" if good else "failed",
        "server_port": target.port,
        "file": target.file,
        "client": target.client,
        "endpoint": target.endpoint,
        "elapsed_ms": round((time.time() - began) * 1000),
        "settings": {
            "wait_ms": asker.wait_ms,
            "rate": rate,
            "options": options,
            "bisect": bisect,
            "at_once": asker.most,
        },
        "ports": strip,
        "runs": runs(strip),
        "border": found,
        "server_ports": asking.server_ports(asker.asks),
        "doubted": asker.full,
        "ended": ended,
        "events": [event for job in asker.jobs for event in job.events],
    }
    result["summary"] = summary(result)
    return headed("sweep", result, target.server, began)


def sentences(result):
    """What a sweep found, as (id, sentence): "ports", "doubt", "time", "error", "server",
    "border"."""
    from pxebench.sweep import port_names

    strip = result["ports"]
    fared = {}
    for entry in strip:
        fared.setdefault(_fared(entry), []).append(entry["port"])
    count = len(strip)
    if not count:
        yield "ports", "No port was asked."
        return
    # Not so where the user ended it.
    twice = all(entry["asked"] > 1 for entry in strip if entry["answer"] == "silent")
    words = {
        "answered": "got an answer",
        "silent": "got none, asked twice" if twice else "got none",
        "unreachable": "got ICMP unreachable",
        "foreign": "were answered by another address",
        "busy": "could not be used at this end",
    }
    for answer, text in words.items():
        if answer in fared:
            mine = fared[answer]
            yield "ports", f"{len(mine)} of {count} client ports {text}: {port_names.words(mine)}."
    if result.get("doubted"):
        yield (
            "doubt",
            f"The silence of {port_names.words(result['doubted'])} proves nothing: meanwhile the "
            f"server was silent to a port that it had answered, so it serves few at once. A "
            f"slower sweep decides it: --rate 1.",
        )
    times = sorted(e["ms"] for e in strip if asking.answered(e) and e["ms"] is not None)
    if times:
        median, most = times[len(times) // 2], times[-1]
        yield "time", f"An answer took {median:g} ms (median), {most:g} ms at most."
    errors = [entry["error"] for entry in strip if entry["answer"] == "error" and entry["error"]]
    if errors:
        code, message = errors[0]["code"], show(errors[0]["message"])
        said = f'ERROR {code} "{message}"'
        yield "error", f"To {len(errors)} of them it was {said}: the path let it through."
    if result["server_ports"]:
        yield "server", server_words(result["server_ports"], result["server_port"])
    found = result["border"]
    if found:
        yield (
            "border",
            f"The border lies between {port_names.named(found['low'])} ({found['low_answer']}) "
            f"and {port_names.named(found['high'])} ({found['high_answer']}), after "
            f"{found['probes']} RRQs.",
        )
        if not found["monotone"]:
            yield (
                "border",
                "It is not the only one: other ports contradict it, so the path lets through "
                "more than one range. `pxebench sweep --ports ...` without --bisect shows them.",
            )
    elif result["settings"]["bisect"] and not result["ended"]:
        yield (
            "border",
            "Both ends of the range have the same outcome, so there is no border between them to "
            "find; a sweep of chosen ports shows whether there is a hole inside.",
        )


def summary(result):
    """The sentences alone."""
    return [text for _, text in sentences(result)]


def server_words(seen, server_port):
    """From which ports the server answered, as a sentence."""
    if seen["least"] == seen["most"] == server_port:
        return f"The server answers from port {server_port} itself (single-port mode)."
    if seen["count"] == 1:
        return f"The server answered from port {seen['least']}."
    return f"The server answered from ports {seen['least']} to {seen['most']}."
