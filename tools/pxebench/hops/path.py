"""The path between ROM and server, packet by packet: our events beside captures of other hops.

A capture taken at the server or on a firewall (tcpdump) is matched with what the ROM sent and
received. So "the RRQ never arrived" and "the answer was dropped" can be told apart, hop by hop.
Left to others: captures (`packets`), payloads (`messages`), sentences (`path_words`), the verdict
(`diagnose`), the drawing (`ladder`).

1. A packet is identified by its addresses, ports and content, never by its time alone. A ROM uses
   the same ports at each boot, so of several matches the right one is the one with a single offset
   between the two clocks for all packets. An offset of more than two seconds counts only if the
   server's own port confirms it.
2. Packets towards the server bound the offset from above, those back from below; it is shown with
   its accuracy. With packets of one direction only, the delay is in it.
3. A translated address or port is recognised by the rest: same content, same server, same offset.
   Where our own address is in the capture, only ports are looked for.
4. That a packet is missing in a capture proves something only if the capture has others of this
   run.
5. Of a long transfer our side keeps the two ends (`record`): packets of the middle that only a
   capture has are not lost ones.
"""

from pxebench.captures import messages, packets
from pxebench.hops.match import WINDOW_US, Seen, Sent, key_of, words_of
from pxebench.hops.path_words import findings, proves

_MOST = 1500  # packets in the result
_EARLY_US = 20_000  # how much a clock may drift once its offset is known
_DHCP = (67, 68, 4011)
_MOST_OURS = 20000  # packets of our side that are looked for


def merge(events, captures, client=None, server=None, most=_MOST):
    """Match events (of one run or several, each from its `start`) with captures.

    `captures`: `packets.File`s, in order from the ROM to the server; `client`: our address where
    no `start` has one; `server`: whom was asked, else it is read from the events; `most`: packets
    in the result. Returns a dict
    fit for JSON: "client", "server", "hops", "packets", "findings"; see `job` for the shapes.
    """
    ours, client, thinned, ends = _ours(events, client)
    server = server or next((sent.peer for sent in ours if sent.out), None)
    rows = [[sent, []] for sent in ours]
    seen = [Seen(file, rows, client, server) for file in captures]
    detailed = {sent.run for sent in ours if sent.size is not None} - thinned
    journeys = [_journey(sent, places) for sent, places in rows]
    _add_unheard(journeys, seen, thinned)
    journeys.sort(key=lambda journey: journey["_at"])
    hops = [one.hop() for one in seen]
    merged = {"client": client, "server": server, "hops": hops, "packets": journeys}
    merged["findings"] = findings(merged, _listening(ours, ends), detailed)
    for journey in journeys:
        del journey["_at"], journey["_key"]
    if len(journeys) > most:  # the two ends of a long transfer
        merged["packets"] = journeys[: most - most // 3] + journeys[-(most // 3) :]
    return merged


def of_run(events, files, client=None, server=None, most=_MOST):
    """`merge` with the captures of these names; None when there are none. Raises `Refused`."""
    if not files:
        return None
    return merge(events, [packets.read(file) for file in files], client, server, most)


def server_saw(merged):
    """{"requests", "answers", "client_ports", "asked_ports", "answered_ports", "nat"} at the last
    capture, for a verdict: how many RRQs and answers; from which ports as they arrived; which of
    the client's own ports asked and were answered; whether ports were translated. None when that
    capture proves nothing, or was not taken at the server."""
    last = merged["hops"][-1] if merged and merged["hops"] else None
    if last is None or last["at_server"] is False or not proves(last):
        return None
    there = [packet for packet in merged["packets"] if packet["hops"][-1] is not None]
    asked = [packet for packet in there if packet["op"] == "RRQ"]
    seen_as = {nat["client"].rpartition(":")[2]: nat["seen_as"] for nat in last["nat"]}
    ports = []
    for packet in asked:
        port = str(packet["client_port"])
        ports.append(int(seen_as.get(port, port).rpartition(":")[2]))
    return {
        "requests": len(asked),
        "answers": sum(packet["dir"] == "in" for packet in there),
        "client_ports": ports,
        "asked_ports": sorted({packet["client_port"] for packet in asked}),
        "answered_ports": sorted({p["client_port"] for p in there if p["dir"] == "in"}),
        "nat": bool(last["nat"]),
    }


def tcpdump(client, file="server.pcap"):
    """The command for the admin of the server or firewall; it includes ICMP and fragments."""
    return f"tcpdump -ni any -s 0 -w {file} 'host {client} and (udp or icmp)'"


# ---- our side


def _ours(events, client):
    # (the packets of our side by time, our address, the runs of which some are left out, when
    # each run ended)
    run, epoch_us, asked, answered = -1, 0, None, None
    whole, told, thinned, ends = [], [], set(), {}
    for event in events:
        kind = event["event"]
        if kind == "start":
            run += 1
            epoch_us, asked = event.get("epoch_us") or 0, None
            client = event.get("ip") or client
            continue
        if kind == "lease":  # a ROM that boots has its address from there
            client = event.get("ip") or client
        number = max(run, 0)
        if kind == "left_out" or len(whole) >= _MOST_OURS:
            thinned.add(number)
            continue
        us = epoch_us + (event["t_us"] if kind == "packet" else event.get("at_ms", 0) * 1000)
        if kind == "failed":
            ends[number] = us
        if kind == "packet" and event["local_port"] in _DHCP:
            continue
        if kind == "packet":
            payload = bytes.fromhex(event["data"][: len(event["data"]) & ~1])
            key = key_of(messages.Tftp(payload, event["len"]))
            there = (event["local_port"], event["host"], event["port"])
            whole.append(Sent(us, event["dir"] == "out", key, *there, event["len"], number))
        elif kind == "request":
            asked, answered = event, None
            options = tuple((str(name), str(value)) for name, value in event["options"])
            there = (event["source_port"], event["server"], event["server_port"])
            key = ("RRQ", event["file"], options)
            told.append(Sent(us, True, key, *there, None, number))
        elif kind in ("oack", "error", "data") and asked:
            answered = event["server_tid"]
            there = (asked["source_port"], asked["server"], answered)
            told.append(Sent(us, False, _told_key(event), *there, None, number))
        elif kind == "aborted" and asked and event.get("error") and answered:
            there = (asked["source_port"], asked["server"], answered)
            told.append(Sent(us, True, _told_key(event), *there, None, number))
    detailed = {sent.run for sent in whole}
    ours = whole + [sent for sent in told if sent.run not in detailed]
    return sorted(ours, key=lambda sent: sent.us), client, thinned, ends


def _told_key(event):
    # The key of an answer that is known from its event only.
    if event["event"] == "oack":
        options = event["options"]
        pairs = options.items() if isinstance(options, dict) else options
        return ("OACK", tuple((str(name), str(value)) for name, value in pairs))
    if event["event"] in ("error", "aborted"):
        return ("ERROR", event["error"]["code"], event["error"]["message"][:80])
    return ("DATA", 1, event["blksize"])


def _listening(ours, ends):
    # Until when the ROM listened on each port: until its next request from another port, or until
    # it gave up. Without either the end is not known.
    until = {}
    for sent in ours:
        if sent.out and sent.key[0] == "RRQ":
            for flow in until:
                if flow[0] == sent.run and flow[1] != sent.port:
                    until[flow] = min(until[flow], sent.us)
            until[sent.run, sent.port] = ends.get(sent.run, float("inf"))
    return until


# ---- the path of each packet


def _journey(sent, places):
    return {
        "dir": "out" if sent.out else "in",
        "op": sent.key[0],
        "block": sent.key[1] if sent.key[0] in ("DATA", "ACK") else None,
        "client_port": sent.port,
        "server_port": sent.peer_port,
        "from": None if sent.out else sent.peer,
        "text": words_of(sent.key),
        "size": sent.size,
        "run": sent.run,
        "client_us": sent.us,
        "hops": places,
        "_at": sent.us,
        "_key": sent.key,
    }


def _add_unheard(journeys, seen, thinned):
    # Packets that the ROM's side does not have; one that is in two captures is one packet.
    begins = {}
    for journey in journeys:
        # A port may be used in several runs: a packet belongs to the latest run that had begun.
        flows = begins.setdefault(journey["client_port"], [])
        if not flows or flows[-1][1] != journey["run"]:
            flows.append((journey["client_us"], journey["run"]))
    heard = {(j["run"], j["client_port"]) for j in journeys if j["dir"] == "in"}
    made = {}
    for index, one in enumerate(seen):
        for us, out, record, port, far in one.unheard:
            runs = begins[port]
            run = next((n for began, n in reversed(runs) if began <= us + _EARLY_US), runs[0][1])
            if run in thinned and (run, port) in heard:
                continue
            alike = made.setdefault((record.key, port, far[1]), [])
            for journey in alike:
                if journey["hops"][index] is None and abs(journey["_at"] - us) <= WINDOW_US:
                    journey["hops"][index] = us
                    break
            else:
                sent = Sent(us, out, record.key, port, far[0], far[1], record.size, run)
                places = [us if number == index else None for number in range(len(seen))]
                alike.append({**_journey(sent, places), "client_us": None})
    journeys += [journey for alike in made.values() for journey in alike]
