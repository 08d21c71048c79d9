"""`--fault`: what a user may ask a ROM to do wrong, as a job has it; and its outcome in words.

What each fault does on the wire is in the firmware (`pxerom.faults`), which does not check these
numbers again.

1. A wrong value is refused with a sentence before anything is sent.
2. Without `--seed` the seed is 1: the same command chooses the same ACKs.
"""

import click

from pxebench.job import Refused, show

# name: (what its number is, or "" for none; least; most)
_FAULTS = {
    "lose-ack": ("percent", 1, 100),
    "double-ack": ("", 1, 1),
    "late-ack": ("milliseconds", 1, 60000),
    "silent-after": ("a block's number", 0, 65535),
    "wrong-tid": ("", 1, 1),
    "no-final-ack": ("", 1, 1),
    "abort-at": ("a block's number", 0, 65535),
}
_SEED_MAX = 0xFFFFFFFF
_DEFAULT_SEED = 1


def fault_options(command):
    """The options `--fault` and `--seed` of a click command."""
    command = click.option(
        "--seed",
        type=click.IntRange(0, _SEED_MAX),
        metavar="N",
        help=f"Which ACKs lose-ack takes: the same N, the same ACKs (default {_DEFAULT_SEED}).",
    )(command)
    return click.option(
        "--fault",
        "faults",
        multiple=True,
        metavar="FAULT",
        help="Misbehave, to test the server; may be repeated: lose-ack:PERCENT, double-ack, "
        "late-ack:MS, silent-after:BLOCK, wrong-tid, no-final-ack, abort-at:BLOCK.",
    )(command)


def parse(faults, seed=None):
    """The job's `faults` for the words after `--fault`; None when there is none."""
    if not faults:
        if seed is not None:
            raise Refused("--seed goes with --fault.")
        return None
    spec = {"seed": _DEFAULT_SEED if seed is None else seed}
    for word in faults:
        name, colon, text = word.partition(":")
        if name not in _FAULTS:
            raise Refused(f"There is no fault {show(name)}; there are {', '.join(_FAULTS)}.")
        if name in spec:
            raise Refused(f"--fault {name} is given twice.")
        what, least, most = _FAULTS[name]
        if not what:
            if colon:
                raise Refused(f"--fault {name} takes no number: write it as {name}.")
            spec[name] = 1
            continue
        known = text.isascii() and text.isdigit() and len(text) <= len(str(most))
        if not known or not least <= int(text) <= most:
            raise Refused(
                f"--fault {name} takes {what} from {least} to {most}, as {name}:{most // 5}, "
                f"not {show(text) or 'nothing'}."
            )
        spec[name] = int(text)
    _agree(spec)
    return spec


def _agree(spec):
    silent = spec.get("silent-after")
    if silent is not None and spec.get("abort-at", -1) > silent:
        raise Refused(
            f"--fault abort-at:{spec['abort-at']} would never come: with silent-after:{silent} "
            f"the ROM sends nothing any more by then."
        )
    if spec.get("lose-ack") == 100 and len(spec) > 2 and {"double-ack", "late-ack"} & set(spec):
        raise Refused("--fault lose-ack:100 leaves no ACK that could be doubled or late.")


def words(report):
    """The result's `faults` in one line, for the closing words."""
    asked = [
        f"{n}:{v}" if _FAULTS[n][0] else n for n, v in report["asked"].items() if n in _FAULTS
    ]
    text = ", ".join(asked)
    if "lose-ack" in report["asked"]:
        text += f" (seed {report['seed']})"
    if "acks" not in report:
        return text
    done = [f"{report['acks']} ACKs were due"]
    for name in ("lost", "late", "doubled", "withheld"):
        if report[name]:
            done.append(f"{report[name]} {name}")
    if report["strange"]:
        done.append(
            f"{report['strange']} also sent from another port, "
            f"which got {report['errors_5']} ERROR 5 and {report['answers']} answers in all"
        )
    return f"{text}: {', '.join(done)}"
