"""The outcome of one experiment of `diagnose` as a sentence."""

from pxebench import icmp, job
from pxebench.sweep import asking, port_names


def of_asks(found):
    """The outcome of asks as a sentence."""
    parts = []
    heard = [ask for ask in found if asking.answered(ask)]
    if heard:
        kinds = ", ".join(sorted({_kind_words(ask) for ask in heard}))
        took = max(ask["ms"] or 0 for ask in heard)
        within = f"within {took:g} ms" if took >= 1 else "within 1 ms"
        parts.append(f"{_ports(heard)}: {kinds} {within}")
    for answer, words in (
        ("silent", "silence"),
        ("busy", "not usable at this end"),
    ):
        these = [ask for ask in found if ask["answer"] == answer]
        if these:
            parts.append(f"{_ports(these)}: {words}")
    refused = [ask for ask in found if ask["answer"] == "unreachable"]
    if refused:
        rows = icmp.total([row for ask in refused for row in ask["icmp"]])
        said = ", ".join(icmp.words({**row, "count": 1}) for row in rows) or "ICMP unreachable"
        parts.append(f"{_ports(refused)}: {said}")
    for ask in found:
        if ask["answer"] == "foreign":
            parts.append(f"port {ask['port']}: an answer from {ask['from']}")
    return "; ".join(parts)


def _ports(these):
    ports = list(dict.fromkeys(ask["port"] for ask in these))
    return f"port{'s' if len(ports) > 1 else ''} {port_names.words(ports)}"


def _kind_words(ask):
    if ask["answer"] == "error":
        return f'ERROR {ask["error"]["code"]} "{job.show(ask["error"]["message"])}"'
    return {"oack": "OACK", "data": "DATA"}.get(ask["answer"], "an odd packet")


def of_fetch(experiment):
    """The outcome of a fetch as a sentence."""
    result, blocks = experiment["result"], experiment["blocks"]
    if result["image"]:
        size = result["image"]["bytes"]
        last = result["transfers"][-1]
        return f"the whole file came, {size} bytes in {last['elapsed_ms']} ms, from {_row(result)}"
    if blocks["data"]:
        ended = _ended(result)
        lost = f", {blocks['repeats']} sent again" if blocks["repeats"] else ""
        took = f", {blocks['median_ms']:g} ms each (median)" if blocks["median_ms"] else ""
        plural = "" if blocks["data"] == 1 else "s"
        full = f"{blocks['data']} block{plural} of at most {blocks['longest']} bytes"
        return f"{full}{took}{lost}{ended}"
    if any(ask["answer"] == "oack" for ask in experiment["asks"][-1:]):
        if result["transfers"][-1]["outcome"] == "refused":
            return f"an OACK came, and this client refused it{_ended(result)}"
        return f"an OACK came, but no DATA after it{_ended(result)}"
    return of_asks(experiment["asks"]) + (_ended(result) or ", then it was ended")


def _ended(result):
    # The ROM's code and its reason: `; PXE-E99 (...)`.
    status = result["status"] or {}
    if not status.get("code") or status.get("reason") == "too_long":
        return ""  # too long: expected, the bench takes a few blocks only
    detail = status.get("detail")
    return f"; {status['code']}" + (f" ({job.show(detail).rstrip('.')})" if detail else "")


def _row(result):
    ports = job.source_ports(result)
    return f"port{'s' if len(ports) > 1 else ''} {port_names.words(ports)}"


def of_border(found):
    """Where a border is, as a sentence."""
    if not found:
        return "none found: both ends have the same outcome"
    more = "" if found["monotone"] else ", and it is not the only one"
    return (
        f"{found['low']} {found['low_answer']}, {found['high']} {found['high_answer']}, "
        f"after {found['probes']} RRQs{more}"
    )
