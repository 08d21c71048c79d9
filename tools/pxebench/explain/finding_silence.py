"""Requests without an answer: from which ports, and how far the answers came.

1. If one port gets answers and another does not, to the same server, either the port or the time
   makes the difference; only an answer after the silence began leaves the port.
2. Without any other answer, everything that stops answers is possible; the likeliest is the cause.
"""

from pxebench.explain.finding import Finding, mine, ports_of
from pxebench.explain.observation import FAILED
from pxebench.explain.story import only_requests
from pxebench.sweep import port_names

_HIGH = 32768  # systems' own ports begin here, and so do rules for "high ports"


def silence(program, evidence):
    """Requests to which the client took no answer.  A `Finding`, or None."""
    own = mine(program, evidence.asked)
    last = program.talks[-1][-1] if program.talks else None
    if last is not None and (last.outcome not in ("unanswered", "broken") or last.tid is not None):
        return None  # the transfer began: no silence from the start
    if evidence.moved:
        return _moved(evidence)
    if last is None and not program.ports:
        return None
    ports = sorted({one.port for one in own if one.port > 0 and not one.heard}) or ports_of(
        program
    )
    others = [one for one in evidence.heard if one not in own or one.port not in ports]
    high_heard = sorted({one.port for one in others if one.port > 0})
    low = [port for port in ports if port < _HIGH]
    found = Finding()
    found.ports = ports
    _say_requests(found, program, evidence, own, ports)
    if evidence.kept_back:
        name, number = evidence.kept_back[0][0], sum(count for _, count in evidence.kept_back)
        found.saw(
            f"The machine that made {name} sends the requests on, takes {number} answers in and"
            " sends none of them on: it drops them."
        )
    if _after_probe(program, own):
        return _probe_was_last(found, evidence)
    if evidence.never_arrived:
        found.cause, found.proved = "request-blocked", True
        return found.saw(
            "The capture at the server has packets of this client, and none of these requests."
        )
    if high_heard and ports:
        return _some_ports(found, evidence, own, others, ports, high_heard)
    if evidence.answered:
        return _answers_lost(found, evidence, own, ports, low)
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


def _moved(evidence):
    # The client's packets to the server's new port come from another port than its request.
    sport, tid, port = evidence.moved[0]
    return Finding("nat-port", True).saw(
        f"The request came from port {port}; what the same client sends to port {tid}, where the"
        f" server answers from, comes from port {sport}: a translator gives it another one."
    )


def _after_probe(program, own):
    # True when the same boot's probe was answered and ended by the client, and from then on
    # nothing is heard.
    talks = program.talks[-1] if program.talks else []
    return (
        len(talks) > 1
        and talks[-2].oack is not None
        and talks[-2].sent_error is not None
        and not talks[-1].tids
        and not any(one.heard and one.began > talks[-2].packets[0].epoch_ns for one in own)
    )


def _some_ports(found, evidence, own, others, ports, heard):
    # The same machine gets answers on other ports: what is different, apart from the time?
    found.saw(
        f"From port{'s' * (len(heard) > 1)} {port_names.words(heard)} the same machine gets"
        " answers."
    )
    found.out = {
        "no-tftp-helper": "A transfer from other ports goes through the same way.",
        "nat-port": "A transfer from other ports goes through the same way.",
    }
    below = max(ports) < min(heard)
    before = min((one.began for one in own if not one.heard), default=0)
    again = any(one.ended > before for one in others)
    if below and (evidence.answered or again):
        found.cause, found.proved = "client-port-filter", True
        return found
    # The answers came first: since then the server may have died, or a rule been loaded.
    found.cause, found.also = (
        ("client-port-filter", ["request-blocked"])
        if below
        else ("request-blocked", ["client-port-filter"])
    )
    if evidence.answered:
        found.cause, found.also = "client-port-filter", []
    found.ask = "server"
    return found


def _probe_was_last(found, evidence):
    found.saw(
        "The size probe is answered, the client ends it with an ERROR, and nothing answers the"
        " next request."
    )
    found.out = {"no-tftp-helper": "The probe's answer came through the same way."}
    if evidence.never_arrived:
        found.cause, found.also = "one-expectation", ["rate-limit", "request-blocked"]
        found.ask = "high"
        return found.saw("The next request does not arrive at the server.")
    found.cause, found.also = "probe-refused", ["one-expectation", "client-port-filter"]
    found.also.append("request-blocked")
    if "server" in evidence.places:
        found.also.remove("client-port-filter")
        found.also.remove("one-expectation")
    found.ask = "server"
    return found


def _answers_lost(found, evidence, own, ports, low):
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
    high_deaf = sorted(
        {one.port for one in evidence.deaf if one.port >= _HIGH and one.answers} - set(ports)
    )
    children = sorted({port for port, _ in evidence.children})
    other = [port for port in children if port not in ports and port >= _HIGH]
    if low and high_deaf:
        found.saw(
            f"Answers to port{'s' * (len(high_deaf) > 1)} {port_names.words(high_deaf)} of the"
            " same machine are lost as well: it is not the low ports."
        )
        found.cause, found.also = "no-tftp-helper", ["nat-port"]
    elif low or not ports:
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
    if evidence.places <= {"server", None}:
        found.unknown.append(
            "Whether the client asked this address, or another address of which a translator"
            " passes requests on, is not in this."
        )
    found.ask = "high" if evidence.kept_back else "both"
    return found


def _say_requests(found, program, evidence, own, ports):
    talks = program.talks[-1] if program.talks else []
    count = sum(
        packet.sport in ports or packet.sport <= 0 for talk in talks for packet in talk.requests
    )
    if count:
        place = f" from port{'s' * (len(ports) > 1)} {port_names.words(ports)}" if ports else ""
        found.saw(f"{count} request{'s' * (count > 1)}{place} got no answer that the client took.")
    answers = {}
    for one in own:
        for place, number in one.answers.items() if one.port in ports or one.port <= 0 else ():
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
        who = children[0][1].get("program") or "The server"
        found.saw(
            f"{who} waits for {len(children)} transfers at once, to ports"
            f" {port_names.words({port for port, _ in children})}: this client asked anew without"
            " having heard the answer before."
            if len({port for port, _ in children}) > 1
            else f"{who} waits for port {children[0][0]}."
        )
    if count and not answers and only_requests(program):
        found.unknown.append(
            "Answers are not in this: they come from another port of the server's, and a filter on"
            " port 69 does not show them. That none was taken follows from the repeated requests."
        )
    for mark in evidence.logs.get(FAILED, [])[:1]:
        said = mark.evidence or f"sending {mark.get('file') or 'the file'}."
        found.saw(f"The server gave up{':' * bool(mark.evidence)} {said}")


def logs(program, evidence):
    """A server's log alone says that it gave up.  A `Finding`, or None."""
    if evidence.logs.get(FAILED):
        mark = evidence.logs[FAILED][-1]
        found = Finding("no-tftp-helper", False, ["client-port-filter", "loss"], ask="both")
        return found.saw(
            f"The server gave up sending {mark.get('file') or 'the file'}: no ACK came back."
        )
    return None
