"""The history of a watch: the boots so far, in a file, and what changed with the last one.

Left to others: running the boot (`endpoints`), the clock and the command line (`cli`), the
page (`report`). A history is a file of JSON lines, one **entry** for each boot:

    {"schema": 1, "kind": "watch", "when": "2026-11-23T23:40:01Z", "server": as typed, "address",
     "port", "file", "rom", "endpoint", "outcome": "ok" | "failed" | "bench", "code", "text",
     "elapsed_ms", "bytes", "sha256", "ports": [client ports], "oack": {...} or null,
     "retransmits", "foreign", "icmp": [rows of `icmp`], "changes": [{"id", "text"}]}

"bench": the boot could not be run (a port in use, a board unplugged): no fault of the server.

1. A boot is compared with those of the same server, file, ROM and endpoint only.
2. A boot is slow when it is far from the median, measured by the median absolute deviation (MAD):
   one slow boot among the earlier ones does not hide the next.
3. The file never grows beyond its bound, and a line that is no entry is skipped: a power failure
   leaves a cut line.
"""

import errno
import json
import os
import statistics

from pxebench import icmp
from pxebench.job import EXIT_BENCH, Refused, show, source_ports
from pxebench.record import headed

SCHEMA = 1
KEEP = 5000  # entries; of a boot every five minutes, 17 days
_LEAST = 8  # earlier boots that a usual time is computed from
_SPREADS = 6  # deviations from the median that are not chance
_SPREAD_OF_MAD = 1.4826  # of a normal distribution
_FLOOR_MS = 50  # a smaller difference does not matter
_SAME = ("server", "port", "file", "rom", "endpoint")

# Changes that are a warning although the boot succeeds.
WARNINGS = ("slower", "server", "options", "size", "content", "resent", "stranger")


# ---- one boot


def entry(what, when, result=None, refused=None):
    """The entry of a boot: of its result, or of what prevented it. `what`: server, address, port,
    file, rom, endpoint."""
    made = {**headed("watch", {}), "started": when, "when": when, **what}
    if refused is not None:
        made.update({"outcome": "bench", "code": None, "text": refused})
        return {**made, **_EMPTY, "icmp": [], "changes": []}
    status = result["status"] or {}
    image = result["image"] or {}
    transfers = result["transfers"]
    made.update(
        {
            "outcome": result["outcome"],
            "code": status.get("code"),
            "text": status.get("text"),
            "elapsed_ms": sum(transfer["elapsed_ms"] for transfer in transfers),
            "bytes": image.get("bytes", 0),
            "sha256": image.get("sha256"),
            "ports": source_ports(result)[:32],
            "oack": transfers[-1]["oack"] if transfers else None,
            "retransmits": sum(transfer["retransmits"] for transfer in transfers),
            "foreign": sum(transfer["foreign"] for transfer in transfers),
            "icmp": icmp.of_result(result),
            "changes": [],
        }
    )
    return made


_EMPTY = {
    "elapsed_ms": None,
    "bytes": 0,
    "sha256": None,
    "ports": [],
    "oack": None,
    "retransmits": 0,
    "foreign": 0,
}


def reason(one):
    """Why a boot failed, in words: the ROM's, and what ICMP errors said."""
    said = icmp.sentence(one.get("icmp"), one["address"])  # earlier entries have none
    return f"{one['text'] or 'no reason'}{f'. {said}' if said else ''}"


def usual(entries):
    """(median, limit) in ms of the boots that went well, or None while they are too few. Above
    the limit a boot is slower than usual."""
    times = [one["elapsed_ms"] for one in entries if one["outcome"] == "ok"]
    if len(times) < _LEAST:
        return None
    median = statistics.median(times)
    spread = _SPREAD_OF_MAD * statistics.median(abs(time - median) for time in times)
    return median, median + max(_SPREADS * spread, median * 0.25, _FLOOR_MS)


def changes(new, entries):
    """What is different with `new` from the earlier `entries`: [{"id", "text"}]."""
    boots = [one for one in entries if one["outcome"] in ("ok", "failed") and _alike(one, new)]
    if new["outcome"] == "bench" or not boots:
        return []
    if new["outcome"] == "failed":
        found = _failed(new, boots)
    else:
        found = [*_again(boots), *_slower(new, boots), *_other(new, boots)]
    return [{"id": name, "text": text} for name, text in found]


def _alike(one, new):
    return all(one.get(name) == new.get(name) for name in _SAME)


def _failed(new, boots):
    last = boots[-1]
    words = f"{new['code'] or 'no code'}, {reason(new)}".rstrip(".")
    if last["outcome"] == "ok":
        yield "failed", f"It fails: {words}. The boot before, at {last['when']}, went well."
    elif last["code"] != new["code"]:
        yield "fails-otherwise", f"It fails otherwise: {words}, where it was {last['code']}."


def _again(boots):
    failed = []
    for one in reversed(boots):
        if one["outcome"] == "ok":
            break
        failed.append(one)
    if failed:
        count = "one boot" if len(failed) == 1 else f"{len(failed)} boots"
        yield "recovered", f"It boots again, after {count} failed since {failed[-1]['when']}."


def _slower(new, boots):
    known = usual(boots)
    if known and new["elapsed_ms"] > known[1]:
        yield (
            "slower",
            f"Slower than usual: {new['elapsed_ms']} ms, where {known[0]:.0f} ms is the median "
            f"and up to {known[1]:.0f} ms is usual.",
        )


def _other(new, boots):
    good = [one for one in boots if one["outcome"] == "ok"]
    if not good:
        return
    last = good[-1]
    if new["address"] != last["address"]:
        yield "server", f"Another server answered: {new['address']}, it was {last['address']}."
    was, now = _granted(last), _granted(new)
    if was != now:
        yield (
            "options",
            f"The server grants {_words(now)}, it was {_words(was)}: another server, or other "
            f"settings.",
        )
    if new["bytes"] != last["bytes"]:
        yield "size", f"The file has {new['bytes']} bytes, it had {last['bytes']}."
    elif new["sha256"] != last["sha256"]:
        yield "content", f"The file is another one of the same size (SHA-256 {new['sha256']})."
    if new["retransmits"] and not last["retransmits"]:
        yield "resent", f"Packets were sent again: {new['retransmits']}, none the time before."
    if new["foreign"] and not last["foreign"]:
        yield "stranger", f"An unknown TID sent {new['foreign']} packets."


def _granted(one):
    # tsize is the file's, not the server's.
    oack = one["oack"]
    if not isinstance(oack, dict):
        return None
    return {name.lower(): value for name, value in oack.items() if name.lower() != "tsize"}


def _words(options):
    if options is None:
        return "no options"
    return ", ".join(f"{name} {value}" for name, value in options.items()) or "none of its options"


# ---- the history


def default_path(what):
    """The default path of a history: in XDG's folder for state."""
    base = os.environ.get("XDG_STATE_HOME") or ""
    if not os.path.isabs(base):
        base = os.path.join(os.path.expanduser("~"), ".local", "state")
    words = "-".join(str(what[name]) for name in ("server", "port", "file", "rom", "endpoint"))
    name = "".join(c if c.isalnum() and c.isascii() or c in ".-_" else "_" for c in words)
    import hashlib

    # Two boot files may differ in characters that a file name cannot have.
    digest = hashlib.sha256(words.encode("utf-8", "replace")).hexdigest()[:8]
    return os.path.join(base, "pxebench", "watch", f"{name[:100]}-{digest}.jsonl")


class History:
    """The entries in a file. Raises `Refused` where it cannot be had."""

    def __init__(self, path, keep=KEEP):
        self.path = str(path)
        self.keep = keep
        try:
            os.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok=True)
            if os.path.exists(path) and not os.path.isfile(path):
                # No device, which may never end, and no folder.
                raise OSError(errno.EINVAL, "it is no ordinary file")
            with open(path, "a", encoding="utf-8"):
                pass  # reported before the first boot, not after it
            self.entries = self._read()
        except OSError as error:
            raise self._refused(error) from None

    def _refused(self, error):
        reason = error.strerror or error
        return Refused(f"Cannot keep the history in {show(self.path)}: {reason}.", EXIT_BENCH)

    def _read(self):
        with open(self.path, encoding="utf-8", errors="replace") as file:
            return [one for one in map(_entry, file) if one][-self.keep :]

    def add(self, new):
        """Append an entry; beyond the bound the oldest go."""
        self.entries.append(new)
        try:
            with open(self.path, "a+b") as file:
                _lock(file)  # another probe may write here too
                if file.tell() and _last_byte(file) != b"\n":
                    file.write(b"\n")  # a cut line stays on its own
                file.write(json.dumps(new).encode() + b"\n")
                file.flush()
                if len(self.entries) > self.keep + self.keep // 4:
                    self._shorten(file)
        except OSError as error:
            raise self._refused(error) from None

    def _shorten(self, file):
        # In place, under the lock: another process that waits for it has this file open.
        self.entries = self._read()
        text = "".join(json.dumps(one) + "\n" for one in self.entries).encode()
        file.seek(0)
        file.truncate()
        file.write(text)


def _lock(file):
    try:
        import fcntl
    except ImportError:  # no Unix: one probe a history
        return
    fcntl.flock(file, fcntl.LOCK_EX)


def _last_byte(file):
    file.seek(-1, os.SEEK_END)
    return file.read(1)


def _entry(line):
    try:
        one = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return one if is_entry(one) else None


def is_entry(one):
    """Whether it is an entry of a history, with all fields that are used."""
    try:
        whole = all(name in one for name in (*_SAME, "address", "oack", "code", "text", *_EMPTY))
        if not whole or one["kind"] != "watch" or one["schema"] != SCHEMA:
            return False
        times = one["elapsed_ms"] is None or one["elapsed_ms"] >= 0
        known = one["outcome"] in ("ok", "failed", "bench") and isinstance(one["when"], str)
        timed = one["outcome"] == "bench" or one["elapsed_ms"] is not None
        lists = isinstance(one["ports"], list) and isinstance(one["changes"], list)
        told = all(isinstance(change["text"], str) for change in one["changes"])
        return bool(known and times and timed and lists and told)
    except (KeyError, TypeError):
        return False


# ---- the line of a monitoring system

OK, WARNING, CRITICAL, UNKNOWN = 0, 1, 2, 3
_NAMES = ("OK", "WARNING", "CRITICAL", "UNKNOWN")


def check(new, warning_s=None, critical_s=None):
    """(exit code, the line) of a boot, as https://nagios-plugins.org/doc/guidelines.html says."""
    what = f"{new['file']} from {new['address'] or new['server']} as {new['rom']}"
    if new["outcome"] == "bench":
        return UNKNOWN, status_line(UNKNOWN, f"{what} was not tried: {new['text']}")
    said = [change["text"] for change in new["changes"]]
    seconds = new["elapsed_ms"] / 1000
    if new["outcome"] == "failed":
        code = CRITICAL
        words = f"{what} failed with {new['code'] or 'no code'}, {reason(new)}".rstrip(".")
    else:
        late = critical_s is not None and seconds > critical_s
        odd = any(change["id"] in WARNINGS for change in new["changes"])
        odd = odd or (warning_s is not None and seconds > warning_s)
        code = CRITICAL if late else WARNING if odd else OK
        words = f"{what} in {seconds:.3f} s"
    limits = ";".join(map(_figure, (warning_s, critical_s)))
    figures = (
        f"time={seconds:.3f}s;{limits};0 size={new['bytes']}B requests={len(new['ports'])} "
        f"resent={new['retransmits']}"
    )
    return code, status_line(code, ". ".join([words, *said]), figures)


def _figure(seconds):
    # The guidelines allow digits and a point, no exponent.
    return "" if seconds is None else f"{seconds:.6f}".rstrip("0").rstrip(".")


def status_line(code, words, figures=None):
    """One line; a bar begins the figures, so the words have none."""
    words = show(" ".join(words.split())).replace("|", "/")
    return f"PXE {_NAMES[code]}: {words}" + (f" | {figures}" if figures else "")
