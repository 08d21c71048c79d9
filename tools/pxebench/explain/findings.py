"""From the evidence of one program to a cause, others that fit, and what was seen.

`_LOOKS` begins with the most certain: what a firewall's log says it dropped, what ICMP and ERROR
packets state, and last what follows from silence.
"""

import itertools

from pxebench import pace
from pxebench.explain import finding_dhcp, finding_midway, finding_said, finding_silence
from pxebench.explain.finding import Finding
from pxebench.explain.observation import HEARD, SENT
from pxebench.explain.story import only_requests, view_is_log

# No boot client gives a request up sooner.
_SOONER_S = 0.3
_LOOKS = (
    *(finding_said.dropped, finding_said.refused, finding_said.foreign, finding_said.icmp),
    *(finding_said.own_error, finding_silence.silence, finding_midway.midway),
    finding_silence.logs,
)


def finding(program, evidence, boot):
    """The `Finding` of a program."""
    if boot["outcome"] == "ok":
        return _well(program, evidence)
    if boot["outcome"] == "unknown" and not program.talks and program.ports:
        return _one_port(program, evidence)
    if boot["outcome"] == "unknown" and program.talks and not only_requests(program):
        return Finding(
            ask="longer",
            text=(
                "Nothing has failed in what was given: it ends before it shows how the boot"
                " goes on."
            ),
        ).saw(f"It ends with a request for {program.talks[-1][-1].file or 'a file'}.")
    if boot["outcome"] == "unknown" and program.talks and only_requests(program):
        return _requests_alone(program, evidence)
    if program.talks or program.ports or evidence.asked or evidence.logs:
        for look in _LOOKS:
            found = look(program, evidence)
            if found is not None:
                return found
    if program.boots or boot["reached"] in ("dhcp", "offer", "lease"):
        return finding_dhcp.address(program, evidence, boot)
    return Finding(
        ask="server",
        text="Nothing has failed in what was given: it ends before it shows how the boot goes on.",
    )


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


def _requests_alone(program, evidence):
    # A trace of port 69: each file is asked for once, so the answers came, most likely.
    talks = program.talks[-1]
    if view_is_log(program):
        return _log_alone(talks, evidence)
    found = Finding(
        ask="server", text="Nothing in this says that it failed: each request stands here once."
    )
    found.unknown.append(
        "Answers are not in this: they come from another port of the server's, and a filter on"
        " port 69 does not show them."
    )
    count = sum(len(talk.requests) for talk in talks)
    again = "none of them repeated" if count == len(talks) else "whether they repeat is not told"
    found.saw(f"{count} request{'s' * (count > 1)}, {again}.")
    times = [talk.packets[0].time for talk in talks]
    gaps = [] if None in times else [b - a for a, b in itertools.pairwise(times)]
    if gaps and max(gaps) < _SOONER_S and count == len(talks):
        found.saw(
            f"The client asked for the next file after {max(gaps) * 1000:.0f} ms at most. No"
            " client gives a request up so soon: each but the last had an answer, not the file."
        )
    return found


def _log_alone(talks, evidence):
    found = Finding(
        ask="server",
        text=(
            "The log says which requests arrived, and not what became of them: nothing in it says"
            " that one failed."
        ),
    )
    count = sum(len(talk.requests) for talk in talks)
    found.saw(f"{count} request{'s' * (count > 1)} arrived at the server.")
    if evidence.logs.get(HEARD):
        found.saw(
            "The server received an ERROR of the client's, as a size probe is ended: so its"
            " answers arrive there."
        )
    found.unknown.append(
        "What the server answered, and whether the file came whole, is not in this log."
    )
    return found


# ---- it went well


def _empty(talk):
    data = [m for p, m in talk.messages() if m.kind == "DATA" and p.src == talk.server]
    return talk.blocks == 1 and not talk.requests[0].cut and data and data[0].length == 0


def _well(program, evidence):
    found = Finding("healthy", True)
    if evidence.foreign and program.every and not program.every[-1].tids:
        found.facts.append(
            (
                "other-address",
                (
                    f"The answers come from {', '.join(evidence.foreign)}, which was not asked:"
                    " this client takes them, others and firewalls do not."
                ),
            )
        )
        return found.saw("The client acknowledges what comes from there, to the end.")
    talks = program.talks[-1] if program.talks else []
    done = [talk for talk in talks if talk.outcome == "done"]
    if done and _empty(done[-1]):
        return Finding("wrong-image", True, text="The file that came is empty: 0 bytes.").saw(
            f"The first block of {done[-1].file or 'the file'} is its last, and has no byte."
        )
    for talk in done[-1:]:
        found.saw(f"{talk.file or 'The file'} came whole: {talk.blocks} blocks were acknowledged.")
        slow = None if talk.writes else pace.of_capture(talk.messages())
        if slow:
            found.facts.append(("pace", slow))
    if not done and program.number < program.of:
        found.saw("The program that it loaded asks next, so its file came.")
    elif not done and evidence.logs.get(SENT):
        found.proved = False
        found.saw(
            f"The server's log says that it sent {evidence.logs[SENT][-1].get('file')} to the end."
        )
        found.unknown.append(
            "A log of what was sent does not tell which program of this machine asked, nor whether"
            " other requests of its were lost or not answered."
        )
    again = sum(len(talk.requests) - 1 for talk in done)
    if again:
        times = f"{again} request{'s were' if again > 1 else ' was'} sent again"
        found.facts.append(("repeated", f"{times} before an answer came."))
    return found
