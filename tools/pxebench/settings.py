"""The settings that a ROM takes from the command line: --blksize, --windowsize, --timeout,
--retries, --no-tsize.

A ROM is adjusted only where its file allows it (`tftp.adjustable`), by changing its data: the
firmware knows no settings. Options follow RFC 2348, 2349 and 7440.
"""

import copy

from pxebench.job import Refused, bare, value

_MAX_WAIT_MS = 3600000  # the longest that a ROM file may state


def offered_by(rom):
    """The names of the settings that this ROM takes from the command line."""
    return list(value(value(rom.get("tftp", {})).get("adjustable", [])))


def adjust(rom, settings):
    """A copy of `rom` with `settings` (blksize, windowsize, timeout, retries, tsize) applied.

    Only settings that are not None count; `tsize` is False for `--no-tsize`.  `Refused` when the
    ROM does not offer one of them, or when a ROM cannot have that `timeout`.
    """
    settings = {name: given for name, given in settings.items() if given is not None}
    if not settings:
        return rom
    offered = offered_by(rom)
    for name in settings:
        if name not in offered:
            option = "--no-tsize" if name == "tsize" else "--" + name
            raise Refused(
                f"ROM {rom.get('id')} takes no {option}: a ROM's behaviour is fixed; "
                f"--rom standard takes it."
            )
    rom = copy.deepcopy(rom)
    tftp = value(rom["tftp"])
    if "blksize" in settings:
        _set_option(tftp, "blksize", settings["blksize"])
    if "windowsize" in settings:
        _set_option(tftp, "windowsize", settings["windowsize"])
    if "timeout" in settings:
        _set_timeout(tftp, settings["timeout"])
    if "retries" in settings:
        retries = settings["retries"]
        for waits, put in _wait_tables(tftp):
            put((waits + [waits[-1]] * retries)[: retries + 1])
    if settings.get("tsize") is False:
        _set_option(tftp, "tsize", None)
    return rom


def _set_option(tftp, name, number):
    """Give each data request the option `name`, in its place there; None takes it out."""
    main = True
    for fact in value(tftp["requests"]):
        request = value(fact)
        if value(request.get("purpose", "data")) != "data":
            continue
        options = [list(pair) for pair in value(request.get("options", []))]
        names = [pair[0].lower() for pair in options]
        if name in names and number is None:
            del options[names.index(name)]
        elif name in names:
            options[names.index(name)][1] = str(number)
        elif main and number is not None:
            # Later data requests are fallbacks, often without options.
            options.append([name, str(number)])
        request["options"] = options
        main = False


def _set_timeout(tftp, seconds):
    """Scale every table of waits so that its first is `seconds`; the option goes where it can."""
    if not 0 < seconds <= 3600:
        raise Refused(f"--timeout takes seconds, more than 0 and at most 3600, not {seconds:g}.")
    # RFC 2349 has whole seconds from 1 to 255 only; other waits cannot be sent as an option.
    sayable = seconds == int(seconds) and 1 <= seconds <= 255
    _set_option(tftp, "timeout", int(seconds) if sayable else None)
    for waits, put in _wait_tables(tftp):
        scaled = [round(wait * seconds * 1000 / waits[0]) for wait in waits]
        put([max(1, min(wait, _MAX_WAIT_MS)) for wait in scaled])


def _wait_tables(tftp):
    """Each retry table of waits in ms, with a function that puts another in its place."""
    for fact in value(tftp["retry"]).values():
        phase = value(fact)
        if isinstance(phase, dict) and "waits_ms" in phase:
            waits = list(bare(phase["waits_ms"]))
            if waits:
                yield waits, lambda table, phase=phase: phase.__setitem__("waits_ms", table)
