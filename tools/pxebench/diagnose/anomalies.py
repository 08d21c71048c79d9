"""What a healthy path and server do not show, and the sentence for it.

Made from the observations alone (`observe`); which cause explains which anomaly is the table of
`causes`.
"""

from pxebench.sweep import port_names
from pxebench.view import image_words

# What a ROM of an architecture (DHCP option 93) can start; one that is not listed takes anything.
IMAGES = {
    0: ("ipxe-nbp", "pxelinux", "grub-pxe", "nbp"),
    2: ("efi-ia64",),
    6: ("efi-ia32",),
    7: ("efi-x64",),
    9: ("efi-x64",),
    10: ("efi-arm32",),
    11: ("efi-arm64",),
    27: ("efi-riscv64",),
}
# Anomalies that are seen by what does not come.
_OF_SILENCE = ("low-silent", "probe-fails", "after-probe", "options-error", "one-at-a-time")
_MISSING, _DENIED = (
    ("not found", "no such file"),
    ("denied", "violation", "permission", "absolute"),
)
_SLOW_BLOCK_MS = 250
_LOST = 3  # packets sent again in vain, before loss is a cause


def among(seen, show):
    """{name: sentence} of what a healthy path and server do not show.  `show`: makes text safe."""
    found = {}
    if seen["requests"] and not seen["answers"] and not seen["foreign"]:
        if seen["unreachable"]:
            found["icmp"] = (
                f"{_times(seen['unreachable'])} of {seen['requests']} RRQs, ICMP unreachable came "
                "back, and nothing else."
            )
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
    if seen["options_ignored"] and seen["rom_status"] == "PXE-E38":
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
    if seen["by_order"]:
        found["turns"] = (
            "After a pause whichever port asks first is answered and the next one is not, "
            "whichever port that is."
        )
    elif seen["several"] is False and not seen["rom_works"]:
        found["one-at-a-time"] = (
            "Of several transfers that stand open side by side only the first gets an answer."
        )
    if seen["by_order"]:  # which explains every silence there was
        return {name: found[name] for name in found if name not in _OF_SILENCE}
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
    if seen["lost"] >= _LOST and not seen["stuck"]:
        total = (seen["lockstep"] or {}).get("acked", 0) * 2 + seen["requests"]
        found["retransmits"] = (
            f"{seen['lost']} packets were lost of about {total}, at no particular port or size."
        )
    slow = _slow(seen)
    if slow:
        found["slow"] = slow
    allowed = IMAGES.get(seen["arch"])
    if seen["image"] and (seen["image"] == "empty" or (allowed and seen["image"] not in allowed)):
        found["wrong-image"] = f"The file that came is {_image(seen['image'])}."
    return found


def _big_blocks(seen):
    # The ROM's own block size does not come through, while a smaller one does.
    own = seen["own_size"]
    passes = seen["sizes"]
    good = [size for size, passed in passes.items() if passed and size < own]
    return own if passes.get(own) is False and good else None


def _slow(seen):
    limit_ms = min(1000, seen["first_wait_ms"] / 2)
    if seen["answer_ms"] and seen["answer_ms"] >= limit_ms:
        return (
            f"A first answer takes {seen['answer_ms'] / 1000:.1f} s (median); the ROM sends its "
            f"next RRQ after {seen['first_wait_ms'] / 1000:.1f} s."
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


def _image(kind):
    return image_words({"kind": kind})


def _times(count):
    return "To one" if count == 1 else f"To {count}"


def _low_words(seen):
    low, high = seen["low"], seen["high"]
    return (
        f"From the ROM's ports {port_names.words(seen['low_silent'])} no RRQ was ever answered, "
        f"before and after; from the ports {port_names.words(high['ports'])} each of "
        f"{high['asked']} was."
    ) + ("" if not low["answered"] else f" (From others of its ports {low['answered']} got one.)")
