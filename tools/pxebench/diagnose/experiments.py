"""The plan of `pxebench diagnose`: small experiments, each with one question about path or server.

The first ones are always run; those that take long or put load on a server only when the earlier
ones call for them. An experiment is a dict (its shape: `diagnosis`); `observe` and `causes` find
out what all of them mean together.

1. Low and high ports send the same RRQ and wait as long, the low ones before and after the high
   ones (A/B/A): so a difference must come from the port.
2. Each answer is ended with an ERROR; the number of RRQs and the time are bounded.
3. The result says what the time limit cut off, what was not run, and why.
"""

import copy
import random
import time

from pxebench import job
from pxebench.diagnose import observe, signs, words
from pxebench.diagnose.pieces import in_pieces
from pxebench.sweep import asking, sweep
from pxebench.sweep.rom_ports import rom_ports
from pxebench.sweep.sweep import Stopped

ROM_MAX_MS = 12500  # past the fourth RRQ of an Intel ROM, 12.03 s after its first
_REACH_MS = 6000
_QUICK_REACH_MS = 4000  # longer than the 3 s for which a Linux router asks ARP (RFC 1812)
_LEAST_MS, _MOST_MS = 600, 8000
_QUIET_STEP_MS, _QUIET_MOST_MS = 3000, 36000
_SOURCE_MAX_MS = 10000
_PAUSE_MS, _PAUSES = 5000, 4
_SAMPLE = 65536
_SIZES = (512, 1456, 1468, 8192)
_BOARD_MOST = 1468  # larger datagrams are fragmented, and lwIP may not reassemble them
_SEVERAL = 4
_LOW = 4
_CLOSED = range(33434, 33534)  # traceroute's port: nothing listens there

# id: (title, question)
QUESTIONS = {
    "reach": ("reachability", "Does the server answer the simplest RRQ from a high port?"),
    "rom": ("the ROM itself", "What does the ROM's own sequence meet, from its own ports?"),
    "high": ("A/B: high ports", "Is the ROM's first RRQ answered when it comes from high ports?"),
    "low-again": ("A/B/A: low ports", "Is the same RRQ answered from the ROM's ports, now?"),
    "data": ("the data request", "Is the ROM's request for the file itself answered?"),
    "rom-high": ("the ROM, moved", "Does the same ROM boot when only its ports are high ones?"),
    "several": ("side by side", "Are several transfers answered that stand open at once?"),
    "several-again": ("side by side, again", "Was it the order, or chance?"),
    "lockstep": ("lockstep", "Block by block: how long does each take, and is any lost?"),
    "border": ("the border", "At which client port do the answers begin?"),
    "alive": ("a closed port", "Does the server's host refuse a port where nobody listens?"),
    "same-again": ("the same port", "Is the port that was just answered answered once more?"),
    "size": ("the size", "How large does the server say that the file is?"),
    "turns": ("by turns", "Does it depend on which port asks first, after a pause?"),
}


def _reassembled():
    # Linux: ReasmOKs of RFC 1213's ip group, for this network namespace.
    try:
        with open("/proc/net/snmp", encoding="ascii") as file:
            names, figures = [line.split() for line in file if line.startswith("Ip:")]
    except (OSError, ValueError):
        return None
    return int(figures[names.index("ReasmOKs")])


class Examination:
    """Runs the plan.  `rom`: as in its file; `flat`: flattened; `say`: gets (experiment, "begin")
    and (experiment, "end"); `done` and `skipped` hold what there is, after an end by Ctrl-C too.
    """

    def __init__(self, target, rom, flat, max_time_ms=ROM_MAX_MS, quick=False, say=None):
        self.target = target
        self.rom = job.bare(rom)
        self.flat = flat
        self.max_time_ms = max_time_ms
        self.quick = quick
        self.say = say or (lambda experiment, what: None)
        self.done = []
        self.skipped = []
        self.events = []  # of every job, whole, for `path.merge`
        self.ended = None
        self._began = time.monotonic()
        self._used = set()

    def run(self):
        """Run the plan to its end, or to the user's."""
        try:
            self._plan()
        except Stopped as stopped:
            self.ended = stopped.ended
        except KeyboardInterrupt:
            self.ended = {"by": "user", "after_ms": self._now_ms(), "next": None}

    def _plan(self):
        first = self.flat["tftp"]["requests"][0]["options"]
        reach_ms = _QUICK_REACH_MS if self.quick else _REACH_MS
        self._ask("reach", self._high(1), [], reach_ms)
        if not self._seen()["answers"]:
            self._ask("reach", self._high(1), [], reach_ms // 2)
        self._fetch("rom", self.rom, self.max_time_ms)
        wait_ms = self._wait_ms()
        self._ask("high", self._high(2), first, wait_ms)
        self._low_again(first, wait_ms)
        seen = self._seen()
        if not seen["answers"]:
            self._closed_port()
            self._skip(("data", "rom-high", "several", "lockstep"), "nothing answers at all")
            return
        if seen["file_error"]:
            because = "the server refuses this file in any case"
            self._skip(("data", "rom-high", "several", "lockstep"), because)
            return
        self._requests_of_rom(wait_ms)
        if seen["rom_works"]:
            self._skip(("rom-high",), "the ROM got its file from its own ports")
        elif self._is_low():
            self._fetch("rom-high", self._moved(), min(self.max_time_ms, _SOURCE_MAX_MS))
        self._sizes()
        if signs.needless_pieces(self._seen()):
            self._largest_whole()
        end = self._seen()["end"]
        if end and end["tsize"] is None and not seen["rom_works"]:
            self._ask("size", self._high(1), [["tsize", "0"]], wait_ms)
        limit = 16384 if self.quick else _SAMPLE
        self._fetch("lockstep", self._client([], 600, 30), 8000, limit)
        self._several(wait_ms)  # it may keep a server busy for a while
        seen = self._seen()
        if seen["by_order"] is None and observe.order_may_matter(seen):
            self._turns(wait_ms)
        if self._seen()["low_silent"] and self.quick:
            self._skip(("border",), "--quick")
        elif self._seen()["low_silent"]:
            self._border()

    # ---- the experiments that are more than one job

    def _low_again(self, options, wait_ms):
        low = rom_ports(self.flat, _LOW)[::-1]
        # A ROM with one port only: a lost packet must not look like a silent port.
        for _ in range(1 if len(low) > 1 else 3):
            self._ask("low-again", low, options, wait_ms)
            if any(map(asking.answered, self.done[-1]["asks"])):
                break

    def _closed_port(self):
        # Twice where it is silent: hosts limit their ICMP errors, and one may be lost or late.
        for _ in range(2):
            self._ask("alive", self._high(1), [], 1500, port=random.choice(_CLOSED))
            if any(ask["answer"] == "unreachable" for ask in self.done[-1]["asks"]):
                break

    def _requests_of_rom(self, wait_ms):
        tried = [self.flat["tftp"]["requests"][0]["options"]]
        for request in self.flat["tftp"]["requests"][1:]:
            if request["options"] not in tried:
                tried.append(request["options"])
                self._ask("data", self._high(1), request["options"], wait_ms)
                # Earlier requests may disturb it, above all a probe that was just aborted.
                for _ in range(_PAUSES):
                    if any(map(asking.answered, self.done[-1]["asks"])):
                        break
                    time.sleep(_PAUSE_MS / 1000)
                    self._ask("data", self._high(1), request["options"], wait_ms)

    def _sizes(self):
        own = [
            int(text)
            for request in self.flat["tftp"]["requests"]
            for name, text in request["options"]
            if name.lower() == "blksize"
        ]
        on_board = (self.target.endpoint or {}).get("kind") == "serial"
        for size in sorted({*_SIZES, *own}):
            if on_board and size > _BOARD_MOST and size not in own:
                because = "the board's own stack does not put every fragmented datagram together"
                skipped = {"id": f"blksize-{size}", "title": f"blksize {size}"}
                self.skipped.append({**skipped, "because": because})
            else:
                self._size(size)

    def _size(self, size):
        title = f"blksize {size}"
        question = f"Does a datagram with {size} bytes of the file come through?"
        rom = self._client([["blksize", str(size)]], 600, 3)
        self._fetch(f"blksize-{size}", rom, 4000, size, (title, question))
        done = self.done[-1]
        if done["reassembled"] and not self._cut(size):
            done["reassembled"] = 0  # other packets of this machine's

    def _cut(self, size):
        # False where this very datagram came whole; True where it did not, or that is unknown.
        target = self.target
        name = job.name_bytes(target.file)
        port = self._high(1)[0]
        return in_pieces(target.server, target.port, name, size, target.bind, port) is not False

    def _largest_whole(self):
        # Between the largest block that came whole and the smallest that came in pieces.
        while True:
            pieces = self._seen()["pieces"]
            low = max((size for size, cut in pieces.items() if not cut), default=8)
            high = min(size for size, cut in pieces.items() if cut)
            middle = (low + high) // 2 // 4 * 4
            if not low < middle < high or middle in pieces:
                return
            self._size(middle)
            if middle not in self._seen()["pieces"]:
                return  # too short a file, or it was lost

    def _several(self, wait_ms):
        wait_ms = min(wait_ms, 1000)
        self._ask("several", self._high(_SEVERAL), [], wait_ms, hold=True)
        silent = [a for a in self.done[-1]["asks"] if a["answer"] == "silent"]
        if silent:
            self._ask("several-again", self._high(_SEVERAL), [], wait_ms, hold=True)

    def _turns(self, wait_ms):
        # Two ports, and a pause before each round that lasts until the first of them is heard. The
        # waits are as short as the usual answer allows, not the slowest: a limit of RRQs must not
        # let the next one through in the meantime.
        usual_ms = self._seen()["answer_ms"] or 0
        wait_ms = min(wait_ms, max(1000, round(2 * usual_ms)))
        one, other = self._high(2)
        for first, second in ((one, other), (other, one)):
            deadline = time.monotonic() + _QUIET_MOST_MS / 1000
            while True:
                time.sleep(_QUIET_STEP_MS / 1000)
                self._ask("turns", [first], [], wait_ms)
                if asking.answered(self.done[-1]["asks"][0]):
                    break
                if time.monotonic() > deadline:
                    return
            self._ask("turns", [second], [], wait_ms)
            if not asking.answered(self.done[-1]["asks"][0]):
                self._ask("same-again", [first], [], wait_ms)

    def _border(self):
        low, high = rom_ports(self.flat, 1)[0], self._high(1)[0]
        quick_ms = self._answer_ms() or 0
        asker = sweep.Asker(
            self.target, [], min(max(round(3 * quick_ms) + 100, 200), 1000), rate=20
        )
        begun = self._begin("border")
        ended = None
        fan = sweep.FAN if self.target.run.elsewhere else 1
        try:
            begun["border"] = sweep.border(asker, low, high, fan)
        except Stopped as stopped:
            ended = stopped.ended
        for one in asker.jobs:
            self.events.extend(one.everything)
        begun["asks"] = asker.asks
        begun["events"] = [event for one in asker.jobs for event in one.events]
        self._end(begun, words.of_border(begun.get("border")))
        if ended:
            raise Stopped(ended)

    # ---- one job each

    def _ask(self, name, ports, options, wait_ms, **more):
        begun = self._begin(name)
        asked = self.target.ask(ports, options, wait_ms, **more)
        if any(asking.free_again(ask) for ask in asked.asks) and ports[0] in asking.HIGH:
            asked = self.target.ask(self._high(len(ports)), options, wait_ms, **more)
        if not asked.ended and self._late(asked.asks):
            # The packet came from the TID of an earlier transfer with this client port: a server
            # that did not hear its end repeats it. It has had our ERROR now.
            self.events.extend(asked.everything)
            asked = self.target.ask(ports, options, wait_ms, **more)
        begun["asks"] = asked.asks
        self._take(begun, asked, words.of_asks(asked.asks))

    def _late(self, asks):
        # Whether an answer may be a late packet of an earlier transfer's.
        before = {
            (ask["port"], ask["server_port"])
            for experiment in self.done
            for ask in experiment["asks"]
            if asking.answered(ask)
        }
        return any(
            ask["server_port"] != self.target.port and (ask["port"], ask["server_port"]) in before
            for ask in asks
            if asking.answered(ask)
        )

    def _fetch(self, name, rom, max_time_ms, max_bytes=None, asked_for=None):
        begun = self._begin(name, asked_for, "fetch")
        before = self._reassembled()
        asked = self.target.fetch(rom, max_time_ms, max_bytes)
        after = self._reassembled()
        begun["reassembled"] = None if None in (before, after) else after - before
        result = asked.result
        begun["asks"] = asked.asks
        begun["result"] = result
        begun["blocks"] = observe.blocks(asked.packets, self.target.server)
        ended = result["ended"]
        if ended and ended["by"] == "bench":
            after_s = ended["after_ms"] / 1000
            begun["cut"] = (
                f"Ended by the bench after {after_s:.1f} s. {ended['next'] or ''}".strip()
            )
            asked.ended = None
        self._take(begun, asked, words.of_fetch(begun))

    def _begin(self, name, asked_for=None, kind="ask"):
        title, question = asked_for or QUESTIONS[name]
        begun = {
            "id": name,
            "title": title,
            "question": question,
            "kind": kind,
            "at_ms": self._now_ms(),
            "elapsed_ms": 0,
            "said": "",
            "cut": None,
            "asks": [],
            "result": None,
            "events": [],
        }
        self.say(begun, "begin")
        return begun

    def _take(self, begun, asked, said):
        self.events.extend(asked.everything)
        begun["events"] = asked.events
        self._end(begun, said)
        if asked.ended:
            raise Stopped(asked.ended)

    def _end(self, begun, said):
        begun["elapsed_ms"] = self._now_ms() - begun["at_ms"]
        begun["said"] = said
        self.done.append(begun)
        self.say(begun, "end")

    def _skip(self, names, because):
        for name in names:
            self.skipped.append({"id": name, "title": QUESTIONS[name][0], "because": because})

    # ---- what the experiments need

    def _seen(self):
        return observe.observe(self.done, self.flat, self.rom, self.target.server)

    def _reassembled(self):
        # Datagrams that this machine has reassembled; None: another machine receives, or it has no
        # such counter.
        return None if self.target.run.elsewhere else _reassembled()

    def _now_ms(self):
        return round((time.monotonic() - self._began) * 1000)

    def _answer_ms(self):
        times = [a["ms"] for e in self.done for a in e["asks"] if asking.answered(a) and a["ms"]]
        return max(times, default=None)

    def _wait_ms(self):
        slowest = self._answer_ms()
        return (
            _LEAST_MS * 2
            if slowest is None
            else round(min(max(2.5 * slowest + 300, _LEAST_MS), _MOST_MS))
        )

    def _high(self, count):
        while True:
            first = random.choice(asking.HIGH[:-count])
            wanted = set(range(first, first + count))
            if not wanted & self._used:
                self._used |= wanted
                return sorted(wanted)

    def _is_low(self):
        return rom_ports(self.flat, 1)[0] < 32768

    def _moved(self):
        rom = copy.deepcopy(self.rom)
        first = self._high(40)[0]
        spec = rom["udp"]["source_port"]
        spec.update({"first": first, "last": first + 39, "wrap": first, "step": 1})
        spec["policy"] = "counter"
        spec.pop("first_max", None)  # it has one first port
        return rom

    def _client(self, options, wait_ms, tries):
        # A client that follows the RFCs, from one high port.
        waits = {"waits_ms": [max(wait_ms, self._wait_ms())] * tries}
        port = self._high(1)[0]
        return {
            "id": "diagnose",
            "name": "diagnose",
            "about": "",
            "udp": {"source_port": {"policy": "fixed", "first": port, "per": "boot"}},
            "tftp": {
                "requests": [{"purpose": "data", "options": options}],
                "retry": {"open": waits, "read": waits},
                "on": {"give_up": {"error": 0, "message": "TFTP Aborted"}},
            },
            "screen": {"banner": []},
        }
