"""How a boot can fail: the PXE code, the ROM's words, whose side it is on, what to do next.

Which event gets which code is decided where it happens; what a code means is in `pxe_codes`.

1. A failure is on one of three sides: `ours` (this client or its target), `server`, `path`.
2. Text from the network is made harmless before anybody sees it (`printable`, R-SEC-22).
"""


class Failure(Exception):
    """A boot that failed. `code`: "PXE-Enn"; `detail`: one sentence of what happened; `side`:
    "ours", "server" or "path" where it is not the code's usual side; `reason`: the id of what
    happened: the hazard (`tftp`), or the code where there is nothing more to say."""

    def __init__(self, code, detail, side=None, reason=None):
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.side = side
        self.reason = reason or code

    def status(self, uefi=False):
        """The result's `status`: {code, text, side, detail, reason, advice}. `uefi`: True for
        the codes and texts of UEFI (R-PXE-61)."""
        from pxerom.pxe_codes import of_code

        code, side, text, advice = of_code(self.code, uefi)
        return {
            "code": code,
            "text": text,
            "side": self.side or side,
            "detail": self.detail,
            "reason": self.reason,
            "advice": advice,
        }


class Ended(Exception):
    """Ends a boot in order; `by` says what ended it: here the job's time limit."""

    by = "bench"


class Refused(Exception):
    """A job that cannot be run: one sentence, and the bench's exit code. `exit_code`: 2 for what
    the user gave, 3 for a bench that is not in order (port in use, no permission). `reason`: its
    id, or None."""

    def __init__(self, message, exit_code=2, reason=None):
        super().__init__(message)
        self.exit_code = exit_code
        self.message = message
        self.reason = reason


def printable(data, other="."):
    """Text of network bytes (R-SEC-22). `other`: what stands for a byte outside 0x20..0x7e, with
    ## for its two digits: NAME is that of a file's name, where each byte counts."""
    parts = []
    for at in range(0, len(data), 64):  # a list of all letters would be one large piece of memory
        part = data[at : at + 64]
        parts.append(
            "".join([chr(b) if 32 <= b < 127 else other.replace("##", "%02x" % b) for b in part])
        )
    return "".join(parts)


NAME = "\\x##"
