"""Causes that something states: a firewall's log, a server's or a client's ERROR, ICMP."""

from pxebench.captures.messages import tftp
from pxebench.diagnose import causes
from pxebench.explain.finding import Finding, mine
from pxebench.explain.observation import REFUSED
from pxebench.sweep import port_names

_HIGH = 32768
_SOON_S = 1.0
_MISSING = ("not found", "no such file", "does not exist", "cannot find")
_DENIED = ("denied", "violation", "permission", "absolute", "forbidden", "not allowed")
_OPTIONS = ("option",)


def dropped(program, evidence):
    """A cause that a firewall's log states: a `Finding`, or None."""
    rows = evidence.dropped
    if rows["answer"]:
        drops = rows["answer"]
        ports = sorted({mark.dport for mark in drops})
        high = [port for port in ports if port >= _HIGH]
        passed = [one.port for one in evidence.heard if one.port > 0]
        found = Finding("client-port-filter", True)
        found.ports = ports
        verb = "rejected" if any(mark.get("rejected") for mark in drops) else "dropped"
        found.saw(
            f"A firewall {verb} {len(drops)} packet{'s' * (len(drops) > 1)} of {drops[0].src} to"
            f" {drops[0].dst}, ports {port_names.words(ports)} ({drops[0].source}, line"
            f" {drops[0].line})."
        )
        if passed:
            found.saw(
                f"Answers to port{'s' * (len(passed) > 1)} {port_names.words(passed)} arrive."
            )
        if high and not passed:
            found.cause = "no-tftp-helper"
        elif not passed:
            found.also = ["no-tftp-helper"]
            found.text = (
                "A firewall drops the server's answers to the client ports"
                f" {port_names.words(ports)}."
            )
            found.unknown.append(
                "Whether answers to high ports pass that firewall is not in this."
            )
            found.ask = "high"
        return found
    if rows["request"]:
        mark = rows["request"][0]
        text = "A firewall drops the requests to the server's UDP port 69."
        found = Finding("request-blocked", True, text=text)
        return found.saw(
            f"A firewall dropped {len(rows['request'])} request{'s' * (len(rows['request']) > 1)}"
            f" of {mark.src} to {mark.dst}, UDP port 69 ({mark.source}, line {mark.line})."
        )
    if rows["ack"]:
        mark = rows["ack"][0]
        found = Finding("no-tftp-helper", True)
        return found.saw(
            f"A firewall dropped what {mark.src} sent to {mark.dst}, port {mark.dport}, where the"
            f" server answers from ({mark.source}, line {mark.line})."
        )
    return None


def refused(program, evidence):
    """A cause that the server's ERROR or log states: a `Finding`, or None."""
    talks = program.talks[-1] if program.talks else []
    last = talks[-1] if talks else None
    error = last.error if last is not None else None
    logged = evidence.logs.get(REFUSED) or []
    if error is None and not (
        logged and (last is None or last.outcome in ("unanswered", "refused"))
    ):
        return None
    if (
        error is not None
        and last.blocks
        and any(tftp(p).kind == "DATA" for p in last.packets if not p.out and not p.icmp)
    ):
        return Finding("server-error", True).saw(
            f"In mid-transfer, behind block {last.blocks}, the server sends ERROR {error.code}"
            f' "{error.text or ""}".'
        )
    code = error.code if error is not None else logged[-1].get("code")
    text = (error.text if error is not None else logged[-1].get("text")) or ""
    options = last.asked.options if last is not None else []
    cause = _of_error(code, text, options, error is None)
    known = error is not None and error.code is not None
    found = Finding(cause, known or error is None)
    if error is not None and error.code is None:
        found = Finding(
            "server-error", False, ["file-missing", "file-denied", "options-refused"], ask="words"
        )
        return found.saw(
            "The server answers at once with a packet that can only be an ERROR; its words are not"
            " in this."
        )
    who = "The server answers" if error is not None else "The server's log says"
    name = (last.file if last else None) or (logged[-1].get("file") if logged else None)
    name = name or "the file"
    what = (
        f'ERROR {code} "{text}"'
        if code is not None
        else f'"{text}"'
        if text
        else "that it is not there"
    )
    return found.saw(f"{who} {what} for {name}.")


def _of_error(code, text, options, logged):
    words = text.lower()
    if code == 8 or (options and any(word in words for word in _OPTIONS)):
        return "options-refused"
    if (
        code == 1
        or any(word in words for word in _MISSING)
        or (code is None and logged and not text)
    ):
        return "file-missing"
    if code == 2 or any(word in words for word in _DENIED):
        return "file-denied"
    return "server-error"


def icmp(program, evidence):
    """A cause that ICMP states: a `Finding`, or None."""
    rows = [row for row in evidence.icmp if row[3]]
    acks = [row for row in evidence.icmp if not row[3]]  # what is not about a request
    if not rows and not acks:
        return None
    if any(one.heard for one in mine(program, evidence.deaf)) or not rows:
        last = program.talks[-1][-1] if program.talks else None
        stopped = last is not None and last.outcome in ("broken", "aborted")
        if stopped and last.blocks <= 1 and _acks_refused(last):
            return Finding("nat-port", False, ["server-error"], ask="server").saw(
                f"ICMP from {acks[0][2]} refuses what the client sends to the port that answered"
                " it: the server's transfer has ended, or a translator changed the ports."
            )
        return None
    kind, code, sender, _ = rows[-1]
    servers = {talk.server for talk in program.every}
    words = (
        f"ICMP from {sender} comes back to {len(rows)} packet{'s' * (len(rows) > 1)} of the client"
    )
    if kind == 3 and code == 3 and (sender in servers or not servers):
        found = Finding("port-unreachable", True)
        return found.saw(
            f"{words}: port unreachable. Nobody listens there, or a firewall says so in its name."
        )
    if kind == 3 and code in (9, 10, 13):
        cause = "rejected" if "rejected" in causes.IDS else "port-unreachable"
        return Finding(cause, True).saw(
            f"{words}: prohibited. {sender} is a firewall, or runs one."
        )
    if kind == 3 and code in (0, 1):
        if "host-unreachable" in causes.IDS:
            return Finding("host-unreachable", True).saw(
                f"{words}: no such host, or no route to it."
            )
        text = (
            f"{sender} says by ICMP that it knows no way to the server, or that the server does"
            " not answer ARP."
        )
        return Finding(None, True, text=text).saw(f"{words}: host or network unreachable.")
    if kind == 3 and code == 4:
        return Finding("mtu", True).saw(f"{words}: fragmentation needed.")
    if kind == 3:
        cause = "rejected" if "rejected" in causes.IDS else "port-unreachable"
        return Finding(cause, True).saw(f"{words}: unreachable, and {sender} is not the server.")
    return None


def foreign(program, evidence):
    """An address answers that was not asked.  A `Finding`, or None."""
    if not evidence.foreign or not program.every:
        return None
    if any(one.heard for one in mine(program, evidence.asked)):
        return None
    asked = program.every[-1].server if program.every else "the server"
    return Finding("other-address", True).saw(
        f"Answers come from {', '.join(evidence.foreign)}; {asked} was asked."
    )


def _acks_refused(talk):
    # ICMP that came back before the client gave up; after its last ERROR it means nothing.
    errors = [p.time for p, m in talk.messages() if p.out and m.kind == "ERROR"]
    acks = [p.time for p, m in talk.messages() if p.out and m.kind == "ACK"]
    end = errors[-1] if errors else float("inf")
    return bool(acks) and any(acks[0] <= p.time < end for p in talk.icmp if p.src != talk.client)


def ended_at_once(talk):
    """True where the client's ERROR is its reaction to an answer, not its end after a silence."""
    mine_ = [packet for packet, m in talk.messages() if packet.out and m.kind in ("ACK", "ERROR")]
    theirs = [p for p in talk.packets if not p.out and not p.icmp and p.src == talk.server]
    error = next((p for p in mine_ if tftp(p).kind == "ERROR"), None)
    if error is None or not theirs:
        return False
    before = [p.time for p in theirs if p.time <= error.time]
    acks = [tftp(p).block for p in mine_ if tftp(p).kind == "ACK" and p.time <= error.time]
    waited = not before or error.time - before[-1] > _SOON_S or len(acks) > len(set(acks)) + 1
    return not waited


def own_error(program, evidence):
    """The client ends what the server offered, and it is no probe.  A `Finding`, or None."""
    if not program.talks:
        return None
    last = program.talks[-1][-1]
    if last.outcome == "done":
        return Finding("options-refused", False).saw(
            "The whole file went over the wire, and the client asks on: it waits for an OACK that"
            " the server never sent."
        )
    error = last.sent_error
    oversize = _oversize(last)
    if oversize and last.outcome != "done":
        return oversize
    if error is None or last.blocks or not ended_at_once(last):
        return None
    if last.oack is None and last.tids:
        return Finding("options-refused", False).saw(
            "The server answers with DATA, without an OACK, and the client ends it with ERROR"
            f" {error.code} "
            f'"{error.text or ""}": it insists on its options.'
        )
    asked = {name.lower() for name, _ in last.asked.options or ()}
    odd = [name for name, _ in last.oack or () if name.lower() not in asked]
    larger = last.granted("blksize", 0) > max(
        (int(t) for n, t in last.asked.options or () if n.lower() == "blksize" and t.isdigit()),
        default=512,
    )
    words = f'The client ends it with ERROR {error.code} "{error.text or ""}"'
    if odd:
        cause = "unasked-option" if "unasked-option" in causes.IDS else None
        return Finding(
            cause,
            True,
            text=(
                None
                if cause
                else (
                    "The server grants an option that was not asked for, and this client refuses"
                    " that."
                )
            ),
        ).saw(f"{words}: the OACK has {', '.join(odd)}, which it did not ask for.")
    if larger:
        text = (
            "The server grants a larger blksize than was asked for, and this client refuses that."
        )
        return Finding("unasked-option", True, text=text).saw(
            f"{words}: the OACK grants blksize {last.granted('blksize', 0)}."
        )
    if error.code not in (0, 8) or "tsize" not in asked or last.oack is None:
        text = (
            "The client itself ends the transfer, after the server's answer; its own screen says"
            " why."
        )
        return Finding(None, False, text=text, ask="screen").saw(words + ".")
    text = (
        "The client has the size of the file, and no request for the file itself is in this: it"
        " ends here, its next request is lost on the way, or the evidence ends."
    )
    return Finding(None, False, text=text, ask="both").saw(words + ", as after a size probe.")


def _oversize(talk):
    # A block with more bytes than were agreed on.
    size = talk.blksize
    longer = [m for p, m in talk.messages() if m.kind == "DATA" and (m.length or 0) > size]
    if not longer:
        return None
    agreed = "its OACK says" if talk.oack is not None else "that are agreed without an OACK"
    found = Finding("oversize-data", True).saw(
        f"DATA {longer[0].block} has {longer[0].length} bytes, more than the {size} {agreed}."
    )
    asked = {name.lower(): text for name, text in talk.asked.options or ()}
    if talk.oack is None and asked.get("blksize") == str(longer[0].length):
        found.saw(
            "That is the blksize the client asked for: the server puts it into effect without an"
            " OACK (RFC 2347). A client that asks for no blksize gets the file."
        )
    return found
