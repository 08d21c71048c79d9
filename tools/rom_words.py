#!/usr/bin/env python3
"""Write the tables of hazards and reactions into firmware/pxerom/roms/README.md.

The words of each hazard, and its default, are read from `rom_check`; their meanings are here.
`python tools/rom_words.py` writes them; a test fails while the page says anything else.
"""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
README = ROOT / "firmware/pxerom/roms/README.md"
BEGIN = "<!-- words: made by `python tools/rom_words.py` -->\n"
END = "<!-- end of words -->"

HAZARDS = {
    "duplicate_data": "the block that was accepted last comes again",
    "future_data": "DATA beyond the expected block",
    "window_gap": "DATA beyond the expected block, in a window",
    "old_data": "DATA accepted before the last one",
    "block_zero": "DATA with the number 0, which is not expected",
    "unknown_tid": "a packet from another port of the server",
    "no_oack": "DATA in answer to a request with options",
    "malformed_oack": "an OACK that cannot be read, or whose value cannot be right",
    "unrequested_option": "the OACK names an option that was not asked for",
    "larger_blksize": "the OACK grants a larger blksize than was asked for",
    "unrequested_blksize": "the OACK names a blksize above 512 that was not asked for",
    "other_timeout": "the OACK grants another timeout than was asked for",
    "odd_number": "the OACK has a number with a tail or a sign, as `5.0` or `-5`",
    "oversize_data": "DATA longer than blksize",
    "wrong_size": "the file is shorter than tsize",
    "longer_than_tsize": "more bytes than tsize",
    "stray_opcode": "a packet that is no part of a read",
    "stray_ack": "an ACK, which is no part of a read either",
    "duplicate_oack": "the OACK comes again before the first DATA",
    "late_oack": "the OACK comes again after DATA",
    "error": "the server's ERROR",
    "error_reply": "what the server's ERROR is answered with",
    "time_out": "a retransmission in a window that is not full",
    "rrq_unreachable": "an ICMP error before the first reply",
    "ack_unreachable": "an ICMP error after it",
    "give_up": "the retry table is at its end in mid-file",
}
# The meaning of an absent field without a default.
ABSENT = {
    "unrequested_blksize": "`unrequested_option`",
    "other_timeout": "`malformed_oack`",
    "odd_number": "`malformed_oack`",
    "wrong_size": "`error`",
    "longer_than_tsize": "`error`",
    "stray_ack": "`stray_opcode`",
    "error_reply": "no answer",
    "time_out": "the ACK of the last block",
    "rrq_unreachable": "it is counted",
    "ack_unreachable": "it is counted",
}
# A word, or a hazard and a word where it means something else there.
WORDS = {
    "ignore": "nothing is sent, nothing is taken",
    "fail": "the transfer ends, nothing is sent",
    "error": "the transfer ends with the ERROR of the RFCs",
    "ERROR": 'the ROM\'s own: `{"error": code, "message": text}`; the transfer ends, '
    'but with `"then": "go_on"` it goes on',
    "accept": "the ROM goes on as if nothing were wrong",
    "ack": "the ACK of the last good block",
    "ack_once": "the same, once for each block and each retransmission timeout",
    "ack_that": "the ACK of the block that came",
    "ack_due": "the ACK of the expected block",
    "ack_zero": "ACK 0; no block is taken any more",
    "ack_zero_go_on": "ACK 0; the transfer goes on",
    "ack_and_lose": "the ACK of the last good block; any DATA after it ends the transfer",
    "hold": "the ACK of the last good block; the DATA is kept, four at most, until it is expected",
    "next": "the ROM goes on to its next request",
    "next_if_refused": "the same, after the codes 0, 4 and 8",
    "swallow": "DATA is acknowledged, never taken; the request goes to that TID again",
    "drop": "the whole OACK is ignored",
    "cut": "the first blksize bytes are taken",
    "follow": "whoever writes is the peer from then on",
    "error_block": "an ERROR of four bytes, with the last block in the place of the code",
    "last_sent": "the last ACK that was sent, instead of that of the last block",
    "silent": "nothing is sent",
    "unknown_tid error": "ERROR 5; the transfer goes on",
    "unknown_tid ERROR": "the ROM's own; the transfer goes on",
    "unknown_tid accept": "as the peer's, which gets the ACK",
    "unrequested_option ignore": "the option is passed over",
    "larger_blksize ignore": "the option is passed over",
}
# Reactions that can corrupt the file: the packets are the ROM's, the result is a failure.
DOUBT = ("unknown_tid accept", "unknown_tid follow", "oversize_data cut", "wrong_size accept")
DOUBT += ("longer_than_tsize accept",)


def table():
    """The text between BEGIN and END."""
    from pxerom.rom_check import _ON

    hazards = "| hazard | what happens | words, the default first |\n|---|---|---|\n"
    used = []
    for line in _ON.split("\n"):
        hazard, kinds, default = line.split(" ")
        words = kinds.split("|")
        used += [f"{hazard} {word}" for word in words]
        default = default.strip('"')
        said = [] if default == "null" else [default]
        said += [word for word in words if word != default]
        said = [f"`{word}`{'*' * (f'{hazard} {word}' in DOUBT)}" for word in said]
        text = ", ".join(said)
        if default == "null":
            text += f"; absent: {ABSENT[hazard]}"
        hazards += f"| `{hazard}` | {HAZARDS[hazard]} | {text} |\n"
    reactions = "| word | what the ROM does |\n|---|---|\n"
    for word, meaning in WORDS.items():
        at, _, own = word.rpartition(" ")
        name = f"`{own}` at `{at}`" if at else f"`{word}`"
        reactions += f"| {name} | {meaning} |\n"
    known = {word.split(" ")[-1] for word in used} | set(used)
    surplus = [word for word in (*WORDS, *DOUBT) if word not in known]
    if surplus:
        raise ValueError(f"no ROM file may have {', '.join(surplus)}")
    return (
        f"{hazards}\n`*`: a wrong file could come of it. The packets are the ROM's, the result is "
        f"a failure.\n\n{reactions}"
    )


def page():
    """The README as it should be."""
    text = README.read_text("utf-8")
    start, stop = text.index(BEGIN) + len(BEGIN), text.index(END)
    return text[:start] + table() + text[stop:]


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT / "firmware"))
    README.write_text(page(), "utf-8")
