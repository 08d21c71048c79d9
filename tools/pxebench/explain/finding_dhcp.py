"""A boot that stops before its first request for a file: what DHCP shows of it."""

from pxebench.explain.finding import Finding


def _bare(program):
    # Answers as tcpdump prints them without -v: neither their kind nor a file is told.
    told = [m for b in program.boots for _, m in b.dhcp if m.reply]
    text = program.view is not None and program.view.source.file is None
    return text and bool(told) and all(m.kind == "BOOTP" and not m.file for m in told)


def address(program, evidence, boot):
    """The `Finding` of a boot that sent no request for a file."""
    reached = boot["reached"]
    kinds = {mark.get("kind") for mark in program.machine.marks if mark.get("kind")}
    if "PXE" in kinds and not program.boots and not kinds & {"ACK", "OFFER", "NAK"}:
        return Finding(
            ask="dhcp",
            text=(
                "A proxyDHCP answers this client; it has no address to give. Whether another DHCP"
                " server gave one, and what the client asked for then, is not in this."
            ),
        ).saw("The log has proxyDHCP answers to it, and no request for a file.")
    asked = [p for b in program.boots for p, m in b.dhcp if not m.reply and p.dport == 4011]
    told = [p for b in program.boots for p, m in b.dhcp if m.reply and p.sport == 4011]
    if asked and not told:
        text = (
            "The client asks a proxyDHCP or boot server on UDP port 4011 and nobody answers there"
            " (PXE-E55): let UDP 4011 through, start the service, or take option 60 (PXEClient)"
            " out of an offer where none runs."
        )
        return Finding(None, False, text=text, ask="dhcp").saw(
            f"{len(asked)} request{'s' * (len(asked) > 1)} to {asked[0].dst}, port 4011, and no"
            " reply."
        )
    if reached == "dhcp":
        text = (
            "No DHCP server answers in this: the DISCOVERs do not reach one, it has no address for"
            " this client, or its answers do not come back."
        )
        sent = sum(1 for b in program.boots for _, m in b.dhcp if m.kind == "DISCOVER")
        return Finding(None, False, text=text, ask="dhcp").saw(
            f"{sent or 'Some'} DISCOVER{'s' * (sent != 1)} and no OFFER."
        )
    if reached == "offer":
        named = any(m.file or m.option(67) for b in program.boots for _, m in b.dhcp if m.reply)
        nak = any(m.kind == "NAK" for b in program.boots for _, m in b.dhcp)
        asked = any(m.kind == "REQUEST" for b in program.boots for _, m in b.dhcp)
        if nak:
            text = (
                "The DHCP server refuses the address that it offered (NAK): two servers, or a"
                " lease of another network."
            )
        elif asked:
            text = "The client takes the offer, and no ACK comes back."
        elif named:
            text = (
                "Offers come, and the client takes none: an answer of port 4011 is missing, or the"
                " offers are not for it."
            )
        elif _bare(program):
            return Finding(
                ask="dhcp",
                text=(
                    "DHCP servers answer, and the client sends no request for a file. What they"
                    " offer is not in this: the lines are without their details, which `tcpdump"
                    " -v` prints and a capture has."
                ),
            ).saw("DHCP answers are there, and no request for a file.")
        elif not any(m.reply for b in program.boots for _, m in b.dhcp):
            text = (
                "The client was offered an address; what the offer names, and whether the client"
                " takes it, is not told here."
            )
        else:
            text = (
                "Offers come, and none names a boot file: this client passes such offers over"
                " (PXE-E53)."
            )
        proved = asked or nak or not named
        if not any(m.reply for b in program.boots for _, m in b.dhcp) and "NAK" not in kinds:
            proved, nak = False, False
        return Finding(None, proved, text=text, ask="dhcp").saw(
            "OFFERs are there, and no ACK." if not nak else "A DHCPNAK is there."
        )
    if reached == "lease":
        acks = [m for b in program.boots for _, m in b.dhcp if m.kind == "ACK"]
        last = acks[-1] if acks else None
        if (
            last is not None
            and last.siaddr == "0.0.0.0"
            and not last.option(66)
            and not last.sname
        ):
            text = (
                "The lease names no boot server: siaddr is 0.0.0.0, and there is no option 66. Set"
                " next-server."
            )
        elif last is not None and not last.file and not last.option(67):
            text = "The lease names no boot file, so nothing is asked for."
        elif last is not None and last.siaddr == "0.0.0.0":
            text = (
                "The lease has no siaddr: option 66 or the server's name alone, which many clients"
                " do not read (U-Boot, iPXE and EDK2 do not). Set next-server."
            )
        else:
            text = (
                "The client has its lease and sends no request: it finds no way to the boot server"
                " (ARP, gateway), or the evidence ends here."
            )
        return Finding(None, False, text=text, ask="dhcp").saw(
            "The lease is there (ACK), and no RRQ follows."
        )
    return Finding(text="Nothing of a boot has failed in what was given.")
