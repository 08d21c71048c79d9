"""Signs of a fault: what a healthy path and server do not show, each with its sentence.

Made from the observations alone (`observe`); which cause explains which anomaly is the table of
`causes`.
"""

from pxebench import icmp
from pxebench.diagnose import observe, signs
from pxebench.sweep import port_names
from pxebench.view import image_words

# Anomalies that consist in missing answers.
_OF_SILENCE = (
    *("low-silent", "probe-fails", "after-probe", "options-error", "one-at-a-time", "at-once"),
)
# What ICMP errors mean, as marks. Where only an errno is known, two situations look alike.
_ICMP = {icmp.PORT: "icmp", icmp.REJECTED: "icmp-rejected", icmp.HOST: "icmp-host"}
_ICMP_ERRNO = {icmp.PORT: "icmp-refused", icmp.HOST: "icmp-no-route"}
_MUTE = 2  # where nothing else was seen, more unanswered RRQs than this are not chance
_MISSING, _DENIED = (
    ("not found", "no such file"),
    ("denied", "violation", "permission", "absolute"),
)
_SLOW_BLOCK_MS = 250
_LOST = 3  # retransmitted packets, from which on loss is a cause,
_RARE = 500  # if they are at least one in so many: a busy machine is late now and then, too


def among(seen, show):
    """{name: sentence} of what a healthy path and server do not show.  `show`: makes text safe."""
    found = {}
    if seen["requests"] and not seen["answers"] and not seen["foreign"]:
        name, sentence = _icmp_mark(seen)
        if name:
            found[name] = sentence
        else:
            found["all-silent"] = (
                f"All {seen['requests']} RRQs stayed without any answer, from low and from high "
                "ports alike."
            )
    if seen["foreign"]:
        hosts = ", ".join(seen["foreign"])
        found["foreign"] = f"Answers came from {hosts}, which was not asked."
    if seen["low_silent"]:
        found["low-silent"] = _low_words(seen)
    if seen["file_error"]:
        code, message = seen["file_error"]["code"], seen["file_error"]["message"]
        kind = _error_kind(code, message)
        found[kind] = f'The server answers each RRQ with ERROR {code} "{show(message)}".'
    if seen["options_error"]:
        error = seen["options_error"]
        found["options-error"] = (
            f'With options the server answers ERROR {error["code"]} "{show(error["message"])}"; '
            "without any it sends the file."
            if error.get("code") is not None
            else "RRQs with options stay unanswered; without any the server sends the file."
        )
    if seen["options_ignored"] and _meets_no_oack(seen):
        found["options-ignored"] = "The server ignores all options, and this ROM insists on them."
    if seen["probe_fails"]:
        found["probe-fails"] = (
            "The ROM's size probe fails, also from high ports, while its request for the data "
            "is answered."
        )
    if seen["after_probe"]:
        found["after-probe"] = (
            "Once the ROM has probed the size and sent its ERROR, its next RRQ stays unanswered, "
            "while the same RRQ alone is answered."
        )
    if seen["by_order"] and seen.get("same_again") is False:
        found["limited"] = (
            "After a pause the first RRQ is answered and the next ones are not, from the same "
            "port either: the time makes the difference, not the port."
        )
    elif seen["by_order"]:
        found["turns"] = (
            "After a pause the port that asks first is answered and the next one is not, in "
            "either order of the ports."
        )
    elif seen.get("at_once"):
        count = "first" if seen["at_once"] == 1 else f"first {seen['at_once']}"
        verb = "gets" if seen["at_once"] == 1 else "get"
        several = seen["at_once"] > 1 or seen["by_order"] is False or observe.one_by_one(seen)
        name = "at-once" if several else "one-at-a-time"
        found[name] = (
            f"Of several transfers that stand open side by side only the {count} {verb} an "
            "answer, in the second round no more than in the first."
        )
    if seen["by_order"]:  # this explains every unanswered RRQ
        return {name: found[name] for name in found if name not in _OF_SILENCE}
    found.update(_of_transfers(seen, show))
    big = _big_blocks(seen)
    if big:
        found["big-blocks"] = (
            f"The transfer opens, but no datagram with {big} bytes of the file arrives, again and "
            "again, while smaller ones do."
        )
    if seen["stuck"]:
        name = "acks-refused" if seen["stuck_refused"] else "acks-lost"
        refused = " and refuses the ACK (ICMP or ERROR 5)" if seen["stuck_refused"] else ""
        found[name] = (
            f"The server sends its first packet again and again{refused}: what this end "
            "acknowledges does not reach the transfer."
        )
    total = seen.get("packets") or seen["requests"]  # of an earlier version's result
    if seen["lost"] >= max(_LOST, total / _RARE) and not seen["stuck"]:
        found["retransmits"] = (
            f"{seen['lost']} packets were lost of about {total}, at no particular port or size."
        )
    slow = _slow(seen)
    if slow:
        found["slow"] = slow
    if not found and (seen["image"] == "empty" or seen.get("image_wrong")):
        found["wrong-image"] = f"The file that came: {image_words({'kind': seen['image']})}."
    if not found:
        found.update(_unexplained(seen, show))
    return found


def _icmp_mark(seen):
    row = icmp.most(seen.get("icmp") or [])
    if row is None:
        return None, None
    names = _ICMP if row["type"] is not None else _ICMP_ERRNO
    closed = icmp.most(seen.get("icmp_closed") or [])
    if row["type"] is None and row["meaning"] == icmp.HOST and closed:
        # A closed port of the host answers: port 69 is what is blocked.
        names = {icmp.HOST: "icmp-rejected"} if closed["meaning"] == icmp.PORT else names
    count = sum(each["count"] for each in seen["icmp"])
    errors = "1 ICMP error" if count == 1 else f"{count} ICMP errors"
    others = len(seen["icmp"]) - 1
    more = f", and {others} other kind{'s' * (others > 1)}" if others else ""
    return names.get(row["meaning"], "icmp-other"), (
        f"To {seen['requests']} RRQs came {errors} and nothing else: {icmp.words(row)}{more}."
    )


def _of_transfers(seen, show):
    # Faults within a transfer.
    if seen.get("unasked"):
        yield "unasked-option", _unasked(seen["unasked"], show)
    if seen.get("oversize"):
        unsaid = seen.get("unsaid_blksize")
        yield (
            "oversize",
            "The server sends DATA that is longer than the agreed block size"
            + (
                f": it takes the blksize of the RRQ, {show(unsaid)}, and sends no OACK, without "
                "which 512 bytes hold (RFC 2347)."
                if unsaid
                else "."
            ),
        )
    end = seen.get("end")
    if signs.no_final_block(seen):
        yield (
            "no-final-block",
            f"All {end['bytes']} bytes came (tsize), in {end['blocks']} full blocks of "
            f"{end['blksize']}, and then nothing: the empty DATA that ends such a file is missing "
            "(RFC 1350 section 6).",
        )
    if signs.no_rollover(seen) or seen.get("rom_reason") == "rollover":
        known = f" of {end['tsize']}" if end and end["tsize"] else ""
        came = f"after block {end['blocks']} ({end['bytes']} bytes{known})" if end else "there"
        yield (
            "no-rollover",
            f"The transfer ends {came}: block numbers have 16 bits, and what follows 65,535 is "
            "not sent, or not taken.",
        )
    if seen.get("rom_reason") in ("wrong_size", "longer_than_tsize"):
        yield "wrong-tsize", f"The file is not as long as the OACK says: {_detail(seen, show)}."
    cut = signs.needless_pieces(seen)
    if cut:
        yield (
            "pieces",
            f"DATA with {cut} bytes came in pieces (IP fragments) and was put together by this "
            f"machine; {signs.largest_whole(seen)} bytes are the most that came whole.",
        )


def _detail(seen, show):
    return show(seen.get("rom_detail") or "").rstrip(".")


def _so(seen, show):
    detail = _detail(seen, show)
    return f": {detail}." if detail else "."


def _unasked(option, show):
    name, value = show(option["name"]), show(str(option["value"]))
    if option.get("asked") is None:
        return (
            f'The OACK grants "{name} {value}", an option that the RRQ did not have: RFC 2347 '
            "does not allow that, and clients refuse it with ERROR 8."
        )
    return (
        f"The OACK grants {name} {value} where the RRQ asked for {show(option['asked'])}: only "
        "the same or less is allowed (RFC 2348, RFC 7440), and clients refuse it with ERROR 8."
    )


def _unexplained(seen, show):
    # Failures without any other anomaly.
    if seen["rom_works"] is False and seen["answers"]:
        code = f" with {seen['rom_status']}" if seen["rom_status"] else ""
        yield (
            "rom-failed",
            f"The ROM's own boot failed{code}, and no other experiment shows why{_so(seen, show)}",
        )
    if seen.get("silent", 0) >= _MUTE:
        yield (
            "silences",
            f"{seen['silent']} of {seen['requests']} RRQs stayed unanswered, from ports that are "
            "answered at other times.",
        )


def _meets_no_oack(seen):
    # The ROM fails before the first block, and neither ports nor DATA are the reason.
    if seen["low_silent"] or seen.get("end") or seen.get("oversize"):
        return False
    return seen["rom_works"] is False


def _big_blocks(seen):
    # DATA of the ROM's own block size does not arrive, smaller does.
    own = seen["own_size"]
    passes = seen["sizes"]
    good = [size for size, passed in passes.items() if passed and size < own]
    return own if passes.get(own) is False and good else None


def _slow(seen):
    # A round trip within the ROM's first wait costs time and nothing else, near as it may come.
    limit_ms = min(1000, seen["first_wait_ms"])
    if seen["answer_ms"] and seen["answer_ms"] >= limit_ms:
        return (
            f"A first answer takes {seen['answer_ms'] / 1000:.2f} s (median); the ROM sends its "
            f"next RRQ after {seen['first_wait_ms'] / 1000:.2f} s."
        )
    block_ms = (seen["lockstep"] or {}).get("median_ms")
    if block_ms and block_ms >= _SLOW_BLOCK_MS:
        return f"Each block takes {block_ms:g} ms (median)."
    return None


def _error_kind(code, message):
    text = message.lower()
    if code == 1 or any(words in text for words in _MISSING):
        return "error-missing"
    if code == 2 or any(words in text for words in _DENIED):
        return "error-denied"
    return "error-other"


def _low_words(seen):
    low, high = seen["low"], seen["high"]
    silent = port_names.words(seen["low_silent"])
    others = port_names.words(high["ports"])
    text = (
        f"None of the requests from {silent} was answered, in either test; all {high['asked']} "
        f"from {others} were."
    )
    if low["answered"]:
        text += f" (From others of the ROM's ports {low['answered']} were answered.)"
    return text
