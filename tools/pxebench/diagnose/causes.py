"""The verdict: one table of causes, and how the anomalies that were seen choose among them.

A cause is chosen only if it explains *all* that was seen (`observe`). What to ask for is in
`rules`.

1. A cause needs certain anomalies and may have others; any further anomaly rules it out.
2. Of several causes that explain everything the likelier is the verdict, the others are named as
   possible: they cannot be told apart from this end.
3. If nothing in the table fits, the verdict says so, with what was seen, and names no cause.
"""

# A cause's sentence, the anomalies it needs (one of several sets), those it may have.
_CAUSE = {
    "healthy": ("The ROM boots from here; nothing on the path blocks it.", [()], ()),
    "client-port-filter": (
        "Something between server and client drops the answers to the ROM's client ports "
        "{low}; answers to other client ports get through.",
        [("low-silent",)],
        ("after-probe",),
    ),
    "request-blocked": (
        "Nothing answers on UDP port {port} of {server}, and nothing says why: the RRQs do not "
        "arrive, or no server runs there.",
        [("all-silent",)],
        (),
    ),
    "no-tftp-helper": (
        "The path does not let a TFTP transfer through: the server goes on from a port of its "
        "own, and a firewall on the way, or on the server, does not know that this belongs to the "
        "request.",
        [("all-silent",), ("acks-lost",)],
        (),
    ),
    "nat-port": (
        "A translator (NAT) on the way changes the client's port and does not follow TFTP to the "
        "server's new port.",
        [("acks-refused",), ("all-silent",), ("acks-lost",)],
        (),
    ),
    "port-unreachable": (
        "{server} is there, and nothing listens on its UDP port {port}: the TFTP server does not "
        "run, or not on this address.",
        [("icmp",), ("icmp-refused",)],
        (),
    ),
    "host-unreachable": (
        "The requests do not reach {server}. {icmp}",
        [("icmp-host",), ("icmp-no-route",)],
        (),
    ),
    "rejected": (
        "The requests to UDP port {port} of {server} come back with an ICMP error. {icmp}",
        [("icmp-rejected",), ("icmp-refused",), ("icmp-no-route",)],
        (),
    ),
    "other-address": (
        "The server answers from {foreign}, not from {server} that was asked; a ROM and any "
        "firewall drop such answers.",
        [("foreign",)],
        (),
    ),
    "file-missing": (
        "The server does not find {file} where it looks for it.",
        [("error-missing",)],
        (),
    ),
    "file-denied": (
        "The server refuses to read {file}, to anybody or under that name.",
        [("error-denied",)],
        (),
    ),
    "server-error": (
        "The server refuses the request with an ERROR of its own.",
        [("error-other",)],
        (),
    ),
    "options-refused": (
        "The server refuses the options that this ROM needs, or ignores them; without any it "
        "sends the file.",
        [("options-error",), ("options-ignored",)],
        ("probe-fails", "after-probe"),
    ),
    "unasked-option": (
        "The server grants an option that was not asked for, or more than was asked, and the ROM "
        "refuses its OACK.",
        [("unasked-option",)],
        ("probe-fails", "after-probe", "options-error"),
    ),
    "no-final-block": (
        "The whole file comes, and the ROM waits for its end: its size is a multiple of the block "
        "size, and the server does not send the empty block that ends such a file.",
        [("no-final-block",)],
        (),
    ),
    "no-rollover": (
        "The file has more blocks than 16 bits can number, and the transfer does not go on "
        "beyond them: it needs a larger block size.",
        [("no-rollover",)],
        (),
    ),
    "wrong-tsize": (
        "The server announces another size (tsize) than the file has.",
        [("wrong-tsize",)],
        (),
    ),
    "oversize-data": (
        "The server sends larger blocks than were agreed, and the ROM refuses them.",
        [("oversize",)],
        ("probe-fails", "after-probe", "unasked-option"),
    ),
    "fragments": (
        "The ROM's blocks come in pieces: a link on the path takes smaller packets only. This "
        "machine puts the pieces together; many ROMs cannot.",
        [("pieces",)],
        (),
    ),
    "few-at-once": (
        "The server, or the path, serves only a few transfers at the same time.",
        [("at-once",), ("one-at-a-time",), ("turns",)],
        ("after-probe", "probe-fails"),
    ),
    "rate-limit": (
        "RRQs are limited in number for a time, by the server or by a firewall: what comes too "
        "soon after others is dropped, from whatever port.",
        [("limited",)],
        (),
    ),
    "one-expectation": (
        "The path lets one TFTP transfer through at a time: while one is remembered, the answers "
        "to the client's next port are dropped.",
        [("turns",), ("one-at-a-time",)],
        ("after-probe", "low-silent"),
    ),
    "probe-refused": (
        "The server cannot cope with the ROM's size probe (tsize, then an ERROR that ends it); "
        "the request for the file itself it answers.",
        [("probe-fails",), ("after-probe",)],
        (),
    ),
    "mtu": (
        "Datagrams of the ROM's block size do not get through: a link on the way takes smaller "
        "packets only, and what says so, or the fragments, are dropped.",
        [("big-blocks",)],
        (),
    ),
    "loss": (
        "Packets get lost on the way.",
        [("retransmits",)],
        ("slow", "big-blocks", "after-probe", "probe-fails", "one-at-a-time", "at-once"),
    ),
    "slow-server": (
        "The answers are right but slow: slower than the ROM's retransmission timeout, or than a "
        "second.",
        [("slow",)],
        (),
    ),
    "wrong-image": (
        "The transfer is fine, and the file is not one that this ROM can start.",
        [("wrong-image",)],
        (),
    ),
}
IDS = tuple(_CAUSE)

# Why a cause is ruled out when its own anomaly was not seen; by the first that it needs.
_NOT_SEEN = {
    "low-silent": "The ROM's own ports and high ports had the same outcome.",
    "all-silent": "Answers came back to this end.",
    "acks-refused": "No answer of the server's was repeated after it was acknowledged.",
    "icmp": "No ICMP error of the host itself came back.",
    "icmp-host": "No ICMP error says that the host cannot be reached.",
    "icmp-rejected": "No ICMP error of a firewall came back.",
    "unasked-option": "No OACK grants what was not asked for.",
    "no-final-block": "The transfer did not stand still after the last full block.",
    "no-rollover": "The transfer did not end at block 65,535.",
    "wrong-tsize": "The ROM did not fail for the file's size.",
    "oversize": "No DATA was longer than agreed.",
    "pieces": "The ROM's blocks came whole.",
    "at-once": "Several transfers side by side were all answered.",
    "limited": "A port that was answered is answered again at once.",
    "foreign": "Every answer came from the address that was asked.",
    "error-missing": "The server did not say that the file is missing.",
    "error-denied": "The server did not deny the file.",
    "error-other": "The server sent no other ERROR.",
    "options-error": "RRQs with options have the same outcome as those without.",
    "turns": "Several transfers side by side were all answered.",
    "probe-fails": "The size probe is answered, and so is the RRQ after it.",
    "big-blocks": "Datagrams of the ROM's block size arrive.",
    "retransmits": "No more packets were lost than chance explains.",
    "slow": "The answers come soon enough for the ROM.",
    "wrong-image": "The file that came is of a kind that this ROM starts.",
}
# What must have been observed before a cause may be ruled out for a missing anomaly.
_LOOKED = {
    "low-silent": "low",
    "turns": "several",
    "at-once": "several",
    "limited": "several",
    "unasked-option": "answers",
    "no-final-block": "answers",
    "no-rollover": "answers",
    "wrong-tsize": "answers",
    "oversize": "answers",
    "pieces": "pieces",
    "big-blocks": "sizes",
    "retransmits": "lockstep",
    "acks-refused": "lockstep",
    "options-error": "answers",
    "probe-fails": "answers",
    "slow": "answers",
    "error-missing": "answers",
    "error-denied": "answers",
    "error-other": "answers",
    "wrong-image": "image",
}

_ALSO = {
    "request-blocked": "A firewall that drops the requests, or a server that is down.",
    "no-tftp-helper": (
        "The requests may arrive and the answers be dropped: a stateful firewall without a TFTP "
        "helper does not know them, whatever the client port."
    ),
    "nat-port": (
        "A translator that changes ports drops the server's answer just as silently, unless it "
        "knows TFTP."
    ),
}


def sort_out(seen, found, on_path=None):
    """(cause or None, [further causes that fit], {cause: why not}) for anomalies `found`.

    `seen`: the observations; `on_path`: what a capture at the other end shows, or None.
    """
    marks = set(found)
    fitting, against = [], {}
    for cause in _order(seen, marks):
        why = _why_not(cause, seen, marks, found, on_path or {})
        if why is None:
            fitting.append(cause)
        else:
            against[cause] = why
    if not fitting:
        return None, [], against
    return fitting[0], fitting[1:], against


def _order(seen, marks):
    order = list(IDS)
    if "all-silent" in marks and seen["alive"]:
        # The host refuses a closed port and is silent on this one: something listens there.
        order.remove("request-blocked")
        order.insert(order.index("nat-port") + 1, "request-blocked")
    if "turns" in marks:
        # What keeps a client's next port out after a transfer has ended is seldom a server.
        order.remove("few-at-once")
        order.insert(order.index("one-expectation") + 1, "few-at-once")
    if marks & {"acks-refused"}:
        order.remove("no-tftp-helper")
        order.append("no-tftp-helper")
    return order


def _why_not(cause, seen, marks, found, on_path):
    _, needs, along = _CAUSE[cause]
    if cause == "healthy" and not marks:
        if not seen["answers"]:
            return "Nothing was answered."
        if seen["rom_works"] is not True:
            return "The ROM did not get its file."
        return None
    fits = [needed for needed in needs if set(needed) <= marks]
    if cause == "healthy":
        return "What was seen is not that of a healthy path and server."
    if not fits:
        return _absent(needs[0][0], seen)
    covered = set(along).union(*fits)
    for mark in marks - covered:
        return f"It does not explain this: {found[mark]}"
    if marks & {"turns", "one-at-a-time"} and "asked_ports" in on_path:
        return _server_says(cause, on_path)
    return _path_says(cause, on_path)


def _absent(mark, seen):
    looked = _LOOKED.get(mark)
    nothing = looked and not seen.get(looked)
    return None if mark not in _NOT_SEEN else (_OPEN if nothing else _NOT_SEEN[mark])


_OPEN = "?"  # not observed, or nothing came that could show it


def _server_says(cause, on_path):
    # One transfer at a time: it is the server that leaves RRQs alone, or the path that drops
    # what it answers.
    left = set(on_path["asked_ports"]) - set(on_path["answered_ports"])
    if cause == "one-expectation" and left:
        return "The capture at the other end shows RRQs that the server left without an answer."
    if cause == "few-at-once" and on_path["asked_ports"] and not left:
        return "The capture at the other end shows that the server answered each port that asked."
    return None


def _path_says(cause, on_path):
    requests, answers = on_path.get("requests"), on_path.get("answers")
    if requests is None:
        return None
    if cause == "request-blocked" and requests and answers:
        return "The capture at the other end shows the requests, and answers to them."
    if cause == "no-tftp-helper" and not requests:
        return "The capture at the other end shows that the requests never arrived."
    if cause == "no-tftp-helper" and not answers:
        return "The capture at the other end shows that the server never answered."
    if cause == "nat-port" and not on_path.get("nat"):
        return "The capture at the other end shows the very ports that were sent from."
    if cause == "no-tftp-helper" and on_path.get("nat"):
        return "The capture at the other end shows other client ports than were sent from."
    return None


# Where more is known of client-port-filter (a capture at the server), or less of who sent an ICMP
# error (`diagnosis`).
_BY_WAY = {
    "errno": (
        "Nothing listens on UDP port {port} of {server}, or a firewall says so: an ICMP error "
        "came."
    ),
    "out": (
        "Something between this machine and the server drops the requests from the ROM's client "
        "ports {low}; those from other client ports get through."
    ),
    "server": (
        "The server, or a firewall on that machine, does not answer requests from the ROM's "
        "client ports {low}; it answers those from other client ports."
    ),
}


def text(cause, values, way=None):
    """The sentence of a cause, filled in. `way`: of `diagnosis._way`."""
    if way in _BY_WAY:
        return _BY_WAY[way].format(**values)
    if cause is None:
        return (
            "No single cause that is known here explains everything that was seen; what was seen "
            "stands below, and more than one thing may be wrong."
        )
    return _CAUSE[cause][0].format(**values)


def also_text(cause, values):
    """Why a further cause is possible, as a sentence."""
    return _ALSO.get(cause) or text(cause, values)


def is_open(why):
    """True when a cause is neither found nor ruled out: nothing came that could tell."""
    return why == _OPEN
