"""What the evidence of one program carries: a cause, others that fit, what was seen.

The order is that of the certainty: what a firewall says that it dropped, what ICMP and ERROR
packets say in words, and only then what is concluded from silence.
"""

from pxebench.captures.messages import tftp
from pxebench.diagnose import causes
from pxebench.explain.observation import FAILED, REFUSED, SENT
from pxebench.explain.story import only_requests
from pxebench.sweep import port_names

_HIGH = 32768
_FULL = 1024
_MISSING = ("not found", "no such file", "does not exist", "cannot find")
_DENIED = ("denied", "violation", "permission", "absolute", "forbidden", "not allowed")
_OPTIONS = ("option",)


class Finding:
    """`cause` or None; `proved`; `also`: further causes; `seen`: sentences; `out`: {cause: why
    not}; `unknown`: sentences; `facts`: [(id, text)]; `ports`: the client's ports it is about;
    `text`: instead of the cause's own, or None; `ask`: what would decide, of `asking`."""

    def __init__(self, cause=None, proved=False, also=(), text=None, ask=None):
        self.cause = cause
        self.proved = proved
        self.also = list(also)
        self.seen = []
        self.out = {}
        self.unknown = []
        self.facts = []
        self.ports = []
        self.text = text
        self.ask = ask

    def saw(self, *sentences):
        """Add what was seen; returns itself."""
        self.seen += sentences
        return self


def finding(program, evidence, boot):
    """The `Finding` of a program."""
    if boot["outcome"] == "ok":
        return _well(program, evidence)
    if boot["outcome"] == "unknown" and not program.talks and program.ports:
        return _one_port(program, evidence)
    if boot["outcome"] == "unknown" and program.talks and not only_requests(program):
        return Finding(
            ask="longer",
            text="Nothing has failed in what was given: it ends before it shows how the boot goes on.",
        ).saw(f"It ends with a request for {program.talks[-1][-1].file or 'a file'}.")
    if boot["outcome"] == "unknown" and only_requests(program):
        return _requests_alone(program)
    if program.talks or program.ports or evidence.asked:
        for look in (_dropped, _refused, _icmp, _foreign, _own_error, _silence, _midway, _logs):
            found = look(program, evidence)
            if found is not None:
                return found
    if program.boots or boot["reached"] in ("dhcp", "offer", "lease"):
        return _address(program, evidence, boot)
    found = Finding(
        ask="server",
        text="Nothing has failed in what was given: it ends before it shows how the boot goes on.",
    )
    return found


def _ports(program):
    found = [port for talks in program.talks[-1:] for talk in talks for port in talk.source_ports]
    found += [port for port, _, _ in program.ports]
    return sorted({port for port in found if port > 0})


def _mine(program, asked):
    # Of the machine's requests, those of this program.
    talks = {id(talk) for talk in program.every}
    files = {(talk.request, port) for talk in program.every for port in talk.source_ports}
    return [
        one
        for one in asked
        if any(id(talk) in talks for _, talk in one.talks)
        or any((talk.request, one.port) in files for _, talk in one.talks)
    ]


def _one_port(program, evidence):
    # A table of sockets with one port of it: a transfer under way looks like one that is lost.
    port = next(port for port, _, _ in program.ports)
    number = len({(seen.src, seen.sport, seen.dport) for _, _, seen in program.ports})
    found = Finding(
        ask="both",
        text="Nothing in this says that it failed: a transfer under way looks the same.",
    )
    found.ports = [port]
    if number > 1:
        found.text = (
            "Nothing in this says whether it failed. A port that two transfers wait for was asked"
            " from twice: the first request was repeated, or an earlier transfer still waits for"
            " its last ACK."
        )
    return found.saw(f"The server has {number} transfer{'s' * (number > 1)} for port {port}.")


def _requests_alone(program):
    # A trace of port 69: each file is asked for once, so the answers came, most likely.
    talks = program.talks[-1]
    found = Finding(ask="server", text="Nothing in this says that it failed: each request stands here once.")
    found.unknown.append(
        "Answers are not in this: they come from another port of the server's, and a filter on port 69 does not show them."
    )
    return found.saw(f"{len(talks)} request{'s' * (len(talks) > 1)}, none of them repeated.")


# ---- it went well


def _well(program, evidence):
    found = Finding("healthy", True)
    if evidence.foreign and program.every and not program.every[-1].tids:
        found.facts.append((
            "other-address",
            f"The answers come from {', '.join(evidence.foreign)}, which was not asked: this client takes them, others and "
            "firewalls do not.",
        ))  # fmt: skip
        return found.saw("The client acknowledges what comes from there, to the end.")
    talks = program.talks[-1] if program.talks else []
    done = [talk for talk in talks if talk.outcome == "done"]
    for talk in done[-1:]:
        found.saw(f"{talk.file or 'The file'} came whole: {talk.blocks} blocks were acknowledged.")
    if not done and program.number < program.of:
        found.saw("The program that it loaded asks next, so its file came.")
    elif not done and evidence.logs.get(SENT):
        found.saw(
            f"The server's log says that it sent {evidence.logs[SENT][-1].get('file')} to the end."
        )
    again = sum(len(talk.requests) - 1 for talk in done)
    if again:
        times = f"{again} request{'s were' if again > 1 else ' was'} sent again"
        found.facts.append(("repeated", f"{times} before an answer came."))
    return found


# ---- what somebody says in words


def _dropped(program, evidence):
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
            found.unknown.append(
                "Whether answers to high ports pass that firewall is not in this."
            )
            found.ask = "high"
        return found
    if rows["request"]:
        mark = rows["request"][0]
        found = Finding("request-blocked", True, text=None)
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


def _refused(program, evidence):
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
    name = f"{(last.file if last else None) or (logged[-1].get('file') if logged else None) or 'the file'}"
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


def _icmp(program, evidence):
    rows = [row for row in evidence.icmp if row[3]]
    acks = [row for row in evidence.icmp if not row[3]]
    if not rows and not acks:
        return None
    if any(one.heard for one in _mine(program, evidence.deaf)) or not rows:
        last = program.talks[-1][-1] if program.talks else None
        if acks and last is not None and last.outcome == "broken" and not last.blocks:
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


def _foreign(program, evidence):
    if not evidence.foreign or not program.every or program.every[-1].tids:
        return None
    asked = program.every[-1].server if program.every else "the server"
    return Finding("other-address", True).saw(
        f"Answers come from {', '.join(evidence.foreign)}; {asked} was asked."
    )


def _own_error(program, evidence):
    # The client ends what the server offered, and it is not the end of a probe.
    if not program.talks:
        return None
    last = program.talks[-1][-1]
    if last.outcome == "done":
        return Finding("options-refused", False).saw(
            "The whole file went over the wire, and the client asks on: it waits for an OACK that"
            " the server never sent."
        )
    error = last.sent_error
    if error is None or last.blocks:
        return None
    if last.oack is None and last.tids:
        return Finding("options-refused", False).saw(
            "The server answers with DATA, without an OACK, and the client ends it with ERROR"
            f" {error.code} "
            f'"{error.text or ""}": it insists on its options.'
        )
    asked = {name.lower() for name, _ in last.asked.options or ()}
    odd = [name for name, _ in last.oack or () if name.lower() not in asked]
    larger = last.granted("blksize", 0) > max((int(t) for n, t in last.asked.options or ()
                                               if n.lower() == "blksize" and t.isdigit()), default=512)  # fmt: skip
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
        return Finding(None, True, text=text).saw(
            f"{words}: the OACK grants blksize {last.granted('blksize', 0)}."
        )
    if len(program.talks[-1]) == 1 or error.code not in (0, 8):
        text = (
            "The client itself ends the transfer, after the server's answer; its own screen says"
            " why."
        )
        return Finding(None, False, text=text, ask="screen").saw(words + ".")
    text = (
        "The client has the size of the file, and does not ask for the file itself: it ends here,"
        " or the evidence does."
    )
    return Finding(None, False, text=text, ask="screen").saw(words + ", as after a size probe.")


# ---- silence


def _silence(program, evidence):
    mine = _mine(program, evidence.asked)
    last = program.talks[-1][-1] if program.talks else None
    if last is not None and (last.outcome not in ("unanswered", "broken") or last.tid is not None):
        return None  # it began: that is no silence from the start
    if last is None and not program.ports:
        return None
    ports = sorted({one.port for one in mine if one.port > 0 and not one.heard}) or _ports(program)
    others = [one for one in evidence.heard if one not in mine or one.port not in ports]
    high_heard = sorted({one.port for one in others if one.port > 0})
    low = [port for port in ports if port < _HIGH]
    found = Finding()
    found.ports = ports
    _say_requests(found, program, evidence, mine, ports)
    if evidence.kept_back:
        name, number = evidence.kept_back[0][0], sum(count for _, count in evidence.kept_back)
        found.saw(
            f"The machine that made {name} sends the requests on, takes {number} answers in and sends none of them on: it "
            "drops them."
        )
    if evidence.never_arrived:
        found.cause, found.proved = "request-blocked", True
        return found.saw(
            "The capture at the server has packets of this client, and none of these requests."
        )
    if high_heard and ports:
        return _some_ports(found, evidence, mine, others, ports, high_heard)
    if evidence.answered:
        return _answers_lost(found, evidence, mine, ports, low)
    if evidence.arrived:
        found.cause = "request-blocked"
        found.text = (
            "The requests arrive at the server, and no answer to them was seen: no TFTP server"
            " runs on that port, it serves another address, or the server's own firewall drops the"
            " requests."
        )
        found.ask = "process"
        return found
    found.cause = "request-blocked"
    found.also = ["no-tftp-helper", "nat-port"] + (["client-port-filter"] if low else [])
    found.ask = "server"
    return found


def _some_ports(found, evidence, mine, others, ports, heard):
    # The same machine is heard from other ports: by what do they differ, but for the time?
    found.saw(
        f"From port{'s' * (len(heard) > 1)} {port_names.words(heard)} the same machine gets"
        " answers."
    )
    found.out = {
        "no-tftp-helper": "A transfer from other ports goes through the same way.",
        "nat-port": "A transfer from other ports goes through the same way.",
    }
    below = max(ports) < min(heard)
    before = min(one.began for one in mine if not one.heard)
    again = any(one.ended > before for one in others)
    if below and (evidence.answered or again):
        found.cause, found.proved = "client-port-filter", True
        return found
    # What was heard came first: since then the server may have died, or a rule be loaded.
    found.cause, found.also = (
        ("client-port-filter", ["request-blocked"])
        if below
        else ("request-blocked", ["client-port-filter"])
    )
    if evidence.answered:
        found.cause, found.also = "client-port-filter", []
    found.ask = "server"
    return found


def _answers_lost(found, evidence, mine, ports, low):
    reach = evidence.answers_reach_client()
    if reach:
        found.cause = None
        found.text = (
            "The answers arrive where the client is, and it does not react to them: a filter on"
            " the client itself, or answers that it does not take."
        )
        found.ask = "client"
        return found
    found.saw("The client never reacts to an answer, so the answers do not reach it.")
    found.out = {"request-blocked": "The requests arrive: the server answers them."}
    children = sorted({port for port, _ in evidence.children})
    other = [port for port in children if port not in ports and port >= _HIGH]
    if low or not ports:
        found.cause = "client-port-filter"
        found.also = ["no-tftp-helper"]
        if other:
            found.saw(
                f"The same machine also asks from port {port_names.words(other)}, as an operating"
                " system does; a rule that lets high ports through lets that one pass."
            )
    else:
        found.cause = "no-tftp-helper"
        found.also = ["nat-port"]
    found.proved = False
    found.ask = "high" if evidence.kept_back else "both"
    return found


def _say_requests(found, program, evidence, mine, ports):
    talks = program.talks[-1] if program.talks else []
    count = sum(len(talk.requests) for talk in talks)
    if count:
        place = f" from port{'s' * (len(ports) > 1)} {port_names.words(ports)}" if ports else ""
        found.saw(f"{count} request{'s' * (count > 1)}{place} got no answer that the client took.")
    answers = {}
    for one in mine:
        for place, number in one.answers.items():
            answers[place] = answers.get(place, 0) + number
    for place, number in answers.items():
        where = {
            "server": "at the server",
            "client": "at the client",
            "between": "on the way",
        }.get(place, "in the capture")
        found.saw(
            f"{number} answer{'s' * (number > 1)} of the server to these ports"
            f" {'were' if number > 1 else 'was'} seen {where}."
        )
    children = [(port, seen) for port, seen in evidence.children if port in ports]
    if children:
        who = children[0][1].get("program") or "a server's sockets"
        found.saw(
            f"{who} waits for {len(children)} transfers at once, to ports"
            f" {port_names.words({port for port, _ in children})}: this client asked anew without"
            " having heard the answer before."
            if len({port for port, _ in children}) > 1
            else f"{who} waits for port {children[0][0]}."
        )
    if count and not answers and only_requests(program):
        found.unknown.append(
            "Answers are not in this: they come from another port of the server's, and a filter on port 69 does not show "
            "them. That none was taken follows from the repeated requests."
        )
    for mark in evidence.logs.get(FAILED, [])[:1]:
        found.saw(f"The server gave up: {mark.evidence}")


# ---- in mid-transfer


def _midway(program, evidence):
    if not program.talks:
        return None
    last = program.talks[-1][-1]
    if last.outcome not in ("broken", "aborted"):
        return None
    place = program.view.source.where if program.view else None
    halves = (
        getattr(program.view.source.file, "halves", 0)
        if program.view and program.view.source.file
        else 0
    )
    server = [tftp(p) for p in last.packets if not p.out and not p.icmp and p.src == last.server]
    client = [tftp(p) for p in last.packets if p.out and not p.icmp and p.dport in last.tids]
    data = [m for m in server if m.kind == "DATA"]
    again = len(data) - len({m.block for m in data})
    acks = [m.block for m in client if m.kind == "ACK"]
    repeated = len(acks) - len(set(acks))
    oacks = [m for m in server if m.kind == "OACK"]
    if not last.blocks and (len(oacks) > 1 or not data) and acks:
        if len(oacks) > 1:
            found = Finding("no-tftp-helper", False, ["nat-port"], ask="both")
            return found.saw(
                f"The server repeats its OACK {len(oacks) - 1} times although the client"
                " acknowledged it: what the client sends to the server's new port does not"
                " arrive."
            )
        found = Finding("mtu", False, ["no-tftp-helper"], ask="both")
        return found.saw(
            "The client acknowledges the OACK, and no block of the file arrives after it."
        )
    if not last.blocks and data and (data[0].length or 0) >= _FULL:
        found = Finding("mtu", halves > 0, [] if halves else ["no-tftp-helper"], ask="both")
        found.saw(
            f"The server sends block 1 ({data[0].length} bytes) {len(data)} times, and the client"
            " never acknowledges it, though it acknowledged the OACK."
        )
        if halves:
            found.saw(f"{halves} datagrams came in pieces of which some are missing.")
        return found
    tsize = last.granted("tsize", 0)
    got = sum(m.length or 0 for m in {m.block: m for m in data}.values())
    if (
        tsize
        and got == tsize
        and data
        and data[-1].length == last.blksize
        and "no-final-block" in causes.IDS
    ):
        return Finding("no-final-block", True).saw(
            f"All {tsize} bytes came in full blocks, and the empty block that ends such a file"
            " never did."
        )
    if last.blocks in (65535, 65536) and "no-rollover" in causes.IDS:
        return Finding("no-rollover", True).saw(
            f"It ends behind block {last.blocks}, where the block number begins anew."
        )
    found = Finding(
        "loss", False, ["slow-server"] if "slow-server" in causes.IDS else [], ask="both"
    )
    found.saw(f"After {last.blocks} block{'s' * (last.blocks != 1)} it stops.")
    if again:
        found.saw(f"The server sent {again} block{'s' * (again > 1)} again.")
    if repeated:
        found.saw(
            f"The client acknowledged {repeated} time{'s' * (repeated > 1)} what it had"
            " acknowledged before."
        )
    if not again and repeated and place != "server":
        found.cause, found.also = None, ["loss", "slow-server"]
        found.text = (
            f"Behind block {last.blocks} nothing comes any more: the server died, or everything it"
            " sends is lost from there on."
        )
    elif not again and not repeated:
        found.cause, found.also, found.ask = None, [], "longer"
        found.text = (
            "It ends in mid-transfer without a repetition: the evidence ends there, or the client"
            " does."
        )
    return found


def _logs(program, evidence):
    if evidence.logs.get(FAILED):
        mark = evidence.logs[FAILED][-1]
        found = Finding("no-tftp-helper", False, ["client-port-filter", "loss"], ask="both")
        return found.saw(
            f"The server gave up sending {mark.get('file') or 'the file'}: no ACK came back."
        )
    return None


# ---- before any request


def _address(program, evidence, boot):
    reached = boot["reached"]
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
        else:
            text = (
                "Offers come, and none names a boot file: this client passes such offers over"
                " (PXE-E53)."
            )
        return Finding(None, asked or nak or not named, text=text, ask="dhcp").saw(
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
