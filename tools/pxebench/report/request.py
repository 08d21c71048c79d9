"""Three sentences for the firewall team: who and since when, what is seen, what to let through.

They are on the page above the rule, and can be forwarded alone. Where only the server has to be
changed, there are none.
"""

_ASKED = {
    "client-port-filter": "Please let UDP from {server} (any port) to {client}, ports {ports}, "
    "through, or let the firewall read TFTP (helper, inspection, ALG) between the two.",
    "no-tftp-helper": "Please let the firewall read TFTP (helper, inspection, ALG) on requests "
    "from {client} to {server}, UDP port {port}; answers come from a new port of the server's "
    "to {client}, ports {ports}.",
    "request-blocked": "Please let UDP from {client}, ports {ports}, to {server}, port {port}, "
    "through, and the answers from any port of the server's back.",
    "rate-limit": "Please let UDP from {client}, ports {ports}, to {server}, port {port}, "
    "through without a limit.",
    "one-expectation": "Please let UDP from {server} (any port) to {client}, ports {ports}, "
    "through, without a limit of flows.",
}
_ASKED["nat-port"] = _ASKED["no-tftp-helper"]
_ASKED["rejected"] = _ASKED["request-blocked"]


def request(verdict, rom, server, port, client, seen=None):
    """The values of the three sentences, or None where no firewall is concerned.

    `rom`: its ROM in words; `seen`: when it was seen, ISO 8601 UTC, or None."""
    ports = (verdict.get("rules") or {}).get("client_ports")
    if verdict["cause"] not in _ASKED or not ports:
        return None
    first, last = ports
    return {
        "cause": verdict["cause"],
        "text": verdict["text"],
        "rom": rom,
        "server": server,
        "port": port,
        "client": client or "the clients",
        "ports": f"{first}-{last}" if last > first else f"{first}",
        "seen": seen,
    }


def sentences(asked, since=None):
    """The three sentences. `since`: when it began to fail, where a history knows."""
    if since:
        time = f", since {since}"
    else:
        time = f" (seen at {asked['seen']})" if asked["seen"] else ""
    return " ".join(
        (
            f"{asked['client']} cannot load its boot file from the TFTP server {asked['server']}"
            f"{time}; its boot ROM: {asked['rom']}.",
            asked["text"],
            _ASKED[asked["cause"]].format_map(asked),
        )
    )
