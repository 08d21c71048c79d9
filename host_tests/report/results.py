"""Results of every command, as `--json` has them, with whatever text a test wants in them."""

from pxebench.storm import limit, summary

from host_tests.report import wire

ENDPOINT = {"kind": "local", "runtime": "CPython 3.11.7 linux", "board": None, "mac": None}
# Each of these would be something else than text, if anything took it for more.
HOSTILE = (
    "<script>document.title='run'</script>",
    '"><img src=x onerror="document.title=\'run\'">',
    "' onmouseover='document.title=1",
    "</style></pre></code></svg><script>alert(1)</script>",
    "{{ 7*7 }}{% raw %}",
    "\u202egnp.exe\u2066\u200b",
    "\x1b[2J\x07\r\n\0",
    "javascript:alert(1)",
    "&lt;b&gt;&#x3c;",
    "\ud800",
    "שלום עולם",
)


def fetch(run, file="undionly.kpxe", outcome="failed", error=None, packets=True):
    """The result of a fetch with the events of `run` (a `wire.Run`)."""
    status = {
        "code": "PXE-E32", "text": "TFTP open timeout", "side": "path",
        "detail": "3 requests got no answer", "advice": "Ask the firewall's owners.",
    }  # fmt: skip
    good = outcome == "ok"
    requests = [
        {"source_port": port, "at_ms": t_us // 1000, "options": [["tsize", "0"]]}
        for t_us, way, port, peer, payload in run.ours
        if way == "out" and payload[1] == 1
    ]
    return {
        "schema": 1, "outcome": outcome, "status": None if good else status, "ended": None,
        "rom": "intel-undi", "endpoint": ENDPOINT, "lease": None,
        "transfers": [{
            "purpose": "data", "file": file, "server": wire.SERVER, "server_port": 69,
            "server_tid": 45140 if good else None, "requests": requests, "oack": None,
            "outcome": "ok" if good else "error" if error else "timeout",
            "error": {"code": 1, "message": error} if error else None, "blksize": 1456,
            "windowsize": 1, "blocks": 51, "bytes": 74213, "retransmits": 0, "duplicates": 0,
            "foreign": 0, "unreachable": 0, "elapsed_ms": 12,
        }],
        "image": {"kind": "ipxe-nbp", "bytes": 74213, "sha256": "f0" * 32} if good else None,
        "command": ["pxebench", "fetch", f"tftp://{wire.SERVER}/{file}"],
        "events": run.events(packets),
    }  # fmt: skip


def boot(text="pxelinux.0"):
    """The result of a boot by DHCP, with `text` wherever a DHCP server may write."""
    return {
        **fetch(wire.booted(), outcome="ok", file=text),
        "lease": {
            "by": "dhcp", "ip": wire.CLIENT, "mask": "255.255.255.0", "gateway": "10.55.32.1",
            "server": "10.55.32.2", "relay": None, "seconds": 3600, "dns": ["10.55.32.3"],
            "released": False,
        },
        "boot": {
            "server": wire.SERVER, "server_by": "siaddr", "file": text, "file_hex": None,
            "file_by": "file", "packet": "dhcp", "size_blocks": None,
        },
        "offers": [
            {"at_ms": 12, "kind": "OFFER", "purpose": "lease", "server": "10.55.32.2",
             "from": "10.55.32.2", "relay": None, "ip": wire.CLIENT, "class": "plain",
             "proxy": False, "next_server": wire.SERVER, "file": text, "chosen": True,
             "reason": text},
            {"at_ms": 14, "kind": "OFFER", "purpose": "lease", "server": "10.55.32.9",
             "from": "10.55.32.9", "relay": None, "ip": "10.55.32.99", "class": "plain",
             "proxy": False, "next_server": None, "file": None, "chosen": False,
             "reason": "a later one"},
        ],
        "dhcp": [{"event": "dhcp", "at_ms": 0, "message": "DISCOVER", "purpose": "lease",
                  "to": "255.255.255.255:67", "source_port": 68, "attempt": 1, "xid": "01020304",
                  "secs": 4}],
        "menu": {"prompt": text, "timeout_s": 10, "items": [{"type": 1, "text": text}],
                 "chosen": {"index": 0, "type": 1, "text": text}, "by": "timeout"},
        "warnings": [text],
    }  # fmt: skip


def _ask(port, answer, ms=None, **more):
    tid = 45140 if answer in ("oack", "data", "error") else None
    return {
        "port": port, "name": None, "options": [["tsize", "0"]], "at_ms": 0, "answer": answer,
        "ms": ms, "server_port": tid, "from": None, "error": None, "granted": None,
        "reason": None, "asked": 1, "answered": int(answer == "oack"), **more,
    }  # fmt: skip


def sweep(text="undionly.kpxe"):
    ports = [_ask(port, "silent") for port in (*range(1024, 1101), *range(2070, 2079))]
    ports += [_ask(port, "oack", 3) for port in (32769, *range(49152, 49161))]
    ports.append(_ask(50000, "busy", reason=text))
    return {
        "schema": 1, "kind": "sweep", "outcome": "failed", "server": wire.SERVER,
        "server_port": 69, "file": text, "client": wire.CLIENT, "endpoint": ENDPOINT,
        "started": "2026-11-23T23:40:00Z", "elapsed_ms": 21000,
        "settings": {"wait_ms": 1000, "rate": 10, "options": [], "bisect": False, "ports": text},
        "ports": ports,
        "runs": [{"first": 1024, "last": 1100, "answer": "silent"},
                 {"first": 49152, "last": 49160, "answer": "answered"}],
        "border": {"low": 32768, "high": 32769, "low_answer": "silent",
                   "high_answer": "answered", "monotone": True, "probes": 17},
        "server_ports": None, "ended": None,
        "summary": ["Ports up to 32768 get no answer, ports above do.", text],
        "events": wire.blocked().events(),
    }  # fmt: skip


def diagnose(text="undionly.kpxe", cause="client-port-filter"):
    run, high = (
        wire.blocked(),
        wire.Run(wire.EPOCH_US + 8_000_000).out(0, 50000, wire.rrq()).back(3, 50000, wire.oack()),
    )
    rule = f"nft add rule inet filter forward ip saddr {wire.SERVER} udp dport 2070-2078 accept"
    experiments = [
        {"id": "rom", "title": "The ROM's own sequence", "question": text, "kind": "fetch",
         "at_ms": 0, "elapsed_ms": 8000, "said": text, "cut": None, "asks": [], "result": None,
         "events": run.events()},
        {"id": "high", "title": "A high port", "question": "Does a high port get an answer?",
         "kind": "ask", "at_ms": 8000, "elapsed_ms": 3, "said": "Port 50000 got an OACK.",
         "border": {"low": 2072, "high": 50000, "low_answer": "silent",
                    "high_answer": "answered", "monotone": True, "probes": 17},
         "cut": None, "asks": [], "result": None, "events": high.events()},
    ]  # fmt: skip
    return {
        "schema": 1, "kind": "diagnose", "outcome": "ok" if cause == "healthy" else "failed",
        "rom": "intel-undi", "rom_name": "Intel UNDI", "server": wire.SERVER, "server_port": 69,
        "file": text, "client": wire.CLIENT, "endpoint": ENDPOINT,
        "started": "2026-11-23T23:40:00Z", "elapsed_ms": 31000, "experiments": experiments,
        "skipped": [{"id": "several", "title": "Several at once", "because": text}],
        "strip": [_ask(port, "silent") for port in range(2070, 2073)] + [_ask(50000, "oack", 3)],
        "observations": {},
        "verdict": {
            "cause": cause, "text": f"Answers to client ports 2070-2078 are dropped. {text}",
            "explains": ["2070, 2071 and 2072 got no answer, 50000 did.", text],
            "also_possible": ["loss"], "also_text": {"loss": text},
            "ruled_out": [{"cause": "request-blocked", "because": "Port 50000 was answered."}],
            "unknown": [text], "facts": [],
            "decide": {"text": text, "command": f"tcpdump -ni any 'host {wire.CLIENT}'"},
            "rules": {
                "least": "Let UDP from the server to client ports 2070-2078 through.",
                "client_ports": [2070, 2078], "server": wire.SERVER, "server_ports": None,
                "notes": ["2070-2073 is too narrow: the ROM counts on."],
                "items": [
                    {"id": "nft-ports", "where": "path", "product": "nftables", "cure": "ports",
                     "text": rule, "note": None, "best": True},
                    {"id": "asa-ports", "where": "path", "product": "Cisco ASA", "cure": "ports",
                     "text": "access-list x", "note": text, "best": True, "tried": False},
                    {"id": "tftpd", "where": "server", "product": "in.tftpd", "cure": "range",
                     "text": f"--port-range 50000:50100\n{text}", "note": text, "best": False},
                ],
            },
        },
        "ended": None,
    }  # fmt: skip


def _event(at_s, text, out=True):
    return {"at_s": at_s, "out": out, "text": text}


def compare(text="request 2"):
    side = {"file": text, "client": {"macs": [text], "ips": [wire.CLIENT]}, "transfers": 2,
            "packets": 112, "dhcp": 2}  # fmt: skip
    return {
        "schema": 1, "equal": False, "tolerance": {"percent": 5, "ms": 60}, "reference": side,
        "ours": side, "notes": [text],
        "sections": [{"title": text, "rows": [
            {"reference": _event(0, text), "ours": _event(0.1, text), "mark": "same"},
            {"left_out": 40, "mark": "same"},
            {"reference": _event(2, "RRQ from port 2071"), "ours": None, "mark": "missing"},
            {"reference": _event(3, "DATA 1", out=False), "ours": _event(3, "DATA 1", out=False),
             "mark": "server"},
        ]}],
        "differences": [{"kind": "port", "where": text, "reference": "from port 2071",
                         "ours": None, "text": text}],
    }  # fmt: skip


def compat(text="undionly.kpxe"):
    row = {"rom": "intel-undi", "name": "Intel", "form": "hard", "form_text": text,
           "verdict": "boots", "code": None, "why": text, "ports": [2070, 2071], "blksize": 1456,
           "windowsize": 4, "time_ms": 12}  # fmt: skip
    return {
        "schema": 1, "kind": "compat", "server": wire.SERVER, "port": 69, "file": text,
        "endpoint": "local", "boots": ["intel-undi"], "fails": ["edk2"], "not_run": [],
        "server_facts": [text],
        "rows": [row, {**row, "rom": "edk2", "verdict": "fails", "code": text, "time_ms": None}],
        "client": wire.CLIENT, "started": "2026-11-23T23:40:00Z",
    }  # fmt: skip


def watch(text="undionly.kpxe"):
    entries = []
    for number in range(24):
        failed = number in (9, 23)
        entries.append({
            "schema": 1, "kind": "watch", "when": f"2026-11-23T{number:02}:00:00Z",
            "server": wire.SERVER, "address": wire.SERVER, "port": 69, "file": text,
            "rom": "intel-undi", "endpoint": "local", "outcome": "failed" if failed else "ok",
            "code": "PXE-E32" if failed else None, "text": text if failed else None,
            "elapsed_ms": 31000 if failed else 12 + number, "bytes": 0 if failed else 74213,
            "sha256": None if failed else "f0" * 32, "ports": [2070, 2071], "oack": {},
            "retransmits": 0, "foreign": 0,
            "changes": [{"id": "failed", "text": f"It fails: {text}"}] if failed else [],
        })  # fmt: skip
    return entries


def storm(text):
    """Two machines that boot and one that is refused, with the words of the storm's own code."""

    def row(number, outcome, asks, ms):
        failed = outcome != "ok"
        return {
            "id": number, "rom": text, "address": f"10.0.0.{number}", "mac": None,
            "outcome": outcome, "code": "PXE-E3B" if failed else None, "text": text,
            "at_ms": number * 10, "first_ms": 5, "ms": ms, "requests": len(asks),
            "retransmits": len(asks) - 1, "bytes": 0 if failed else 1000, "sha256": None,
            "error": {"code": 1, "message": text} if failed else None, "served_ms": ms - 5,
            "asks": asks,
        }  # fmt: skip

    rows = [
        row(0, "ok", [[0, 5]], 900),
        row(1, "ok", [[10, None], [2010, 5]], 2900),
        row(2, "failed", [[20, 5]], 30),
    ]
    pc = {
        "cpu": 0.2, "lag_ms": 3.0, "memory_mb": 31, "wall_s": 2.9, "drops": 0, "curve_ms": 100,
        "curve": [0, 500, 1000, 500],
    }  # fmt: skip
    told = {"server": "10.0.0.1", "server_port": 69, "file": text, "interface": "eth0"}
    ramp = [{"count": 3, "booted": 2, "waited": 1, "median_ms": 900}]
    found = summary.document(rows, pc, limit.limit(rows, pc), **told, ramp=ramp, ended=None)
    return {**found, "command": ["pxebench", "storm", text]}


def fleet(text):
    """The same of boards: one boots, and one each is held, dead, lost, refused."""
    machines = storm(text)
    rows = []
    states = ("booted", "held", "dead", "lost", "failed")
    for number, (state, row) in enumerate(zip(states, [0, 0, 0, 1, 2], strict=True)):
        kept = dict(machines["roms"][row], id=number, place=f"board{number:02}", exporter=text)
        if state in ("held", "dead"):
            kept.update(at_ms=None, first_ms=None, ms=None, requests=0, asks=[])
        if state in ("held", "dead", "lost"):
            kept.update(outcome=state, code=None)
        rows.append({**kept, "state": state, "result": fetch(wire.booted(), text, "ok")})
    pc = {"cpu": 0.2, "memory_mb": 31, "wall_s": 2.9, "curve": [0, 500, 900], "curve_ms": 100}
    found = summary.document(
        rows, pc, limit.limit(rows, {"cpu": 0, "lag_ms": 0}), "fleet", server="10.0.0.1",
        server_port=69, file=text, run="alice-pxebench-4711", tags={"rack": text},
        started_within_ms=3, unreleased={"board03": text}, ended=None,
    )  # fmt: skip
    return {**found, "command": ["pxebench", "fleet", "fetch", text]}


def explain(text="netstat.txt"):
    """One client of a file of the user's, with the verdict of `diagnose`."""
    verdict = {**diagnose(text)["verdict"], "proved": False}
    candidate = {"rom": "intel-undi", "name": "Intel", "score": 1.0, "for": [text], "against": []}
    step = {"at_ms": 2030, "what": "request", "text": text, "port": 2071, "source": text,
            "line": 3}  # fmt: skip
    client = {
        "ip": wire.CLIENT, "mac": None, "program": 1, "of": 1, "seen": [text], "known": True,
        "nearest": None, "differs": [text], "candidates": [candidate], "verdict": verdict,
        "boot": {"reached": "request", "outcome": "failed", "boots": 1, "requests": 4,
                 "ports": [2070, 2071], "steps": [step], "left_out": 0},
        "programs": ["intel-undi"],
    }  # fmt: skip
    source = {"name": text, "kind": "sockets", "kinds": {"sockets": 4}, "where": "server",
              "because": text, "notes": [text]}  # fmt: skip
    code = {"code": "PXE-E32", "maker": text, "text": text, "when": text, "first": text}
    return {
        "schema": 1, "kind": "explain", "outcome": "failed", "sources": [source],
        "clients": [client, {**client, "ip": None, "mac": text}], "codes": [code],
        "notes": [text],
    }  # fmt: skip


def all_kinds(text="undionly.kpxe"):
    """{kind: result}, of every command, with `text` wherever the network may have written."""
    return {
        "fetch": fetch(wire.blocked(), text, error=text, packets=False),
        "traced": fetch(wire.booted(blocks=60), text, "ok"),
        "boot": boot(text),
        "sweep": sweep(text),
        "diagnose": diagnose(text),
        "explain": explain(text),
        "compare": compare(text),
        "compat": compat(text),
        "watch": watch(text),
        "storm": storm(text),
        "fleet": fleet(text),
    }
