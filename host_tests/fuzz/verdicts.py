"""What every failure must look like, wherever it was caused."""

from pxerom import status

CODES = {"PXE-" + line[:3] for line in status._CODES.split("\n")}


def is_printable(text):
    return all(" " <= letter <= "~" for letter in text)


def check_status(told):
    """`told`: a result's `status`. One known code, one side, sentences that harm no terminal."""
    assert told["code"] in CODES
    assert told["side"] in ("ours", "server", "path")
    for name in ("text", "detail", "advice"):
        assert told[name] and is_printable(told[name]), told[name]
