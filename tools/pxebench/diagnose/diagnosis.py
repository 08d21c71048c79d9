"""`pxebench diagnose`: run the plan, observe, find the cause, and the rule to ask for.

The parts: `experiments` (the plan), `observe` (facts), `anomalies`, `causes` (the table that
decides), `rules` (for firewall and server). Here they become one result:

    {"schema": 1, "kind": "diagnose", "outcome": "ok" when healthy, "rom", "rom_name", "server",
     "server_port", "file", "client", "endpoint", "started", "elapsed_ms", "experiments": [{"id",
     "title", "question", "kind": "fetch|ask", "at_ms", "elapsed_ms", "said", "cut", "asks",
     "result", "events"}], "skipped", "strip", "observations", "anomalies", "verdict", "ended"}

The verdict: {"cause": an id or null, "text", "explains": [...], "also_possible": [ids],
"also_text": {id: why}, "ruled_out": [{"cause", "because"}], "unknown": [...], "facts": [{"id",
"text"}], "decide": {"text", "command"} or null, "rules": of `rules.advise`}.
"""

import time

from pxebench import icmp, images, pace
from pxebench.diagnose import anomalies, causes, experiments, observe, rules
from pxebench.job import bare, flat, show
from pxebench.record import headed
from pxebench.sweep import asking, port_names
from pxebench.sweep.rom_ports import how_it_counts, ports_of_boot

_SILENT_CAUSES = ("request-blocked", "no-tftp-helper", "nat-port", "client-port-filter")
# Ports so close together that an operating system would hardly choose them.
_NARROW, _ENOUGH = 1024, 6
_TWICE = 3  # duplicate DATA: more than a server's retransmission timeout explains


def diagnose(target, rom, max_time_ms=experiments.ROM_MAX_MS, quick=False, say=None):
    """Run the plan against `target` (an `asks.Target`) as `rom`; (result, all events)."""
    began = time.time()
    flattened = flat(rom)
    plan = experiments.Examination(target, rom, flattened, max_time_ms, quick, say)
    plan.run()
    seen = observe.observe(plan.done, flattened, bare(rom), target.server)
    every = [ask for done in plan.done for ask in done["asks"] if done["id"] != "alive"]
    result = {
        "outcome": "failed",
        "rom": flattened["id"],
        "rom_name": bare(rom).get("name"),
        "server_port": target.port,
        "file": target.file,
        "client": target.client,
        "endpoint": target.endpoint,
        "elapsed_ms": round((time.time() - began) * 1000),
        "experiments": plan.done,
        "skipped": plan.skipped,
        "strip": asking.strip(every),
        "observations": seen,
        "rom_ports": list(ports_of_boot(flattened)),
        "rom_counts": how_it_counts(flattened),
        "ended": plan.ended,
    }
    return judge(headed("diagnose", result, target.server, began)), plan.events


def judge(result, on_path=None):
    """A copy of `result` with a new verdict. `on_path`: what a capture of the other end shows
    (`path.server_saw`): {"requests": RRQs seen there, "answers": datagrams sent back,
    "client_ports": as they arrived}, or None."""
    seen = result["observations"]
    for name in ("sizes", "pieces"):  # JSON has texts
        seen[name] = {int(size): passed for size, passed in seen.get(name, {}).items()}
    on_path = _with_nat(result, on_path)
    found = anomalies.among(seen, show)
    cause, also, against = causes.sort_out(seen, found, on_path)
    if result["ended"]:
        cause, also = (None, [cause, *also] if cause and cause != "healthy" else [])
    values = {
        "server": result["server"],
        "port": result["server_port"],
        "file": show(result["file"]),
        "low": port_names.words(seen["low_silent"]) or "-",
        "foreign": ", ".join(seen["foreign"]) or "-",
        "icmp": icmp.sentence(seen.get("icmp"), result["server"], result["client"]) or "",
    }
    way = _way(cause, seen, on_path)
    marks = list(found.values())
    open_causes = [name for name, why in against.items() if causes.is_open(why)]
    facts = [*_facts(result, seen), *_of_image(seen, found)]
    beside = [fact["id"] for fact in facts]  # true as well, though not why the boot fails
    verdict = {
        "cause": cause,
        "text": "It was ended before it came to a verdict."
        if result["ended"]
        else causes.text(cause, values, way or _errno_alone(cause, seen)),
        "explains": [*(marks or _healthy_marks(seen)), *_capture_marks(way, seen)],
        "also_possible": also,
        "also_text": {name: causes.also_text(name, values) for name in also},
        "ruled_out": [
            {"cause": name, "because": why}
            for name, why in against.items()
            if not causes.is_open(why) and name not in ("healthy", *beside)
        ],
        "unknown": list(_unknown(result, seen, found, cause, also, open_causes, way)),
        "facts": facts,
        "decide": _decide(result, cause, also, on_path),
        "way": way,
    }
    verdict["rules"] = rules.advise(cause, also, {**result, "verdict": verdict})
    outcome = "ok" if cause == "healthy" else "failed"
    return {**result, "outcome": outcome, "anomalies": found, "verdict": verdict}


def _with_nat(result, on_path):
    if on_path is None:
        return None
    asked = {ask["port"] for done in result["experiments"] for ask in done["asks"]}
    # The RRQ to a closed port proves that the capture is of this run; it is not judged itself.
    knocks = [a["port"] for d in result["experiments"] if d["id"] == "alive" for a in d["asks"]]
    arrived = [port for port in on_path["client_ports"] if port not in knocks]
    nat = not set(arrived) <= asked
    requests = max(0, len(arrived) - len(knocks)) if nat else len(arrived)
    return {**on_path, "requests": requests, "nat": nat and requests > 0}


def _way(cause, seen, on_path):
    """What a capture at the server shows of the ports that stay silent: "in" (the answers to them
    are dropped), "out" (their requests never arrive), "server" (they arrive, and nothing leaves);
    None: no capture, or no such cause."""
    if cause != "client-port-filter" or on_path is None:
        return None
    silent = set(seen["low_silent"])
    if not silent & set(on_path.get("asked_ports", on_path["client_ports"])):
        return "out"
    return "in" if silent & set(on_path.get("answered_ports", ())) else "server"


def _errno_alone(cause, seen):
    # "errno" where who sent the ICMP error is not known.
    sent = icmp.most(seen.get("icmp") or [])
    return "errno" if cause == "port-unreachable" and sent and sent["from"] is None else None


_CAPTURE_SHOWS = {
    "in": "The capture at the server shows the RRQs from ports {low} and answers to them.",
    "out": "The capture at the server shows no RRQ from ports {low}: they never arrive.",
    "server": "The capture at the server shows the RRQs from ports {low}, and no answer to them.",
}


def _capture_marks(way, seen):
    if way:
        yield _CAPTURE_SHOWS[way].format(low=port_names.words(seen["low_silent"]))


def _healthy_marks(seen):
    if not seen["requests"]:
        return ["No RRQ was waited for to its end."]
    return [
        f"{seen['answers']} of {seen['requests']} RRQs were answered, "
        f"{seen['answer_ms'] or 0:g} ms after they were sent (median)."
    ]


def _unknown(result, seen, found, cause, also, open_causes, way):
    if result["ended"]:
        if also:
            yield f"So far it may be {' or '.join(also)}; what was not run could tell."
    elif also:
        yield (
            f"{', '.join([cause, *also])} look the same from this end; what arrives at "
            "the server tells them apart."
        )
    if cause == "client-port-filter" and way is None:
        yield (
            "Which machine drops what (the answers, as is usual, or the requests already) cannot "
            "be seen from this end: a firewall on the way, on the server, or on this machine."
        )
    if cause == "client-port-filter" and way in ("in", "out"):
        yield "Which machine between the server and this one drops them; a capture on each tells."
    sender = (icmp.most(seen.get("icmp") or []) or {}).get("from")
    if cause == "port-unreachable" and sender == result["server"]:
        yield (
            "A firewall on that very host that rejects with ICMP port unreachable (iptables "
            "REJECT does) looks the same; `ss -uln` there tells."
        )
    elif cause in ("port-unreachable", "host-unreachable", "rejected") and sender is None:
        yield "Who sent the ICMP error cannot be seen here: this runtime tells its errno alone."
    if cause == "port-unreachable" and seen.get("silent"):
        yield (
            "Some RRQs stayed silent and others met the ICMP error: a port that opens and closes "
            "is a server that ends at once. xinetd closes it for some seconds then (cps), and its "
            "log says so."
        )
    if cause == "few-at-once":
        yield "A path that lets a client have so many flows at a time looks the same."
    if cause == "rate-limit":
        yield "Whether the server or a firewall on the path counts the RRQs."
    if cause == "slow-server":
        yield "A long or busy path looks the same as a slow server."
    if cause == "one-expectation" and not also:
        yield "Which machine on the path remembers the transfer; a capture on each tells."
    if "acks-lost" in found:
        yield "A filter that drops what goes to the server's high ports looks the same."
    if cause == "mtu":
        yield "Whether a small link or a filter for fragments is the reason cannot be seen here."
    own = [size for size, passed in seen["sizes"].items() if passed is None]
    if own and not seen["file_error"]:
        sizes = ", ".join(map(str, own))
        yield f"Blocks of {sizes} bytes could not be tried (a short file, or not granted)."
    if seen["lockstep"] and seen["lockstep"]["acked"] and cause != "loss":
        packets = seen["lockstep"]["acked"] * 2
        yield f"Loss of less than about 1 packet in {max(1, packets // 3)} would not have shown."
    named = [name for name in open_causes if name not in ("healthy",)]
    if named and cause not in (None, "healthy"):
        yield f"Not looked at, since nothing came that could tell: {', '.join(named)}."
    cut = [done for done in result["experiments"] if done["cut"] and done["id"] == "rom"]
    if cut and seen["rom_works"]:
        yield (
            "Whether the whole file comes was not seen: block after block came until the bench "
            "ended the ROM's boot (--max-time gives it longer)."
        )
    elif cut:
        yield f"The ROM's own boot was cut short. {cut[0]['cut']}"


def _facts(result, seen):
    seen_ports = seen["server_ports"]
    if seen_ports and seen_ports["least"] == seen_ports["most"] == result["server_port"]:
        yield {
            "id": "single-port-server",
            "text": (
                f"The server answers from port {result['server_port']} itself (single-port "
                "mode): a stateful firewall needs no TFTP helper for it."
            ),
        }
    elif seen_ports and seen_ports["count"] >= _ENOUGH:
        span = seen_ports["most"] - seen_ports["least"]
        if span < _NARROW:
            yield {
                "id": "port-range-server",
                "text": (
                    f"All {seen_ports['count']} answers came from {_span(seen_ports)}: the "
                    "server's ports are a fixed range, or counted up."
                ),
            }
    failing = [s for s, ok in seen["sizes"].items() if ok is False and s > seen["own_size"]]
    if failing:
        yield {
            "id": "large-datagrams",
            "text": (
                f"Blocks of {', '.join(map(str, failing))} bytes do not get through; this ROM "
                f"asks for {seen['own_size']} at most and does not mind."
            ),
        }
    if seen["options_ignored"] and seen["rom_works"]:
        yield {"id": "no-options", "text": "The server ignores options; blocks have 512 bytes."}
    if seen.get("padded_oack"):
        yield {
            "id": "padded-oack",
            "text": (
                "The server's OACK goes on with NULs behind its last option, which RFC 2347 does "
                "not have: some clients (switches) refuse it. Update the server."
            ),
        }
    block_ms = (seen["lockstep"] or {}).get("median_ms")
    slow = pace.of_path(seen.get("boot_blocks"), block_ms, seen["sizes"])
    if slow and seen["rom_works"]:
        yield {"id": "pace", "text": slow}
    twice = seen.get("duplicates") or {"again": 0}
    if twice["again"] >= _TWICE and not seen["lost"]:
        yield {
            "id": "duplicates",
            "text": (
                f"{twice['again']} DATA came more than once, of {twice['data']} blocks: the "
                "server, or the path, sends them twice. A few old ROMs ACK each of them, and then "
                "all that follows comes twice as well."
            ),
        }
    if seen.get("wrong_tsize"):
        told = seen["wrong_tsize"]
        yield {
            "id": "tsize",
            "text": (
                f"The server's tsize says {told['tsize']} bytes, and the file has "
                f"{told['bytes']}: a ROM that makes room by it (EDK2) fails."
            ),
        }
    if seen.get("icmp") and seen["answers"]:
        said = "; ".join(
            icmp.words(row, result["server"], result["client"]) for row in seen["icmp"]
        )
        yield {"id": "icmp", "text": f"Some packets met an ICMP error: {said}."}
    if result["client"] and result["client"] == result["server"]:
        yield {
            "id": "same-machine",
            "text": "The server is this very machine: no firewall on the path was passed.",
        }
    if seen.get("unasked") and seen["rom_works"]:
        name = show(seen["unasked"]["name"])
        yield {
            "id": "unasked-option",
            "text": f"The server grants {name}, which was not asked for; this ROM does not mind.",
        }
    if seen["rom_moved_works"]:
        yield {
            "id": "rom-moved-boots",
            "text": "The same ROM with the same requests gets the file from high ports.",
        }
    border = seen["border"]
    if border:
        yield {
            "id": "border",
            "text": (
                f"Client port {border['low']} stays without an answer, {border['high']} gets one"
                + ("." if border["monotone"] else "; that is not the only border.")
            ),
        }


def _of_image(seen, found):
    # A separate fault, beside the one that stops the boot.
    if seen.get("image_wrong") and "wrong-image" not in found:
        yield {
            "id": "wrong-image",
            "text": (
                f"The file is {images.words({'kind': seen['image']})}, which this ROM does not "
                "start, however it comes."
            ),
        }


def _span(seen_ports):
    if seen_ports["least"] == seen_ports["most"]:
        return f"port {seen_ports['least']}"
    return f"ports {seen_ports['least']} to {seen_ports['most']}"


def _decide(result, cause, also, on_path):
    if on_path or cause in (None, "healthy"):
        return None
    if not (also or cause in _SILENT_CAUSES):
        return None
    from pxebench.hops.path import tcpdump

    which = (
        "on which side of it the answers are dropped"
        if cause == "client-port-filter"
        else ("whether the RRQs arrive and whether answers leave")
    )
    return {
        "text": (
            f"A capture at the server (or the firewall) while this runs shows {which}. "
            "Afterwards: pxebench diagnose --again RESULT.json --server-pcap server.pcap"
        ),
        "command": tcpdump(result["client"] or "CLIENT"),
    }
