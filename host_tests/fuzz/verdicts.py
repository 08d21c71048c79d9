"""What every failure must look like, wherever it was caused."""

# The codes that a TFTP read can end in (R-PXE-60).
_CODES = ("E32", "E33", "E35", "E36", "E38", "E39", "E3A", "E3B", "E3C", "E3F")


def is_printable(text):
    return all(" " <= letter <= "~" for letter in text)


def check_status(told):
    """`told`: a result's `status`. One known code, one side, sentences that harm no terminal."""
    assert told["code"][:4] == "PXE-" and told["code"][4:] in _CODES
    assert told["side"] in ("ours", "server", "path")
    for name in ("text", "detail", "advice"):
        assert told[name] and is_printable(told[name]), told[name]
