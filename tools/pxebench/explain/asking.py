"""The next observation that would decide: one line to type, with the user's own addresses."""

from pxebench.explain.places import tcpdump

_LINES = {
    "server": (
        "Whether the requests arrive, and whether answers leave. On the server, while the client"
        " boots:"
    ),
    "client": (
        "Whether the client's own machine drops them. On the client, or on its switch's mirror"
        " port, while it boots:"
    ),
    "both": (
        "On which side of the way they are lost. On the server, and at the same time on the"
        " client's side (a mirror port of its switch, the firewall's inner interface), while it"
        " boots:"
    ),
    "high": "Whether answers to high ports pass. From a machine beside the client:",
    "words": (
        "The server's own words: its log (journalctl -u tftpd-hpa), or a capture with the packets"
        " whole:"
    ),
    "process": "Whether a server listens there, and on which address. On the server:",
    "screen": (
        'The client\'s own screen says why: `pxebench explain "WHAT IT SAYS"`; and on the server,'
        " while it boots:"
    ),
    "longer": "What comes after. On the server, until the client has given up:",
    "dhcp": "What DHCP says. In the client's network, while it boots:",
}
_NONE = ("healthy",)


def decide(program, evidence, found, result):
    """{"text", "command"}, or None where nothing is left to decide."""
    if found.ask is None or found.cause in _NONE:
        return None
    client, server = result["client"] or "CLIENT", result["server"]
    file = result["file"] or "FILE"
    command = tcpdump(client)
    if found.ask == "process":
        command = "ss -uanp 'sport = :69'"
    elif found.ask == "high":
        command = f"pxebench diagnose --server {server} --file {_safe(file)}"
    elif found.ask == "dhcp":
        mac = evidence.machine.mac
        more = f" and ether host {mac}" if mac else ""
        command = f"tcpdump -ni any -s 0 -w dhcp.pcap '(port 67 or port 68 or port 4011){more}'"
    elif found.ask == "client":
        command = tcpdump(client, "client")
    return {"text": _LINES[found.ask], "command": command}


def _safe(text):
    # A name from the network must be no shell syntax.
    plain = "".join(c for c in text if c.isascii() and (c.isalnum() or c in "./_-"))
    return plain if plain == text and text else "FILE"


def diagnose(result):
    """The `diagnose` command with the user's own addresses."""
    return (
        f"pxebench diagnose --server {result['server']} --file {_safe(result['file'] or 'FILE')}"
    )
