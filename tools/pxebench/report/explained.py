"""The section of `explain`: who boots, how far, why, what to ask for.

One client is shown in full, the first that did not boot; where there are several, after a table.
"""

from pxebench.report.experiments import rules_of
from pxebench.report.parts import blank, facts, finish, table
from pxebench.report.request import request

_PLACES = {"client": "at the client", "server": "at the server", "between": "on the way"}
_MARKS = {"ok": "good", "failed": "bad"}  # "unknown" is neither
_MOST_STEPS = 80


def explain(result, captures):
    """The section of a result of `explain`."""
    clients = result["clients"]
    failed = [client for client in clients if client["boot"]["outcome"] != "ok"]
    client = (failed or clients or [None])[0]
    section = blank("explain", _level(result), _headline(result, client))
    for source in result["sources"]:
        where = _PLACES.get(source["where"], "place not told")
        section["facts"] += facts((source["name"], f"{source['kind']}, {where}"))
    if len(clients) > 1:
        rows = [
            [one["ip"] or one["mac"], _who(one), one["boot"]["outcome"], one["verdict"]["cause"]]
            for one in clients
        ]
        marks = [_MARKS.get(one["boot"]["outcome"]) for one in clients]
        section["tables"].append(
            table("The clients", ["client", "who", "boot", "why"], rows, marks=marks, proof=True)
        )
    if client is not None:
        _client(section, client)
    for code in result["codes"]:
        title = f"{code['code']}: {code['maker']}" if code["maker"] else code["code"]
        items = [text for text in (code["text"], code["when"], code["first"]) if text]
        section["lists"].append({"title": title, "items": items})
    if result["notes"]:
        section["lists"].append({"title": "Besides", "items": list(result["notes"])})
    return finish(section, result)


def _level(result):
    return {"ok": "good", "failed": "bad"}.get(result["outcome"], "odd")


def _headline(result, client):
    if client is None:
        if not result["codes"]:
            return "Nothing of a boot is in this."
        code = result["codes"][0]
        return f"{code['code']}: {code['text']}"
    verdict = client["verdict"]
    return f"{verdict['cause']}: {verdict['text']}" if verdict["cause"] else verdict["text"]


def _best(client):
    rows = client["candidates"]
    return [one for one in rows if one["score"] == rows[0]["score"]] if rows else []


def _who(client):
    if not client["known"]:
        return "none of the known" + (
            f", nearest {client['nearest']}" if client["nearest"] else ""
        )
    return ", ".join(one["rom"] for one in _best(client))


def _client(section, client):
    verdict, boot = client["verdict"], client["boot"]
    section["facts"] += facts(
        ("client", client["ip"] or client["mac"]),
        ("MAC", client["mac"]),
        ("who", _who(client)),
        ("proved", "yes" if verdict["proved"] else "no, consistent with what was seen"),
        ("also possible", ", ".join(verdict["also_possible"])),
    )
    top = _best(client)[:1]
    for title, items in (
        ("Why this client", top[0]["for"] if top else []),
        ("What differs", (top[0]["against"] if top else []) or client["differs"]),
        ("Seen", verdict["explains"]),
        ("Ruled out", [f"{one['cause']}: {one['because']}" for one in verdict["ruled_out"]]),
        ("Not in this", verdict["unknown"]),
    ):
        if items:
            section["lists"].append({"title": title, "items": list(items)})
    section["rules"] = rules_of(verdict)
    server = (verdict.get("rules") or {}).get("server")
    if server:
        section["request"] = request(verdict, _who(client), server, 69, client["ip"])
    rows = [
        [f"{step['at_ms'] / 1000:.3f} s" if step["at_ms"] is not None else "", step["text"]]
        for step in boot["steps"][:_MOST_STEPS]
    ]
    if rows:
        section["tables"].append(table("How far it came", ["when", "what"], rows, proof=True))
