"""A section of the report's page for each kind of result; here the one of a boot.

Each function takes a result (and captures of other hops) and returns a section (`parts`). The
shapes are those of `job`; the other kinds are in `experiments`, `tables`, `storm` and `explained`.
A result that breaks its shape raises, and `document` reports it.
"""

from pxebench import view
from pxebench.hops.path import tcpdump
from pxebench.record import stamp
from pxebench.report import curve, experiments, explained, storm, tables
from pxebench.report.parts import (
    add_way,
    blank,
    facts,
    finish,
    merged_of,
    options_words,
    strip_of_transfers,
    table,
    took,
)
from pxebench.watch import memory


def kind_of(found):
    """The name of a result's kind, or None."""
    if isinstance(found, list):
        return "watch" if any(map(memory.is_entry, found)) else None
    kind = found.get("kind")
    if isinstance(kind, str) and kind in KINDS:
        return kind
    # Results of 0.1 have no kind.
    if "transfers" in found and "outcome" in found:
        return "boot" if "offers" in found else "fetch"
    if "differences" in found and "equal" in found:
        return "compare"
    return None


# ---- one boot


def _boot(result, captures):
    section = _fetch(result, captures)
    section["kind"] = "boot"
    lease, boot = result.get("lease"), result.get("boot")
    if lease:
        rows = [(name, _plain(lease.get(key))) for name, key in _LEASE if lease.get(key)]
        section["tables"].insert(0, table("The lease", ["", ""], rows))
    if boot and not any(name == "boot" for name, _ in section["facts"]):
        words = facts(
            ("Boot server", f"{boot['server']} (from {boot['server_by']})"),
            ("Boot file", f"{boot['file']} (from {boot['file_by']})"),
            ("Told by", boot.get("packet")),
        )
        section["facts"] += words
    offers = result.get("offers") or []
    if offers:
        head = ["when", "what", "server", "address", "next server", "file", "chosen", "why"]
        rows = [
            [
                f"{offer['at_ms'] / 1000:.3f} s",
                offer["kind"],
                offer["server"],
                offer.get("ip"),
                offer.get("next_server"),
                offer.get("file"),
                bool(offer.get("chosen")),
                offer.get("reason"),
            ]
            for offer in offers
        ]
        marks = ["good" if offer.get("chosen") else None for offer in offers]
        section["tables"].insert(1 if lease else 0, table("Offers", head, rows, marks=marks))
    menu = result.get("menu")
    if menu:
        chosen = menu.get("chosen") or {}
        rows = [
            [item["type"], item["text"], item["text"] == chosen.get("text")]
            for item in menu["items"]
        ]
        section["tables"].append(table("The boot menu", ["type", "text", "chosen"], rows))
    dhcp = result.get("dhcp") or []
    if dhcp:
        rows = [
            [f"{one['at_ms'] / 1000:.3f} s", one["message"], one.get("to"), one.get("attempt")]
            for one in dhcp
        ]
        head = ["when", "message", "to", "attempt"]
        section["tables"].append(table("What the ROM sent to DHCP", head, rows))
    section["lists"] += (
        [{"title": "Warnings", "items": list(result["warnings"])}]
        if result.get("warnings")
        else []
    )
    return section


_LEASE = (
    ("Address", "ip"),
    ("Mask", "mask"),
    ("Gateway", "gateway"),
    ("DHCP server", "server"),
    ("By way of the relay", "relay"),
    ("Seconds", "seconds"),
    ("DNS", "dns"),
    ("How", "by"),
    ("Given back", "released"),
)


def _plain(value):
    return ", ".join(str(item) for item in value) if isinstance(value, list) else value


_ROWS = {"what": "what happened", "side": "whose side", "do": "what next", "seen": "also seen"}


def _fetch(result, captures):
    events = result.get("events") or []
    (_, came), *rows = view.closing(result)
    good = result["outcome"] == "ok"
    section = blank("fetch", "good" if good else "bad", came)
    status = result.get("status")
    if result.get("ended") and status:  # the outcome says more than who ended it
        section["verdict"] = f"{status['code']}: {status['text']}"
        section["more"].append(came)
    section["facts"] = [(_ROWS.get(name, name), text) for name, text in rows]
    begun = next((event for event in events if event["event"] == "start"), {})
    asked = result["transfers"][0] if result["transfers"] else {}
    section["facts"][:0] = facts(
        ("when", _clock(begun.get("epoch_us"))),
        ("file", None if good else asked.get("file")),
        ("server", None if good or not asked else _server(asked)),
        ("client", begun.get("ip")),
        ("as the ROM", str(result.get("rom"))),
    )
    merged = merged_of(events, captures, result.get("path"))
    if merged:
        add_way(section, merged, good, "The packets", events)
        pace = curve.pace(merged)
        if pace:
            section["pace"] = (
                f"From block to block: {pace['median_ms']:.2f} ms (median of {pace['of']}), "
                f"{pace['longest_ms']:.2f} ms at the longest (block {pace['block']})."
            )
        silent = not good and status and status["code"] == "PXE-E32"
        if silent and merged["client"] and not merged["hops"]:
            section["rules"] = _deciding(merged["client"])
    section["curve"] = curve.curve(events)
    transfers = result["transfers"]
    section["strip"] = strip_of_transfers(transfers)
    if transfers:
        section["tables"].append(_transfers(transfers))
    return finish(section, result, events)


def _clock(epoch_us):
    if not epoch_us:
        return None
    return stamp(epoch_us // 1000000)


def _server(transfer):
    return f"{transfer['server']}, UDP port {transfer['server_port']}"


def _deciding(client):
    # Requests without an answer: a capture at the other end decides.
    return {
        "least": None,
        "advice": None,
        "ask": False,
        "summary": None,
        "notes": [],
        "items": [],
        "others": [],
        "decide": {
            "text": "A capture at the server during such a boot tells whether the requests arrive "
            "there and the answers are dropped; `pxebench report --server-pcap` lays it beside "
            "this one.",
            "command": [tcpdump(client)],
        },
    }


def _transfers(transfers):
    head = [
        "purpose",
        "from ports",
        "asked",
        "granted",
        "outcome",
        "blocks",
        "bytes",
        "resent",
        "duplicates",
        "other senders",
        "time",
    ]
    rows = []
    for one in transfers:
        error = one.get("error")
        words = one["outcome"] + (f": ERROR {error['code']} {error['message']}" if error else "")
        rows.append(
            [
                one["purpose"],
                ", ".join(str(request["source_port"]) for request in one["requests"]),
                options_words(one["requests"][0]["options"]) if one["requests"] else "-",
                options_words(one["oack"]) if one["oack"] is not None else "no OACK",
                words,
                one["blocks"],
                one["bytes"],
                one["retransmits"],
                one["duplicates"],
                one["foreign"],
                took(one["elapsed_ms"]),
            ]
        )
    return table("Requests and transfers", head, rows)


KINDS = {
    "fetch": _fetch,
    "boot": _boot,
    "sweep": experiments.sweep,
    "diagnose": experiments.diagnose,
    "explain": explained.explain,
    "compare": tables.compare,
    "compat": tables.compat,
    "watch": tables.watch,
    "storm": storm.storm,
    "fleet": storm.storm,
}
